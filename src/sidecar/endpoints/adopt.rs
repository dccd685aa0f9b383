//! A refresh token that the gateway issued before the sidecar was there: the gateway exchanges it once, and its session
//! goes on as one of ours (DESIGN §6).
//!
//! So what the gateway has rotated or revoked stays dead. The pair that the gateway makes is dropped unread. The store
//! notes who is at a token and what has become of it, so that of several replicas one asks, and all give the same answer,
//! also within `refresh_grace` afterwards; requests to the same process share one attempt.

use std::sync::Arc;
use std::time::Duration;

use gateward_auth::{TokenId, UnixSeconds, UserId, VerifiedToken};
use gateward_boot::random;
use gateward_contract::uuid;
use gateward_denylist::{Adopt, Adoption, Claim, ForeignToken, Successor, ids};
use gateward_policy::{GatewayRequest, Policy};
use moka::sync::Cache;
use tokio::time::{Instant, sleep};

use super::audit::{self, Event};
use super::{Desk, EndpointAnswer, EndpointRefusal};
use crate::flight::Flights;
use crate::gateway::{Exchange, Gateway, GatewayError};

/// Exchanged tokens that are remembered at once. Adoption is a matter of the first days: these are plenty.
const REMEMBERED: u64 = 1000;
/// How long a process remembers that the gateway has exchanged a token whose family could not be stored yet.
const UNSTORED: Duration = Duration::from_secs(600);
/// How long nobody else asks the gateway: longer than it may take to answer. After that whoever claimed the token is taken
/// for dead, and the gateway decides whether it has exchanged it.
const LEASE: Duration = Duration::from_secs(30);
/// How long a request waits for another replica that is at the same token, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(12);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Whose token, and which.
type Presented = (UserId, TokenId);

/// The adoptions of this process.
pub(super) struct Adoptions {
    gateway: Arc<Gateway>,
    flights: Flights<Presented, Result<EndpointAnswer, EndpointRefusal>>,
    /// Exchanged at the gateway, and not yet a family of ours: the store was away just then. A retry goes on from here,
    /// because the gateway would not exchange the token twice.
    exchanged: Cache<Presented, ()>,
}

impl Adoptions {
    pub(super) fn new(gateway: Arc<Gateway>) -> Self {
        Self {
            gateway,
            flights: Flights::new(),
            exchanged: Cache::builder().max_capacity(REMEMBERED).time_to_live(UNSTORED).build(),
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
            exchanged: self.exchanged.clone(),
            request: request.clone(),
            raw: raw.to_owned(),
            token: ForeignToken {
                user: token.user().clone(),
                id: token.id().clone(),
                issued_at: token.issued_at(),
                expires_at: token.expires_at(),
            },
            attempt: uuid(random::bytes()),
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
    exchanged: Cache<Presented, ()>,
    request: GatewayRequest,
    raw: String,
    token: ForeignToken,
    /// A word that no other attempt has, here or on another replica.
    attempt: String,
    now: UnixSeconds,
}

impl Candidate {
    async fn adopt(self, scopes: Vec<Box<str>>) -> Result<EndpointAnswer, EndpointRefusal> {
        let presented = (self.token.user.clone(), self.token.id.clone());
        if !self.exchanged.contains_key(&presented) {
            match self.claim().await? {
                Adoption::Claimed => {
                    self.exchange().await?;
                    self.exchanged.insert(presented.clone(), ());
                }
                known @ (Adoption::Busy | Adoption::Done(..) | Adoption::Spent | Adoption::Revoked) => {
                    return self.answer(known);
                }
            }
        }
        let adoption = self.open(scopes).await?;
        self.exchanged.invalidate(&presented);
        self.answer(adoption)
    }

    /// The claim, or what became of another one, for which this waits.
    async fn claim(&self) -> Result<Adoption, EndpointRefusal> {
        let claim = Claim {
            token: self.token.clone(),
            owner: self.attempt.clone(),
            lease: LEASE,
            grace: self.desk.refresh_grace,
        };
        let deadline = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            let adoption = self.desk.denylist.claim_adoption(&claim).await?;
            if adoption != Adoption::Busy || Instant::now() >= deadline {
                return Ok(adoption);
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// INVARIANT(exchanged once): the gateway is asked only by whoever holds the store's claim, so by one at a time. Held
    /// by `a_gateways_refresh_token_is_exchanged_once`.
    async fn exchange(&self) -> Result<(), EndpointRefusal> {
        match self.gateway.exchange(&self.request, &self.raw).await {
            Ok(Exchange::Exchanged) => Ok(()),
            Ok(Exchange::Refused) => {
                self.release().await;
                Err(EndpointRefusal::Unauthorized("gateway_refused_refresh"))
            }
            Err(error) => {
                self.regret(error);
                self.release().await;
                Err(EndpointRefusal::Unavailable(error.label()))
            }
        }
    }

    fn regret(&self, cause: GatewayError) {
        let user = &self.token.user;
        tracing::warn!(%user, %cause, "a refresh token of the gateway could not be exchanged there");
    }

    /// The gateway decides when the token comes again: if it had exchanged it after all, it will refuse.
    async fn release(&self) {
        let user = &self.token.user;
        if let Err(error) = self.desk.denylist.release_adoption(&self.token, &self.attempt).await {
            tracing::warn!(%user, %error, "a refresh token stays claimed for adoption for a while");
        }
    }

    async fn open(&self, scopes: Vec<Box<str>>) -> Result<Adoption, EndpointRefusal> {
        let family = ids::new_family(random::bytes());
        let pair = self.desk.pair(&family, scopes, self.desk.access_ttl, self.now);
        let adopt = Adopt {
            token: self.token.clone(),
            family: family.clone(),
            pair: pair.clone(),
            grace: self.desk.refresh_grace,
        };
        let adoption = self.desk.denylist.adopt(&adopt, self.now).await?;
        if matches!(&adoption, Adoption::Done(known, _) if *known == pair) {
            audit::record(&Event::Adopted {
                user: &self.token.user,
                family: &family,
                token: &pair.access,
                presented: &self.token.id,
            });
        }
        Ok(adoption)
    }

    fn answer(&self, adoption: Adoption) -> Result<EndpointAnswer, EndpointRefusal> {
        match adoption {
            Adoption::Done(pair, epoch) => self.sign(&pair, epoch),
            Adoption::Spent => Err(EndpointRefusal::Unauthorized("refresh_adopted_before")),
            Adoption::Revoked => Err(EndpointRefusal::Unauthorized("refresh_revoked")),
            Adoption::Busy | Adoption::Claimed => Err(EndpointRefusal::Unavailable("adoption_busy")),
        }
    }

    fn sign(&self, pair: &Successor, epoch: u64) -> Result<EndpointAnswer, EndpointRefusal> {
        let family = ids::family_of(pair.access.as_str()).ok_or(EndpointRefusal::Unavailable("adoption_failed"))?;
        Ok(self.desk.sign(&self.token.user, &family, epoch, pair))
    }
}
