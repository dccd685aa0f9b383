//! What do other processes tell us, and what follows from it here? Events go to the streams of this process; a device
//! that was changed elsewhere is no longer known, and one that was deleted has no streams.

use std::sync::Arc;

use tokio::task::AbortHandle;

use super::announcement::Announcement;
use super::{Bus, EventMetrics};
use crate::devices::{Devices, Elsewhere};
use crate::shared::{Heard, PubSub, Topic};

/// Listens as long as it lives.
#[derive(Debug)]
pub(crate) struct Listener([AbortHandle; 2]);

impl Drop for Listener {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Listener {
    /// Begins at once.
    pub(crate) fn start(others: &PubSub, bus: Bus, devices: Arc<Devices>, metrics: EventMetrics) -> Self {
        let mut events = others.subscribe(Topic::Events);
        let to_streams = bus.clone();
        let events = tokio::spawn(async move {
            while let Some(heard) = events.next().await {
                match heard {
                    Heard::Message(message) => hand_on(&message, &to_streams, &metrics),
                    Heard::Missed => tracing::warn!("events of other processes came too fast: some are lost"),
                }
            }
        });
        let mut changes = others.subscribe(Topic::Devices);
        let devices = tokio::spawn(async move {
            while let Some(heard) = changes.next().await {
                match heard {
                    Heard::Message(message) => match serde_json::from_slice::<Elsewhere>(&message) {
                        Ok(change) => {
                            devices.changed_elsewhere(&change);
                            change.deleted.iter().for_each(|device| bus.end(device));
                        }
                        Err(error) => {
                            tracing::warn!(%error, "what another process says of a device makes no sense");
                            devices.forget_all();
                        }
                    },
                    Heard::Missed => devices.forget_all(),
                }
            }
        });
        Self([events.abort_handle(), devices.abort_handle()])
    }
}

fn hand_on(message: &[u8], bus: &Bus, metrics: &EventMetrics) {
    let announced = serde_json::from_slice::<Announcement>(message).ok();
    let Some((announcement, event)) = announced.and_then(|said| said.event().map(|event| (said, event))) else {
        tracing::warn!("an event of another process makes no sense");
        metrics.garbled();
        return;
    };
    match &announcement.device_id {
        Some(device) => bus.publish(device, &event),
        None => bus.publish_to_user(&announcement.user_id, &event),
    };
}
