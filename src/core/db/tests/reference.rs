//! Can a database go from the reference server to us and back? `tests/conformance/database/` has one, with what that
//! server answered on it.

#![expect(clippy::indexing_slicing, reason = "tests")]

use serde_json::{Value, json};

use crate::{
    config::{self, DatabaseUrl},
    db::{
        Database, Statement,
        testing::{Kind, MariaDb, Place, configured},
    },
    testing::{Bench, bearer},
};

const DUMP: &str = include_str!("../../../../tests/conformance/database/smsgate-1.47.1.sql");
const PEOPLE: &str = include_str!("../../../../tests/conformance/database/people.json");
const ANSWERS: &str = include_str!("../../../../tests/conformance/database/answers.json");

/// Everything that the tables are, without our indexes: a line for each column, part of an index, reference and check.
pub(super) const SCHEMA: Statement = Statement::same(
    "SELECT CONCAT_WS(' ', table_name, ordinal_position, column_name, column_type, is_nullable, column_default, \
     character_set_name, collation_name, extra) AS line \
     FROM information_schema.columns WHERE table_schema = DATABASE() \
     UNION ALL SELECT CONCAT_WS(' ', table_name, index_name, seq_in_index, column_name, non_unique, collation, index_type) \
     FROM information_schema.statistics WHERE table_schema = DATABASE() AND index_name NOT LIKE 'gateward%' \
     UNION ALL SELECT CONCAT_WS(' ', table_name, constraint_name, referenced_table_name, delete_rule, update_rule) \
     FROM information_schema.referential_constraints WHERE constraint_schema = DATABASE() \
     UNION ALL SELECT CONCAT_WS(' ', table_name, constraint_name, check_clause) \
     FROM information_schema.check_constraints WHERE constraint_schema = DATABASE() \
     UNION ALL SELECT CONCAT_WS(' ', table_name, engine, table_collation) \
     FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY line",
);
const OURS: Statement = Statement::same(
    "SELECT DISTINCT index_name AS name FROM information_schema.statistics \
     WHERE table_schema = DATABASE() AND index_name LIKE 'gateward%' ORDER BY name",
);
const VERSIONS: Statement =
    Statement::same("SELECT CONCAT_WS(' ', id, version_id, is_applied) FROM goose_db_version ORDER BY id");

/// The reference's database, not opened yet.
async fn loaded() -> config::Database {
    let server = MariaDb::shared();
    let place = configured(DatabaseUrl::MySql(server.create().await));
    server.run(&place, DUMP).await;
    place
}

async fn lines(database: &Database, statement: Statement) -> Vec<String> {
    statement.query().fetch_column(database).await.unwrap()
}

#[tokio::test]
async fn a_new_database_is_like_one_of_the_reference() {
    let place = Place::new(Kind::MariaDb).await;
    let (new, reference) = (place.open().await, Database::open(&loaded().await).await.unwrap());
    for statement in [SCHEMA, VERSIONS, OURS] {
        assert_eq!(lines(&new, statement).await, lines(&reference, statement).await);
    }
    assert_eq!(lines(&new, OURS).await.len(), 3);
}

#[tokio::test]
async fn a_database_of_the_reference_gives_its_answers() {
    let place = loaded().await;
    let bench = Bench::with(|config| config.database = place).await;
    let (people, answers): (Value, Vec<Value>) = (
        serde_json::from_str(PEOPLE).unwrap(),
        serde_json::from_str(ANSWERS).unwrap(),
    );
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    for expected in &answers {
        let authorization = match text(&expected["as"]).split_once(' ') {
            None => {
                let user = &people["users"][text(&expected["as"])];
                // Passwords are the sidecar's to ask for; here they only have to be right.
                let (login, password) = (text(&user["login"]), text(&user["password"]));
                let known = bench.app.users.log_in(&login, &password).await.unwrap();
                bench.minted(known.unwrap().as_str())
            }
            Some((_, device)) => bearer(&text(&people["devices"][device]["token"])),
        };
        let request = text(&expected["request"]);
        let (method, path) = request.split_once(' ').unwrap();
        let answer = bench.ask(method, path, &authorization).await;
        assert_eq!(answer.status.as_u16(), expected["status"], "{request}: {answer:?}");
        if let Some(total) = expected.get("total") {
            assert_eq!(
                answer.header("x-total-count"),
                Some(total.to_string().as_str()),
                "{request}"
            );
        }
        let expected = expected.get("ours").unwrap_or(expected);
        let (mut body, mut expected) = (answer.json(), expected["body"].clone());
        settle(&mut body);
        settle(&mut expected);
        // What we say beyond the reference is as good.
        assert_eq!(difference(&body, &expected, &request), None);
    }
}

#[tokio::test]
async fn the_reference_can_go_on_with_what_we_wrote() {
    let place = loaded().await;
    let before = Database::open(&place).await.unwrap();
    let (schema, versions) = (lines(&before, SCHEMA).await, lines(&before, VERSIONS).await);
    before.close().await;

    let bench = Bench::with(|config| config.database = place).await;
    let people: Value = serde_json::from_str(PEOPLE).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let device = bearer(&text(&people["devices"]["a"]["token"]));
    let login = text(&people["users"]["a"]["login"]);
    let user = bench.minted(&login);
    let new = json!({"id": "new", "message": "hello", "phoneNumbers": ["+79990001234"], "priority": 127,
        "scheduleAt": "2027-01-01T00:00:00.999Z", "validUntil": "2027-02-01T00:00:00.123Z", "simNumber": 3});
    let report = json!([{"id": "seed-pending", "state": "Failed", "states": {"Failed": "2026-11-22T00:00:00.5Z"},
        "recipients": [{"phoneNumber": "+79990001001", "state": "Failed", "error": "no service"}]}]);
    let webhook = json!({"id": "hook-all", "url": "https://example.com/other", "event": "sms:sent"});
    let settings = json!({"ping": {"interval_seconds": 30}});
    let password = json!({"currentPassword": people["users"]["a"]["password"], "newPassword": "another-password"});
    for (method, path, authorization, body, status) in [
        ("POST", "/api/3rdparty/v1/messages", &user, &new, 202),
        ("PATCH", "/api/mobile/v1/message", &device, &report, 204),
        ("POST", "/api/3rdparty/v1/webhooks", &user, &webhook, 201),
        ("PATCH", "/api/3rdparty/v1/settings", &user, &settings, 200),
        ("PATCH", "/api/mobile/v1/user/password", &device, &password, 204),
    ] {
        let answer = bench.tell(method, path, authorization, &body.to_string()).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {answer:?}");
    }
    let gone = bench
        .ask("DELETE", "/api/3rdparty/v1/webhooks/hook-device", &user)
        .await;
    assert!(gone.is_empty_204(), "{gone:?}");
    bench.register("{}").await;

    let database = &bench.app.database;
    assert_eq!(lines(database, SCHEMA).await, schema);
    assert_eq!(lines(database, VERSIONS).await, versions);
    let row = |text: &'static str| async move { lines(database, Statement::same(text)).await };
    assert_eq!(
        row(
            "SELECT CONCAT_WS(' ', state, type, content, schedule_at, valid_until, sim_number, priority, is_hashed, \
             is_encrypted, with_delivery_report, deleted_at IS NULL) FROM messages WHERE ext_id = 'new'"
        )
        .await,
        [r#"Pending Text {"text":"hello"} 2027-01-01 00:00:00 2027-02-01 00:00:00.123 3 127 0 0 1 1"#]
    );
    assert_eq!(
        row(
            "SELECT CONCAT_WS(' ', r.phone_number, r.state, s.state, s.updated_at = m.created_at) FROM messages m \
             JOIN message_recipients r ON r.message_id = m.id JOIN message_states s ON s.message_id = m.id \
             WHERE m.ext_id = 'new'"
        )
        .await,
        ["+79990001234 Pending Pending 1"]
    );
    assert_eq!(
        row("SELECT CONCAT_WS(' ', r.state, r.error, s.updated_at) FROM messages m \
             JOIN message_recipients r ON r.message_id = m.id \
             JOIN message_states s ON s.message_id = m.id AND s.state = 'Failed' WHERE m.ext_id = 'seed-pending'")
        .await,
        ["Failed no service 2026-11-22 00:00:00.500"]
    );
    assert_eq!(
        row("SELECT url FROM webhooks WHERE ext_id = 'hook-all'").await,
        ["https://example.com/other"]
    );
    assert_eq!(
        row("SELECT JSON_VALUE(settings, '$.ping.interval_seconds') FROM device_settings").await,
        ["30"]
    );
    assert!(
        row("SELECT id FROM tokens WHERE user_id = 'HAGVNF' AND revoked_at IS NULL")
            .await
            .is_empty()
    );
}

/// Takes out what depends on the time of asking, writes times in one way, and puts recipients into one order: that
/// server gave those of one message now in this, now in that.
fn settle(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("ttl");
            fields.values_mut().for_each(settle);
            if let Some(Value::Array(recipients)) = fields.get_mut("recipients") {
                recipients.sort_by_key(|recipient| recipient["phoneNumber"].to_string());
            }
        }
        Value::Array(values) => values.iter_mut().for_each(settle),
        Value::String(text) => {
            let time = text.strip_suffix('Z').and_then(|time| time.split_once('.'));
            if let Some((seconds, fraction)) = time {
                // What it still had in its cache is finer than what it stores.
                *text = format!("{seconds}.{fraction:0<3.3}Z");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Where something else is than expected, or something is missing; objects may have more.
fn difference(value: &Value, expected: &Value, place: &str) -> Option<String> {
    match (value, expected) {
        (Value::Object(value), Value::Object(expected)) => expected.iter().find_map(|(name, expected)| {
            let value = value.get(name).unwrap_or(&Value::Null);
            difference(value, expected, &format!("{place}.{name}"))
        }),
        (Value::Array(values), Value::Array(expected)) if values.len() == expected.len() => {
            let pairs = values.iter().zip(expected).enumerate();
            pairs
                .into_iter()
                .find_map(|(index, (value, expected))| difference(value, expected, &format!("{place}[{index}]")))
        }
        _ if value == expected => None,
        _ => Some(format!("{place} is {value} rather than {expected}")),
    }
}
