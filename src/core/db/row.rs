//! How is a row read? Columns by name, whatever database it came from.

use serde_json::Value;
use sqlx::{
    Decode, MySql, Row as _, Sqlite, Type,
    mysql::{MySqlQueryResult, MySqlRow},
    sqlite::{SqliteQueryResult, SqliteRow},
};

use super::{
    StoreError,
    packed::{PackedRow, Unpack},
};

/// A row that was read.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Packed(PackedRow),
    MySql(MySqlRow),
}

/// What a column can be read as: `i64`, `i8`, `u8`, `bool`, `String`, `Timestamp`, and `Option` of those.
pub(crate) trait Column:
    Type<Sqlite> + Type<MySql> + for<'r> Decode<'r, Sqlite> + for<'r> Decode<'r, MySql> + Unpack
{
}

impl<T> Column for T where
    T: Type<Sqlite> + Type<MySql> + for<'r> Decode<'r, Sqlite> + for<'r> Decode<'r, MySql> + Unpack
{
}

impl Row {
    /// The column of that name.
    pub(crate) fn get<T: Column>(&self, column: &str) -> Result<T, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Packed(row) => read(row.value(column)?, T::unpack)?,
            // Unchecked: sqlx takes `BIGINT UNSIGNED` for nothing but u64 and MySQL's JSON for no text.
            Self::MySql(row) => row.try_get_unchecked(column)?,
        })
    }

    /// The column of that name, a text, where it lies.
    pub(crate) fn text(&self, column: &str) -> Result<&str, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(column)?,
            Self::Packed(row) => read(row.value(column)?, Value::as_str)?,
            Self::MySql(row) => row.try_get_unchecked(column)?,
        })
    }

    /// The only column.
    pub(super) fn only<T: Column>(&self) -> Result<T, StoreError> {
        Ok(match self {
            Self::Sqlite(row) => row.try_get(0)?,
            Self::Packed(row) => read(row.first()?, T::unpack)?,
            Self::MySql(row) => row.try_get_unchecked(0)?,
        })
    }
}

fn read<'v, T>(value: &'v Value, read: impl FnOnce(&'v Value) -> Option<T>) -> Result<T, StoreError> {
    read(value).ok_or_else(|| StoreError::unreadable("a value of another type"))
}

/// What a statement without rows did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    /// Rows that were found and written, even if they were like that before.
    pub(crate) rows: u64,
    /// The id that the database gave to the inserted row.
    pub(crate) inserted_id: i64,
}

impl From<SqliteQueryResult> for Done {
    fn from(result: SqliteQueryResult) -> Self {
        Self {
            rows: result.rows_affected(),
            inserted_id: result.last_insert_rowid(),
        }
    }
}

impl From<MySqlQueryResult> for Done {
    fn from(result: MySqlQueryResult) -> Self {
        Self {
            rows: result.rows_affected(),
            inserted_id: i64::try_from(result.last_insert_id()).unwrap_or(i64::MAX),
        }
    }
}
