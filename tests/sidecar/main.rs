//! Does the sidecar keep its promises towards clients and the gateway? One real binary, a recording gateway behind
//! it, and raw HTTP in front. Numbers in test comments are entries of the list of attacks the project answers.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on ends"
)]

mod accounts;
mod answers;
mod bench;
mod credentials;
mod endpoints;
mod forwarding;
mod framing;
mod headers;
mod lines;
mod operation;
mod outage;
mod paths;
mod secrets;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod tls;
mod tokens;
