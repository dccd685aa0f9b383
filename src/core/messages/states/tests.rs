//! Tests of what is known, alone and as clients and other processes meet it.

use gateward_auth::Secret;
use serde_json::json;

use super::*;
use crate::config;
use crate::shared::redis_server::RedisServer;
use crate::testing::{Bench, Phone, bearer, states};

const TTL: Duration = Duration::from_secs(300);

fn alice() -> UserId {
    UserId::stored("ALICE")
}

/// Keeps an answer as whoever has just looked it up.
fn keep(states: &States, id: &str, row: i64, body: &'static str) {
    if let Err(began) = states.recall(&alice(), id) {
        states.remember(&alice(), id, shown(row, body), began);
    }
}

fn shown(row: i64, body: &'static str) -> Shown {
    Shown {
        row,
        state: State::Pending,
        body: Bytes::from_static(body.as_bytes()),
    }
}

fn known(states: &States, id: &str) -> Option<Bytes> {
    states.recall(&alice(), id).ok()
}

fn known_row(states: &States, row: i64, state: State, form: Form) -> Option<Bytes> {
    states.recall_rows(&[(row, state)], form).remove(0)
}

#[tokio::test]
async fn an_answer_is_known_until_its_message_changes() {
    let states = states(TTL).await;
    let change: [&dyn Fn() -> Told; 2] = [&|| states.changed(&[7]), &|| states.deleted()];
    for change in change {
        keep(&states, "a", 7, "A");
        keep(&states, "b", 8, "B");
        assert_eq!(known(&states, "a"), Some(Bytes::from_static(b"A")));
        assert_eq!(
            known(&states, "A"),
            known(&states, "a"),
            "ids are compared without case"
        );
        assert!(states.recall(&UserId::stored("BOB"), "a").is_err());
        change();
        assert_eq!(known(&states, "a"), None);
    }
    assert_eq!(known(&states, "b"), None);
}

#[tokio::test]
async fn a_look_up_that_overlaps_a_change_is_not_kept() {
    let states = states(TTL).await;
    let change: [&dyn Fn() -> Told; 3] = [&|| states.changed(&[7]), &|| states.deleted(), &|| {
        states.added(&alice(), "a", Timestamp::from_millis(0), &[]);
        Told::nothing()
    }];
    for change in change {
        let began = states.recall(&alice(), "a").unwrap_err();
        change();
        states.remember(&alice(), "a", shown(7, "old"), began);
        states.remember_row(Form::Listed, shown(7, "old"), began);
        assert_eq!(known(&states, "a"), None);
        assert_eq!(known_row(&states, 7, State::Pending, Form::Listed), None);
    }
}

#[tokio::test]
async fn a_row_is_known_in_the_form_and_the_state_in_which_it_was_stored() {
    let states = states(TTL).await;
    let change: [&dyn Fn() -> Told; 2] = [&|| states.changed(&[7]), &|| states.deleted()];
    for change in change {
        for form in Form::ALL {
            assert_eq!(states.recall_rows(&[(7, State::Pending)], form), [None]);
            states.remember_row(form, shown(7, "A"), states.look_up());
        }
        for form in Form::ALL {
            assert!(known_row(&states, 7, State::Pending, form).is_some());
            // Somebody has changed it who cannot tell us.
            assert_eq!(known_row(&states, 7, State::Sent, form), None);
        }
        change();
        for form in Form::ALL {
            assert_eq!(known_row(&states, 7, State::Pending, form), None);
        }
    }
}

#[tokio::test]
async fn a_newer_message_of_the_same_id_is_looked_up() {
    let states = states(TTL).await;
    keep(&states, "a", 7, "A");
    states.added(&alice(), "A", Timestamp::from_millis(0), &[]);
    assert_eq!(known(&states, "a"), None);
}

#[tokio::test]
async fn nothing_is_kept_while_the_others_cannot_be_heard_or_without_a_time() {
    let deaf = states(TTL).await;
    let began = deaf.recall(&alice(), "a").unwrap_err();
    let began = LookUp { session: None, ..began };
    deaf.remember(&alice(), "a", shown(7, "A"), began);
    assert_eq!(known(&deaf, "a"), None);

    let off = states(Duration::ZERO).await;
    keep(&off, "a", 7, "A");
    assert_eq!(known(&off, "a"), None);
}

struct Scene {
    bench: Bench,
    phone: Phone,
}

impl Scene {
    async fn new() -> Self {
        let bench = Bench::new().await;
        let phone = bench.register("{}").await;
        let scene = Self { bench, phone };
        let body = r#"{"id":"m","message":"hello","phoneNumbers":["+79990001234"]}"#;
        let user = scene.bench.minted(&scene.phone.login);
        let answer = scene.bench.tell("POST", "/api/3rdparty/v1/messages", &user, body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        scene
    }

    /// Asks twice, so that the second answer is a known one, and gives both.
    async fn read(&self) -> String {
        let user = self.bench.minted(&self.phone.login);
        let first = self.bench.ask("GET", "/api/3rdparty/v1/messages/m", &user).await;
        let second = self.bench.ask("GET", "/api/3rdparty/v1/messages/m", &user).await;
        assert_eq!(first.body, second.body);
        assert_eq!(first.status, second.status);
        assert_eq!(second.header("content-type"), Some("application/json"));
        second.body
    }

    /// The same of the list with contents and of the phone's queue.
    async fn list_and_pull(&self) -> [String; 2] {
        let (user, phone) = (self.bench.minted(&self.phone.login), bearer(&self.phone.token));
        let list = ("/api/3rdparty/v1/messages?includeContent=true", user);
        let queue = ("/api/mobile/v1/message", phone);
        let mut bodies = Vec::new();
        for (path, who) in [list, queue] {
            let first = self.bench.ask("GET", path, &who).await;
            let second = self.bench.ask("GET", path, &who).await;
            assert_eq!((first.status, &first.body), (second.status, &second.body));
            assert_eq!(second.header("content-type"), Some("application/json"));
            bodies.push(second.body);
        }
        bodies.try_into().unwrap()
    }

    async fn report(&self, state: &str) {
        let recipients = json!([{"phoneNumber": "+79990001234", "state": state}]);
        let body = json!([{"id": "M", "state": state, "recipients": recipients, "states": {}}]);
        let token = bearer(&self.phone.token);
        let path = "/api/mobile/v1/message";
        let answer = self.bench.tell("PATCH", path, &token, &body.to_string()).await;
        assert!(answer.is_empty_204(), "{answer:?}");
    }

    async fn metric(&self, line: &str) -> bool {
        let answer = self.bench.ask("GET", "/metrics", "").await;
        answer.body.lines().any(|shown| shown == line)
    }
}

#[tokio::test]
async fn what_is_read_is_never_older_than_what_was_answered() {
    let scene = Scene::new().await;
    assert!(scene.read().await.contains(r#""state":"Pending""#));
    for body in scene.list_and_pull().await {
        assert!(body.contains(r#""state":"Pending""#), "{body}");
    }
    assert!(scene.metric("sms_messages_cache_misses_total 1").await);
    assert!(scene.metric("sms_messages_cache_hits_total 1").await);

    let user = scene.bench.minted(&scene.phone.login);
    let path = "/api/3rdparty/v1/messages/m";
    assert_eq!(scene.bench.ask("DELETE", path, &user).await.status, 200);
    assert!(scene.read().await.contains(r#""state":"Cancelling""#));
    for body in scene.list_and_pull().await {
        assert!(body.contains(r#""state":"Cancelling""#), "{body}");
    }
    for state in ["Sent", "Delivered"] {
        scene.report(state).await;
        let body = scene.read().await;
        assert_eq!(body.matches(state).count(), 2, "message and recipient: {body}");
        let [list, queue] = scene.list_and_pull().await;
        assert_eq!((list.matches(state).count(), queue.as_str()), (2, "[]"), "{list}");
    }

    let app = &scene.bench.app;
    assert_eq!(app.reported.hash(&app.messages, app.now()).await.unwrap().len(), 1);
    assert!(scene.read().await.contains(r#""hashedMessage""#));
    let [list, _] = scene.list_and_pull().await;
    assert!(list.contains(r#""hashedMessage""#), "{list}");

    let device = format!("/api/3rdparty/v1/devices/{}", scene.phone.id);
    assert_eq!(scene.bench.ask("DELETE", &device, &user).await.status, 204);
    assert_eq!(scene.read().await, r#"{"message":"message not found"}"#);
}

#[tokio::test]
async fn the_seconds_that_are_left_are_counted_at_every_pull() {
    let scene = Scene::new().await;
    let user = scene.bench.minted(&scene.phone.login);
    let body = r#"{"id":"soon","message":"x","phoneNumbers":["+79990001234"],"ttl":600}"#;
    let sent = scene.bench.tell("POST", "/api/3rdparty/v1/messages", &user, body).await;
    assert_eq!(sent.status, 202, "{sent:?}");
    let pull = async || {
        let phone = bearer(&scene.phone.token);
        scene.bench.ask("GET", "/api/mobile/v1/message", &phone).await.body
    };
    assert!(pull().await.contains(r#""ttl":600"#));
    scene.bench.hands.advance(Duration::from_secs(60));
    assert!(pull().await.contains(r#""ttl":540"#));
}

#[tokio::test]
async fn of_two_messages_with_one_id_the_newer_is_read() {
    let scene = Scene::new().await;
    scene.read().await;
    let basic = crate::testing::basic(&scene.phone.login, &scene.phone.password);
    let second = scene
        .bench
        .tell("POST", "/api/mobile/v1/device", &basic, "{}")
        .await
        .json();
    let body = json!({"id": "M", "message": "x", "phoneNumbers": ["+79990001234"], "deviceId": second.get("id")});
    let user = scene.bench.minted(&scene.phone.login);
    let path = "/api/3rdparty/v1/messages";
    let answer = scene.bench.tell("POST", path, &user, &body.to_string()).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert!(scene.read().await.contains(second.get("id").unwrap().as_str().unwrap()));
}

#[tokio::test]
async fn what_another_process_changes_is_looked_up_again() {
    let server = RedisServer::start().await;
    let redis = config::Pubsub {
        url: config::Backend::Redis(Secret::new(server.url())),
        buffer_size: 16,
    };
    let process = async |name: &str| {
        let others = PubSub::open(&redis, name.to_owned()).await.unwrap();
        let metrics = StateMetrics::new(&Registry::new()).unwrap();
        States::new(TTL, others, metrics)
    };
    let (here, there) = (process("here").await, process("there").await);
    let _ear = here.listen();
    let change: [&dyn Fn() -> Told; 2] = [&|| there.changed(&[7]), &|| there.deleted()];
    for change in change {
        keep(&here, "a", 7, "A");
        keep(&here, "b", 8, "B");
        assert!(known(&here, "a").is_some());
        change();
        let forgotten = async {
            while known(&here, "a").is_some() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), forgotten).await.unwrap();
    }
    assert!(known(&here, "b").is_none());

    keep(&here, "a", 7, "A");
    let devices = [DeviceId::stored("phone")];
    let now = Timestamp::from_millis(1_000_000);
    here.totals().remember(&devices, 5, here.totals().count(now));
    assert!(here.totals().recall(&devices).is_some());
    there.deleted_from(&devices[0]);
    let forgotten = async {
        while here.totals().recall(&devices).is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), forgotten).await.unwrap();
    assert!(known(&here, "a").is_some(), "it may still be there");

    drop(server);
    let deaf = async {
        while known(&here, "a").is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), deaf).await.unwrap();
}
