//! What do the token endpoints answer (WIRE §2.4, DESIGN §6)?
//!
//! The gate has let the caller in: each function here gets the [`Grant`](gateward_auth::Grant) that proves it. Nothing is
//! answered with success before its state is durable in the store. This refuses to know how a request is read and how
//! an answer is written: content type, bytes and time come in, a status and a body go out.

mod adopt;
pub mod audit;
mod issue;
mod metrics;
mod refresh;
mod revoke;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateward_auth::{
    Accepts, AccessClaims, FamilyId, RefreshClaims, Scope, Signer, TokenId, UnixSeconds, UserId, whole_seconds,
};
use gateward_boot::random;
use gateward_contract::TokenResponse;
use gateward_denylist::{Denylist, Retention, StoreError, Successor, ids};

use self::adopt::Adoptions;
use crate::config::{Attenuation, Tokens};
use crate::front::traffic::Traffic;
use crate::gateway::Gateway;
use crate::reply::Refusal;

pub use self::metrics::JwtMetrics;

/// A success.
#[derive(Clone, Debug)]
pub struct EndpointAnswer {
    /// HTTP status: 201 or 204.
    pub status: u16,
    /// JSON that must not be stored by any cache; `None` with 204.
    pub body: Option<Bytes>,
    /// The token id that this is about, for the log.
    pub token: Option<TokenId>,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointRefusal {
    /// 400, with the text for the client.
    Invalid(String),
    /// 403 `scope required: …`.
    ScopeRequired(Scope),
    /// 401. The label is for the log only.
    Unauthorized(&'static str),
    /// 429 with `Retry-After`: too many ids revoked that we know nothing of.
    TooMany,
    /// 503 with `Retry-After`. The label is for the log only.
    Unavailable(&'static str),
}

impl EndpointRefusal {
    /// A word from a closed set, for logs and metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "request_invalid",
            Self::ScopeRequired(_) => "scope_not_held",
            Self::TooMany => "too_many_revocations",
            Self::Unauthorized(label) | Self::Unavailable(label) => label,
        }
    }

    /// As an answer, on a route that accepts these kinds of credential.
    pub fn on_route(self, accepts: Accepts) -> Refusal {
        let label = self.label();
        match self {
            Self::Invalid(message) => Refusal::TokenRequest(message),
            Self::ScopeRequired(scope) => Refusal::Forbidden { scope },
            Self::Unauthorized(_) => Refusal::TokenSpent { label, accepts },
            Self::TooMany => Refusal::TooMany(label),
            Self::Unavailable(_) => Refusal::Outage(label),
        }
    }
}

impl From<StoreError> for EndpointRefusal {
    fn from(error: StoreError) -> Self {
        let StoreError::Unavailable { reason } = error;
        tracing::warn!(%reason, "the token store is unavailable");
        Self::Unavailable("store_unavailable")
    }
}

/// The token endpoints.
pub struct Endpoints {
    desk: Arc<Desk>,
    adoptions: Adoptions,
    metrics: JwtMetrics,
}

/// What all of them work with.
struct Desk {
    signer: Signer,
    denylist: Denylist,
    access_ttl: i64,
    refresh_ttl: i64,
    refresh_grace: Duration,
    retention: Retention,
    attenuation: Attenuation,
}

impl Endpoints {
    /// `signer` signs what clients get; `gateway` is asked about refresh tokens that it issued itself, which counts as a
    /// request in flight in `traffic`, whoever leaves.
    pub fn new(
        tokens: &Tokens,
        signer: Signer,
        denylist: Denylist,
        gateway: Arc<Gateway>,
        traffic: Arc<Traffic>,
        metrics: JwtMetrics,
    ) -> Self {
        let desk = Desk {
            signer,
            denylist,
            // Longer tokens would be refused by our own front door.
            access_ttl: whole_seconds(tokens.access_ttl.min(tokens.max_lifetime)),
            refresh_ttl: whole_seconds(tokens.refresh_ttl),
            refresh_grace: tokens.refresh_grace,
            retention: tokens.retention(),
            attenuation: tokens.attenuation,
        };
        let desk = Arc::new(desk);
        Self {
            adoptions: Adoptions::new(Arc::clone(&desk), gateway, traffic),
            desk,
            metrics,
        }
    }
}

impl Desk {
    /// The claims of a new pair of a family.
    fn pair(&self, family: &FamilyId, scopes: Vec<Box<str>>, access_ttl: i64, now: UnixSeconds) -> Successor {
        Successor {
            access: ids::token_id(family, random::bytes()),
            refresh: ids::token_id(family, random::bytes()),
            scopes,
            issued_at: now,
            access_expires_at: now.plus(access_ttl),
            refresh_expires_at: now.plus(self.refresh_ttl),
        }
    }

    /// Signs a pair whose state is durable. The same claims give the same bytes.
    fn sign(&self, user: &UserId, family: &FamilyId, epoch: u64, pair: &Successor) -> EndpointAnswer {
        let access = self.signer.access(&AccessClaims {
            user,
            id: &pair.access,
            family,
            epoch,
            scopes: &pair.scopes,
            issued_at: pair.issued_at,
            expires_at: pair.access_expires_at,
        });
        let refresh = self.signer.refresh(&RefreshClaims {
            user,
            id: &pair.refresh,
            family,
            epoch,
            original_scopes: &pair.scopes,
            issued_at: pair.issued_at,
            expires_at: pair.refresh_expires_at,
        });
        let body = TokenResponse {
            id: pair.access.as_str(),
            access_token: &access,
            refresh_token: &refresh,
            expires_at: pair.access_expires_at.0,
        };
        EndpointAnswer {
            status: 201,
            body: Some(body.to_json().into()),
            token: Some(pair.access.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
