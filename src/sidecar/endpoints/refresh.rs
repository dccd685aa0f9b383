//! The next pair of tokens for a refresh token, once. A token of ours is rotated in the store; one that the gateway
//! issued earlier is adopted ([`super::adopt`]).

use std::time::Instant;

use gateward_auth::{FamilyId, Grant, TOKENS_REFRESH, UnixSeconds, VerifiedToken};
use gateward_denylist::{Refused, Rotated, Rotation};
use gateward_policy::Policy;

use super::audit::{self, Event};
use super::{Desk, EndpointAnswer, EndpointRefusal, Endpoints};

impl Endpoints {
    /// `POST …/auth/token/refresh`. `raw` is the bearer value that the grant rests on.
    ///
    /// # Errors
    ///
    /// 401 for a token that is used up, revoked, unknown, or refused by the gateway that issued it; 503 when the store or
    /// that gateway is away.
    pub async fn refresh(
        &self,
        policy: &Policy,
        grant: &Grant,
        raw: &str,
        now: UnixSeconds,
    ) -> Result<EndpointAnswer, EndpointRefusal> {
        let started = Instant::now();
        let answer = self.successor(policy, grant, raw, now).await;
        self.metrics.refreshed(answer.is_ok(), started.elapsed());
        answer
    }

    async fn successor(
        &self,
        policy: &Policy,
        grant: &Grant,
        raw: &str,
        now: UnixSeconds,
    ) -> Result<EndpointAnswer, EndpointRefusal> {
        let token = grant.token().filter(|token| token.is_refresh());
        let token = token.ok_or(EndpointRefusal::Unauthorized("not_a_refresh_token"))?;
        let scopes = next_scopes(token)?;
        match token.family() {
            Some(family) => self.desk.rotate(token, family, scopes, now).await,
            None => self.adoptions.adopt(policy, token, scopes, raw, now).await,
        }
    }
}

/// What the next access token may do: what the first one could. A gateway may have put `tokens:refresh` among these
/// (the reference checks no names), which would make a refresh token of every access token.
fn next_scopes(token: &VerifiedToken) -> Result<Vec<Box<str>>, EndpointRefusal> {
    let scopes = token.original_scopes().unwrap_or_default();
    let scopes: Vec<_> = scopes
        .iter()
        .filter(|scope| &***scope != TOKENS_REFRESH)
        .cloned()
        .collect();
    if scopes.is_empty() {
        Err(EndpointRefusal::Unauthorized("no_original_scopes"))
    } else {
        Ok(scopes)
    }
}

impl Desk {
    async fn rotate(
        &self,
        token: &VerifiedToken,
        family: &FamilyId,
        scopes: Vec<Box<str>>,
        now: UnixSeconds,
    ) -> Result<EndpointAnswer, EndpointRefusal> {
        let epoch = token
            .epoch()
            .ok_or(EndpointRefusal::Unauthorized("refresh_without_epoch"))?;
        let pair = self.pair(family, scopes, self.access_ttl, now);
        let rotation = Rotation {
            family: family.clone(),
            user: token.user().clone(),
            presented: token.id().clone(),
            epoch,
            successor: pair.clone(),
            grace: self.refresh_grace,
            now,
        };
        let (pair, epoch, again) = match self.denylist.rotate(rotation).await? {
            Rotated::Fresh(epoch) => (pair, epoch, false),
            Rotated::Replayed(pair, epoch) => (pair, epoch, true),
            Rotated::Reused => {
                audit::record(&Event::Reused {
                    user: token.user(),
                    family,
                    token: token.id(),
                });
                return Err(EndpointRefusal::Unauthorized("refresh_reuse"));
            }
            Rotated::Refused(why) => {
                return Err(EndpointRefusal::Unauthorized(match why {
                    Refused::Unknown => "refresh_unknown",
                    Refused::Revoked => "refresh_revoked",
                    Refused::Expired => "refresh_expired",
                }));
            }
        };
        audit::record(&Event::Refreshed {
            user: token.user(),
            family,
            token: &pair.access,
            again,
        });
        Ok(self.sign(token.user(), family, epoch, &pair))
    }
}
