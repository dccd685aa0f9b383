//! How is a SQLite file opened? One connection that writes, a few that only read.

use std::{fs::OpenOptions, io, os::unix::fs::OpenOptionsExt as _, path::Path, time::Duration};

use gateward_boot::folder;
use sqlx::{
    ConnectOptions as _, SqliteConnection,
    migrate::Migrator,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

use super::{
    OpenError,
    gathering::Gathering,
    pool::{Backend, Limits, Pool, Step},
};

/// The schema, in steps; what a database already has is not done again.
static MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");

/// How long a statement waits for another process that holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a request waits for a connection before it is answered 500.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that read. Each is a thread that mostly sleeps.
const READERS: usize = 4;

/// An open file.
///
/// INVARIANT(one writer): whatever writes goes through `writer`, which has one connection, so that two writes wait for
/// each other here and never fail with "busy"; readers cannot write (`query_only`). Test:
/// `db::tests::sqlite::readers_cannot_write`.
#[derive(Clone, Debug)]
pub(super) struct Sqlite {
    pub(super) reader: Pool<SqliteConnection>,
    pub(super) writer: Pool<SqliteConnection>,
    pub(super) gathering: Gathering,
}

impl Sqlite {
    /// Opens the file; folder (0700) and file (0600) are made if missing.
    pub(super) async fn open(path: &Path, told: bool) -> Result<Self, OpenError> {
        make_file(path)?;
        let options = options().filename(path);
        let writing = options.clone().journal_mode(SqliteJournalMode::Wal);
        // Before any reader: the log has to be there for them.
        let mut first = SqliteConnection::connect(&writing).await?;
        migrate(&mut first).await?;
        first.quit().await?;
        Ok(Self {
            writer: Pool::new(writing, limits(1, told)),
            reader: Pool::new(options.pragma("query_only", "ON"), limits(READERS, told)),
            gathering: Gathering::default(),
        })
    }

    /// A database that is gone with its one connection.
    pub(super) async fn in_memory(told: bool) -> Result<Self, OpenError> {
        let only = Pool::new(options().filename(":memory:"), limits(1, told));
        let mut lease = only.acquire().await?;
        lease.run(migrate).await?;
        drop(lease);
        Ok(Self {
            reader: only.clone(),
            writer: only,
            gathering: Gathering::default(),
        })
    }

    pub(super) async fn close(&self) {
        self.reader.close().await;
        // Last, so that it can clear the log away.
        self.writer.close().await;
    }
}

fn options() -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .disable_statement_logging()
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        // INVARIANT(durable writes): FULL syncs the log at every commit, so that a write answered 2xx survives `kill -9`
        // and a power cut. Test: `db::tests::sqlite::commits_are_synced`.
        .synchronous(SqliteSynchronous::Full)
}

fn migrate(connection: &mut SqliteConnection) -> Step<'_, ()> {
    // Not `run`, which is not general enough to be boxed.
    Box::pin(async move { Ok(MIGRATIONS.run_direct(None, connection, false).await?) })
}

/// Connections that stay open: they cost nothing, and a database in memory ends with its last one.
fn limits(connections: usize, told: bool) -> Limits {
    Limits {
        open: connections,
        idle: connections,
        idle_time: None,
        lifetime: None,
        acquire: ACQUIRE_TIMEOUT,
        statement: None,
        told,
    }
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
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use sqlx::{Connection as _, Row as _};

    use super::*;

    #[tokio::test]
    async fn webhooks_of_an_older_file_are_told_apart_without_case() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("core.db");
        let mut older = options()
            .filename(&path)
            .create_if_missing(true)
            .connect()
            .await
            .unwrap();
        let first = MIGRATIONS.iter().take(1).cloned().collect();
        let steps = Migrator::with_migrations(first);
        steps.run_direct(None, &mut older, false).await.unwrap();
        sqlx::raw_sql(
            "INSERT INTO users VALUES ('U', '', 0, 0, NULL);
             INSERT INTO devices VALUES ('D', NULL, 't', NULL, 'U', 0, '[]', 0, 0, NULL);
             INSERT INTO webhooks VALUES (1, 'b', 'U', 'D', 'changed', 'e', 0, 9, NULL), (2, 'B', 'U', NULL, 'older', 'e', 0, 5, NULL),
                 (3, 'c', 'U', NULL, 'other', 'e', 0, 0, NULL);",
        )
        .execute(&mut older)
        .await
        .unwrap();
        older.close().await.unwrap();

        Sqlite::open(&path, false).await.unwrap().close().await;
        let mut newer = options().filename(&path).connect().await.unwrap();
        let rows = sqlx::query("SELECT url FROM webhooks WHERE ext_id IN ('B', 'C') ORDER BY url")
            .fetch_all(&mut newer)
            .await
            .unwrap();
        let urls: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(urls, ["changed", "other"]);
        sqlx::raw_sql("DELETE FROM devices").execute(&mut newer).await.unwrap();
        let left: i64 = sqlx::query("SELECT count(*) FROM webhooks")
            .fetch_one(&mut newer)
            .await
            .unwrap()
            .get(0);
        assert_eq!(left, 1, "a device takes its own with it");
    }
}
