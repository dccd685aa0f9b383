//! Are these the tables we know? An empty database gets the reference server's; in one of its own nothing is changed but
//! that indexes are added. Its version table (goose's) is the only bookkeeping: it says which tables there are to whoever
//! of the two servers looks.

use std::collections::BTreeMap;

use sqlx::{Error, MySqlConnection, Row as _, SqlSafeStr};

use crate::db::OpenError;

const REFERENCE: &str = include_str!("../../migrations/mysql/0001_reference.sql");
const INDEXES: &str = include_str!("../../migrations/mysql/0002_indexes.sql");

/// The migrations of SMSGate server 1.47.1, in their order. Goose begins with 0.
const VERSIONS: [i64; 28] = [
    0,
    20221007133357,
    20230925232629,
    20231011232654,
    20231016203147,
    20231020230401,
    20231116233831,
    20231127234448,
    20231203200642,
    20231208173729,
    20231209225449,
    20240108142043,
    20240214195939,
    20240402205037,
    20240515225255,
    20240607230753,
    20250330003657,
    20250516022136,
    20250521225803,
    20250628005423,
    20250708232157,
    20250918231606,
    20251121071748,
    20260303021154,
    20260402000000,
    20260411000000,
    20260507035019,
    20260617000000,
];

const TABLES: [&str; 9] = [
    "device_settings",
    "devices",
    "goose_db_version",
    "message_recipients",
    "message_states",
    "messages",
    "tokens",
    "users",
    "webhooks",
];

/// How long another process of ours may take to do the same, in seconds.
const LOCK_PATIENCE: i64 = 600;
/// Makes the tables of an empty database, refuses unknown ones, and adds missing indexes. Two processes that do this at
/// once do it one after the other.
pub(super) async fn prepare(connection: &mut MySqlConnection) -> Result<(), OpenError> {
    let lock = "SELECT GET_LOCK(CONCAT('gateward:', MD5(DATABASE())), ?)";
    let got: Option<i64> = sqlx::query_scalar(lock)
        .bind(LOCK_PATIENCE)
        .fetch_one(&mut *connection)
        .await?;
    if got != Some(1) {
        return Err(OpenError::Locked);
    }
    // The lock ends with the connection.
    match versions(connection).await? {
        Some(versions) => check(&versions)?,
        None => make(connection).await?,
    }
    add_indexes(connection).await
}

/// The migrations that goose has applied; nothing in a database that is to be made.
async fn versions(connection: &mut MySqlConnection) -> Result<Option<Vec<i64>>, OpenError> {
    let tables = "SELECT CAST(table_name AS CHAR) FROM information_schema.tables WHERE table_schema = DATABASE()";
    let tables: Vec<String> = sqlx::query_scalar(tables).fetch_all(&mut *connection).await?;
    if !tables.iter().any(|table| table == "goose_db_version") {
        // Some of ours: somebody began to make them and was interrupted.
        let foreign = tables.into_iter().find(|table| !TABLES.contains(&table.as_str()));
        return foreign.map_or(Ok(None), |table| Err(OpenError::Foreign(table)));
    }
    let rows = sqlx::query("SELECT version_id, is_applied FROM goose_db_version ORDER BY id")
        .fetch_all(connection)
        .await?;
    let mut applied = BTreeMap::new();
    for row in rows {
        // The latest word about a version counts.
        applied.insert(row.try_get::<i64, _>(0)?, row.try_get::<bool, _>(1)?);
    }
    let applied: Vec<i64> = applied
        .into_iter()
        .filter_map(|(version, applied)| applied.then_some(version))
        .collect();
    Ok(Some(applied).filter(|applied| !applied.is_empty()))
}

/// All or nothing of what we know.
fn check(applied: &[i64]) -> Result<(), OpenError> {
    if let Some(&unknown) = applied.iter().find(|version| !VERSIONS.contains(version)) {
        return Err(OpenError::Newer(unknown));
    }
    match VERSIONS.iter().find(|version| !applied.contains(version)) {
        Some(&missing) => Err(OpenError::Older(missing)),
        None => Ok(()),
    }
}

async fn make(connection: &mut MySqlConnection) -> Result<(), OpenError> {
    for statement in statements(REFERENCE) {
        run(connection, statement).await?;
    }
    let rows = vec!["(?, 1)"; VERSIONS.len()].join(", ");
    let text = format!("INSERT INTO goose_db_version (version_id, is_applied) VALUES {rows}");
    let mut insert = sqlx::query(sqlx::AssertSqlSafe(text));
    for version in VERSIONS {
        insert = insert.bind(version);
    }
    insert.execute(connection).await?;
    tracing::info!("made the tables");
    Ok(())
}

async fn add_indexes(connection: &mut MySqlConnection) -> Result<(), OpenError> {
    let names = "SELECT DISTINCT CAST(index_name AS CHAR) FROM information_schema.statistics \
                 WHERE table_schema = DATABASE()";
    let names: Vec<String> = sqlx::query_scalar(names).fetch_all(&mut *connection).await?;
    for statement in statements(INDEXES) {
        let name = statement.split_whitespace().nth(2).unwrap_or_default();
        if names.iter().any(|known| known == name) {
            continue;
        }
        run(connection, statement).await?;
        tracing::info!(index = name, "added an index");
    }
    Ok(())
}

async fn run(connection: &mut MySqlConnection, statement: &'static str) -> Result<(), Error> {
    sqlx::raw_sql(statement.into_sql_str())
        .execute(connection)
        .await
        .map(drop)
}

/// The statements of a file, in which `;` has no other meaning, without the comments before them.
fn statements(file: &'static str) -> impl Iterator<Item = &'static str> {
    file.split(';').filter_map(|piece| {
        let mut rest = piece.trim_start();
        while rest.starts_with("--") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest).trim_start();
        }
        (!rest.is_empty()).then_some(rest)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_another_version_is_refused() {
        assert!(check(&VERSIONS).is_ok());
        let newer = [&VERSIONS[..], &[20270101000000]].concat();
        assert!(matches!(check(&newer), Err(OpenError::Newer(20270101000000))));
        let older = &VERSIONS[..27];
        assert!(matches!(check(older), Err(OpenError::Older(20260617000000))));
    }

    #[test]
    fn files_are_taken_apart_at_their_semicolons() {
        assert_eq!(statements(REFERENCE).count(), TABLES.len());
        assert_eq!(statements(INDEXES).count(), 3);
        assert!(statements(INDEXES).all(|statement| statement.starts_with("CREATE INDEX gateward_")));
    }
}
