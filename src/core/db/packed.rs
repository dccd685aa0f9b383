//! How do many rows of a file come in one? As JSON, which costs less than to hand each row from SQLite's thread to ours:
//! most of what a row costs is that one wakes the other.
//!
//! It knows no table. What it gives back are [`Row`](super::Row)s like all others, in any order.

use serde_json::Value;

use super::StoreError;
use crate::Timestamp;

/// A row that came with others.
#[derive(Debug)]
pub(crate) struct PackedRow {
    columns: &'static str,
    values: Vec<Value>,
}

/// The statement that finds in one row what `text` finds in many. `columns` are the names of all of its columns.
pub(super) fn select(text: &str, columns: &str) -> String {
    format!("SELECT json_group_array(json_array({columns})) FROM ({text})")
}

/// What such a statement found.
pub(super) fn unpack(
    found: &str,
    columns: &'static str,
) -> Result<impl ExactSizeIterator<Item = PackedRow>, StoreError> {
    let rows: Vec<Vec<Value>> = serde_json::from_str(found).map_err(StoreError::unreadable)?;
    Ok(rows.into_iter().map(move |values| PackedRow { columns, values }))
}

impl PackedRow {
    /// The value of that column.
    pub(super) fn value(&self, column: &str) -> Result<&Value, StoreError> {
        let place = self.columns.split(", ").position(|name| name == column);
        place
            .and_then(|place| self.values.get(place))
            .ok_or_else(|| sqlx::Error::ColumnNotFound(column.to_owned()).into())
    }

    /// The value of the first column.
    pub(super) fn first(&self) -> Result<&Value, StoreError> {
        self.values.first().ok_or(sqlx::Error::RowNotFound.into())
    }
}

/// What can be read of JSON.
pub(crate) trait Unpack: Sized {
    /// `None`: it is something else.
    fn unpack(value: &Value) -> Option<Self>;
}

impl Unpack for i64 {
    fn unpack(value: &Value) -> Option<Self> {
        value.as_i64()
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {
        $(
            impl Unpack for $integer {
                fn unpack(value: &Value) -> Option<Self> {
                    Self::try_from(value.as_i64()?).ok()
                }
            }
        )*
    };
}

integers!(i8, u8);

impl Unpack for bool {
    fn unpack(value: &Value) -> Option<Self> {
        // SQLite has no other truth.
        Some(value.as_i64()? != 0)
    }
}

impl Unpack for String {
    fn unpack(value: &Value) -> Option<Self> {
        value.as_str().map(str::to_owned)
    }
}

impl Unpack for Timestamp {
    fn unpack(value: &Value) -> Option<Self> {
        value.as_i64().map(Self::from_millis)
    }
}

impl<T: Unpack> Unpack for Option<T> {
    fn unpack(value: &Value) -> Option<Self> {
        if value.is_null() {
            Some(None)
        } else {
            T::unpack(value).map(Some)
        }
    }
}
