//! What do we know for a while, all processes together? Bytes by key, each with the time it is good for.
//!
//! Nothing in it is the only copy of anything that matters for longer than its time.

mod memory;
mod redis;

use std::time::Duration;

use axum::body::Bytes;
use gateward_boot::clock::Clock;

use self::memory::Memory;
use self::redis::Redis;
use super::address::AddressError;
use super::backlog::Backlog;
use super::link::{Link, Unavailable};
use crate::config::Backend;

/// Where caches live: `cache.url`.
#[derive(Clone, Debug)]
pub(crate) enum Caches {
    /// In this process; the clock says what has expired.
    Memory(Clock),
    /// In a Redis.
    Redis(Link),
}

impl Caches {
    /// A Redis that is away is no error: it is waited for a second at most.
    pub(crate) async fn open(backend: &Backend, clock: Clock) -> Result<Self, AddressError> {
        Ok(match backend {
            Backend::Memory => Self::Memory(clock),
            Backend::Redis(url) => Self::Redis(Link::open("cache.url", url.expose()).await?),
        })
    }

    /// A name space of its own. In memory every call makes a new one: call it once per name.
    pub(crate) fn space(&self, name: &'static str) -> Cache {
        Cache(match self {
            Self::Memory(clock) => Store::Memory(Memory::new(clock.clone())),
            Self::Redis(link) => Store::Redis(Redis::new(link.clone(), name)),
        })
    }

    /// A backlog of its own, with a name that no space has; call it once per name.
    pub(crate) fn backlog(&self, name: &'static str) -> Backlog {
        match self {
            Self::Memory(_) => Backlog::in_memory(),
            Self::Redis(link) => Backlog::in_redis(link.clone(), name),
        }
    }
}

/// One name space. A cheap handle.
///
/// All methods fail with [`Unavailable`] when Redis does; in memory they never do.
#[derive(Clone, Debug)]
pub(crate) struct Cache(Store);

#[derive(Clone, Debug)]
enum Store {
    Memory(Memory),
    Redis(Redis),
}

impl Cache {
    /// The value, unless it has expired.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Bytes>, Unavailable> {
        match &self.0 {
            Store::Memory(memory) => Ok(memory.get(key)),
            Store::Redis(redis) => redis.get(key).await,
        }
    }

    /// For each key whether there is a value; all are asked for at once.
    pub(crate) async fn known(&self, keys: &[&str]) -> Result<Vec<bool>, Unavailable> {
        match &self.0 {
            Store::Memory(memory) => Ok(keys.iter().map(|key| memory.get(key).is_some()).collect()),
            Store::Redis(redis) => redis.known(keys).await,
        }
    }

    /// The same, and if there is one it is good for `ttl` from now on.
    pub(crate) async fn get_and_keep(&self, key: &str, ttl: Duration) -> Result<Option<Bytes>, Unavailable> {
        match &self.0 {
            Store::Memory(memory) => Ok(memory.get_and_keep(key, ttl)),
            Store::Redis(redis) => redis.get_and_keep(key, ttl).await,
        }
    }

    /// Another value, good for `ttl` (at least a millisecond).
    pub(crate) async fn set(&self, key: &str, value: impl Into<Bytes>, ttl: Duration) -> Result<(), Unavailable> {
        match &self.0 {
            Store::Memory(memory) => {
                memory.set(key, value.into(), ttl);
                Ok(())
            }
            Store::Redis(redis) => redis.set(key, &value.into(), ttl).await,
        }
    }

    /// The same, unless there is a value; answers whether this one was taken.
    pub(crate) async fn set_if_absent(
        &self,
        key: &str,
        value: impl Into<Bytes>,
        ttl: Duration,
    ) -> Result<bool, Unavailable> {
        match &self.0 {
            Store::Memory(memory) => Ok(memory.set_if_absent(key, value.into(), ttl)),
            Store::Redis(redis) => redis.set_if_absent(key, &value.into(), ttl).await,
        }
    }

    /// The value, which is gone then: of many who ask at once one gets it.
    pub(crate) async fn take(&self, key: &str) -> Result<Option<Bytes>, Unavailable> {
        match &self.0 {
            Store::Memory(memory) => Ok(memory.take(key)),
            Store::Redis(redis) => redis.take(key).await,
        }
    }

    /// Nothing happens if there is none.
    pub(crate) async fn delete(&self, key: &str) -> Result<(), Unavailable> {
        match &self.0 {
            Store::Memory(memory) => {
                memory.delete(key);
                Ok(())
            }
            Store::Redis(redis) => redis.delete(key).await,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
