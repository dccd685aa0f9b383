//! What becomes of refresh tokens that the gateway issued.

use std::sync::atomic::{AtomicUsize, Ordering};

use gateward_denylist::{Adopt, Adoption, Claim, ForeignToken, Operation};
use tokio::sync::{Notify, Semaphore};

use super::*;
use crate::gateway::toy::Reply;

/// A refresh token as SMSGate's server signs it.
fn foreign(user: &str, id: &str, original_scopes: &str) -> String {
    let claims = format!(
        r#"{{"iss":"sms-gate.app","sub":"{user}","exp":{},"iat":{},"jti":"{id}","user_id":"{user}","scopes":["tokens:refresh"]{original_scopes}}}"#,
        NOW.0 + 3600,
        NOW.0,
    );
    sign(&claims)
}

fn sign(claims: &str) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
    use hmac::{Hmac, Mac as _};
    let signed = format!(
        "{}.{}",
        BASE64.encode(r#"{"alg":"HS256","typ":"JWT"}"#),
        BASE64.encode(claims)
    );
    let mut mac = <Hmac<sha2::Sha256> as hmac::digest::KeyInit>::new_from_slice(SECRET).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", BASE64.encode(mac.finalize().into_bytes()))
}

const LIST: &str = r#","original_scopes":["messages:list"]"#;

#[tokio::test]
async fn a_gateways_refresh_token_is_exchanged_once() {
    let toy = Toy::start(|_head| async { Reply::Answer(201, r#"{"access_token":"theirs"}"#) }).await;
    let bench = Bench::with(tokens(), &toy).await;
    let raw = foreign("ABC123", "abcdefghijklmnopqrstu", LIST);
    let answers = join_all((0..20).map(|_worker| bench.refresh(&raw, NOW))).await;
    let pairs: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert!(pairs.iter().all(|pair| *pair == pairs[0]));
    assert_eq!(bench.refresh(&raw, NOW).await.unwrap(), pairs[0]);
    assert_eq!(toy.asked().len(), 1);
    let access = bench.token(pairs[0].access());
    assert_eq!(
        (access.user().as_str(), names(access.scopes())),
        ("ABC123", vec!["messages:list"])
    );
    assert!(access.family().is_some());
    assert!(!pairs[0].body.to_string().contains("theirs"));
    bench.refresh(pairs[0].refresh(), NOW).await.unwrap();
    assert_eq!(toy.asked().len(), 1);
}

#[tokio::test]
async fn replicas_that_are_asked_at_once_adopt_a_token_once_and_give_the_same_pair() {
    let toy = Toy::answering(201).await;
    let bench = Bench::with(tokens(), &toy).await;
    let replicas = [bench.replica(&toy), bench.replica(&toy), bench.replica(&toy)];
    let raw = foreign("ABC123", "abcdefghijklmnopqrstu", LIST);
    let asking = replicas.iter().cycle().take(12);
    let answers = join_all(asking.map(|replica| bench.refresh_at(replica, &raw, NOW))).await;
    let pairs: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert!(pairs.iter().all(|pair| *pair == pairs[0]));
    assert_eq!(toy.asked().len(), 1);
    assert_eq!(bench.refresh(&raw, NOW.plus(9)).await.unwrap(), pairs[0]);
    // Who never had the pair gets it later, too, as long as nobody has used it.
    assert_eq!(bench.refresh(&raw, NOW.plus(60)).await.unwrap(), pairs[0]);
    bench.refresh(pairs[0].refresh(), NOW.plus(60)).await.unwrap();
    let late = bench.refresh(&raw, NOW.plus(61)).await.unwrap_err();
    assert_eq!(late, unauthorized("refresh_reuse"));
    assert_eq!(toy.asked().len(), 1);
}

/// What a store knows of a token.
fn known(bench: &Bench, raw: &str) -> ForeignToken {
    let token = bench.token(raw);
    ForeignToken {
        user: token.user().clone(),
        id: token.id().clone(),
        issued_at: token.issued_at(),
        expires_at: token.expires_at(),
    }
}

/// A claim of a replica that crashes before it has asked the gateway, or is slow.
async fn crash(bench: &Bench, raw: &str) {
    let claim = Claim {
        token: known(bench, raw),
        owner: "crashed".to_owned(),
        lease: Duration::from_secs(30),
        may_finish: Duration::from_secs(600),
        grace: Duration::from_secs(10),
    };
    bench.denylist.claim_adoption(&claim).await.unwrap();
}

/// Another replica, for which the gateway has exchanged the token, finishes.
async fn finish_elsewhere(bench: &Bench, raw: &str) -> Successor {
    let family = ids::new_family(random::bytes());
    let pair = bench
        .endpoints
        .desk
        .pair(&family, vec!["messages:list".into()], 900, NOW);
    let adopt = Adopt {
        token: known(bench, raw),
        family,
        pair: pair.clone(),
        grace: Duration::from_secs(10),
    };
    let adoption = bench.denylist.adopt(&adopt, NOW).await.unwrap();
    assert_eq!(adoption, Adoption::Done(pair.clone(), 0));
    pair
}

/// A gateway that tells when it is asked, and answers this when it may.
struct Held {
    toy: Toy,
    asked: Arc<Notify>,
    go: Arc<Notify>,
}

impl Held {
    /// Only requests whose head holds `which` are held up; all others are answered at once.
    async fn answering(status: u16, which: &str) -> Self {
        let (asked, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (tell, wait, which) = (Arc::clone(&asked), Arc::clone(&go), which.to_owned());
        let toy = Toy::start(move |head| {
            let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
            let held = head.contains(&which);
            async move {
                if held {
                    tell.notify_one();
                    wait.notified().await;
                }
                Reply::Answer(status, "{}")
            }
        })
        .await;
        Self { toy, asked, go }
    }
}

/// How often the store was asked about adoptions.
fn store_asked(bench: &Bench) -> u64 {
    let stats = bench.denylist.stats();
    let counts = stats.operations.iter();
    counts
        .filter(|count| count.operation == Operation::Adoption)
        .map(|count| count.count)
        .sum()
}

#[tokio::test]
async fn a_replica_that_crashes_over_a_token_costs_nobody_the_session() {
    let toy = Toy::answering(201).await;
    let bench = Bench::with(tokens(), &toy).await;
    let raw = foreign("ABC123", "abcdefghijklmnopqrstu", LIST);
    crash(&bench, &raw).await;
    bench.refresh(&raw, NOW.plus(30)).await.unwrap();
    assert_eq!(toy.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_another_replica_in_vain_is_told_to_come_again() {
    let toy = Toy::answering(201).await;
    let bench = Bench::with(tokens(), &toy).await;
    let raw = foreign("ABC123", "abcdefghijklmnopqrstu", LIST);
    crash(&bench, &raw).await;
    let refusal = bench.refresh(&raw, NOW).await.unwrap_err();
    assert_eq!(refusal, EndpointRefusal::Unavailable("adoption_busy"));
    assert!(toy.asked().is_empty());
}

#[tokio::test]
async fn whoever_waits_for_a_turn_at_the_gateway_keeps_no_other_replica_from_the_token() {
    let raw = foreign("ABC123", "abcdefghijklmnopqrstu", LIST);
    // 32 others are at the gateway, which takes its time.
    let others: Vec<_> = (0..32)
        .map(|number| foreign("OTHER1", &format!("{number:021}"), LIST))
        .collect();
    let (asked, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (tell, wait, ours) = (Arc::clone(&asked), Arc::clone(&go), raw.clone());
    let toy = Toy::start(move |head| {
        let (tell, wait) = (Arc::clone(&tell), Arc::clone(&wait));
        let held = !head.contains(&ours);
        async move {
            if held {
                tell.add_permits(1);
                wait.acquire().await.unwrap().forget();
            }
            Reply::Answer(201, "{}")
        }
    })
    .await;
    let bench = Bench::with(tokens(), &toy).await;
    let elsewhere = bench.replica(&toy);
    let busy = join_all(others.iter().map(|raw| bench.refresh(raw, NOW)));
    let waiting = async {
        asked.acquire_many(32).await.unwrap().forget();
        let before = store_asked(&bench);
        let mut waiting = Box::pin(bench.refresh(&raw, NOW));
        while store_asked(&bench) == before {
            assert!(futures_util::poll!(&mut waiting).is_pending());
            tokio::task::yield_now().await;
        }
        // There is room at the gateway for another replica.
        let adopted = bench.refresh_at(&elsewhere, &raw, NOW).await.unwrap();
        go.add_permits(32);
        (waiting.await.unwrap(), adopted)
    };
    let (others, (late, adopted)) = tokio::join!(busy, waiting);
    assert!(others.iter().all(Result::is_ok));
    assert_eq!(late, adopted);
    let heads = toy.asked();
    assert_eq!(heads.iter().filter(|head| head.contains(&raw)).count(), 1);
}

#[tokio::test]
async fn nobody_else_asks_the_gateway_while_an_attempt_may_still_be_there() {
    let held = Held::answering(201, "Bearer").await;
    let bench = Bench::with(tokens(), &held.toy).await;
    let elsewhere = bench.replica(&held.toy);
    let raw = foreign("ABC123", "abcdefghijklmnopqrstu", LIST);
    let longest = Toy::gateway(&held.toy.upstream()).unwrap().longest();
    let later = NOW.plus(i64::try_from(longest.as_secs()).unwrap());
    let meanwhile = async {
        held.asked.notified().await;
        let before = store_asked(&bench);
        let mut second = Box::pin(bench.refresh_at(&elsewhere, &raw, later));
        while store_asked(&bench) == before {
            assert!(futures_util::poll!(&mut second).is_pending());
            tokio::task::yield_now().await;
        }
        held.go.notify_one();
        second.await.unwrap()
    };
    let (first, second) = tokio::join!(bench.refresh(&raw, NOW), meanwhile);
    assert_eq!(first.unwrap(), second);
    assert_eq!(held.toy.asked().len(), 1);
}

#[tokio::test]
async fn what_the_gateway_refuses_because_another_replica_was_there_has_that_ones_pair() {
    for status in [401, 404, 503] {
        let held = Held::answering(status, "Bearer").await;
        let bench = Bench::with(tokens(), &held.toy).await;
        let raw = foreign("ABC123", "abcdefghijklmnopqrstu", LIST);
        let elsewhere = async {
            held.asked.notified().await;
            let pair = finish_elsewhere(&bench, &raw).await;
            held.go.notify_one();
            pair
        };
        let (answer, pair) = tokio::join!(bench.refresh(&raw, NOW), elsewhere);
        assert_eq!(answer.unwrap().id(), pair.access.as_str(), "{status}");
    }
}

#[tokio::test]
async fn while_a_slow_replica_may_still_finish_the_gateways_refusal_is_not_the_last_word() {
    let toy = Toy::answering(401).await;
    let bench = Bench::with(tokens(), &toy).await;
    let raws = ["abcdefghijklmnopqrstu", "ABCDEFGHIJKLMNOPQRSTU"].map(|id| foreign("ABC123", id, LIST));
    for raw in &raws {
        bench.hands.set(UNIX_EPOCH + Duration::from_secs(NOW.0.unsigned_abs()));
        crash(&bench, raw).await;
    }
    for _ in 0..2 {
        for raw in &raws {
            let refusal = bench.refresh(raw, NOW.plus(60)).await.unwrap_err();
            assert_eq!(refusal, EndpointRefusal::Unavailable("adoption_unfinished"));
        }
    }
    let pair = finish_elsewhere(&bench, &raws[0]).await;
    let adopted = bench.refresh(&raws[0], NOW.plus(61)).await.unwrap();
    assert_eq!(adopted.id(), pair.access.as_str());
    let refusal = bench.refresh(&raws[1], NOW.plus(630)).await.unwrap_err();
    assert_eq!(refusal, unauthorized("gateway_refused_refresh"));
}

#[tokio::test]
async fn what_is_revoked_while_the_gateway_is_asked_becomes_no_session() {
    let held = Held::answering(201, "Bearer").await;
    let bench = Bench::with(tokens(), &held.toy).await;
    let user = UserId::parse("ABC123").unwrap();
    for id in ["abcdefghijklmnopqrstu", "ABCDEFGHIJKLMNOPQRSTU"] {
        let raw = foreign("ABC123", id, LIST);
        let revoke = async {
            held.asked.notified().await;
            if id.starts_with('a') {
                bench.revoke("ABC123", id).await;
            } else {
                bench.denylist.revoke_user(&user, NOW).await.unwrap();
            }
            held.go.notify_one();
        };
        let (adopted, ()) = tokio::join!(bench.refresh(&raw, NOW), revoke);
        assert_eq!(adopted.unwrap_err(), unauthorized("refresh_revoked"), "{id}");
    }
}

#[tokio::test]
async fn an_adopted_token_that_comes_again_later_ends_the_session() {
    let toy = Toy::answering(201).await;
    let bench = Bench::with(tokens(), &toy).await;
    let raw = foreign("ABC123", "abcdefghijklmnopqrstu", LIST);
    let pair = bench.refresh(&raw, NOW).await.unwrap();
    let next = bench.refresh(pair.refresh(), NOW).await.unwrap();
    let refusal = bench.refresh(&raw, NOW.plus(60)).await.unwrap_err();
    assert_eq!(refusal, unauthorized("refresh_reuse"));
    for raw in [pair.access(), next.access(), next.refresh()] {
        assert_eq!(bench.standing(raw), Standing::Revoked(RevokedBy::Family));
    }
    assert_eq!(bench.standing(&raw), Standing::Revoked(RevokedBy::Token));
    let before = store_asked(&bench);
    let refusal = bench.refresh(&raw, NOW.plus(61)).await.unwrap_err();
    assert_eq!(refusal, unauthorized("refresh_revoked"));
    assert_eq!(store_asked(&bench), before, "the list in memory is enough");
}

#[tokio::test]
async fn what_is_older_than_any_revocation_that_is_kept_is_not_adopted() {
    let toy = Toy::answering(201).await;
    let short = Tokens {
        refresh_ttl: Duration::from_secs(48 * 3600),
        ..tokens()
    };
    let bench = Bench::with(short, &toy).await;
    let raw = |age: i64| {
        let (issued_at, expires_at) = (NOW.0 - age, NOW.0 + 3600);
        sign(&format!(
            r#"{{"iss":"sms-gate.app","sub":"ABC123","exp":{expires_at},"iat":{issued_at},"jti":"old","user_id":"ABC123","scopes":["tokens:refresh"]{LIST}}}"#
        ))
    };
    let refusal = bench.refresh(&raw(48 * 3600 + 1), NOW).await.unwrap_err();
    assert_eq!(refusal, unauthorized("refresh_older_than_revocations"));
    assert!(toy.asked().is_empty());
    bench.refresh(&raw(48 * 3600), NOW).await.unwrap();
}

#[tokio::test]
async fn what_the_gateway_refuses_stays_dead_and_costs_nothing_for_a_while() {
    let toy = Toy::answering(401).await;
    let bench = Bench::with(tokens(), &toy).await;
    let raw = foreign("ABC123", "abcdefghijklmnopqrstu", LIST);
    let mut costs = Vec::new();
    for later in [0, 0, 29, 30, 59, 60] {
        let refusal = bench.refresh(&raw, NOW.plus(later)).await.unwrap_err();
        assert_eq!(refusal, unauthorized("gateway_refused_refresh"));
        costs.push((toy.asked().len(), store_asked(&bench)));
    }
    assert_eq!(costs, [(1, 3), (1, 3), (1, 3), (2, 6), (2, 6), (3, 9)]);
    // Another token of the same user is another matter.
    bench.refresh(&foreign("ABC123", "other", LIST), NOW).await.unwrap_err();
    assert_eq!(toy.asked().len(), 4);
}

#[tokio::test]
async fn what_says_nothing_about_the_token_is_not_remembered() {
    for (status, refusal) in [
        (404, unauthorized("gateway_exchanges_nothing")),
        (501, unauthorized("gateway_exchanges_nothing")),
        (408, EndpointRefusal::Unavailable("gateway_unexpected_status")),
        (429, EndpointRefusal::Unavailable("gateway_unexpected_status")),
        (500, EndpointRefusal::Unavailable("gateway_unexpected_status")),
    ] {
        let toy = well_after(2, status).await;
        let bench = Bench::with(tokens(), &toy).await;
        let raw = foreign("ABC123", "abcdefghijklmnopqrstu", LIST);
        for _ in 0..2 {
            assert_eq!(bench.refresh(&raw, NOW).await.unwrap_err(), refusal, "{status}");
        }
        bench.refresh(&raw, NOW).await.unwrap();
        assert_eq!(toy.asked().len(), 3, "{status}");
    }
}

/// A gateway that exchanges tokens once it has answered so often with this status.
async fn well_after(times: usize, status: u16) -> Toy {
    let answered = AtomicUsize::new(0);
    Toy::start(move |_head| {
        let status = if answered.fetch_add(1, Ordering::SeqCst) < times {
            status
        } else {
            201
        };
        async move { Reply::Answer(status, "{}") }
    })
    .await
}

#[tokio::test]
async fn a_gateway_that_is_away_leaves_the_token_for_another_try() {
    let toy = well_after(1, 503).await;
    let bench = Bench::with(tokens(), &toy).await;
    let raw = foreign("ABC123", "abcdefghijklmnopqrstu", LIST);
    let refusal = bench.refresh(&raw, NOW).await.unwrap_err();
    assert_eq!(refusal, EndpointRefusal::Unavailable("gateway_unexpected_status"));
    bench.refresh(&raw, NOW).await.unwrap();
}

#[tokio::test]
async fn a_token_without_original_scopes_gets_nothing() {
    let toy = Toy::answering(201).await;
    let bench = Bench::with(tokens(), &toy).await;
    for original in [
        "",
        r#","original_scopes":[]"#,
        r#","original_scopes":["tokens:refresh"]"#,
    ] {
        let raw = foreign("ABC123", "abcdefghijklmnopqrstu", original);
        assert_eq!(
            bench.refresh(&raw, NOW).await.unwrap_err(),
            unauthorized("no_original_scopes"),
            "{original}"
        );
    }
    assert!(toy.asked().is_empty());
}

#[tokio::test]
async fn neither_a_client_that_goes_away_nor_a_stop_ends_an_adoption() {
    let held = Held::answering(201, "Bearer").await;
    let bench = Bench::with(tokens(), &held.toy).await;
    let raw = foreign("ABC123", "abcdefghijklmnopqrstu", LIST);
    {
        let mut left = Box::pin(bench.refresh(&raw, NOW));
        assert!(futures_util::poll!(&mut left).is_pending());
        held.asked.notified().await;
    }
    assert_eq!(bench.traffic.finite_requests(), 1, "a stop waits for it");
    held.go.notify_one();
    bench.traffic.quiet().await;
    // The adoption went on in its own task; whoever comes again gets its result.
    bench.refresh(&raw, NOW).await.unwrap();
    assert_eq!(held.toy.asked().len(), 1);
}
