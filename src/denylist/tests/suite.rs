//! What every store promises. Each test runs on the embedded store and on a real Redis.

use std::time::Duration;

use gateward_auth::{RevokedBy, Standing, TokenId, UnixSeconds};
use tokio::task::JoinSet;

use super::support::{
    CLAIMED, CONTESTED, HOUR, Place, Session, adopt, bytes, claim, foreign, foreign_id, is_refused, now, retention,
    successor, token_of, until, user, verified, within,
};
use crate::replica::MAX_LISTED;
use crate::{Adopt, Adoption, Claim, Denylist, ForeignToken, Refused, RevokeOutcome, Rotated, ids};

const GRACE: Duration = Duration::from_secs(10);

macro_rules! on_both_stores {
    ($($name:ident)*) => {
        mod embedded {
            use super::Place;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&Place::embedded()).await;
            })*
        }
        mod redis {
            use super::Place;
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(&Place::redis().await).await;
            })*
        }
    };
}

on_both_stores! {
    a_new_session_is_clear_and_refreshes
    the_same_refresh_token_gets_the_same_pair_within_the_grace
    a_refresh_token_two_exchanges_old_still_gets_its_own_pair_within_the_grace
    a_refresh_token_after_the_grace_ends_the_family
    without_grace_a_second_refresh_ends_the_family
    a_refresh_token_that_was_never_issued_ends_the_family
    a_refresh_of_another_user_or_an_unknown_family_is_refused_and_ends_nothing
    a_refresh_after_expiry_is_refused
    a_hundred_parallel_refreshes_give_one_pair
    what_was_revoked_is_refused_at_once
    any_id_of_a_family_ends_it
    a_revoked_family_cannot_refresh
    a_revoked_refresh_id_of_a_foreign_shape_is_refused
    revoking_twice_is_revoking_once
    nobody_revokes_a_token_of_somebody_else
    an_unknown_id_is_listed_for_its_caller_until_it_cannot_matter
    an_id_of_a_session_that_the_store_has_lost_ends_it_all_the_same
    nobody_fills_the_list_with_ids_of_nothing
    revoking_a_user_is_exact_within_one_second
    revoking_a_user_ends_refreshing_too
    an_epoch_is_never_given_out_again
    parallel_revocations_of_a_user_each_get_an_epoch_of_their_own
    an_adoption_is_claimed_by_one_attempt
    a_claim_that_nobody_finished_is_free_again
    a_claim_after_one_that_nobody_finished_is_contested_while_that_may_finish
    a_claim_that_is_given_back_tells_what_has_become_of_the_token
    an_adopted_token_gets_the_same_pair_within_the_grace
    an_adopted_token_after_the_grace_ends_what_it_has_become
    an_adopted_token_gets_a_pair_that_nobody_has_used_at_any_time
    finishing_again_is_finishing_once
    an_adoption_ends_with_the_epoch_of_its_user
    what_was_revoked_while_the_gateway_was_asked_becomes_no_session
    revoking_an_adopted_token_ends_what_it_has_become
    everything_is_there_after_a_restart
    names_with_strange_characters_are_kept_apart
    a_purge_keeps_what_matters
    what_is_closed_refuses
}

async fn a_new_session_is_clear_and_refreshes(place: &Place) {
    let list = place.open().await;
    let first = Session::open(&list, "ann").await;
    assert_eq!(first.epoch, 0);
    let second = first.refreshed(&list, GRACE).await;
    let third = second.refreshed(&list, GRACE).await;
    for session in [&first, &second, &third] {
        assert_eq!(list.peek(&session.access_token(), now()), Standing::Clear);
        assert_eq!(list.peek(&session.refresh_token(), now()), Standing::Clear);
    }
    let health = list.health();
    assert!(
        health.loaded && !health.degraded && health.reason.is_none(),
        "{health:?}"
    );
    assert_eq!((health.entries, health.alarms), (0, 0));
}

async fn the_same_refresh_token_gets_the_same_pair_within_the_grace(place: &Place) {
    let list = place.open().await;
    let session = Session::open(&list, "ann").await;
    let rotation = session.rotation(GRACE);
    let pair = rotation.successor.clone();
    assert_eq!(list.rotate(rotation).await.unwrap(), Rotated::Fresh(0));
    for _ in 0..3 {
        assert_eq!(
            list.rotate(session.rotation(GRACE)).await.unwrap(),
            Rotated::Replayed(pair.clone(), 0)
        );
    }
    assert_eq!(list.health().entries, 0);
}

async fn a_refresh_token_two_exchanges_old_still_gets_its_own_pair_within_the_grace(place: &Place) {
    let list = place.open().await;
    let first = Session::open(&list, "ann").await;
    let rotation = first.rotation(GRACE);
    let pair = rotation.successor.clone();
    assert_eq!(list.rotate(rotation).await.unwrap(), Rotated::Fresh(0));
    let second = Session {
        access: pair.access.clone(),
        refresh: pair.refresh.clone(),
        ..first.clone()
    };
    let third = second.refreshed(&list, GRACE).await;
    assert_eq!(
        list.rotate(first.rotation(GRACE)).await.unwrap(),
        Rotated::Replayed(pair, 0)
    );
    third.refreshed(&list, GRACE).await;
}

async fn a_refresh_token_after_the_grace_ends_the_family(place: &Place) {
    let list = place.open().await;
    let first = Session::open(&list, "ann").await;
    let bystander = Session::open(&list, "ann").await;
    let grace = Duration::from_millis(300);
    let second = first.refreshed(&list, grace).await;
    within("the grace is over", async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        loop {
            ticks.tick().await;
            match list.rotate(first.rotation(grace)).await.unwrap() {
                Rotated::Replayed(pair, 0) => assert_eq!(pair.refresh, second.refresh),
                Rotated::Reused => break,
                other => panic!("{other:?}"),
            }
        }
    })
    .await;
    for token in [first.access_token(), second.access_token(), second.refresh_token()] {
        assert_eq!(list.peek(&token, now()), Standing::Revoked(RevokedBy::Family));
    }
    let after = list.rotate(second.rotation(grace)).await.unwrap();
    assert_eq!(after, Rotated::Refused(Refused::Revoked));
    bystander.refreshed(&list, grace).await;
}

async fn without_grace_a_second_refresh_ends_the_family(place: &Place) {
    let list = place.open().await;
    let first = Session::open(&list, "ann").await;
    let second = first.refreshed(&list, Duration::ZERO).await;
    assert_eq!(
        list.rotate(first.rotation(Duration::ZERO)).await.unwrap(),
        Rotated::Reused
    );
    assert!(is_refused(&list, &second.access_token()));
}

async fn a_refresh_token_that_was_never_issued_ends_the_family(place: &Place) {
    let list = place.open().await;
    let session = Session::open(&list, "ann").await;
    let forged = Session {
        refresh: token_of(&session.family),
        ..session.clone()
    };
    assert_eq!(list.rotate(forged.rotation(GRACE)).await.unwrap(), Rotated::Reused);
    assert!(is_refused(&list, &session.access_token()));
}

async fn a_refresh_of_another_user_or_an_unknown_family_is_refused_and_ends_nothing(place: &Place) {
    let list = place.open().await;
    let session = Session::open(&list, "ann").await;
    let other_user = Session {
        user: user("bob"),
        ..session.clone()
    };
    let other_family = Session {
        family: ids::new_family([1; 12]),
        ..session.clone()
    };
    for stranger in [other_user, other_family] {
        let answer = list.rotate(stranger.rotation(GRACE)).await.unwrap();
        assert_eq!(answer, Rotated::Refused(Refused::Unknown));
    }
    session.refreshed(&list, GRACE).await;
}

async fn a_refresh_after_expiry_is_refused(place: &Place) {
    let list = place.open().await;
    let session = Session::open(&list, "ann").await;
    let mut rotation = session.rotation(GRACE);
    rotation.now = now().plus(720 * HOUR + 2);
    assert_eq!(list.rotate(rotation).await.unwrap(), Rotated::Refused(Refused::Expired));
    session.refreshed(&list, GRACE).await;
}

async fn a_hundred_parallel_refreshes_give_one_pair(place: &Place) {
    let list = place.open().await;
    let session = Session::open(&list, "ann").await;
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let (list, rotation) = (list.clone(), session.rotation(GRACE));
            tokio::spawn(async move {
                let proposed = rotation.successor.clone();
                match list.rotate(rotation).await.unwrap() {
                    Rotated::Fresh(_) => (proposed, true),
                    Rotated::Replayed(pair, _) => (pair, false),
                    other => panic!("{other:?}"),
                }
            })
        })
        .collect();
    let mut pairs = Vec::new();
    let mut fresh = 0;
    for task in tasks {
        let (pair, first) = task.await.unwrap();
        fresh += usize::from(first);
        pairs.push(pair);
    }
    pairs.dedup();
    assert_eq!((pairs.len(), fresh), (1, 1));
}

async fn what_was_revoked_is_refused_at_once(place: &Place) {
    let list = place.open().await;
    for round in 0..50 {
        let session = Session::open(&list, "ann").await;
        if round % 2 == 0 {
            let outcome = list.revoke_token(&session.user, &session.access, now()).await.unwrap();
            assert_eq!(outcome, RevokeOutcome::Family(session.family.clone()));
        } else {
            list.revoke_user(&session.user, now()).await.unwrap();
        }
        assert!(is_refused(&list, &session.access_token()), "round {round}");
    }
}

async fn any_id_of_a_family_ends_it(place: &Place) {
    let list = place.open().await;
    for which in 0..4 {
        let first = Session::open(&list, "ann").await;
        let second = first.refreshed(&list, GRACE).await;
        let third = second.refreshed(&list, GRACE).await;
        let fourth = third.refreshed(&list, GRACE).await;
        let id = match which {
            0 => &first.access,
            1 => &first.refresh,
            2 => &fourth.access,
            _ => &fourth.refresh,
        };
        list.revoke_token(&first.user, id, now()).await.unwrap();
        for session in [&first, &second, &third, &fourth] {
            assert!(is_refused(&list, &session.access_token()) && is_refused(&list, &session.refresh_token()));
        }
        let answer = list.rotate(fourth.rotation(GRACE)).await.unwrap();
        assert_eq!(answer, Rotated::Refused(Refused::Revoked));
    }
}

async fn a_revoked_family_cannot_refresh(place: &Place) {
    let list = place.open().await;
    let session = Session::open(&list, "ann").await;
    let spent = session.refreshed(&list, GRACE).await;
    list.revoke_token(&session.user, &session.access, now()).await.unwrap();
    // Asked past the list in memory, the store itself refuses, the pair within the grace too.
    for presented in [&session, &spent] {
        let answer = list.store().rotate(&presented.rotation(GRACE), 0).await.unwrap();
        assert_eq!(answer, Rotated::Refused(Refused::Revoked));
    }
}

async fn a_revoked_refresh_id_of_a_foreign_shape_is_refused(place: &Place) {
    let list = place.open().await;
    let mut session = Session::open(&list, "ann").await;
    // An id with an unknown prefix, which an older version may have put into a family of ours.
    session.refresh = foreign_id();
    list.revoke_token(&session.user, &session.refresh, now()).await.unwrap();
    let answer = list.store().rotate(&session.rotation(GRACE), 0).await.unwrap();
    assert_eq!(answer, Rotated::Refused(Refused::Revoked));
}

async fn revoking_twice_is_revoking_once(place: &Place) {
    let list = place.open().await;
    let session = Session::open(&list, "ann").await;
    let unknown = foreign_id();
    for _ in 0..3 {
        let outcome = list.revoke_token(&session.user, &session.refresh, now()).await.unwrap();
        assert_eq!(outcome, RevokeOutcome::Family(session.family.clone()));
        let outcome = list.revoke_token(&session.user, &unknown, now()).await.unwrap();
        assert_eq!(outcome, RevokeOutcome::TokenListed);
    }
    let stats = list.stats();
    assert_eq!((stats.tokens, stats.families, stats.users), (1, 1, 0));
    assert_eq!(list.health().entries, 2);
}

async fn nobody_revokes_a_token_of_somebody_else(place: &Place) {
    let list = place.open().await;
    let session = Session::open(&list, "ann").await;
    for id in [&session.access, &session.refresh] {
        let outcome = list.revoke_token(&user("bob"), id, now()).await.unwrap();
        assert_eq!(outcome, RevokeOutcome::Foreign);
    }
    assert_eq!(list.peek(&session.access_token(), now()), Standing::Clear);
    session.refreshed(&list, GRACE).await;
}

async fn an_unknown_id_is_listed_for_its_caller_until_it_cannot_matter(place: &Place) {
    let list = place.open().await;
    let (ann, bob, id) = (user("ann"), user("bob"), foreign_id());
    assert_eq!(
        list.revoke_token(&ann, &id, now()).await.unwrap(),
        RevokeOutcome::TokenListed
    );
    let token = verified(&ann, &id, None, now());
    assert_eq!(list.peek(&token, now()), Standing::Revoked(RevokedBy::Token));
    assert_eq!(list.peek(&verified(&bob, &id, None, now()), now()), Standing::Clear);
    let end = retention().longest(now());
    assert_eq!(list.peek(&token, end.minus(60)), Standing::Revoked(RevokedBy::Token));
    assert_eq!(list.peek(&token, end.plus(60)), Standing::Clear);
}

async fn an_id_of_a_session_that_the_store_has_lost_ends_it_all_the_same(place: &Place) {
    let list = place.open().await;
    let family = ids::new_family(bytes());
    let lost = Session {
        user: user("ann"),
        access: token_of(&family),
        refresh: token_of(&family),
        family,
        epoch: 0,
    };
    let stranger = list.revoke_token(&user("bob"), &lost.refresh, now()).await.unwrap();
    assert_eq!(stranger, RevokeOutcome::TokenListed);
    assert_eq!(list.peek(&lost.access_token(), now()), Standing::Clear, "not his");
    list.revoke_token(&lost.user, &lost.refresh, now()).await.unwrap();
    assert!(is_refused(&list, &lost.access_token()));
    assert!(is_refused(&list, &lost.refresh_token()));
    list.close().await;
    drop(list);
    assert!(is_refused(&place.open().await, &lost.access_token()));
}

async fn nobody_fills_the_list_with_ids_of_nothing(place: &Place) {
    let list = place.open().await;
    let (ann, bob) = (user("ann"), user("bob"));
    let id = |number: usize| TokenId::parse(&format!("junk-{number:016}")).unwrap();
    let mut asked = JoinSet::new();
    for number in 0..MAX_LISTED {
        let (list, ann, id) = (list.clone(), ann.clone(), id(number));
        asked.spawn(async move { list.revoke_token(&ann, &id, now()).await.unwrap() });
    }
    while let Some(outcome) = asked.join_next().await {
        assert_eq!(outcome.unwrap(), RevokeOutcome::TokenListed);
    }
    let one_more = id(MAX_LISTED);
    let outcome = list.revoke_token(&ann, &one_more, now()).await.unwrap();
    assert_eq!(outcome, RevokeOutcome::TooMany);
    assert_eq!(list.health().entries, MAX_LISTED);
    let foreign = Session::open(&list, "bob").await;
    let outcome = list.revoke_token(&ann, &foreign.access, now()).await.unwrap();
    assert_eq!(outcome, RevokeOutcome::TooMany);
    let again = list.revoke_token(&ann, &id(7), now()).await.unwrap();
    assert_eq!(again, RevokeOutcome::TokenListed, "it is there");
    let session = Session::open(&list, "ann").await;
    let own = list.revoke_token(&ann, &session.access, now()).await.unwrap();
    assert_eq!(
        own,
        RevokeOutcome::Family(session.family.clone()),
        "sessions end as ever"
    );
    let others = list.revoke_token(&bob, &one_more, now()).await.unwrap();
    assert_eq!(others, RevokeOutcome::TokenListed, "others have room");
}

async fn revoking_a_user_is_exact_within_one_second(place: &Place) {
    let list = place.open().await;
    let ann = user("ann");
    let mut last = 0;
    for _ in 0..20 {
        let before = Session::open(&list, "ann").await;
        assert_eq!(list.peek(&before.access_token(), now()), Standing::Clear);
        let epoch = list.revoke_user(&ann, now()).await.unwrap();
        assert!(epoch > last, "{epoch} follows {last}");
        last = epoch;
        let after = Session::open(&list, "ann").await;
        assert_eq!(after.epoch, epoch);
        assert_eq!(
            list.peek(&before.access_token(), now()),
            Standing::Revoked(RevokedBy::User)
        );
        assert_eq!(list.peek(&after.access_token(), now()), Standing::Clear);
    }
    let time = now();
    list.revoke_user(&ann, time).await.unwrap();
    for (issued_at, refused) in [(time.minus(5), true), (time, true), (time.plus(1), false)] {
        let token = verified(&ann, &foreign_id(), None, issued_at);
        assert_eq!(is_refused(&list, &token), refused, "{issued_at} {time}");
    }
    let other = Session::open(&list, "bob").await;
    assert_eq!(list.peek(&other.access_token(), now()), Standing::Clear);
    assert_eq!(list.health().entries, 1, "a user is one line, however often revoked");
}

async fn revoking_a_user_ends_refreshing_too(place: &Place) {
    let list = place.open().await;
    let before = Session::open(&list, "ann").await;
    let spent = before.refreshed(&list, GRACE).await;
    let epoch = list.revoke_user(&before.user, now()).await.unwrap();
    for session in [&before, &spent] {
        for answer in [
            list.rotate(session.rotation(GRACE)).await.unwrap(),
            list.store().rotate(&session.rotation(GRACE), 0).await.unwrap(),
        ] {
            assert_eq!(answer, Rotated::Refused(Refused::Revoked));
        }
    }
    let after = Session::open(&list, "ann").await;
    assert_eq!(after.refreshed(&list, GRACE).await.epoch, epoch);
}

async fn an_epoch_is_never_given_out_again(place: &Place) {
    let list = place.open().await;
    let ann = user("ann");
    let early = list.revoke_user(&ann, now()).await.unwrap();
    // So late that nobody remembers the first one.
    let late = now().plus(10_000 * HOUR);
    let bob = list.revoke_user(&user("bob"), late).await.unwrap();
    assert!(bob > early);
    // What the caller knows counts where the store knows less.
    assert_eq!(
        list.store().revoke_user(&ann, now(), early + 1000).await.unwrap(),
        early + 1001
    );
    let session = Session::open(&list, "ann").await;
    assert_eq!(session.epoch, early + 1001);
}

async fn parallel_revocations_of_a_user_each_get_an_epoch_of_their_own(place: &Place) {
    let list = place.open().await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let list = list.clone();
            tokio::spawn(async move { list.revoke_user(&user("ann"), now()).await.unwrap() })
        })
        .collect();
    let mut epochs = Vec::new();
    for task in tasks {
        epochs.push(task.await.unwrap());
    }
    epochs.sort_unstable();
    epochs.dedup();
    assert_eq!(epochs.len(), 50);
    assert_eq!(Some(&Session::open(&list, "ann").await.epoch), epochs.last());
}

async fn an_adoption_is_claimed_by_one_attempt(place: &Place) {
    let list = place.open().await;
    let token = foreign("ann");
    let tasks: Vec<_> = (0..20)
        .map(|attempt| {
            let (list, claim) = (list.clone(), claim(&token, &attempt.to_string()));
            tokio::spawn(async move { list.claim_adoption(&claim).await.unwrap() })
        })
        .collect();
    let mut claimed = Vec::new();
    for (attempt, task) in tasks.into_iter().enumerate() {
        match task.await.unwrap() {
            CLAIMED => claimed.push(attempt.to_string()),
            other => assert_eq!(other, Adoption::Busy),
        }
    }
    let [owner] = &*claimed else { panic!("{claimed:?}") };
    let elsewhere = ForeignToken {
        user: user("bob"),
        ..token.clone()
    };
    let ask = async |token: &ForeignToken, owner: &str| list.claim_adoption(&claim(token, owner)).await.unwrap();
    assert_eq!(ask(&elsewhere, "a").await, CLAIMED);
    assert_eq!(ask(&token, owner).await, CLAIMED, "the same attempt again");
    let release = async |owner: &str| list.release_adoption(&token, owner, GRACE).await.unwrap();
    let look = async || list.adoption(&token, GRACE, now()).await.unwrap();
    assert_eq!(release("somebody else").await, Some(Adoption::Busy));
    assert_eq!(
        (ask(&token, "b").await, look().await),
        (Adoption::Busy, Some(Adoption::Busy))
    );
    assert_eq!((release(owner).await, look().await), (None, None));
    assert_eq!(ask(&token, "b").await, CLAIMED);
}

/// Waits for the end of somebody's lease and claims the token.
async fn claim_after(list: &Denylist, claim: &Claim) -> Adoption {
    within("the lease ends", async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        loop {
            let answer = list.claim_adoption(claim).await.unwrap();
            if answer != Adoption::Busy {
                return answer;
            }
            ticks.tick().await;
        }
    })
    .await
}

async fn a_claim_that_nobody_finished_is_free_again(place: &Place) {
    let list = place.open().await;
    let token = foreign("ann");
    let short = Claim {
        lease: Duration::from_millis(200),
        ..claim(&token, "crashed")
    };
    assert_eq!(list.claim_adoption(&short).await.unwrap(), CLAIMED);
    assert_eq!(
        list.claim_adoption(&claim(&token, "next")).await.unwrap(),
        Adoption::Busy
    );
    assert_eq!(claim_after(&list, &claim(&token, "next")).await, CONTESTED);
    assert_eq!(
        list.claim_adoption(&claim(&token, "third")).await.unwrap(),
        Adoption::Busy
    );
    // Whom the gateway has answered after all, loses nothing.
    let late = adopt(&token);
    let done = Adoption::Done(late.pair.clone(), 0);
    assert_eq!(list.adopt(&late, now()).await.unwrap(), done);
    assert_eq!(list.claim_adoption(&claim(&token, "next")).await.unwrap(), done);
}

async fn a_claim_after_one_that_nobody_finished_is_contested_while_that_may_finish(place: &Place) {
    let list = place.open().await;
    let (slow, dead) = (foreign("ann"), foreign("ann"));
    for token in [&slow, &dead] {
        let lapsed = Claim {
            lease: Duration::ZERO,
            ..claim(token, "a")
        };
        assert_eq!(list.claim_adoption(&lapsed).await.unwrap(), CLAIMED);
    }
    for owner in ["b", "c"] {
        for _ in 0..2 {
            let answer = list.claim_adoption(&claim(&slow, owner)).await.unwrap();
            assert_eq!(answer, CONTESTED, "the same attempt may ask again");
        }
        // Giving it back does not settle whether the first one has exchanged the token.
        assert_eq!(list.release_adoption(&slow, owner, GRACE).await.unwrap(), None);
        assert_eq!(list.adoption(&slow, GRACE, now()).await.unwrap(), None);
    }
    within("the first one cannot finish any more", async {
        let mut ticks = tokio::time::interval(Duration::from_millis(5));
        let soon = Claim {
            may_finish: Duration::from_millis(100),
            ..claim(&dead, "b")
        };
        while list.claim_adoption(&soon).await.unwrap() != CLAIMED {
            list.release_adoption(&dead, "b", GRACE).await.unwrap();
            ticks.tick().await;
        }
    })
    .await;
}

async fn a_claim_that_is_given_back_tells_what_has_become_of_the_token(place: &Place) {
    let list = place.open().await;
    let (finished, over, revoked) = (foreign("ann"), foreign("ann"), foreign("ann"));
    let release = async |token: &ForeignToken, grace| list.release_adoption(token, "b", grace).await.unwrap();
    for token in [&finished, &over, &revoked] {
        assert_eq!(list.claim_adoption(&claim(token, "b")).await.unwrap(), CLAIMED);
    }
    let done = list.adopt(&adopt(&finished), now()).await.unwrap();
    assert_eq!(release(&finished, GRACE).await, Some(done));
    let other = adopt(&over);
    list.adopt(&other, now()).await.unwrap();
    let used = Session::of(&other, 0);
    used.refreshed(&list, GRACE).await;
    assert_eq!(
        release(&over, Duration::ZERO).await,
        Some(Adoption::Reused(other.family))
    );
    list.revoke_token(&revoked.user, &revoked.id, now()).await.unwrap();
    assert_eq!(release(&revoked, GRACE).await, Some(Adoption::Revoked));
}

async fn an_adopted_token_gets_the_same_pair_within_the_grace(place: &Place) {
    let list = place.open().await;
    let epoch = list.revoke_user(&user("ann"), now().minus(HOUR)).await.unwrap();
    let token = foreign("ann");
    assert_eq!(list.claim_adoption(&claim(&token, "a")).await.unwrap(), CLAIMED);
    let adoption = adopt(&token);
    let done = Adoption::Done(adoption.pair.clone(), epoch);
    assert_eq!(list.adopt(&adoption, now()).await.unwrap(), done);
    assert_eq!(
        list.adopt(&adopt(&token), now()).await.unwrap(),
        done,
        "another one is late"
    );
    assert_eq!(
        list.release_adoption(&token, "a", GRACE).await.unwrap(),
        Some(done.clone())
    );
    assert_eq!(list.adoption(&token, GRACE, now()).await.unwrap(), Some(done.clone()));
    for owner in ["a", "b"] {
        assert_eq!(list.claim_adoption(&claim(&token, owner)).await.unwrap(), done);
    }
    let session = Session::of(&adoption, epoch);
    session.refreshed(&list, GRACE).await;
}

async fn an_adopted_token_after_the_grace_ends_what_it_has_become(place: &Place) {
    let list = place.open().await;
    let (looked_at, claimed) = (foreign("ann"), foreign("ann"));
    for token in [&looked_at, &claimed] {
        let adoption = adopt(token);
        list.adopt(&adoption, now()).await.unwrap();
        let session = Session::of(&adoption, 0);
        let session = session.refreshed(&list, GRACE).await;
        let reused = if std::ptr::eq(token, &looked_at) {
            list.adoption(token, Duration::ZERO, now()).await.unwrap().unwrap()
        } else {
            let without = Claim {
                grace: Duration::ZERO,
                ..claim(token, "b")
            };
            list.claim_adoption(&without).await.unwrap()
        };
        assert_eq!(reused, Adoption::Reused(adoption.family));
        assert!(is_refused(&list, &session.access_token()) && is_refused(&list, &session.refresh_token()));
        assert!(is_refused(&list, &verified(&token.user, &token.id, None, now())));
        let answer = list.store().rotate(&session.rotation(GRACE), 0).await.unwrap();
        assert_eq!(answer, Rotated::Refused(Refused::Revoked));
        // Once is enough: the second time it is a revoked token like any other, in memory and in the store.
        assert_eq!(
            list.adoption(token, GRACE, now()).await.unwrap(),
            Some(Adoption::Revoked)
        );
        assert_eq!(
            list.store().adoption(token, GRACE).await.unwrap(),
            Some(Adoption::Revoked)
        );
    }
    list.close().await;
    let list = place.open().await;
    assert_eq!(list.health().entries, 4);
}

async fn an_adopted_token_gets_a_pair_that_nobody_has_used_at_any_time(place: &Place) {
    let list = place.open().await;
    let (token, revoked) = (foreign("ann"), foreign("bob"));
    let look = async |token: &ForeignToken| list.store().adoption(token, Duration::ZERO).await.unwrap();
    let adoption = adopt(&token);
    let done = list.adopt(&adoption, now()).await.unwrap();
    assert_eq!(look(&token).await, Some(done.clone()));
    let without = |adoption: Adopt| Adopt {
        grace: Duration::ZERO,
        ..adoption
    };
    assert_eq!(list.adopt(&without(adopt(&token)), now()).await.unwrap(), done);
    let claim = Claim {
        grace: Duration::ZERO,
        ..claim(&token, "b")
    };
    assert_eq!(list.claim_adoption(&claim).await.unwrap(), done);
    let session = Session::of(&adoption, 0);
    session.refreshed(&list, GRACE).await;
    assert_eq!(look(&token).await, Some(Adoption::Reused(adoption.family)));
    // What was revoked is given to nobody.
    let Adoption::Done(pair, _) = list.adopt(&adopt(&revoked), now()).await.unwrap() else {
        panic!("not adopted")
    };
    list.revoke_token(&revoked.user, &pair.access, now()).await.unwrap();
    assert_eq!(look(&revoked).await, Some(Adoption::Revoked));
}

async fn finishing_again_is_finishing_once(place: &Place) {
    let list = place.open().await;
    let token = foreign("ann");
    let without_grace = |adoption: Adopt| Adopt {
        grace: Duration::ZERO,
        ..adoption
    };
    let first = without_grace(adopt(&token));
    let done = Adoption::Done(first.pair.clone(), 0);
    assert_eq!(list.adopt(&first, now()).await.unwrap(), done);
    // The answer got lost. Whoever asks again may propose a later pair, and gets the one that is kept.
    let again = Adopt {
        pair: successor(&first.family),
        ..first.clone()
    };
    for adoption in [&first, &again] {
        assert_eq!(list.adopt(adoption, now()).await.unwrap(), done);
    }
    let session = Session::of(&first, 0);
    let session = session.refreshed(&list, GRACE).await;
    assert_eq!(list.adopt(&again, now()).await.unwrap(), done);
    session.refreshed(&list, GRACE).await;
    let other = list.adopt(&without_grace(adopt(&token)), now()).await.unwrap();
    assert_eq!(other, Adoption::Reused(first.family.clone()), "another family");
    assert_eq!(list.adopt(&again, now()).await.unwrap(), Adoption::Revoked);
}

async fn an_adoption_ends_with_the_epoch_of_its_user(place: &Place) {
    let list = place.open().await;
    // The gateway's clock is ahead.
    let token = ForeignToken {
        issued_at: now().plus(60),
        ..foreign("ann")
    };
    let adoption = adopt(&token);
    let done = Adoption::Done(adoption.pair.clone(), 0);
    assert_eq!(list.adopt(&adoption, now()).await.unwrap(), done);
    list.revoke_user(&token.user, now()).await.unwrap();
    for owner in ["a", "b"] {
        let answer = list.claim_adoption(&claim(&token, owner)).await.unwrap();
        assert_eq!(answer, Adoption::Revoked);
    }
    assert_eq!(list.adopt(&adoption, now()).await.unwrap(), Adoption::Revoked);
}

async fn what_was_revoked_while_the_gateway_was_asked_becomes_no_session(place: &Place) {
    let list = place.open().await;
    let (by_id, by_user) = (foreign("ann"), foreign("bob"));
    for token in [&by_id, &by_user] {
        assert_eq!(list.claim_adoption(&claim(token, "a")).await.unwrap(), CLAIMED);
    }
    list.revoke_token(&by_id.user, &by_id.id, now()).await.unwrap();
    list.revoke_user(&by_user.user, now()).await.unwrap();
    for token in [&by_id, &by_user] {
        // The store alone: the list in memory may be behind.
        assert_eq!(list.store().adopt(&adopt(token), 0).await.unwrap(), Adoption::Revoked);
        assert_eq!(list.adopt(&adopt(token), now()).await.unwrap(), Adoption::Revoked);
        assert_eq!(
            list.claim_adoption(&claim(token, "b")).await.unwrap(),
            Adoption::Revoked
        );
    }
    let later = ForeignToken {
        issued_at: now().plus(60),
        ..foreign("bob")
    };
    assert!(matches!(
        list.adopt(&adopt(&later), now()).await.unwrap(),
        Adoption::Done(..)
    ));
}

async fn revoking_an_adopted_token_ends_what_it_has_become(place: &Place) {
    let list = place.open().await;
    let token = foreign("ann");
    let adoption = adopt(&token);
    assert!(matches!(
        list.adopt(&adoption, now()).await.unwrap(),
        Adoption::Done(..)
    ));
    let access = verified(&token.user, &adoption.pair.access, Some((&adoption.family, 0)), now());
    let strange = list.revoke_token(&user("bob"), &token.id, now()).await.unwrap();
    assert_eq!(
        (strange, is_refused(&list, &access)),
        (RevokeOutcome::TokenListed, false)
    );
    let ended = list.revoke_token(&token.user, &token.id, now()).await.unwrap();
    assert_eq!(ended, RevokeOutcome::Family(adoption.family.clone()));
    assert!(is_refused(&list, &access));
    assert!(is_refused(&list, &verified(&token.user, &token.id, None, now())));
    assert_eq!(
        list.claim_adoption(&claim(&token, "a")).await.unwrap(),
        Adoption::Revoked
    );
}

async fn everything_is_there_after_a_restart(place: &Place) {
    let list = place.open().await;
    let alive = Session::open(&list, "ann").await;
    let spent = alive.refreshed(&list, GRACE).await;
    let dead = Session::open(&list, "ann").await;
    list.revoke_token(&dead.user, &dead.access, now()).await.unwrap();
    let gone = Session::open(&list, "bob").await;
    let epoch = list.revoke_user(&gone.user, now()).await.unwrap();
    let (id, claimed, adopted) = (foreign_id(), foreign("cid"), foreign("cid"));
    list.revoke_token(&user("cid"), &id, now()).await.unwrap();
    list.claim_adoption(&claim(&claimed, "a")).await.unwrap();
    let done = list.adopt(&adopt(&adopted), now()).await.unwrap();
    list.close().await;
    drop(list);

    let list = place.open().await;
    assert!(is_refused(&list, &dead.refresh_token()));
    assert!(is_refused(&list, &gone.access_token()));
    assert!(is_refused(&list, &verified(&user("cid"), &id, None, now())));
    assert_eq!(list.health().entries, 3);
    assert_eq!(Session::open(&list, "bob").await.epoch, epoch);
    assert_eq!(
        list.claim_adoption(&claim(&claimed, "b")).await.unwrap(),
        Adoption::Busy
    );
    assert_eq!(list.claim_adoption(&claim(&adopted, "b")).await.unwrap(), done);
    assert!(
        matches!(list.rotate(alive.rotation(GRACE)).await.unwrap(), Rotated::Replayed(pair, 0)
        if pair.refresh == spent.refresh && pair.scopes == successor(&alive.family).scopes)
    );
    spent.refreshed(&list, GRACE).await;
}

async fn names_with_strange_characters_are_kept_apart(place: &Place) {
    let list = place.open().await;
    let names = [
        "a b",
        "a:b",
        "{a}",
        "a\"b",
        "Zo\u{eb}",
        "\u{1F600}",
        "*",
        "a\\tb",
        "]]",
        "%s",
    ];
    let mut sessions = Vec::new();
    for name in names {
        sessions.push(Session::open(&list, name).await);
    }
    for (index, session) in sessions.iter().enumerate() {
        list.revoke_user(&session.user, now()).await.unwrap();
        for (other, session) in sessions.iter().enumerate() {
            assert_eq!(
                is_refused(&list, &session.access_token()),
                other <= index,
                "{}",
                session.user
            );
        }
    }
    list.close().await;
    let list = place.open().await;
    assert!(
        sessions
            .iter()
            .all(|session| is_refused(&list, &session.access_token()))
    );
}

async fn a_purge_keeps_what_matters(place: &Place) {
    let list = place.open().await;
    let session = Session::open(&list, "ann").await;
    list.revoke_user(&user("bob"), now()).await.unwrap();
    for _ in 0..10 {
        list.revoke_token(&user("cid"), &foreign_id(), now()).await.unwrap();
    }
    list.store().purge(now()).await.unwrap();
    list.close().await;
    let list = place.open().await;
    assert_eq!(list.health().entries, 11);
    list.store().purge(now().plus(10_000 * HOUR)).await.unwrap();
    list.close().await;
    let list = place.open().await;
    assert_eq!(list.health().entries, 0);
    if matches!(place, Place::Embedded(_)) {
        // Redis drops families by its own clock.
        let answer = list.rotate(session.rotation(GRACE)).await.unwrap();
        assert_eq!(answer, Rotated::Refused(Refused::Unknown));
    }
}

async fn what_is_closed_refuses(place: &Place) {
    let list = place.open().await;
    let session = Session::open(&list, "ann").await;
    list.revoke_token(&session.user, &session.access, UnixSeconds(now().0))
        .await
        .unwrap();
    list.close().await;
    assert!(list.revoke_user(&session.user, now()).await.is_err());
    assert!(is_refused(&list, &session.access_token()));
    until("closing is told", || {
        list.stats().operations.iter().any(|count| count.result() == "closed")
    })
    .await;
}
