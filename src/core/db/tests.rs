#![expect(clippy::unwrap_used, reason = "tests")]

use std::{fs, os::unix::fs::PermissionsExt};

use sqlx::Row;

use super::*;

fn at(folder: &tempfile::TempDir) -> DatabaseUrl {
    DatabaseUrl::Sqlite(folder.path().join("made/for/it/core.db"))
}

#[tokio::test]
async fn folder_and_files_are_made_for_us_alone() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&at(&folder)).await.unwrap();
    let made = folder.path().join("made/for/it");
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
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&at(&folder)).await.unwrap();
    let row = sqlx::query("PRAGMA synchronous")
        .fetch_one(database.writer())
        .await
        .unwrap();
    assert_eq!(row.get::<i64, _>(0), 2, "FULL");
    let row = sqlx::query("PRAGMA journal_mode")
        .fetch_one(database.writer())
        .await
        .unwrap();
    assert_eq!(row.get::<String, _>(0), "wal");
}

#[tokio::test]
async fn readers_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&at(&folder)).await.unwrap();
    let write = "INSERT INTO users (id, password_hash, created_at, updated_at) VALUES ('A', '', 0, 0)";
    assert!(sqlx::query(write).execute(database.reader()).await.is_err());
    sqlx::query(write).execute(database.writer()).await.unwrap();
    let seen = sqlx::query("SELECT id FROM users WHERE id = 'a'").fetch_all(database.reader());
    assert_eq!(seen.await.unwrap().len(), 1, "compared without case");
}

#[tokio::test]
async fn what_was_written_is_there_when_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&at(&folder)).await.unwrap();
    fill(&database).await;
    database.close().await;
    let database = Database::open(&at(&folder)).await.unwrap();
    assert_eq!(count(&database).await, [1; 8]);
}

#[tokio::test]
async fn a_user_takes_everything_along() {
    let database = Database::open(&DatabaseUrl::SqliteMemory).await.unwrap();
    fill(&database).await;
    assert_eq!(count(&database).await, [1; 8]);
    sqlx::query("DELETE FROM users")
        .execute(database.writer())
        .await
        .unwrap();
    assert_eq!(count(&database).await, [0; 8]);
}

#[tokio::test]
async fn a_device_takes_its_messages_and_webhooks_along() {
    let database = Database::open(&DatabaseUrl::SqliteMemory).await.unwrap();
    fill(&database).await;
    sqlx::query("DELETE FROM devices")
        .execute(database.writer())
        .await
        .unwrap();
    // users, devices, messages, recipients, states, webhooks, settings, tokens
    assert_eq!(count(&database).await, [1, 0, 0, 0, 0, 0, 1, 1]);
}

#[tokio::test]
async fn what_must_be_unique_is() {
    let database = Database::open(&DatabaseUrl::SqliteMemory).await.unwrap();
    fill(&database).await;
    for again in [
        "INSERT INTO users (id, password_hash, created_at, updated_at) VALUES ('u', '', 0, 0)",
        "INSERT INTO devices (id, auth_token, user_id, last_seen, created_at, updated_at) \
         VALUES ('e', 't', 'U', 0, 0, 0)",
        "INSERT INTO messages (device_id, ext_id, content, created_at, updated_at) \
         VALUES ('d', 'x', '', 0, 0)",
        "INSERT INTO message_recipients (message_id, phone_number) VALUES (1, '+7')",
        "INSERT INTO message_states (message_id, state, updated_at) VALUES (1, 'Pending', 1)",
        "INSERT INTO webhooks (ext_id, user_id, url, event, created_at, updated_at) \
         VALUES ('w', 'u', '', '', 0, 0)",
    ] {
        let refused = sqlx::query(again).execute(database.writer()).await.unwrap_err();
        let unique = refused.as_database_error().unwrap().is_unique_violation();
        assert!(unique, "{again}: {refused}");
    }
}

#[tokio::test]
async fn what_belongs_to_nobody_is_refused() {
    let database = Database::open(&DatabaseUrl::SqliteMemory).await.unwrap();
    let orphan = "INSERT INTO devices (id, auth_token, user_id, last_seen, created_at, updated_at) \
                  VALUES ('d', 't', 'U', 0, 0, 0)";
    let refused = sqlx::query(orphan).execute(database.writer()).await.unwrap_err();
    assert!(refused.as_database_error().unwrap().is_foreign_key_violation());
}

/// One row in every table.
async fn fill(database: &Database) {
    for statement in [
        "INSERT INTO users (id, password_hash, created_at, updated_at) VALUES ('U', '', 0, 0)",
        "INSERT INTO devices (id, auth_token, user_id, last_seen, created_at, updated_at) \
         VALUES ('d', 't', 'u', 0, 0, 0)",
        "INSERT INTO messages (id, device_id, ext_id, content, created_at, updated_at) \
         VALUES (1, 'd', 'x', '', 0, 0)",
        "INSERT INTO message_recipients (message_id, phone_number) VALUES (1, '+7')",
        "INSERT INTO message_states (message_id, state, updated_at) VALUES (1, 'Pending', 0)",
        "INSERT INTO webhooks (ext_id, user_id, device_id, url, event, created_at, updated_at) \
         VALUES ('w', 'U', 'd', '', '', 0, 0)",
        "INSERT INTO device_settings (user_id, settings, created_at, updated_at) VALUES ('U', '{}', 0, 0)",
        "INSERT INTO tokens (id, user_id, expires_at, created_at, updated_at) VALUES ('j', 'U', 0, 0, 0)",
    ] {
        sqlx::query(statement).execute(database.writer()).await.unwrap();
    }
}

/// How many rows each table has.
async fn count(database: &Database) -> [i64; 8] {
    let row = sqlx::query(
        "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM devices), \
         (SELECT count(*) FROM messages), (SELECT count(*) FROM message_recipients), \
         (SELECT count(*) FROM message_states), (SELECT count(*) FROM webhooks), \
         (SELECT count(*) FROM device_settings), (SELECT count(*) FROM tokens)",
    )
    .fetch_one(database.reader())
    .await
    .unwrap();
    std::array::from_fn(|column| row.get(column))
}
