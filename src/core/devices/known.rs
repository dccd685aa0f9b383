//! Which tokens belong to which devices? Remembered for a while, because a phone asks often
//! (WIRE §2.8). Unknown tokens are not remembered.
//!
//! Other processes say when they change a device. What was remembered before a gap in what we hear of them counts no
//! more: a device that was deleted there would stay known here.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;

use super::{Device, DeviceId};
use crate::shared::Session;

/// How long a device is remembered.
pub(super) const TTL: Duration = Duration::from_secs(600);
/// So many devices at once.
const CAPACITY: u64 = 10_000;

/// Devices by id, and ids by token.
///
/// INVARIANT(forgotten is forgotten): a device is kept under its id alone, so that whatever else was evicted, to forget the
/// id forgets the device. Test: `tests::a_device_is_forgotten_whatever_was_evicted`.
#[derive(Debug)]
pub(super) struct KnownDevices {
    entries: Cache<DeviceId, (Session, Arc<Device>)>,
    /// Only where to look: an entry with another token is not this one's.
    ids: Cache<String, DeviceId>,
    changes: AtomicU64,
}

/// When a look-up began.
#[derive(Clone, Copy, Debug)]
pub(super) struct LookUp {
    changes: u64,
    session: Option<Session>,
}

impl KnownDevices {
    pub(super) fn new() -> Self {
        Self {
            entries: Cache::builder().time_to_live(TTL).max_capacity(CAPACITY).build(),
            ids: Cache::builder().time_to_live(TTL).max_capacity(CAPACITY).build(),
            changes: AtomicU64::new(0),
        }
    }

    /// The device of a token; `now` is the session that we are in.
    pub(super) fn recall(&self, token: &str, now: Option<Session>) -> Option<Arc<Device>> {
        let device = self.recall_by_id(&self.ids.get(token)?, now)?;
        (device.token == token).then_some(device)
    }

    /// The same by its id.
    pub(super) fn recall_by_id(&self, id: &DeviceId, now: Option<Session>) -> Option<Arc<Device>> {
        let (session, device) = self.entries.get(id)?;
        (now == Some(session)).then_some(device)
    }

    /// To be taken before a device is looked up, and given back to [`Self::remember`].
    pub(super) fn look_up(&self, session: Option<Session>) -> LookUp {
        LookUp {
            changes: self.changes.load(Ordering::SeqCst),
            session,
        }
    }

    /// Keeps a device, unless one was changed since the look-up began, or nobody could have told us.
    ///
    /// INVARIANT(no deleted device is known): a look-up that began before a deletion and ends
    /// after it leaves nothing behind. Test: `tests::a_look_up_that_overlaps_a_change_is_not_kept`.
    pub(super) fn remember(&self, device: &Arc<Device>, began: LookUp) {
        let Some(session) = began.session else {
            return;
        };
        self.ids.insert(device.token.clone(), device.id.clone());
        self.entries.insert(device.id.clone(), (session, Arc::clone(device)));
        if self.changes.load(Ordering::SeqCst) != began.changes {
            self.entries.invalidate(&device.id);
        }
    }

    /// Drops a device that was changed or deleted.
    pub(super) fn forget(&self, id: &DeviceId) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate(id);
    }

    /// Drops all.
    pub(super) fn forget_all(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate_all();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
