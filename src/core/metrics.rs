//! What do we count? The reference's metrics under the reference's names (WIRE §9). Labels are
//! route patterns and closed sets, never what a client wrote.

use axum::{extract::Request, middleware::Next, response::Response};
use gateward_boot::metrics::{MetricError, Metrics as Registry};

use crate::http::Routes;

/// All metrics of this process.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Where the resources register their own.
    pub(crate) registry: Registry,
}

impl Metrics {
    pub(crate) fn new() -> Result<Self, MetricError> {
        Ok(Self { registry: Registry::new() })
    }
}

/// Counts and times a request that reached a route.
pub(crate) async fn measure(request: Request, next: Next) -> Response {
    next.run(request).await
}

pub(crate) fn routes() -> Routes {
    Routes::new()
}
