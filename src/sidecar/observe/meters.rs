//! What is counted? Families under closed labels: a route's id, never a path (DESIGN §11).
//!
//! Handles are looked up once per policy, so that a request costs a few atomic additions and no search by text.

use std::sync::{Arc, OnceLock};

use gateward_boot::metrics::{
    Gauge, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, MetricError, Metrics,
};
use gateward_denylist::{Health, Stats};
use gateward_policy::PathError;

use crate::framing::FramingError;

/// Seconds; finer at the low end than the reference's, because a sidecar adds microseconds.
const DURATIONS: [f64; 12] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It passed.
    Allow,
    /// It was refused.
    Deny,
    /// It was not the client's fault.
    Fail,
}

impl Verdict {
    /// A word from a closed set, for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Fail => "fail",
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Allow => 0,
            Self::Deny => 1,
            Self::Fail => 2,
        }
    }
}

/// Reasons that anybody can provoke, beside what can be wrong with a path or with the bytes of a head. Their series are
/// there from the start, like those of every route, so that what clients send changes values and never the number of
/// series (SECURITY 76).
const EVERYDAY_REASONS: [&str; 30] = [
    "algorithm_refused",
    "authorization_repeated",
    "basic_empty_password",
    "basic_empty_user",
    "basic_no_colon",
    "basic_not_base64",
    "body_broken",
    "body_timeout",
    "body_too_large",
    "credential_control_character",
    "credential_not_utf8",
    "expired",
    "family_revoked",
    "head_timeout",
    "header_extension_refused",
    "header_refused",
    "kind_not_accepted",
    "login_failed",
    "method_unknown",
    "no_credential",
    "no_route",
    "not_served",
    "refresh_only",
    "request_invalid",
    "scope_missing",
    "signature_invalid",
    "token_malformed",
    "token_revoked",
    "token_too_long",
    "user_revoked",
];

/// The families.
#[derive(Debug)]
pub(super) struct Meters {
    requests: IntCounterVec,
    durations: HistogramVec,
    /// By reason.
    pub(super) refusals: IntCounterVec,
    /// By kind of trouble.
    pub(super) gateway_failures: IntCounterVec,
    /// 401 and 403 that the gateway said itself, by route.
    gateway_refusals: IntCounterVec,
    /// By result.
    pub(super) reloads: IntCounterVec,
    pub(super) panics: IntCounter,
    pub(super) log_lines_dropped: IntCounter,
    pub(super) connections: IntGauge,
    pub(super) in_flight: IntGauge,
    pub(super) store: StoreMeters,
}

/// How the denylist is doing.
#[derive(Debug)]
pub(super) struct StoreMeters {
    loaded: IntGauge,
    degraded: IntGauge,
    age: Gauge,
    entries: IntGauge,
    alarms: IntGauge,
    lag: Gauge,
    resyncs: IntCounter,
    gaps: IntCounter,
}

impl StoreMeters {
    fn register(metrics: &Metrics) -> Result<Self, MetricError> {
        Ok(Self {
            loaded: metrics.gauge("gateward_store_loaded", "1 once the whole denylist was loaded.")?,
            degraded: metrics.gauge("gateward_store_degraded", "1 while the denylist may be out of date.")?,
            age: metrics.float_gauge("gateward_store_age_seconds", "How old the denylist is.")?,
            entries: metrics.gauge("gateward_store_entries", "Lines of the denylist in memory.")?,
            alarms: metrics.gauge("gateward_store_alarms", "Times that the store had lost data.")?,
            lag: metrics.float_gauge(
                "gateward_store_feed_lag_seconds",
                "From a revocation to its arrival here.",
            )?,
            resyncs: metrics.counter(
                "gateward_store_resyncs_total",
                "Times that the whole denylist was compared with the store.",
            )?,
            gaps: metrics.counter(
                "gateward_store_feed_gaps_total",
                "Times that revocations may have been missed, so that the whole denylist was loaded again.",
            )?,
        })
    }

    /// Shows the denylist's own numbers.
    pub(super) fn show(&self, health: &Health, stats: &Stats) {
        self.loaded.set(health.loaded.into());
        self.degraded.set(health.degraded.into());
        self.age.set(health.age.map_or(f64::NAN, |age| age.as_secs_f64()));
        self.entries.set(whole(health.entries));
        self.alarms.set(i64::try_from(health.alarms).unwrap_or(i64::MAX));
        self.lag.set(stats.feed_lag.map_or(f64::NAN, |lag| lag.as_secs_f64()));
        catch_up(&self.resyncs, stats.resyncs);
        catch_up(&self.gaps, stats.gaps);
    }
}

/// Brings a counter to what was counted elsewhere, since the same moment.
fn catch_up(counter: &IntCounter, counted: u64) {
    counter.inc_by(counted.saturating_sub(counter.get()));
}

/// A number of things, for a gauge.
pub(super) fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Meters {
    pub(super) fn register(metrics: &Metrics) -> Result<Self, MetricError> {
        let meters = Self {
            requests: metrics.counters(
                "gateward_requests_total",
                "Requests, by route, verdict and status class.",
                &["route", "verdict", "status"],
            )?,
            durations: metrics.histograms(
                "gateward_request_duration_seconds",
                "From a request's arrival to the end of its answer.",
                &["route"],
                &DURATIONS,
            )?,
            refusals: metrics.counters(
                "gateward_refusals_total",
                "Requests answered here, by reason.",
                &["reason"],
            )?,
            gateway_failures: metrics.counters(
                "gateward_upstream_failures_total",
                "Times that the gateway could not be asked.",
                &["reason"],
            )?,
            gateway_refusals: metrics.counters(
                "gateward_upstream_refusals_total",
                "Answers 401 and 403 of the gateway itself.",
                &["route", "status"],
            )?,
            reloads: metrics.counters(
                "gateward_reloads_total",
                "Attempts to take over a changed file.",
                &["file", "result"],
            )?,
            panics: metrics.counter("gateward_panics_total", "Requests that ended in a panic.")?,
            log_lines_dropped: metrics.counter(
                "gateward_log_lines_dropped_total",
                "Lines of the log that were dropped because standard error was too slow or failed.",
            )?,
            connections: metrics.gauge("gateward_connections", "Client connections.")?,
            in_flight: metrics.gauge("gateward_requests_in_flight", "Requests in flight.")?,
            store: StoreMeters::register(metrics)?,
        };
        let paths = PathError::ALL.map(PathError::label);
        let heads = FramingError::ALL.map(FramingError::label);
        for reason in EVERYDAY_REASONS.iter().chain(&paths).chain(&heads) {
            meters.refusals.with_label_values(&[reason]);
        }
        Ok(meters)
    }

    /// The handles of one route.
    pub(super) fn route(self: &Arc<Self>, route: &str) -> RouteMeters {
        let meters = RouteMeters {
            requests: Default::default(),
            duration: self.durations.with_label_values(&[route]),
            meters: Arc::clone(self),
            route: route.into(),
        };
        for (verdict, class) in EVERYDAY_CELLS {
            meters.cell(verdict, class);
        }
        meters
    }
}

/// What becomes of nearly every request.
const EVERYDAY_CELLS: [(Verdict, usize); 4] = [
    (Verdict::Allow, 2),
    (Verdict::Allow, 4),
    (Verdict::Deny, 4),
    (Verdict::Fail, 5),
];
/// Verdicts times status classes (1xx to 5xx, and none).
const CELLS: usize = 3 * 6;

/// The handles of one route; the rare ones are looked up when they are first needed.
#[derive(Debug)]
pub(super) struct RouteMeters {
    meters: Arc<Meters>,
    route: Box<str>,
    requests: [OnceLock<IntCounter>; CELLS],
    duration: Histogram,
}

impl RouteMeters {
    pub(super) fn count(&self, verdict: Verdict, status: Option<u16>, seconds: f64) {
        let class = usize::from(status.map_or(0, |status| status / 100)).min(5);
        if let Some(cell) = self.cell(verdict, class) {
            cell.inc();
        }
        self.duration.observe(seconds);
    }

    fn cell(&self, verdict: Verdict, class: usize) -> Option<&IntCounter> {
        let cell = self.requests.get(verdict.index() * 6 + class)?;
        let label = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"].get(class).copied()?;
        Some(cell.get_or_init(|| {
            let labels = [&*self.route, verdict.label(), label];
            self.meters.requests.with_label_values(&labels)
        }))
    }

    /// The gateway itself said 401 or 403.
    pub(super) fn count_gateway_refusal(&self, status: u16) {
        let status = if status == 401 { "401" } else { "403" };
        self.meters
            .gateway_refusals
            .with_label_values(&[&*self.route, status])
            .inc();
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_the_denylist_counts_is_shown_once() {
        let metrics = Metrics::new();
        let store = StoreMeters::register(&metrics).unwrap();
        for (resyncs, gaps) in [(0, 0), (3, 1), (3, 1), (5, 2)] {
            let stats = Stats {
                resyncs,
                gaps,
                ..Stats::default()
            };
            let health = Health {
                loaded: true,
                degraded: false,
                age: None,
                entries: 0,
                reason: None,
                alarms: 7,
            };
            store.show(&health, &stats);
            let text = metrics.text().unwrap();
            for line in [
                format!("gateward_store_resyncs_total {resyncs}\n"),
                format!("gateward_store_feed_gaps_total {gaps}\n"),
                "gateward_store_alarms 7\n".to_owned(),
            ] {
                assert!(text.contains(&line), "{line} is not in {text}");
            }
        }
    }
}
