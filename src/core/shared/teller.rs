//! How do the other processes learn of a change although they could not be told when it happened? What they missed is
//! joined into one word, which is said again and again by one task, however much it is. What it means, it does not know.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use tokio::{task::JoinHandle, time::Instant};

use super::pubsub::{PubSub, Topic};

/// How often they are told of a change that they could not be told of.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What processes tell each other of changes.
pub(crate) trait Word: Serialize + Send + Sync + 'static {
    /// Both in one, of bounded size.
    fn join(self, other: Self) -> Self;
}

/// Tells the others of changes. A cheap handle.
#[derive(Debug)]
pub(crate) struct Teller<W>(Arc<Telling<W>>);

#[derive(Debug)]
struct Telling<W> {
    others: PubSub,
    topic: Topic,
    lasts: Duration,
    /// Is there as long as somebody goes on saying it.
    debt: Mutex<Option<Debt<W>>>,
}

#[derive(Debug)]
struct Debt<W> {
    /// `None` while it is being said.
    word: Option<W>,
    /// Until then somebody may know what is no longer so.
    until: Instant,
}

impl<W: Word> Teller<W> {
    /// What the others know is good for so long; they need not be told later.
    pub(crate) fn new(others: PubSub, topic: Topic, lasts: Duration) -> Self {
        let debt = Mutex::default();
        Self(Arc::new(Telling {
            others,
            topic,
            lasts,
            debt,
        }))
    }

    /// Returns at once. The change must have been made.
    pub(crate) fn tell(&self, word: W) -> Told {
        let telling = Arc::clone(&self.0);
        if !telling.others.has_others() {
            return Told(None);
        }
        let Some(word) = telling.add(word) else {
            return Told(None);
        };
        Told(Some(tokio::spawn(async move {
            if telling.others.publish(telling.topic, &word).await.is_err() {
                telling.owe(word);
            }
        })))
    }
}

/// A word that is on its way, whether or not anybody waits for it.
#[derive(Debug)]
pub(crate) struct Told(Option<JoinHandle<()>>);

impl Told {
    /// There was nothing to say.
    pub(crate) fn nothing() -> Self {
        Self(None)
    }

    /// Returns when the others were told, as far as that is possible now: at once without others, and after a tenth of a
    /// second at the latest (`shared/link.rs`).
    pub(crate) async fn heard(self) {
        if let Some(saying) = self.0 {
            // It ends early only with the whole process.
            let _ended = saying.await;
        }
    }
}

impl<W: Word> Telling<W> {
    /// Leaves the word to whoever goes on saying what is owed, or gives it back.
    fn add(&self, word: W) -> Option<W> {
        match &mut *lock(&self.debt) {
            Some(debt) => {
                debt.add(word, Instant::now() + self.lasts);
                None
            }
            None => Some(word),
        }
    }

    fn owe(self: Arc<Self>, word: W) {
        let mut debt = lock(&self.debt);
        let until = Instant::now() + self.lasts;
        if let Some(debt) = &mut *debt {
            debt.add(word, until);
            return;
        }
        *debt = Some(Debt {
            word: Some(word),
            until,
        });
        drop(debt);
        tokio::spawn(async move { self.go_on().await });
    }

    /// INVARIANT(one at a time): ends only when it takes the debt away, under the lock.
    /// Test: `tests::while_nobody_can_be_told_one_task_tries`.
    async fn go_on(&self) {
        let mut failed = true;
        loop {
            if failed {
                tokio::time::sleep(AGAIN_AFTER).await;
            }
            let Some(word) = self.next() else {
                return;
            };
            // What changes from here on is said afterwards: what is said now may be heard before it.
            failed = self.others.publish(self.topic, &word).await.is_err();
            if failed {
                let mut debt = lock(&self.debt);
                if let Some(debt) = &mut *debt {
                    debt.add(word, debt.until);
                }
            }
        }
    }

    /// What is to be said; when there is nothing, nothing is owed any more.
    fn next(&self) -> Option<W> {
        let mut debt = lock(&self.debt);
        let word = debt.as_mut().filter(|debt| Instant::now() < debt.until);
        let word = word.and_then(|debt| debt.word.take());
        if word.is_none() {
            *debt = None;
        }
        word
    }
}

impl<W: Word> Debt<W> {
    fn add(&mut self, word: W, until: Instant) {
        self.word = Some(match self.word.take() {
            Some(earlier) => earlier.join(word),
            None => word,
        });
        self.until = until;
    }
}

// No code panics while it holds this lock.
fn lock<T>(debt: &Mutex<T>) -> MutexGuard<'_, T> {
    debt.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use gateward_auth::Secret;
    use serde::Deserialize;

    use super::*;
    use crate::config::{Backend, Pubsub};
    use crate::shared::Heard;
    use crate::shared::redis_server::RedisServer;

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct Sum {
        sum: u32,
    }

    impl Word for Sum {
        fn join(self, other: Self) -> Self {
            Self {
                sum: self.sum + other.sum,
            }
        }
    }

    async fn on(server: &RedisServer, name: &str) -> PubSub {
        let config = Pubsub {
            url: Backend::Redis(Secret::new(server.url())),
            buffer_size: 8,
        };
        PubSub::open(&config, name.to_owned()).await.unwrap()
    }

    async fn until(fits: impl Fn() -> bool) {
        let fit = async {
            while !fits() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), fit).await.unwrap();
    }

    #[tokio::test]
    async fn while_nobody_can_be_told_one_task_tries() {
        let mut server = RedisServer::start().await;
        let (here, there) = (on(&server, "here").await, on(&server, "there").await);
        let teller = Teller::new(here.clone(), Topic::Messages, Duration::from_secs(300));
        server.kill().await;
        while here.publish(Topic::Messages, &Sum { sum: 0 }).await.is_ok() {}
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let before = tasks();
        for _ in 0..500 {
            teller.tell(Sum { sum: 1 });
        }
        // Whoever could not say it at once ends as soon as it is owed.
        until(|| tasks() <= before + 1 && lock(&teller.0.debt).is_some()).await;
        for _ in 0..500 {
            teller.tell(Sum { sum: 1 });
        }
        assert!(tasks() <= before + 1);

        let mut heard = there.subscribe(Topic::Messages);
        let deaf = there.session();
        server.run().await;
        until(|| there.session().is_some() && there.session() != deaf).await;
        until(|| lock(&teller.0.debt).is_none()).await;
        teller.tell(Sum { sum: 7 });
        let mut sums = Vec::new();
        while sums.last() != Some(&7) {
            let heard = tokio::time::timeout(Duration::from_secs(30), heard.next())
                .await
                .unwrap();
            let Some(Heard::Message(word)) = heard else {
                unreachable!("{heard:?}");
            };
            sums.push(serde_json::from_slice::<Sum>(&word).unwrap().sum);
        }
        // It may have been said before the other process listened again, or twice when the answer was late.
        sums.pop();
        assert!(sums.iter().all(|sum| *sum == 1_000), "{sums:?}");
    }

    #[tokio::test]
    async fn whoever_waits_knows_that_it_was_said_or_is_owed() {
        let server = RedisServer::start().await;
        let (here, there) = (on(&server, "here").await, on(&server, "there").await);
        let teller = Teller::new(here.clone(), Topic::Messages, Duration::from_secs(300));
        let mut heard = there.subscribe(Topic::Messages);
        teller.tell(Sum { sum: 1 }).heard().await;
        // Said after it, and heard after it.
        here.publish(Topic::Messages, &Sum { sum: 2 }).await.unwrap();
        for expected in [1, 2] {
            let Some(Heard::Message(word)) = heard.next().await else {
                unreachable!("nothing was missed");
            };
            assert_eq!(serde_json::from_slice::<Sum>(&word).unwrap().sum, expected);
        }
        drop(server);
        while here.publish(Topic::Messages, &Sum { sum: 0 }).await.is_ok() {}
        teller.tell(Sum { sum: 1 }).heard().await;
        assert!(lock(&teller.0.debt).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_knows_any_more_is_not_told() {
        let server = RedisServer::reserve(&[]).await;
        let teller = Teller::new(on(&server, "here").await, Topic::Messages, Duration::from_secs(5));
        teller.tell(Sum { sum: 1 });
        until(|| lock(&teller.0.debt).is_some()).await;
        tokio::time::advance(Duration::from_secs(4)).await;
        teller.tell(Sum { sum: 1 });
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(lock(&teller.0.debt).is_some(), "the later change counts");
        let mut seconds = 0;
        while lock(&teller.0.debt).is_some() {
            tokio::time::advance(Duration::from_secs(1)).await;
            seconds += 1;
            assert!(seconds < 60);
        }
    }
}
