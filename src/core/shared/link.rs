//! Is there a connection to Redis, and what happens when there is none? A task keeps one open; whoever asks while there
//! is none is told so at once.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, cmd};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use super::address::{self, AddressError};

/// Nobody waits longer for an answer (WIRE §6.7).
pub(super) const ANSWER_WITHIN: Duration = Duration::from_millis(100);
/// The longest limit that a question may have instead ([`Link::ask_within`]).
pub(super) const LONGEST_ANSWER: Duration = Duration::from_secs(5);
/// A connection that is not made and logged in by then is given up.
pub(super) const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// An idle connection is asked whether it lives this often, so that nobody finds out by losing his question.
const BEAT: Duration = Duration::from_secs(1);
/// Pauses between attempts to connect: doubled from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);

/// Nothing was done, or nobody knows whether it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shared state is not available: {0}")]
pub(crate) struct Unavailable(pub(crate) Trouble);

impl Unavailable {
    /// Whether nothing was done for certain.
    pub(crate) fn was_not_asked(self) -> bool {
        self.0 == Trouble::Away
    }
}

/// What is wrong with Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Trouble {
    /// There is no connection: nothing was asked.
    #[error("not connected")]
    Away,
    /// The connection broke after it was asked.
    #[error("the connection broke")]
    Broken,
    /// It did not answer in time.
    #[error("no answer in time")]
    Slow,
    /// It answers, but not to this.
    #[error("refused")]
    Refused,
}

/// One connection to one Redis, made again when it breaks. It ends with the last handle.
#[derive(Clone)]
pub(crate) struct Link(Arc<Kept>);

struct Kept {
    shared: Arc<Shared>,
    keeper: AbortHandle,
}

struct Shared {
    client: Client,
    outage: Outage,
    /// With the number of its session, so that a late failure of an older one says nothing about it.
    connection: Mutex<Option<(u64, MultiplexedConnection)>>,
    broken: Notify,
    /// The last session in which a refusal was logged: once is enough.
    complained: AtomicU64,
}

impl Link {
    /// Waits for the first attempt to connect. Redis need not be there.
    ///
    /// `name` is for the log: the configuration key.
    pub(super) async fn open(name: &'static str, url: &[u8]) -> Result<Self, AddressError> {
        let client = Client::open(address::read(url)?).map_err(|_| AddressError)?;
        let shared = Arc::new(Shared {
            client,
            outage: Outage::new(name),
            connection: Mutex::new(None),
            broken: Notify::new(),
            complained: AtomicU64::new(0),
        });
        let (tried, first) = oneshot::channel();
        let keeper = tokio::spawn(keep(Arc::clone(&shared), tried)).abort_handle();
        // An error means that the runtime is ending.
        let _ = first.await;
        Ok(Self(Arc::new(Kept { shared, keeper })))
    }

    #[cfg(test)]
    pub(super) fn is_connected(&self) -> bool {
        self.0.shared.lock().is_some()
    }

    /// Asks, and waits a short while for the answer.
    ///
    /// INVARIANT(nobody is held up): without a connection the answer is an error at once, and a Redis that hangs is
    /// given up after `ANSWER_WITHIN`, for everybody. Test: `cache::tests::a_redis_that_hangs_holds_nobody_up`.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, Unavailable> {
        self.ask_within(ANSWER_WITHIN, question).await
    }

    /// Asks, and waits as long as `limit`, [`LONGEST_ANSWER`] at most: for what nobody waits for who must not be held up.
    pub(super) async fn ask_within<T>(
        &self,
        limit: Duration,
        question: impl AsyncFnOnce(&mut MultiplexedConnection) -> RedisResult<T>,
    ) -> Result<T, Unavailable> {
        let shared = &self.0.shared;
        let Some((session, mut connection)) = shared.lock().clone() else {
            return Err(Unavailable(Trouble::Away));
        };
        match tokio::time::timeout(limit, question(&mut connection)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if is_about_the_connection(&error) => {
                shared.give_up(session, &error);
                Err(Unavailable(Trouble::Broken))
            }
            Ok(Err(error)) => {
                if shared.complained.swap(session, Ordering::AcqRel) != session {
                    tracing::error!(key = shared.outage.name, %error, "redis refuses a command");
                }
                Err(Unavailable(Trouble::Refused))
            }
            Err(_) => {
                shared.give_up(session, &Trouble::Slow);
                Err(Unavailable(Trouble::Slow))
            }
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(u64, MultiplexedConnection)>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when this connection was given up.
    async fn watch(&self, session: u64, mut connection: MultiplexedConnection) {
        loop {
            match tokio::time::timeout(BEAT, self.broken.notified()).await {
                Ok(()) => return,
                Err(_) => {
                    let answered = within(CONNECT_WITHIN, cmd("PING").exec_async(&mut connection)).await;
                    if let Err(cause) = answered {
                        self.give_up(session, &cause);
                    }
                }
            }
        }
    }

    /// Until there is a new connection, nobody asks.
    fn give_up(&self, session: u64, cause: &dyn std::fmt::Display) {
        let mut connection = self.lock();
        if connection.as_ref().is_some_and(|(current, _)| *current == session) {
            *connection = None;
            self.outage.begins(cause);
            self.broken.notify_one();
        }
    }
}

async fn keep(shared: Arc<Shared>, tried: oneshot::Sender<()>) {
    let mut tried = Some(tried);
    let mut pauses = Pauses::default();
    for session in 1.. {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            // Ours are not longer; this one ends what nobody waits for any more.
            .set_response_timeout(Some(LONGEST_ANSWER));
        let connecting = shared.client.get_multiplexed_async_connection_with_config(&config);
        let connected = within(CONNECT_WITHIN, connecting).await;
        let connected = match connected {
            Ok(connection) => {
                *shared.lock() = Some((session, connection.clone()));
                shared.outage.ends();
                Some(connection)
            }
            Err(cause) => {
                shared.outage.begins(&cause);
                None
            }
        };
        if let Some(tried) = tried.take() {
            // Nobody waits if the runtime is ending.
            let _ = tried.send(());
        }
        if let Some(connection) = connected {
            pauses = Pauses::default();
            shared.watch(session, connection).await;
        }
        pauses.wait().await;
    }
}

/// Logging in is part of connecting: a server that accepts and says nothing must not hold us up.
pub(super) async fn within<T>(limit: Duration, asked: impl Future<Output = RedisResult<T>>) -> Result<T, String> {
    match tokio::time::timeout(limit, asked).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(Trouble::Slow.to_string()),
    }
}

fn is_about_the_connection(error: &RedisError) -> bool {
    error.is_timeout() || error.is_io_error() || error.is_connection_dropped() || error.is_unrecoverable_error()
}

/// One line in the log when it begins and one when it ends.
pub(super) struct Outage {
    name: &'static str,
    lasts: AtomicBool,
}

impl Outage {
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            lasts: AtomicBool::new(false),
        }
    }

    pub(super) fn begins(&self, cause: &dyn std::fmt::Display) {
        if !self.lasts.swap(true, Ordering::AcqRel) {
            tracing::warn!(key = self.name, %cause, "redis is away: going on without it");
        }
    }

    pub(super) fn ends(&self) {
        if self.lasts.swap(false, Ordering::AcqRel) {
            tracing::info!(key = self.name, "redis is back");
        }
    }
}

/// Longer and longer.
pub(super) struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(FIRST_PAUSE)
    }
}

impl Pauses {
    pub(super) async fn wait(&mut self) {
        tokio::time::sleep(self.0).await;
        self.0 = (self.0 * 2).min(LAST_PAUSE);
    }
}
