//! What did the database say a moment ago? Kept until it is forgotten, here or on the word of another process.
//!
//! What was remembered before a gap in what we hear of the others counts no more: they may have changed it meanwhile.

use std::{
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::sync::Cache;

use super::Session;

/// Answers of the database by what was asked for.
#[derive(Debug)]
pub(crate) struct Remembered<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    entries: Cache<K, (Session, V)>,
    /// How many changes there were. Whoever holds it keeps others from changing what is remembered.
    changes: Mutex<u64>,
}

/// When a look-up began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LookUp {
    changes: u64,
    session: Option<Session>,
}

impl<K, V> Remembered<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Keeps so many, each for so long.
    pub(crate) fn new(ttl: Duration, most: u64) -> Self {
        Self::of(Cache::builder().time_to_live(ttl).max_capacity(most).build())
    }

    /// Keeps so many bytes, each entry for so long. `size` says how many an entry takes.
    pub(crate) fn bytes(ttl: Duration, most: u64, size: fn(&K, &V) -> usize) -> Self {
        let weigher = move |key: &K, (_, value): &(Session, V)| u32::try_from(size(key, value)).unwrap_or(u32::MAX);
        let entries = Cache::builder().time_to_live(ttl).max_capacity(most);
        Self::of(entries.weigher(weigher).build())
    }

    fn of(entries: Cache<K, (Session, V)>) -> Self {
        Self {
            entries,
            changes: Mutex::new(0),
        }
    }

    /// What was said; `now` is the session that we are in.
    pub(crate) fn recall(&self, key: &K, now: Option<Session>) -> Option<V> {
        let (session, value) = self.entries.get(key)?;
        (now == Some(session)).then_some(value)
    }

    /// To be taken before the database is asked, and given back to [`Self::remember`].
    pub(crate) fn look_up(&self, session: Option<Session>) -> LookUp {
        let changes = *self.changes();
        LookUp { changes, session }
    }

    /// Keeps an answer, unless anything was changed since the look-up began, or nobody could have told us. Says whether.
    ///
    /// INVARIANT(nothing older than a change): a look-up that began before a change and ends after it leaves nothing
    /// behind, not even for a moment, because a change takes the same lock after it is stored. Tests:
    /// `tests::nobody_reads_what_is_older_than_a_change`, `a_look_up_that_overlaps_a_change_is_not_kept` of those who
    /// remember.
    pub(crate) fn remember(&self, key: &K, value: V, began: LookUp) -> bool {
        let Some(session) = began.session else {
            return false;
        };
        let changes = self.changes();
        let is_true = *changes == began.changes;
        if is_true {
            self.entries.insert(key.clone(), (session, value));
        }
        is_true
    }

    /// Drops what is no longer true.
    pub(crate) fn forget(&self, key: &K) {
        let mut changes = self.changes();
        *changes += 1;
        self.entries.invalidate(key);
    }

    /// Drops all.
    pub(crate) fn forget_all(&self) {
        let mut changes = self.changes();
        *changes += 1;
        self.entries.invalidate_all();
    }

    /// Drops an entry as if there were no room for it.
    #[cfg(test)]
    pub(crate) fn evict(&self, key: &K) {
        self.entries.invalidate(key);
    }

    // No code panics while it holds this lock.
    fn changes(&self) -> MutexGuard<'_, u64> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::sync::mpsc::channel;
    use std::thread;

    use super::*;
    use crate::testing::alone;

    const LONG: Duration = Duration::from_secs(600);

    #[tokio::test]
    async fn nobody_reads_what_is_older_than_a_change() {
        let (remembered, now) = (Remembered::new(LONG, 10), alone().await.session());
        let began = remembered.look_up(now);
        let mut changing = remembered.changes();
        thread::scope(|scope| {
            let (about_to, begun) = channel();
            let keeping = scope.spawn({
                let remembered = &remembered;
                move || {
                    about_to.send(()).unwrap();
                    remembered.remember(&"key", "old", began)
                }
            });
            begun.recv().unwrap();
            for _ in 0..1_000 {
                thread::yield_now();
                assert_eq!(remembered.recall(&"key", now), None);
            }
            *changing += 1;
            drop(changing);
            assert!(!keeping.join().unwrap(), "it waited for the change");
        });
        assert_eq!(remembered.recall(&"key", now), None);
    }

    #[tokio::test]
    async fn no_more_is_kept_than_there_is_room_for() {
        let now = alone().await.session();
        let size = |_: &u32, value: &String| value.len();
        let remembered = Remembered::bytes(LONG, 1_000, size);
        let keep = |key: u32, bytes: usize| {
            remembered.remember(&key, "x".repeat(bytes), remembered.look_up(now));
            remembered.entries.run_pending_tasks();
            remembered.recall(&key, now).is_some()
        };
        assert!(keep(0, 400));
        assert!(!keep(1, 1_001));
        for key in 2..100 {
            keep(key, 400);
            assert!(remembered.entries.weighted_size() <= 1_000);
        }
        assert!(remembered.entries.entry_count() == 2);
    }
}
