//! Several replicas on one Redis: what one does, all know.

use std::time::Duration;

use gateward_auth::Standing;

use super::redis_server::RedisServer;
use super::support::{
    CLAIMED, HOUR, Session, TestClock, adopt, claim, foreign, foreign_id, is_refused, now, open_loaded, retention,
    until, user, verified, within,
};
use crate::{Adoption, Denylist, Options, RedisOptions, RevokeOutcome, Rotated, ids, open};

const GRACE: Duration = Duration::from_secs(10);

async fn fleet(server: &RedisServer) -> [Denylist; 3] {
    let one = || open_loaded(Options::Redis(RedisOptions::new(server.url())));
    [one().await, one().await, one().await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_revokes_all_refuse_within_a_second() {
    let server = RedisServer::start().await;
    let replicas = fleet(&server).await;
    let [first, second, third] = &replicas;
    let mut delays = Vec::new();
    for round in 0..100 {
        let session = Session::open(first, "ann").await;
        let token = session.access_token();
        assert_eq!(third.peek(&token, now()), Standing::Clear);
        match round % 3 {
            0 => drop(
                first
                    .revoke_token(&session.user, &session.refresh, now())
                    .await
                    .unwrap(),
            ),
            1 => drop(second.revoke_user(&session.user, now()).await.unwrap()),
            _ => {
                session.refreshed(second, Duration::ZERO).await;
                let reused = third.rotate(session.rotation(Duration::ZERO)).await.unwrap();
                assert_eq!(reused, Rotated::Reused);
            }
        }
        delays.push(until("all refuse", || replicas.iter().all(|list| is_refused(list, &token))).await);
    }
    delays.sort_unstable();
    let (median, slowest) = (delays[delays.len() / 2], delays[delays.len() - 1]);
    assert!(median < Duration::from_millis(50), "median {median:?}");
    assert!(slowest < Duration::from_secs(1), "slowest {slowest:?}");
    assert!(third.stats().feed_entries >= 100 && third.stats().feed_lag.is_some());
    assert_eq!(third.health().alarms, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_parallel_refreshes_over_three_replicas_give_one_pair() {
    let server = RedisServer::start().await;
    let replicas = fleet(&server).await;
    let session = Session::open(&replicas[0], "ann").await;
    let tasks: Vec<_> = (0..100)
        .map(|index| {
            let (list, rotation) = (replicas[index % 3].clone(), session.rotation(GRACE));
            tokio::spawn(async move {
                let proposed = rotation.successor.clone();
                match list.rotate(rotation).await.unwrap() {
                    Rotated::Fresh(_) => proposed,
                    Rotated::Replayed(pair, _) => pair,
                    other => panic!("{other:?}"),
                }
            })
        })
        .collect();
    let mut pairs = Vec::new();
    for task in tasks {
        pairs.push(task.await.unwrap());
    }
    pairs.dedup();
    assert_eq!(pairs.len(), 1);
    let pair = pairs.remove(0);
    let next = Session {
        access: pair.access,
        refresh: pair.refresh,
        ..session
    };
    next.refreshed(&replicas[2], GRACE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_refresh_succeeds_after_the_revocation_was_answered() {
    let server = RedisServer::start().await;
    let replicas = fleet(&server).await;
    for _ in 0..20 {
        let mut session = Session::open(&replicas[0], "ann").await;
        let revoked = session.clone();
        let revoking = {
            let list = replicas[1].clone();
            tokio::spawn(async move { list.revoke_token(&revoked.user, &revoked.access, now()).await.unwrap() })
        };
        loop {
            let over = revoking.is_finished();
            let rotation = session.rotation(GRACE);
            let successor = rotation.successor.clone();
            match replicas[2].rotate(rotation).await.unwrap() {
                Rotated::Fresh(_) => assert!(!over, "exchanged after the revocation was answered"),
                Rotated::Refused(_) => break,
                other => panic!("{other:?}"),
            }
            session = Session {
                access: successor.access,
                refresh: successor.refresh,
                ..session
            };
        }
        assert_eq!(revoking.await.unwrap(), RevokeOutcome::Family(session.family.clone()));
        until("the last pair is refused", || {
            is_refused(&replicas[0], &session.access_token())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_issued_elsewhere_right_after_its_user_was_revoked_is_good() {
    let server = RedisServer::start().await;
    let [first, second, third] = fleet(&server).await;
    for _ in 0..20 {
        let before = Session::open(&second, "ann").await;
        first.revoke_user(&before.user, now()).await.unwrap();
        let after = Session::open(&second, "ann").await;
        until("the old one is refused", || is_refused(&third, &before.access_token())).await;
        assert!(!is_refused(&third, &after.access_token()) && !is_refused(&first, &after.access_token()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_reaches_everybody_and_a_late_comer() {
    let server = RedisServer::start().await;
    let replicas = fleet(&server).await;
    // As many as one user may have.
    let ids: Vec<_> = (0..6000)
        .map(|number| (user(&format!("ann{}", number / 500)), foreign_id()))
        .collect();
    let tasks: Vec<_> = ids
        .chunks(500)
        .map(|ids| {
            let (list, ids) = (replicas[0].clone(), ids.to_vec());
            tokio::spawn(async move {
                for (user, id) in ids {
                    // A starved Redis may answer too late once: then a client hears 503 and asks again.
                    let revoked = async || {
                        while list.revoke_token(&user, &id, now()).await.is_err() {
                            tokio::task::yield_now().await;
                        }
                    };
                    within("revoked", revoked()).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let late = open_loaded(Options::Redis(RedisOptions::new(server.url()))).await;
    assert_eq!(late.health().entries, 6000);
    for list in &replicas {
        until("everything arrives", || list.health().entries == 6000).await;
        assert!(
            ids.iter()
                .step_by(100)
                .all(|(user, id)| is_refused(list, &verified(user, id, None, now())))
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_that_differ_lose_nothing() {
    let server = RedisServer::start().await;
    let options = || Options::Redis(RedisOptions::new(server.url()));
    let right = open_loaded(options()).await;
    let clock = TestClock::default();
    clock.shift(HOUR / 2);
    let ahead = open(options(), clock.clock(), retention()).await.unwrap();
    within("loaded", ahead.loaded()).await;

    // The grace runs by the clock of Redis.
    let session = Session::open(&right, "ann").await;
    session.refreshed(&right, GRACE).await;
    let mut rotation = session.rotation(GRACE);
    rotation.now = now().plus(HOUR / 2);
    assert!(matches!(ahead.rotate(rotation).await.unwrap(), Rotated::Replayed(..)));

    // A line that is over for the one and not for the other stays.
    let family = Session::open(&right, "bob").await;
    right.revoke_token(&family.user, &family.access, now()).await.unwrap();
    ahead.store().purge(now().plus(HOUR / 2)).await.unwrap();
    let late = open_loaded(options()).await;
    assert!(is_refused(&late, &family.access_token()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_fleets_with_different_prefixes_do_not_meet() {
    let server = RedisServer::start().await;
    let ours = open_loaded(Options::Redis(RedisOptions::new(server.url()))).await;
    let mut options = RedisOptions::new(server.url());
    options.prefix = "{other}:".to_owned();
    let theirs = open_loaded(Options::Redis(options)).await;
    let session = Session::open(&ours, "ann").await;
    ours.revoke_user(&session.user, now()).await.unwrap();
    let other = Session::open(&theirs, "ann").await;
    assert_eq!(other.epoch, 0);
    let id = foreign_id();
    theirs.revoke_token(&user("ann"), &id, now()).await.unwrap();
    assert!(!is_refused(&ours, &verified(&user("bob"), &id, None, now())));
    assert_eq!((ours.health().entries, theirs.health().entries), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_adopts_all_answer_for() {
    let server = RedisServer::start().await;
    let [first, second, third] = fleet(&server).await;
    let token = foreign("ann");
    assert_eq!(first.claim_adoption(&claim(&token, "a")).await.unwrap(), CLAIMED);
    assert_eq!(
        second.claim_adoption(&claim(&token, "b")).await.unwrap(),
        Adoption::Busy
    );
    let done = first.adopt(&adopt(&token), now()).await.unwrap();
    for list in [&second, &third] {
        assert_eq!(list.claim_adoption(&claim(&token, "b")).await.unwrap(), done);
    }
    let Adoption::Done(pair, epoch) = done else {
        panic!("{done:?}")
    };
    let family = ids::family_of(pair.access.as_str()).unwrap();
    let session = Session {
        user: token.user.clone(),
        family: family.clone(),
        access: pair.access.clone(),
        refresh: pair.refresh,
        epoch,
    };
    session.refreshed(&third, Duration::ZERO).await;
    let late = second.adoption(&token, Duration::ZERO, now()).await.unwrap();
    assert_eq!(late, Some(Adoption::Reused(family.clone())));
    let access = verified(&token.user, &pair.access, Some((&family, epoch)), now());
    for list in [&first, &second, &third] {
        until("everybody hears of a token that came twice", || {
            is_refused(list, &access) && is_refused(list, &verified(&token.user, &token.id, None, token.issued_at))
        })
        .await;
    }
}
