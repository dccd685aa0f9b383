//! Tests of what clients and phones see, over the router.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{location, pick};
use crate::db::Statement;
use crate::db::testing::{Kind, on_both_databases};
use crate::testing::{Answer, Bench, Phone, basic, bearer};

const MESSAGES: &str = "/api/3rdparty/v1/messages";
const QUEUE: &str = "/api/mobile/v1/message";

/// A core with one user and one device.
struct Scene {
    bench: Bench,
    phone: Phone,
}

impl Scene {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let phone = bench.register(r#"{"name":"Maker/Model"}"#).await;
        Self { bench, phone }
    }

    fn user(&self) -> String {
        self.bench.minted(&self.phone.login)
    }

    async fn send(&self, body: Value) -> Answer {
        self.bench.tell("POST", MESSAGES, &self.user(), &body.to_string()).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.bench.ask("GET", path, &self.user()).await
    }

    async fn report(&self, body: Value) -> Answer {
        let token = bearer(&self.phone.token);
        self.bench.tell("PATCH", QUEUE, &token, &body.to_string()).await
    }

    async fn pull(&self, query: &str) -> Answer {
        let token = bearer(&self.phone.token);
        self.bench.ask("GET", &format!("{QUEUE}{query}"), &token).await
    }
}

fn hello(id: &str) -> Value {
    json!({"id": id, "textMessage": {"text": "hello"}, "phoneNumbers": ["+79990001234"]})
}

fn refused(status: u16, text: &str) -> (u16, String) {
    (status, text.to_owned())
}

#[tokio::test]
async fn recipients_are_read_in_the_order_of_the_request_until_the_message_changes() {
    let scene = Scene::new().await;
    let mut body = hello("m");
    body["phoneNumbers"] = json!(["+79990001235", "+79990001234"]);
    let accepted = scene.send(body).await;
    let read = async || scene.get("/api/3rdparty/v1/messages/M").await;
    assert_eq!(read().await.body, accepted.body);
    let first = |answer: &Value| answer["recipients"][0]["phoneNumber"].clone();
    assert_eq!(first(&accepted.json()), "+79990001235");
    let list = scene.get("/api/3rdparty/v1/messages").await.json();
    assert_eq!(first(&list[0]), "+79990001234", "the database has them by number");
    let recipients = json!([{"phoneNumber": "+79990001235", "state": "Sent"}]);
    scene
        .report(json!([{"id": "m", "state": "Sent", "recipients": recipients}]))
        .await;
    let changed = read().await.json();
    assert_eq!(
        (first(&changed), &changed["state"]),
        (json!("+79990001234"), &json!("Sent"))
    );
}

#[tokio::test]
async fn an_accepted_message_is_answered_with_its_state_and_its_place() {
    let scene = Scene::new().await;
    let answer = scene
        .send(json!({
            "id": "id with blank/slash?é&%…",
            "textMessage": {"text": "<b>&amp;</b> 😀"},
            "phoneNumbers": ["89990001235", "+7 (999) 000-12-34"],
        }))
        .await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
    assert_eq!(
        answer.header("location"),
        Some("/api/3rdparty/v1/message/id%20with%20blank%2Fslash%3F%C3%A9%26%25%E2%80%A6")
    );
    assert!(answer.body.contains(r"\u003cb\u003e\u0026amp;"), "{answer:?}");
    assert_eq!(
        answer.json(),
        json!({
            "id": "id with blank/slash?é&%…",
            "deviceId": scene.phone.id,
            "state": "Pending",
            "isHashed": false,
            "isEncrypted": false,
            "recipients": [
                {"phoneNumber": "+79990001235", "state": "Pending"},
                {"phoneNumber": "+79990001234", "state": "Pending"},
            ],
            "states": {"Pending": "2026-01-01T00:00:00Z"},
            "textMessage": {"text": "<b>&amp;</b> 😀"},
            "createdAt": "2026-01-01T00:00:00Z",
        })
    );
}

#[tokio::test]
async fn an_id_is_made_where_none_is_given() {
    let scene = Scene::new().await;
    let answer = scene.send(hello("")).await.json();
    let id = answer["id"].as_str().unwrap();
    assert_eq!(id.len(), 21);
    let read = scene.get(&format!("/api/3rdparty/v1/message/{id}")).await;
    assert_eq!(read.json(), answer);
}

#[tokio::test]
async fn the_query_comes_before_the_body_and_the_device_before_the_numbers() {
    let scene = Scene::new().await;
    let path = format!("{MESSAGES}?deviceActiveWithin=-1");
    let answer = scene.bench.tell("POST", &path, &scene.user(), "{").await;
    let (status, text) = answer.refusal();
    assert_eq!(status, 400);
    assert!(text.contains("thirdPartyPostQueryParams.DeviceActiveWithin"), "{text}");

    let no_device = refused(400, "failed to select device: record not found");
    let mut body = hello("x");
    body["deviceId"] = "no-such-device".into();
    body["phoneNumbers"] = json!(["abc"]);
    assert_eq!(scene.send(body.clone()).await.refusal(), no_device);
    body["deviceId"] = scene.phone.id.clone().into();
    assert_eq!(
        scene.send(body).await.refusal(),
        refused(
            400,
            "failed to parse phone number: the phone number supplied is not a number"
        )
    );
}

#[tokio::test]
async fn a_body_has_to_be_json() {
    let scene = Scene::new().await;
    let request = crate::testing::request("POST", MESSAGES, &scene.user());
    let answer = scene.bench.send(request.body("{}".into()).unwrap()).await;
    assert_eq!(
        answer.refusal(),
        refused(400, "failed to parse body: Unprocessable Entity")
    );
    let empty = scene.bench.tell("POST", MESSAGES, &scene.user(), "").await;
    assert_eq!(
        empty.refusal(),
        refused(400, "failed to parse body: unexpected end of JSON input")
    );
}

#[tokio::test]
async fn only_devices_seen_lately_may_be_asked_for() {
    let scene = Scene::new().await;
    scene.bench.hands.advance(std::time::Duration::from_secs(3_601));
    let path = format!("{MESSAGES}?deviceActiveWithin=1");
    let body = hello("x").to_string();
    let answer = scene.bench.tell("POST", &path, &scene.user(), &body).await;
    assert_eq!(
        answer.refusal(),
        refused(400, "failed to select device: record not found")
    );
    let path = format!("{MESSAGES}?deviceActiveWithin=2");
    let answer = scene.bench.tell("POST", &path, &scene.user(), &body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED);
}

async fn a_message_goes_to_a_device_that_is_left(kind: Kind) {
    let (bench, phone, _place) = Bench::with_phone(kind).await;
    let owner = basic(&phone.login, &phone.password);
    let tablet = bench.tell("POST", "/api/mobile/v1/device", &owner, "{}").await;
    let tablet = tablet.json()["id"].as_str().unwrap().to_owned();
    let user = bench.minted(&phone.login);
    let send = async |id: String| bench.tell("POST", MESSAGES, &user, &hello(&id).to_string()).await;
    // Now it is known which devices there are.
    assert_eq!(send("first".to_owned()).await.status, 202);
    // By somebody who does not tell us.
    let delete = Statement::same("DELETE FROM devices WHERE id = ?");
    delete.bind(&phone.id).execute(&bench.app.database).await.unwrap();
    for number in 0..20 {
        let sent = send(format!("m{number}")).await;
        assert_eq!(
            (sent.status.as_u16(), sent.json()["deviceId"].as_str()),
            (202, Some(&*tablet))
        );
    }
    delete.bind(&tablet).execute(&bench.app.database).await.unwrap();
    let refusal = refused(400, "failed to select device: record not found");
    assert_eq!(send("last".to_owned()).await.refusal(), refusal);
}

on_both_databases!(a_message_goes_to_a_device_that_is_left);

#[tokio::test]
async fn an_id_can_be_used_once() {
    let scene = Scene::new().await;
    assert_eq!(scene.send(hello("order-1")).await.status, StatusCode::ACCEPTED);
    let taken = refused(409, "message with the same ID already exists");
    assert_eq!(scene.send(hello("order-1")).await.refusal(), taken);
    assert_eq!(scene.send(hello("ORDER-1")).await.refusal(), taken);
}

#[tokio::test]
async fn nobody_sees_messages_of_others() {
    let scene = Scene::new().await;
    scene.send(hello("mine")).await;
    let other = scene.bench.register("{}").await;
    let other_user = scene.bench.minted(&other.login);
    let path = format!("{MESSAGES}/mine");
    let read = scene.bench.ask("GET", &path, &other_user).await;
    assert_eq!(read.refusal(), refused(404, "message not found"));
    let cancelled = scene.bench.ask("DELETE", &path, &other_user).await;
    assert_eq!(
        cancelled.refusal(),
        refused(404, "failed to cancel message: message not found")
    );
    let listed = scene.bench.ask("GET", MESSAGES, &other_user).await;
    assert_eq!(
        (listed.header("x-total-count"), listed.body.as_str()),
        (Some("0"), "[]")
    );
    for authorization in ["", bearer(&other.token).as_str()] {
        let answer = scene.bench.ask("GET", MESSAGES, authorization).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn a_list_has_a_total_and_no_content() {
    let scene = Scene::new().await;
    for id in ["m1", "m2", "m3"] {
        scene.send(hello(id)).await;
    }
    let answer = scene.get(&format!("{MESSAGES}?limit=1&offset=1")).await;
    assert_eq!(answer.header("x-total-count"), Some("3"));
    let page = answer.json();
    assert_eq!(page.as_array().map(Vec::len), Some(1));
    assert_eq!(page[0]["id"], "m2");
    assert_eq!(page[0].get("textMessage"), None);
    let bad = scene.get(&format!("{MESSAGES}?limit=0")).await;
    assert_eq!(
        bad.refusal(),
        refused(
            400,
            "failed to validate: Key: 'thirdPartyGetQueryParams.Limit' Error:Field validation for 'Limit' failed on \
             the 'min' tag"
        )
    );
}

#[tokio::test]
async fn a_message_goes_to_the_phone_and_its_whole_story_comes_back() {
    let scene = Scene::new().await;
    scene.send(hello("r1")).await;
    assert_eq!(
        scene.pull("").await.json(),
        json!([{
            "id": "r1",
            "message": "hello",
            "textMessage": {"text": "hello"},
            "phoneNumbers": ["+79990001234"],
            "withDeliveryReport": true,
            "state": "Pending",
            "createdAt": "2026-01-01T00:00:00Z",
        }])
    );
    for (state, at) in [
        ("Processed", "2026-01-02T03:04:05.678+03:00"),
        ("Sent", "2026-01-02T00:04:10.5Z"),
    ] {
        let report = json!([{
            "id": "r1",
            "state": state,
            "recipients": [{"phoneNumber": "79990001234", "state": state}],
            "states": {state: at},
        }]);
        assert!(scene.report(report).await.is_empty_204());
    }
    assert_eq!(scene.pull("").await.body, "[]");
    let message = scene.get(&format!("{MESSAGES}/r1")).await.json();
    assert_eq!(
        message["recipients"],
        json!([{"phoneNumber": "+79990001234", "state": "Sent"}])
    );
    assert_eq!(
        message["states"],
        json!({
            "Pending": "2026-01-01T00:00:00Z",
            "Processed": "2026-01-02T00:04:05.678Z",
            "Sent": "2026-01-02T00:04:10.500Z",
        })
    );
}

#[tokio::test]
async fn a_report_is_refused_as_a_whole_or_ignored_alone() {
    let scene = Scene::new().await;
    scene.send(hello("r1")).await;
    let item = |id: &str, state: &str| {
        json!({
            "id": id,
            "state": state,
            "recipients": [{"phoneNumber": "+79990001234", "state": "Failed"}],
        })
    };
    let refusal = scene.report(json!([item("r1", "Failed"), item("", "Failed")])).await;
    assert_eq!(
        refusal.refusal(),
        refused(
            400,
            "failed to validate: Key: '[1].ID' Error:Field validation for 'ID' failed on the 'required' tag"
        )
    );
    let ignored = json!([item("nope", "Failed"), item("r1", "Flying"), item("r1", "Cancelled")]);
    assert!(scene.report(ignored).await.is_empty_204());
    let message = scene.get(&format!("{MESSAGES}/r1")).await.json();
    assert_eq!(message["state"], "Cancelled");
    assert!(scene.report(json!([])).await.is_empty_204());
}

#[tokio::test]
async fn a_message_is_cancelled_once() {
    let scene = Scene::new().await;
    scene.send(hello("c1")).await;
    let path = format!("{MESSAGES}/c1");
    let cancelled = scene.bench.ask("DELETE", &path, &scene.user()).await;
    assert_eq!(cancelled.status, StatusCode::OK);
    let message = cancelled.json();
    assert_eq!(message["state"], "Cancelling");
    assert_eq!(message["states"], json!({"Pending": "2026-01-01T00:00:00Z"}));
    assert_eq!(message["textMessage"], json!({"text": "hello"}));
    assert_eq!(scene.pull("?order=fifo").await.json()[0]["state"], "Cancelling");
    let again = scene.bench.ask("DELETE", &path, &scene.user()).await;
    assert_eq!(
        again.refusal(),
        refused(409, "failed to cancel message: message is not pending")
    );
}

#[tokio::test]
async fn a_queue_is_for_devices_only() {
    let scene = Scene::new().await;
    let refusal = refused(401, "Unauthorized");
    for authorization in [String::new(), scene.user(), bearer("000000000000000000000")] {
        assert_eq!(scene.bench.ask("GET", QUEUE, &authorization).await.refusal(), refusal);
        assert_eq!(
            scene.bench.tell("PATCH", QUEUE, &authorization, "[]").await.refusal(),
            refusal
        );
    }
    let bad_order = scene.pull("?order=LIFO").await;
    assert!(bad_order.refusal().1.contains("'mobileGetQueryParams.Order'"));
}

#[test]
fn every_device_has_the_same_chance() {
    assert_eq!(pick(1, [0xff; 8]), 0);
    assert_eq!(pick(3, [0; 8]), 0);
    assert_eq!(pick(3, [0xff; 8]), 2);
    assert_eq!(pick(2, (1_u64 << 63).to_le_bytes()), 1);
    assert_eq!(pick(2, ((1_u64 << 63) - 1).to_le_bytes()), 0);
}

#[test]
fn a_place_follows_the_public_path() {
    assert_eq!(location("/api", "a"), "/api/3rdparty/v1/message/a");
    assert_eq!(location("/", "../x"), "/3rdparty/v1/message/..%2Fx");
}
