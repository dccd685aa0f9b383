//! The backend: who has which devices, which messages wait for them, and what became of those (DESIGN §13).
//!
//! Read in this order: `server` starts and stops it, `http` is the way of every request, and
//! then one folder per resource with the same names in each: `model` (what it is), `store` (the
//! SQL), `routes` (what clients see).
//!
//! It refuses to know a client's token and the scope of a route: the sidecar in front decides who
//! may call what, and says who is calling in a token of its own. Devices authenticate here. (Refresh
//! tokens of the reference server are used up here, for the sidecar: `exchange`.)

mod app;
mod catalog;
pub mod config;
mod db;
mod devices;
mod docs;
mod events;
mod exchange;
mod health;
mod http;
mod inbox;
mod logs;
mod messages;
mod metrics;
mod otp;
mod push;
mod server;
mod settings;
mod shared;
mod tasks;
#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests")]
mod testing;
mod timestamp;
mod users;
mod webhooks;

pub(crate) use app::App;
pub use db::OpenError;
pub use health::{NotAlive, is_alive};
pub use push::CallError;
pub use server::{RunError, Server, StartError, migrate, run, work};
pub use shared::AddressError;
pub(crate) use timestamp::Timestamp;
