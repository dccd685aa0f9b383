//! What can be bound to a statement? A closed set of values that both databases know, and lists of them.

use std::borrow::Cow;

use crate::Timestamp;

/// What takes the place of a `?`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'q> {
    /// `NULL`
    Null,
    /// Any whole number; truth is 0 or 1.
    Integer(i64),
    /// UTF-8
    Text(Cow<'q, str>),
    /// Milliseconds since 1970 in SQLite, `DATETIME(3)` in MySQL.
    Moment(Timestamp),
}

impl<'q> Value<'q> {
    /// The same for as long as one likes.
    pub(super) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(integer) => Value::Integer(integer),
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Moment(moment) => Value::Moment(moment),
        }
    }

    /// The same, without a copy of a text.
    pub(super) fn lend(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(integer) => Value::Integer(*integer),
            Self::Text(text) => Value::Text(Cow::Borrowed(text)),
            Self::Moment(moment) => Value::Moment(*moment),
        }
    }
}

/// What was bound: one value, or several for one `?`.
#[derive(Clone, Debug)]
pub(crate) enum Bound<'q> {
    One(Value<'q>),
    /// `IN (?)`
    List(Vec<Value<'q>>),
    /// `VALUES ?`
    Rows(Vec<Vec<Value<'q>>>),
    /// `CASE column ? END`
    Cases(Vec<[Value<'q>; 2]>),
}

impl<'q> From<&'q str> for Value<'q> {
    fn from(text: &'q str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'q> From<&'q String> for Value<'q> {
    fn from(text: &'q String) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(moment: Timestamp) -> Self {
        Self::Moment(moment)
    }
}

impl From<&Timestamp> for Value<'_> {
    fn from(moment: &Timestamp) -> Self {
        Self::Moment(*moment)
    }
}

macro_rules! integers {
    ($($integer:ty),*) => {
        $(
            impl From<$integer> for Value<'_> {
                fn from(integer: $integer) -> Self {
                    Self::Integer(integer.into())
                }
            }
        )*
    };
}

integers!(bool, i8, u8, i32, u32, i64);

impl From<&i64> for Value<'_> {
    fn from(integer: &i64) -> Self {
        Self::Integer(*integer)
    }
}

impl<'q, T: Into<Self>> From<Option<T>> for Value<'q> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<'q> From<&'q Option<String>> for Value<'q> {
    fn from(value: &'q Option<String>) -> Self {
        value.as_deref().into()
    }
}
