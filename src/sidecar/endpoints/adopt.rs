//! A refresh token that the gateway issued before the sidecar was there: the gateway exchanges it once, and its session
//! goes on as one of ours (DESIGN §6).
//!
//! So what the gateway has rotated or revoked stays dead. The pair that the gateway makes is dropped unread. The store
//! notes each token that is being adopted, so that of several replicas one asks; requests to the same process with the
//! same token share one answer, also within `refresh_grace` afterwards.

use std::sync::Arc;
use std::time::Duration;

use gateward_auth::{FamilyId, TokenId, UnixSeconds, UserId, VerifiedToken};
use gateward_boot::random;
use gateward_denylist::{Adoption, NewFamily, Successor, ids};
use gateward_policy::{GatewayRequest, Policy};
use moka::sync::Cache;

use super::audit::{self, Event};
use super::{Desk, EndpointAnswer, EndpointRefusal};
use crate::flight::Flights;
use crate::gateway::{Exchange, Gateway, GatewayError};

/// Adopted tokens that are remembered at once. Adoption is a matter of the first days: these are plenty.
const REMEMBERED: u64 = 1000;
/// How long a process remembers that the gateway has exchanged a token whose family could not be stored yet.
const UNSTORED: Duration = Duration::from_secs(600);

/// Whose token, and which.
type Presented = (UserId, TokenId);

/// The adoptions of this process.
pub(super) struct Adoptions {
    gateway: Arc<Gateway>,
    flights: Flights<Presented, Result<EndpointAnswer, EndpointRefusal>>,
    memory: Memory,
}

#[derive(Clone)]
struct Memory {
    /// Exchanged at the gateway, and not yet a family of ours: the store was away just then. A retry goes on from here,
    /// because the gateway would not exchange the token twice.
    exchanged: Cache<Presented, ()>,
    /// Adopted a moment ago: the same pair is signed again for whoever lost the answer.
    adopted: Cache<Presented, Adopted>,
}

#[derive(Clone)]
struct Adopted {
    family: FamilyId,
    epoch: u64,
    pair: Successor,
}

impl Adoptions {
    pub(super) fn new(gateway: Arc<Gateway>, grace: Duration) -> Self {
        let memory = Memory {
            exchanged: Cache::builder().max_capacity(REMEMBERED).time_to_live(UNSTORED).build(),
            adopted: Cache::builder().max_capacity(REMEMBERED).time_to_live(grace).build(),
        };
        Self {
            gateway,
            flights: Flights::new(),
            memory,
        }
    }

    /// Adopts `token`, whose text is `raw`, for a session with `scopes`.
    pub(super) async fn adopt(
        &self,
        desk: &Arc<Desk>,
        policy: &Policy,
        token: &VerifiedToken,
        scopes: Vec<Box<str>>,
        raw: &str,
        now: UnixSeconds,
    ) -> Result<EndpointAnswer, EndpointRefusal> {
        let Some(request) = policy.refresh_exchange() else {
            return Err(EndpointRefusal::Unauthorized("gateway_exchanges_nothing"));
        };
        let presented = (token.user().clone(), token.id().clone());
        let candidate = Candidate {
            desk: Arc::clone(desk),
            gateway: Arc::clone(&self.gateway),
            memory: self.memory.clone(),
            request: request.clone(),
            raw: raw.to_owned(),
            user: token.user().clone(),
            id: token.id().clone(),
            expires_at: token.expires_at(),
            now,
        };
        // A task of its own: once the gateway has been asked, the answer must not get lost with a client's connection.
        let start = || async move {
            let adoption = tokio::spawn(candidate.adopt(scopes)).await;
            adoption.unwrap_or(Err(EndpointRefusal::Unavailable("adoption_failed")))
        };
        self.flights.join(presented, start).await
    }
}

/// One token on its way into a family of ours.
struct Candidate {
    desk: Arc<Desk>,
    gateway: Arc<Gateway>,
    memory: Memory,
    request: GatewayRequest,
    raw: String,
    user: UserId,
    id: TokenId,
    expires_at: UnixSeconds,
    now: UnixSeconds,
}

impl Candidate {
    async fn adopt(self, scopes: Vec<Box<str>>) -> Result<EndpointAnswer, EndpointRefusal> {
        let presented = (self.user.clone(), self.id.clone());
        if let Some(adopted) = self.memory.adopted.get(&presented) {
            return Ok(self
                .desk
                .sign(&self.user, &adopted.family, adopted.epoch, &adopted.pair));
        }
        if !self.memory.exchanged.contains_key(&presented) {
            self.exchange().await?;
            self.memory.exchanged.insert(presented.clone(), ());
        }
        let adopted = self.open(scopes).await?;
        audit::record(&Event::Adopted {
            user: &self.user,
            family: &adopted.family,
            token: &adopted.pair.access,
            presented: &self.id,
        });
        let answer = self
            .desk
            .sign(&self.user, &adopted.family, adopted.epoch, &adopted.pair);
        self.memory.exchanged.invalidate(&presented);
        self.memory.adopted.insert(presented, adopted);
        Ok(answer)
    }

    /// INVARIANT(exchanged once): the gateway is asked only by whoever holds the store's claim, and the claim is given
    /// back only when the gateway gave no answer. Held by `a_gateways_refresh_token_is_exchanged_once`.
    async fn exchange(&self) -> Result<(), EndpointRefusal> {
        let denylist = &self.desk.denylist;
        match denylist
            .claim_adoption(&self.user, &self.id, self.expires_at, self.now)
            .await?
        {
            Adoption::Claimed => {}
            Adoption::AlreadyClaimed => return Err(EndpointRefusal::Unauthorized("refresh_adopted_before")),
        }
        match self.gateway.exchange(&self.request, &self.raw).await {
            Ok(Exchange::Exchanged) => Ok(()),
            Ok(Exchange::Refused) => Err(EndpointRefusal::Unauthorized("gateway_refused_refresh")),
            Err(error) => {
                self.release(error).await;
                Err(EndpointRefusal::Unavailable(error.label()))
            }
        }
    }

    /// The gateway decides when the token comes again: if it had exchanged it after all, it will refuse.
    async fn release(&self, cause: GatewayError) {
        tracing::warn!(user = %self.user, %cause, "a refresh token of the gateway could not be exchanged there");
        if let Err(error) = self.desk.denylist.release_adoption(&self.user, &self.id).await {
            tracing::warn!(user = %self.user, %error, "a refresh token stays claimed for adoption");
        }
    }

    async fn open(&self, scopes: Vec<Box<str>>) -> Result<Adopted, EndpointRefusal> {
        let family = ids::new_family(random::bytes());
        let pair = self.desk.pair(&family, scopes, self.desk.access_ttl, self.now);
        let session = NewFamily {
            family: family.clone(),
            user: self.user.clone(),
            refresh: pair.refresh.clone(),
            issued_at: pair.issued_at,
            access_expires_at: pair.access_expires_at,
            refresh_expires_at: pair.refresh_expires_at,
        };
        let epoch = self.desk.denylist.open_family(session).await?;
        Ok(Adopted { family, epoch, pair })
    }
}
