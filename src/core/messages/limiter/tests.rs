//! Tests of the limits, as clients meet them.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;

use crate::config::Queue;
use crate::db::testing::{Kind, Place, on_both_databases};
use crate::testing::{Bench, Phone, bearer};

const MINUTE: Duration = Duration::from_secs(60);

struct Scene {
    bench: Bench,
    phone: Phone,
    sent: usize,
    _place: Place,
}

impl Scene {
    async fn new(kind: Kind, change: impl FnOnce(&mut Queue)) -> Self {
        let place = Place::new(kind).await;
        let bench = Bench::with(|config| {
            config.database = place.config.clone();
            change(&mut config.messages.queue);
        })
        .await;
        let phone = bench.register("{}").await;
        Self {
            bench,
            phone,
            sent: 0,
            _place: place,
        }
    }

    /// Sends one more message with these fields: nothing, or the text of the refusal.
    async fn send(&mut self, fields: &str) -> Option<String> {
        self.sent += 1;
        let id = self.sent;
        let body = format!(r#"{{"id":"m{id}","message":"hi","phoneNumbers":["+79990001234"]{fields}}}"#);
        let user = self.bench.minted(&self.phone.login);
        let answer = self.bench.tell("POST", "/api/3rdparty/v1/messages", &user, &body).await;
        if answer.status == StatusCode::ACCEPTED {
            return None;
        }
        assert_eq!(answer.header("retry-after"), None, "as the reference");
        let (status, text) = answer.refusal();
        assert_eq!(status, 503);
        Some(text)
    }

    async fn report(&self, number: usize, state: &str) {
        let recipients = json!([{"phoneNumber": "+79990001234", "state": state}]);
        let body = json!([{"id": format!("m{number}"), "state": state, "recipients": recipients, "states": {}}]);
        let token = bearer(&self.phone.token);
        let path = "/api/mobile/v1/message";
        let answer = self.bench.tell("PATCH", path, &token, &body.to_string()).await;
        assert!(answer.is_empty_204(), "{answer:?}");
    }

    /// What the server does every few seconds.
    async fn refresh(&self) {
        let app = &self.bench.app;
        app.limiter.refresh(&app.messages, app.now()).await;
    }

    async fn metric(&self, line: &str) -> bool {
        let answer = self.bench.ask("GET", "/metrics", "").await;
        answer.body.lines().any(|shown| shown == line)
    }
}

fn refused(reason: &str) -> Option<String> {
    Some(format!("failed to enqueue message: queue limits exceeded: {reason}"))
}

async fn a_queue_may_be_so_long_and_the_verdict_lags(kind: Kind) {
    let mut scene = Scene::new(kind, |limits| limits.max_pending = 2).await;
    for _ in 0..3 {
        assert_eq!(scene.send("").await, None, "nothing is known about the device yet");
    }
    // What is scheduled for later does not wait yet.
    assert_eq!(scene.send(r#","scheduleAt":"2026-02-01T00:00:00Z""#).await, None);
    scene.refresh().await;
    assert_eq!(scene.send("").await, refused("too many pending messages: 3 / 2"));
    assert!(
        scene
            .metric(r#"sms_messages_limiter_checks_total{result="limited"} 1"#)
            .await
    );
    assert!(
        scene
            .metric(r#"sms_messages_limiter_checks_total{result="allowed"} 4"#)
            .await
    );
    assert!(scene.metric("sms_messages_limiter_batch_size 1").await);

    scene.report(1, "Sent").await;
    scene.report(2, "Sent").await;
    assert_eq!(
        scene.send("").await,
        refused("too many pending messages: 3 / 2"),
        "still the old verdict"
    );
    scene.refresh().await;
    assert_eq!(scene.send("").await, None);
    assert!(scene.metric("sms_messages_limiter_refreshes_total 2").await);
}

async fn a_verdict_does_not_count_for_ever(kind: Kind) {
    let mut scene = Scene::new(kind, |limits| limits.max_pending = 1).await;
    scene.send("").await;
    scene.refresh().await;
    assert_eq!(scene.send("").await, refused("too many pending messages: 1 / 1"));
    scene.bench.hands.advance(MINUTE);
    assert_eq!(scene.send("").await, None, "until the next round has looked");
}

async fn the_queue_is_looked_at_before_the_numbers_and_after_the_device(kind: Kind) {
    let mut scene = Scene::new(kind, |limits| limits.max_pending = 1).await;
    scene.send("").await;
    scene.refresh().await;
    let user = scene.bench.minted(&scene.phone.login);
    let path = "/api/3rdparty/v1/messages";
    let body = r#"{"message":"hi","phoneNumbers":["nonsense"]}"#;
    let answer = scene.bench.tell("POST", path, &user, body).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let body = r#"{"message":"hi","phoneNumbers":["nonsense"],"deviceId":"x"}"#;
    let answer = scene.bench.tell("POST", path, &user, body).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

async fn a_message_may_wait_so_long(kind: Kind) {
    let mut scene = Scene::new(kind, |limits| limits.max_pending_age = MINUTE).await;
    scene.send("").await;
    scene.bench.hands.advance(MINUTE);
    scene.send("").await;
    scene.refresh().await;
    assert_eq!(scene.send("").await, None, "exactly as old as allowed");
    scene.bench.hands.advance(Duration::from_millis(1_500));
    scene.refresh().await;
    assert_eq!(
        scene.send("").await,
        refused("too old pending message: 2026-01-01T00:00:00Z")
    );
}

async fn so_many_of_the_latest_may_fail(kind: Kind) {
    let mut scene = Scene::new(kind, |limits| {
        limits.max_failed = 2;
        limits.max_failed_age = 2 * MINUTE;
    })
    .await;
    scene.send("").await;
    scene.report(1, "Failed").await;
    scene.refresh().await;
    assert_eq!(scene.send("").await, None, "one has failed");
    scene.report(2, "Failed").await;
    scene.refresh().await;
    assert_eq!(scene.send("").await, refused("too many failed messages"));
    scene.bench.hands.advance(2 * MINUTE + Duration::from_secs(1));
    scene.send("").await;
    scene.refresh().await;
    assert_eq!(scene.send("").await, None, "that was long ago");
}

async fn without_rounds_every_message_is_held_against_what_is_stored_now(kind: Kind) {
    let mut scene = Scene::new(kind, |limits| {
        limits.max_pending = 1;
        limits.stats_refresh_interval = Duration::ZERO;
    })
    .await;
    assert_eq!(scene.send("").await, None);
    assert_eq!(scene.send("").await, refused("too many pending messages: 1 / 1"));
    scene.report(1, "Sent").await;
    assert_eq!(scene.send("").await, None);
}

async fn a_limit_that_cannot_be_looked_at_counts_as_kept(kind: Kind) {
    let mut scene = Scene::new(kind, |limits| {
        limits.max_pending = 1;
        limits.stats_refresh_interval = Duration::ZERO;
    })
    .await;
    scene.send("").await;
    let spoil = crate::db::Statement::of(
        "DROP TABLE messages",
        "ALTER TABLE messages RENAME COLUMN schedule_at TO gone",
    );
    spoil.query().execute(&scene.bench.app.database).await.unwrap();
    let app = &scene.bench.app;
    let device = crate::devices::DeviceId::stored(&scene.phone.id);
    assert_eq!(app.limiter.check(&app.messages, &device, app.now()).await, Ok(()));
    assert!(
        scene
            .metric(r#"sms_messages_limiter_query_errors_total{check="max_pending"} 1"#)
            .await
    );
}

on_both_databases!(
    a_queue_may_be_so_long_and_the_verdict_lags,
    a_verdict_does_not_count_for_ever,
    the_queue_is_looked_at_before_the_numbers_and_after_the_device,
    a_message_may_wait_so_long,
    so_many_of_the_latest_may_fail,
    without_rounds_every_message_is_held_against_what_is_stored_now,
    a_limit_that_cannot_be_looked_at_counts_as_kept,
);
