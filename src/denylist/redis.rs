//! The store for several nodes: one Redis, in which every change is one script, and a feed that tells each replica of
//! every change.
//!
//! `feed` keeps the list in memory the same as the one in Redis and finds out whether Redis is well; this file changes
//! things, and asks nothing of a Redis that is not well.

mod address;
mod answer;
mod failure;
mod feed;
mod keys;
mod position;
mod scan;
mod scripts;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gateward_auth::{TokenId, UnixSeconds, UserId};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, FromRedisValue, ScriptInvocation};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use self::answer::{read_adoption, read_revoked, read_rotated};
use self::failure::Failure;
use self::keys::Keys;
use self::scripts::Scripts;
use crate::adoption::{Adopt, Adoption, Claim, ForeignToken};
use crate::clock::{self, Clock};
use crate::entry::{Entry, Line};
use crate::family::{REMEMBERED, encode};
use crate::ids::family_of;
use crate::link::Link;
use crate::options::{OpenError, RedisOptions, Retention};
use crate::replica::{Replica, SLACK_SECONDS};
use crate::stats::Counters;
use crate::store::{ANSWER_WITHIN, NewFamily, RevokeOutcome, Rotated, Rotation, Store, StoreError};
use crate::trouble::Trouble;

/// A connection that is not made and logged in by then is given up.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// Entries that one purge script drops at most, so that Redis is not kept from others.
const PURGE_BATCH: usize = 1000;

/// The Redis store. The feed ends with it.
pub(crate) struct Redis {
    shared: Arc<Shared>,
    feed: AbortHandle,
}

/// What the store and the feed have in common.
struct Shared {
    client: redis::Client,
    keys: Keys,
    scripts: Scripts,
    options: RedisOptions,
    replica: Arc<Replica>,
    link: Arc<Link>,
    counters: Arc<Counters>,
    clock: Clock,
    retention: Retention,
    /// The connection for changes, with the number of the feed's session that made it. `None` while Redis is not well.
    changes: Mutex<Option<(u64, MultiplexedConnection)>>,
    /// Tells the feed that the changes' connection of a session failed.
    broken: mpsc::UnboundedSender<(u64, Failure)>,
    /// Numbers the words that mark a generation of data.
    made: AtomicU64,
    /// The last session in which an answer that we do not understand was logged: once is enough.
    complained: AtomicU64,
    closed: AtomicBool,
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.feed.abort();
    }
}

impl Redis {
    /// Starts the feed. Redis need not be there.
    pub(crate) fn open(
        options: &RedisOptions,
        replica: Arc<Replica>,
        link: Arc<Link>,
        counters: Arc<Counters>,
        clock: Clock,
        retention: Retention,
    ) -> Result<Self, OpenError> {
        address::check_prefix(&options.prefix)?;
        let address = address::parse(options)?;
        let client = redis::Client::open(address).map_err(|_| OpenError::Address("the library refuses it"))?;
        let (broken, failures) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            client,
            keys: Keys::new(&options.prefix),
            scripts: Scripts::default(),
            options: options.clone(),
            replica,
            link,
            counters,
            clock,
            retention,
            changes: Mutex::new(None),
            broken,
            made: AtomicU64::new(0),
            complained: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        });
        let feed = tokio::spawn(feed::run(shared.clone(), failures)).abort_handle();
        Ok(Self { shared, feed })
    }

    /// Runs a script on the changes' connection and waits a short while for its answer.
    async fn run<T: FromRedisValue>(&self, invocation: &ScriptInvocation<'_>) -> Result<T, StoreError> {
        self.with(async |connection| invocation.invoke_async(connection).await)
            .await
    }

    async fn with<T>(
        &self,
        ask: impl AsyncFnOnce(&mut MultiplexedConnection) -> redis::RedisResult<T>,
    ) -> Result<T, StoreError> {
        let shared = &self.shared;
        let Some((session, mut connection)) = shared.changes() else {
            let closed = shared.closed.load(Ordering::Acquire);
            let reason = if closed { Trouble::Closed } else { Trouble::Unreachable };
            return Err(StoreError::Unavailable { reason });
        };
        let failure = match tokio::time::timeout(ANSWER_WITHIN, ask(&mut connection)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => Failure::from(error),
            Err(_) => Failure::timeout(),
        };
        let reason = failure.trouble;
        if failure.is_ours() {
            if shared.complained.swap(session, Ordering::AcqRel) != session {
                tracing::error!(cause = failure.cause, "redis refused a denylist command");
            }
        } else {
            shared.give_up(session, failure);
        }
        Err(StoreError::Unavailable { reason })
    }

    /// Begins an invocation with what every script takes.
    fn script<'a>(&self, script: &'a redis::Script) -> ScriptInvocation<'a> {
        self.shared.script(script)
    }
}

impl Shared {
    async fn connect(&self, answer_within: Duration) -> Result<MultiplexedConnection, Failure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(answer_within));
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        // Logging in is part of it: a server that accepts and says nothing must not hold us up.
        match tokio::time::timeout(CONNECT_WITHIN, connecting).await {
            Ok(connection) => Ok(connection?),
            Err(_) => Err(Failure::timeout()),
        }
    }

    fn script<'a>(&self, script: &'a redis::Script) -> ScriptInvocation<'a> {
        let mut invocation = script.prepare_invoke();
        invocation
            .key(&self.keys.revoked)
            .key(&self.keys.feed)
            .arg(self.options.feed_length)
            .arg(SLACK_SECONDS);
        invocation
    }

    fn changes(&self) -> Option<(u64, MultiplexedConnection)> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_changes(&self, connection: Option<(u64, MultiplexedConnection)>) {
        *self.changes.lock().unwrap_or_else(PoisonError::into_inner) = connection;
    }

    /// Opens the breaker: until the feed has a new session, nobody asks Redis.
    fn give_up(&self, session: u64, failure: Failure) {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        // A late failure of an older session says nothing about this one.
        if changes.as_ref().is_some_and(|(current, _)| *current == session) {
            *changes = None;
            self.link.failed(failure.trouble, &failure.cause);
            // The feed is gone only when the list is closed.
            let _ = self.broken.send((session, failure));
        }
    }

    fn now(&self) -> UnixSeconds {
        clock::now(&self.clock)
    }

    /// From a moment by the clock of Redis to now by ours.
    fn millis_since(&self, millis: u64) -> u64 {
        let now = clock::since_1970(&self.clock).as_millis();
        u64::try_from(now).unwrap_or(u64::MAX).saturating_sub(millis)
    }

    /// A word that was never used before for a generation of data.
    fn new_generation(&self) -> String {
        let nanos = clock::since_1970(&self.clock).as_nanos();
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        format!("{nanos:x}-{:x}-{made:x}", std::process::id())
    }
}

#[async_trait::async_trait]
impl Store for Redis {
    async fn open_family(&self, family: &NewFamily, known_epoch: u64) -> Result<u64, StoreError> {
        let keys = &self.shared.keys;
        let mut invocation = self.script(&self.shared.scripts.open_family);
        invocation
            .key(keys.family(family.family.as_str()))
            .key(keys.epoch(&family.user))
            .arg(family.user.as_str())
            .arg(family.refresh.as_str())
            .arg(family.refresh_expires_at.0)
            .arg(family.refresh_expires_at.max(family.access_expires_at).0)
            .arg(known_epoch);
        self.run(&invocation).await
    }

    async fn rotate(&self, rotation: &Rotation, known_epoch: u64) -> Result<Rotated, StoreError> {
        let (keys, successor) = (&self.shared.keys, &rotation.successor);
        let claims = encode(successor).map_err(|_| unexpected())?;
        let mut invocation = self.script(&self.shared.scripts.rotate);
        invocation
            .key(keys.family(rotation.family.as_str()))
            .key(keys.epoch(&rotation.user))
            .arg(rotation.family.as_str())
            .arg(rotation.user.as_str())
            .arg(rotation.presented.as_str())
            .arg(rotation.epoch)
            .arg(known_epoch)
            .arg(claims)
            .arg(successor.refresh.as_str())
            .arg(successor.refresh_expires_at.0)
            .arg(successor.refresh_expires_at.max(successor.access_expires_at).0)
            .arg(clock::millis(rotation.grace))
            .arg(REMEMBERED)
            .arg(rotation.now.0)
            .arg(self.shared.retention.margin());
        let answer: Vec<String> = self.run(&invocation).await?;
        let (rotated, line) = read_rotated(&answer, rotation).ok_or_else(unexpected)?;
        self.merge(line);
        Ok(rotated)
    }

    async fn revoke_token(
        &self,
        caller: &UserId,
        id: &TokenId,
        may_list: bool,
        now: UnixSeconds,
    ) -> Result<RevokeOutcome, StoreError> {
        let family = family_of(id.as_str());
        let family_text = family.as_ref().map_or("", |family| family.as_str());
        let mut invocation = self.script(&self.shared.scripts.revoke_token);
        let keys = &self.shared.keys;
        invocation
            .key(keys.family(family_text))
            .key(keys.adoption(caller, id))
            .arg(family_text)
            .arg(caller.as_str())
            .arg(id.as_str())
            .arg(self.shared.retention.longest(now).0)
            .arg(self.shared.retention.margin())
            .arg(keys.family_prefix())
            .arg(u8::from(may_list));
        let answer: Vec<String> = self.run(&invocation).await?;
        let (outcome, lines) = read_revoked(&answer, caller, id, family).ok_or_else(unexpected)?;
        for line in lines {
            self.merge(Some(line));
        }
        Ok(outcome)
    }

    async fn revoke_user(&self, user: &UserId, now: UnixSeconds, known_epoch: u64) -> Result<u64, StoreError> {
        let mut invocation = self.script(&self.shared.scripts.revoke_user);
        invocation
            .key(self.shared.keys.epoch(user))
            .arg(user.as_str())
            .arg(now.0)
            .arg(known_epoch)
            .arg(self.shared.retention.longest(now).0);
        let (entry, expires_at): (String, i64) = self.run(&invocation).await?;
        let entry = Entry::decode(&entry).ok_or_else(unexpected)?;
        let Entry::User { epoch, .. } = entry else {
            return Err(unexpected());
        };
        self.merge(Some(Line {
            entry,
            expires_at: UnixSeconds(expires_at),
        }));
        Ok(epoch)
    }

    async fn adoption(&self, token: &ForeignToken, grace: Duration) -> Result<Option<Adoption>, StoreError> {
        let script = &self.shared.scripts.look_adoption;
        self.run_adoption(&self.about(script, token, grace), token).await
    }

    async fn claim_adoption(&self, claim: &Claim) -> Result<Adoption, StoreError> {
        let mut invocation = self.about(&self.shared.scripts.claim_adoption, &claim.token, claim.grace);
        invocation
            .arg(&claim.owner)
            .arg(clock::millis(claim.lease))
            .arg(clock::millis(claim.may_finish));
        let answer = self.run_adoption(&invocation, &claim.token).await?;
        answer.ok_or_else(unexpected)
    }

    async fn adopt(&self, adopt: &Adopt, known_epoch: u64) -> Result<Adoption, StoreError> {
        let pair = &adopt.pair;
        let mut invocation = self.about(&self.shared.scripts.adopt, &adopt.token, adopt.grace);
        invocation
            .key(self.shared.keys.family(adopt.family.as_str()))
            .arg(known_epoch)
            .arg(adopt.family.as_str())
            .arg(encode(pair).map_err(|_| unexpected())?)
            .arg(pair.refresh.as_str())
            .arg(pair.refresh_expires_at.0)
            .arg(pair.refresh_expires_at.max(pair.access_expires_at).0);
        let answer = self.run_adoption(&invocation, &adopt.token).await?;
        answer.ok_or_else(unexpected)
    }

    async fn release_adoption(
        &self,
        token: &ForeignToken,
        owner: &str,
        grace: Duration,
    ) -> Result<Option<Adoption>, StoreError> {
        let mut invocation = self.about(&self.shared.scripts.release_adoption, token, grace);
        invocation.arg(owner);
        self.run_adoption(&invocation, token).await
    }

    async fn purge(&self, now: UnixSeconds) -> Result<(), StoreError> {
        let mut invocation = self.script(&self.shared.scripts.purge);
        invocation.arg(now.minus(SLACK_SECONDS).0).arg(PURGE_BATCH);
        while self.run::<usize>(&invocation).await? == PURGE_BATCH {}
        Ok(())
    }

    async fn close(&self) {
        self.feed.abort();
        self.shared.closed.store(true, Ordering::Release);
        self.shared.set_changes(None);
        self.shared.link.closed();
    }
}

impl Redis {
    /// Begins an invocation with what the scripts about a token of the gateway's take.
    fn about<'a>(&self, script: &'a redis::Script, token: &ForeignToken, grace: Duration) -> ScriptInvocation<'a> {
        let (keys, retention) = (&self.shared.keys, &self.shared.retention);
        let mut invocation = self.script(script);
        invocation
            .key(keys.adoption(&token.user, &token.id))
            .key(keys.epoch(&token.user))
            .arg(token.user.as_str())
            .arg(token.id.as_str())
            .arg(token.issued_at.0)
            .arg(retention.beyond(token.expires_at).0)
            .arg(clock::millis(grace))
            .arg(retention.margin())
            .arg(keys.family_prefix());
        invocation
    }

    /// Runs one of them.
    async fn run_adoption(
        &self,
        invocation: &ScriptInvocation<'_>,
        token: &ForeignToken,
    ) -> Result<Option<Adoption>, StoreError> {
        let answer: Vec<String> = self.run(invocation).await?;
        if answer.is_empty() {
            return Ok(None);
        }
        let (adoption, lines) = read_adoption(&answer, token).ok_or_else(unexpected)?;
        for line in lines {
            self.merge(Some(line));
        }
        Ok(Some(adoption))
    }

    /// INVARIANT(own changes at once): what this replica changed is on its own list before it answers; test
    /// `tests::suite::what_was_revoked_is_refused_at_once`.
    fn merge(&self, line: Option<Line>) {
        if let Some(line) = line {
            self.shared.replica.merge(&line);
        }
    }
}

/// An answer of a script that no script gives.
fn unexpected() -> StoreError {
    StoreError::Unavailable {
        reason: Trouble::Refused,
    }
}
