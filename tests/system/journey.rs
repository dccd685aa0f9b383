//! The main job: register, get a token, send, deliver, read, revoke.

use crate::account::{await_state, devices, issue, message, refresh, refreshed, revoke, send};
use crate::support::phone::Phone;
use crate::support::process::Settings;

const KEY: &str = "journey-private-token";

#[tokio::test]
async fn a_message_goes_from_a_token_to_a_phone_and_back() {
    let gateward = Settings::new().with("GATEWAY__PRIVATE_TOKEN", KEY).up();
    let at = gateward.public;
    let mut phone = Phone::start(at, &["--private-token", KEY, "--messages", "1"]);
    let scopes = ["messages:send", "messages:read", "devices:list"];
    let tokens = issue(at, &phone.login, &phone.password, &scopes).await;

    let sent = send(at, &tokens.access, "first", "+79990001234").await;
    assert_eq!(
        (sent.status, sent.header("location")),
        (202, Some("/api/3rdparty/v1/message/first"))
    );
    let delivered = await_state(at, &tokens.access, "first", "Delivered").await;
    assert_eq!(delivered["recipients"][0]["state"], "Delivered");
    let history: Vec<&String> = delivered["states"].as_object().expect("states").keys().collect();
    assert_eq!(history, ["Delivered", "Pending", "Processed", "Sent"]);
    assert!(phone.process.wait().success(), "the phone ends after its one message");

    assert_eq!(devices(at, &tokens.access).await, 200);
    assert_eq!(revoke(at, &phone.login, &phone.password, &tokens.id).await, 204);
    assert_eq!(devices(at, &tokens.access).await, 401);
    assert_eq!(refresh(at, &tokens.refresh).await.status, 401);
}

#[tokio::test]
async fn a_failing_number_is_reported_as_failed() {
    let gateward = Settings::new().with("GATEWAY__PRIVATE_TOKEN", KEY).up();
    let at = gateward.public;
    let phone = Phone::start(at, &["--private-token", KEY, "--fail", "+79990009999"]);
    let tokens = issue(at, &phone.login, &phone.password, &["messages:send", "messages:read"]).await;
    assert_eq!(send(at, &tokens.access, "bad", "+79990009999").await.status, 202);
    let failed = await_state(at, &tokens.access, "bad", "Failed").await;
    assert!(
        failed["recipients"][0]["error"]
            .as_str()
            .is_some_and(|error| error.contains("RESULT_ERROR"))
    );
}

#[tokio::test]
async fn a_second_start_finds_everything_as_it_was() {
    let gateward = Settings::new().with("GATEWAY__PRIVATE_TOKEN", KEY).up();
    let at = gateward.public;
    let phone = Phone::start(at, &["--private-token", KEY]);
    let scopes = ["messages:send", "messages:read", "devices:list"];
    let kept = issue(at, &phone.login, &phone.password, &scopes).await;
    let revoked = issue(at, &phone.login, &phone.password, &scopes).await;
    assert_eq!(send(at, &kept.access, "before", "+79990001234").await.status, 202);
    assert_eq!(revoke(at, &phone.login, &phone.password, &revoked.id).await, 204);

    let gateward = gateward.crash_and_restart();
    let at = gateward.public;
    assert_eq!(devices(at, &kept.access).await, 200, "a token outlives a crash");
    assert_eq!(devices(at, &revoked.access).await, 401, "so does a revocation");
    assert_eq!(message(at, &kept.access, "before").await["id"], "before");
    let next = refreshed(at, &kept.refresh).await;
    assert_eq!(devices(at, &next.access).await, 200);
}
