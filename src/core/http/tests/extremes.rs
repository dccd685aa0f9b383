//! What is odd and allowed goes through; what makes no sense changes nothing.

use axum::body::Body;
use serde_json::{Value, json};

use crate::testing::{Bench, Phone, bearer, request};

const MESSAGES: &str = "/api/3rdparty/v1/messages";
const WEBHOOKS: &str = "/api/3rdparty/v1/webhooks";
const QUEUE: &str = "/api/mobile/v1/message";
const DEVICE: &str = "/api/mobile/v1/device";

struct Scene {
    bench: Bench,
    phone: Phone,
}

impl Scene {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let phone = bench
            .register(r#"{"name":"Maker/Model","simCards":[{"slotIndex":0,"simNumber":1}]}"#)
            .await;
        Self { bench, phone }
    }

    async fn get(&self, path: &str) -> crate::testing::Answer {
        self.bench.ask("GET", path, &self.bench.minted(&self.phone.login)).await
    }

    async fn post(&self, path: &str, body: &Value) -> crate::testing::Answer {
        let minted = self.bench.minted(&self.phone.login);
        self.bench.tell("POST", path, &minted, &body.to_string()).await
    }

    async fn send(&self, id: &str, numbers: &[String]) {
        let body = json!({"id": id, "textMessage": {"text": "hello"}, "phoneNumbers": numbers});
        let answer = self.post(MESSAGES, &body).await;
        assert_eq!(answer.status, 202, "{id:?}: {answer:?}");
        assert_eq!(answer.json()["id"], id);
    }

    async fn pull(&self) -> Value {
        self.bench.ask("GET", QUEUE, &bearer(&self.phone.token)).await.json()
    }

    /// Everything that a phone could have changed.
    async fn everything(&self) -> [Value; 3] {
        [
            self.get(&format!("{MESSAGES}?includeContent=true")).await.json(),
            self.get("/api/3rdparty/v1/devices").await.json(),
            self.pull().await,
        ]
    }
}

fn number(last: usize) -> String {
    format!("+7999000{last:04}")
}

/// Every printable character of ASCII, and some of other kinds.
fn characters() -> impl Iterator<Item = char> {
    (' '..='~').chain("\t\u{7f}\u{a0}éß中😀\u{301}\u{202e}\u{fffd}".chars())
}

#[tokio::test]
async fn ids_may_have_every_character() {
    let scene = Scene::new().await;
    for (index, character) in characters().enumerate() {
        let id = format!("{index}{character}x");
        scene.send(&id, &[number(index)]).await;
        let segment = crate::http::segment(&id).to_string();
        let read = scene.get(&format!("{MESSAGES}/{segment}")).await;
        if character == '/' {
            // An encoded slash separates segments all the same (WIRE §1.3).
            assert_eq!(read.status, 404);
        } else {
            assert_eq!(read.json()["id"], id);
        }

        let body = json!({"id": id, "url": "https://example.com/hook", "event": "sms:sent"});
        assert_eq!(scene.post(WEBHOOKS, &body).await.json()["id"], id);
        if character != '/' {
            let minted = scene.bench.minted(&scene.phone.login);
            let gone = scene
                .bench
                .ask("DELETE", &format!("{WEBHOOKS}/{segment}"), &minted)
                .await;
            assert!(gone.is_empty_204());
        }
    }
    let left = scene.get(WEBHOOKS).await.json();
    assert_eq!(
        left.as_array().unwrap().len(),
        1,
        "all but the one with the slash: {left}"
    );
    let total = scene.get(MESSAGES).await;
    assert_eq!(
        total.header("x-total-count"),
        Some(characters().count().to_string().as_str())
    );
}

#[tokio::test]
async fn a_message_has_100_recipients_at_most() {
    let scene = Scene::new().await;
    let numbers: Vec<String> = (0..100).map(number).collect();
    scene.send("many", &numbers).await;
    let queue = scene.pull().await;
    assert_eq!(queue[0]["phoneNumbers"], json!(numbers));
    let recipients: Vec<Value> = numbers
        .iter()
        .map(|n| json!({"phoneNumber": n, "state": "Sent"}))
        .collect();
    let report = json!([{"id": "many", "state": "Sent", "recipients": recipients}]).to_string();
    let token = bearer(&scene.phone.token);
    assert!(scene.bench.tell("PATCH", QUEUE, &token, &report).await.is_empty_204());
    let read = scene.get(&format!("{MESSAGES}/many")).await.json();
    assert_eq!(read["recipients"], json!(recipients));

    let numbers: Vec<String> = (0..101).map(number).collect();
    let body = json!({"id": "more", "textMessage": {"text": "hello"}, "phoneNumbers": numbers});
    let text = "failed to validate: Key: 'Message.PhoneNumbers' Error:Field validation for 'PhoneNumbers' failed on the \
                'max' tag";
    assert_eq!(scene.post(MESSAGES, &body).await.refusal(), (400, text.to_owned()));
}

#[tokio::test]
async fn a_phone_that_reports_nonsense_changes_nothing() {
    let scene = Scene::new().await;
    let stranger = scene.bench.register("{}").await;
    scene.send("m1", &[number(1)]).await;
    let before = scene.everything().await;
    let report = |id: &str, state: &str, number: &str, time: &str| {
        json!([{
            "id": id, "state": state, "recipients": [{"phoneNumber": number, "state": state}], "states": {state: time},
        }])
        .to_string()
    };
    let (one, now) = (number(1), "2026-01-01T00:00:00Z");
    let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        "",
        "null",
        "{}",
        "[]",
        "[null]",
        "[[]]",
        "[1]",
        "\"m1\"",
        "[{}]",
        "{\"id\":",
        r#"[{"id":"m1"}]"#,
        r#"[{"id":"m1","state":"Sent"}]"#,
        r#"[{"id":"m1","state":"Sent","recipients":[]}]"#,
        r#"[{"id":"m1","state":"Sent","recipients":[{}]}]"#,
        r#"[{"id":["m1"],"state":"Sent","recipients":[{"phoneNumber":"+79990000001","state":"Sent"}]}]"#,
        &deep,
        &report("", "Sent", &one, now),
        &report("nope", "Sent", &one, now),
        &report(&"m".repeat(37), "Sent", &one, now),
        &report("m1", "", &one, now),
        &report("m1", "sent", &one, now),
        &report("m1", "Flying", &one, now),
        &report("m1", "Sent", "", now),
        &report("m1", "Sent", &"1".repeat(129), now),
        &report("m1", "Sent", &one, "yesterday"),
        &report("m1", "Sent", &one, "2026-13-01T00:00:00Z"),
    ] {
        let answer = scene
            .bench
            .tell("PATCH", QUEUE, &bearer(&scene.phone.token), body)
            .await;
        assert!(matches!(answer.status.as_u16(), 204 | 400), "{body}: {answer:?}");
        assert_eq!(scene.everything().await, before, "{body}");
    }
    let good = report("m1", "Sent", &one, now);
    let answer = scene.bench.tell("PATCH", QUEUE, &bearer(&stranger.token), &good).await;
    assert!(answer.is_empty_204(), "somebody else's message");
    assert_eq!(scene.everything().await, before);
    let plain = request("PATCH", QUEUE, &bearer(&scene.phone.token)).body(Body::from(good.clone()));
    assert_eq!(
        scene.bench.send(plain.unwrap()).await.status,
        400,
        "it does not say that it is JSON"
    );
    assert_eq!(scene.everything().await, before);
    scene
        .bench
        .tell("PATCH", QUEUE, &bearer(&scene.phone.token), &good)
        .await;
    assert_ne!(
        scene.everything().await,
        before,
        "what makes sense does change something"
    );
}

#[tokio::test]
async fn a_phone_that_says_nonsense_about_itself_changes_nothing() {
    let scene = Scene::new().await;
    let before = scene.everything().await;
    let id = scene.phone.id.as_str();
    for body in [
        json!([]),
        json!({}),
        json!({"id": null}),
        json!({"id": [id]}),
        json!({"id": "000000000000000000000"}),
        json!({"id": id, "pushToken": 1}),
        json!({"id": id, "pushToken": "t".repeat(257)}),
        json!({"id": id, "simCards": {}}),
        json!({"id": id, "simCards": [1]}),
        json!({"id": id, "simCards": [{"slotIndex": "first"}]}),
        json!({"id": id, "simCards": [{"simNumber": 1.5}]}),
        json!({"id": id, "simCards": [{"slotIndex": 1e300}]}),
    ] {
        let token = bearer(&scene.phone.token);
        let answer = scene.bench.tell("PATCH", DEVICE, &token, &body.to_string()).await;
        assert!(matches!(answer.status.as_u16(), 400 | 403), "{body}: {answer:?}");
        assert_eq!(scene.everything().await, before, "{body}");
    }
}

#[tokio::test]
async fn messages_of_pictures_are_refused_as_they_were() {
    // Published clients send the field already (WIRE §16); it is not known, so nothing is left to send.
    let scene = Scene::new().await;
    let body = json!({"mmsMessage": {"text": "hello", "attachments": []}, "phoneNumbers": [number(1)]});
    let text = "failed to validate: validation failed: must specify exactly one of: textMessage or dataMessage";
    assert_eq!(scene.post(MESSAGES, &body).await.refusal(), (400, text.to_owned()));
}
