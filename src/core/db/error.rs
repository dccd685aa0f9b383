//! What can go wrong with the database, in one vocabulary for both kinds? It knows no table and no answer to a client.

use std::{fmt, io};

use sqlx::{migrate::MigrateError, mysql::MySqlDatabaseError};

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder or the file could not be made.
    #[error("cannot make the database file: {0}")]
    File(#[from] io::Error),
    /// The file is there and cannot be used, or the server refuses us.
    #[error("cannot open the database: {0}")]
    Open(#[from] sqlx::Error),
    /// The tables could not be brought up to date.
    #[error("cannot bring the database up to date: {0}")]
    Migrate(#[from] MigrateError),
    /// The database on the server belongs to something else.
    #[error("the database is not empty and no gateway's: it holds the table {0}")]
    Foreign(String),
    /// A later version of SMSGate server than we know has changed the tables.
    #[error("the database is of a newer gateway: migration {0} is unknown (known is SMSGate server 1.47.1)")]
    Newer(i64),
    /// An earlier version of SMSGate server made the tables.
    #[error("the database is of an older gateway: let SMSGate server 1.47.1 migrate it first (missing: {0})")]
    Older(i64),
    /// Another process does not come to an end with the tables.
    #[error("another process has been changing the tables for too long")]
    Locked,
}

/// A statement failed: an answer 500, told to the log and never to the client.
#[derive(Debug, thiserror::Error)]
#[error("database: {}", Told(.0))]
pub(crate) struct StoreError(#[from] sqlx::Error);

impl StoreError {
    /// What is stored makes no sense.
    pub(crate) fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(sqlx::Error::Decode(error.into()))
    }

    /// A value cannot be stored.
    pub(crate) fn unwritable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(sqlx::Error::Encode(error.into()))
    }

    /// A row with this key exists.
    pub(crate) fn is_unique_violation(&self) -> bool {
        self.0
            .as_database_error()
            .is_some_and(sqlx::error::DatabaseError::is_unique_violation)
    }

    /// What the row refers to does not exist.
    pub(crate) fn is_foreign_key_violation(&self) -> bool {
        self.0
            .as_database_error()
            .is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation)
    }
}

/// What the log may hear of an error. MySQL's own texts quote values, which are people's: only the numbers of those.
struct Told<'a>(&'a sqlx::Error);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.0.as_database_error();
        match error.and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>()) {
            Some(error) => write!(f, "error {} ({})", error.number(), error.code().unwrap_or("no state")),
            None => self.0.fmt(f),
        }
    }
}
