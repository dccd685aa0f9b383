//! Where is the database, and how is it opened? A SQLite file, or a server of MySQL's kind: stores see one [`Database`]
//! and write their statements once. It knows no table; those are in `migrations/` and in the stores.
//!
//! * One statement alone: `FIND.bind(id).fetch_optional(&database)`, `CHANGE.bind(id).execute(&database)`.
//! * Several that read: `let mut reading = database.reading().await?`, then `.fetch_all(&mut reading)`.
//! * Several that belong together: `database.change(async |mut change| …)`, in there `.execute(&mut change)` and
//!   `change.commit()`; without that, nothing happened.
//! * The same in one trip, where every microsecond counts: on a server `database.batch()` and
//!   `database.write_at_once(batch)`, on a file `database.insert_with_others(statement, row)`, into a view with a trigger.
//! * Many rows at once: `Statement::packed`.

mod batch;
mod change;
mod connection;
mod error;
mod gathering;
mod mysql;
mod packed;
mod pool;
mod render;
mod row;
mod sqlite;
mod statement;
mod value;

pub(crate) use connection::{Connection, On};
pub use error::OpenError;
pub(crate) use error::StoreError;
pub(crate) use mysql::NamedLock;
pub(crate) use row::Row;
pub(crate) use statement::{Query, Statement};
pub(crate) use value::Value;

use crate::config;
use mysql::MySql;
use sqlite::Sqlite;

const PING: Statement = Statement::same("SELECT 1");

/// Handle on the open database. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Database(Backing);

#[derive(Clone, Debug)]
enum Backing {
    Sqlite(Sqlite),
    MySql(MySql),
}

impl Database {
    /// Opens the database and brings its tables up to date. A server that does not answer is asked again whenever
    /// somebody wants something of it.
    ///
    /// # Errors
    /// When the file cannot be made, opened or brought up to date; when the server refuses us, or holds something else.
    pub(crate) async fn open(config: &config::Database) -> Result<Self, OpenError> {
        Ok(Self(match &config.url {
            config::DatabaseUrl::Sqlite(path) => Backing::Sqlite(Sqlite::open(path, config.debug).await?),
            config::DatabaseUrl::SqliteMemory => Backing::Sqlite(Sqlite::in_memory(config.debug).await?),
            config::DatabaseUrl::MySql(server) => Backing::MySql(MySql::open(mysql::options(server), config).await?),
        }))
    }

    /// For several statements that only read; they see every write that was answered before. Each sees a moment of its own:
    /// two trips more would be too much for one moment, as long as nobody needs it.
    pub(crate) async fn reading(&self) -> Result<Connection, StoreError> {
        self.reader().await
    }

    /// Adds a row to a file, together with whoever adds one by the same statement, which ends with `VALUES ?`. Whether it is
    /// in, durably. If not, nothing happened, because the statement was refused or this is a server; who makes the same
    /// change one by one will see why.
    pub(crate) async fn insert_with_others(
        &self,
        statement: Statement,
        row: Vec<Value<'_>>,
    ) -> Result<bool, StoreError> {
        match &self.0 {
            Backing::Sqlite(file) => file.gathering.insert(statement, row, &file.writer).await,
            Backing::MySql(_) => Ok(false),
        }
    }

    /// One try of [`Database::change`], which is for everybody whom others may get in the way of. On SQLite it keeps every
    /// other write waiting, on MySQL those on the same rows: keep it short, and never wait inside it for anything but the
    /// database.
    pub(crate) async fn begin(&self) -> Result<Connection, StoreError> {
        let mut connection = self.writer().await?;
        match &mut connection {
            Connection::Sqlite(lease) => lease.begin("BEGIN IMMEDIATE").await?,
            Connection::MySql(lease) => lease.begin("BEGIN").await?,
        }
        Ok(connection)
    }

    /// Whether the database answers.
    pub(crate) async fn ping(&self) -> Result<(), StoreError> {
        PING.query().fetch_all(self).await.map(drop)
    }

    /// Takes the server's lock of this name; `None` if another has it, or if this is no server.
    pub(crate) async fn lock(&self, name: &str) -> Result<Option<NamedLock>, StoreError> {
        Ok(match &self.0 {
            Backing::Sqlite(_) => None,
            Backing::MySql(server) => server.lock(name).await?,
        })
    }

    /// Waits for what is running and closes every connection.
    pub(crate) async fn close(&self) {
        match &self.0 {
            Backing::Sqlite(file) => file.close().await,
            Backing::MySql(server) => server.close().await,
        }
    }

    /// A connection that may not be able to write.
    async fn reader(&self) -> Result<Connection, StoreError> {
        Ok(match &self.0 {
            Backing::Sqlite(file) => Connection::Sqlite(file.reader.acquire().await?),
            Backing::MySql(server) => Connection::MySql(server.acquire().await?),
        })
    }

    async fn writer(&self) -> Result<Connection, StoreError> {
        Ok(match &self.0 {
            Backing::Sqlite(file) => Connection::Sqlite(file.writer.acquire().await?),
            Backing::MySql(server) => Connection::MySql(server.acquire().await?),
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
