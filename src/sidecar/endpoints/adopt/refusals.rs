//! Which refresh tokens did the gateway refuse a moment ago? So that a client that presents a dead token again and again
//! costs neither the gateway nor the store anything.
//!
//! Only what the gateway said about the token itself is worth keeping, and only for so long that nobody is kept out by what
//! was put right meanwhile. Takes the time as an argument.

use gateward_auth::UnixSeconds;
use gateward_policy::GatewayRequest;
use moka::sync::Cache;

use super::Presented;

/// For how long, in seconds.
pub(super) const KEPT_SECONDS: i64 = 30;
/// How many: a few MiB. Each took a token that the gateway had signed.
const CAPACITY: u64 = 10_000;

#[derive(Clone)]
struct Refusal {
    /// What the gateway was asked: a policy may ask it something else by now.
    request: GatewayRequest,
    at: UnixSeconds,
}

/// The tokens that were refused lately.
#[derive(Clone)]
pub(super) struct Refusals(Cache<Presented, Refusal>);

impl Refusals {
    pub(super) fn new() -> Self {
        Self(Cache::new(CAPACITY))
    }

    pub(super) fn remember(&self, presented: Presented, request: GatewayRequest, now: UnixSeconds) {
        self.0.insert(presented, Refusal { request, at: now });
    }

    /// Whether the gateway would only refuse it again.
    pub(super) fn has(&self, presented: &Presented, request: &GatewayRequest, now: UnixSeconds) -> bool {
        let Some(refusal) = self.0.get(presented) else {
            return false;
        };
        // A clock that was set back prolongs nothing.
        let lasts = (0..KEPT_SECONDS).contains(&now.since(refusal.at)) && refusal.request == *request;
        if !lasts {
            self.0.invalidate(presented);
        }
        lasts
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use gateward_auth::{TokenId, UserId};

    use super::*;

    #[test]
    fn a_refusal_is_about_one_token_one_question_and_a_short_while() {
        let policy = gateward_policy::compile("smsgate.yaml", gateward_policy::SMSGATE).unwrap();
        let request = policy.policy.refresh_exchange().unwrap().clone();
        let mut elsewhere = request.clone();
        elsewhere.path.push('2');
        let token = |user: &str| (UserId::parse(user).unwrap(), TokenId::parse("id").unwrap());
        let (ann, bob, now) = (token("ann"), token("bob"), UnixSeconds(1_000_000));
        for (presented, request, now, known) in [
            (&ann, &request, now, true),
            (&ann, &request, now.plus(KEPT_SECONDS - 1), true),
            (&ann, &request, now.plus(KEPT_SECONDS), false),
            (&ann, &request, now.minus(1), false),
            (&ann, &elsewhere, now, false),
            (&bob, &request, now, false),
        ] {
            let refusals = Refusals::new();
            refusals.remember(
                ann.clone(),
                policy.policy.refresh_exchange().unwrap().clone(),
                UnixSeconds(1_000_000),
            );
            assert_eq!(refusals.has(presented, request, now), known);
        }
    }
}
