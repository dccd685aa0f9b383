//! How is a server of MySQL's kind reached? Connections as the reference server has them (WIRE §10), in UTC and UTF-8.

mod schema;

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    thread::available_parallelism,
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Error, MySqlConnection,
    mysql::{MySqlConnectOptions, MySqlDatabaseError},
};
use tokio::time::timeout;

use super::{
    OpenError,
    pool::{Backend as _, Lease, Limits, Pool},
};
use crate::config;

/// How long a request waits for a connection before it is answered 500.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a statement may take. Work in the background goes in portions.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// As the reference (WIRE §10).
const IDLE_TIME: Duration = Duration::from_secs(3 * 60);
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// How often a server that was away at start is asked again.
const RETRY: Duration = Duration::from_secs(1);
/// It has no room for us now: ER_CON_COUNT_ERROR, ER_SERVER_SHUTDOWN, ER_TOO_MANY_USER_CONNECTIONS.
const BUSY: [u16; 3] = [1040, 1053, 1203];

/// A server, reached or not. A cheap handle.
#[derive(Clone, Debug)]
pub(super) struct MySql(Arc<Server>);

#[derive(Debug)]
struct Server {
    options: MySqlConnectOptions,
    pool: Pool<MySqlConnection>,
    /// Its tables were found to be what we know.
    prepared: AtomicBool,
}

impl MySql {
    /// Looks at the tables, and makes them in an empty database. A server that does not answer is no error: it is asked
    /// again until it does.
    pub(super) async fn open(options: MySqlConnectOptions, config: &config::Database) -> Result<Self, OpenError> {
        let server = Arc::new(Server {
            pool: Pool::new(options.clone(), limits(config)),
            options,
            prepared: AtomicBool::new(false),
        });
        match server.prepare().await {
            Err(OpenError::Open(error)) if is_away(&error) => {
                tracing::warn!(error = %error, "the database does not answer: waiting for it");
                tokio::spawn(prepare_later(Arc::downgrade(&server)));
            }
            other => other?,
        }
        Ok(Self(server))
    }

    /// A connection to a server whose tables are what we know.
    pub(super) async fn acquire(&self) -> Result<Lease<MySqlConnection>, Error> {
        if self.0.prepared.load(Ordering::Acquire) {
            self.0.pool.acquire().await
        } else {
            Err(std::io::Error::from(std::io::ErrorKind::NotConnected).into())
        }
    }

    /// Takes the lock of this name, on a connection of its own; `None` if another has it.
    pub(super) async fn lock(&self, name: &str) -> Result<Option<NamedLock>, Error> {
        let mut connection = self.0.connect().await?;
        let taking = sqlx::query_scalar("SELECT GET_LOCK(?, 0)")
            .bind(name)
            .fetch_one(&mut connection);
        let taken: Option<i64> = timeout(STATEMENT_TIMEOUT, taking)
            .await
            .unwrap_or(Err(Error::PoolTimedOut))?;
        Ok((taken == Some(1)).then_some(NamedLock(connection)))
    }

    /// Whether statements are told to the log.
    pub(super) fn is_told(&self) -> bool {
        self.0.pool.is_told()
    }

    pub(super) async fn close(&self) {
        self.0.pool.close().await;
    }
}

/// A lock of the server's. It ends with its connection, whatever happens to us.
#[derive(Debug)]
pub(crate) struct NamedLock(MySqlConnection);

impl NamedLock {
    /// Gives the lock back.
    pub(crate) async fn release(self) {
        if let Err(error) = self.0.quit().await {
            tracing::debug!(error = %error, "a lock has ended with its connection");
        }
    }
}

impl Server {
    async fn connect(&self) -> Result<MySqlConnection, Error> {
        let connecting = timeout(ACQUIRE_TIMEOUT, MySqlConnection::connect(&self.options)).await;
        connecting.unwrap_or(Err(Error::PoolTimedOut))
    }

    /// On a connection of its own, because no statement takes as long as an index of many messages.
    async fn prepare(&self) -> Result<(), OpenError> {
        let mut connection = self.connect().await?;
        schema::prepare(&mut connection).await?;
        connection.quit().await?;
        self.prepared.store(true, Ordering::Release);
        Ok(())
    }
}

/// Until it worked, or nobody wants the database any more.
async fn prepare_later(server: Weak<Server>) {
    let mut told = String::new();
    loop {
        tokio::time::sleep(RETRY).await;
        let Some(server) = server.upgrade() else {
            return;
        };
        let Err(error) = server.prepare().await else {
            tracing::info!("the database answers");
            return;
        };
        let reason = error.to_string();
        if reason != told {
            tracing::error!(reason, "the database cannot be used");
            told = reason;
        }
    }
}

/// Nobody is there, or nobody has time: worth another try.
fn is_away(error: &Error) -> bool {
    let number = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>())
        .map(MySqlDatabaseError::number);
    matches!(error, Error::Io(_) | Error::PoolTimedOut) || number.is_some_and(|number| BUSY.contains(&number))
}

/// How a server is reached. sqlx sets the session's time zone to UTC and its letters to utf8mb4.
pub(super) fn options(server: &config::DatabaseServer) -> MySqlConnectOptions {
    let password = String::from_utf8_lossy(server.password.expose());
    let options = MySqlConnectOptions::new()
        .disable_statement_logging()
        .username(&server.user)
        .database(&server.name)
        .password(&password)
        // Logical or is what || means to the reference server's sessions, too.
        .pipes_as_concat(false);
    if server.host.starts_with('/') {
        options.socket(&server.host)
    } else {
        options.host(&server.host).port(server.port)
    }
}

/// 0 is four per processor in use at once, and two kept (WIRE §10).
fn limits(config: &config::Database) -> Limits {
    let processors = available_parallelism().map_or(1, usize::from);
    let or = |number: u32, default: usize| match usize::try_from(number) {
        Ok(0) | Err(_) => default,
        Ok(number) => number,
    };
    let open = or(config.max_open_conns, 4 * processors);
    Limits {
        open,
        idle: or(config.max_idle_conns, 2 * processors).min(open),
        idle_time: Some(IDLE_TIME),
        lifetime: Some(LIFETIME),
        acquire: ACQUIRE_TIMEOUT,
        statement: Some(STATEMENT_TIMEOUT),
        told: config.debug,
    }
}
