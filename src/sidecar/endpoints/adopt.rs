//! A refresh token that the gateway issued before the sidecar was there: the gateway exchanges it once, and its session
//! goes on as one of ours (DESIGN §6).
//!
//! So what the gateway has rotated or revoked stays dead. The pair that the gateway makes is dropped unread. The store
//! notes who is at a token and what has become of it, so that of several replicas one asks, and all give the same answer,
//! also within `refresh_grace` afterwards, and for as long as nobody has refreshed with that pair; requests to the same
//! process share one attempt.

mod refusals;

use std::sync::Arc;
use std::time::Duration;

use gateward_auth::{FamilyId, TokenId, UnixSeconds, UserId, VerifiedToken};
use gateward_boot::random;
use gateward_contract::uuid;
use gateward_denylist::{ANSWER_WITHIN, Adopt, Adoption, Claim, ForeignToken, StoreError, Successor, Trouble, ids};
use gateward_policy::{GatewayRequest, Policy};
use moka::sync::Cache;
use tokio::time::{Instant, sleep};

use self::refusals::Refusals;
use super::audit::{self, Event};
use super::{Desk, EndpointAnswer, EndpointRefusal};
use crate::flight::Flights;
use crate::front::traffic::{InFlight, Traffic};
use crate::gateway::{Exchange, Gateway, GatewayError, Turn};

/// Exchanged tokens that are remembered at once. Adoption is a matter of the first days: these are plenty.
const REMEMBERED: u64 = 1000;
/// How long a process remembers that the gateway has exchanged a token whose family could not be stored yet.
const UNSTORED: Duration = Duration::from_secs(600);
/// Pauses between attempts to store the family of an exchanged token. Together they are longer than it takes to notice that
/// Redis is back (5 s, DESIGN §7).
const STORE_AGAIN_AFTER: [Duration; 7] = [
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(600),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(2),
];
/// How long a request waits for another replica that is at the same token, and how often it looks.
const PATIENCE: Duration = Duration::from_secs(12);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Whose token, and which.
type Presented = (UserId, TokenId);

/// The adoptions of this process.
pub(super) struct Adoptions {
    flights: Flights<Presented, Result<EndpointAnswer, EndpointRefusal>>,
    traffic: Arc<Traffic>,
    shared: Shared,
}

/// What all attempts work with.
#[derive(Clone)]
struct Shared {
    desk: Arc<Desk>,
    gateway: Arc<Gateway>,
    /// Exchanged at the gateway, and not yet a family of ours, as far as we know: the store was away just then. A retry goes
    /// on from here, because the gateway would not exchange the token twice, and with the same family, because the store
    /// may know it.
    exchanged: Cache<Presented, FamilyId>,
    refusals: Refusals,
}

impl Adoptions {
    pub(super) fn new(desk: Arc<Desk>, gateway: Arc<Gateway>, traffic: Arc<Traffic>) -> Self {
        Self {
            flights: Flights::new(),
            traffic,
            shared: Shared {
                desk,
                gateway,
                exchanged: Cache::builder().max_capacity(REMEMBERED).time_to_live(UNSTORED).build(),
                refusals: Refusals::new(),
            },
        }
    }

    /// Adopts `token`, whose text is `raw`, for a session with `scopes`.
    pub(super) async fn adopt(
        &self,
        policy: &Policy,
        token: &VerifiedToken,
        scopes: Vec<Box<str>>,
        raw: &str,
        now: UnixSeconds,
    ) -> Result<EndpointAnswer, EndpointRefusal> {
        let Some(request) = policy.refresh_exchange() else {
            return Err(EndpointRefusal::Unauthorized("gateway_exchanges_nothing"));
        };
        // Whoever revoked it may be forgotten by now, and the gateway has never heard of that.
        if !self.shared.desk.retention.covers(token.issued_at(), now) {
            return Err(EndpointRefusal::Unauthorized("refresh_older_than_revocations"));
        }
        let presented = (token.user().clone(), token.id().clone());
        if self.shared.refusals.has(&presented, request, now) {
            return Err(REFUSED);
        }
        let attempt = Attempt {
            shared: self.shared.clone(),
            request: request.clone(),
            raw: raw.to_owned(),
            token: ForeignToken {
                user: token.user().clone(),
                id: token.id().clone(),
                issued_at: token.issued_at(),
                expires_at: token.expires_at(),
            },
            word: uuid(random::bytes()),
            now,
            began: Instant::now(),
            _in_flight: self.traffic.begin(),
        };
        // A task of its own: once the gateway has been asked, the answer must not get lost with a client's connection, nor
        // with a stop.
        let start = || async move {
            let adoption = tokio::spawn(attempt.adopt(scopes)).await;
            adoption.unwrap_or(Err(EndpointRefusal::Unavailable("adoption_failed")))
        };
        self.flights.join(presented, start).await
    }
}

/// What whoever presents a token hears that the gateway refuses.
const REFUSED: EndpointRefusal = EndpointRefusal::Unauthorized("gateway_refused_refresh");

/// One token on its way into a family of ours.
struct Attempt {
    shared: Shared,
    request: GatewayRequest,
    raw: String,
    token: ForeignToken,
    /// A word that no other attempt has, here or on another replica.
    word: String,
    now: UnixSeconds,
    began: Instant,
    _in_flight: InFlight,
}

impl Attempt {
    async fn adopt(self, scopes: Vec<Box<str>>) -> Result<EndpointAnswer, EndpointRefusal> {
        let presented = (self.token.user.clone(), self.token.id.clone());
        let exchanged = &self.shared.exchanged;
        let family = match exchanged.get(&presented) {
            Some(family) => family,
            None => {
                if let Some(known) = self.exchange().await? {
                    return self.answer(known);
                }
                let family = ids::new_family(random::bytes());
                exchanged.insert(presented.clone(), family.clone());
                family
            }
        };
        let adoption = self.open(family, scopes).await?;
        exchanged.invalidate(&presented);
        self.answer(adoption)
    }

    /// Has the gateway exchange the token, unless something has become of it already, which is the answer then.
    ///
    /// Nobody claims a token before it is his turn at the gateway: however long the queue is, a lease covers what follows.
    async fn exchange(&self) -> Result<Option<Adoption>, EndpointRefusal> {
        let denylist = &self.shared.desk.denylist;
        let mut pause = FIRST_PAUSE;
        loop {
            let known = match denylist.adoption(&self.token, self.grace(), self.now).await? {
                Some(known) => known,
                None => {
                    let turn = self.shared.gateway.turn().await;
                    let turn = turn.map_err(|error| self.regret(error))?;
                    let claimed = denylist.claim_adoption(&self.claim()).await?;
                    if let Adoption::Claimed { contested } = claimed {
                        return self.ask(turn, contested).await;
                    }
                    claimed
                }
            };
            if known != Adoption::Busy || self.began.elapsed() >= PATIENCE {
                return Ok(Some(known));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn claim(&self) -> Claim {
        Claim {
            token: self.token.clone(),
            owner: self.word.clone(),
            lease: lease(&self.shared.gateway),
            may_finish: UNSTORED,
            grace: self.grace(),
        }
    }

    /// What has become of the token while this waited counts as if it had come at once.
    fn grace(&self) -> Duration {
        self.shared.desk.refresh_grace.saturating_add(self.began.elapsed())
    }

    /// INVARIANT(exchanged once): the gateway is asked only by whoever holds the store's claim, so by one at a time. Held
    /// by `a_gateways_refresh_token_is_exchanged_once` and
    /// `whoever_waits_for_a_turn_at_the_gateway_keeps_no_other_replica_from_the_token`.
    async fn ask(&self, turn: Turn<'_>, contested: bool) -> Result<Option<Adoption>, EndpointRefusal> {
        let said = match turn.exchange(&self.request, &self.raw).await {
            Ok(Exchange::Exchanged) => return Ok(None),
            Ok(Exchange::Refused) => REFUSED,
            Ok(Exchange::Nowhere) => EndpointRefusal::Unauthorized("gateway_exchanges_nothing"),
            // The gateway decides when the token comes again: if it had exchanged it after all, it will refuse.
            Err(error) => self.regret(error),
        };
        // Another replica may have been faster, if it got so far although the claim is ours.
        match self.release().await {
            Ok(Some(known)) => return Ok(Some(known)),
            Ok(None) => {}
            // What the store knows better may be on its way: that is no refusal.
            Err(error) => return Err(error.into()),
        }
        if contested && matches!(said, EndpointRefusal::Unauthorized(_)) {
            // Somebody may have exchanged it who can still store what it has become.
            return Err(EndpointRefusal::Unavailable("adoption_unfinished"));
        }
        if said == REFUSED {
            let presented = (self.token.user.clone(), self.token.id.clone());
            let refusals = &self.shared.refusals;
            refusals.remember(presented, self.request.clone(), self.now);
        }
        Err(said)
    }

    fn regret(&self, cause: GatewayError) -> EndpointRefusal {
        let user = &self.token.user;
        tracing::warn!(%user, %cause, "a refresh token of the gateway could not be exchanged there");
        EndpointRefusal::Unavailable(cause.label())
    }

    /// Gives the claim back. Answers what has become of the token meanwhile.
    async fn release(&self) -> Result<Option<Adoption>, StoreError> {
        let denylist = &self.shared.desk.denylist;
        let released = denylist.release_adoption(&self.token, &self.word, self.grace()).await;
        if let Err(error) = &released {
            let user = &self.token.user;
            tracing::warn!(%user, %error, "a refresh token stays claimed for adoption for a while");
        }
        released
    }

    /// Starts the family. Where the store does not answer, it may have started all the same: proposing it again tells.
    async fn open(&self, family: FamilyId, scopes: Vec<Box<str>>) -> Result<Adoption, EndpointRefusal> {
        let desk = &self.shared.desk;
        let adopt = Adopt {
            token: self.token.clone(),
            pair: desk.pair(&family, scopes, desk.access_ttl, self.now),
            family,
            grace: self.grace(),
        };
        let mut pauses = STORE_AGAIN_AFTER.iter();
        let adoption = loop {
            let error = match desk.denylist.adopt(&adopt, self.now).await {
                Ok(adoption) => break adoption,
                Err(error) => error,
            };
            let closed = StoreError::Unavailable {
                reason: Trouble::Closed,
            };
            let Some(pause) = pauses.next().filter(|_pause| error != closed) else {
                return Err(error.into());
            };
            sleep(*pause).await;
        };
        if let Adoption::Done(pair, _) = &adoption
            && ids::family_of(pair.access.as_str()).as_ref() == Some(&adopt.family)
        {
            audit::record(&Event::Adopted {
                user: &self.token.user,
                family: &adopt.family,
                token: &pair.access,
                presented: &self.token.id,
            });
        }
        Ok(adoption)
    }

    fn answer(&self, adoption: Adoption) -> Result<EndpointAnswer, EndpointRefusal> {
        match adoption {
            Adoption::Done(pair, epoch) => self.sign(&pair, epoch),
            Adoption::Reused(family) => {
                audit::record(&Event::Reused {
                    user: &self.token.user,
                    family: &family,
                    token: &self.token.id,
                });
                Err(EndpointRefusal::Unauthorized("refresh_reuse"))
            }
            Adoption::Revoked => Err(EndpointRefusal::Unauthorized("refresh_revoked")),
            Adoption::Busy | Adoption::Claimed { .. } => Err(EndpointRefusal::Unavailable("adoption_busy")),
        }
    }

    fn sign(&self, pair: &Successor, epoch: u64) -> Result<EndpointAnswer, EndpointRefusal> {
        let family = ids::family_of(pair.access.as_str()).ok_or(EndpointRefusal::Unavailable("adoption_failed"))?;
        Ok(self.shared.desk.sign(&self.token.user, &family, epoch, pair))
    }
}

/// How long nobody else asks the gateway about a claimed token: for as long as the attempt that has claimed it may take to
/// hear of the claim, ask, and store what follows. After that whoever claimed it is taken for dead.
fn lease(gateway: &Gateway) -> Duration {
    let mut lease = ANSWER_WITHIN + gateway.longest() + ANSWER_WITHIN;
    for pause in STORE_AGAIN_AFTER {
        lease += pause + ANSWER_WITHIN;
    }
    lease
}
