//! A user of a running gateway, with the calls that journeys are made of.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::http::{Request, Response};

const API: &str = "/api/3rdparty/v1";
const PATIENCE: Duration = Duration::from_secs(30);

/// An access and a refresh token.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub id: String,
    pub access: String,
    pub refresh: String,
}

impl Tokens {
    fn from(answer: &Response) -> Self {
        assert_eq!(answer.status, 201, "{}", answer.text());
        let body = answer.json();
        let text = |name: &str| body[name].as_str().expect("text").to_owned();
        Self {
            id: text("id"),
            access: text("access_token"),
            refresh: text("refresh_token"),
        }
    }
}

/// Registers a device for a new user: login, password and the device's token.
pub(crate) async fn register(gateway: SocketAddr, private_token: &str) -> (String, String, String) {
    let request = Request::post("/api/mobile/v1/device")
        .bearer(private_token)
        .json(&json!({ "name": "Maker/Model" }));
    let answer = request.send(gateway).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let body = answer.json();
    let text = |name: &str| body[name].as_str().expect("text").to_owned();
    (text("login"), text("password"), text("token"))
}

/// Issues a token with a password.
pub(crate) async fn issue(gateway: SocketAddr, login: &str, password: &str, scopes: &[&str]) -> Tokens {
    let request = Request::post(&format!("{API}/auth/token"))
        .basic(login, password)
        .json(&json!({ "scopes": scopes }));
    Tokens::from(&request.send(gateway).await)
}

/// Exchanges a refresh token.
pub(crate) async fn refresh(gateway: SocketAddr, refresh_token: &str) -> Response {
    Request::post(&format!("{API}/auth/token/refresh"))
        .bearer(refresh_token)
        .send(gateway)
        .await
}

/// Exchanges a refresh token that must be good.
pub(crate) async fn refreshed(gateway: SocketAddr, refresh_token: &str) -> Tokens {
    Tokens::from(&refresh(gateway, refresh_token).await)
}

/// Revokes an id with a password.
pub(crate) async fn revoke(gateway: SocketAddr, login: &str, password: &str, id: &str) -> u16 {
    Request::new("DELETE", &format!("{API}/auth/token/{id}"))
        .basic(login, password)
        .send(gateway)
        .await
        .status
}

/// The status that a token gets at `GET /devices`.
pub(crate) async fn devices(gateway: SocketAddr, token: &str) -> u16 {
    Request::get(&format!("{API}/devices"))
        .bearer(token)
        .send(gateway)
        .await
        .status
}

/// Sends a text message with a token.
pub(crate) async fn send(gateway: SocketAddr, token: &str, id: &str, number: &str) -> Response {
    let body = json!({ "id": id, "textMessage": { "text": "hello" }, "phoneNumbers": [number] });
    Request::post(&format!("{API}/messages"))
        .bearer(token)
        .json(&body)
        .send(gateway)
        .await
}

/// The state of a message.
pub(crate) async fn message(gateway: SocketAddr, token: &str, id: &str) -> Value {
    let answer = Request::get(&format!("{API}/messages/{id}"))
        .bearer(token)
        .send(gateway)
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Reads a message until it is in that state.
pub(crate) async fn await_state(gateway: SocketAddr, token: &str, id: &str, state: &str) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let message = message(gateway, token, id).await;
        if message["state"] == state {
            return message;
        }
        assert!(Instant::now() < deadline, "not {state}: {message}");
        tokio::task::yield_now().await;
    }
}

/// Asks until the answer has that status; how long it took.
pub(crate) async fn await_status(wanted: u16, ask: impl AsyncFn() -> u16) -> Duration {
    let start = Instant::now();
    loop {
        let status = ask().await;
        if status == wanted {
            return start.elapsed();
        }
        assert!(start.elapsed() < PATIENCE, "{status} instead of {wanted}");
    }
}
