//! One-time codes over the router.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use crate::testing::{Bench, basic, bearer};

const CODE: &str = "/api/mobile/v1/user/code";
const DEVICE: &str = "/api/mobile/v1/device";

#[tokio::test]
async fn a_user_gets_a_code_by_his_login() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let answer = bench.ask("GET", CODE, &basic(&phone.login, &phone.password)).await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    let code = body["code"].as_str().unwrap();
    assert_eq!(code.len(), 6);
    assert!(
        code.chars().all(|c| "23456789abcdefghjkmnpqrstuvwxyz".contains(c)),
        "{code}"
    );
    assert_eq!(body["validUntil"], "2026-01-01T00:01:00Z");

    for authorization in [
        String::new(),
        bearer(&phone.token),
        basic(&phone.login, "wrong-password"),
        bench.minted(&phone.login),
    ] {
        let answer = bench.ask("GET", CODE, &authorization).await;
        assert_eq!(answer.refusal(), (401, "Unauthorized".to_owned()));
    }
}

#[tokio::test]
async fn a_code_is_good_for_its_time() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let login = basic(&phone.login, &phone.password);
    for (wait, status) in [(59, 201), (60, 401)] {
        let body = bench.ask("GET", CODE, &login).await.json();
        bench.hands.advance(Duration::from_secs(wait));
        let code = format!("code {}", body["code"].as_str().unwrap());
        let answer = bench.tell("POST", DEVICE, &code, "{}").await;
        assert_eq!(answer.status.as_u16(), status, "after {wait} s");
    }
}

#[tokio::test]
async fn switched_off_it_says_so() {
    let bench = Bench::with(|config| config.otp.enabled = false).await;
    let phone = bench.register("{}").await;
    let answer = bench.ask("GET", CODE, &basic(&phone.login, &phone.password)).await;
    let text = "failed to generate user code: failed to generate code: otp disabled".to_owned();
    assert_eq!(answer.refusal(), (501, text));
    let answer = bench.tell("POST", DEVICE, "Code abcdef", "{}").await;
    assert_eq!(answer.refusal().0, 401);
}
