//! The set-up all these tests share: a sidecar, and a gateway that knows one user.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::http::{Request, Response};
use crate::support::jwt;
use crate::support::process::{Gateward, Settings};
use crate::support::upstream::{Answer, Received, Upstream};

/// Signs the tokens that clients hold.
pub(crate) const TOKEN_SECRET: &str = "client-token-secret-0123456789abcdef";
/// Signs the tokens that the gateway gets.
pub(crate) const MINT_SECRET: &str = "minting-secret-0123456789abcdef01234";
/// The one user that the gateway knows.
pub(crate) const USER: &str = "USER01";
/// The user's password; it has a colon on purpose.
pub(crate) const PASSWORD: &str = "pass:word-of-14";

/// Messages on the user API.
pub(crate) const MESSAGES: &str = "/api/3rdparty/v1/messages";
/// Where tokens are issued.
pub(crate) const TOKEN: &str = "/api/3rdparty/v1/auth/token";

/// A running sidecar and its gateway.
pub(crate) struct Bench {
    pub gateward: Gateward,
    pub upstream: Upstream,
}

/// What the recording gateway says: it knows [`USER`] with [`PASSWORD`], and likes everything else.
pub(crate) fn gateway(received: &Received) -> Answer {
    use base64::Engine as _;
    let good = base64::engine::general_purpose::STANDARD.encode(format!("{USER}:{PASSWORD}"));
    match received.header("authorization") {
        Some(value) if value.starts_with("Basic ") && value != format!("Basic {good}") => {
            Answer::json(401, r#"{"message":"Unauthorized"}"#)
        }
        _ => Answer::json(200, "{}"),
    }
}

impl Bench {
    /// A sidecar with defaults.
    pub(crate) fn start() -> Self {
        Self::with(Upstream::answering(gateway), |settings| settings)
    }

    /// A sidecar before this gateway, with these settings.
    pub(crate) fn with(upstream: Upstream, settings: impl FnOnce(Settings) -> Settings) -> Self {
        let gateward = settings(Self::settings(&upstream)).run();
        Self { gateward, upstream }
    }

    /// The settings of [`Self::with`].
    pub(crate) fn settings(upstream: &Upstream) -> Settings {
        Settings::new()
            .file("gateward.yaml", &format!("upstream: {{ url: '{}' }}\n", upstream.url()))
            .with("GATEWARD__UPSTREAM__MINT__SECRET", MINT_SECRET)
            .with("GATEWARD__TOKENS__SECRET", TOKEN_SECRET)
    }

    /// Where clients connect.
    pub(crate) fn at(&self) -> SocketAddr {
        self.gateward.public
    }

    /// Sends a request on a connection of its own.
    pub(crate) async fn send(&self, request: &Request) -> Response {
        request.send(self.at()).await
    }

    /// `GET /messages` with this token.
    pub(crate) async fn list_with(&self, token: &str) -> Response {
        self.send(&Request::get(MESSAGES).bearer(token)).await
    }

    /// Sends a request that must be refused with that status and never reach the gateway.
    pub(crate) async fn refused(&self, request: &Request, status: u16) -> Response {
        let before = self.upstream.count();
        let answer = self.send(request).await;
        assert_eq!(answer.status, status, "{request:?}: {}", answer.text());
        assert_eq!(self.upstream.count(), before, "{request:?} was forwarded");
        answer
    }

    /// Issues a token with the user's password.
    pub(crate) async fn issue(&self, scopes: &[&str]) -> Value {
        let request = Request::post(TOKEN)
            .basic(USER, PASSWORD)
            .json(&json!({ "scopes": scopes }));
        let answer = self.send(&request).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()
    }
}

/// A good token of [`USER`].
pub(crate) fn token(scopes: &[&str]) -> String {
    jwt::token(TOKEN_SECRET, &jwt::claims(USER, scopes))
}

/// The text of a field.
pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
        .to_owned()
}
