//! Which tokens were revoked, and which refresh token of a login session is the live one?
//!
//! Read in this order: `entry` is one line of the list, `replica` is the list in memory that a request looks at, `store`
//! says what a durable store must be able to do, `family` says what a rotation is, `adoption` what an adoption is,
//! `embedded` and `redis` are the two stores, and `denylist` puts them together behind one handle, [`Denylist`].
//!
//! This crate answers "clear", "revoked" or "unknown", never "allowed": what follows from that is decided in `auth`. It
//! knows nothing of HTTP, of signatures, or of routes.

mod adoption;
mod clock;
mod denylist;
mod embedded;
mod entry;
mod family;
pub mod ids;
mod link;
mod options;
mod redis;
mod replica;
mod stats;
mod store;
mod trouble;

pub use adoption::{Adopt, Adoption, Claim, ForeignToken};
pub use clock::Clock;
pub use denylist::{Denylist, Health, open};
pub use options::{NEEDED_COMMANDS, OpenError, Options, RedisOptions, Retention};
pub use stats::{Operation, OperationCount, Stats};
pub use store::{ANSWER_WITHIN, NewFamily, Refused, RevokeOutcome, Rotated, Rotation, StoreError, Successor};
pub use trouble::Trouble;

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::disallowed_methods,
    reason = "tests"
)]
mod tests;
