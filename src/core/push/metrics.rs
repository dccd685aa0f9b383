//! What do we count of pushes? The reference's names and labels (WIRE §9).

use gateward_boot::metrics::{IntCounter, IntCounterVec, MetricError, Metrics as Registry};

use crate::events::Kind;

#[derive(Debug)]
pub(super) struct PushMetrics {
    enqueued: IntCounterVec,
    blacklist: IntCounterVec,
    /// Notifications that are tried again.
    pub(super) retries: IntCounter,
    /// Notifications that did not get through, each time.
    pub(super) errors: IntCounter,
}

impl PushMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, MetricError> {
        let blacklist = registry.counters(
            "sms_push_blacklist_total",
            "Push tokens that were given up for a while, and notifications that were not queued for that.",
            &["operation"],
        )?;
        // What never happened is a zero, not a gap in a diagram.
        for operation in ["added", "skipped"] {
            blacklist.with_label_values(&[operation]);
        }
        Ok(Self {
            enqueued: registry.counters(
                "sms_push_enqueued_total",
                "Notifications that were put into the queue.",
                &["event"],
            )?,
            blacklist,
            retries: registry.counter("sms_push_retries_total", "Notifications that are tried again.")?,
            errors: registry.counter("sms_push_errors_total", "Notifications that did not get through.")?,
        })
    }

    pub(super) fn enqueued(&self, kind: Kind) {
        self.enqueued.with_label_values(&[kind.name()]).inc();
    }

    /// So many did not get through.
    pub(super) fn lost(&self, notifications: usize) {
        self.errors.inc_by(u64::try_from(notifications).unwrap_or(u64::MAX));
    }

    /// A token was given up.
    pub(super) fn added(&self) {
        self.blacklist.with_label_values(&["added"]).inc();
    }

    /// A notification was not queued because its token is given up.
    pub(super) fn skipped(&self) {
        self.blacklist.with_label_values(&["skipped"]).inc();
    }
}
