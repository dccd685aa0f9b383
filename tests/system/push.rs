//! Phones that are not connected are woken: through FCM by a public gateway, through a public gateway by a private one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::account::{await_state, issue};
use crate::support::fcm::{Google, OVERLOADED, SILENT, UNREGISTERED};
use crate::support::http::{Request, Response};
use crate::support::phone::Phone;
use crate::support::process::{Settings, pause};

/// Three rounds and some more, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A public gateway that pushes through this stand-in.
fn public(google: &Google) -> Settings {
    Settings::new()
        .with("GATEWAY__MODE", "public")
        .with("FCM__CREDENTIALS_JSON", &google.credentials())
        .with("FCM__ENDPOINT", &google.endpoint())
}

/// A user whose only device has this push token.
struct User {
    at: SocketAddr,
    login: String,
    password: String,
}

impl User {
    async fn register(at: SocketAddr, push_token: &str, private_token: &str) -> Self {
        let device = json!({ "name": "Maker/Model", "pushToken": push_token });
        let request = Request::post("/api/mobile/v1/device").bearer(private_token);
        let answer = request.json(&device).send(at).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let body = answer.json();
        let text = |name: &str| body[name].as_str().expect("text").to_owned();
        Self {
            at,
            login: text("login"),
            password: text("password"),
        }
    }

    async fn send(&self) -> Response {
        let message = json!({ "textMessage": { "text": "hello" }, "phoneNumbers": ["+79990001234"] });
        let request = Request::post("/api/3rdparty/v1/messages").basic(&self.login, &self.password);
        let answer = request.json(&message).send(self.at).await;
        assert_eq!(answer.status, 202, "{}", answer.text());
        answer
    }
}

/// Waits until so many pushes went to a token, and gives them.
async fn await_pushes(google: &Google, token: &str, count: usize) -> Vec<Value> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let pushed = google.pushed(token);
        if pushed.len() >= count {
            return pushed;
        }
        assert!(
            Instant::now() < deadline,
            "{} of {count} pushes to {token}",
            pushed.len()
        );
        pause();
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_message_wakes_the_phone_that_has_a_push_token() {
    let google = Google::start();
    let gateward = public(&google).up();
    let at = gateward.public;
    let mut phone = Phone::start(at, &["--push-token", "woken", "--messages", "1"]);
    let tokens = issue(at, &phone.login, &phone.password, &["messages:send", "messages:read"]).await;
    let sent = crate::account::send(at, &tokens.access, "first", "+79990001234").await;
    assert_eq!(sent.status, 202);

    let expected = json!({ "event": "MessageEnqueued", "data": "null" });
    assert_eq!(await_pushes(&google, "woken", 1).await, [expected]);
    await_state(at, &tokens.access, "first", "Delivered").await;
    assert!(phone.process.wait().success(), "the phone asked for its message");
    assert_eq!(google.purchases(), 1);
}

#[tokio::test]
async fn a_token_that_is_gone_is_tried_once_and_one_that_fails_three_times() {
    let google = Google::start();
    let gateward = public(&google).up();
    let at = gateward.public;
    let gone = User::register(at, UNREGISTERED, "anybody").await;
    let failing = User::register(at, OVERLOADED, "anybody").await;
    let good = User::register(at, "good", "anybody").await;
    gone.send().await;
    failing.send().await;
    await_pushes(&google, OVERLOADED, 3).await;

    // Both are given up: what comes now is for the good one only.
    gone.send().await;
    failing.send().await;
    good.send().await;
    await_pushes(&google, "good", 1).await;
    assert_eq!(google.pushed(UNREGISTERED).len(), 1);
    assert_eq!(google.pushed(OVERLOADED).len(), 3);
}

#[tokio::test]
async fn a_push_service_that_hangs_holds_no_client_up() {
    let google = Google::start();
    // A round that hangs lasts longer than any client of this test waits.
    let gateward = public(&google).with("FCM__TIMEOUT_SECONDS", "600").up();
    let hanging = User::register(gateward.public, SILENT, "anybody").await;
    hanging.send().await;
    await_pushes(&google, SILENT, 1).await;
    for _ in 0..20 {
        hanging.send().await;
    }
    assert_eq!(google.pushed(SILENT).len(), 1, "the round is still under way");
}

#[tokio::test]
async fn a_private_gateway_pushes_through_a_public_one() {
    const KEY: &str = "push-private-token";
    let google = Google::start();
    let relay = public(&google).up();
    let upstream = format!("http://{}/api/upstream/v1", relay.public);
    let private = Settings::new()
        .with("GATEWAY__PRIVATE_TOKEN", KEY)
        .with("GATEWAY__UPSTREAM_URL", &upstream)
        .up();
    let user = User::register(private.public, "far away", KEY).await;
    let sent = user.send().await;
    let enqueued = json!({ "event": "MessageEnqueued", "data": "null" });
    assert_eq!(await_pushes(&google, "far away", 1).await, [enqueued]);

    let id = sent.json()["id"].as_str().expect("id").to_owned();
    let cancel = Request::new("DELETE", &format!("/api/3rdparty/v1/messages/{id}"));
    let cancelled = cancel.basic(&user.login, &user.password).send(private.public).await;
    assert_eq!(cancelled.status, 200, "{}", cancelled.text());
    let pushed = await_pushes(&google, "far away", 2).await;
    let data = json!({ "messageId": id }).to_string();
    assert_eq!(pushed[1], json!({ "event": "MessageCancelled", "data": data }));
}
