//! What did the database say a moment ago? Kept until it is forgotten, here or on the word of another process.
//!
//! What was remembered before a gap in what we hear of the others counts no more: they may have changed it meanwhile.

use std::{
    hash::Hash,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use moka::sync::Cache;

use crate::shared::Session;

/// So many entries at once.
pub(super) const CAPACITY: u64 = 10_000;

/// Answers of the database by what was asked for.
#[derive(Debug)]
pub(super) struct Remembered<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(super) entries: Cache<K, (Session, V)>,
    changes: AtomicU64,
}

/// When a look-up began.
#[derive(Clone, Copy, Debug)]
pub(super) struct LookUp {
    changes: u64,
    session: Option<Session>,
}

impl<K, V> Remembered<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Keeps each for so long.
    pub(super) fn new(ttl: Duration) -> Self {
        Self {
            entries: Cache::builder().time_to_live(ttl).max_capacity(CAPACITY).build(),
            changes: AtomicU64::new(0),
        }
    }

    /// What was said; `now` is the session that we are in.
    pub(super) fn recall(&self, key: &K, now: Option<Session>) -> Option<V> {
        let (session, value) = self.entries.get(key)?;
        (now == Some(session)).then_some(value)
    }

    /// To be taken before the database is asked, and given back to [`Self::remember`].
    pub(super) fn look_up(&self, session: Option<Session>) -> LookUp {
        LookUp {
            changes: self.changes.load(Ordering::SeqCst),
            session,
        }
    }

    /// Keeps an answer, unless anything was changed since the look-up began, or nobody could have told us. Says whether.
    ///
    /// INVARIANT(nothing older than a change): a look-up that began before a change and ends after it leaves nothing
    /// behind. Tests: `a_look_up_that_overlaps_a_change_is_not_kept` of those who remember.
    pub(super) fn remember(&self, key: &K, value: V, began: LookUp) -> bool {
        let Some(session) = began.session else {
            return false;
        };
        self.entries.insert(key.clone(), (session, value));
        let is_true = self.changes.load(Ordering::SeqCst) == began.changes;
        if !is_true {
            self.entries.invalidate(key);
        }
        is_true
    }

    /// Drops what is no longer true.
    pub(super) fn forget(&self, key: &K) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate(key);
    }

    /// Drops all.
    pub(super) fn forget_all(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate_all();
    }
}
