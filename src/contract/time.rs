//! How are instants read and written (WIRE §1.8, §1.9)? Read: strict RFC 3339 with an offset. Written: in UTC with exactly
//! three fraction digits or none, which every known client reads. Knows no clock.

use std::fmt;

use time::macros::datetime;
use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset};

/// The zero instant of the reference: what a required time is when nobody gave it.
pub const YEAR_ONE: OffsetDateTime = datetime!(0001-01-01 00:00 UTC);

/// Writes an instant: `2026-01-01T00:00:00Z`, or `2026-01-01T00:00:00.123Z` when its milliseconds are not zero. What is
/// finer is cut.
pub fn rfc3339(instant: OffsetDateTime) -> String {
    let utc = instant.to_offset(UtcOffset::UTC);
    let (date, clock) = (utc.date(), utc.time());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    let (hour, minute, second) = (clock.hour(), clock.minute(), clock.second());
    match clock.millisecond() {
        0 => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
        millis => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"),
    }
}

/// Writes seconds since 1970: `2026-01-01T00:00:00Z`. Seconds beyond the year 9999 are written as its last.
pub fn rfc3339_from_unix(seconds: i64) -> String {
    const LAST: i64 = 253_402_300_799;
    const FIRST: i64 = -62_167_219_200;
    let instant = OffsetDateTime::from_unix_timestamp(seconds.clamp(FIRST, LAST));
    rfc3339(instant.unwrap_or(OffsetDateTime::UNIX_EPOCH))
}

/// Why a text is not an instant. Shows the text that the reference shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeError {
    text: String,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    Form { rest: String, expected: &'static str },
    Range(&'static str),
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parsing time {:?}", self.text)?;
        match &self.problem {
            Problem::Form { rest, expected } => {
                write!(
                    f,
                    " as \"2006-01-02T15:04:05Z07:00\": cannot parse {rest:?} as {expected:?}"
                )
            }
            Problem::Range(what) => write!(f, ": {what} out of range"),
        }
    }
}

impl std::error::Error for TimeError {}

/// Reads a strict RFC 3339 time with `Z` or an offset and any number of fraction digits (nanoseconds count, what is finer
/// is cut). The offset is kept.
pub fn parse(text: &str) -> Result<OffsetDateTime, TimeError> {
    read(text).map_err(|problem| TimeError {
        text: text.to_owned(),
        problem,
    })
}

fn read(text: &str) -> Result<OffsetDateTime, Problem> {
    let mut input = Input { rest: text };
    let year = input.number(4, "2006")?;
    input.literal("-")?;
    let month = input.number(2, "01")?;
    let month = u8::try_from(month).ok().and_then(|month| Month::try_from(month).ok());
    let month = month.ok_or(Problem::Range("month"))?;
    input.literal("-")?;
    let day = input.number(2, "02")?;
    input.literal("T")?;
    let hour = in_range(input.number(2, "15")?, 24, "hour")?;
    input.literal(":")?;
    let minute = in_range(input.number(2, "04")?, 60, "minute")?;
    input.literal(":")?;
    let second = in_range(input.number(2, "05")?, 60, "second")?;
    let nanosecond = input.fraction();
    let offset = input.offset()?;
    if !input.rest.is_empty() {
        return Err(Problem::Form {
            rest: input.rest.to_owned(),
            expected: "",
        });
    }
    let day = u8::try_from(day).map_err(|_| Problem::Range("day"))?;
    let date = Date::from_calendar_date(i32::from(year), month, day).map_err(|_| Problem::Range("day"))?;
    let clock = Time::from_hms_nano(hour, minute, second, nanosecond).map_err(|_| Problem::Range("second"))?;
    Ok(PrimitiveDateTime::new(date, clock).assume_offset(offset))
}

fn in_range(value: u16, end: u16, what: &'static str) -> Result<u8, Problem> {
    u8::try_from(value)
        .ok()
        .filter(|_| value < end)
        .ok_or(Problem::Range(what))
}

struct Input<'a> {
    rest: &'a str,
}

impl Input<'_> {
    fn refuse<T>(&self, expected: &'static str) -> Result<T, Problem> {
        Err(Problem::Form {
            rest: self.rest.to_owned(),
            expected,
        })
    }

    fn literal(&mut self, expected: &'static str) -> Result<(), Problem> {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                Ok(())
            }
            None => self.refuse(expected),
        }
    }

    /// Exactly so many digits (four at most).
    fn number(&mut self, digits: usize, expected: &'static str) -> Result<u16, Problem> {
        let Some((number, rest)) = self.rest.split_at_checked(digits) else {
            return self.refuse(expected);
        };
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return self.refuse(expected);
        }
        let Ok(number) = number.parse() else {
            return self.refuse(expected);
        };
        self.rest = rest;
        Ok(number)
    }

    /// Nanoseconds of a fraction, 0 without one. A lone point is left for `offset` to refuse.
    fn fraction(&mut self) -> u32 {
        let Some(behind) = self.rest.strip_prefix('.') else {
            return 0;
        };
        let rest = behind.trim_start_matches(|character: char| character.is_ascii_digit());
        let digits = behind.strip_suffix(rest).unwrap_or_default();
        if digits.is_empty() {
            return 0;
        }
        self.rest = rest;
        digits
            .bytes()
            .chain(std::iter::repeat(b'0'))
            .take(9)
            .fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'))
    }

    fn offset(&mut self) -> Result<UtcOffset, Problem> {
        const EXPECTED: &str = "Z07:00";
        if let Some(rest) = self.rest.strip_prefix('Z') {
            self.rest = rest;
            return Ok(UtcOffset::UTC);
        }
        let mut input = Input { rest: self.rest };
        let sign = if input.literal("+").is_ok() {
            1
        } else if input.literal("-").is_ok() {
            -1
        } else {
            return self.refuse(EXPECTED);
        };
        let Ok(hours) = input.number(2, EXPECTED) else {
            return self.refuse(EXPECTED);
        };
        let Ok(()) = input.literal(":") else {
            return self.refuse(EXPECTED);
        };
        let Ok(minutes) = input.number(2, EXPECTED) else {
            return self.refuse(EXPECTED);
        };
        let seconds = (i32::from(in_range(hours, 24, "time zone offset hour")?) * 60
            + i32::from(in_range(minutes, 60, "time zone offset minute")?))
            * 60;
        self.rest = input.rest;
        UtcOffset::from_whole_seconds(sign * seconds).map_err(|_| Problem::Range("time zone offset hour"))
    }
}

#[cfg(test)]
mod tests;
