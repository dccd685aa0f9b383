//! A new pair of tokens for whoever is logged in. It refuses to know how the caller was authenticated.

use std::time::Instant;

use gateward_auth::{Grant, UnixSeconds, UserId, VerifiedToken};
use gateward_boot::random;
use gateward_contract::{TokenRequest, Violations};
use gateward_denylist::{NewFamily, ids};
use gateward_policy::{Catalogue, Policy};

use super::audit::{self, Event};
use super::{Desk, EndpointAnswer, EndpointRefusal, Endpoints};
use crate::config::Attenuation;

/// Longer than a replica may be behind (a second), shorter than a revocation is kept (an hour at least).
const RECENT_SECONDS: i64 = 600;

impl Endpoints {
    /// The user's epoch as far as this process knows. To be asked *before* a caller is judged, for whoever then issues.
    pub fn epoch(&self, user: &UserId) -> u64 {
        self.desk.denylist.epoch(user)
    }

    /// `POST …/auth/token`. `epoch` is what [`Endpoints::epoch`] said before the grant was made.
    ///
    /// # Errors
    ///
    /// 400 for a body that is refused or a scope that cannot be had, 403 for a scope that the caller does not hold, 503
    /// when the store is away.
    pub async fn issue(
        &self,
        policy: &Policy,
        grant: &Grant,
        content_type: Option<&str>,
        body: &[u8],
        epoch: u64,
        now: UnixSeconds,
    ) -> Result<EndpointAnswer, EndpointRefusal> {
        let request =
            TokenRequest::parse(content_type, body).map_err(|error| EndpointRefusal::Invalid(error.to_string()))?;
        check_names(policy.catalogue(), &request.scopes)?;
        self.desk.attenuate(policy.catalogue(), grant, &request.scopes)?;
        let lifetime = self.desk.lifetime(request.ttl)?;
        let started = Instant::now();
        let answer = self.desk.issue(grant, request.scopes, lifetime, epoch, now).await;
        self.metrics.issued(answer.is_ok(), started.elapsed());
        answer
    }
}

impl Desk {
    async fn issue(
        &self,
        grant: &Grant,
        scopes: Vec<String>,
        lifetime: i64,
        known_epoch: u64,
        now: UnixSeconds,
    ) -> Result<EndpointAnswer, EndpointRefusal> {
        let family = ids::new_family(random::bytes());
        let scopes = scopes.into_iter().map(String::into_boxed_str).collect();
        let pair = self.pair(&family, scopes, lifetime, now);
        let session = NewFamily::new(family.clone(), grant.user().clone(), &pair);
        // INVARIANT(durable before signed): no token exists before the store has its family. Held by
        // `nothing_is_issued_while_the_store_is_away`.
        let epoch = self.denylist.open_family(session).await?;
        let known_epoch = grant
            .token()
            .and_then(VerifiedToken::epoch)
            .map_or(known_epoch, |of_token| of_token.max(known_epoch));
        if overtaken(known_epoch, epoch, now) {
            return Err(EndpointRefusal::Unavailable("revoked_meanwhile"));
        }
        audit::record(&Event::Issued {
            user: grant.user(),
            family: &family,
            token: &pair.access,
            scopes: &pair.scopes,
            by: grant.kind(),
        });
        Ok(self.sign(grant.user(), &family, epoch, &pair))
    }

    /// Seconds. Nothing and zero mean the configured lifetime, which is also the cap (WIRE §2.3); what the reference's
    /// durations cannot hold is refused in its words (WIRE §2.4).
    fn lifetime(&self, requested: Option<u64>) -> Result<i64, EndpointRefusal> {
        const LONGEST_SECONDS: i64 = i64::MAX / 1_000_000_000;
        let overflow = "failed to generate token pair: invalid params: access ttl must be positive";
        match requested.unwrap_or_default().try_into() {
            Ok(0) => Ok(self.access_ttl),
            Ok(seconds @ 1..=LONGEST_SECONDS) => Ok(self.access_ttl.min(seconds)),
            Ok(_) | Err(_) => Err(EndpointRefusal::Invalid(overflow.to_owned())),
        }
    }

    /// Nobody hands out what he does not hold (DESIGN §6).
    fn attenuate(&self, catalogue: &Catalogue, grant: &Grant, scopes: &[String]) -> Result<(), EndpointRefusal> {
        let mut lacking = scopes
            .iter()
            .filter_map(|name| catalogue.scope(name))
            .filter(|scope| !grant.holds(scope));
        match (self.attenuation, lacking.next()) {
            (Attenuation::Off, _) | (_, None) => Ok(()),
            (Attenuation::Enforce, Some(scope)) => Err(EndpointRefusal::ScopeRequired(scope.clone())),
            (Attenuation::Report, Some(scope)) => {
                audit::record(&Event::Exceeded {
                    user: grant.user(),
                    scope,
                });
                Ok(())
            }
        }
    }
}

/// Whether the user's credentials were revoked between the judgement and the store's answer, here or on another replica.
/// The new family would carry the new epoch and so outlive the revocation: it is never signed, and the client comes
/// again to be judged again.
///
/// INVARIANT(no session across a revocation): held by `a_grant_from_before_a_revocation_gets_no_session_after_it`.
fn overtaken(known: u64, answered: u64, now: UnixSeconds) -> bool {
    // An epoch is never below the second of its revocation, so one that is new to us and old all the same is one that
    // this process has dropped already, long after it mattered to any token.
    let recent = u64::try_from(now.minus(RECENT_SECONDS).0).unwrap_or(0);
    answered > known && answered > recent
}

/// Every scope exists and may be asked for: `tokens:refresh` may not, it is what makes a refresh token.
fn check_names(catalogue: &Catalogue, scopes: &[String]) -> Result<(), EndpointRefusal> {
    let mut violations = Violations::new();
    for (index, name) in scopes.iter().enumerate() {
        violations.check(
            catalogue.grantable(name),
            format!("TokenRequest.Scopes[{index}]"),
            "oneof",
        );
    }
    violations
        .finish()
        .map_err(|violations| EndpointRefusal::Invalid(violations.to_string()))
}
