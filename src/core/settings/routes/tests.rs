//! Tests of what clients and phones see, over the router.

use serde_json::{Value, json};

use crate::db::testing::{Kind, Place, on_both_databases};
use crate::testing::{Answer, Bench, Phone, bearer};

const SETTINGS: &str = "/api/3rdparty/v1/settings";
const OF_DEVICE: &str = "/api/mobile/v1/settings";

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

    async fn tell(&self, method: &str, body: &str) -> Answer {
        let minted = self.bench.minted(&self.phone.login);
        self.bench.tell(method, SETTINGS, &minted, body).await
    }

    /// What is answered, which is what is shown afterwards.
    async fn set(&self, method: &str, body: Value) -> String {
        let answer = self.tell(method, &body.to_string()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let minted = self.bench.minted(&self.phone.login);
        let shown = self.bench.ask("GET", SETTINGS, &minted).await;
        assert_eq!(shown.json(), answer.json());
        answer.body
    }

    async fn seen_by_device(&self) -> String {
        let answer = self.bench.ask("GET", OF_DEVICE, &bearer(&self.phone.token)).await;
        assert_eq!(answer.status, 200);
        answer.body
    }
}

async fn settings_are_merged_deeply_or_replaced(kind: Kind) {
    let scene = Scene::new(kind).await;
    assert_eq!(scene.seen_by_device().await, "{}");
    let first = json!({"ping": {"interval_seconds": 60}, "logs": {"lifetime_days": 7}});
    assert_eq!(scene.set("PATCH", first.clone()).await, first.to_string());
    let more = json!({"messages": {"limit_value": 1}, "ping": {"interval_seconds": 90}});
    let all = r#"{"logs":{"lifetime_days":7},"messages":{"limit_value":1},"ping":{"interval_seconds":90}}"#;
    assert_eq!(scene.set("PATCH", more).await, all);
    let beside = json!({"messages": {"limit_period": "PerDay"}, "logs": null, "ping": {}, "x": 1});
    let all = all.replace(r#""limit_value""#, r#""limit_period":"PerDay","limit_value""#);
    assert_eq!(scene.set("PATCH", beside).await, all);
    assert_eq!(scene.seen_by_device().await, all);
    assert_eq!(scene.set("PUT", first.clone()).await, first.to_string());
    assert_eq!(scene.set("PUT", Value::Null).await, "{}");
    assert_eq!(scene.seen_by_device().await, "{}");
}

async fn nulls_are_kept_and_secrets_are_for_phones(kind: Kind) {
    let scene = Scene::new(kind).await;
    let body = json!({
        "encryption": {"passphrase": null},
        "webhooks": {"signing_key": null, "retry_count": null},
        "gateway": {"cloud_url": null, "private_token": null},
    });
    let shown = r#"{"encryption":{},"gateway":{},"webhooks":{"retry_count":null}}"#;
    assert_eq!(scene.set("PATCH", body).await, shown);
    assert_eq!(
        scene.seen_by_device().await,
        r#"{"encryption":{"passphrase":null},"gateway":{},"webhooks":{"retry_count":null,"signing_key":null}}"#
    );
}

#[tokio::test]
async fn what_is_refused_changes_nothing_and_nobody_is_told() {
    let scene = Scene::new(Kind::Sqlite).await;
    let mut hears = scene.bench.listen(&scene.phone).await;
    scene.set("PUT", json!({"ping": {"interval_seconds": 60}})).await;
    assert_eq!(hears.next().await, "event: SettingsUpdated\ndata: null\n\n");
    for method in ["PUT", "PATCH"] {
        for (body, text) in [
            (
                "",
                "Invalid settings format: failed to parse body: unexpected end of JSON input",
            ),
            (
                r#"{"ping":{"interval_seconds":0}}"#,
                "Invalid settings format: failed to validate: Key: 'DeviceSettings.Ping.IntervalSeconds' Error:Field \
                 validation for 'IntervalSeconds' failed on the 'min' tag",
            ),
            (
                r#"{"messages":{"work_hours_enabled":true}}"#,
                "Invalid settings format: failed to validate: validation failed: workHoursStart is required when work \
                 hours are enabled",
            ),
        ] {
            assert_eq!(scene.tell(method, body).await.refusal(), (400, text.to_owned()));
        }
    }
    assert!(scene.bench.is_quiet(&scene.phone, &mut hears).await);
    assert_eq!(scene.seen_by_device().await, r#"{"ping":{"interval_seconds":60}}"#);
}

#[tokio::test]
async fn all_phones_of_the_user_are_told_and_no_other() {
    let scene = Scene::new(Kind::Sqlite).await;
    let stranger = scene.bench.register("{}").await;
    let mut hears = scene.bench.listen(&scene.phone).await;
    let mut stranger_hears = scene.bench.listen(&stranger).await;
    for method in ["PUT", "PATCH"] {
        scene.set(method, json!({})).await;
        assert_eq!(hears.next().await, "event: SettingsUpdated\ndata: null\n\n");
    }
    assert!(scene.bench.is_quiet(&stranger, &mut stranger_hears).await);
    assert_eq!(
        scene.bench.ask("GET", OF_DEVICE, &bearer(&stranger.token)).await.body,
        "{}"
    );
}

async fn merges_at_once_are_all_kept(kind: Kind) {
    let scene = Scene::new(kind).await;
    let bodies = [
        json!({"ping": {"interval_seconds": 1}}),
        json!({"logs": {"lifetime_days": 2}}),
        json!({"messages": {"limit_value": 3}}),
        json!({"messages": {"log_lifetime_days": 4}}),
        json!({"webhooks": {"retry_count": 5}}),
    ];
    let bodies = bodies.map(|body| body.to_string());
    let merges = bodies.iter().map(|body| scene.tell("PATCH", body));
    for answer in futures_util::future::join_all(merges).await {
        assert_eq!(answer.status, 200);
    }
    assert_eq!(
        scene.seen_by_device().await,
        r#"{"logs":{"lifetime_days":2},"messages":{"limit_value":3,"log_lifetime_days":4},"ping":{"interval_seconds":1},"webhooks":{"retry_count":5}}"#
    );
}

#[tokio::test]
async fn who_calls_is_asked_first() {
    let scene = Scene::new(Kind::Sqlite).await;
    for (method, path, authorization) in [
        ("PUT", SETTINGS, String::new()),
        ("PATCH", SETTINGS, bearer(&scene.phone.token)),
        ("GET", OF_DEVICE, String::new()),
        ("GET", OF_DEVICE, scene.bench.minted(&scene.phone.login)),
    ] {
        let refused = scene.bench.ask(method, path, &authorization).await;
        assert_eq!(refused.refusal(), (401, "Unauthorized".to_owned()), "{method} {path}");
    }
}

#[tokio::test]
async fn a_phone_is_told_that_its_settings_cannot_be_read() {
    let scene = Scene::new(Kind::Sqlite).await;
    let token = bearer(&scene.phone.token);
    assert_eq!(
        scene.bench.ask("GET", "/api/mobile/v1/device", &token).await.status,
        200
    );
    scene.bench.app.database.close().await;
    let answer = scene.bench.ask("GET", OF_DEVICE, &bearer(&scene.phone.token)).await;
    assert_eq!(answer.refusal(), (500, "failed to get settings".to_owned()));
}

on_both_databases!(
    settings_are_merged_deeply_or_replaced,
    nulls_are_kept_and_secrets_are_for_phones,
    merges_at_once_are_all_kept
);
