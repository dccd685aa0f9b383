//! How do several writes reach a server in one trip? As one text with their values in it: every trip costs us and the
//! server as much as a write does. Only for the few writes that everybody waits for; everything else is prepared.
//!
//! INVARIANT(no value is SQL): a value is spelled in digits, or in hexadecimal, or as a time that is made of numbers, so
//! that nothing in it can mean anything. Tests: `tests::a_value_is_spelled_in_letters_that_mean_nothing`,
//! `messages::store::tests::a_message_comes_out_as_it_went_in`.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, Error, SqlSafeStr as _};

use super::{
    Backing, Database, Query, StoreError,
    render::{Rendered, render},
    value::Value,
};

/// What is longer goes one by one: servers refuse packets of a megabyte or more, as they are configured.
const LONGEST: usize = 256 << 10;

/// Writes that belong together, none of which needs what another found.
#[derive(Debug)]
pub(crate) struct Batch {
    text: String,
    /// Whether statements are told to the log.
    told: bool,
}

impl Batch {
    /// One more.
    pub(crate) fn add(&mut self, query: Query<'_>) {
        let Rendered { text, values } = render(query.statement.mysql, query.bound, false);
        self.tell(&text, values.len());
        push(&mut self.text, &text, &values);
        self.text.push(';');
    }

    /// One more, which inserts rows: each is `row` with the value for its one `?`.
    pub(crate) fn add_rows<'q, V: Into<Value<'q>>>(
        &mut self,
        statement: &'static str,
        row: &'static str,
        values: impl ExactSizeIterator<Item = V>,
    ) {
        self.tell(statement, values.len());
        self.text.push_str(statement);
        for (index, value) in values.enumerate() {
            self.text.push_str(if index == 0 { " " } else { ", " });
            push(&mut self.text, row, &[value.into()]);
        }
        self.text.push(';');
    }

    fn tell(&self, text: &str, values: usize) {
        if self.told {
            // Without values, which are people's.
            tracing::debug!(statement = text, values, "asking the database");
        }
    }
}

impl Database {
    /// A batch to be filled, if this is a server. A file has no trips to be saved.
    pub(crate) fn batch(&self) -> Option<Batch> {
        match &self.0 {
            Backing::Sqlite(_) => None,
            Backing::MySql(server) => Some(Batch {
                text: "BEGIN;".to_owned(),
                told: server.is_told(),
            }),
        }
    }

    /// Whether all of it happened, durably. If not, nothing did: some statement was refused, or the whole for another
    /// reason; who makes the same change one by one will see which and why.
    pub(crate) async fn write_at_once(&self, mut batch: Batch) -> Result<bool, StoreError> {
        let Backing::MySql(server) = &self.0 else {
            return Ok(false);
        };
        if batch.text.len() > LONGEST {
            return Ok(false);
        }
        batch.text.push_str("COMMIT");
        let mut lease = server.acquire().await?;
        match lease.transact(AssertSqlSafe(batch.text).into_sql_str()).await {
            Ok(()) => Ok(true),
            Err(Error::Database(error)) => {
                tracing::debug!(code = ?error.code(), "what was to be written at once goes one by one");
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// The text with the values in the place of its `?`.
fn push(out: &mut String, text: &str, values: &[Value<'_>]) {
    let mut values = values.iter();
    let mut pieces = text.split('?');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        match values.next() {
            Some(value) => spell(out, value),
            // The database will say that a value is missing.
            None => out.push('?'),
        }
        out.push_str(piece);
    }
}

fn spell(out: &mut String, value: &Value<'_>) {
    // Writing to a text does not fail.
    let _ = match value {
        Value::Null => out.write_str("NULL"),
        Value::Integer(integer) => write!(out, "{integer}"),
        Value::Text(text) => {
            out.push_str("_utf8mb4 X'");
            for byte in text.bytes() {
                for digit in [byte >> 4, byte & 15] {
                    out.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
                }
            }
            out.write_str("'")
        }
        Value::Moment(moment) => write!(out, "'{}'", moment.as_sql()),
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Timestamp;

    fn spelled(value: &Value<'_>) -> String {
        let mut out = String::new();
        spell(&mut out, value);
        out
    }

    #[test]
    fn values_take_their_places_in_order() {
        let mut out = String::new();
        let values = ["a'?;".into(), Value::Null, (-7_i64).into(), "".into()];
        push(&mut out, "VALUES (?, ?, ?), (?)", &values);
        assert_eq!(out, "VALUES (_utf8mb4 X'61273f3b', NULL, -7), (_utf8mb4 X'')");
    }

    #[test]
    fn a_moment_is_spelled_in_utc() {
        for (millis, text) in [
            (1_767_225_600_123, "'2026-01-01 00:00:00.123'"),
            (-1, "'1969-12-31 23:59:59.999'"),
            (Timestamp::LAST.millis(), "'9999-12-31 23:59:59.999'"),
            (Timestamp::FIRST.millis(), "'0000-01-01 00:00:00.000'"),
            (i64::MAX, "'9999-12-31 23:59:59.999'"),
        ] {
            assert_eq!(spelled(&Timestamp::from_millis(millis).into()), text);
        }
    }

    proptest! {
        #[test]
        fn a_value_is_spelled_in_letters_that_mean_nothing(text in any::<String>(), millis in any::<i64>()) {
            let spelling = spelled(&text.as_str().into());
            let digits = spelling.strip_prefix("_utf8mb4 X'").and_then(|rest| rest.strip_suffix('\''));
            prop_assert!(digits.is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit())));
            let spelling = spelled(&Timestamp::from_millis(millis).into());
            let time = spelling.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
            prop_assert!(time.is_some_and(|time| time.bytes().all(|byte| byte.is_ascii_digit() || b"-: .".contains(&byte))));
        }
    }
}
