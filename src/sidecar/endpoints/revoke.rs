//! The end of a login session, by the id of any of its tokens. Own ones only: an id of somebody else's is answered in the
//! same way and changes nothing for its owner.

use std::time::Instant;

use gateward_auth::{Grant, TokenId, UnixSeconds};

use gateward_denylist::RevokeOutcome;

use super::audit::{self, Event};
use super::{EndpointAnswer, EndpointRefusal, Endpoints};

impl Endpoints {
    /// `DELETE …/auth/token/{jti}`, with the percent-decoded id.
    ///
    /// # Errors
    ///
    /// 503 when the store is away; 429 when the caller has revoked too many ids of nothing that we know.
    pub async fn revoke(&self, grant: &Grant, id: &str, now: UnixSeconds) -> Result<EndpointAnswer, EndpointRefusal> {
        let started = Instant::now();
        // What cannot be an id is the id of no token: revoked already, so to speak.
        let Ok(id) = TokenId::parse(id) else {
            return Ok(done(None));
        };
        let revoked = self.desk.denylist.revoke_token(grant.user(), &id, now).await;
        let is_done = revoked.as_ref().is_ok_and(|outcome| *outcome != RevokeOutcome::TooMany);
        self.metrics.revoked(is_done, started.elapsed());
        audit::record(&Event::Revoked {
            user: grant.user(),
            token: &id,
            outcome: revoked.as_ref().map_err(|error| *error)?,
        });
        if revoked == Ok(RevokeOutcome::TooMany) {
            return Err(EndpointRefusal::TooMany);
        }
        Ok(done(Some(id)))
    }
}

fn done(token: Option<TokenId>) -> EndpointAnswer {
    EndpointAnswer {
        status: 204,
        body: None,
        token,
    }
}
