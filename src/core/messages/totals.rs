//! How many messages do these devices have? Every list says so, and counting a million each time would take longer than
//! all the rest. What was created before some moment is counted once; nobody adds to it, so that only what came later is
//! counted again.
//!
//! It knows no SQL (`store/list.rs`). What is said is what is stored: a message that was stored late, or deleted, makes
//! the number unknown. Only what another process deletes that cannot tell us is noticed a little later.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use crate::Timestamp;
use crate::devices::DeviceId;
use crate::shared::{PubSub, Session};

/// For so long a number counts.
const TTL: Duration = Duration::from_secs(60);
/// So many numbers at once.
const CAPACITY: u64 = 10_000;
/// Nobody stores a message with a time of creation that lies further back, or else we notice.
const ALONE: Duration = Duration::from_secs(2);
/// The same where other processes store messages, too, whose clocks may differ and whom nobody watches.
const AMONG_OTHERS: Duration = Duration::from_secs(30);
/// When so many came later, it is time to count anew up to a later moment.
const MANY: i64 = 500;

/// What is known.
#[derive(Debug)]
pub(crate) struct Totals {
    counts: Cache<String, (Session, Count)>,
    /// Whoever holds it keeps others from changing what is known.
    state: Mutex<State>,
    others: PubSub,
}

#[derive(Debug)]
struct State {
    changes: u64,
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
                counted_before: Timestamp::FIRST,
            }),
            others,
        }
    }

    /// What is known of these devices.
    pub(crate) fn recall(&self, devices: &[DeviceId]) -> Option<Count> {
        let (session, count) = self.counts.get(&key(devices))?;
        (self.others.session() == Some(session)).then_some(count)
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
    /// makes all counts unknown, those that are being taken among them. Test:
    /// `tests::a_message_that_is_stored_late_makes_the_number_unknown`.
    pub(crate) fn remember(&self, devices: &[DeviceId], messages: i64, began: Counting) {
        let Some(session) = began.session else {
            return;
        };
        let count = Count {
            before: began.before,
            messages,
        };
        let state = self.lock();
        if state.changes == began.changes {
            self.counts.insert(key(devices), (session, count));
        }
    }

    /// A message is stored now that was created then.
    pub(super) fn added(&self, created_at: Timestamp) {
        let mut state = self.lock();
        if created_at < state.counted_before {
            self.forget(&mut state);
        }
    }

    /// Messages were deleted.
    pub(super) fn forget_all(&self) {
        self.forget(&mut self.lock());
    }

    fn forget(&self, state: &mut State) {
        state.changes += 1;
        self.counts.invalidate_all();
    }

    // No code panics while it holds this lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
}
