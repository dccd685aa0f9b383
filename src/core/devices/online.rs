//! Which devices were seen since we last wrote it down? A phone is seen with every request; the
//! database hears of it once a minute (WIRE §2.8).

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::DeviceId;
use crate::Timestamp;

/// How often it is written down.
pub(crate) const PERIOD: Duration = Duration::from_secs(60);

/// Devices and when they were seen last, not yet written down.
#[derive(Debug, Default)]
pub(crate) struct Online {
    seen: Mutex<HashMap<DeviceId, Timestamp>>,
}

impl Online {
    /// A device was seen.
    pub(super) fn mark(&self, device: &DeviceId, now: Timestamp) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match seen.get_mut(device) {
            Some(last) => *last = now.max(*last),
            None => {
                seen.insert(device.clone(), now);
            }
        }
    }

    /// All that were seen; the list is empty then.
    pub(super) fn take(&self) -> HashMap<DeviceId, Timestamp> {
        std::mem::take(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// They could not be written down after all.
    pub(super) fn put_back(&self, seen: HashMap<DeviceId, Timestamp>) {
        for (device, at) in seen {
            self.mark(&device, at);
        }
    }
}
