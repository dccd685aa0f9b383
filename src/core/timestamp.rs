//! What is a moment here? Milliseconds since 1970 in UTC: what the database keeps and what
//! clients read (WIRE §1.9). It does not know what time it is now.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use gateward_contract::time::rfc3339;
use serde::{Serialize, Serializer};
use sqlx::{
    Decode, Encode, MySql, Sqlite, Type,
    encode::IsNull,
    error::BoxDynError,
    mysql::{MySqlTypeInfo, MySqlValueRef},
    sqlite::{SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef},
};
use time::{OffsetDateTime, PrimitiveDateTime};

/// A moment in UTC, in whole milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Timestamp(i64);

impl Timestamp {
    /// The end of the year 9999: what comes later cannot be written as a time (RFC 3339).
    pub(crate) const LAST: Self = Self(253_402_300_799_999);

    /// The beginning of the year 0: what comes earlier cannot be written as a time either.
    pub(crate) const FIRST: Self = Self(-62_167_219_200_000);

    /// From milliseconds since 1970.
    pub(crate) const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub(crate) const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub(crate) const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The second that it is in.
    #[must_use]
    pub(crate) const fn whole_second(self) -> Self {
        Self(self.seconds() * 1000)
    }

    /// As a literal of SQL, without its quotes.
    pub(crate) fn as_sql(self) -> AsSql {
        AsSql(self.into())
    }

    /// The moment `duration` later; the last representable one if there is none.
    #[must_use]
    pub(crate) fn plus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// The moment `duration` earlier; the first representable one if there is none.
    #[must_use]
    pub(crate) fn minus(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_sub(millis))
    }
}

/// As MySQL reads it, in UTC: nothing but digits and what stands between them.
#[derive(Debug)]
pub(crate) struct AsSql(OffsetDateTime);

impl fmt::Display for AsSql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (date, (hour, minute, second, milli)) = (self.0.date(), self.0.to_hms_milli());
        let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
        write!(
            f,
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{milli:03}"
        )
    }
}

impl From<SystemTime> for Timestamp {
    fn from(moment: SystemTime) -> Self {
        let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        match moment.duration_since(UNIX_EPOCH) {
            Ok(since) => Self(millis(since)),
            Err(before) => Self(millis(before.duration()).saturating_neg()),
        }
    }
}

/// What is finer than a millisecond is cut.
impl From<OffsetDateTime> for Timestamp {
    fn from(moment: OffsetDateTime) -> Self {
        let millis = moment.unix_timestamp_nanos().div_euclid(1_000_000);
        Self(i64::try_from(millis).unwrap_or(i64::MAX))
    }
}

/// What no date can name is moved to the first or the last that one can.
impl From<Timestamp> for OffsetDateTime {
    fn from(moment: Timestamp) -> Self {
        let nanos = i128::from(moment.clamp(Timestamp::FIRST, Timestamp::LAST).0) * 1_000_000;
        Self::from_unix_timestamp_nanos(nanos).unwrap_or(Self::UNIX_EPOCH)
    }
}

/// As clients read it: RFC 3339 in UTC with three fraction digits or none.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&rfc3339((*self).into()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

// SQLite keeps an integer, MySQL a DATETIME in UTC.
impl Type<Sqlite> for Timestamp {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }

    fn compatible(info: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(info)
    }
}

impl Encode<'_, Sqlite> for Timestamp {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<'_, Sqlite>>::encode_by_ref(&self.0, buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Timestamp {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        <i64 as Decode<'r, Sqlite>>::decode(value).map(Self)
    }
}

impl Type<MySql> for Timestamp {
    fn type_info() -> MySqlTypeInfo {
        <PrimitiveDateTime as Type<MySql>>::type_info()
    }

    fn compatible(info: &MySqlTypeInfo) -> bool {
        <PrimitiveDateTime as Type<MySql>>::compatible(info)
    }
}

impl Encode<'_, MySql> for Timestamp {
    fn encode_by_ref(&self, buffer: &mut Vec<u8>) -> Result<IsNull, BoxDynError> {
        let moment = OffsetDateTime::from(*self);
        let moment = PrimitiveDateTime::new(moment.date(), moment.time());
        <PrimitiveDateTime as Encode<'_, MySql>>::encode_by_ref(&moment, buffer)
    }

    fn size_hint(&self) -> usize {
        // A length, a date, a time, microseconds.
        12
    }
}

impl<'r> Decode<'r, MySql> for Timestamp {
    fn decode(value: MySqlValueRef<'r>) -> Result<Self, BoxDynError> {
        let moment = <PrimitiveDateTime as Decode<'r, MySql>>::decode(value)?;
        Ok(moment.assume_utc().into())
    }
}
