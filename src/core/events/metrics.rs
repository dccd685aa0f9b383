//! What do we count of events and streams? The reference's names and labels (WIRE §9).

use std::time::Duration;

use gateward_boot::metrics::{Histogram, IntCounter, IntCounterVec, IntGauge, MetricError, Metrics as Registry};

use super::{Kind, Published};

/// The counters of one bus. A cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct EventMetrics {
    enqueued: IntCounterVec,
    sent: IntCounterVec,
    failed: IntCounterVec,
    open_streams: IntGauge,
    carried: IntCounterVec,
    errors: IntCounterVec,
    latency: Histogram,
    keep_alives: IntCounter,
}

/// From a microsecond to a tenth of a second, as in the reference.
const LATENCY_BUCKETS: [f64; 11] = [1e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 0.01, 0.05, 0.1];
/// How an event was delivered.
const SSE: &str = "sse";
const PUSH: &str = "push";
/// What is not known of an event.
const UNKNOWN: &str = "unknown";

impl EventMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// A name that is taken.
    pub(crate) fn new(registry: &Registry) -> Result<Self, MetricError> {
        Ok(Self {
            enqueued: registry.counters("sms_events_enqueued_total", "Events that happened.", &["event"])?,
            sent: registry.counters(
                "sms_events_sent_total",
                "Events that reached somebody.",
                &["event", "delivery_type"],
            )?,
            failed: registry.counters(
                "sms_events_failed_total",
                "Events that reached nobody.",
                &["event", "delivery_type", "reason"],
            )?,
            open_streams: registry.gauge("sms_sse_active_connections", "Event streams that are open.")?,
            carried: registry.counters(
                "sms_sse_events_sent_total",
                "Events handed to streams.",
                &["event_type"],
            )?,
            errors: registry.counters(
                "sms_sse_connection_errors_total",
                "Events that a stream did not get.",
                &["error_type"],
            )?,
            latency: registry.histogram(
                "sms_sse_event_delivery_latency_seconds",
                "From an event to its stream.",
                &LATENCY_BUCKETS,
            )?,
            keep_alives: registry.counter("sms_sse_keepalives_sent_total", "Comments that keep idle streams open.")?,
        })
    }

    /// Something happened that phones should hear of.
    pub(super) fn enqueued(&self, kind: Kind) {
        self.enqueued.with_label_values(&[kind.name()]).inc();
    }

    /// The push queue took an event, or not.
    pub(super) fn pushed(&self, kind: Kind, taken: bool) {
        if taken {
            self.sent.with_label_values(&[kind.name(), PUSH]).inc();
        } else {
            let labels = [kind.name(), PUSH, "provider_failed"];
            self.failed.with_label_values(&labels).inc();
        }
    }

    /// Other processes, or whoever knows the devices, could not be told of an event.
    pub(super) fn unpublished(&self, kind: Kind) {
        let labels = [kind.name(), UNKNOWN, "publish_error"];
        self.failed.with_label_values(&labels).inc();
    }

    /// Another process said something that we do not understand.
    pub(super) fn garbled(&self) {
        let labels = [UNKNOWN, UNKNOWN, "serialization_error"];
        self.failed.with_label_values(&labels).inc();
    }

    /// An event was offered to every stream here that should have it.
    pub(super) fn published(&self, kind: Kind, published: Published) {
        let event = kind.name();
        if published.streams > 0 {
            self.sent.with_label_values(&[event, SSE]).inc();
        } else {
            let reason = "provider_failed";
            self.failed.with_label_values(&[event, SSE, reason]).inc();
        }
        if published.dropped > 0 {
            let dropped = u64::try_from(published.dropped).unwrap_or(u64::MAX);
            self.errors.with_label_values(&["buffer_full"]).inc_by(dropped);
        } else if published.streams == 0 {
            self.errors.with_label_values(&["no_connection"]).inc();
        }
    }

    /// A stream took an event, so long after it happened.
    pub(super) fn carried(&self, kind: Kind, after: Duration) {
        self.carried.with_label_values(&[kind.name()]).inc();
        self.latency.observe(after.as_secs_f64());
    }

    /// A stream was opened.
    pub(super) fn opened(&self) {
        self.open_streams.inc();
    }

    /// A stream was closed.
    pub(super) fn closed(&self) {
        self.open_streams.dec();
    }

    /// A comment was sent.
    pub(super) fn kept_alive(&self) {
        self.keep_alives.inc();
    }
}
