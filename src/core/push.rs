//! How is a phone woken that is not connected (WIRE §5.2 to §5.5)? Through the push service of its maker.
//!
//! Read in this order: `notification` (what a phone is told), `queue` (what waits, what is tried again, what is given
//! up), `courier` (which way it goes: `fcm` in public mode, `upstream` in private mode), `call` (one HTTP call and its
//! answer), `routes` (what other gateways ask us to pass on).
//!
//! It refuses to know users, devices and messages: whoever puts something into the queue knows the push token.

mod call;
mod courier;
mod fcm;
mod metrics;
mod notification;
mod queue;
mod routes;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod testing;
mod upstream;

pub use call::CallError;
pub(crate) use queue::Queue;
pub(crate) use routes::{limiter, routes};
