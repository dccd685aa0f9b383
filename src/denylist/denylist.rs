//! The one handle on the list: ask it, change it, and learn how it is doing. Holds a store, the list in memory, and what
//! keeps the two together; decides nothing itself.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gateward_auth::{FamilyId, Standing, TokenId, UnixSeconds, UserId, VerifiedToken};
use tokio::task::AbortHandle;

use crate::adoption::{Adopt, Adoption, Claim, ForeignToken};
use crate::clock::{self, Clock};
use crate::embedded::Embedded;
use crate::link::Link;
use crate::options::{OpenError, Options, Retention};
use crate::redis::Redis;
use crate::replica::{Replica, Subject};
use crate::stats::{Counters, Operation, Stats};
use crate::store::{NewFamily, Refused, RevokeOutcome, Rotated, Rotation, Store, StoreError};
use crate::trouble::Trouble;

/// What expired is dropped from memory this often.
const SWEEP_EVERY: Duration = Duration::from_secs(30);
/// What expired is dropped from the store once in so many sweeps.
const PURGE_EVERY: u32 = 20;

/// How the list is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The whole list was loaded at least once. Not ready before.
    pub loaded: bool,
    /// The list may be out of date, or the store cannot be used.
    pub degraded: bool,
    /// How old the list is; `None` until it was loaded.
    pub age: Option<Duration>,
    /// Lines in memory.
    pub entries: usize,
    /// What is wrong, while something is.
    pub reason: Option<Trouble>,
    /// Times that the store had lost data.
    pub alarms: u64,
}

/// The list of revoked tokens and the live refresh tokens. Cheap to clone; the list closes with its last clone.
#[derive(Clone)]
pub struct Denylist {
    open: Arc<Open>,
}

struct Open {
    replica: Arc<Replica>,
    link: Arc<Link>,
    counters: Arc<Counters>,
    store: Arc<dyn Store>,
    sweeper: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

/// Opens the list. An embedded one is loaded when this returns; one in Redis is loaded as soon as Redis is there, which
/// [`Denylist::health`] tells and [`Denylist::loaded`] waits for. Needs a tokio runtime with time and IO.
pub async fn open(options: Options, clock: Clock, retention: Retention) -> Result<Denylist, OpenError> {
    let replica = Arc::new(Replica::default());
    let counters = Arc::new(Counters::default());
    let (link, store): (_, Arc<dyn Store>) = match options {
        Options::Embedded { path } => {
            let link = Arc::new(Link::local());
            let opening = Embedded::open(path, replica.clone(), link.clone(), clock.clone(), retention);
            (link.clone(), Arc::new(opening.await?))
        }
        Options::Redis(options) => {
            let link = Arc::new(Link::remote());
            let redis = Redis::open(
                &options,
                replica.clone(),
                link.clone(),
                counters.clone(),
                clock.clone(),
                retention,
            )?;
            (link, Arc::new(redis))
        }
    };
    let sweeper = tokio::spawn(sweep(replica.clone(), store.clone(), clock)).abort_handle();
    Ok(Denylist {
        open: Arc::new(Open {
            replica,
            link,
            counters,
            store,
            sweeper,
        }),
    })
}

async fn sweep(replica: Arc<Replica>, store: Arc<dyn Store>, clock: Clock) {
    let mut ticks = tokio::time::interval(SWEEP_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for round in 1_u32.. {
        ticks.tick().await;
        let now = clock::now(&clock);
        let swept = replica.clone();
        // A long list takes longer than an async thread should be kept.
        if tokio::task::spawn_blocking(move || swept.sweep(now)).await.is_err() {
            tracing::error!("sweeping the denylist failed");
        }
        if round % PURGE_EVERY == 0
            && let Err(error) = store.purge(now).await
        {
            tracing::debug!(%error, "expired lines stay in the denylist store for now");
        }
    }
}

impl Denylist {
    /// What is known about a token. Synchronous, in memory, without locks or allocation.
    ///
    /// INVARIANT(fail closed): `Clear` only while the list is known to be complete; test
    /// `tests::redis::a_hung_redis_is_noticed_and_no_operation_waits_for_it`.
    pub fn peek(&self, token: &VerifiedToken, now: UnixSeconds) -> Standing {
        if let Some(by) = self.open.replica.find(Subject::from(token), now) {
            return Standing::Revoked(by);
        }
        match self.open.link.stale() {
            None => Standing::Clear,
            Some(age) => Standing::Unknown { age },
        }
    }

    /// The user's epoch as far as this process knows; 0 for a user that is not on the list. It rises with every
    /// revocation of everything that the user was issued, here or, as soon as the feed tells, on another replica.
    pub fn epoch(&self, user: &UserId) -> u64 {
        self.open.replica.epoch(user)
    }

    /// How the list is doing.
    pub fn health(&self) -> Health {
        let link = &self.open.link;
        let reason = link.reason();
        Health {
            loaded: link.is_loaded(),
            degraded: reason.is_some(),
            age: link.age(),
            entries: self.open.replica.sizes().iter().sum(),
            reason,
            alarms: self.open.counters.alarms.load(Ordering::Relaxed),
        }
    }

    /// The counters, for metrics.
    pub fn stats(&self) -> Stats {
        let [tokens, families, users] = self.open.replica.sizes();
        Stats {
            tokens,
            families,
            users,
            outages: self.open.link.outages(),
            ..self.open.counters.read()
        }
    }

    /// Comes back when the list was loaded for the first time.
    pub async fn loaded(&self) {
        self.open.link.loaded().await;
    }

    /// The pause before something that failed is tried again: so long, or only until a store that is not asked now is asked
    /// again.
    pub async fn pause(&self, longest: Duration) {
        if self.open.link.usable().is_ok() {
            tokio::time::sleep(longest).await;
        } else {
            // Whichever comes first.
            let _ = tokio::time::timeout(longest, self.open.link.back()).await;
        }
    }

    /// Starts a login session. Answers the epoch to sign into both tokens. Durable before `Ok`.
    pub async fn open_family(&self, family: NewFamily) -> Result<u64, StoreError> {
        let known_epoch = self.open.replica.epoch(&family.user);
        self.ask(Operation::OpenFamily, self.open.store.open_family(&family, known_epoch))
            .await
    }

    /// Exchanges a refresh token for its successor. Durable before `Ok`.
    pub async fn rotate(&self, rotation: Rotation) -> Result<Rotated, StoreError> {
        // The store decides, but after it has lost data we may know better.
        if self.is_revoked(&rotation) {
            return Ok(Rotated::Refused(Refused::Revoked));
        }
        let known_epoch = self.open.replica.epoch(&rotation.user);
        self.ask(Operation::Rotate, self.open.store.rotate(&rotation, known_epoch))
            .await
    }

    /// Revokes the login session that a token id names, if it is the caller's; else puts (caller, id) on the list, unless
    /// the caller has put too many there.
    /// Idempotent. Durable before `Ok`.
    pub async fn revoke_token(
        &self,
        caller: &UserId,
        id: &TokenId,
        now: UnixSeconds,
    ) -> Result<RevokeOutcome, StoreError> {
        let may_list = self.open.replica.has_room(caller, id);
        let revoked = self.open.store.revoke_token(caller, id, may_list, now);
        self.ask(Operation::RevokeToken, revoked).await
    }

    /// Revokes everything that a user was issued so far, and answers the new epoch. Durable before `Ok`.
    pub async fn revoke_user(&self, user: &UserId, now: UnixSeconds) -> Result<u64, StoreError> {
        let known_epoch = self.open.replica.epoch(user);
        self.ask(
            Operation::RevokeUser,
            self.open.store.revoke_user(user, now, known_epoch),
        )
        .await
    }

    /// What has become of a refresh token that the gateway issued; `None` if nobody is at it. One that is presented after
    /// `grace`, which is as in [`Claim::grace`], ends what it has become. Durable before `Ok`.
    pub async fn adoption(
        &self,
        token: &ForeignToken,
        grace: Duration,
        now: UnixSeconds,
    ) -> Result<Option<Adoption>, StoreError> {
        // The store decides, but after it has lost data we may know better.
        if self.open.replica.find(token.subject(), now).is_some() {
            return Ok(Some(Adoption::Revoked));
        }
        self.ask(Operation::Adoption, self.open.store.adoption(token, grace))
            .await
    }

    /// Claims a refresh token that the gateway issued, so that one of all replicas has it exchanged; or says what has
    /// become of it. Durable before `Ok`.
    pub async fn claim_adoption(&self, claim: &Claim) -> Result<Adoption, StoreError> {
        self.ask(Operation::Adoption, self.open.store.claim_adoption(claim))
            .await
    }

    /// Starts the login session that a refresh token of the gateway's has become. Durable before `Ok`. Without an answer it
    /// may have started all the same: asking again, with the same family, tells.
    ///
    /// INVARIANT(no session across a revocation): the store looks at the list in the same step. Test
    /// `tests::suite::what_was_revoked_while_the_gateway_was_asked_becomes_no_session`.
    pub async fn adopt(&self, adopt: &Adopt, now: UnixSeconds) -> Result<Adoption, StoreError> {
        // The store decides, but after it has lost data we may know better.
        if self.open.replica.find(adopt.token.subject(), now).is_some() {
            return Ok(Adoption::Revoked);
        }
        let known_epoch = self.open.replica.epoch(&adopt.token.user);
        self.ask(Operation::Adoption, self.open.store.adopt(adopt, known_epoch))
            .await
    }

    /// Gives a claim back, after an exchange that did not happen, and says what has become of the token meanwhile, as
    /// [`Denylist::adoption`].
    pub async fn release_adoption(
        &self,
        token: &ForeignToken,
        owner: &str,
        grace: Duration,
    ) -> Result<Option<Adoption>, StoreError> {
        let released = self.open.store.release_adoption(token, owner, grace);
        self.ask(Operation::Adoption, released).await
    }

    /// Closes the list: what was accepted is finished, the file is released. Later changes are refused.
    pub async fn close(&self) {
        self.open.sweeper.abort();
        self.open.store.close().await;
    }

    /// Asks the store, unless it is known not to answer.
    ///
    /// INVARIANT(nobody waits for a dead store): while the link is in trouble the store is not asked; test
    /// `tests::redis::a_hung_redis_is_noticed_and_no_operation_waits_for_it`.
    async fn ask<T>(
        &self,
        operation: Operation,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let result = match self.open.link.usable() {
            Ok(()) => answer.await,
            Err(reason) => Err(StoreError::Unavailable { reason }),
        };
        let trouble = result.as_ref().err().map(|StoreError::Unavailable { reason }| *reason);
        self.open.counters.ended(operation, trouble);
        result
    }

    /// The store alone, past the list in memory.
    #[cfg(test)]
    pub(crate) fn store(&self) -> &dyn Store {
        &*self.open.store
    }

    fn is_revoked(&self, rotation: &Rotation) -> bool {
        let family: Option<&FamilyId> = Some(&rotation.family);
        let subject = Subject {
            user: &rotation.user,
            id: &rotation.presented,
            family,
            epoch: Some(rotation.epoch),
            issued_at: rotation.now,
        };
        self.open.replica.find(subject, rotation.now).is_some()
    }
}
