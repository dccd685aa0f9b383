//! What is remembered, and for how long.

use super::*;
use crate::{Timestamp, users::UserId};

fn device() -> Arc<Device> {
    device_of("t")
}

fn device_of(token: &str) -> Arc<Device> {
    let then = Timestamp::from_millis(0);
    Arc::new(Device {
        id: DeviceId::stored("d"),
        user: UserId::stored("U"),
        name: None,
        token: token.into(),
        push_token: None,
        sim_cards: Vec::new(),
        last_seen: then,
        created_at: then,
        updated_at: then,
    })
}

/// The only session of a process that is alone.
async fn session() -> Option<Session> {
    crate::testing::alone().await.session()
}

#[tokio::test]
async fn a_device_is_known_until_it_changes() {
    let (known, now) = (KnownDevices::new(), session().await);
    let id = DeviceId::stored("d");
    let forget: [&dyn Fn(); 2] = [&|| known.forget(&id), &|| known.forget_all()];
    for forget in forget {
        known.remember(&device(), known.look_up(now));
        assert!(known.recall("t", now).is_some());
        assert!(known.recall_by_id(&id, now).is_some());
        forget();
        assert!(known.recall("t", now).is_none());
        assert!(known.recall_by_id(&id, now).is_none());
    }
}

#[tokio::test]
async fn a_device_is_forgotten_whatever_was_evicted() {
    let (known, now) = (KnownDevices::new(), session().await);
    let id = DeviceId::stored("d");
    known.remember(&device(), known.look_up(now));
    known.ids.invalidate("t");
    assert!(known.recall("t", now).is_none());
    known.forget(&id);
    known.ids.insert("t".into(), id.clone());
    assert!(known.recall("t", now).is_none());

    known.remember(&device(), known.look_up(now));
    known.devices.evict(&id);
    assert!(known.recall("t", now).is_none());
    assert!(known.recall_by_id(&id, now).is_none());
}

#[tokio::test]
async fn only_the_token_that_a_device_has_is_its_own() {
    let (known, now) = (KnownDevices::new(), session().await);
    known.remember(&device_of("earlier"), known.look_up(now));
    known.remember(&device_of("later"), known.look_up(now));
    assert!(known.recall("earlier", now).is_none());
    assert!(known.recall("later", now).is_some());
}

#[tokio::test]
async fn a_look_up_that_overlaps_a_change_is_not_kept() {
    let (known, now) = (KnownDevices::new(), session().await);
    let began = known.look_up(now);
    known.forget(&DeviceId::stored("d"));
    known.remember(&device(), began);
    assert!(known.recall("t", now).is_none());
}

#[tokio::test]
async fn nothing_is_known_while_the_others_cannot_be_heard() {
    let (known, now) = (KnownDevices::new(), session().await);
    known.remember(&device(), known.look_up(None));
    assert!(known.recall("t", now).is_none());
    known.remember(&device(), known.look_up(now));
    assert!(known.recall("t", None).is_none());
    assert!(known.recall("t", now).is_some());
}
