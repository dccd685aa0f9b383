//! Tests of what the tasks do, on a core with messages of every kind.

use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;

use super::{Task, executor};
use crate::db::Statement;
use crate::db::testing::{Kind, Place, on_both_databases};
use crate::testing::{Bench, Phone, bearer};

const DAY: Duration = Duration::from_secs(86_400);

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

    async fn send(&self, id: &str, encrypted: bool) {
        let user = self.bench.minted(&self.phone.login);
        let body = json!({"id": id, "message": "hello", "phoneNumbers": ["+79990001234"], "isEncrypted": encrypted});
        let path = "/api/3rdparty/v1/messages";
        let answer = self.bench.tell("POST", path, &user, &body.to_string()).await;
        assert_eq!(answer.status, 202, "{answer:?}");
    }

    async fn report(&self, id: &str, state: &str) {
        let recipients = json!([{"phoneNumber": "+79990001234", "state": state}]);
        let body = json!([{"id": id, "state": state, "recipients": recipients, "states": {}}]);
        let token = bearer(&self.phone.token);
        let path = "/api/mobile/v1/message";
        let answer = self.bench.tell("PATCH", path, &token, &body.to_string()).await;
        assert!(answer.is_empty_204(), "{answer:?}");
    }

    async fn run(&self, task: Task) -> u64 {
        let (_stop, stopping) = watch::channel(false);
        task.run(&self.bench.app, &stopping).await.unwrap()
    }

    async fn ids(&self) -> Vec<String> {
        let user = self.bench.minted(&self.phone.login);
        let path = "/api/3rdparty/v1/messages?sort=created_at";
        let messages = self.bench.ask("GET", path, &user).await.json();
        let messages = messages.as_array().unwrap().iter();
        messages
            .map(|message| message["id"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn rows(&self, statement: &'static str) -> i64 {
        let query = Statement::same(statement).query();
        query.fetch_value(&self.bench.app.database).await.unwrap()
    }

    async fn metric(&self, line: &str) -> bool {
        let answer = self.bench.ask("GET", "/metrics", "").await;
        answer.body.lines().any(|shown| shown == line)
    }
}

async fn hashing_finds_whatever_may_be_hashed_over_many_batches(kind: Kind) {
    let scene = Scene::new(kind).await;
    for number in 0..120 {
        scene.send(&format!("sent-{number}"), false).await;
        scene.report(&format!("sent-{number}"), "Sent").await;
    }
    scene.send("secret", true).await;
    scene.report("secret", "Sent").await;
    scene.send("waiting", false).await;
    assert_eq!(scene.run(Task::HashMessages).await, 120);
    assert_eq!(scene.run(Task::HashMessages).await, 0, "once is enough");
    let hashed = "SELECT count(*) FROM messages WHERE is_hashed = 1 AND ext_id LIKE 'sent-%'";
    assert_eq!(scene.rows(hashed).await, 120);
}

async fn old_messages_go_with_all_that_is_theirs_unless_they_still_have_to_be_sent(kind: Kind) {
    let scene = Scene::new(kind).await;
    for number in 0..60 {
        scene.send(&format!("old-{number}"), false).await;
        scene.report(&format!("old-{number}"), "Failed").await;
    }
    scene.send("old-waiting", false).await;
    scene.bench.hands.advance(30 * DAY);
    scene.send("young", false).await;
    scene.report("young", "Delivered").await;
    assert_eq!(scene.run(Task::CleanMessages).await, 0, "exactly as old as allowed");
    scene.bench.hands.advance(Duration::from_millis(1));
    assert_eq!(scene.run(Task::CleanMessages).await, 60);
    assert_eq!(scene.ids().await, ["old-waiting", "young"]);
    let user = scene.bench.minted(&scene.phone.login);
    let list = scene.bench.ask("GET", "/api/3rdparty/v1/messages", &user).await;
    assert_eq!(list.header("x-total-count"), Some("2"));
    assert_eq!(scene.rows("SELECT count(*) FROM message_recipients").await, 2);
    assert_eq!(scene.rows("SELECT count(*) FROM message_states").await, 2);
}

async fn how_many_there_are_is_right_while_old_ones_go(kind: Kind) {
    let scene = Scene::new(kind).await;
    for number in 0..60 {
        scene.send(&format!("old-{number}"), false).await;
        scene.report(&format!("old-{number}"), "Failed").await;
    }
    scene.bench.hands.advance(31 * DAY);
    let total = async || {
        let user = scene.bench.minted(&scene.phone.login);
        let list = scene.bench.ask("GET", "/api/3rdparty/v1/messages", &user).await;
        list.header("x-total-count").unwrap().to_owned()
    };
    assert_eq!(total().await, "60");
    let app = &scene.bench.app;
    let device = crate::devices::DeviceId::stored(&scene.phone.id);
    let before = app.now().minus(30 * DAY);
    for (deleted, left) in [(50, "10"), (10, "0")] {
        assert_eq!(app.messages.clean(&device, before).await.unwrap(), deleted);
        assert_eq!(total().await, left);
    }
}

async fn what_is_known_of_messages_is_forgotten_once_for_a_whole_run(kind: Kind) {
    let scene = Scene::new(kind).await;
    for id in ["old", "older"] {
        scene.send(id, false).await;
        scene.report(id, "Failed").await;
    }
    scene.bench.hands.advance(31 * DAY);
    scene.send("young", false).await;
    let (app, user) = (&scene.bench.app, scene.bench.minted(&scene.phone.login));
    let path = |id| format!("/api/3rdparty/v1/messages/{id}");
    for id in ["old", "older", "young"] {
        assert_eq!(scene.bench.ask("GET", &path(id), &user).await.status, 200);
    }
    let known = |id| {
        app.messages
            .states()
            .recall(&crate::users::UserId::stored(&scene.phone.login), id)
            .is_ok()
    };
    let device = crate::devices::DeviceId::stored(&scene.phone.id);
    assert_eq!(app.messages.clean(&device, app.now().minus(30 * DAY)).await.unwrap(), 2);
    assert!(known("young") && known("old"), "a part of a run forgets none of them");

    scene.send("newer", false).await;
    scene.report("newer", "Sent").await;
    scene.bench.hands.advance(31 * DAY);
    assert!(known("old"));
    assert_eq!(scene.run(Task::CleanMessages).await, 1);
    assert!(!known("young") && !known("old"));
    // The earlier token is as old as the messages.
    let user = scene.bench.minted(&scene.phone.login);
    assert_eq!(scene.bench.ask("GET", &path("old"), &user).await.status, 404);
}

async fn devices_that_were_not_seen_go_and_those_that_were_stay(kind: Kind) {
    let scene = Scene::new(kind).await;
    for number in 0..60 {
        scene.send(&format!("m-{number}"), false).await;
    }
    let forgotten = scene.bench.register("{}").await;
    scene.bench.hands.advance(31 * DAY);
    // Seen now, which nobody has written down yet.
    let token = bearer(&scene.phone.token);
    let pull = "/api/mobile/v1/message";
    assert_eq!(scene.bench.ask("GET", pull, &token).await.status, 200);
    assert_eq!(scene.run(Task::CleanDevices).await, 1);
    assert_eq!(scene.ids().await.len(), 50, "a page of those that stay");
    assert_eq!(
        scene.bench.ask("GET", pull, &bearer(&forgotten.token)).await.status,
        401
    );

    scene.bench.hands.advance(31 * DAY);
    assert_eq!(scene.run(Task::CleanDevices).await, 1);
    assert_eq!(scene.rows("SELECT count(*) FROM messages").await, 0);
    assert_eq!(
        scene.bench.ask("GET", pull, &token).await.status,
        401,
        "not remembered either"
    );
    assert_eq!(scene.rows("SELECT count(*) FROM users").await, 2);
}

async fn tokens_of_the_reference_go_some_time_after_they_expired(kind: Kind) {
    let scene = Scene::new(kind).await;
    let now = scene.bench.app.now();
    let old = now.minus(30 * DAY);
    let older = old.minus(Duration::from_millis(1));
    let issue = Statement::same(
        "INSERT INTO tokens (id, user_id, expires_at, created_at, updated_at) VALUES (?1, ?2, ?3, ?3, ?3)",
    );
    for (id, expires_at) in [("older", older), ("as-old-as-allowed", old), ("young", now)] {
        let issue = issue.bind(id).bind(&scene.phone.login).bind(expires_at);
        issue.execute(&scene.bench.app.database).await.unwrap();
    }
    assert_eq!(scene.run(Task::CleanTokens).await, 1);
    assert_eq!(scene.rows("SELECT count(*) FROM tokens WHERE id <> 'older'").await, 2);
}

async fn a_task_ends_when_it_is_time_to_stop(kind: Kind) {
    let scene = Scene::new(kind).await;
    scene.send("m", false).await;
    scene.report("m", "Sent").await;
    let (_stop, stopping) = watch::channel(true);
    for task in Task::ALL {
        assert_eq!(task.run(&scene.bench.app, &stopping).await.unwrap(), 0, "{task:?}");
    }
}

#[tokio::test]
async fn a_run_is_counted_and_one_beside_another_process_does_not_happen() {
    let scene = Scene::new(Kind::Sqlite).await;
    let (_stop, stopping) = watch::channel(false);
    let app = &scene.bench.app;
    executor::execute(app, Task::CleanTokens, &stopping).await;
    let counted = r#"worker_executor_task_result_total{result="success",task="tokens:cleanup"} 1"#;
    assert!(scene.metric(counted).await);
    assert!(
        scene
            .metric(r#"worker_executor_task_duration_seconds_count{task="tokens:cleanup"} 1"#)
            .await
    );

    let other = super::lock::take(app, Task::CleanTokens).await.unwrap();
    assert!(other.is_some());
    executor::execute(app, Task::CleanTokens, &stopping).await;
    assert!(scene.metric(counted).await, "not run again");

    let spoil = Statement::same("DROP TABLE tokens").query();
    spoil.execute(&app.database).await.unwrap();
    drop(other);
    executor::execute(app, Task::CleanTokens, &stopping).await;
    assert!(
        scene
            .metric(r#"worker_executor_task_result_total{result="error",task="tokens:cleanup"} 1"#)
            .await
    );
    assert!(scene.metric("worker_executor_active_tasks 0").await);
}

on_both_databases!(
    hashing_finds_whatever_may_be_hashed_over_many_batches,
    old_messages_go_with_all_that_is_theirs_unless_they_still_have_to_be_sent,
    how_many_there_are_is_right_while_old_ones_go,
    what_is_known_of_messages_is_forgotten_once_for_a_whole_run,
    devices_that_were_not_seen_go_and_those_that_were_stay,
    tokens_of_the_reference_go_some_time_after_they_expired,
    a_task_ends_when_it_is_time_to_stop,
);
