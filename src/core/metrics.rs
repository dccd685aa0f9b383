//! What do we count? The reference's metrics under the reference's names (WIRE §9). Labels are
//! route patterns and closed sets, never what a client wrote.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use gateward_boot::metrics::{
    CONTENT_TYPE, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, MetricError, Metrics as Registry,
};

use crate::{
    App,
    http::{ApiError, Routes, Unrouted},
    messages::MessageState,
    tasks::TaskMetrics,
};

/// All metrics of this process.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    in_progress: IntGaugeVec,
    /// Messages by the state they came into.
    pub(crate) messages: IntCounterVec,
    pub(crate) tasks: TaskMetrics,
}

impl Metrics {
    pub(crate) fn new(registry: Registry) -> Result<Self, MetricError> {
        let labels = ["status_code", "method", "path"];
        Ok(Self {
            requests: registry.counters("http_requests_total", "Requests by route.", &labels)?,
            durations: registry.histograms(
                "http_request_duration_seconds",
                "How long requests took, by route.",
                &labels,
                &duration_buckets(),
            )?,
            in_progress: registry.gauges(
                "http_requests_in_progress_total",
                "Requests being answered.",
                &["method"],
            )?,
            messages: messages(&registry)?,
            tasks: TaskMetrics::new(&registry)?,
            registry,
        })
    }
}

/// What never happened is a zero, not a gap in a diagram.
fn messages(registry: &Registry) -> Result<IntCounterVec, MetricError> {
    let help = "Messages by the state they came into.";
    let messages = registry.counters("sms_messages_total", help, &["state"])?;
    for state in MessageState::ALL {
        messages.with_label_values(&[state.name()]);
    }
    Ok(messages)
}

/// 1, 2 and 5 times every power of ten from 1e-9 to 1, then 10, 15, 20, 30 and 60 seconds: the
/// reference's dashboards rely on them.
fn duration_buckets() -> Vec<f64> {
    let steps = (-9..=0).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10_f64.powi(power)));
    steps.chain([10.0, 15.0, 20.0, 30.0, 60.0]).collect()
}

/// Counts and times a request that reached a route.
pub(crate) async fn measure(State(app): State<Arc<App>>, route: MatchedPath, request: Request, next: Next) -> Response {
    let method = label(request.method());
    let _in_progress = InProgress::new(app.metrics.in_progress.with_label_values(&[method]));
    let start = Instant::now();
    let response = next.run(request).await;
    if response.extensions().get::<Unrouted>().is_none() {
        let path = route.as_str().replace('{', ":").replace('}', "");
        let status = response.status();
        let labels = [status.as_str(), method, &path];
        app.metrics.requests.with_label_values(&labels).inc();
        let seconds = start.elapsed().as_secs_f64();
        app.metrics.durations.with_label_values(&labels).observe(seconds);
    }
    response
}

/// A method as a label: clients can make up others.
fn label(method: &Method) -> &'static str {
    const KNOWN: [Method; 6] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
    ];
    const NAMES: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
    KNOWN
        .iter()
        .zip(NAMES)
        .find(|(known, _)| *known == method)
        .map_or("other", |(_, name)| name)
}

/// Counts while it lives: a client that goes away ends its request at any point.
struct InProgress(IntGauge);

impl InProgress {
    fn new(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.dec();
    }
}

pub(crate) fn routes() -> Routes {
    Routes::new().at(&["/metrics"], get(show))
}

async fn show(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let text = app.metrics.registry.text().map_err(|error| {
        tracing::error!(error = %error, "metrics cannot be written");
        ApiError::internal()
    })?;
    let kind = HeaderValue::from_static(CONTENT_TYPE);
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
