//! Why would a request be allowed or denied? The same resolution and decision as live traffic, as data to print.

use std::time::Duration;

use gateward_auth::{Accepts, Denial, Evidence, Grant, Need, OnOutage, Requirement, Standing, VerifiedToken, decide};
use serde::Serialize;

use crate::policy::Policy;
use crate::resolution::{Area, CanonicalPath, Resolution};
use crate::route::{Action, Route, UpstreamCredential};

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
    /// What would happen to this request: the resolution and the decision of live traffic, without any IO. A query in
    /// `target` is put aside. `outage`: how long the denylist would be out of date, if it were.
    #[must_use]
    pub fn explain(&self, method: &str, target: &str, caller: Caller, outage: Option<Duration>) -> Explanation {
        let path = target.split_once('?').map_or(target, |(path, _)| path);
        let mut told = Explanation::new(self, method, path);
        match self.resolve(method, path.as_bytes()) {
            Resolution::Ambiguous { error, .. } => told.refuse(400, error.label()),
            Resolution::Unmatched { area: Area::Open, .. } => told.refuse(404, NO_ROUTE),
            Resolution::Unmatched {
                area: Area::Protected, ..
            } => {
                let protected = self.protected();
                told.ask(&protected.requirement, protected.on_outage);
                match judge(&protected.requirement, protected.on_outage, caller, outage) {
                    Ok(_) => told.refuse(404, NO_ROUTE),
                    Err(denial) => told.deny(&denial),
                }
            }
            Resolution::Route { route, path } => {
                told.follow(route, &path);
                told.decide(route, caller, outage);
            }
        }
        told
    }
}

const NO_ROUTE: &str = "no_route";

impl Explanation {
    fn new(policy: &Policy, method: &str, path: &str) -> Self {
        Self {
            policy: policy.name().to_owned(),
            policy_hash: policy.hash().to_owned(),
            method: method.to_owned(),
            path: path.to_owned(),
            verdict: Verdict::Deny,
            status: None,
            reason: NO_ROUTE,
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

    fn refuse(&mut self, status: u16, reason: &'static str) {
        self.verdict = Verdict::Deny;
        self.status = Some(status);
        self.reason = reason;
    }

    fn deny(&mut self, denial: &Denial) {
        self.refuse(status_of(denial), denial.label());
    }

    fn allow(&mut self, reason: &'static str) {
        self.verdict = Verdict::Allow;
        self.reason = reason;
    }

    /// What is asked of the caller.
    fn ask(&mut self, requirement: &Requirement, on_outage: OnOutage) {
        let Accepts { basic, jwt } = requirement.accepts;
        self.with = [("basic", basic), ("jwt", jwt)]
            .into_iter()
            .filter(|(_, yes)| *yes)
            .map(|(kind, _)| kind)
            .collect();
        if let Need::Scope { scope, exact, .. } = &requirement.need {
            self.scope = Some(scope.to_string());
            self.exact = *exact;
        }
        self.on_outage = jwt.then(|| match on_outage {
            OnOutage::Closed => "closed".to_owned(),
            OnOutage::Stale(limit) => format!("stale({}s)", limit.as_secs_f64()),
            OnOutage::Open => "open".to_owned(),
        });
    }

    fn follow(&mut self, route: &Route, path: &CanonicalPath) {
        self.route = Some(route.id.as_str().to_owned());
        self.action = Some(route.action.label());
        self.gateway_path = (!route.action.is_token_endpoint()).then(|| path.as_str().to_owned());
        self.credential = route.credential.map(UpstreamCredential::label);
        if let Some(requirement) = &route.requirement {
            self.ask(requirement, route.on_outage);
        }
    }

    fn decide(&mut self, route: &Route, caller: Caller, outage: Option<Duration>) {
        let Some(requirement) = &route.requirement else {
            return self.allow(if route.action == Action::Passthrough {
                "passed_through"
            } else {
                "public"
            });
        };
        match judge(requirement, route.on_outage, caller, outage) {
            Ok(grant) if grant.degraded() => self.allow("granted_degraded"),
            Ok(_) => self.allow("granted"),
            Err(denial) => self.deny(&denial),
        }
    }
}

/// The status of a refusal, as the sidecar answers it.
fn status_of(denial: &Denial) -> u16 {
    match denial {
        Denial::NoCredential
        | Denial::BadCredential(_)
        | Denial::KindNotAccepted
        | Denial::LoginFailed
        | Denial::TokenInvalid(_)
        | Denial::TokenRevoked(_) => 401,
        Denial::ScopeMissing { .. } => 403,
        Denial::RevocationUnknown => 503,
    }
}

fn judge(
    requirement: &Requirement,
    on_outage: OnOutage,
    caller: Caller,
    outage: Option<Duration>,
) -> Result<Grant, Denial> {
    let standing = match outage {
        None => Standing::Clear,
        age @ Some(_) => Standing::Unknown { age },
    };
    decide(requirement, caller.evidence(standing)?, on_outage)
}

impl Caller {
    fn evidence(self, standing: Standing) -> Result<Evidence, Denial> {
        let token = match self {
            Self::Nobody => return Ok(Evidence::Absent),
            Self::Refused(denial) => return Err(denial),
            Self::Basic => {
                let user = specimen::user().map_err(|_| Denial::LoginFailed)?;
                return Ok(Evidence::Login { user, scopes: None });
            }
            Self::Token(token) => token,
            Self::Jwt(scopes) => specimen::access(&scopes).map_err(Denial::TokenInvalid)?,
            Self::Refresh(scopes) => specimen::refresh(&scopes).map_err(Denial::TokenInvalid)?,
        };
        Ok(Evidence::Token { token, standing })
    }
}

/// Tokens of nobody, made and verified as all others are, with a key that opens nothing else.
mod specimen {
    use gateward_auth::{
        AccessClaims, Claim, FamilyId, Hs256Key, IdError, RefreshClaims, Secret, Signer, TokenError, TokenId,
        UnixSeconds, UserId, VerifiedToken, Verifier, VerifierRules,
    };

    const ISSUED: UnixSeconds = UnixSeconds(1);
    const EXPIRES: UnixSeconds = UnixSeconds(2);

    pub(super) fn user() -> Result<UserId, IdError> {
        UserId::parse("SOMEBODY")
    }

    pub(super) fn access(scopes: &[String]) -> Result<VerifiedToken, TokenError> {
        let (user, id, family) = ids().map_err(|_| TokenError::Invalid(Claim::Id))?;
        let claims = AccessClaims {
            user: &user,
            id: &id,
            family: &family,
            epoch: 0,
            scopes,
            issued_at: ISSUED,
            expires_at: EXPIRES,
        };
        verified(|signer| signer.access(&claims))
    }

    pub(super) fn refresh(original_scopes: &[String]) -> Result<VerifiedToken, TokenError> {
        let (user, id, family) = ids().map_err(|_| TokenError::Invalid(Claim::Id))?;
        let claims = RefreshClaims {
            user: &user,
            id: &id,
            family: &family,
            epoch: 0,
            original_scopes,
            issued_at: ISSUED,
            expires_at: EXPIRES,
        };
        verified(|signer| signer.refresh(&claims))
    }

    fn ids() -> Result<(UserId, TokenId, FamilyId), IdError> {
        Ok((
            user()?,
            TokenId::parse("specimen-access")?,
            FamilyId::parse("specimen")?,
        ))
    }

    fn verified(sign: impl FnOnce(&Signer) -> String) -> Result<VerifiedToken, TokenError> {
        let key = Hs256Key::new(&Secret::new([b'x'; 32])).map_err(|_| TokenError::Signature)?;
        let rules = VerifierRules {
            issuer: None,
            leeway_secs: 0,
            max_lifetime_secs: 1,
        };
        let raw = sign(&Signer::new(key.clone(), None));
        Verifier::new(key, rules).verify(&raw, ISSUED)
    }
}

#[cfg(test)]
mod tests;
