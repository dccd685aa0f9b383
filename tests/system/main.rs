//! Does the whole work for its users? Journeys through everything at once: sidecar, core, phone, Redis, and the
//! published client libraries.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends"
)]

mod account;
mod clients;
mod cores;
mod crash;
mod existing;
mod ids;
mod journey;
mod push;
mod reference;
mod replicas;
#[path = "../support/mod.rs"]
mod support;
mod welcome;
