//! Tests of what clients and phones see, over the router.

use serde_json::{Value, json};

use crate::db::testing::{Kind, Place, on_both_databases};
use crate::testing::{Answer, Bench, Phone, basic, bearer};

const WEBHOOKS: &str = "/api/3rdparty/v1/webhooks";
const OF_DEVICE: &str = "/api/mobile/v1/webhooks";

struct Scene {
    bench: Bench,
    phone: Phone,
    _place: Place,
}

impl Scene {
    async fn new(kind: Kind) -> Self {
        let (bench, phone, place) = Bench::with_phone(kind).await;
        Self {
            bench,
            phone,
            _place: place,
        }
    }

    async fn put_as(&self, login: &str, body: Value) -> Answer {
        let minted = self.bench.minted(login);
        self.bench.tell("POST", WEBHOOKS, &minted, &body.to_string()).await
    }

    async fn put(&self, body: Value) -> Answer {
        self.put_as(&self.phone.login, body).await
    }

    async fn delete(&self, id: &str) -> Answer {
        let minted = self.bench.minted(&self.phone.login);
        self.bench.ask("DELETE", &format!("{WEBHOOKS}/{id}"), &minted).await
    }

    async fn list(&self) -> Answer {
        self.bench
            .ask("GET", WEBHOOKS, &self.bench.minted(&self.phone.login))
            .await
    }

    async fn seen_by(&self, phone: &Phone) -> Vec<String> {
        let answer = self.bench.ask("GET", OF_DEVICE, &bearer(&phone.token)).await;
        let ids = answer.json();
        let ids = ids.as_array().unwrap().iter();
        ids.map(|webhook| webhook["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Another phone of the same user.
    async fn second_phone(&self) -> Phone {
        let authorization = basic(&self.phone.login, &self.phone.password);
        let path = "/api/mobile/v1/device";
        let added = self.bench.tell("POST", path, &authorization, "{}").await.json();
        Phone {
            id: added["id"].as_str().unwrap().to_owned(),
            token: added["token"].as_str().unwrap().to_owned(),
            ..self.phone.clone()
        }
    }
}

fn hook(id: &str) -> Value {
    json!({"id": id, "url": "https://example.com/hook", "event": "sms:received"})
}

fn bound(id: &str, device: &str) -> Value {
    json!({"id": id, "deviceId": device, "url": "https://example.com/hook", "event": "sms:received"})
}

async fn a_webhook_is_answered_as_it_is_stored(kind: Kind) {
    let scene = Scene::new(kind).await;
    assert_eq!(scene.list().await.body, "[]");
    let created = scene
        .put(json!({"url": "https://example.com/a?b&c", "event": "sms:sent", "id": null}))
        .await;
    assert_eq!(created.status, 201);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 21);
    assert_eq!(
        created.body,
        format!(r#"{{"id":"{id}","deviceId":null,"url":"https://example.com/a?b\u0026c","event":"sms:sent"}}"#)
    );
    assert_eq!(scene.list().await.body, format!("[{}]", created.body));
}

async fn the_same_id_replaces_and_lists_are_by_id_whatever_its_case(kind: Kind) {
    let scene = Scene::new(kind).await;
    for id in ["b", "_", "C", "a"] {
        assert_eq!(scene.put(hook(id)).await.status, 201);
    }
    let other = json!({"id": "a", "deviceId": scene.phone.id, "url": "https://example.com/2", "event": "sms:failed"});
    assert_eq!(scene.put(other.clone()).await.json(), other);
    let list = scene.list().await.json();
    let others = ["b", "C", "_"].map(hook_as_stored);
    assert_eq!(list, json!([other, others[0], others[1], others[2]]));
}

async fn ids_are_compared_without_case(kind: Kind) {
    let scene = Scene::new(kind).await;
    scene.put(hook("b")).await;
    let mut other = hook("B");
    other["url"] = json!("https://example.com/2");
    other["deviceId"] = json!(scene.phone.id.to_ascii_uppercase());
    let answer = scene.put(other).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["deviceId"]),
        (201, &json!(scene.phone.id))
    );
    let list = scene.list().await.json();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list[0]["url"], "https://example.com/2");
    assert!(scene.delete("B").await.is_empty_204());
    assert_eq!(scene.list().await.body, "[]");
}

fn hook_as_stored(id: &str) -> Value {
    let mut stored = hook(id);
    stored["deviceId"] = Value::Null;
    stored
}

async fn users_have_webhooks_of_their_own(kind: Kind) {
    let scene = Scene::new(kind).await;
    let stranger = scene.bench.register("{}").await;
    scene.put(hook("mine")).await;
    scene.put_as(&stranger.login, hook("mine")).await;
    assert!(scene.delete("mine").await.is_empty_204());
    assert_eq!(scene.list().await.json(), json!([]));
    assert_eq!(scene.seen_by(&stranger).await, ["mine"]);
    assert!(scene.delete("mine").await.is_empty_204(), "nothing is left to delete");
}

async fn a_device_sees_what_is_for_all_and_what_is_its_own(kind: Kind) {
    let scene = Scene::new(kind).await;
    let second = scene.second_phone().await;
    scene.put(hook("all")).await;
    scene.put(bound("first", &scene.phone.id)).await;
    scene.put(bound("second", &second.id)).await;
    assert_eq!(scene.seen_by(&scene.phone).await, ["all", "first"]);
    assert_eq!(scene.seen_by(&second).await, ["all", "second"]);
}

async fn webhooks_go_with_their_device(kind: Kind) {
    let scene = Scene::new(kind).await;
    let second = scene.second_phone().await;
    scene.put(hook("all")).await;
    scene.put(bound("second", &second.id)).await;
    let path = format!("/api/3rdparty/v1/devices/{}", second.id);
    let minted = scene.bench.minted(&scene.phone.login);
    assert!(scene.bench.ask("DELETE", &path, &minted).await.is_empty_204());
    assert_eq!(scene.list().await.json(), json!([hook_as_stored("all")]));
}

async fn a_device_has_to_be_the_users(kind: Kind) {
    let scene = Scene::new(kind).await;
    let stranger = scene.bench.register("{}").await;
    for device in ["no-such-device", &stranger.id, ""] {
        let refused = scene.put(bound("x", device)).await;
        let text = format!("invalid \"device_id\" = \"{device}\": record not found");
        assert_eq!(refused.refusal(), (400, text));
    }
    let ignored = json!({"id": "x", "device_id": stranger.id, "url": "https://example.com", "event": "app:started"});
    assert_eq!(
        scene.put(ignored).await.status,
        201,
        "that is not the name of the field"
    );
}

#[tokio::test]
async fn the_phones_that_it_is_for_are_told() {
    let scene = Scene::new(Kind::Sqlite).await;
    let second = scene.second_phone().await;
    let stranger = scene.bench.register("{}").await;
    let mut first_hears = scene.bench.listen(&scene.phone).await;
    let mut second_hears = scene.bench.listen(&second).await;
    let mut stranger_hears = scene.bench.listen(&stranger).await;
    let updated = "event: WebhooksUpdated\ndata: null\n\n";

    scene.put(bound("x", &second.id)).await;
    assert_eq!(second_hears.next().await, updated);
    assert!(scene.bench.is_quiet(&scene.phone, &mut first_hears).await);
    scene.put(hook("y")).await;
    scene.delete("nothing").await;
    for _ in ["put", "delete"] {
        assert_eq!(first_hears.next().await, updated);
        assert_eq!(second_hears.next().await, updated);
    }
    scene.put(hook("")).await;
    scene.put(json!({})).await;
    assert_eq!(first_hears.next().await, updated);
    assert!(
        scene.bench.is_quiet(&scene.phone, &mut first_hears).await,
        "refused: nothing has changed"
    );
    assert!(scene.bench.is_quiet(&stranger, &mut stranger_hears).await);
}

#[tokio::test]
async fn who_calls_is_asked_first() {
    let scene = Scene::new(Kind::Sqlite).await;
    let device = bearer(&scene.phone.token);
    for (method, path, authorization) in [
        ("GET", WEBHOOKS, ""),
        ("GET", WEBHOOKS, device.as_str()),
        ("POST", WEBHOOKS, device.as_str()),
        ("DELETE", "/api/3rdparty/v1/webhooks/x", ""),
        ("GET", OF_DEVICE, ""),
        ("GET", OF_DEVICE, &scene.bench.minted(&scene.phone.login)),
    ] {
        let refused = scene.bench.ask(method, path, authorization).await;
        assert_eq!(refused.refusal(), (401, "Unauthorized".to_owned()), "{method} {path}");
    }
}

on_both_databases!(
    a_webhook_is_answered_as_it_is_stored,
    the_same_id_replaces_and_lists_are_by_id_whatever_its_case,
    ids_are_compared_without_case,
    users_have_webhooks_of_their_own,
    a_device_sees_what_is_for_all_and_what_is_its_own,
    webhooks_go_with_their_device,
    a_device_has_to_be_the_users
);
