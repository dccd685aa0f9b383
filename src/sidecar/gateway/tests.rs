//! Tests of the requests that the sidecar makes on its own account.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateward_auth::Secret;
use gateward_policy::Policy;

use super::toy::{Reply, Toy, nowhere, upstream};
use super::*;
use crate::config::UpstreamUrl;

fn policy() -> Policy {
    gateward_policy::compile("smsgate.yaml", gateward_policy::SMSGATE)
        .unwrap()
        .policy
}

fn login(user: &str, password: &str) -> Login {
    Login {
        user: user.to_owned(),
        password: Secret::new(password),
    }
}

async fn check(upstream: &Upstream, login: &Login) -> Result<LoginAnswer, GatewayError> {
    let gateway = Toy::gateway(upstream).unwrap();
    gateway.check_login(policy().login_check().unwrap(), login).await
}

async fn exchange(toy: &Toy) -> Result<Exchange, GatewayError> {
    let gateway = Toy::gateway(&toy.upstream()).unwrap();
    let turn = gateway.turn().await.unwrap();
    turn.exchange(policy().refresh_exchange().unwrap(), "a.b.c").await
}

#[tokio::test]
async fn a_login_is_checked_with_the_clients_own_credential() {
    let toy = Toy::answering(200).await;
    assert_eq!(
        check(&toy.upstream(), &login("abc123", "pass:wörd")).await,
        Ok(LoginAnswer::Good)
    );
    let [head] = toy.asked().try_into().unwrap();
    let credential = STANDARD.encode("abc123:pass:wörd");
    assert!(head.starts_with("GET /api/3rdparty/v1/settings HTTP/1.1\r\n"), "{head}");
    assert!(
        head.contains(&format!("authorization: Basic {credential}\r\n")),
        "{head}"
    );
}

#[tokio::test]
async fn the_policys_statuses_say_what_is_good_and_what_is_bad() {
    let cases = [
        (200, Ok(LoginAnswer::Good)),
        (401, Ok(LoginAnswer::Bad)),
        (403, Err(GatewayError::Unexpected(403))),
        (404, Err(GatewayError::Unexpected(404))),
        (500, Err(GatewayError::Unexpected(500))),
    ];
    for (status, answer) in cases {
        let toy = Toy::answering(status).await;
        assert_eq!(
            check(&toy.upstream(), &login("ABC123", "secret")).await,
            answer,
            "{status}"
        );
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let toy = Toy::answering(302).await;
    let answer = check(&toy.upstream(), &login("ABC123", "secret")).await;
    assert_eq!(answer, Err(GatewayError::Unexpected(302)));
    assert_eq!(toy.asked().len(), 1);
}

#[tokio::test]
async fn a_gateway_that_is_not_there_is_an_outage_and_the_next_address_is_tried() {
    let toy = Toy::answering(200).await;
    let away = nowhere().await;
    let alone = upstream(vec![away.clone()]);
    assert_eq!(
        check(&alone, &login("ABC123", "secret")).await,
        Err(GatewayError::Unreachable)
    );
    let both = upstream(vec![away, toy.url()]);
    assert_eq!(check(&both, &login("ABC123", "secret")).await, Ok(LoginAnswer::Good));
}

#[tokio::test]
async fn what_is_known_to_be_away_or_silent_is_not_asked_again_soon() {
    let silent = Toy::start(|_head| async { Reply::Silence }).await;
    let well = Toy::answering(200).await;
    let mut hasty = upstream(vec![nowhere().await, silent.url(), well.url()]);
    hasty.timeouts.read = Duration::from_millis(200);
    hasty.timeouts.connect = Duration::from_millis(200);
    let sites = Arc::new(Sites::new(hasty.urls.clone(), false));
    let gateway = Gateway::new(&hasty, Arc::clone(&sites)).unwrap();
    let (policy, login) = (policy(), login("ABC123", "secret"));
    let check = policy.login_check().unwrap();
    let first = gateway.check_login(check, &login).await;
    assert_eq!(first, Err(GatewayError::TimedOut), "the second site, after the first");
    assert_eq!(reachable(&sites), [false, false, true]);
    for _check in 0..5 {
        assert_eq!(gateway.check_login(check, &login).await, Ok(LoginAnswer::Good));
    }
    assert_eq!((silent.connections(), well.asked().len()), (1, 5));
}

#[tokio::test]
async fn a_check_that_is_answered_ends_an_outage() {
    let toy = Toy::answering(200).await;
    let upstream = toy.upstream();
    let sites = Arc::new(Sites::new(upstream.urls.clone(), false));
    let gateway = Gateway::new(&upstream, Arc::clone(&sites)).unwrap();
    sites.failed(sites.targets()[0], &"away");
    assert_eq!(reachable(&sites), [false]);
    let (policy, login) = (policy(), login("ABC123", "secret"));
    let answer = gateway.check_login(policy.login_check().unwrap(), &login).await;
    assert_eq!(answer, Ok(LoginAnswer::Good));
    assert_eq!(reachable(&sites), [true]);
}

#[tokio::test]
async fn a_check_that_breaks_is_the_addresss_fault() {
    let hasty = Toy::start(|_head| async { Reply::Close }).await;
    let well = Toy::answering(200).await;
    let upstream = upstream(vec![hasty.url(), well.url()]);
    let sites = Arc::new(Sites::new(upstream.urls.clone(), false));
    let gateway = Gateway::new(&upstream, Arc::clone(&sites)).unwrap();
    let (policy, login) = (policy(), login("ABC123", "secret"));
    for _check in 0..3 {
        let answer = gateway.check_login(policy.login_check().unwrap(), &login).await;
        assert_eq!(answer, Ok(LoginAnswer::Good));
    }
    assert_eq!(reachable(&sites), [false, true]);
    assert_eq!((hasty.asked().len(), well.asked().len()), (1, 3));
}

/// A gateway whose name has the addresses of two toys.
fn of_one_name(toys: [&Toy; 2]) -> (Gateway, Arc<Sites>) {
    let mut upstream = toys[0].upstream();
    upstream.urls[0].host = "gateway.example".to_owned();
    let sites = Arc::new(Sites::new(upstream.urls.clone(), false));
    let addresses = toys.map(|toy| ([127, 0, 0, 1], toy.url().port).into());
    sites.site(0).unwrap().is_at(&addresses);
    (Gateway::new(&upstream, Arc::clone(&sites)).unwrap(), sites)
}

/// The end of a rest, without waiting for it.
async fn rest() {
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3)).await;
    tokio::time::resume();
}

#[tokio::test]
async fn whoever_may_try_an_address_that_rests_asks_there() {
    let (first, second) = (Toy::answering(200).await, Toy::answering(200).await);
    let (gateway, sites) = of_one_name([&first, &second]);
    let (policy, login) = (policy(), login("ABC123", "secret"));
    let check = policy.login_check().unwrap();
    let resting = sites.targets()[0];
    sites.failed(resting, &"away");
    assert_eq!(gateway.check_login(check, &login).await, Ok(LoginAnswer::Good));
    assert_eq!((first.asked().len(), second.asked().len()), (0, 1));
    rest().await;
    assert_eq!(gateway.check_login(check, &login).await, Ok(LoginAnswer::Good));
    assert_eq!((first.asked().len(), second.asked().len()), (1, 1));
    for _choice in 0..2 {
        let target = sites.choose(0).unwrap().target;
        assert_eq!(
            (target.address, target.is_trial),
            (resting.address, false),
            "it is well again"
        );
    }
}

#[tokio::test]
async fn an_old_connection_that_is_closed_uses_no_trial_up() {
    let times = Arc::new(AtomicUsize::new(0));
    let first = Toy::start(move |_head| {
        let second = times.fetch_add(1, Ordering::SeqCst) == 1;
        async move { if second { Reply::Close } else { Reply::Answer(200, "{}") } }
    })
    .await;
    let second = Toy::answering(200).await;
    let (gateway, sites) = of_one_name([&first, &second]);
    let (policy, login) = (policy(), login("ABC123", "secret"));
    let check = policy.login_check().unwrap();
    assert_eq!(gateway.check_login(check, &login).await, Ok(LoginAnswer::Good));
    sites.failed(sites.targets()[0], &"away");
    rest().await;
    assert_eq!(gateway.check_login(check, &login).await, Ok(LoginAnswer::Good));
    assert_eq!((first.asked().len(), first.connections()), (3, 2));
    assert_eq!(second.asked().len(), 0);
}

#[tokio::test]
async fn a_name_is_asked_for_where_the_sites_know_it_to_be() {
    let toy = Toy::answering(200).await;
    let mut upstream = toy.upstream();
    upstream.urls[0].host = "localhost".to_owned();
    let sites = Arc::new(Sites::new(upstream.urls.clone(), false));
    let gateway = Gateway::new(&upstream, Arc::clone(&sites)).unwrap();
    let (policy, login) = (policy(), login("ABC123", "secret"));
    let check = policy.login_check().unwrap();
    assert_eq!(gateway.check_login(check, &login).await, Err(GatewayError::Unreachable));
    sites.look_up().await;
    assert_eq!(gateway.check_login(check, &login).await, Ok(LoginAnswer::Good));
}

fn reachable(sites: &Sites) -> Vec<bool> {
    sites.report().map(|(_, reachable)| reachable).collect()
}

#[tokio::test]
async fn a_gateway_that_never_answers_is_an_outage() {
    let toy = Toy::start(|_head| async { Reply::Silence }).await;
    let mut hasty = toy.upstream();
    hasty.timeouts.connect = Duration::from_millis(20);
    hasty.timeouts.read = Duration::from_millis(20);
    assert_eq!(
        check(&hasty, &login("ABC123", "secret")).await,
        Err(GatewayError::TimedOut)
    );
}

#[tokio::test]
async fn a_check_whose_connection_breaks_is_asked_again_once() {
    let times = Arc::new(AtomicUsize::new(0));
    let toy = Toy::start(move |_head| {
        let first = times.fetch_add(1, Ordering::SeqCst) == 0;
        async move { if first { Reply::Close } else { Reply::Answer(200, "{}") } }
    })
    .await;
    assert_eq!(
        check(&toy.upstream(), &login("ABC123", "secret")).await,
        Ok(LoginAnswer::Good)
    );
    let broken = Toy::start(|_head| async { Reply::Close }).await;
    assert_eq!(
        check(&broken.upstream(), &login("ABC123", "secret")).await,
        Err(GatewayError::Broken)
    );
    assert_eq!(broken.asked().len(), 2);
}

#[tokio::test]
async fn an_exchange_is_never_asked_for_twice() {
    let toy = Toy::start(|_head| async { Reply::Close }).await;
    assert_eq!(exchange(&toy).await, Err(GatewayError::Broken));
    assert_eq!(toy.asked().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_exchange_takes_no_longer_than_it_may() {
    let toy = Toy::start(|_head| async { Reply::Silence }).await;
    let mut patient = toy.upstream();
    patient.urls = vec![toy.url(); 5];
    let gateway = Toy::gateway(&patient).unwrap();
    assert_eq!(gateway.longest(), Duration::from_secs(30));
    let began = tokio::time::Instant::now();
    let turn = gateway.turn().await.unwrap();
    // Time is not real here: whether it was the connection or the answer that took too long does not matter.
    let answer = turn.exchange(policy().refresh_exchange().unwrap(), "a.b.c").await;
    assert!(
        matches!(answer, Err(GatewayError::TimedOut | GatewayError::Unreachable)),
        "{answer:?}"
    );
    assert!(began.elapsed() <= gateway.longest(), "{:?}", began.elapsed());
}

#[tokio::test]
async fn an_exchange_presents_the_token_and_an_empty_body() {
    let toy = Toy::answering(201).await;
    assert_eq!(exchange(&toy).await, Ok(Exchange::Exchanged));
    let [head] = toy.asked().try_into().unwrap();
    assert!(
        head.starts_with("POST /api/3rdparty/v1/auth/token/refresh HTTP/1.1\r\n"),
        "{head}"
    );
    assert!(head.contains("authorization: Bearer a.b.c\r\n"), "{head}");
    assert_eq!(
        head.to_ascii_lowercase().matches("content-length: 0\r\n").count(),
        1,
        "{head}"
    );
}

#[tokio::test]
async fn a_gateway_refuses_a_token_or_has_no_such_endpoint_or_is_in_trouble() {
    for (statuses, meaning) in [
        ([400, 401, 403], Exchange::Refused),
        ([404, 405, 501], Exchange::Nowhere),
    ] {
        for status in statuses {
            let answer = exchange(&Toy::answering(status).await).await;
            assert_eq!(answer, Ok(meaning), "{status}");
        }
    }
    for status in [204, 302, 408, 429, 500, 502, 503] {
        let answer = exchange(&Toy::answering(status).await).await;
        assert_eq!(answer, Err(GatewayError::Unexpected(status)), "{status}");
    }
}

#[tokio::test]
async fn one_connection_serves_many_checks() {
    let toy = Toy::answering(200).await;
    let gateway = Toy::gateway(&toy.upstream()).unwrap();
    let policy = policy();
    for _check in 0..5 {
        let answer = gateway
            .check_login(policy.login_check().unwrap(), &login("ABC123", "secret"))
            .await;
        assert_eq!(answer, Ok(LoginAnswer::Good));
    }
    assert_eq!(toy.connections(), 1);
}

#[test]
fn an_address_is_written_as_a_url() {
    let url = |tls, host: &str, path: &str| UpstreamUrl {
        tls,
        host: host.to_owned(),
        port: 3000,
        path: path.to_owned(),
    };
    assert_eq!(url(false, "sms.example", "").to_string(), "http://sms.example:3000");
    assert_eq!(url(true, "::1", "/gate").to_string(), "https://[::1]:3000/gate");
}
