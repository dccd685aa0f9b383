//! What waits to be taken all at once, by whichever process comes first? Bytes by key, the last one wins. They do not
//! expire.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use redis::cmd;

use super::PREFIX;
use super::link::{LONGEST_ANSWER, Link, Unavailable};

/// How long it may take to take all that waits, or to put it back. That is many times more than what others ask, nobody is
/// held up by it, and it is lost when nobody waits for the answer any more.
const ALL_WITHIN: Duration = LONGEST_ANSWER;

/// A cheap handle. All methods fail with [`Unavailable`] when Redis does; in memory they never do.
#[derive(Clone, Debug)]
pub(crate) struct Backlog(Store);

#[derive(Clone, Debug)]
enum Store {
    Memory(Arc<Mutex<HashMap<String, Bytes>>>),
    /// A hash of this name.
    Redis(Link, String),
}

impl Backlog {
    pub(super) fn in_memory() -> Self {
        Self(Store::Memory(Arc::default()))
    }

    pub(super) fn in_redis(link: Link, name: &str) -> Self {
        Self(Store::Redis(link, format!("{PREFIX}{name}:waiting")))
    }

    /// Each takes the place of what waits under its key; of several with one key the last.
    pub(crate) async fn put_all(&self, new: Vec<(String, Bytes)>) -> Result<(), Unavailable> {
        if new.is_empty() {
            return Ok(());
        }
        match &self.0 {
            Store::Memory(waiting) => {
                lock(waiting).extend(new);
                Ok(())
            }
            Store::Redis(link, name) => {
                let mut command = cmd("HSET");
                command.arg(name);
                for (key, value) in &new {
                    command.arg(key).arg(&**value);
                }
                link.ask(async |connection| command.query_async(connection).await).await
            }
        }
    }

    /// [`put_all`](Self::put_all) of one.
    #[cfg(test)]
    pub(crate) async fn put(&self, key: &str, value: impl Into<Bytes>) -> Result<(), Unavailable> {
        self.put_all(vec![(key.to_owned(), value.into())]).await
    }

    /// Puts back what was taken, unless there is something newer under its key.
    pub(crate) async fn put_back(&self, taken: Vec<(String, Bytes)>) -> Result<(), Unavailable> {
        if taken.is_empty() {
            return Ok(());
        }
        match &self.0 {
            Store::Memory(waiting) => {
                let mut waiting = lock(waiting);
                for (key, value) in taken {
                    waiting.entry(key).or_insert(value);
                }
                Ok(())
            }
            Store::Redis(link, name) => {
                let mut all = redis::pipe();
                for (key, value) in &taken {
                    all.cmd("HSETNX").arg(name).arg(key).arg(&**value).ignore();
                }
                link.ask_within(ALL_WITHIN, async |connection| all.exec_async(connection).await)
                    .await
            }
        }
    }

    /// How much waits.
    pub(crate) async fn len(&self) -> Result<usize, Unavailable> {
        match &self.0 {
            Store::Memory(waiting) => Ok(lock(waiting).len()),
            Store::Redis(link, name) => {
                let mut command = cmd("HLEN");
                command.arg(name);
                link.ask(async |connection| command.query_async(connection).await).await
            }
        }
    }

    /// All that waits; nobody else gets it then. An error loses what waited, unless Redis was not asked.
    pub(crate) async fn drain(&self) -> Result<HashMap<String, Bytes>, Unavailable> {
        match &self.0 {
            Store::Memory(waiting) => Ok(std::mem::take(&mut lock(waiting))),
            Store::Redis(link, name) => {
                let mut taken = redis::pipe();
                taken.atomic().cmd("HGETALL").arg(name);
                taken.cmd("UNLINK").arg(name).ignore();
                let (all,): (HashMap<String, Vec<u8>>,) = link
                    .ask_within(ALL_WITHIN, async |connection| taken.query_async(connection).await)
                    .await?;
                Ok(all.into_iter().map(|(key, value)| (key, value.into())).collect())
            }
        }
    }
}

// No code panics while it holds this lock.
fn lock(waiting: &Mutex<HashMap<String, Bytes>>) -> MutexGuard<'_, HashMap<String, Bytes>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::HashMap;
    use std::time::Instant;

    use axum::body::Bytes;
    use gateward_auth::Secret;
    use gateward_boot::clock::Clock;

    use crate::config::Backend;
    use crate::shared::link::ANSWER_WITHIN;
    use crate::shared::redis_server::RedisServer;
    use crate::shared::{Backlog, Caches};

    async fn suite(backlog: Backlog, other: Backlog) {
        assert_eq!(backlog.drain().await, Ok(HashMap::new()));
        backlog.put("a", "old").await.unwrap();
        backlog.put("a", "new").await.unwrap();
        let taken = [("a", &b"older"[..]), ("b", b"\0\xff")];
        let taken = taken.map(|(key, value)| (key.to_owned(), Bytes::from(value)));
        backlog.put_back(taken.to_vec()).await.unwrap();
        backlog.put_back(Vec::new()).await.unwrap();
        other.put("a", "of another name").await.unwrap();
        assert_eq!((backlog.len().await, other.len().await), (Ok(2), Ok(1)));
        let expected = [("a", &b"new"[..]), ("b", b"\0\xff")];
        let expected = expected.map(|(key, value)| (key.to_owned(), Bytes::from(value)));
        assert_eq!(backlog.drain().await, Ok(expected.into()));
        assert_eq!(backlog.drain().await, Ok(HashMap::new()));
        assert_eq!(backlog.len().await, Ok(0));
        assert_eq!(other.drain().await.map(|all| all.len()), Ok(1));
    }

    #[tokio::test]
    async fn a_backlog_in_memory_is_taken_once_and_the_last_one_wins() {
        let caches = Caches::open(&Backend::Memory, Clock::system()).await.unwrap();
        suite(caches.backlog("first"), caches.backlog("second")).await;
    }

    #[tokio::test]
    async fn a_backlog_in_redis_is_taken_once_by_whoever_comes_first() {
        let server = RedisServer::start().await;
        let backend = Backend::Redis(Secret::new(server.url()));
        let caches = Caches::open(&backend, Clock::system()).await.unwrap();
        suite(caches.backlog("first"), caches.backlog("second")).await;

        let neighbour = Caches::open(&backend, Clock::system()).await.unwrap();
        let (ours, theirs) = (caches.backlog("first"), neighbour.backlog("first"));
        for key in 0..100 {
            ours.put(&key.to_string(), "x").await.unwrap();
        }
        let (ours, theirs) = tokio::join!(ours.drain(), theirs.drain());
        let mut sizes = [ours.unwrap().len(), theirs.unwrap().len()];
        sizes.sort_unstable();
        assert_eq!(sizes, [0, 100]);
    }

    #[tokio::test]
    async fn what_redis_takes_its_time_to_give_is_not_lost() {
        let server = RedisServer::start().await;
        let backend = Backend::Redis(Secret::new(server.url()));
        let caches = Caches::open(&backend, Clock::system()).await.unwrap();
        let backlog = caches.backlog("first");
        backlog.put("a", "x").await.unwrap();
        let client = redis::Client::open(server.url()).unwrap();
        let mut other = client.get_multiplexed_async_connection().await.unwrap();
        let slowly = ANSWER_WITHIN.as_millis() * 3;
        let mut pause = redis::cmd("CLIENT");
        pause.arg("PAUSE").arg(slowly.to_string()).arg("ALL");
        pause.exec_async(&mut other).await.unwrap();
        let start = Instant::now();
        assert_eq!(backlog.drain().await.map(|all| all.len()), Ok(1));
        assert!(
            start.elapsed() > ANSWER_WITHIN,
            "Redis was not slow: {:?}",
            start.elapsed()
        );
    }
}
