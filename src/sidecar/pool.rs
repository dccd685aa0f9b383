//! How many may do something expensive at once, and how many may wait for it?
//!
//! Password hashes and questions to the gateway go through a pool each, so that a flood of logins costs a bounded
//! amount of memory, processor time and connections, and everybody beyond it is told at once to come back later. It
//! does not know what the work is.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A bounded number of slots and a bounded queue for them.
pub(crate) struct Pool {
    /// Everybody inside, working or waiting.
    places: Arc<Semaphore>,
    /// Those who work.
    slots: Arc<Semaphore>,
}

/// Nobody else may even wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// The right to work; dropping it lets the next one in. It may be moved into a blocking task, which then counts until
/// it has really ended, whoever stopped waiting for it.
pub(crate) struct Slot {
    _slot: OwnedSemaphorePermit,
    _place: OwnedSemaphorePermit,
}

impl Pool {
    /// `working` at once (at least one), `waiting` more in the queue.
    pub(crate) fn new(working: usize, waiting: usize) -> Self {
        let working = working.clamp(1, Semaphore::MAX_PERMITS / 2);
        let places = working.saturating_add(waiting).min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            slots: Arc::new(Semaphore::new(working)),
        }
    }

    /// Waits for a slot, first come first served.
    ///
    /// # Errors
    ///
    /// [`Full`], at once, when the queue is full.
    pub(crate) async fn enter(&self) -> Result<Slot, Full> {
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_no_place| Full)?;
        // The semaphore is never closed; if it were, nobody could work.
        let slot = Arc::clone(&self.slots).acquire_owned().await.map_err(|_closed| Full)?;
        Ok(Slot {
            _slot: slot,
            _place: place,
        })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn those_beyond_the_queue_are_turned_away_at_once() {
        let pool = Pool::new(1, 1);
        let working = pool.enter().await.unwrap();
        let mut waiting = Box::pin(pool.enter());
        assert!(waiting.as_mut().now_or_never().is_none());
        assert_eq!(pool.enter().now_or_never().unwrap().err(), Some(Full));
        drop(working);
        let next = waiting.await.unwrap();
        drop(next);
        assert!(pool.enter().now_or_never().unwrap().is_ok());
    }

    #[tokio::test]
    async fn who_stops_waiting_gives_up_the_place() {
        let pool = Pool::new(1, 1);
        let _working = pool.enter().await.unwrap();
        let mut waiting = Box::pin(pool.enter());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(waiting);
        let mut another = Box::pin(pool.enter());
        assert!(another.as_mut().now_or_never().is_none());
    }

    #[tokio::test]
    async fn a_pool_of_nothing_still_works_one_by_one() {
        assert!(Pool::new(0, 0).enter().await.is_ok());
    }
}
