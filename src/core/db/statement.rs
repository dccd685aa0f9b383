//! What is asked of the database? A fixed text, or one for each kind of database where they do not agree, and the values
//! for its `?`. It knows no table.
//!
//! `?` is the next value, `?2` the second one. A list bound to `IN (?)` becomes as many `?` as it has values, rounded up to
//! a power of two by repeating the last: few texts, which are prepared once each. (Not a JSON text taken apart by the
//! database: MariaDB knows `JSON_TABLE` since 10.6 only, and plans worse around it.) Cases bound to `CASE column ? END`
//! become `WHEN ? THEN ?` for each, rounded up in the same way.

use std::borrow::Cow;

use super::{
    Connection, StoreError,
    connection::On,
    packed,
    row::{Column, Done, Row},
    value::{Bound, Value},
};

/// The text of a statement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Statement {
    pub(super) sqlite: &'static str,
    pub(super) mysql: &'static str,
    /// The columns, if rows come in one.
    pub(super) packed: Option<&'static str>,
}

impl Statement {
    /// The same for both databases.
    pub(crate) const fn same(text: &'static str) -> Self {
        Self::of(text, text)
    }

    /// One for SQLite, one for MySQL and MariaDB; both take the same values.
    pub(crate) const fn of(sqlite: &'static str, mysql: &'static str) -> Self {
        let packed = None;
        Self { sqlite, mysql, packed }
    }

    /// For many rows: on SQLite they come in one, which costs less, and in any order. These are the names of all columns of
    /// the SQLite text, with `, ` between them.
    pub(crate) const fn packed(self, columns: &'static str) -> Self {
        let packed = Some(columns);
        Self { packed, ..self }
    }

    /// What SQLite is asked.
    pub(super) fn sqlite_text(&self, rendered: Cow<'static, str>) -> Cow<'static, str> {
        match self.packed {
            Some(columns) => Cow::Owned(packed::select(&rendered, columns)),
            None => rendered,
        }
    }

    /// Without values.
    pub(crate) fn query<'q>(self) -> Query<'q> {
        Query {
            statement: self,
            bound: Vec::new(),
        }
    }

    /// With its first value.
    pub(crate) fn bind<'q>(self, value: impl Into<Value<'q>>) -> Query<'q> {
        self.query().bind(value)
    }

    /// With cases as its first value.
    pub(crate) fn bind_cases<'q, K, V>(self, cases: impl IntoIterator<Item = (K, V)>) -> Query<'q>
    where
        K: Into<Value<'q>>,
        V: Into<Value<'q>>,
    {
        self.query().bind_cases(cases)
    }

    /// With a list as its first value.
    pub(crate) fn bind_list<'q, V: Into<Value<'q>>>(self, values: impl IntoIterator<Item = V>) -> Query<'q> {
        self.query().bind_list(values)
    }

    /// With a few rows as its first value, for `VALUES ?`. Each number of them is another text to be prepared: many go by
    /// [`Self::insert_rows`].
    pub(crate) fn bind_rows(self, rows: Vec<Vec<Value<'_>>>) -> Query<'_> {
        Query {
            statement: self,
            bound: vec![Bound::Rows(rows)],
        }
    }

    /// Inserts rows: the statement ends with `VALUES ?`, or goes on after it with what has no values. Rows go in in
    /// portions of powers of two, so that few texts are prepared.
    pub(crate) async fn insert_rows(self, rows: Vec<Vec<Value<'_>>>, on: &mut Connection) -> Result<(), StoreError> {
        const MOST: usize = 64;
        let mut rows = rows.into_iter();
        while rows.len() > 0 {
            let portion = 1 << rows.len().min(MOST).ilog2();
            let query = self.bind_rows(rows.by_ref().take(portion).collect());
            query.execute(&mut *on).await?;
        }
        Ok(())
    }
}

/// A statement with values.
#[derive(Clone, Debug)]
pub(crate) struct Query<'q> {
    pub(super) statement: Statement,
    pub(super) bound: Vec<Bound<'q>>,
}

impl<'q> Query<'q> {
    /// What is asked.
    #[cfg(test)]
    pub(crate) fn statement(&self) -> Statement {
        self.statement
    }

    /// With one more value.
    pub(crate) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.bound.push(Bound::One(value.into()));
        self
    }

    /// With a list for `IN (?)`; an empty one contains nothing.
    pub(crate) fn bind_list<V: Into<Value<'q>>>(mut self, values: impl IntoIterator<Item = V>) -> Self {
        self.bound
            .push(Bound::List(values.into_iter().map(Into::into).collect()));
        self
    }

    /// With a value for each key, for `CASE column ? END`. The database goes through them for every row: not too many.
    pub(crate) fn bind_cases<K, V>(mut self, cases: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<Value<'q>>,
        V: Into<Value<'q>>,
    {
        let cases = cases.into_iter().map(|(key, value)| [key.into(), value.into()]);
        self.bound.push(Bound::Cases(cases.collect()));
        self
    }

    /// Writes: on a database with a connection of its own that may write, else within the change.
    pub(crate) async fn execute(self, on: impl Into<On<'_>>) -> Result<Done, StoreError> {
        match on.into() {
            On::Database(database) => database.execute(self).await,
            On::Connection(connection) => connection.execute(self).await,
        }
    }

    /// Reads all rows.
    pub(crate) async fn fetch_all(self, on: impl Into<On<'_>>) -> Result<Vec<Row>, StoreError> {
        on.into().reader().await?.fetch(self).await
    }

    /// Reads one row or none; the statement finds no more.
    pub(crate) async fn fetch_optional(self, on: impl Into<On<'_>>) -> Result<Option<Row>, StoreError> {
        on.into().reader().await?.fetch_first(self).await
    }

    /// Reads one column of all rows.
    pub(crate) async fn fetch_column<T: Column>(self, on: impl Into<On<'_>>) -> Result<Vec<T>, StoreError> {
        self.fetch_all(on).await?.iter().map(Row::only).collect()
    }

    /// Reads one row; there has to be one.
    pub(crate) async fn fetch_one(self, on: impl Into<On<'_>>) -> Result<Row, StoreError> {
        let row = self.fetch_optional(on).await?;
        row.ok_or(StoreError::from(sqlx::Error::RowNotFound))
    }

    /// Reads one value; there has to be one.
    pub(crate) async fn fetch_value<T: Column>(self, on: impl Into<On<'_>>) -> Result<T, StoreError> {
        self.fetch_one(on).await?.only()
    }
}
