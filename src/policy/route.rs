//! What a policy says about one route, compiled.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gateward_auth::{OnOutage, Requirement};

/// The name of a route: a word from a closed set, safe as a metric label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RouteId {
    text: Arc<str>,
    index: usize,
}

impl RouteId {
    pub(crate) fn new(text: &str, index: usize) -> Self {
        Self {
            text: Arc::from(text),
            index,
        }
    }

    /// The name as the policy writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where the route stands in [`crate::Policy::routes`], from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }
}

impl fmt::Display for RouteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What happens with a request that a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// The caller is checked here, and the request goes to the gateway with our credential.
    Forward,
    /// The request goes to the gateway with the client's credential, which the gateway checks.
    Passthrough,
    /// Answered here: a new token pair.
    TokenIssue,
    /// Answered here: the next token pair.
    TokenRefresh,
    /// Answered here: the session named by the path's `{jti}` ends.
    TokenRevoke,
}

impl Action {
    /// The word that the policy uses, also for logs and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::Passthrough => "passthrough",
            Self::TokenIssue => "token_issue",
            Self::TokenRefresh => "token_refresh",
            Self::TokenRevoke => "token_revoke",
        }
    }

    /// Whether the answer is made here and the gateway never sees the request.
    #[must_use]
    pub fn is_token_endpoint(self) -> bool {
        match self {
            Self::Forward | Self::Passthrough => false,
            Self::TokenIssue | Self::TokenRefresh | Self::TokenRevoke => true,
        }
    }
}

/// Which credential the gateway gets to see (DESIGN §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamCredential {
    /// A short-lived token of ours.
    Mint,
    /// A static user name and password.
    Basic,
    /// The client's own, unchanged.
    Passthrough,
    /// A fixed header with a secret value.
    Header,
}

impl UpstreamCredential {
    /// The word that the policy uses.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Mint => "mint",
            Self::Basic => "basic",
            Self::Passthrough => "passthrough",
            Self::Header => "header",
        }
    }
}

/// One route of a policy. Only [`crate::compile`] makes one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Route {
    /// Its name.
    pub id: RouteId,
    /// What happens with a request.
    pub action: Action,
    /// Who may call it. `None` when nobody is asked for a credential here: a public route, or one that is passed
    /// through.
    pub requirement: Option<Requirement>,
    /// What happens to tokens while the denylist may be out of date.
    pub on_outage: OnOutage,
    /// Which credential the gateway gets, where the policy says so; else the configuration does for routes that have a
    /// requirement, and public routes get none. Always `None` on passed-through routes (the client's own goes on) and
    /// on token endpoints.
    pub credential: Option<UpstreamCredential>,
    /// How long the gateway may take to answer, where the policy says so.
    pub timeout: Option<Duration>,
    /// The longest request body in bytes, where the policy says so.
    pub body_limit: Option<u64>,
    /// Whether the answer is a stream that lasts (server-sent events): no read timeout, nothing held back.
    pub streaming: bool,
    /// Whether 204 on this route means that a user's password has changed (DESIGN §5).
    pub password_change: bool,
    /// The `METHOD /path` patterns as written.
    pub patterns: Vec<String>,
}
