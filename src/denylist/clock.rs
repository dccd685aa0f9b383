//! What time is it, by the clock that the list was given? Asks no other.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gateward_auth::{UnixSeconds, whole_seconds};

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The time since 1970; a clock before that counts as 1970.
pub(crate) fn since_1970(clock: &Clock) -> Duration {
    clock().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The same in whole seconds.
pub(crate) fn now(clock: &Clock) -> UnixSeconds {
    UnixSeconds(whole_seconds(since_1970(clock)))
}

/// Whole milliseconds of a duration; of one that no integer can hold, as many as it can.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
