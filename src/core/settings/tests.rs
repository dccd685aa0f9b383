//! What is remembered of settings, alone and as clients, phones and other processes meet it.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use gateward_auth::Secret;
use serde_json::{Value, json};

use super::*;
use crate::config::{Backend, Pubsub};
use crate::db::Statement;
use crate::db::testing::{Kind, Place, on_both_databases};
use crate::shared::redis_server::RedisServer;
use crate::testing::{Bench, Phone, bearer};

const SETTINGS: &str = "/api/3rdparty/v1/settings";
const OF_DEVICE: &str = "/api/mobile/v1/settings";
/// By whoever tells nobody.
const QUIETLY: Statement = Statement::same("UPDATE device_settings SET settings = ? WHERE user_id = ?");

fn days(days: u32) -> Value {
    json!({"encryption": {"passphrase": null}, "logs": {"lifetime_days": days}})
}

fn shown(days: u32) -> [String; 2] {
    [
        format!(r#"{{"encryption":{{}},"logs":{{"lifetime_days":{days}}}}}"#),
        format!(r#"{{"encryption":{{"passphrase":null}},"logs":{{"lifetime_days":{days}}}}}"#),
    ]
}

/// What clients and what phones are shown.
async fn read(bench: &Bench, phone: &Phone) -> [String; 2] {
    let client = bench.ask("GET", SETTINGS, &bench.minted(&phone.login)).await;
    let phone = bench.ask("GET", OF_DEVICE, &bearer(&phone.token)).await;
    [client, phone].map(|answer| {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        answer.body
    })
}

async fn change(bench: &Bench, phone: &Phone, settings: &Value) {
    let minted = bench.minted(&phone.login);
    let answer = bench.tell("PUT", SETTINGS, &minted, &settings.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

async fn change_quietly(bench: &Bench, phone: &Phone, settings: &Value) {
    let change = QUIETLY.bind(settings.to_string()).bind(phone.login.as_str());
    change.execute(&bench.app.database).await.unwrap();
}

/// Reads until that is shown, which has to be soon.
async fn await_shown(bench: &Bench, phone: &Phone, expected: [String; 2]) {
    let reading = async {
        while read(bench, phone).await != expected {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reading).await.unwrap();
}

/// A process among several on one database.
async fn process(place: &Place, redis: &RedisServer) -> Bench {
    Bench::with(|config| {
        config.database = place.config.clone();
        config.pubsub = Pubsub {
            url: Backend::Redis(Secret::new(redis.url())),
            buffer_size: 16,
        };
    })
    .await
}

async fn settings_are_known_without_the_database_and_never_too_late(kind: Kind) {
    let place = Place::new(kind).await;
    let bench = Bench::on(&place).await;
    let (phone, silent) = (bench.register("{}").await, bench.register("{}").await);
    let none = ["{}", "{}"].map(str::to_owned);
    for phone in [&phone, &silent] {
        assert_eq!(read(&bench, phone).await, none);
    }
    for now in 1..=3 {
        change(&bench, &phone, &days(now)).await;
        assert_eq!(read(&bench, &phone).await, shown(now));
    }
    bench.app.database.close().await;
    assert_eq!(read(&bench, &phone).await, shown(3));
    assert_eq!(read(&bench, &silent).await, none, "nothing is known, too");
}

async fn what_one_process_changes_is_read_from_the_others(kind: Kind) {
    let (place, redis) = (Place::new(kind).await, RedisServer::start().await);
    let (here, there) = (process(&place, &redis).await, process(&place, &redis).await);
    let phone = here.register("{}").await;
    read(&there, &phone).await;
    let mut hears = there.listen(&phone).await;
    for now in 1..=20 {
        change(&here, &phone, &days(now)).await;
        assert_eq!(hears.next().await, "event: SettingsUpdated\ndata: null\n\n");
        assert_eq!(read(&there, &phone).await, shown(now), "whoever heard of it reads it");
    }
    for now in 21..=23 {
        change(&there, &phone, &days(now)).await;
        await_shown(&here, &phone, shown(now)).await;
    }
}

on_both_databases!(
    settings_are_known_without_the_database_and_never_too_late,
    what_one_process_changes_is_read_from_the_others
);

#[tokio::test]
async fn what_was_known_before_a_gap_counts_no_more() {
    let (place, mut redis) = (Place::new(Kind::Sqlite).await, RedisServer::start().await);
    let bench = process(&place, &redis).await;
    let phone = bench.register("{}").await;
    change(&bench, &phone, &days(1)).await;
    assert_eq!(read(&bench, &phone).await, shown(1));
    change_quietly(&bench, &phone, &days(2)).await;
    assert_eq!(read(&bench, &phone).await, shown(1), "it is remembered");
    redis.kill().await;
    await_shown(&bench, &phone, shown(2)).await;
    change_quietly(&bench, &phone, &days(3)).await;
    assert_eq!(read(&bench, &phone).await, shown(3), "nothing is remembered now");
    redis.run().await;
    while bench.app.settings.others.session().is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(read(&bench, &phone).await, shown(3));
}

#[tokio::test]
async fn whatever_another_process_says_of_settings_they_are_looked_up_again() {
    let (place, redis) = (Place::new(Kind::Sqlite).await, RedisServer::start().await);
    let bench = process(&place, &redis).await;
    let phone = bench.register("{}").await;
    change(&bench, &phone, &days(1)).await;
    let client = redis::Client::open(redis.url()).unwrap();
    let mut other = client.get_multiplexed_async_connection().await.unwrap();
    let event = json!({"user_id": phone.login, "event": {"event_type": "SettingsUpdated", "data": null}});
    for (now, (channel, said)) in (2..).zip([
        ("sms-gateway:settings", json!({"user_id": phone.login})),
        ("sms-gateway:settings", json!({"user_id": null})),
        ("sms-gateway:settings", json!({"user_id": ["of a later version"]})),
        ("sms-gateway:events", event),
    ]) {
        assert_eq!(read(&bench, &phone).await, shown(now - 1));
        change_quietly(&bench, &phone, &days(now)).await;
        assert_eq!(read(&bench, &phone).await, shown(now - 1), "it is remembered");
        let mut command = redis::cmd("PUBLISH");
        command.arg(channel).arg(said.to_string());
        command.exec_async(&mut other).await.unwrap();
        await_shown(&bench, &phone, shown(now)).await;
    }
}

#[tokio::test]
async fn a_look_up_that_overlaps_a_change_is_not_kept() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let (settings, user) = (&bench.app.settings, UserId::stored(&phone.login));
    let session = settings.others.session();
    let elsewhere = Changed {
        user_id: Some(phone.login.clone()),
    };
    let forget: [&dyn Fn(); 2] = [&|| settings.changed_elsewhere(&elsewhere), &|| settings.forget_all()];
    for forget in forget {
        let began = settings.known.look_up(session);
        let found = Views::of(&store::of(&bench.app.database, &user).await.unwrap());
        forget();
        assert!(!settings.known.remember(&user, found, began));
        assert!(settings.known.recall(&user, session).is_none());
    }
    let began = settings.known.look_up(session);
    let found = Views::of(&store::of(&bench.app.database, &user).await.unwrap());
    change(&bench, &phone, &days(1)).await;
    settings.known.remember(&user, found, began);
    assert_eq!(read(&bench, &phone).await, shown(1));
}

#[tokio::test]
async fn a_change_that_failed_leaves_nothing_known() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    change(&bench, &phone, &days(1)).await;
    read(&bench, &phone).await;
    let (settings, user) = (&bench.app.settings, UserId::stored(&phone.login));
    let session = settings.others.session();
    assert!(settings.known.recall(&user, session).is_some());
    bench.app.database.close().await;
    let failed = settings
        .change(&user, Change::Replace(Tree::new()), bench.app.now())
        .await;
    assert!(failed.is_err());
    assert!(settings.known.recall(&user, session).is_none());
}

#[test]
fn two_words_are_about_one_user_or_about_all() {
    let of = |user: &str| Changed {
        user_id: Some(user.to_owned()),
    };
    assert_eq!(of("A").join(of("A")).user_id.as_deref(), Some("A"));
    assert_eq!(of("A").join(of("B")).user_id, None);
    assert_eq!(of("A").join(of("B")).join(of("B")).user_id, None);
}
