//! How many messages do these devices have? Every list says so, and counting a million each time would take longer than
//! all the rest. What was created before some moment is counted once; nobody adds to it, so that only what came later is
//! counted again.
//!
//! It knows no SQL (`store/list.rs`). What is said is what is stored: a message that was stored late makes all numbers
//! unknown, and messages of a device that were deleted those of this device, also while thousands of others are still to
//! go. Only what another process deletes that cannot tell us is noticed a little later.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use crate::Timestamp;
use crate::devices::DeviceId;
use crate::shared::{PubSub, Session};

/// For so long a number counts.
pub(super) const TTL: Duration = Duration::from_secs(60);
/// So many numbers at once.
const CAPACITY: u64 = 10_000;
/// Nobody stores a message with a time of creation that lies further back, or else we notice.
const ALONE: Duration = Duration::from_secs(2);
/// The same where other processes store messages, too, whose clocks may differ and whom nobody watches.
const AMONG_OTHERS: Duration = Duration::from_secs(30);
/// When so many came later, it is time to count anew up to a later moment.
const MANY: i64 = 500;

/// So many devices are told apart that lost messages; when there are more, all numbers are unknown.
const DEVICES: usize = 1_000;

/// What is known.
#[derive(Debug)]
pub(crate) struct Totals {
    counts: Cache<String, Known>,
    /// Whoever holds it keeps others from changing what is known.
    state: Mutex<State>,
    others: PubSub,
}

/// A number, and what it is good for.
#[derive(Clone, Copy, Debug)]
struct Known {
    session: Session,
    /// As many changes were there when counting began.
    changes: u64,
    count: Count,
}

#[derive(Debug)]
struct State {
    /// How many there were.
    changes: u64,
    /// The latest that concerned every number.
    of_all: u64,
    /// The latest since then that concerned a device.
    of_devices: HashMap<DeviceId, u64>,
    /// What was created before is counted, or being counted, somewhere.
    counted_before: Timestamp,
}

/// How many messages were created before a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Count {
    pub(crate) before: Timestamp,
    pub(crate) messages: i64,
}

/// When counting began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counting {
    /// Up to when to count.
    pub(crate) before: Timestamp,
    changes: u64,
    session: Option<Session>,
}

impl Totals {
    pub(super) fn new(others: PubSub) -> Self {
        Self {
            counts: Cache::builder().time_to_live(TTL).max_capacity(CAPACITY).build(),
            state: Mutex::new(State {
                changes: 0,
                of_all: 0,
                of_devices: HashMap::new(),
                counted_before: Timestamp::FIRST,
            }),
            others,
        }
    }

    /// What is known of these devices.
    pub(crate) fn recall(&self, devices: &[DeviceId]) -> Option<Count> {
        let known = self.counts.get(&key(devices))?;
        let is_good = self.others.session() == Some(known.session) && self.lock().is_good(devices, known.changes);
        is_good.then_some(known.count)
    }

    /// Whether so many later ones are reason to count anew.
    pub(crate) fn is_far_behind(later: i64) -> bool {
        later >= MANY
    }

    /// To be called before counting, and given back to [`Totals::remember`].
    pub(crate) fn count(&self, now: Timestamp) -> Counting {
        let margin = if self.others.has_others() { AMONG_OTHERS } else { ALONE };
        let before = now.minus(margin);
        let mut state = self.lock();
        state.counted_before = state.counted_before.max(before);
        Counting {
            before,
            changes: state.changes,
            session: self.others.session(),
        }
    }

    /// Keeps a count, unless something made it wrong since counting began.
    ///
    /// INVARIANT(totals are exact): a message that is stored with an earlier time than one up to which somebody counts
    /// makes all counts unknown, those that are being taken among them; and so do messages that are deleted those of their
    /// device. Tests: `tests::a_message_that_is_stored_late_makes_the_number_unknown`,
    /// `tests::what_is_deleted_makes_the_numbers_of_its_device_unknown`.
    pub(crate) fn remember(&self, devices: &[DeviceId], messages: i64, began: Counting) {
        let Some(session) = began.session else {
            return;
        };
        let count = Count {
            before: began.before,
            messages,
        };
        let known = Known {
            session,
            changes: began.changes,
            count,
        };
        let state = self.lock();
        if state.is_good(devices, began.changes) {
            self.counts.insert(key(devices), known);
        }
    }

    /// A message is stored now that was created then.
    pub(super) fn added(&self, created_at: Timestamp) {
        let mut state = self.lock();
        if created_at < state.counted_before {
            self.forget(&mut state);
        }
    }

    /// Messages of this device were deleted.
    pub(super) fn deleted_from(&self, device: &DeviceId) {
        let mut state = self.lock();
        if state.of_devices.len() >= DEVICES && !state.of_devices.contains_key(device) {
            self.forget(&mut state);
        } else {
            state.changes += 1;
            let latest = state.changes;
            state.of_devices.insert(device.clone(), latest);
        }
    }

    /// Messages were deleted.
    pub(super) fn forget_all(&self) {
        self.forget(&mut self.lock());
    }

    fn forget(&self, state: &mut State) {
        state.changes += 1;
        state.of_all = state.changes;
        state.of_devices.clear();
        self.counts.invalidate_all();
    }

    // No code panics while it holds this lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether nothing has changed for these devices since there were so many changes.
    fn is_good(&self, devices: &[DeviceId], changes: u64) -> bool {
        let latest = |device| self.of_devices.get(device).copied().unwrap_or_default();
        self.of_all <= changes && devices.iter().all(|device| latest(device) <= changes)
    }
}

/// Ids of devices have no line breaks.
fn key(devices: &[DeviceId]) -> String {
    let mut key = String::new();
    for device in devices {
        key.push_str(device.as_str());
        key.push('\n');
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    async fn totals() -> Totals {
        Totals::new(crate::testing::alone().await)
    }

    fn phone() -> [DeviceId; 1] {
        [DeviceId::stored("phone")]
    }

    #[tokio::test]
    async fn a_number_is_known_until_messages_are_deleted() {
        let totals = totals().await;
        totals.remember(&phone(), 5, totals.count(NOW));
        let before = NOW.minus(ALONE);
        assert_eq!(totals.recall(&phone()), Some(Count { before, messages: 5 }));
        assert_eq!(totals.recall(&["phone", "tablet"].map(DeviceId::stored)), None);
        totals.added(before);
        assert!(totals.recall(&phone()).is_some(), "counted again every time");
        totals.forget_all();
        assert_eq!(totals.recall(&phone()), None);
    }

    #[tokio::test]
    async fn a_message_that_is_stored_late_makes_the_number_unknown() {
        let totals = totals().await;
        let late = NOW.minus(ALONE).minus(Duration::from_millis(1));
        totals.remember(&phone(), 5, totals.count(NOW));
        totals.added(late);
        assert_eq!(totals.recall(&phone()), None);

        let began = totals.count(NOW);
        totals.added(late);
        totals.remember(&phone(), 5, began);
        assert_eq!(totals.recall(&phone()), None, "it may be among those counted, or not");
    }

    #[tokio::test]
    async fn what_is_deleted_makes_the_numbers_of_its_device_unknown() {
        let totals = totals().await;
        let both = ["phone", "tablet"].map(DeviceId::stored);
        let [_, tablet] = &both;
        let recalled = || [&phone()[..], &both, std::slice::from_ref(tablet)].map(|of| totals.recall(of).is_some());
        let count = || totals.count(NOW);
        let remember = |began: [Counting; 3]| {
            let [one, two, three] = began;
            totals.remember(&phone(), 5, one);
            totals.remember(&both, 7, two);
            totals.remember(std::slice::from_ref(tablet), 2, three);
        };
        remember([count(), count(), count()]);
        assert_eq!(recalled(), [true; 3]);
        totals.deleted_from(&phone()[0]);
        assert_eq!(recalled(), [false, false, true]);

        // It may have been counted before or after.
        let began = [count(), count(), count()];
        totals.deleted_from(&phone()[0]);
        remember(began);
        assert_eq!(recalled(), [false, false, true]);
        remember([count(), count(), count()]);
        assert_eq!(recalled(), [true; 3]);

        for number in 0..DEVICES {
            totals.deleted_from(&DeviceId::stored(&number.to_string()));
        }
        assert_eq!(recalled(), [false; 3], "too many to be told apart");
        remember([count(), count(), count()]);
        assert_eq!(recalled(), [true; 3]);
    }
}
