//! What time is it? The only place that asks the system.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock to hand around: the system's, or one that a test moves.
#[derive(Clone, Debug, Default)]
pub struct Clock(Source);

#[derive(Clone, Debug, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<Mutex<SystemTime>>),
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still at `start` until its hands are moved.
    #[must_use]
    pub fn manual(start: SystemTime) -> (Self, Hands) {
        let time = Arc::new(Mutex::new(start));
        (Self(Source::Manual(Arc::clone(&time))), Hands(time))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the one place")]
            Source::System => SystemTime::now(),
            Source::Manual(time) => *time.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Whole seconds since 1970, as tokens count them; negative before.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        unix_seconds(self.now())
    }

    /// This clock as a function.
    #[must_use]
    pub fn reader(&self) -> Arc<dyn Fn() -> SystemTime + Send + Sync> {
        let clock = self.clone();
        Arc::new(move || clock.now())
    }
}

/// Whole seconds from 1970 to `time`, rounded down; negative before.
#[must_use]
pub fn unix_seconds(time: SystemTime) -> i64 {
    let signed = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => signed(since.as_secs()),
        Err(before) => {
            let before = before.duration();
            -signed(before.as_secs()) - i64::from(before.subsec_nanos() > 0)
        }
    }
}

/// What moves a manual clock.
#[derive(Clone, Debug)]
pub struct Hands(Arc<Mutex<SystemTime>>);

impl Hands {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    /// Sets the clock, also back.
    pub fn set(&self, to: SystemTime) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let (clock, hands) = Clock::manual(UNIX_EPOCH + Duration::from_secs(100));
        let copy = clock.clone();
        assert_eq!((clock.unix_seconds(), clock.unix_seconds()), (100, 100));
        hands.advance(Duration::from_millis(1_999));
        assert_eq!(copy.unix_seconds(), 101);
        hands.set(UNIX_EPOCH);
        assert_eq!(clock.reader()(), UNIX_EPOCH);
    }

    #[test]
    fn seconds_are_rounded_down_on_both_sides_of_1970() {
        assert_eq!(unix_seconds(UNIX_EPOCH + Duration::from_millis(1_500)), 1);
        assert_eq!(unix_seconds(UNIX_EPOCH - Duration::from_millis(1_500)), -2);
        assert_eq!(unix_seconds(UNIX_EPOCH - Duration::from_secs(2)), -2);
    }

    #[test]
    fn the_system_clock_goes() {
        assert!(Clock::system().unix_seconds() > 1_700_000_000);
    }
}
