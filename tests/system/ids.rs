//! Which characters may an id have, on the whole way through sidecar and core? All of them; but what could be read in two
//! ways in a path is refused there, so that such an id is found in lists only (SECURITY 48, 49).

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::account::register;
use crate::support::http::Request;
use crate::support::process::Settings;

const KEY: &str = "ids-private-token";
const API: &str = "/api/3rdparty/v1";

/// Every printable character of ASCII, and some of other kinds.
fn characters() -> impl Iterator<Item = char> {
    (' '..='~').chain("\t\u{7f}\u{a0}éß中😀\u{301}\u{202e}\u{fffd}".chars())
}

/// Everything escaped but what needs no escape anywhere.
fn segment(id: &str) -> String {
    id.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => text.push(char::from(byte)),
            _ => write!(text, "%{byte:02X}").expect("text"),
        }
        text
    })
}

fn is_ambiguous(character: char) -> bool {
    matches!(character, '/' | '\\') || character.is_control()
}

#[tokio::test]
async fn ids_may_have_every_character_and_only_ambiguous_paths_are_refused() {
    let gateward = Settings::new().with("GATEWAY__PRIVATE_TOKEN", KEY).up();
    let (login, password, _) = register(gateward.public, KEY).await;
    let send = async |request: Request| request.basic(&login, &password).send(gateward.public).await;
    let mut ids = Vec::new();
    for (index, character) in characters().enumerate() {
        let id = format!("{index}{character}x");
        let message = json!({ "id": id, "textMessage": { "text": "hello" }, "phoneNumbers": ["+79990001234"] });
        let sent = send(Request::post(&format!("{API}/messages")).json(&message)).await;
        assert_eq!((sent.status, &sent.json()["id"]), (202, &json!(id)));
        let hook = json!({ "id": id, "url": "https://example.com/hook", "event": "sms:sent" });
        let hung = send(Request::post(&format!("{API}/webhooks")).json(&hook)).await;
        assert_eq!((hung.status, &hung.json()["id"]), (201, &json!(id)));

        let read = send(Request::get(&format!("{API}/messages/{}", segment(&id)))).await;
        let gone = send(Request::new("DELETE", &format!("{API}/webhooks/{}", segment(&id)))).await;
        if is_ambiguous(character) {
            assert_eq!((read.status, gone.status), (400, 400), "{id:?}");
            ids.push(id);
        } else {
            assert_eq!((read.status, &read.json()["id"]), (200, &json!(id)));
            assert_eq!(gone.status, 204, "{id:?}");
        }
    }
    let left = send(Request::get(&format!("{API}/webhooks"))).await.json();
    let mut left: Vec<&Value> = left.as_array().expect("list").iter().map(|hook| &hook["id"]).collect();
    left.sort_by_key(|id| id.to_string());
    let mut expected: Vec<Value> = ids.into_iter().map(Value::from).collect();
    expected.sort_by_key(Value::to_string);
    assert_eq!(left, expected.iter().collect::<Vec<_>>());
}
