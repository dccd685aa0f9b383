//! What can go wrong with the database, in one vocabulary for both kinds? It knows no table and no answer to a client.

use std::{fmt, io};

use serde_json::error::Category;
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

    /// SQLite found that what a statement would write may not be; it and the connection are well.
    pub(super) fn is_refusal(&self) -> bool {
        /// `SQLITE_CONSTRAINT`, of which the extended codes have the low byte.
        const CONSTRAINT: u32 = 19;
        let code = self.0.as_database_error().and_then(|error| error.code());
        let code: Option<u32> = code.and_then(|code| code.parse().ok());
        code.is_some_and(|code| code & 0xff == CONSTRAINT)
    }

    /// The same for somebody else who waited for it.
    pub(super) fn for_another(&self) -> Self {
        Self(if matches!(self.0, sqlx::Error::PoolTimedOut) {
            sqlx::Error::PoolTimedOut
        } else if matches!(self.0, sqlx::Error::PoolClosed) {
            sqlx::Error::PoolClosed
        } else {
            sqlx::Error::WorkerCrashed
        })
    }

    /// Nobody is left to say what became of it.
    pub(super) fn unanswered() -> Self {
        Self(sqlx::Error::WorkerCrashed)
    }

    /// The server gave the transaction up, so that others could go on: ER_LOCK_DEADLOCK, ER_LOCK_WAIT_TIMEOUT.
    pub(super) fn is_given_up(&self) -> bool {
        let error = self.0.as_database_error();
        error
            .and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>())
            .is_some_and(|error| matches!(error.number(), 1205 | 1213))
    }

    /// What the row refers to does not exist.
    pub(crate) fn is_foreign_key_violation(&self) -> bool {
        self.0
            .as_database_error()
            .is_some_and(sqlx::error::DatabaseError::is_foreign_key_violation)
    }
}

/// What the log may hear of an error: nothing that is stored, which is people's. MySQL's own texts quote values: only the
/// numbers of those. So do the texts of whatever reads a value: only where it was.
struct Told<'a>(&'a sqlx::Error);

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.0.as_database_error();
        if let Some(error) = error.and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>()) {
            return write!(f, "error {} ({})", error.number(), error.code().unwrap_or("no state"));
        }
        if let sqlx::Error::Decode(error) = self.0 {
            return misfit(f, "cannot read what is stored", error.as_ref());
        }
        if let sqlx::Error::Encode(error) = self.0 {
            return misfit(f, "cannot store a value", error.as_ref());
        }
        if let sqlx::Error::ColumnDecode { index, .. } = self.0 {
            return write!(f, "cannot read the value of column {index}");
        }
        self.0.fmt(f)
    }
}

/// Tells of a value without quoting it.
fn misfit(f: &mut fmt::Formatter<'_>, what: &str, error: &(dyn std::error::Error + 'static)) -> fmt::Result {
    match error.downcast_ref::<serde_json::Error>() {
        Some(json) => {
            let kind = match json.classify() {
                Category::Syntax => "no json",
                Category::Eof => "json that breaks off",
                Category::Data => "json of another kind",
                Category::Io => "not within reach",
            };
            write!(f, "{what}: {kind}, line {} column {}", json.line(), json.column())
        }
        // These say what they are about in words of our own.
        None => write!(f, "{what}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Stored {
        #[expect(dead_code, reason = "only its type matters")]
        number: u8,
    }

    fn told(text: &str) -> String {
        let error = serde_json::from_str::<Stored>(text).err();
        error.map_or_else(String::new, |error| StoreError::unreadable(error).to_string())
    }

    #[test]
    fn what_is_stored_is_not_quoted() {
        let start = "database: cannot read what is stored: ";
        for (text, said) in [
            (
                r#"{"number": "their secret"}"#,
                "json of another kind, line 1 column 25",
            ),
            (r#"{"their secret": 1}"#, "json of another kind, line 1 column 19"),
            ("their secret", "no json, line 1 column 2"),
            (r#"{"number": "their sec"#, "json that breaks off, line 1 column 21"),
        ] {
            assert_eq!(told(text), format!("{start}{said}"), "{text}");
        }
        let unknown = StoreError::unreadable("a stored state is unknown");
        assert_eq!(unknown.to_string(), format!("{start}a stored state is unknown"));
    }

    #[test]
    fn a_value_that_cannot_be_read_is_named_by_its_column() {
        let error = sqlx::Error::ColumnDecode {
            index: "settings".to_owned(),
            source: "their secret".into(),
        };
        let told = StoreError::from(error).to_string();
        assert_eq!(told, "database: cannot read the value of column settings");
    }
}
