//! A database of a test's own, of either kind, and how it would carry out a statement.

mod mariadb;

pub(crate) use mariadb::MariaDb;
use tempfile::TempDir;

use super::{Database, Query, Row, Statement};
use crate::config::{self, DatabaseUrl};

/// Both kinds of database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    MariaDb,
}

/// Where a test's database is; it is gone with this.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) config: config::Database,
    _folder: Option<TempDir>,
}

impl Place {
    /// An empty database: a file, or one of the server that all tests of this process share.
    pub(crate) async fn new(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => {
                let folder = tempfile::tempdir().unwrap();
                Self {
                    config: configured(DatabaseUrl::Sqlite(folder.path().join("data/core.db"))),
                    _folder: Some(folder),
                }
            }
            Kind::MariaDb => Self {
                config: configured(DatabaseUrl::MySql(MariaDb::shared().create().await)),
                _folder: None,
            },
        }
    }

    pub(crate) async fn open(&self) -> Database {
        Database::open(&self.config).await.unwrap()
    }
}

/// With the defaults.
pub(crate) fn configured(url: DatabaseUrl) -> config::Database {
    config::Database {
        url,
        max_open_conns: 0,
        max_idle_conns: 0,
        debug: false,
    }
}

/// What the database says about how it would carry this out: of SQLite its own words, of MariaDB for each table
/// `name/type/key/remarks`.
pub(crate) async fn plan(query: Query<'_>, database: &Database) -> String {
    let explained = |word: &str, text: &str| -> &'static str { Box::leak(format!("{word} {text}").into_boxed_str()) };
    let explain = Query {
        statement: Statement::of(
            explained(
                "EXPLAIN QUERY PLAN",
                &query.statement.sqlite_text(query.statement.sqlite.into()),
            ),
            explained("EXPLAIN", query.statement.mysql),
        ),
        bound: query.bound,
    };
    let rows = explain.fetch_all(database).await.unwrap();
    let step = |row: &Row| match row {
        Row::Sqlite(_) | Row::Packed(_) => row.get::<String>("detail").unwrap(),
        Row::MySql(_) => ["table", "type", "key", "Extra"]
            .map(|column| row.get::<Option<String>>(column).unwrap().unwrap_or_default())
            .join("/"),
    };
    rows.iter().map(step).collect::<Vec<_>>().join("\n")
}

/// Makes a test of each `async fn name(kind: Kind)` beside it, for each kind of database.
macro_rules! on_both_databases {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test($crate::db::testing::Kind::Sqlite).await;
                }
            )+
        }

        mod mariadb {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test($crate::db::testing::Kind::MariaDb).await;
                }
            )+
        }
    };
}
pub(crate) use on_both_databases;
