//! What a password change ends.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::{AtomicBool, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::testing::{Answer, Sidecar, Toy, good, request, say};

const ISSUE: &str = "POST /api/3rdparty/v1/auth/token";
const LIST: &str = "GET /api/3rdparty/v1/messages";
const BODY: &str = "{\"scopes\":[\"all:any\"]}";

/// A gateway with one user, whose password is `old` until it is changed to `new`.
async fn gateway() -> Toy {
    let changed = AtomicBool::new(false);
    Toy::new(move |asked| {
        if asked.line().starts_with("PATCH ") {
            changed.store(true, Ordering::SeqCst);
            return say("204 No Content", "X-Gateward-User: ABC123\r\n", "");
        }
        let password = if changed.load(Ordering::SeqCst) { "new" } else { "old" };
        let right = format!("Basic {}", STANDARD.encode(format!("ABC123:{password}")));
        let is_check = asked.line().contains("/settings ");
        if is_check && asked.one("authorization") != Some(&right) {
            return say("401 Unauthorized", "", "{}");
        }
        good()
    })
    .await
}

fn basic(password: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(format!("ABC123:{password}")))
}

fn issue(password: &str, expect: &str) -> String {
    let length = format!("Content-Length: {}", BODY.len());
    let fields = [&basic(password), "Content-Type: application/json", &length, expect];
    request(ISSUE, &fields)
}

async fn change(sidecar: &Sidecar) {
    let fields = ["Authorization: Bearer device", "Content-Length: 2"];
    let changed = sidecar
        .ask(&(request("PATCH /api/mobile/v1/user/password", &fields) + "{}"))
        .await;
    assert_eq!((changed.status, changed.all("x-gateward-user").len()), (204, 0));
}

fn access(answer: &Answer) -> String {
    let pair: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    format!(
        "Authorization: Bearer {}",
        pair.get("access_token").unwrap().as_str().unwrap()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_what_was_known_and_issued_before_and_nothing_else() {
    let sidecar = Sidecar::start(&gateway().await).await;
    let issued = sidecar.ask(&(issue("old", "Accept: */*") + BODY)).await;
    assert_eq!(issued.status, 201, "{}", issued.body);
    let before = access(&issued);
    assert_eq!(sidecar.ask(&request(LIST, &[&before])).await.status, 200);
    change(&sidecar).await;
    assert_eq!(sidecar.ask(&request(LIST, &[&before])).await.status, 401);
    assert_eq!(sidecar.ask(&request(LIST, &[&basic("old")])).await.status, 401);
    // In the same second, most likely.
    assert_eq!(sidecar.ask(&request(LIST, &[&basic("new")])).await.status, 200);
    let issued = sidecar.ask(&(issue("new", "Accept: */*") + BODY)).await;
    assert_eq!(issued.status, 201, "{}", issued.body);
    assert_eq!(sidecar.ask(&request(LIST, &[&access(&issued)])).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_request_that_waits_with_its_body_gets_no_session_after_it() {
    let sidecar = Sidecar::start(&gateway().await).await;
    let mut line = sidecar.connect().await;
    line.say(&issue("old", "Expect: 100-continue")).await;
    // Let in by its head.
    assert_eq!(line.hear().await.status, 100);
    change(&sidecar).await;
    line.say(BODY).await;
    assert_eq!(line.hear().await.status, 401);
}
