//! Which way an event takes: to the push queue, to streams here, to streams of another process, or nowhere.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateward_auth::Secret;
use gateward_boot::metrics::Metrics as Registry;

use super::{Audience, Events, PushQueue};
use crate::config::{Backend, Pubsub};
use crate::db::testing::{Kind as Database, Place, on_both_databases};
use crate::devices::{DeviceId, Devices, NewDevice, OnlineMetrics, Owner};
use crate::events::bus::Subscription;
use crate::events::{Bus, Event, EventMetrics, Kind, Listener};
use crate::settings::Settings;
use crate::shared::redis_server::RedisServer;
use crate::shared::{PubSub, Trouble, Unavailable};
use crate::testing::{Bench, Phone};

/// Takes everything, unless it is broken.
#[derive(Debug, Default)]
struct Queue {
    taken: Mutex<Vec<(String, Event)>>,
    broken: bool,
}

#[async_trait::async_trait]
impl PushQueue for Queue {
    async fn enqueue(&self, token: &str, event: &Event) -> Result<(), Unavailable> {
        if self.broken {
            return Err(Unavailable(Trouble::Away));
        }
        self.taken.lock().unwrap().push((token.to_owned(), event.clone()));
        Ok(())
    }
}

/// One of several processes on one database.
struct Process {
    events: Events,
    devices: Arc<Devices>,
    others: PubSub,
    registry: Registry,
    _listener: Listener,
}

impl Process {
    async fn start(bench: &Bench, others: &Backend, queue: Option<Arc<dyn PushQueue>>) -> Self {
        let config = Pubsub {
            url: others.clone(),
            buffer_size: 8,
        };
        let others = PubSub::open(&config, bench.app.nanoid()).await.unwrap();
        let registry = Registry::new();
        let metrics = EventMetrics::new(&registry).unwrap();
        let online = OnlineMetrics::new(&registry).unwrap();
        let devices = Arc::new(Devices::new(bench.app.database.clone(), others.clone(), online));
        let bus = Bus::new(metrics.clone());
        let settings = Arc::new(Settings::new(bench.app.database.clone(), others.clone()));
        let listener = Listener::start(&others, bus.clone(), Arc::clone(&devices), settings, metrics.clone());
        Self {
            events: Events::new(Arc::clone(&devices), bus, others.clone(), queue, metrics),
            devices,
            others,
            registry,
            _listener: listener,
        }
    }

    fn listen(&self, phone: &Phone) -> Subscription {
        self.events.bus().subscribe(&phone.login, &phone.id)
    }

    fn counted(&self, line: &str) -> bool {
        self.registry.text().unwrap().contains(&format!("\n{line}\n"))
    }
}

fn audience(phone: &Phone) -> Audience<'_> {
    Audience::Device {
        user: &phone.login,
        device: &phone.id,
    }
}

fn event() -> Event {
    Event::message_cancelled("m".to_owned())
}

#[tokio::test]
async fn a_device_with_an_empty_push_token_listens() {
    let bench = Bench::new().await;
    let queue = Arc::new(Queue::default());
    let process = Process::start(&bench, &Backend::Memory, Some(queue.clone())).await;
    let phone = bench.register(r#"{"pushToken":""}"#).await;
    let mut stream = process.listen(&phone);
    process.events.deliver(audience(&phone), &event()).await.unwrap();
    assert!(queue.taken.lock().unwrap().is_empty());
    assert!(stream.next().await.is_some());
}

#[tokio::test]
async fn a_device_with_a_push_token_is_pushed_to_and_any_other_listens() {
    let bench = Bench::new().await;
    let queue = Arc::new(Queue::default());
    let process = Process::start(&bench, &Backend::Memory, Some(queue.clone())).await;
    let pushed = bench.register(r#"{"pushToken":"push"}"#).await;
    let authorization = crate::testing::basic(&pushed.login, &pushed.password);
    let answer = bench
        .tell("POST", "/api/mobile/v1/device", &authorization, "{}")
        .await
        .json();
    let listening = Phone {
        id: answer["id"].as_str().unwrap().to_owned(),
        ..pushed.clone()
    };
    let (mut never, mut stream) = (process.listen(&pushed), process.listen(&listening));
    let all = Audience::User(&pushed.login);
    process.events.deliver(all, &event()).await.unwrap();
    process
        .events
        .deliver(audience(&pushed), &Event::plain(Kind::SettingsUpdated))
        .await
        .unwrap();
    assert!(stream.next().await.unwrap().starts_with(b"event: MessageCancelled"));
    let expected = [event(), Event::plain(Kind::SettingsUpdated)].map(|event| ("push".to_owned(), event));
    assert_eq!(*queue.taken.lock().unwrap(), expected);
    for line in [
        r#"sms_events_enqueued_total{event="MessageCancelled"} 1"#,
        r#"sms_events_sent_total{delivery_type="push",event="MessageCancelled"} 1"#,
        r#"sms_events_sent_total{delivery_type="sse",event="MessageCancelled"} 1"#,
        r#"sms_events_sent_total{delivery_type="push",event="SettingsUpdated"} 1"#,
    ] {
        assert!(process.counted(line), "{line}");
    }
    process.events.close();
    assert!(
        never.next().await.is_none(),
        "the phone that is pushed to hears nothing"
    );
}

#[tokio::test]
async fn without_push_everybody_listens_and_it_is_counted() {
    let bench = Bench::new().await;
    let process = Process::start(&bench, &Backend::Memory, None).await;
    let phone = bench.register(r#"{"pushToken":"push"}"#).await;
    let mut stream = process.listen(&phone);
    process.events.publish(audience(&phone), &event());
    assert!(stream.next().await.is_some());
    process.events.settled().await;
    let unpushed = r#"sms_events_failed_total{delivery_type="push",event="MessageCancelled",reason="provider_failed"}"#;
    assert!(process.counted(&format!("{unpushed} 1")));
    // The same when the device is known.
    process
        .devices
        .authenticate(&phone.token, bench.app.now())
        .await
        .unwrap();
    process.events.publish(audience(&phone), &event());
    assert!(stream.next().await.is_some());
    assert!(process.counted(&format!("{unpushed} 2")));
}

#[tokio::test]
async fn a_push_queue_that_fails_is_told_to_who_waits_for_it() {
    let bench = Bench::new().await;
    let queue = Queue {
        broken: true,
        ..Queue::default()
    };
    let process = Process::start(&bench, &Backend::Memory, Some(Arc::new(queue))).await;
    let phone = bench.register(r#"{"pushToken":"push"}"#).await;
    assert!(process.events.deliver(audience(&phone), &event()).await.is_err());
    let line = r#"sms_events_failed_total{delivery_type="push",event="MessageCancelled",reason="provider_failed"} 1"#;
    assert!(process.counted(line));
}

#[tokio::test]
async fn another_s_device_hears_nothing() {
    let bench = Bench::new().await;
    let process = Process::start(&bench, &Backend::Memory, None).await;
    let (phone, stranger) = (bench.register("{}").await, bench.register("{}").await);
    let mut stream = process.listen(&phone);
    let wrong = Audience::Device {
        user: &stranger.login,
        device: &phone.id,
    };
    process.events.deliver(wrong, &event()).await.unwrap();
    // The same when the device is known.
    let now = bench.app.now();
    process.devices.authenticate(&phone.token, now).await.unwrap();
    process.events.deliver(wrong, &event()).await.unwrap();
    process.events.publish(wrong, &event());
    process.events.close();
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_device_that_is_known_hears_of_it_before_anything_else_happens() {
    let bench = Bench::new().await;
    let process = Process::start(&bench, &Backend::Memory, None).await;
    let phone = bench.register("{}").await;
    process
        .devices
        .authenticate(&phone.token, bench.app.now())
        .await
        .unwrap();
    let mut stream = process.listen(&phone);
    process.events.publish(audience(&phone), &event());
    assert!(futures_util::FutureExt::now_or_never(stream.next()).is_some());
}

#[tokio::test]
async fn streams_of_other_processes_hear_of_it_once() {
    let bench = Bench::new().await;
    let server = RedisServer::start().await;
    let redis = Backend::Redis(Secret::new(server.url()));
    let a = Process::start(&bench, &redis, None).await;
    let b = Process::start(&bench, &redis, None).await;
    let phone = bench.register("{}").await;
    let (mut here, mut there) = (a.listen(&phone), b.listen(&phone));
    for process in [&a, &b, &a] {
        process.events.publish(audience(&phone), &event());
        assert!(here.next().await.is_some());
        assert!(there.next().await.is_some());
    }
    a.events.close();
    b.events.close();
    assert!(here.next().await.is_none(), "nothing came twice");
    assert!(there.next().await.is_none(), "nothing came twice");
    assert!(a.counted(r#"sms_events_enqueued_total{event="MessageCancelled"} 2"#));
    assert!(b.counted(r#"sms_events_enqueued_total{event="MessageCancelled"} 1"#));
}

#[tokio::test]
async fn the_reference_s_announcements_reach_all_streams_of_the_user() {
    let bench = Bench::new().await;
    let server = RedisServer::start().await;
    let process = Process::start(&bench, &Backend::Redis(Secret::new(server.url())), None).await;
    let phone = bench.register("{}").await;
    let mut stream = process.listen(&phone);
    let client = redis::Client::open(server.url()).unwrap();
    let mut reference = client.get_multiplexed_async_connection().await.unwrap();
    let said = format!(
        r#"{{"user_id":"{}","event":{{"event_type":"SettingsUpdated","data":null}}}}"#,
        phone.login
    );
    for said in [r#"{"event":1}"#, &said] {
        let mut command = redis::cmd("PUBLISH");
        command.arg("sms-gateway:events").arg(said);
        command.exec_async(&mut reference).await.unwrap();
    }
    assert_eq!(stream.next().await.unwrap(), "event: SettingsUpdated\ndata: null\n\n");
    let line = r#"sms_events_failed_total{delivery_type="unknown",event="unknown",reason="serialization_error"} 1"#;
    assert!(process.counted(line));
}

#[tokio::test]
async fn without_redis_the_streams_here_hear_of_it_and_who_waits_is_told_when_nobody_did() {
    let bench = Bench::new().await;
    let mut server = RedisServer::start().await;
    let process = Process::start(&bench, &Backend::Redis(Secret::new(server.url())), None).await;
    let phone = bench.register("{}").await;
    server.kill().await;
    while process.others.session().is_some() {
        tokio::task::yield_now().await;
    }
    let mut stream = process.listen(&phone);
    process.events.deliver(audience(&phone), &event()).await.unwrap();
    assert!(stream.next().await.is_some());
    drop(stream);
    assert!(process.events.deliver(audience(&phone), &event()).await.is_err());
    let line = r#"sms_events_failed_total{delivery_type="unknown",event="MessageCancelled",reason="publish_error"} 1"#;
    assert!(process.counted(line));

    server.run().await;
    while process.events.deliver(audience(&phone), &event()).await.is_err() {
        tokio::task::yield_now().await;
    }
}

async fn a_device_is_in_all_processes_until_it_is_deleted_in_one(kind: Database) {
    let place = Place::new(kind).await;
    let bench = Bench::on(&place).await;
    let server = RedisServer::start().await;
    let redis = Backend::Redis(Secret::new(server.url()));
    let a = Process::start(&bench, &redis, None).await;
    let b = Process::start(&bench, &redis, None).await;
    let phone = bench.register("{}").await;
    let now = bench.app.now();
    assert!(b.devices.authenticate(&phone.token, now).await.unwrap().is_some());
    let mut stream = b.listen(&phone);
    let user = crate::users::UserId::stored(&phone.login);
    let known_to_b = async || b.devices.ids_of(&user, None, None).await.unwrap().len();
    assert_eq!(known_to_b().await, 1);
    let tablet = NewDevice {
        id: DeviceId::stored("tablet-00000000000000"),
        token: "token-of-the-tablet".to_owned(),
        name: None,
        push_token: None,
        sim_cards: Vec::new(),
    };
    a.devices.register(&tablet, Owner::Known(&user), now).await.unwrap();
    let hearing = async {
        while known_to_b().await != 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), hearing).await.unwrap();
    let authenticated = async || b.devices.authenticate(&tablet.token, now).await.unwrap();
    assert!(authenticated().await.is_some());
    a.devices
        .take_out(&user, &tablet.id, &bench.app.nanoid())
        .await
        .unwrap();
    let hearing = async {
        while known_to_b().await != 1 || authenticated().await.is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), hearing).await.unwrap();
    let deleted = a.devices.delete(&user, &DeviceId::stored(&phone.id)).await.unwrap();
    assert_eq!(deleted.unwrap().as_str(), phone.id, "as it was stored");
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.next()).await;
    assert!(ended.unwrap().is_none(), "its streams end");
    assert!(b.devices.authenticate(&phone.token, now).await.unwrap().is_none());
    assert_eq!(known_to_b().await, 0);
}

on_both_databases!(a_device_is_in_all_processes_until_it_is_deleted_in_one);

#[tokio::test]
async fn what_others_change_while_they_cannot_be_heard_is_not_known_afterwards() {
    let bench = Bench::new().await;
    let mut server = RedisServer::start().await;
    let process = Process::start(&bench, &Backend::Redis(Secret::new(server.url())), None).await;
    let phone = bench.register("{}").await;
    let user = crate::users::UserId::stored(&phone.login);
    let known = async || {
        let devices = &process.devices;
        let is_known = devices
            .authenticate(&phone.token, bench.app.now())
            .await
            .unwrap()
            .is_some();
        let ids = devices.ids_of(&user, None, None).await.unwrap();
        assert_eq!(!ids.is_empty(), is_known);
        is_known
    };
    assert!(known().await);
    server.kill().await;
    while process.others.session().is_some() {
        tokio::task::yield_now().await;
    }
    assert!(known().await, "the database is asked");
    // By another process, on the same database.
    assert!(
        bench
            .app
            .devices
            .delete(&user, &DeviceId::stored(&phone.id))
            .await
            .unwrap()
            .is_some()
    );
    assert!(!known().await);
    server.run().await;
    while process.others.session().is_none() {
        tokio::task::yield_now().await;
    }
    assert!(!known().await);
}
