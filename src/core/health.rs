//! Are we alive, ready, started (WIRE §3.9)?

use std::sync::atomic::AtomicU64;

use crate::http::Routes;

/// Pings of the database that failed in a row.
#[derive(Debug, Default)]
pub(crate) struct Pings {
    failed: AtomicU64,
}

pub(crate) fn routes() -> Routes {
    Routes::new()
}
