//! Is this one address worth trying?
//!
//! An address that fails rests; each rest ends with one request that tries it, and is longer than the one before.
//! Knows nothing about names, other addresses or requests.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Milliseconds for which an address is passed over at first while others are there; doubled as long as it fails.
const REST: u64 = 2_000;
/// How often that is doubled: up to half a minute.
const DOUBLED: u32 = 4;

/// An address, and what became of those who tried it. Times are milliseconds of the caller's clock.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) socket: SocketAddr,
    away: AtomicBool,
    failed_at: AtomicU64,
    rests_until: AtomicU64,
    /// Rests that ended with a trial since it was well.
    trials: AtomicU32,
}

impl Address {
    pub(super) fn new(socket: SocketAddr) -> Self {
        Self {
            socket,
            away: AtomicBool::new(false),
            failed_at: AtomicU64::new(0),
            rests_until: AtomicU64::new(0),
            trials: AtomicU32::new(0),
        }
    }

    pub(super) fn is_away(&self) -> bool {
        self.away.load(Ordering::Relaxed)
    }

    pub(super) fn failed_at(&self) -> u64 {
        self.failed_at.load(Ordering::Relaxed)
    }

    /// Whether the caller should try it now. Of all who ask when a rest has ended, one hears yes: the next rest begins.
    /// Who then learns nothing says so ([`Address::untried`]).
    pub(super) fn take(&self, now: u64) -> bool {
        if !self.is_away() {
            return true;
        }
        let until = self.rests_until.load(Ordering::Relaxed);
        if until > now {
            return false;
        }
        let trials = self.trials.load(Ordering::Relaxed).saturating_add(1);
        let mine = self
            .rests_until
            .compare_exchange(until, now + rest(trials), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok();
        if mine {
            self.trials.store(trials, Ordering::Relaxed);
        }
        mine
    }

    /// Whoever was to try it learned nothing: somebody else may. Only for what ends at once: who waits in vain and gives up
    /// has tried it, too.
    pub(super) fn untried(&self, now: u64) {
        let trials = self.trials.load(Ordering::Relaxed);
        self.trials.store(trials.saturating_sub(1), Ordering::Relaxed);
        self.rests_until.fetch_min(now, Ordering::Relaxed);
    }

    /// Returns whether that is news.
    pub(super) fn failed(&self, now: u64) -> bool {
        self.failed_at.store(now, Ordering::Relaxed);
        let until = now + rest(self.trials.load(Ordering::Relaxed));
        self.rests_until.fetch_max(until, Ordering::Relaxed);
        !self.away.swap(true, Ordering::Relaxed)
    }

    /// Returns whether that is news.
    pub(super) fn answered(&self) -> bool {
        if !self.is_away() {
            return false;
        }
        self.trials.store(0, Ordering::Relaxed);
        self.rests_until.store(0, Ordering::Relaxed);
        self.away.swap(false, Ordering::Relaxed)
    }
}

fn rest(trials: u32) -> u64 {
    REST << trials.min(DOUBLED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_rest_costs_one_request_and_every_rest_is_longer() {
        let address = Address::new(([10, 0, 0, 1], 1).into());
        assert!(address.take(0) && address.take(0), "all is well");
        assert!(address.failed(0));
        assert!(!address.failed(0), "an outage is news once");
        let mut now = 0;
        for rest in [2_000, 4_000, 8_000, 16_000, 32_000, 32_000] {
            assert!(!address.take(now + rest - 1), "{rest}");
            now += rest;
            assert!(address.take(now), "{rest}");
            assert!(!address.take(now), "somebody tries already");
        }
        assert!(address.answered());
        assert!(!address.answered(), "so is the end of one");
        assert!(address.take(now) && address.take(now));
        address.failed(now);
        assert!(address.take(now + 2_000), "the next outage begins anew");
    }

    #[test]
    fn a_trial_that_told_nothing_is_for_the_next_and_makes_no_rest_longer() {
        let address = Address::new(([10, 0, 0, 1], 1).into());
        address.failed(0);
        assert!(address.take(2_000));
        address.untried(2_000);
        assert!(address.take(2_000) && !address.take(2_000), "the next one tries");
        assert!(
            !address.take(5_999) && address.take(6_000),
            "the second rest, not the third"
        );
    }
}
