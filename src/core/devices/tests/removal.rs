//! Deletion of devices with messages: what is left, and who may do what with it, when it stops halfway.

use serde_json::{Value, json};

use super::{DEVICE, DEVICES, add, list};
use crate::db::testing::{Kind, Place, on_both_databases};
use crate::db::{Database, Statement};
use crate::testing::{Bench, bearer};

const MESSAGES: &str = "/api/3rdparty/v1/messages";

/// As if the process ended before the last step.
const NO_LAST_STEP: Statement = Statement::of(
    "CREATE TRIGGER stays BEFORE DELETE ON devices BEGIN SELECT RAISE(ABORT, 'stays'); END",
    "CREATE TRIGGER stays BEFORE DELETE ON devices FOR EACH ROW SIGNAL SQLSTATE '45000'",
);
/// As if it ended between two portions of messages.
const NO_SECOND_PORTION: Statement = Statement::of(
    "CREATE TRIGGER stays BEFORE DELETE ON messages \
     WHEN (SELECT COUNT(*) FROM messages WHERE device_id = OLD.device_id) < 70 BEGIN SELECT RAISE(ABORT, 'stays'); END",
    "CREATE TRIGGER stays BEFORE DELETE ON messages FOR EACH ROW \
     IF (SELECT COUNT(*) FROM messages WHERE device_id = OLD.device_id) < 70 THEN SIGNAL SQLSTATE '45000'; END IF",
);
const EVERYTHING: Statement = Statement::same("DROP TRIGGER stays");

async fn run(statement: Statement, database: &Database) {
    statement.query().execute(database).await.unwrap();
}

async fn fill(bench: &Bench, device: &str, messages: i32) {
    let insert = Statement::same("INSERT INTO messages (device_id, ext_id, content, created_at, updated_at) VALUES ?");
    let now = bench.app.now();
    let row = |number: i32| {
        vec![
            device.into(),
            number.to_string().into(),
            "{}".into(),
            now.into(),
            now.into(),
        ]
    };
    let mut change = bench.app.database.begin().await.unwrap();
    let rows = (0..messages).map(row).collect();
    insert.insert_rows(rows, &mut change).await.unwrap();
    change.commit().await.unwrap();
}

async fn left(bench: &Bench, device: &str) -> i64 {
    let count = Statement::same("SELECT COUNT(*) FROM messages WHERE device_id = ?");
    count.bind(device).fetch_value(&bench.app.database).await.unwrap()
}

async fn many_messages_go_before_their_device(kind: Kind) {
    let (bench, phone, _place) = Bench::with_phone(kind).await;
    let (kept, foreign) = (add(&bench, &phone).await, bench.register("{}").await);
    for (device, messages) in [(&phone.id, 120), (&kept, 3), (&foreign.id, 3)] {
        fill(&bench, device, messages).await;
    }
    run(NO_LAST_STEP, &bench.app.database).await;
    let minted = bench.minted(&phone.login);
    let path = format!("{DEVICES}/{}", phone.id);
    assert_eq!(bench.ask("DELETE", &path, &minted).await.status, 500);
    assert_eq!(left(&bench, &phone.id).await, 0, "they went first");
    assert_eq!(list(&bench, &phone).await.as_array().unwrap().len(), 2);

    run(EVERYTHING, &bench.app.database).await;
    assert!(bench.ask("DELETE", &path, &minted).await.is_empty_204());
    assert_eq!(list(&bench, &phone).await.as_array().unwrap().len(), 1);
    let stranger = format!("{DEVICES}/{}", foreign.id);
    assert!(bench.ask("DELETE", &stranger, &minted).await.is_empty_204());
    let others = (left(&bench, &kept).await, left(&bench, &foreign.id).await);
    assert_eq!(others, (3, 3), "nothing of anybody else");
}

async fn between_two_portions_a_device_is_out_already(kind: Kind) {
    let place = Place::new(kind).await;
    let bench = Bench::on(&place).await;
    let phone = bench.register(r#"{"pushToken":"push"}"#).await;
    let kept = add(&bench, &phone).await;
    fill(&bench, &phone.id, 120).await;
    run(NO_SECOND_PORTION, &bench.app.database).await;
    let minted = bench.minted(&phone.login);
    let send = async |body: Value, query: &str| {
        let path = format!("{MESSAGES}{query}");
        bench.tell("POST", &path, &minted, &body.to_string()).await
    };
    let to_any = json!({"message": "x", "phoneNumbers": ["+79990001234"]});
    let mut named = to_any.clone();
    named["deviceId"] = phone.id.as_str().into();
    assert_eq!(send(named.clone(), "").await.status, 202);
    let events = bench.listen(&phone).await;

    let path = format!("{DEVICES}/{}", phone.id);
    assert_eq!(bench.ask("DELETE", &path, &minted).await.status, 500);
    assert_eq!(left(&bench, &phone.id).await, 71, "of 121 the first portion");
    events.end().await;
    // Then as another process would find it, which has only the database.
    for _ in 0..2 {
        let token = bearer(&phone.token);
        assert!(bench.ask("GET", DEVICE, &token).await.json().get("device").is_none());
        let pulled = bench.ask("GET", "/api/mobile/v1/message", &token).await;
        assert_eq!(pulled.refusal(), (401, "Unauthorized".to_owned()));
        let refused = send(named.clone(), "").await;
        let text = "failed to select device: record not found".to_owned();
        assert_eq!(refused.refusal(), (400, text));
        for query in ["", "?deviceActiveWithin=24"].repeat(10) {
            let sent = send(to_any.clone(), query).await;
            assert_eq!((sent.status.as_u16(), &sent.json()["deviceId"]), (202, &json!(kept)));
        }
        bench.app.devices.forget_all();
    }
    let push_tokens = Statement::same("SELECT push_token FROM devices WHERE id = ?").bind(&phone.id);
    let push_token: Option<String> = push_tokens.fetch_value(&bench.app.database).await.unwrap();
    assert_eq!(push_token, None);

    run(EVERYTHING, &bench.app.database).await;
    assert!(bench.ask("DELETE", &path, &minted).await.is_empty_204());
    assert_eq!(list(&bench, &phone).await.as_array().unwrap().len(), 1);
    assert_eq!((left(&bench, &phone.id).await, left(&bench, &kept).await), (0, 40));
}

async fn a_device_with_few_messages_goes_whole_or_not_at_all(kind: Kind) {
    let (bench, phone, _place) = Bench::with_phone(kind).await;
    fill(&bench, &phone.id, 50).await;
    run(NO_LAST_STEP, &bench.app.database).await;
    let minted = bench.minted(&phone.login);
    let path = format!("{DEVICES}/{}", phone.id);
    assert_eq!(bench.ask("DELETE", &path, &minted).await.status, 500);
    assert_eq!(left(&bench, &phone.id).await, 50);
    let shown = bench.ask("GET", DEVICE, &bearer(&phone.token)).await;
    assert_eq!(shown.json()["device"]["id"], phone.id);

    run(EVERYTHING, &bench.app.database).await;
    assert!(bench.ask("DELETE", &path, &minted).await.is_empty_204());
    assert_eq!(left(&bench, &phone.id).await, 0);
}

on_both_databases!(
    many_messages_go_before_their_device,
    between_two_portions_a_device_is_out_already,
    a_device_with_few_messages_goes_whole_or_not_at_all,
);
