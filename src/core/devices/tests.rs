//! Devices over the router: registration, what they say about themselves, lists and deletion.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod removal;

use std::time::Duration;

use axum::{body::Body, http::Request};
use gateward_contract::nanoid::is_nanoid;
use serde_json::{Value, json};

use crate::db::Statement;
use crate::db::testing::{Kind, Place, on_both_databases};
use crate::testing::{Bench, PRIVATE_TOKEN, Phone, basic, bearer, request};
use crate::users::UserId;

const DEVICE: &str = "/api/mobile/v1/device";
const DEVICES: &str = "/api/3rdparty/v1/devices";

/// A line of a refused body.
fn broken(key: &str, field: &str, rule: &str) -> String {
    format!("Key: '{key}' Error:Field validation for '{field}' failed on the '{rule}' tag")
}

async fn list(bench: &Bench, phone: &Phone) -> Value {
    bench.ask("GET", DEVICES, &bench.minted(&phone.login)).await.json()
}

#[tokio::test]
async fn anybody_registers_in_public_mode() {
    let bench = Bench::new().await;
    for (authorization, body) in [
        ("", r#"{"name":"Maker/Model","pushToken":"push"}"#),
        ("", "{}"),
        ("", "null"),
        ("", r#"{"name":null,"pushToken":null,"simCards":null}"#),
        ("Bearer 987654321", r#"{"name":"x"}"#),
        ("Digest x", r#"{"name":"x"}"#),
        ("Code", r#"{"name":"x"}"#),
        ("Basic", r#"{"name":"x"}"#),
    ] {
        let answer = bench.tell("POST", DEVICE, authorization, body).await;
        assert_eq!(answer.status, 201, "{authorization} {body}");
        let body = answer.json();
        assert!(is_nanoid(body["id"].as_str().unwrap()));
        assert!(is_nanoid(body["token"].as_str().unwrap()));
        let (login, password) = (body["login"].as_str().unwrap(), body["password"].as_str().unwrap());
        assert!(login.len() == 6 && login == login.to_ascii_uppercase(), "{login}");
        assert!(
            password.len() == 14 && password == password.to_ascii_lowercase(),
            "{password}"
        );
        let order: Vec<usize> = ["\"id\"", "\"token\"", "\"login\"", "\"password\""]
            .map(|key| answer.body.find(key).unwrap())
            .to_vec();
        assert!(order.is_sorted(), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_user_adds_a_device_to_his_own() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let lower = phone.login.to_ascii_lowercase();
    for login in [&phone.login, &lower] {
        let authorization = basic(login, &phone.password);
        let answer = bench.tell("POST", DEVICE, &authorization, r#"{"name":"second"}"#).await;
        assert_eq!(answer.status, 201);
        assert_eq!(answer.json()["login"], phone.login, "in the stored spelling");
        assert_eq!(answer.json().get("password"), None);
    }
    assert_eq!(list(&bench, &phone).await.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_wrong_login_or_code_is_refused_before_the_body_is_read() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    for authorization in [
        basic(&phone.login, "wrong-password"),
        basic("NOSUCH", "wrong-password"),
        "Basic !!!".to_owned(),
        "Code abcdef".to_owned(),
    ] {
        for body in [r#"{"name":"x"}"#, "[]"] {
            let answer = bench.tell("POST", DEVICE, &authorization, body).await;
            assert_eq!(answer.refusal(), (401, "Unauthorized".to_owned()), "{authorization}");
            assert_eq!(answer.header("www-authenticate"), None);
        }
    }
}

#[tokio::test]
async fn private_mode_asks_for_its_token() {
    let bench = Bench::private().await;
    let missing = "missing or malformed API Key";
    let wrong = "Invalid or expired API Key";
    for (authorization, text) in [
        (String::new(), missing),
        ("Bearer ".to_owned(), missing),
        ("Bearer".to_owned(), missing),
        (format!("bearer {PRIVATE_TOKEN}"), missing),
        (PRIVATE_TOKEN.to_owned(), missing),
        (format!("Token {PRIVATE_TOKEN}"), missing),
        ("Code".to_owned(), missing),
        ("Bearer 987654321".to_owned(), wrong),
        (format!("Bearer {PRIVATE_TOKEN}x"), wrong),
        (format!("Bearer  {PRIVATE_TOKEN}"), wrong),
    ] {
        for body in [r#"{"name":"x"}"#, "[]"] {
            let answer = bench.tell("POST", DEVICE, &authorization, body).await;
            assert_eq!(answer.text(), (401, text), "{authorization:?}");
            assert_eq!(answer.header("www-authenticate"), None);
        }
    }
    let phone = bench.register(r#"{"name":"x","pushToken":"push"}"#).await;
    let answer = bench
        .tell("POST", DEVICE, &basic(&phone.login, &phone.password), "{}")
        .await;
    assert_eq!(answer.status, 201);
    let answer = bench.tell("POST", DEVICE, &basic(&phone.login, "wrong"), "{}").await;
    assert_eq!(answer.refusal().0, 401);
    let answer = bench.tell("POST", DEVICE, &bearer(PRIVATE_TOKEN), "[]").await;
    assert_eq!(answer.refusal().0, 400);
}

#[tokio::test]
async fn private_mode_without_a_token_lets_nobody_in() {
    let bench = Bench::with(|config| {
        config.gateway.mode = crate::config::Mode::Private;
        config.gateway.private_token = None;
    })
    .await;
    let answer = bench.tell("POST", DEVICE, "Bearer x", "{}").await;
    assert_eq!(answer.text(), (401, "Invalid or expired API Key"));
}

#[tokio::test]
async fn a_refused_registration_says_why() {
    let bench = Bench::new().await;
    let name = broken("MobileRegisterRequest.Name", "Name", "max");
    let push_token = broken("MobileRegisterRequest.PushToken", "PushToken", "max");
    let (long_name, long_token) = ("n".repeat(129), "t".repeat(257));
    let wrong = "json: cannot unmarshal";
    for (body, text) in [
        (json!({"name": long_name}), format!("failed to validate: {name}")),
        (
            json!({"pushToken": long_token}),
            format!("failed to validate: {push_token}"),
        ),
        (
            json!({"name": long_name, "pushToken": long_token}),
            format!("failed to validate: {name}\n{push_token}"),
        ),
        (
            json!({"name": 7}),
            format!(
                "failed to parse body: {wrong} number into Go struct field MobileRegisterRequest.name of type string"
            ),
        ),
        (
            json!({"simCards": {}}),
            format!(
                "failed to parse body: {wrong} object into Go struct field MobileRegisterRequest.simCards of type []smsgateway.SimCard"
            ),
        ),
        (
            json!({"simCards": [{"slotIndex": "0"}]}),
            format!("failed to parse body: {wrong} string into Go struct field SimCard.simCards.slotIndex of type int"),
        ),
        (
            json!([]),
            format!("failed to parse body: {wrong} array into Go value of type smsgateway.MobileRegisterRequest"),
        ),
    ] {
        let answer = bench.tell("POST", DEVICE, "", &body.to_string()).await;
        assert_eq!(answer.refusal(), (400, text), "{body}");
    }
    let fits = json!({"name": "é".repeat(128), "pushToken": "é".repeat(256)}).to_string();
    assert_eq!(bench.tell("POST", DEVICE, "", &fits).await.status, 201);
}

#[tokio::test]
async fn a_body_has_to_be_json_and_say_so() {
    let bench = Bench::new().await;
    let answer = bench.tell("POST", DEVICE, "", "").await;
    let text = "failed to parse body: unexpected end of JSON input".to_owned();
    assert_eq!(answer.refusal(), (400, text));
    let with = |kind: Option<&str>| -> Request<Body> {
        let request = request("POST", DEVICE, "");
        let request = match kind {
            Some(kind) => request.header("content-type", kind),
            None => request,
        };
        request.body(Body::from("{}")).unwrap()
    };
    for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let text = "failed to parse body: Unprocessable Entity".to_owned();
        assert_eq!(bench.send(with(kind)).await.refusal(), (400, text), "{kind:?}");
    }
    for kind in [
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/vnd.api+json",
    ] {
        assert_eq!(bench.send(with(Some(kind))).await.status, 201, "{kind}");
    }
}

#[tokio::test]
async fn devices_are_listed_with_what_they_said() {
    let bench = Bench::new().await;
    let cards = json!([
        {"slotIndex": 0, "simNumber": 1, "phoneNumber": "4567", "carrierName": "Carrier", "iccid": "8901"},
        {"slotIndex": 1, "simNumber": 2},
    ]);
    let body = json!({"name": "Maker/Model", "simCards": cards}).to_string();
    let phone = bench.register(&body).await;
    let other = bench.register("{}").await;
    let then = "2026-01-01T00:00:00Z";
    let expected = json!([{
        "id": phone.id, "name": "Maker/Model", "createdAt": then, "updatedAt": then,
        "lastSeen": then, "simCards": cards,
    }]);
    assert_eq!(list(&bench, &phone).await, expected);
    let alias = "/api/3rdparty/v1/device";
    let answer = bench.ask("GET", alias, &bench.minted(&phone.login)).await;
    assert_eq!(answer.json(), expected);
    let keys = r#"[{"id":"#.to_owned() + &format!("\"{}\"", phone.id) + r#","name":"Maker/Model","createdAt":"#;
    assert!(answer.body.starts_with(&keys), "{}", answer.body);
    let unnamed = json!([{
        "id": other.id, "name": "", "createdAt": then, "updatedAt": then, "lastSeen": then,
    }]);
    assert_eq!(list(&bench, &other).await, unnamed);
}

#[tokio::test]
async fn a_device_learns_its_address_and_what_we_know() {
    let bench = Bench::new().await;
    let phone = bench.register(r#"{"name":"Maker/Model"}"#).await;
    bench.hands.advance(Duration::from_secs(5));
    for scheme in ["Bearer", "bearer"] {
        let answer = bench.ask("GET", DEVICE, &format!("{scheme} {}", phone.token)).await;
        let expected = json!({
            "device": {
                "id": phone.id, "name": "Maker/Model", "createdAt": "2026-01-01T00:00:00Z",
                "updatedAt": "2026-01-01T00:00:00Z", "lastSeen": "2026-01-01T00:00:05Z",
            },
            "externalIp": "127.0.0.1",
        });
        assert_eq!(answer.json(), expected);
    }
    for authorization in [
        "",
        "Bearer 000000000000000000000",
        &basic(&phone.login, &phone.password),
    ] {
        let answer = bench.ask("GET", DEVICE, authorization).await;
        assert_eq!(answer.json(), json!({"externalIp": "127.0.0.1"}), "{authorization}");
    }
    let behind = request("GET", DEVICE, "").header("x-forwarded-for", "203.0.113.7, 198.51.100.1");
    let answer = bench.send(behind.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.json(), json!({"externalIp": "203.0.113.7"}));
}

#[tokio::test]
async fn an_update_replaces_the_sim_cards_and_keeps_the_name() {
    let bench = Bench::new().await;
    let phone = bench
        .register(r#"{"name":"Maker/Model","simCards":[{"slotIndex":0,"simNumber":1}]}"#)
        .await;
    let token = bearer(&phone.token);
    let cards = json!([{"slotIndex": 1, "simNumber": 2, "carrierName": "C"}]);
    bench.hands.advance(Duration::from_secs(1));
    let body = json!({"id": phone.id, "pushToken": "push", "simCards": cards}).to_string();
    assert!(bench.tell("PATCH", DEVICE, &token, &body).await.is_empty_204());
    let device = &list(&bench, &phone).await[0];
    assert_eq!((&device["name"], &device["simCards"]), (&json!("Maker/Model"), &cards));
    assert_eq!(device["updatedAt"], "2026-01-01T00:00:01Z");

    let seen_by_itself = bench.ask("GET", DEVICE, &token).await.json();
    assert_eq!(
        seen_by_itself["device"]["simCards"], cards,
        "not an older one from memory"
    );

    let body = json!({"id": phone.id, "name": "ignored", "pushToken": ""}).to_string();
    assert!(bench.tell("PATCH", DEVICE, &token, &body).await.is_empty_204());
    let device = &list(&bench, &phone).await[0];
    assert_eq!((&device["name"], device.get("simCards")), (&json!("Maker/Model"), None));
    let stored = Statement::same("SELECT push_token FROM devices").query();
    let stored: Option<String> = stored.fetch_value(&bench.app.database).await.unwrap();
    assert_eq!(stored.as_deref(), Some("push"), "an empty one changes nothing");
}

#[tokio::test]
async fn ids_are_compared_and_sorted_without_case() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let rename = Statement::same("UPDATE devices SET id = ? WHERE id = ?");
    let mut named = phone.id.clone();
    for id in ["b", "_", "C", "a"] {
        rename.bind(id).bind(&named).execute(&bench.app.database).await.unwrap();
        named = match id {
            "a" => break,
            _ => {
                let more = bench
                    .tell("POST", DEVICE, &basic(&phone.login, &phone.password), "{}")
                    .await;
                more.json()["id"].as_str().unwrap().to_owned()
            }
        };
    }
    let ids = async || {
        let list = list(&bench, &phone).await;
        let ids: Vec<_> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|device| device["id"].clone())
            .collect();
        json!(ids)
    };
    assert_eq!(ids().await, json!(["a", "b", "C", "_"]));
    let minted = bench.minted(&phone.login);
    let message = r#"{"deviceId":"c","message":"x","phoneNumbers":["+79990001234"]}"#;
    let sent = bench.tell("POST", "/api/3rdparty/v1/messages", &minted, message).await;
    assert_eq!((sent.status.as_u16(), &sent.json()["deviceId"]), (202, &json!("C")));
    let gone = bench.ask("DELETE", &format!("{DEVICES}/A"), &minted).await;
    assert!(gone.is_empty_204(), "{gone:?}");
    assert_eq!(ids().await, json!(["b", "C", "_"]));
}

#[tokio::test]
async fn a_device_updates_itself_only() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let other = bench.register("{}").await;
    let token = bearer(&phone.token);
    let forbidden = (403, "Forbidden".to_owned());
    for body in [json!({"id": other.id}), json!({}), json!({"id": ""}), Value::Null] {
        let answer = bench.tell("PATCH", DEVICE, &token, &body.to_string()).await;
        assert_eq!(answer.refusal(), forbidden, "{body}");
    }
    let own = json!({"id": phone.id}).to_string();
    for authorization in ["".to_owned(), basic(&phone.login, &phone.password), bearer("x")] {
        let answer = bench.tell("PATCH", DEVICE, &authorization, &own).await;
        assert_eq!(answer.refusal(), (401, "Unauthorized".to_owned()));
    }
    let long = json!({"id": phone.id, "pushToken": "t".repeat(257)}).to_string();
    let text = broken("MobileUpdateRequest.PushToken", "PushToken", "max");
    let answer = bench.tell("PATCH", DEVICE, &token, &long).await;
    assert_eq!(answer.refusal(), (400, format!("failed to validate: {text}")));
    let answer = bench.tell("PATCH", DEVICE, &token, "").await;
    let text = "failed to parse body: unexpected end of JSON input".to_owned();
    assert_eq!(answer.refusal(), (400, text));
}

async fn a_deleted_device_is_out_at_once(kind: Kind) {
    let (bench, phone, _place) = Bench::with_phone(kind).await;
    let minted = bench.minted(&phone.login);
    let body = json!({}).to_string();
    let second = bench
        .tell("POST", DEVICE, &basic(&phone.login, &phone.password), &body)
        .await
        .json();
    let token = bearer(second["token"].as_str().unwrap());
    assert!(bench.ask("GET", DEVICE, &token).await.json().get("device").is_some());

    let path = format!("{DEVICES}/{}", second["id"].as_str().unwrap());
    for _ in 0..2 {
        assert!(bench.ask("DELETE", &path, &minted).await.is_empty_204());
        assert_eq!(list(&bench, &phone).await.as_array().unwrap().len(), 1);
        assert!(bench.ask("GET", DEVICE, &token).await.json().get("device").is_none());
    }
    let patched = bench.tell("PATCH", DEVICE, &token, "{}").await;
    assert_eq!(patched.refusal().0, 401);
}

/// Another device of the same user.
async fn add(bench: &Bench, phone: &Phone) -> String {
    let owner = basic(&phone.login, &phone.password);
    let added = bench.tell("POST", DEVICE, &owner, "{}").await;
    added.json()["id"].as_str().unwrap().to_owned()
}

async fn only_own_devices_may_be_chosen(kind: Kind) {
    let place = Place::new(kind).await;
    let bench = Bench::on(&place).await;
    let (phone, foreign) = (bench.register("{}").await, bench.register("{}").await);
    let user = UserId::stored(&phone.login);
    let chosen = async |wanted, since| {
        let ids = bench.app.devices.ids_of(&user, wanted, since).await.unwrap();
        let mut ids: Vec<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
        ids.sort();
        ids
    };
    let shouted = phone.id.to_ascii_uppercase();
    let now = bench.app.now();
    bench.hands.advance(Duration::from_secs(10));
    let tablet = add(&bench, &phone).await;
    let mut both = vec![phone.id.clone(), tablet.clone()];
    both.sort();
    // The first time the database is asked.
    for _ in 0..2 {
        assert_eq!(chosen(Some(&phone.id), None).await, [phone.id.as_str()]);
        assert!(chosen(Some(&foreign.id), None).await.is_empty());
        assert_eq!(chosen(None, Some(now)).await, both);
        assert_eq!(chosen(None, Some(bench.app.now())).await, [tablet.as_str()]);
        assert!(chosen(Some(&phone.id), Some(bench.app.now())).await.is_empty());
        let other_case = chosen(Some(&shouted), None).await;
        assert_eq!(other_case, [phone.id.as_str()], "as it was stored");
        assert_eq!(chosen(None, None).await, both);
    }
}

#[tokio::test]
async fn what_devices_a_user_has_is_known_without_the_database_and_never_too_late() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let user = UserId::stored(&phone.login);
    let count = async || bench.app.devices.ids_of(&user, None, None).await.unwrap().len();
    assert_eq!(count().await, 1);
    let tablet = add(&bench, &phone).await;
    assert_eq!(count().await, 2);
    bench
        .ask("DELETE", &format!("{DEVICES}/{tablet}"), &bench.minted(&phone.login))
        .await;
    assert_eq!(count().await, 1);
    bench.app.devices.was_deleted(&super::DeviceId::stored(&tablet));
    assert_eq!(count().await, 1);
    bench.app.database.close().await;
    assert_eq!(count().await, 1);
    let wanted = bench.app.devices.ids_of(&user, Some(&phone.id), None).await;
    assert_eq!(wanted.unwrap().len(), 1);
}

async fn nobody_deletes_anothers_device(kind: Kind) {
    let (bench, phone, _place) = Bench::with_phone(kind).await;
    let other = bench.register("{}").await;
    let minted = bench.minted(&phone.login);
    for id in [other.id.as_str(), "000000000000000000000"] {
        let answer = bench.ask("DELETE", &format!("{DEVICES}/{id}"), &minted).await;
        assert!(answer.is_empty_204());
    }
    assert_eq!(list(&bench, &other).await[0]["id"], other.id);
    let known = bench.ask("GET", DEVICE, &bearer(&other.token)).await;
    assert!(known.json().get("device").is_some());
}

async fn being_seen_is_written_down_later(kind: Kind) {
    let (bench, phone, _place) = Bench::with_phone(kind).await;
    bench.hands.advance(Duration::from_secs(30));
    bench.ask("GET", DEVICE, &bearer(&phone.token)).await;
    assert_eq!(list(&bench, &phone).await[0]["lastSeen"], "2026-01-01T00:00:00Z");
    assert_eq!(bench.app.devices.flush_online().await.unwrap(), 1);
    assert_eq!(list(&bench, &phone).await[0]["lastSeen"], "2026-01-01T00:00:30Z");
    assert_eq!(bench.app.devices.flush_online().await.unwrap(), 0, "nothing new");
}

#[tokio::test]
async fn what_could_not_be_written_down_is_kept() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    bench.ask("GET", DEVICE, &bearer(&phone.token)).await;
    bench.app.database.close().await;
    assert!(bench.app.devices.flush_online().await.is_err());
}

#[tokio::test]
async fn a_code_is_used_up_by_a_refused_body() {
    let bench = Bench::private().await;
    let phone = bench.register("{}").await;
    let code = async || {
        let authorization = basic(&phone.login, &phone.password);
        let answer = bench.ask("GET", "/api/mobile/v1/user/code", &authorization).await;
        format!("Code {}", answer.json()["code"].as_str().unwrap())
    };
    let used = code().await;
    assert_eq!(bench.tell("POST", DEVICE, &used, "[]").await.refusal().0, 400);
    let again = bench.tell("POST", DEVICE, &used, "{}").await;
    assert_eq!(again.refusal(), (401, "Unauthorized".to_owned()));

    let good = code().await.to_ascii_uppercase();
    let answer = bench.tell("POST", DEVICE, &good, r#"{"name":"by code"}"#).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.json()["login"], phone.login);
    assert_eq!(answer.json().get("password"), None);
    assert_eq!(bench.tell("POST", DEVICE, &good, "{}").await.refusal().0, 401);
    assert_eq!(list(&bench, &phone).await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn after_a_change_that_failed_nothing_is_known_of_the_device() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let token = bearer(&phone.token);
    let known = || bench.app.devices.known_target(&phone.login, &phone.id).is_some();
    for spoil in [
        "CREATE TRIGGER no_update BEFORE UPDATE ON devices BEGIN SELECT RAISE(FAIL, 'no'); END",
        "CREATE TRIGGER no_delete BEFORE DELETE ON devices BEGIN SELECT RAISE(FAIL, 'no'); END",
    ] {
        let spoil = Statement::same(spoil).query();
        spoil.execute(&bench.app.database).await.unwrap();
    }
    bench.ask("GET", "/api/mobile/v1/settings", &token).await;
    assert!(known());
    let body = json!({"id": phone.id, "pushToken": "other"}).to_string();
    assert_eq!(bench.tell("PATCH", DEVICE, &token, &body).await.status, 500);
    assert!(!known());

    let minted = bench.minted(&phone.login);
    let totals = bench.app.messages.states().totals();
    let devices = [crate::devices::DeviceId::stored(&phone.id)];
    bench.ask("GET", "/api/3rdparty/v1/messages", &minted).await;
    bench.ask("GET", "/api/mobile/v1/settings", &token).await;
    assert!(known() && totals.recall(&devices).is_some());
    let events = bench.listen(&phone).await;
    let in_another_case = phone.id.to_ascii_uppercase();
    assert_ne!(in_another_case, phone.id);
    let path = format!("{DEVICES}/{in_another_case}");
    assert_eq!(bench.ask("DELETE", &path, &minted).await.status, 500);
    assert!(!known() && totals.recall(&devices).is_none());
    events.end().await;
}

on_both_databases!(
    only_own_devices_may_be_chosen,
    a_deleted_device_is_out_at_once,
    nobody_deletes_anothers_device,
    being_seen_is_written_down_later,
);
