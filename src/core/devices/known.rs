//! Which tokens belong to which devices? Remembered for a while, because a phone asks often
//! (WIRE §2.8). Unknown tokens are not remembered.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;

use super::Device;

/// How long a device is remembered.
const TTL: Duration = Duration::from_secs(600);
/// So many devices at once.
const CAPACITY: u64 = 10_000;

/// Devices by token.
#[derive(Debug)]
pub(super) struct KnownDevices {
    entries: Cache<String, Arc<Device>>,
    changes: AtomicU64,
}

impl KnownDevices {
    pub(super) fn new() -> Self {
        let entries = Cache::builder().time_to_live(TTL).max_capacity(CAPACITY).build();
        Self {
            entries,
            changes: AtomicU64::new(0),
        }
    }

    pub(super) fn recall(&self, token: &str) -> Option<Arc<Device>> {
        self.entries.get(token)
    }

    /// To be taken before a device is looked up, and given back to [`Self::remember`].
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Keeps a device, unless one was changed since `changes` was taken.
    ///
    /// INVARIANT(no deleted device is known): a look-up that began before a deletion and ends
    /// after it leaves nothing behind. Test: `tests::a_look_up_that_overlaps_a_change_is_not_kept`.
    pub(super) fn remember(&self, device: Arc<Device>, changes: u64) {
        let token = device.token.clone();
        self.entries.insert(token.clone(), device);
        if self.changes() != changes {
            self.entries.invalidate(&token);
        }
    }

    /// Drops a device that was changed or deleted.
    pub(super) fn forget(&self, token: &str) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate(token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Timestamp, devices::DeviceId, users::UserId};

    fn device() -> Arc<Device> {
        let then = Timestamp::from_millis(0);
        Arc::new(Device {
            id: DeviceId::stored("d"),
            user: UserId::stored("U"),
            name: None,
            token: "t".into(),
            sim_cards: Vec::new(),
            last_seen: then,
            created_at: then,
            updated_at: then,
        })
    }

    #[test]
    fn a_device_is_known_until_it_changes() {
        let known = KnownDevices::new();
        known.remember(device(), known.changes());
        assert!(known.recall("t").is_some());
        assert!(known.recall("T").is_none());
        known.forget("t");
        assert!(known.recall("t").is_none());
    }

    #[test]
    fn a_look_up_that_overlaps_a_change_is_not_kept() {
        let known = KnownDevices::new();
        let before = known.changes();
        known.forget("t");
        known.remember(device(), before);
        assert!(known.recall("t").is_none());
    }
}
