//! A name space in this process.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::body::Bytes;
use gateward_boot::clock::Clock;
use moka::Expiry;
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

/// So much one space holds, keys and what it takes to keep them included; then the longest unused goes.
const CAPACITY: u64 = 8 << 20;
/// What an entry costs on top of key and value, about.
const OVERHEAD: usize = 128;

#[derive(Clone, Debug)]
pub(super) struct Memory {
    entries: Cache<Arc<str>, Entry>,
    clock: Clock,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Bytes,
    /// By our clock, which decides.
    until: SystemTime,
    /// By the library's clock, which cleans up.
    ttl: Duration,
}

/// Tells the library when an entry is no use any more.
struct Spent;

impl Expiry<Arc<str>, Entry> for Spent {
    fn expire_after_create(&self, _: &Arc<str>, entry: &Entry, _: Instant) -> Option<Duration> {
        Some(entry.ttl)
    }

    fn expire_after_update(&self, _: &Arc<str>, entry: &Entry, _: Instant, _: Option<Duration>) -> Option<Duration> {
        Some(entry.ttl)
    }
}

impl Memory {
    pub(super) fn new(clock: Clock) -> Self {
        let weigh =
            |key: &Arc<str>, entry: &Entry| u32::try_from(key.len() + entry.value.len() + OVERHEAD).unwrap_or(u32::MAX);
        let entries = Cache::builder()
            .weigher(weigh)
            .max_capacity(CAPACITY)
            // The other policy would refuse what is new while what is old is popular.
            .eviction_policy(EvictionPolicy::lru())
            .expire_after(Spent)
            .build();
        Self { entries, clock }
    }

    fn entry(&self, value: Bytes, ttl: Duration) -> Entry {
        let now = self.clock.now();
        Entry {
            value,
            until: now.checked_add(ttl).unwrap_or(now),
            ttl,
        }
    }

    fn alive(&self, entry: &Entry) -> bool {
        entry.until > self.clock.now()
    }

    pub(super) fn get(&self, key: &str) -> Option<Bytes> {
        self.entries
            .get(key)
            .filter(|entry| self.alive(entry))
            .map(|entry| entry.value)
    }

    pub(super) fn get_and_keep(&self, key: &str, ttl: Duration) -> Option<Bytes> {
        let kept = self.entries.entry(key.into()).and_compute_with(|entry| match entry {
            Some(entry) if self.alive(entry.value()) => Op::Put(self.entry(entry.into_value().value, ttl)),
            Some(_) => Op::Remove,
            None => Op::Nop,
        });
        kept.into_entry()
            .map(moka::Entry::into_value)
            .filter(|entry| self.alive(entry))
            .map(|entry| entry.value)
    }

    pub(super) fn set(&self, key: &str, value: Bytes, ttl: Duration) {
        self.entries.insert(key.into(), self.entry(value, ttl));
    }

    pub(super) fn set_if_absent(&self, key: &str, value: Bytes, ttl: Duration) -> bool {
        let mut taken = false;
        self.entries.entry(key.into()).and_compute_with(|entry| match entry {
            Some(entry) if self.alive(entry.value()) => Op::Nop,
            Some(_) | None => {
                taken = true;
                Op::Put(self.entry(value, ttl))
            }
        });
        taken
    }

    pub(super) fn take(&self, key: &str) -> Option<Bytes> {
        self.entries
            .remove(key)
            .filter(|entry| self.alive(entry))
            .map(|entry| entry.value)
    }

    pub(super) fn delete(&self, key: &str) {
        self.entries.invalidate(key);
    }

    /// Does what the library does later.
    #[cfg(test)]
    pub(super) fn settle(&self) {
        self.entries.run_pending_tasks();
    }
}
