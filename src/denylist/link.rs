//! Is the list up to date, and may the store be asked? One small state that the feed writes and every request reads.
//! Knows neither the list nor the store.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use crate::clock;
use crate::trouble::Trouble;

/// The list counts as out of date when nothing was heard for this long (DESIGN §7: never later than 1 s).
pub(crate) const STALE_AFTER: Duration = Duration::from_secs(1);

const NO_TROUBLE: u8 = u8::MAX;

/// The state of the connection to the store.
#[derive(Debug)]
pub(crate) struct Link {
    started: Instant,
    /// All changes are made in this process, so the list in memory is always complete.
    local: bool,
    loaded: AtomicBool,
    loaded_now: Notify,
    /// Milliseconds after `started` when the list was last known to be complete.
    heard: AtomicU64,
    heard_now: Notify,
    trouble: AtomicU8,
    reported: AtomicBool,
    outages: AtomicU64,
}

impl Link {
    /// For a store that nobody else writes to. Not loaded yet.
    pub(crate) fn local() -> Self {
        Self::new(true)
    }

    /// For a store that others write to: in trouble until the feed says otherwise.
    pub(crate) fn remote() -> Self {
        Self::new(false)
    }

    fn new(local: bool) -> Self {
        let trouble = if local { NO_TROUBLE } else { Trouble::Starting.index() };
        Self {
            started: Instant::now(),
            local,
            loaded: AtomicBool::new(false),
            loaded_now: Notify::new(),
            heard: AtomicU64::new(0),
            heard_now: Notify::new(),
            trouble: AtomicU8::new(trouble),
            reported: AtomicBool::new(false),
            outages: AtomicU64::new(0),
        }
    }

    /// The list is complete at this moment.
    ///
    /// INVARIANT(fresh means complete): only called when everything that the store had was merged before; test
    /// `tests::redis::a_short_break_is_made_up_by_the_feed`.
    pub(crate) fn heard(&self) {
        self.heard.store(self.now(), Ordering::Release);
        self.trouble.store(NO_TROUBLE, Ordering::Release);
        self.heard_now.notify_waiters();
        // Last, so that whoever waited for it finds the store usable.
        if !self.loaded.swap(true, Ordering::AcqRel) {
            self.loaded_now.notify_waiters();
        }
        if self.reported.swap(false, Ordering::AcqRel) {
            tracing::info!("denylist store is back, the list is up to date");
        }
    }

    /// The store cannot be used, or the list is not complete any more. One log line per outage, not per request.
    pub(crate) fn failed(&self, trouble: Trouble, cause: &dyn std::fmt::Display) {
        self.trouble.store(trouble.index(), Ordering::Release);
        if !self.reported.swap(true, Ordering::AcqRel) {
            self.outages.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(reason = trouble.label(), %cause, "denylist store is unavailable");
        }
    }

    /// The list has a gap and is being loaded again. Not an outage of the store.
    pub(crate) fn catching_up(&self) {
        self.trouble.store(Trouble::CatchingUp.index(), Ordering::Release);
    }

    /// The list was closed.
    pub(crate) fn closed(&self) {
        self.trouble.store(Trouble::Closed.index(), Ordering::Release);
    }

    /// May the store be asked?
    pub(crate) fn usable(&self) -> Result<(), Trouble> {
        match self.trouble() {
            // Each attempt on the local store finds out by itself whether the disk is well again.
            _ if self.local => Ok(()),
            Some(trouble) => Err(trouble),
            None if self.silence() >= STALE_AFTER => Err(Trouble::Timeout),
            None => Ok(()),
        }
    }

    /// Comes back when the store may be asked.
    pub(crate) async fn back(&self) {
        loop {
            let heard_now = self.heard_now.notified();
            if self.usable().is_ok() {
                return;
            }
            heard_now.await;
        }
    }

    /// `None` while the list is up to date; else its age, which is `None` until it was first loaded.
    pub(crate) fn stale(&self) -> Option<Option<Duration>> {
        if !self.is_loaded() {
            return Some(None);
        }
        if self.local || (self.trouble().is_none() && self.silence() < STALE_AFTER) {
            return None;
        }
        Some(Some(self.silence()))
    }

    pub(crate) fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// Comes back when the list was loaded for the first time.
    pub(crate) async fn loaded(&self) {
        loop {
            let loaded_now = self.loaded_now.notified();
            if self.is_loaded() {
                return;
            }
            loaded_now.await;
        }
    }

    /// What is wrong: what the feed said last, or that it says nothing.
    pub(crate) fn reason(&self) -> Option<Trouble> {
        self.trouble()
            .or_else(|| (!self.local && self.silence() >= STALE_AFTER).then_some(Trouble::Timeout))
    }

    /// How old the list is; `None` until it was first loaded.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.is_loaded()
            .then(|| if self.local { Duration::ZERO } else { self.silence() })
    }

    pub(crate) fn outages(&self) -> u64 {
        self.outages.load(Ordering::Relaxed)
    }

    fn trouble(&self) -> Option<Trouble> {
        Trouble::from_index(self.trouble.load(Ordering::Acquire))
    }

    fn silence(&self) -> Duration {
        Duration::from_millis(self.now().saturating_sub(self.heard.load(Ordering::Acquire)))
    }

    fn now(&self) -> u64 {
        clock::millis(self.started.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn whoever_waits_for_the_store_hears_when_it_is_back() {
        for trouble in [None, Some(Trouble::Timeout)] {
            let link = Link::remote();
            if let Some(trouble) = trouble {
                link.heard();
                link.failed(trouble, &"gone");
            }
            let mut back = Box::pin(link.back());
            // Nothing yet, however long one waits.
            tokio::select! {
                biased;
                () = &mut back => unreachable!("it is away"),
                () = tokio::task::yield_now() => {}
            }
            link.heard();
            back.await;
        }
        Link::local().back().await;
    }
}
