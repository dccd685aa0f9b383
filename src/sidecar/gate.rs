//! May this request pass? Route, credential, evidence, decision, in this order and nowhere else.
//!
//! Refuses to know Pingora, headers other than `Authorization`, and what happens after a yes.

use std::sync::Arc;
use std::time::Instant;

use gateward_auth::{Credential, Denial, Evidence, OnOutage, Requirement, Standing, UnixSeconds, credential, decide};
use gateward_policy::{Area, Policy, Resolution};

use crate::authenticate::{Authenticator, Denied};
use crate::context::{Notes, Pass, Terms};
use crate::endpoints::JwtMetrics;
use crate::reply::Refusal;

/// The methods that the reference's router knows; anything else is 400 there (WIRE §1.3).
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT",
];

/// Whether the reference's router knows this method.
pub fn is_known_method(method: &str) -> bool {
    METHODS.contains(&method)
}

/// What the gate looks at.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The method as sent.
    pub method: &'a str,
    /// The raw path, without the query.
    pub path: &'a [u8],
    /// `Authorization`, once.
    pub authorization: Authorization<'a>,
}

/// The `Authorization` headers of a request.
#[derive(Debug, Clone, Copy)]
pub enum Authorization<'a> {
    /// None.
    Absent,
    /// One.
    One(&'a [u8]),
    /// More than one: whichever we chose, somebody else could choose the other.
    Repeated,
}

/// The gate.
pub struct Gate {
    authenticator: Arc<Authenticator>,
    metrics: JwtMetrics,
}

/// A no, with the route that it concerns.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// Where; boxed because a yes is the common case.
    pub terms: Option<Box<Terms>>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, terms: None }
    }
}

impl Gate {
    /// A gate that believes this authenticator.
    pub fn new(authenticator: Arc<Authenticator>, metrics: JwtMetrics) -> Self {
        Self { authenticator, metrics }
    }

    /// Who turns credentials into evidence.
    pub fn authenticator(&self) -> &Arc<Authenticator> {
        &self.authenticator
    }

    /// Judges a request. Does not wait for anything unless a login has to be checked.
    ///
    /// INVARIANT(default deny): only a route of the policy lets a request pass, and only with the grant that it
    /// requires; held by `gate::tests`.
    pub async fn admit(
        &self,
        policy: &Policy,
        head: &Head<'_>,
        now: UnixSeconds,
        notes: &mut Notes,
    ) -> Result<Pass, Refused> {
        if !is_known_method(head.method) {
            return Err(Refusal::Method.into());
        }
        let resolution = policy.resolve(head.method, head.path);
        notes.user_api = resolution.is_user_api();
        let header = match head.authorization {
            Authorization::Absent => None,
            Authorization::One(value) => Some(value),
            Authorization::Repeated => return Err(Refusal::CredentialRepeated.into()),
        };
        let (route, path) = match resolution {
            Resolution::Ambiguous { error, .. } => return Err(Refusal::Path(error).into()),
            Resolution::Unmatched { area: Area::Open, .. } => return Err(Refusal::NotFound.into()),
            Resolution::Unmatched {
                area: Area::Protected, ..
            } => {
                let ask = Ask {
                    requirement: &policy.protected().requirement,
                    on_outage: policy.protected().on_outage,
                };
                self.judge(policy, ask, header, now, notes).await?;
                return Err(Refusal::NotFound.into());
            }
            Resolution::Route { route, path } => (route, path),
        };
        let grant = match &route.requirement {
            None => {
                notes.kind = "unchecked";
                None
            }
            Some(requirement) => {
                let ask = Ask {
                    requirement,
                    on_outage: route.on_outage,
                };
                let judged = self.judge(policy, ask, header, now, notes).await;
                Some(judged.map_err(|refusal| Refused {
                    refusal,
                    terms: Some(Box::new(route.into())),
                })?)
            }
        };
        Ok(Pass {
            terms: route.into(),
            path,
            grant,
            account: None,
        })
    }

    async fn judge(
        &self,
        policy: &Policy,
        ask: Ask<'_>,
        header: Option<&[u8]>,
        now: UnixSeconds,
        notes: &mut Notes,
    ) -> Result<gateward_auth::Grant, Refusal> {
        notes.accepts = ask.requirement.accepts;
        let denied = |denial| Refusal::from_denial(denial, ask.requirement.accepts);
        let credential = credential::parse(header).map_err(|error| denied(Denial::BadCredential(error)))?;
        notes.kind = kind_of(&credential);
        notes.scope = needed_scope(ask.requirement);
        let evidence = match self.evidence_at_hand(policy, ask.requirement, &credential, now) {
            Some(evidence) => evidence,
            None => {
                self.authenticator
                    .authenticate(policy, ask.requirement, &credential, now)
                    .await
            }
        };
        let evidence = evidence.map_err(|why| match why {
            Denied::Denial(denial) => denied(denial),
            Denied::Outage(label) => Refusal::Outage(label),
            Denied::Busy => Refusal::Busy,
        })?;
        note(notes, &evidence);
        let grant = decide(ask.requirement, evidence, ask.on_outage).map_err(denied)?;
        notes.degraded = grant.degraded();
        Ok(grant)
    }

    /// The authenticator's immediate answer; a token's is counted and timed (WIRE §9).
    fn evidence_at_hand(
        &self,
        policy: &Policy,
        requirement: &Requirement,
        credential: &Credential<'_>,
        now: UnixSeconds,
    ) -> Option<Result<Evidence, Denied>> {
        if !matches!(credential, Credential::Bearer(_)) {
            return self.authenticator.try_now(policy, requirement, credential, now);
        }
        let started = Instant::now();
        let evidence = self.authenticator.try_now(policy, requirement, credential, now);
        self.metrics
            .validated(evidence.as_ref().is_some_and(is_good), started.elapsed());
        evidence
    }
}

/// Whether a token passed its check, as the reference counts it: a revoked one did not.
fn is_good(evidence: &Result<Evidence, Denied>) -> bool {
    match evidence {
        Ok(Evidence::Token { standing, .. }) => !matches!(standing, Standing::Revoked(_)),
        Ok(Evidence::Absent | Evidence::Login { .. }) => true,
        Err(_) => false,
    }
}

/// What a place asks of its callers.
#[derive(Clone, Copy)]
struct Ask<'a> {
    requirement: &'a Requirement,
    on_outage: OnOutage,
}

fn kind_of(credential: &Credential<'_>) -> &'static str {
    match credential {
        Credential::None => "none",
        Credential::Basic(_) => "basic",
        Credential::Bearer(_) => "bearer",
        Credential::Other => "other",
    }
}

fn needed_scope(requirement: &Requirement) -> Option<gateward_auth::Scope> {
    match &requirement.need {
        gateward_auth::Need::Nothing => None,
        gateward_auth::Need::Scope { scope, .. } => Some(scope.clone()),
    }
}

fn note(notes: &mut Notes, evidence: &Evidence) {
    match evidence {
        Evidence::Absent => {}
        Evidence::Login { user, .. } => notes.user = Some(user.clone()),
        Evidence::Token { token, .. } => {
            notes.user = Some(token.user().clone());
            notes.token = Some(token.id().clone());
        }
    }
}

#[cfg(test)]
mod tests;
