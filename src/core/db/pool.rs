//! Who may use a connection now? At most so many at once; used ones wait for the next user, but not for ever.
//!
//! sqlx's own pool asks the server for a sign of life after every use and keeps trying a server that refuses: a round trip
//! for each request, and requests that hang while the database is away. This one asks only a connection that has been idle
//! for a while, and tells at once when there is no server. It knows no statement of ours.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{
    Connection, Error, MySqlConnection, SqlSafeStr as _, SqlStr, SqliteConnection, mysql::MySqlConnectOptions,
    sqlite::SqliteConnectOptions,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

/// After so long without use a connection is asked whether it is still alive.
const PROBE_AFTER: Duration = Duration::from_secs(1);
/// How long a server may take to show that. One that fell silent is as good as gone.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);
/// How long the end of an abandoned transaction may take before its connection is given up.
const ROLLBACK_PATIENCE: Duration = Duration::from_secs(5);

/// Boxed, because the compiler cannot see through sqlx's own futures that they may move between threads.
pub(crate) type Step<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// What a pool keeps.
pub(crate) trait Backend: Sized + Send + 'static {
    /// What it takes to connect.
    type Options: Send + Sync + 'static;

    /// Whether the database is in this process: after an interrupted statement the next answer is that of the next
    /// statement, and it never falls silent. From a server the late answer may come first, and a ROLLBACK that stumbles over
    /// it is never sent.
    const LOCAL: bool;

    /// A new connection.
    fn connect(options: &Self::Options) -> Step<'_, Self>;

    /// Whether the database answers on it.
    fn probe(&mut self) -> Step<'_, ()>;

    /// Runs a statement that neither takes nor gives values.
    fn command(&mut self, text: SqlStr) -> Step<'_, ()>;

    /// Says goodbye.
    fn quit(self) -> Step<'static, ()>;
}

impl Backend for SqliteConnection {
    type Options = SqliteConnectOptions;

    const LOCAL: bool = true;

    fn connect(options: &Self::Options) -> Step<'_, Self> {
        Box::pin(Self::connect_with(options))
    }

    fn probe(&mut self) -> Step<'_, ()> {
        Box::pin(self.ping())
    }

    fn command(&mut self, text: SqlStr) -> Step<'_, ()> {
        Box::pin(async move { sqlx::query(text).execute(self).await.map(drop) })
    }

    fn quit(self) -> Step<'static, ()> {
        Box::pin(self.close())
    }
}

impl Backend for MySqlConnection {
    type Options = MySqlConnectOptions;

    const LOCAL: bool = false;

    fn connect(options: &Self::Options) -> Step<'_, Self> {
        Box::pin(Self::connect_with(options))
    }

    fn probe(&mut self) -> Step<'_, ()> {
        Box::pin(self.ping())
    }

    // In one packet: to prepare it first would take another round trip.
    fn command(&mut self, text: SqlStr) -> Step<'_, ()> {
        Box::pin(async move { sqlx::raw_sql(text).execute(self).await.map(drop) })
    }

    fn quit(self) -> Step<'static, ()> {
        Box::pin(self.close())
    }
}

/// How many connections, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// In use at once.
    pub(super) open: usize,
    /// Kept for later.
    pub(super) idle: usize,
    /// Unused for so long, a connection is closed.
    pub(super) idle_time: Option<Duration>,
    /// Older than this, a connection is not used again.
    pub(super) lifetime: Option<Duration>,
    /// How long one may wait for a connection.
    pub(super) acquire: Duration,
    /// How long a statement may take; then its connection is given up.
    pub(super) statement: Option<Duration>,
    /// Whether statements are told to the log (`database.debug`).
    pub(super) told: bool,
}

/// Connections to one database. A cheap handle.
pub(super) struct Pool<C: Backend>(Arc<Shared<C>>);

struct Shared<C: Backend> {
    options: C::Options,
    limits: Limits,
    permits: Arc<Semaphore>,
    /// The one used last is at the back.
    idle: Mutex<VecDeque<Live<C>>>,
}

struct Live<C> {
    connection: C,
    made: Instant,
    used: Instant,
}

impl<C: Backend> Clone for Pool<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C: Backend> std::fmt::Debug for Pool<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}

impl<C: Backend> Pool<C> {
    /// Connects to nothing yet.
    pub(super) fn new(options: C::Options, limits: Limits) -> Self {
        Self(Arc::new(Shared {
            options,
            limits,
            permits: Arc::new(Semaphore::new(limits.open)),
            idle: Mutex::new(VecDeque::new()),
        }))
    }

    /// A connection for oneself.
    pub(super) async fn acquire(&self) -> Result<Lease<C>, Error> {
        let acquired = timeout(self.0.limits.acquire, self.acquire_some_time());
        acquired.await.unwrap_or(Err(Error::PoolTimedOut))
    }

    async fn acquire_some_time(&self) -> Result<Lease<C>, Error> {
        let permit = Arc::clone(&self.0.permits).acquire_owned().await;
        let permit = permit.map_err(|_| Error::PoolClosed)?;
        let live = match self.0.recall().await {
            Some(live) => live,
            None => Live::new(C::connect(&self.0.options).await?),
        };
        Ok(Lease {
            live: Some(live),
            pool: Arc::clone(&self.0),
            permit: Some(permit),
            in_transaction: false,
            interrupted: false,
        })
    }

    /// Whether statements are told to the log.
    pub(super) fn is_told(&self) -> bool {
        self.0.limits.told
    }

    /// Waits for whoever has a connection and closes them all.
    pub(super) async fn close(&self) {
        let all = u32::try_from(self.0.limits.open).unwrap_or(u32::MAX);
        let returned = timeout(self.0.limits.acquire, self.0.permits.acquire_many(all)).await;
        self.0.permits.close();
        if returned.is_err() {
            tracing::warn!("closed the database with statements running");
        }
        let idle = std::mem::take(&mut *self.0.idle());
        for live in idle {
            // Nothing is lost with a connection that does not answer any more.
            let _ = timeout(ROLLBACK_PATIENCE, live.connection.quit()).await;
        }
    }
}

impl<C> Live<C> {
    fn new(connection: C) -> Self {
        let now = Instant::now();
        Self {
            connection,
            made: now,
            used: now,
        }
    }
}

impl<C: Backend> Shared<C> {
    fn idle(&self) -> MutexGuard<'_, VecDeque<Live<C>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that was used before and still works.
    async fn recall(&self) -> Option<Live<C>> {
        loop {
            let mut live = self.idle().pop_back()?;
            if self.is_over(&live) {
                drop(timeout(PROBE_PATIENCE, live.connection.quit()).await);
            } else if C::LOCAL || live.used.elapsed() < PROBE_AFTER {
                return Some(live);
            } else if let Ok(Ok(())) = timeout(PROBE_PATIENCE, live.connection.probe()).await {
                return Some(live);
            } else {
                // The others have been idle for longer, and lead to the same server.
                self.idle().clear();
            }
        }
    }

    fn is_over(&self, live: &Live<C>) -> bool {
        let over = |limit: Option<Duration>, since: Instant| limit.is_some_and(|limit| since.elapsed() >= limit);
        over(self.limits.idle_time, live.used) || over(self.limits.lifetime, live.made)
    }

    /// Keeps a connection for later, and says which ones there is no place or no time for any more.
    fn keep(&self, mut live: Live<C>) -> Vec<Live<C>> {
        live.used = Instant::now();
        let mut idle = self.idle();
        idle.push_back(live);
        let mut superfluous = Vec::new();
        while idle
            .front()
            .is_some_and(|oldest| idle.len() > self.limits.idle || self.is_over(oldest))
        {
            superfluous.extend(idle.pop_front());
        }
        superfluous
    }

    async fn put_back(self: Arc<Self>, live: Live<C>, permit: Option<OwnedSemaphorePermit>) {
        for superfluous in self.keep(live) {
            drop(timeout(ROLLBACK_PATIENCE, superfluous.connection.quit()).await);
        }
        drop(permit);
    }
}

/// A connection that is ours until this is dropped.
///
/// INVARIANT(nothing half done): what was not committed is rolled back before anybody else gets the connection, also when
/// its user was cancelled. Tests: `db::tests::what_is_not_committed_did_not_happen`,
/// `db::tests::server::an_interrupted_statement_takes_its_connection_along`.
pub(crate) struct Lease<C: Backend> {
    live: Option<Live<C>>,
    pool: Arc<Shared<C>>,
    permit: Option<OwnedSemaphorePermit>,
    in_transaction: bool,
    interrupted: bool,
}

impl<C: Backend> Lease<C> {
    /// Does one thing with the connection.
    pub(super) async fn run<'a, T, F>(&'a mut self, work: impl FnOnce(&'a mut C) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let Some(live) = &mut self.live else {
            return Err(Error::PoolClosed);
        };
        if self.interrupted {
            // The answer could be that of the statement before.
            return Err(std::io::Error::from(std::io::ErrorKind::ConnectionAborted).into());
        }
        self.interrupted = true;
        let working = work(&mut live.connection);
        let result = match self.pool.limits.statement {
            Some(patience) => timeout(patience, working)
                .await
                .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into())),
            None => working.await,
        };
        // After any other failure nobody knows what the connection is about to say.
        self.interrupted = match &result {
            Ok(_) => false,
            Err(error) => !matches!(error, Error::Database(_)),
        };
        result
    }

    /// Whether statements are told to the log.
    pub(super) fn is_told(&self) -> bool {
        self.pool.limits.told
    }

    /// Begins a transaction.
    pub(super) async fn begin(&mut self, command: &'static str) -> Result<(), Error> {
        self.in_transaction = true;
        self.run(|connection| connection.command(command.into_sql_str())).await
    }

    /// Runs a text that begins a transaction, writes and commits.
    pub(super) async fn transact(&mut self, text: SqlStr) -> Result<(), Error> {
        self.in_transaction = true;
        self.run(|connection| connection.command(text)).await?;
        self.in_transaction = false;
        Ok(())
    }

    /// Ends the transaction, if there is one; what it wrote is on the disk then.
    pub(super) async fn commit(&mut self) -> Result<(), Error> {
        if self.in_transaction {
            self.run(|connection| connection.command("COMMIT".into_sql_str()))
                .await?;
            self.in_transaction = false;
        }
        Ok(())
    }
}

impl<C: Backend> std::fmt::Debug for Lease<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("in_transaction", &self.in_transaction)
            .finish_non_exhaustive()
    }
}

impl<C: Backend> Drop for Lease<C> {
    fn drop(&mut self) {
        let Some(mut live) = self.live.take() else {
            return;
        };
        let (pool, permit) = (Arc::clone(&self.pool), self.permit.take());
        if !self.in_transaction && !self.interrupted {
            let superfluous = pool.keep(live);
            if let (false, Ok(runtime)) = (superfluous.is_empty(), tokio::runtime::Handle::try_current()) {
                runtime.spawn(async move {
                    for live in superfluous {
                        drop(timeout(ROLLBACK_PATIENCE, live.connection.quit()).await);
                    }
                });
            }
            return;
        }
        if self.interrupted && !C::LOCAL {
            // Its end makes the server roll back, as soon as that is done with the statement.
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let in_transaction = self.in_transaction;
        runtime.spawn(async move {
            let clean = async {
                if in_transaction {
                    live.connection.command("ROLLBACK".into_sql_str()).await
                } else {
                    live.connection.probe().await
                }
            };
            let clean = match timeout(ROLLBACK_PATIENCE, clean).await {
                Ok(Ok(())) => true,
                // There is no transaction.
                Ok(Err(Error::Database(_))) => C::LOCAL,
                Ok(Err(_)) | Err(_) => false,
            };
            if clean {
                pool.put_back(live, permit).await;
            }
        });
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
