//! What do other processes tell us, and what follows from it here? Events go to the streams of this process; a device or
//! settings that were changed elsewhere are no longer known, and a device that was deleted has no streams.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use tokio::task::AbortHandle;

use super::announcement::Announcement;
use super::{Bus, EventMetrics, Kind};
use crate::devices::{Devices, Elsewhere};
use crate::settings::{Changed, Settings};
use crate::shared::{Heard, PubSub, Topic};

/// Listens as long as it lives.
#[derive(Debug)]
pub(crate) struct Listener([AbortHandle; 3]);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Listener {
    /// Begins at once.
    pub(crate) fn start(
        others: &PubSub,
        bus: Bus,
        devices: Arc<Devices>,
        settings: Arc<Settings>,
        metrics: EventMetrics,
    ) -> Self {
        let mut events = others.subscribe(Topic::Events);
        let (to_streams, of_users) = (bus.clone(), Arc::clone(&settings));
        let events = tokio::spawn(async move {
            while let Some(heard) = events.next().await {
                match heard {
                    Heard::Message(message) => hand_on(&message, &to_streams, &of_users, &metrics),
                    Heard::Missed => tracing::warn!("events of other processes came too fast: some are lost"),
                }
            }
        });
        let mut changes = others.subscribe(Topic::Devices);
        let devices = tokio::spawn(async move {
            while let Some(heard) = changes.next().await {
                match word::<Elsewhere>(&heard, Topic::Devices) {
                    Some(change) => {
                        devices.changed_elsewhere(&change);
                        change.deleted.iter().for_each(|device| bus.end(device));
                    }
                    None => devices.forget_all(),
                }
            }
        });
        let mut changes = others.subscribe(Topic::Settings);
        let settings = tokio::spawn(async move {
            while let Some(heard) = changes.next().await {
                match word::<Changed>(&heard, Topic::Settings) {
                    Some(change) => settings.changed_elsewhere(&change),
                    None => settings.forget_all(),
                }
            }
        });
        Self([events.abort_handle(), devices.abort_handle(), settings.abort_handle()])
    }
}

/// What another process says of a change; `None` if it is lost or makes no sense: then anything may have changed.
fn word<W: DeserializeOwned>(heard: &Heard, topic: Topic) -> Option<W> {
    let Heard::Message(message) = heard else {
        return None;
    };
    let word = serde_json::from_slice(message);
    word.inspect_err(|error| tracing::warn!(?topic, %error, "what another process says of a change makes no sense"))
        .ok()
}

fn hand_on(message: &[u8], bus: &Bus, settings: &Settings, metrics: &EventMetrics) {
    let announced = serde_json::from_slice::<Announcement>(message).ok();
    let Some((announcement, event)) = announced.and_then(|said| said.event().map(|event| (said, event))) else {
        tracing::warn!("an event of another process makes no sense");
        metrics.garbled();
        return;
    };
    // So that no phone that hears of it is shown earlier ones, and whoever else says it (the reference) is believed.
    if event.kind == Kind::SettingsUpdated {
        settings.changed_of(&announcement.user_id);
    }
    match &announcement.device_id {
        Some(device) => bus.publish(device, &event),
        None => bus.publish_to_user(&announcement.user_id, &event),
    };
}
