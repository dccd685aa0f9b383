//! Is somebody already finding this out?
//!
//! Requests that ask the same question at the same time share one answer, good or bad. Nothing is kept once the answer
//! is there: remembering is the business of whoever asked. The work goes on as long as anybody waits for it, and stops
//! when the last one goes away.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared, WeakShared};

/// The questions that are being answered right now.
pub(crate) struct Flights<K, V> {
    aloft: Arc<Mutex<Aloft<K, V>>>,
}

struct Aloft<K, V> {
    by_key: HashMap<K, Flight<V>>,
    next: u64,
}

struct Flight<V> {
    number: u64,
    answer: WeakShared<BoxFuture<'static, V>>,
}

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// No question yet.
    pub(crate) fn new() -> Self {
        Self {
            aloft: Arc::new(Mutex::new(Aloft {
                by_key: HashMap::new(),
                next: 0,
            })),
        }
    }

    /// The answer to `key`: of the flight that is under way, or of the one that `start` begins.
    ///
    /// INVARIANT(single-flight): at most one unfinished future exists for a key. Held by
    /// `one_check_serves_everybody_who_asks_meanwhile`.
    pub(crate) async fn join<F>(&self, key: K, start: impl FnOnce() -> F) -> V
    where
        F: Future<Output = V> + Send + 'static,
    {
        self.board(key, start).await
    }

    fn board<F>(&self, key: K, start: impl FnOnce() -> F) -> Shared<BoxFuture<'static, V>>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut aloft = lock(&self.aloft);
        if let Some(answer) = aloft.by_key.get(&key).and_then(|flight| flight.answer.upgrade()) {
            return answer;
        }
        let number = aloft.next;
        aloft.next = number.wrapping_add(1);
        // `start` comes first: should it panic, no landing may be dropped while the board is locked.
        let work = start();
        let landing = Landing {
            aloft: Arc::clone(&self.aloft),
            key: key.clone(),
            number,
        };
        let answer = async move {
            let _landing = landing;
            work.await
        }
        .boxed()
        .shared();
        if let Some(weak) = answer.downgrade() {
            aloft.by_key.insert(key, Flight { number, answer: weak });
        }
        answer
    }
}

/// Takes a flight off the board when its future has ended or was given up.
struct Landing<K: Eq + Hash, V> {
    aloft: Arc<Mutex<Aloft<K, V>>>,
    key: K,
    number: u64,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        let mut aloft = lock(&self.aloft);
        // A later flight for the same key may already stand here.
        if aloft
            .by_key
            .get(&self.key)
            .is_some_and(|flight| flight.number == self.number)
        {
            aloft.by_key.remove(&self.key);
        }
    }
}

/// A panic elsewhere leaves the board itself whole: every change to it is one insert or one remove.
fn lock<K, V>(aloft: &Mutex<Aloft<K, V>>) -> MutexGuard<'_, Aloft<K, V>> {
    aloft.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    fn aloft<K: Eq + Hash, V>(flights: &Flights<K, V>) -> usize {
        lock(&flights.aloft).by_key.len()
    }

    #[tokio::test]
    async fn one_check_serves_everybody_who_asks_meanwhile() {
        let flights = Flights::new();
        let started = Arc::new(AtomicUsize::new(0));
        let (finish, finished) = oneshot::channel::<u32>();
        let mut finished = Some(finished);
        let mut waiting: Vec<_> = (0..10)
            .map(|_request| {
                let started = Arc::clone(&started);
                let finished = finished.take();
                Box::pin(flights.join("key", move || async move {
                    started.fetch_add(1, Ordering::SeqCst);
                    finished.unwrap().await.unwrap()
                }))
            })
            .collect();
        for request in &mut waiting {
            assert!(request.as_mut().now_or_never().is_none());
        }
        finish.send(7).unwrap();
        for request in waiting {
            assert_eq!(request.await, 7);
        }
        assert_eq!(started.load(Ordering::SeqCst), 1);
        assert_eq!(aloft(&flights), 0);
    }

    #[tokio::test]
    async fn an_answer_is_not_kept_for_those_who_come_later() {
        let flights = Flights::new();
        assert_eq!(flights.join("key", || async { 1 }).await, 1);
        assert_eq!(flights.join("key", || async { 2 }).await, 2);
        assert_eq!(aloft(&flights), 0);
    }

    #[tokio::test]
    async fn another_key_does_not_wait() {
        let flights = Flights::new();
        let mut stuck = Box::pin(flights.join("stuck", std::future::pending::<u32>));
        assert!(stuck.as_mut().now_or_never().is_none());
        assert_eq!(flights.join("key", || async { 1 }).await, 1);
    }

    #[tokio::test]
    async fn the_first_one_going_away_does_not_end_the_flight() {
        let flights = Flights::new();
        let (finish, finished) = oneshot::channel::<u32>();
        let mut first = Box::pin(flights.join("key", move || async move { finished.await.unwrap() }));
        assert!(first.as_mut().now_or_never().is_none());
        let mut second = Box::pin(flights.join("key", || async { 0 }));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        finish.send(7).unwrap();
        assert_eq!(second.await, 7);
    }

    #[tokio::test]
    async fn a_flight_that_everybody_left_is_given_up_and_the_next_one_starts_anew() {
        let flights = Flights::new();
        let mut left = Box::pin(flights.join("key", std::future::pending::<u32>));
        assert!(left.as_mut().now_or_never().is_none());
        drop(left);
        assert_eq!(aloft(&flights), 0);
        assert_eq!(flights.join("key", || async { 2 }).await, 2);
    }
}
