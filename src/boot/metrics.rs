//! Numbers for Prometheus: one registry per process, and its text.
//!
//! Refuses to know what is counted. Label values must come from closed sets: that is the duty of whoever counts.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::process_collector::ProcessCollector;
pub use prometheus::{Gauge, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use prometheus::{HistogramOpts, Opts, Registry, TextEncoder};

/// What went wrong with a metric: always its name, its labels or a second registration, so only ever at start.
pub type MetricError = prometheus::Error;

/// `Content-Type` of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

type Refresh = Box<dyn Fn() + Send + Sync>;

/// The metrics of one process. Clones share everything.
#[derive(Clone, Default)]
pub struct Metrics {
    registry: Registry,
    refreshes: Arc<Mutex<Vec<Refresh>>>,
}

impl Metrics {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A number that only grows.
    ///
    /// # Errors
    ///
    /// As for every method here that makes a metric: a bad or taken name.
    pub fn counter(&self, name: &str, help: &str) -> Result<IntCounter, MetricError> {
        self.register(IntCounter::new(name, help)?)
    }

    /// Numbers that only grow, by label.
    ///
    /// # Errors
    ///
    /// A bad or taken name.
    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec, MetricError> {
        self.register(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    /// A whole number that goes up and down.
    ///
    /// # Errors
    ///
    /// A bad or taken name.
    pub fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, MetricError> {
        self.register(IntGauge::new(name, help)?)
    }

    /// Whole numbers that go up and down, by label.
    ///
    /// # Errors
    ///
    /// A bad or taken name.
    pub fn gauges(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntGaugeVec, MetricError> {
        self.register(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// A number with a fraction that goes up and down.
    ///
    /// # Errors
    ///
    /// A bad or taken name.
    pub fn float_gauge(&self, name: &str, help: &str) -> Result<Gauge, MetricError> {
        self.register(Gauge::new(name, help)?)
    }

    /// How often values fell below each of `buckets`.
    ///
    /// # Errors
    ///
    /// A bad or taken name, or buckets that do not ascend.
    pub fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, MetricError> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(Histogram::with_opts(options)?)
    }

    /// How often values fell below each of `buckets`, by label.
    ///
    /// # Errors
    ///
    /// A bad or taken name, or buckets that do not ascend.
    pub fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
        buckets: &[f64],
    ) -> Result<HistogramVec, MetricError> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.register(HistogramVec::new(options, labels)?)
    }

    /// Runs `refresh` before every [`Metrics::text`], to set gauges whose value is only worth knowing then.
    pub fn on_scrape(&self, refresh: impl Fn() + Send + Sync + 'static) {
        self.refreshes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(refresh));
    }

    /// `process_*`: what the system says of this process, asked at every [`Metrics::text`].
    ///
    /// # Errors
    ///
    /// When it was called before.
    pub fn process(&self) -> Result<(), MetricError> {
        self.registry.register(Box::new(ProcessCollector::for_self()))
    }

    /// Everything in Prometheus's text format (see [`CONTENT_TYPE`]).
    ///
    /// # Errors
    ///
    /// Two metrics that contradict each other; not with metrics made here.
    pub fn text(&self) -> Result<String, MetricError> {
        for refresh in self.refreshes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            refresh();
        }
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    fn register<C: prometheus::core::Collector + Clone + 'static>(&self, metric: C) -> Result<C, MetricError> {
        self.registry.register(Box::new(metric.clone()))?;
        Ok(metric)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_was_counted_is_in_the_text() {
        let metrics = Metrics::new();
        metrics.counter("a_total", "A.").unwrap().inc_by(3);
        metrics
            .counters("b_total", "B.", &["kind"])
            .unwrap()
            .with_label_values(&["x"])
            .inc();
        metrics.histogram("c_seconds", "C.", &[0.1, 1.0]).unwrap().observe(0.5);
        let text = metrics.text().unwrap();
        assert!(
            text.contains("# HELP a_total A.\n# TYPE a_total counter\na_total 3\n"),
            "{text}"
        );
        assert!(text.contains("b_total{kind=\"x\"} 1\n"), "{text}");
        assert!(text.contains("c_seconds_bucket{le=\"1\"} 1\n"), "{text}");
    }

    #[test]
    fn the_process_tells_about_itself() {
        let metrics = Metrics::new();
        metrics.process().unwrap();
        let text = metrics.text().unwrap();
        let memory = text
            .lines()
            .find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        assert!(memory.unwrap().parse::<f64>().unwrap() > 0.0, "{text}");
        assert!(metrics.process().is_err());
    }

    #[test]
    fn a_name_cannot_be_taken_twice() {
        let metrics = Metrics::new();
        metrics.gauge("a", "A.").unwrap();
        assert!(metrics.clone().gauge("a", "A.").is_err());
    }

    #[test]
    fn gauges_can_be_set_when_they_are_asked_for() {
        let metrics = Metrics::new();
        let gauge = metrics.gauge("a", "A.").unwrap();
        metrics.on_scrape(move || gauge.set(7));
        assert!(metrics.text().unwrap().contains("\na 7\n"));
    }
}
