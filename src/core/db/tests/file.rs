//! What is special about SQLite: files, and who may write.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::{
    config::DatabaseUrl,
    db::{
        Connection, Database, Statement,
        testing::{Kind, Place, configured},
        tests::{NOW, USER, USERS},
    },
};

#[tokio::test]
async fn folder_and_files_are_made_for_us_alone() {
    let folder = tempfile::tempdir().unwrap();
    let made = folder.path().join("made/for/it");
    let url = DatabaseUrl::Sqlite(made.join("core.db"));
    let database = Database::open(&configured(url)).await.unwrap();
    database.ping().await.unwrap();
    USER.bind("A").bind(NOW).execute(&database).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&made), 0o700);
    let files: Vec<_> = fs::read_dir(&made)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 3, "database, log and index of the log: {files:?}");
    for file in files {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    database.close().await;
}

#[tokio::test]
async fn commits_are_synced() {
    let place = Place::new(Kind::Sqlite).await;
    let database = place.open().await;
    let mut writer = database.writer().await.unwrap();
    let synchronous = Statement::same("PRAGMA synchronous").query().fetch_value(&mut writer);
    assert_eq!(synchronous.await.ok(), Some(2_i64), "FULL");
    let journal = Statement::same("PRAGMA journal_mode").query().fetch_value(&mut writer);
    assert_eq!(journal.await.ok(), Some("wal".to_owned()));
}

#[tokio::test]
async fn readers_cannot_write() {
    let place = Place::new(Kind::Sqlite).await;
    let database = place.open().await;
    let mut reading = database.reading().await.unwrap();
    assert!(USER.bind("A").bind(NOW).execute(&mut reading).await.is_err());
    USER.bind("A").bind(NOW).execute(&database).await.unwrap();
}

#[tokio::test]
async fn a_reading_sees_what_was_written_before_each_statement() {
    let place = Place::new(Kind::Sqlite).await;
    let database = place.open().await;
    let mut reading = database.reading().await.unwrap();
    assert_eq!(USERS.query().fetch_value::<i64>(&mut reading).await.unwrap(), 0);
    USER.bind("A").bind(NOW).execute(&database).await.unwrap();
    assert_eq!(USERS.query().fetch_value::<i64>(&mut reading).await.unwrap(), 1);
}

#[tokio::test]
async fn a_database_in_memory_has_one_connection_for_all() {
    let database = Database::open(&configured(DatabaseUrl::SqliteMemory)).await.unwrap();
    USER.bind("A").bind(NOW).execute(&database).await.unwrap();
    assert_eq!(USERS.query().fetch_value::<i64>(&database).await.unwrap(), 1);
    assert!(matches!(database.reader().await.unwrap(), Connection::Sqlite(_)));
}
