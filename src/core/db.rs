//! Where is the database, and how is it opened? One SQLite file: one connection that writes, a
//! few that read. It knows no table; those are in `migrations/` and in the stores.

use std::{fs::OpenOptions, io, os::unix::fs::OpenOptionsExt as _, path::Path, time::Duration};

use gateward_boot::folder;
use sqlx::{
    SqlitePool,
    migrate::{MigrateError, Migrator},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::config::DatabaseUrl;

/// The schema, in steps; what a database already has is not done again.
static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");

/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request waits for a connection before it is answered 500.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that read. Each is a thread that mostly sleeps.
const READERS: u32 = 4;

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or the file could not be made.
    #[error("cannot make the database file: {0}")]
    File(#[from] io::Error),
    /// The file is there and cannot be used.
    #[error("cannot open the database: {0}")]
    Open(#[from] sqlx::Error),
    /// The tables could not be brought up to date.
    #[error("cannot bring the database up to date: {0}")]
    Migrate(#[from] MigrateError),
}

/// A statement failed: an answer 500, told to the log and never to the client.
#[derive(Debug, thiserror::Error)]
#[error("database: {0}")]
pub(crate) struct StoreError(#[from] pub(crate) sqlx::Error);

/// Handle on the open database.
///
/// INVARIANT(one writer): whatever writes goes through [`Database::writer`], which has one
/// connection, so that two writes wait for each other here and never fail with "busy"; readers
/// cannot write (`query_only`). Test: `tests::readers_cannot_write`.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    reader: SqlitePool,
    writer: SqlitePool,
}

impl Database {
    /// Opens the database, making folder (0700) and file (0600) if missing, and brings its tables
    /// up to date.
    ///
    /// # Errors
    /// When the file cannot be made, opened or brought up to date.
    pub(crate) async fn open(url: &DatabaseUrl) -> Result<Self, OpenError> {
        let options = SqliteConnectOptions::new()
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            // INVARIANT(durable writes): FULL syncs the log at every commit, so that a write
            // answered 2xx survives `kill -9` and a power cut. Test: `tests::commits_are_synced`.
            .synchronous(SqliteSynchronous::Full);
        let database = match url {
            DatabaseUrl::Sqlite(path) => {
                make_file(path)?;
                let options = options.filename(path);
                let writer = pool(1, options.clone().journal_mode(SqliteJournalMode::Wal)).await?;
                let reader = pool(READERS, options.pragma("query_only", "ON")).await?;
                Self { reader, writer }
            }
            // Such a database belongs to its one connection.
            DatabaseUrl::SqliteMemory => {
                let only = pool(1, options.filename(":memory:")).await?;
                Self {
                    reader: only.clone(),
                    writer: only,
                }
            }
        };
        MIGRATIONS.run(&database.writer).await?;
        Ok(database)
    }

    /// For statements that only read; they see every write that was answered before.
    #[must_use]
    pub(crate) fn reader(&self) -> &SqlitePool {
        &self.reader
    }

    /// For statements that write. A transaction keeps every other write waiting: keep it short,
    /// and never wait inside it for anything but the database.
    #[must_use]
    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// Waits for what is running and closes the file.
    pub(crate) async fn close(&self) {
        self.reader.close().await;
        self.writer.close().await;
    }
}

/// Connections that stay open: a database in memory ends with its last one.
async fn pool(connections: u32, options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options)
        .await
}

/// Makes an empty file that only we can read, in a folder that only we can enter.
///
/// SQLite gives its log files the mode of the database.
fn make_file(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        folder::create_private(parent)?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options.open(path).map(drop)
}

#[cfg(test)]
mod tests;
