//! What runs statements? One connection of either kind, for reading or for a change; or the database itself, which lends
//! one for a single statement.

use sqlx::{AssertSqlSafe, MySqlConnection, Row as _, SqlSafeStr as _, SqlStr, SqliteConnection};
use std::borrow::Cow;

use super::{
    Database, StoreError, packed,
    pool::Lease,
    render::{Rendered, render},
    row::{Done, Row},
    statement::Query,
    value::Value,
};

/// A connection. Dropped without [`Connection::commit`], nothing was changed.
#[derive(Debug)]
pub(crate) enum Connection {
    Sqlite(Lease<SqliteConnection>),
    MySql(Lease<MySqlConnection>),
}

impl Connection {
    /// Makes the change, durably.
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        match &mut self {
            Self::Sqlite(lease) => lease.commit().await?,
            Self::MySql(lease) => lease.commit().await?,
        }
        Ok(())
    }

    pub(super) async fn execute(&mut self, query: Query<'_>) -> Result<Done, StoreError> {
        Ok(match self {
            Self::Sqlite(lease) => {
                let query = sqlite(query, lease.is_told());
                lease.run(|connection| query.execute(connection)).await?.into()
            }
            Self::MySql(lease) => {
                let query = mysql(query, lease.is_told());
                lease.run(|connection| query.execute(connection)).await?.into()
            }
        })
    }

    pub(super) async fn fetch(&mut self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        Ok(match self {
            Self::Sqlite(lease) => {
                let packed = query.statement.packed;
                let query = sqlite(query, lease.is_told());
                let Some(columns) = packed else {
                    let rows = lease.run(|connection| query.fetch_all(connection)).await?;
                    return Ok(rows.into_iter().map(Row::Sqlite).collect());
                };
                let Some(found) = lease.run(|connection| query.fetch_optional(connection)).await? else {
                    return Ok(Vec::new());
                };
                packed::unpack(found.try_get(0)?, columns)?.map(Row::Packed).collect()
            }
            Self::MySql(lease) => {
                let query = mysql(query, lease.is_told());
                let rows = lease.run(|connection| query.fetch_all(connection)).await?;
                rows.into_iter().map(Row::MySql).collect()
            }
        })
    }
}

impl Connection {
    /// The first row, if there is one.
    async fn fetch_first(&mut self, query: Query<'_>) -> Result<Option<Row>, StoreError> {
        if let (Self::Sqlite(lease), None) = (&mut *self, query.statement.packed) {
            let query = sqlite(query, lease.is_told());
            // Nobody has to be woken for the end.
            let row = lease.run(|connection| query.fetch_optional(connection)).await?;
            return Ok(row.map(Row::Sqlite));
        }
        Ok(self.fetch(query).await?.into_iter().next())
    }
}

macro_rules! bind {
    ($database:ty, $rendered:expr, $told:expr) => {{
        let Rendered { text, values } = $rendered;
        if $told {
            // Without values, which are people's.
            tracing::debug!(statement = %text, values = values.len(), "asking the database");
        }
        let mut query = sqlx::query::<$database>(safe(text));
        for value in values {
            query = match value {
                Value::Null => query.bind(None::<i64>),
                Value::Integer(integer) => query.bind(integer),
                Value::Text(Cow::Borrowed(text)) => query.bind(text),
                Value::Text(Cow::Owned(text)) => query.bind(text),
                Value::Moment(moment) => query.bind(moment),
            };
        }
        query
    }};
}

type Bound<'q, D> = sqlx::query::Query<'q, D, <D as sqlx::Database>::Arguments>;

fn sqlite(query: Query<'_>, told: bool) -> Bound<'_, sqlx::Sqlite> {
    let Rendered { text, values } = render(query.statement.sqlite, query.bound, true);
    let text = query.statement.sqlite_text(text);
    bind!(sqlx::Sqlite, Rendered { text, values }, told)
}

fn mysql(query: Query<'_>, told: bool) -> Bound<'_, sqlx::MySql> {
    bind!(sqlx::MySql, render(query.statement.mysql, query.bound, false), told)
}

/// Texts are made of nothing but the statements' own and of `?`.
fn safe(text: Cow<'static, str>) -> SqlStr {
    match text {
        Cow::Borrowed(text) => text.into_sql_str(),
        Cow::Owned(text) => AssertSqlSafe(text).into_sql_str(),
    }
}

/// Where a statement runs: within a change or a reading, or alone.
#[derive(Debug)]
pub(crate) enum On<'a> {
    Database(&'a Database),
    Connection(&'a mut Connection),
}

impl<'a> From<&'a Database> for On<'a> {
    fn from(database: &'a Database) -> Self {
        Self::Database(database)
    }
}

impl<'a> From<&'a mut Connection> for On<'a> {
    fn from(connection: &'a mut Connection) -> Self {
        Self::Connection(connection)
    }
}

impl<'a> On<'a> {
    pub(super) async fn reader(self) -> Result<Held<'a>, StoreError> {
        Ok(match self {
            Self::Database(database) => Held::Own(database.reader().await?),
            Self::Connection(connection) => Held::Lent(connection),
        })
    }
}

/// A connection for one statement.
pub(super) enum Held<'a> {
    Own(Connection),
    Lent(&'a mut Connection),
}

impl Held<'_> {
    pub(super) async fn fetch(&mut self, query: Query<'_>) -> Result<Vec<Row>, StoreError> {
        match self {
            Self::Own(connection) => connection.fetch(query).await,
            Self::Lent(connection) => connection.fetch(query).await,
        }
    }

    pub(super) async fn fetch_first(&mut self, query: Query<'_>) -> Result<Option<Row>, StoreError> {
        match self {
            Self::Own(connection) => connection.fetch_first(query).await,
            Self::Lent(connection) => connection.fetch_first(query).await,
        }
    }
}
