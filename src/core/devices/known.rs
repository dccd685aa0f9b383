//! Which tokens belong to which devices? Remembered for a while, because a phone asks often
//! (WIRE §2.8). Unknown tokens are not remembered.
//!
//! Other processes say when they change a device: one that was deleted there would stay known here.

use std::{sync::Arc, time::Duration};

use moka::sync::Cache;

use super::{CAPACITY, Device, DeviceId};
use crate::shared::{LookUp, Remembered, Session};

/// How long a device is remembered.
pub(super) const TTL: Duration = Duration::from_secs(600);

/// Devices by id, and ids by token.
///
/// INVARIANT(forgotten is forgotten): a device is kept under its id alone, so that whatever else was evicted, to forget the
/// id forgets the device. Test: `tests::a_device_is_forgotten_whatever_was_evicted`.
#[derive(Debug)]
pub(super) struct KnownDevices {
    devices: Remembered<DeviceId, Arc<Device>>,
    /// Only where to look: an entry with another token is not this one's.
    ids: Cache<String, DeviceId>,
}

impl KnownDevices {
    pub(super) fn new() -> Self {
        Self {
            devices: Remembered::new(TTL, CAPACITY),
            ids: Cache::builder().time_to_live(TTL).max_capacity(CAPACITY).build(),
        }
    }

    /// The device of a token; `now` is the session that we are in.
    pub(super) fn recall(&self, token: &str, now: Option<Session>) -> Option<Arc<Device>> {
        let device = self.recall_by_id(&self.ids.get(token)?, now)?;
        (device.token == token).then_some(device)
    }

    /// The same by its id.
    pub(super) fn recall_by_id(&self, id: &DeviceId, now: Option<Session>) -> Option<Arc<Device>> {
        self.devices.recall(id, now)
    }

    /// To be taken before a device is looked up, and given back to [`Self::remember`].
    pub(super) fn look_up(&self, session: Option<Session>) -> LookUp {
        self.devices.look_up(session)
    }

    /// Keeps a device, unless one was changed since the look-up began, or nobody could have told us.
    pub(super) fn remember(&self, device: &Arc<Device>, began: LookUp) {
        if self.devices.remember(&device.id, Arc::clone(device), began) {
            self.ids.insert(device.token.clone(), device.id.clone());
        }
    }

    /// Drops a device that was changed or deleted.
    pub(super) fn forget(&self, id: &DeviceId) {
        self.devices.forget(id);
    }

    /// Drops all.
    pub(super) fn forget_all(&self) {
        self.devices.forget_all();
    }
}

#[cfg(test)]
mod tests;
