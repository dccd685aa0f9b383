//! What do several core processes have in common, apart from the database? Values that expire ([`Cache`]), values that
//! one of them takes all at once ([`Backlog`]), and words to each other ([`PubSub`], and [`Teller`] for what must be heard;
//! [`Remembered`] is what is true until somebody says otherwise).
//!
//! Each lives in this process alone or in a Redis. A Redis that is away or hangs holds nobody up: every operation ends
//! within [`link::ANSWER_WITHIN`] (taking a backlog, within [`link::LONGEST_ANSWER`]), most at once, and whoever asked
//! goes on without. What the values mean is the business of whoever keeps them.

mod address;
mod backlog;
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "those who keep something come with their own changes")
)]
mod cache;
mod link;
mod pubsub;
#[cfg(test)]
#[path = "../denylist/tests/redis_server.rs"]
#[expect(dead_code, reason = "shared with the tests of another crate")]
#[expect(clippy::unwrap_used, clippy::panic, reason = "tests")]
pub(crate) mod redis_server;
mod remembered;
mod teller;

pub use address::AddressError;
pub(crate) use address::check as check_address;
pub(crate) use backlog::Backlog;
pub(crate) use cache::{Cache, Caches};
#[cfg(test)]
pub(crate) use link::Trouble;
pub(crate) use link::Unavailable;
pub(crate) use pubsub::{Heard, PubSub, Session, Topic};
pub(crate) use remembered::{LookUp, Remembered};
pub(crate) use teller::{Teller, Told, Word};

/// What every key and every channel begins with, as the reference's do (WIRE §5.1, §5.2).
const PREFIX: &str = "sms-gateway:";
