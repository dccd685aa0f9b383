//! Processes that tell each other things: one alone, two on a real Redis, and Redis in trouble.

use std::time::Duration;

use gateward_auth::Secret;
use serde_json::json;

use super::{Heard, PubSub, Subscription, Topic};
use crate::config::{Backend, Pubsub};
use crate::shared::redis_server::RedisServer;

async fn open(url: Backend, buffer_size: usize, name: &str) -> PubSub {
    let config = Pubsub { url, buffer_size };
    PubSub::open(&config, name.to_owned()).await.unwrap()
}

async fn on(server: &RedisServer, name: &str) -> PubSub {
    open(Backend::Redis(Secret::new(server.url())), 8, name).await
}

async fn message(subscription: &mut Subscription) -> serde_json::Value {
    match subscription.next().await {
        Some(Heard::Message(message)) => serde_json::from_slice(&message).unwrap(),
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn alone_there_is_nobody_to_hear_and_nothing_is_missed() {
    let alone = open(Backend::Memory, 8, "a").await;
    let mut heard = alone.subscribe(Topic::Events);
    assert!(!alone.has_others());
    assert_eq!(alone.publish(Topic::Events, &json!({})).await, Ok(()));
    assert_eq!(heard.next().await, None);
    assert!(alone.session().is_some());
}

#[tokio::test]
async fn the_others_hear_what_is_said_and_the_speaker_does_not() {
    let server = RedisServer::start().await;
    let (a, b) = (on(&server, "a").await, on(&server, "b").await);
    let (mut heard_by_a, mut heard_by_b) = (a.subscribe(Topic::Events), b.subscribe(Topic::Events));
    let mut devices = b.subscribe(Topic::Devices);
    a.publish(Topic::Events, &json!({"number": 1})).await.unwrap();
    a.publish(Topic::Devices, &json!({"device": "d"})).await.unwrap();
    b.publish(Topic::Events, &json!({"number": 2})).await.unwrap();
    assert_eq!(message(&mut heard_by_b).await, json!({"number": 1, "origin": "a"}));
    assert_eq!(message(&mut devices).await, json!({"device": "d", "origin": "a"}));
    assert_eq!(
        message(&mut heard_by_a).await,
        json!({"number": 2, "origin": "b"}),
        "not its own"
    );
}

#[tokio::test]
async fn what_the_reference_says_is_heard_and_what_makes_no_sense_is_not() {
    let server = RedisServer::start().await;
    let listener = on(&server, "a").await;
    let mut heard = listener.subscribe(Topic::Events);
    let client = redis::Client::open(server.url()).unwrap();
    let mut reference = client.get_multiplexed_async_connection().await.unwrap();
    for said in ["nonsense", "[1]", r#"{"user_id":"U"}"#] {
        let mut command = redis::cmd("PUBLISH");
        command.arg("sms-gateway:events").arg(said);
        command.exec_async(&mut reference).await.unwrap();
    }
    assert_eq!(message(&mut heard).await, json!({"user_id": "U"}));
}

#[tokio::test]
async fn a_listener_that_is_too_slow_is_told_that_it_missed_something() {
    let server = RedisServer::start().await;
    let listener = open(Backend::Redis(Secret::new(server.url())), 2, "a").await;
    let speaker = on(&server, "b").await;
    let (mut slow, mut other) = (listener.subscribe(Topic::Events), listener.subscribe(Topic::Events));
    for number in 0..3 {
        speaker
            .publish(Topic::Events, &json!({ "number": number }))
            .await
            .unwrap();
        message(&mut other).await;
    }
    assert_eq!(slow.next().await, Some(Heard::Missed));
    assert_eq!(message(&mut slow).await["number"], 1);
}

#[tokio::test]
async fn after_an_outage_it_hears_again_in_another_session() {
    let mut server = RedisServer::start().await;
    let (a, b) = (on(&server, "a").await, on(&server, "b").await);
    let mut heard = b.subscribe(Topic::Events);
    let first = b.session();
    assert!(first.is_some());
    server.kill().await;
    while b.session().is_some() {
        tokio::task::yield_now().await;
    }
    while a.publish(Topic::Events, &json!({})).await.is_ok() {}
    server.run().await;
    while b.session().is_none() || a.publish(Topic::Events, &json!({"number": 1})).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_ne!(b.session(), first);
    assert_eq!(message(&mut heard).await["number"], 1);
}

#[tokio::test]
async fn a_redis_that_hangs_is_noticed_by_who_listens() {
    let server = RedisServer::start().await;
    let a = on(&server, "a").await;
    server.hang().await;
    let noticed = async {
        while a.session().is_some() {
            tokio::task::yield_now().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), noticed).await.is_ok());
    server.go_on().await;
    while a.session().is_none() {
        tokio::task::yield_now().await;
    }
}
