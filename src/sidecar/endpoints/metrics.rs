//! How many tokens were issued, checked, refreshed and revoked, and how long it took: under the names that dashboards for
//! SMSGate already use (WIRE §9).

use std::time::Duration;

use gateward_boot::metrics::{Histogram, IntCounter, MetricError, Metrics};

/// Seconds, as the reference has them.
const BUCKETS: [f64; 11] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// The `sms_auth_jwt_*` metrics. Clones count into the same numbers.
#[derive(Clone)]
pub struct JwtMetrics {
    issued: Outcomes,
    validated: Outcomes,
    refreshed: Outcomes,
    revoked: Outcomes,
}

#[derive(Clone)]
struct Outcomes {
    success: IntCounter,
    error: IntCounter,
    duration: Histogram,
}

impl JwtMetrics {
    /// Registers them.
    ///
    /// # Errors
    ///
    /// When a name is taken already.
    pub fn register(metrics: &Metrics) -> Result<Self, MetricError> {
        Ok(Self {
            issued: Outcomes::register(metrics, "issued", "issuance", "JWT pairs that were issued.")?,
            validated: Outcomes::register(metrics, "validated", "validation", "JWTs that were checked.")?,
            refreshed: Outcomes::register(metrics, "refreshed", "refresh", "JWT pairs that were refreshed.")?,
            revoked: Outcomes::register(metrics, "revoked", "revocation", "JWTs that were revoked.")?,
        })
    }

    /// A pair was issued, or could not be.
    pub fn issued(&self, success: bool, took: Duration) {
        self.issued.count(success, took);
    }

    /// A token was checked.
    pub fn validated(&self, success: bool, took: Duration) {
        self.validated.count(success, took);
    }

    /// A pair was refreshed, or could not be.
    pub fn refreshed(&self, success: bool, took: Duration) {
        self.refreshed.count(success, took);
    }

    /// A token was revoked, or could not be.
    pub fn revoked(&self, success: bool, took: Duration) {
        self.revoked.count(success, took);
    }
}

impl Outcomes {
    fn register(metrics: &Metrics, done: &str, doing: &str, help: &str) -> Result<Self, MetricError> {
        let counters = metrics.counters(&format!("sms_auth_jwt_tokens_{done}_total"), help, &["status"])?;
        let duration = metrics.histogram(&format!("sms_auth_jwt_{doing}_duration_seconds"), help, &BUCKETS)?;
        Ok(Self {
            success: counters.with_label_values(&["success"]),
            error: counters.with_label_values(&["error"]),
            duration,
        })
    }

    fn count(&self, success: bool, took: Duration) {
        if success {
            self.success.inc()
        } else {
            self.error.inc()
        }
        self.duration.observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_names_are_those_of_the_reference_and_every_outcome_is_there_from_the_start() {
        let metrics = Metrics::new();
        let jwt = JwtMetrics::register(&metrics).unwrap();
        jwt.revoked(true, Duration::from_millis(2));
        let text = metrics.text().unwrap();
        for line in [
            "sms_auth_jwt_tokens_issued_total{status=\"success\"} 0",
            "sms_auth_jwt_tokens_validated_total{status=\"error\"} 0",
            "sms_auth_jwt_tokens_refreshed_total{status=\"error\"} 0",
            "sms_auth_jwt_tokens_revoked_total{status=\"success\"} 1",
            "sms_auth_jwt_issuance_duration_seconds_count 0",
            "sms_auth_jwt_validation_duration_seconds_count 0",
            "sms_auth_jwt_refresh_duration_seconds_count 0",
            "sms_auth_jwt_revocation_duration_seconds_bucket{le=\"0.0025\"} 1",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }
}
