//! What holds for either kind of database. What is special about one is in `tests/`.

#![expect(clippy::unwrap_used, reason = "tests")]

mod file;
mod reference;
mod server;

use std::time::Duration;

use super::{
    testing::{Kind, Place, on_both_databases},
    *,
};
use crate::Timestamp;

const USERS: Statement = Statement::same("SELECT count(*) FROM users");
const USER: Statement =
    Statement::same("INSERT INTO users (id, password_hash, created_at, updated_at) VALUES (?1, '', ?2, ?2)");

const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_123);

async fn what_was_written_is_there_when_opened_again(kind: Kind) {
    let place = Place::new(kind).await;
    let database = place.open().await;
    fill(&database).await;
    database.close().await;
    assert!(database.ping().await.is_err(), "closed");
    let database = place.open().await;
    assert_eq!(count(&database).await, [1; 8]);
}

async fn a_user_takes_everything_along(kind: Kind) {
    let place = Place::new(kind).await;
    let database = place.open().await;
    fill(&database).await;
    let delete = Statement::same("DELETE FROM users").query();
    assert_eq!(delete.execute(&database).await.unwrap().rows, 1);
    assert_eq!(count(&database).await, [0; 8]);
}

async fn a_device_takes_its_messages_and_webhooks_along(kind: Kind) {
    let place = Place::new(kind).await;
    let database = place.open().await;
    fill(&database).await;
    let delete = Statement::same("DELETE FROM devices").query();
    delete.execute(&database).await.unwrap();
    // users, devices, messages, recipients, states, webhooks, settings, tokens
    assert_eq!(count(&database).await, [1, 0, 0, 0, 0, 0, 1, 1]);
}

async fn what_must_be_unique_is(kind: Kind) {
    let place = Place::new(kind).await;
    let database = place.open().await;
    fill(&database).await;
    for again in [
        "INSERT INTO users (id, password_hash, created_at, updated_at) VALUES ('u', '', ?1, ?1)",
        "INSERT INTO devices (id, auth_token, user_id, last_seen, created_at, updated_at) \
         VALUES ('e', 't', 'U', ?1, ?1, ?1)",
        "INSERT INTO messages (device_id, ext_id, content, created_at, updated_at) VALUES ('d', 'X', '', ?1, ?1)",
        "INSERT INTO message_recipients (message_id, phone_number) VALUES (1, '+7')",
        "INSERT INTO message_states (message_id, state, updated_at) VALUES (1, 'Pending', ?1)",
        "INSERT INTO webhooks (ext_id, user_id, url, event, created_at, updated_at) VALUES ('w', 'u', '', '', ?1, ?1)",
    ] {
        let mut insert = Statement::same(again).query();
        if again.contains("?1") {
            insert = insert.bind(NOW);
        }
        let refused = insert.execute(&database).await.unwrap_err();
        assert!(refused.is_unique_violation(), "{again}: {refused}");
        assert!(!refused.is_foreign_key_violation(), "{again}: {refused}");
    }
}

async fn what_belongs_to_nobody_is_refused(kind: Kind) {
    let place = Place::new(kind).await;
    let database = place.open().await;
    let orphan = Statement::same(
        "INSERT INTO devices (id, auth_token, user_id, last_seen, created_at, updated_at) \
         VALUES ('d', 't', 'U', ?1, ?1, ?1)",
    );
    let refused = orphan.bind(NOW).execute(&database).await.unwrap_err();
    assert!(refused.is_foreign_key_violation() && !refused.is_unique_violation());
}

async fn logins_are_compared_without_case(kind: Kind) {
    let place = Place::new(kind).await;
    let database = place.open().await;
    USER.bind("Alice").bind(NOW).execute(&database).await.unwrap();
    let find = Statement::same("SELECT id FROM users WHERE id = ?").bind("aLICE");
    assert_eq!(find.fetch_value::<String>(&database).await.unwrap(), "Alice");
}

async fn what_is_not_committed_did_not_happen(kind: Kind) {
    let place = Place::new(kind).await;
    let database = place.open().await;
    let mut change = database.begin().await.unwrap();
    USER.bind("A").bind(NOW).execute(&mut change).await.unwrap();
    assert_eq!(USERS.query().fetch_value::<i64>(&mut change).await.unwrap(), 1);
    drop(change);

    // A user who goes away in the middle of a statement.
    let mut change = database.begin().await.unwrap();
    let statement = USER.bind("B").bind(NOW).execute(&mut change);
    let _ = tokio::time::timeout(Duration::ZERO, statement).await;
    drop(change);

    let mut change = database.begin().await.unwrap();
    assert_eq!(USERS.query().fetch_value::<i64>(&mut change).await.unwrap(), 0);
    USER.bind("C").bind(NOW).execute(&mut change).await.unwrap();
    change.commit().await.unwrap();
    assert_eq!(USERS.query().fetch_value::<i64>(&database).await.unwrap(), 1);
}

async fn a_failed_statement_leaves_its_change_usable(kind: Kind) {
    let place = Place::new(kind).await;
    let database = place.open().await;
    let mut change = database.begin().await.unwrap();
    USER.bind("A").bind(NOW).execute(&mut change).await.unwrap();
    assert!(USER.bind("a").bind(NOW).execute(&mut change).await.is_err());
    change.commit().await.unwrap();
    assert_eq!(USERS.query().fetch_value::<i64>(&database).await.unwrap(), 1);
}

async fn values_come_out_as_they_went_in(kind: Kind) {
    let place = Place::new(kind).await;
    let database = place.open().await;
    fill(&database).await;
    let text = "é'\"\\%\u{0}😀";
    let update = Statement::same(
        "UPDATE messages SET content = ?, priority = ?, sim_number = ?, is_hashed = ?, valid_until = ?, schedule_at = ?",
    );
    let update = update.bind(text).bind(-128_i8).bind(255_u8).bind(true);
    let update = update.bind(Timestamp::LAST).bind(None::<Timestamp>);
    assert_eq!(update.execute(&database).await.unwrap().rows, 1);
    let row = Statement::same("SELECT * FROM messages")
        .query()
        .fetch_optional(&database)
        .await;
    let row = row.unwrap().unwrap();
    assert_eq!(row.text("content").unwrap(), text);
    assert_eq!(row.get::<i8>("priority").unwrap(), -128);
    assert_eq!(row.get::<Option<u8>>("sim_number").unwrap(), Some(255));
    assert!(row.get::<bool>("is_hashed").unwrap());
    assert_eq!(row.get::<i64>("id").unwrap(), 1);
    assert_eq!(
        row.get::<Option<Timestamp>>("valid_until").unwrap(),
        Some(Timestamp::LAST)
    );
    assert_eq!(row.get::<Option<Timestamp>>("schedule_at").unwrap(), None);
    assert_eq!(row.get::<Timestamp>("created_at").unwrap(), NOW);
}

async fn a_list_holds_any_number_of_values(kind: Kind) {
    let place = Place::new(kind).await;
    let database = place.open().await;
    let rows = (0..130).map(|number| vec![Value::from(format!("U{number}")), "".into(), NOW.into(), NOW.into()]);
    let insert = Statement::same("INSERT INTO users (id, password_hash, created_at, updated_at) VALUES ?");
    let mut change = database.begin().await.unwrap();
    insert.insert_rows(rows.collect(), &mut change).await.unwrap();
    change.commit().await.unwrap();

    let find = Statement::same("SELECT id FROM users WHERE id IN (?2) AND created_at = ?1 ORDER BY created_at, id");
    for wanted in [0, 1, 2, 3, 5, 100, 130] {
        let ids: Vec<String> = (0..wanted).map(|number| format!("U{number}")).collect();
        let found = find
            .bind(NOW)
            .bind_list(&ids)
            .fetch_column::<String>(&database)
            .await
            .unwrap();
        assert_eq!(found.len(), wanted);
    }
}

async fn rows_come_in_one_as_they_would_come_alone(kind: Kind) {
    let place = Place::new(kind).await;
    let database = place.open().await;
    fill(&database).await;
    let text: String = (0..=127).map(char::from).chain("é\u{2028}\u{ffff}😀".chars()).collect();
    let update = Statement::same("UPDATE messages SET content = ?, priority = ?, sim_number = ?, valid_until = ?");
    let update = update.bind(&text).bind(-128_i8).bind(255_u8).bind(Timestamp::LAST);
    update.execute(&database).await.unwrap();

    let find = Statement::same(
        "SELECT id, content, priority, sim_number, is_hashed, valid_until, schedule_at FROM messages WHERE id IN (?)",
    );
    let packed = find.packed("id, content, priority, sim_number, is_hashed, valid_until, schedule_at");
    for find in [find, packed] {
        let rows = find.bind_list([1, 2]).fetch_all(&database).await.unwrap();
        assert_eq!(rows.len(), 1);
        let row = rows.first().unwrap();
        assert_eq!(row.text("content").unwrap(), text);
        assert_eq!(row.get::<String>("content").unwrap(), text);
        assert_eq!(row.get::<i8>("priority").unwrap(), -128);
        assert_eq!(row.get::<Option<u8>>("sim_number").unwrap(), Some(255));
        assert!(!row.get::<bool>("is_hashed").unwrap());
        assert_eq!(row.get::<Timestamp>("valid_until").unwrap(), Timestamp::LAST);
        assert_eq!(row.get::<Option<Timestamp>>("schedule_at").unwrap(), None);
        assert_eq!(
            find.bind_list([1, 2]).fetch_column::<i64>(&database).await.unwrap(),
            [1]
        );
        assert!(row.get::<i64>("nothing").is_err());
        assert!(find.bind_list([2, 3]).fetch_all(&database).await.unwrap().is_empty());
    }
    let row = packed.bind_list([1]).fetch_one(&database).await.unwrap();
    if kind == Kind::Sqlite {
        assert!(row.get::<i64>("content").is_err() && row.get::<i8>("sim_number").is_err());
    }
}

on_both_databases!(
    what_was_written_is_there_when_opened_again,
    a_user_takes_everything_along,
    a_device_takes_its_messages_and_webhooks_along,
    what_must_be_unique_is,
    what_belongs_to_nobody_is_refused,
    logins_are_compared_without_case,
    what_is_not_committed_did_not_happen,
    a_failed_statement_leaves_its_change_usable,
    values_come_out_as_they_went_in,
    rows_come_in_one_as_they_would_come_alone,
    a_list_holds_any_number_of_values,
);

/// One row in every table.
async fn fill(database: &Database) {
    for statement in [
        "INSERT INTO users (id, password_hash, created_at, updated_at) VALUES ('U', '', ?1, ?1)",
        "INSERT INTO devices (id, auth_token, user_id, last_seen, created_at, updated_at) \
         VALUES ('d', 't', 'u', ?1, ?1, ?1)",
        "INSERT INTO messages (id, device_id, ext_id, content, created_at, updated_at) \
         VALUES (1, 'd', 'x', '', ?1, ?1)",
        "INSERT INTO message_recipients (message_id, phone_number) SELECT 1, '+7' WHERE ?1 IS NOT NULL",
        "INSERT INTO message_states (message_id, state, updated_at) VALUES (1, 'Pending', ?1)",
        "INSERT INTO webhooks (ext_id, user_id, device_id, url, event, created_at, updated_at) \
         VALUES ('w', 'U', 'd', '', '', ?1, ?1)",
        "INSERT INTO device_settings (user_id, settings, created_at, updated_at) VALUES ('U', '{}', ?1, ?1)",
        "INSERT INTO tokens (id, user_id, expires_at, created_at, updated_at) VALUES ('j', 'U', ?1, ?1, ?1)",
    ] {
        let done = Statement::same(statement).bind(NOW).execute(database).await.unwrap();
        assert_eq!(done.rows, 1, "{statement}");
    }
}

/// How many rows each table has.
async fn count(database: &Database) -> [i64; 8] {
    let row = Statement::same(
        "SELECT (SELECT count(*) FROM users) AS c0, (SELECT count(*) FROM devices) AS c1, \
         (SELECT count(*) FROM messages) AS c2, (SELECT count(*) FROM message_recipients) AS c3, \
         (SELECT count(*) FROM message_states) AS c4, (SELECT count(*) FROM webhooks) AS c5, \
         (SELECT count(*) FROM device_settings) AS c6, (SELECT count(*) FROM tokens) AS c7",
    );
    let row = row.query().fetch_optional(database).await.unwrap().unwrap();
    std::array::from_fn(|column| row.get(&format!("c{column}")).unwrap())
}
