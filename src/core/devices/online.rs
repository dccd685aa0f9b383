//! Which devices were seen since we last wrote it down? A phone is seen with every request; the
//! database hears of it once a minute (WIRE §2.8, §7.2).
//!
//! Every process writes down what it saw itself: the time only moves forward, so that nothing has to be shared.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use gateward_boot::metrics::{Histogram, IntCounter, IntCounterVec, IntGauge, MetricError, Metrics as Registry};

use super::DeviceId;
use crate::{Timestamp, db::StoreError};

/// How often it is written down.
pub(crate) const PERIOD: Duration = Duration::from_secs(60);
/// So many devices are written down at once.
const BATCH: usize = 500;

/// Devices and when they were seen last, not yet written down.
#[derive(Debug)]
pub(super) struct Online {
    seen: Mutex<HashMap<DeviceId, Timestamp>>,
    metrics: OnlineMetrics,
}

/// What is counted of them, under the reference's names (WIRE §9).
#[derive(Clone, Debug)]
pub(crate) struct OnlineMetrics {
    marked: IntCounterVec,
    operations: IntCounterVec,
    latency: Histogram,
    written_within: Histogram,
    errors: IntCounter,
    batch_size: IntGauge,
}

/// From a microsecond to a tenth of a second.
const LATENCY_BUCKETS: [f64; 11] = [1e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3, 5e-3, 0.01, 0.05, 0.1];
/// From 5 ms to 10 s.
const WRITING_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
/// Memory never fails.
const SUCCESS: &str = "success";

impl OnlineMetrics {
    /// Registers them.
    ///
    /// # Errors
    /// A name that is taken.
    pub(crate) fn new(registry: &Registry) -> Result<Self, MetricError> {
        Ok(Self {
            marked: registry.counters("sms_online_status_set_total", "Devices that were seen.", &["status"])?,
            operations: registry.counters(
                "sms_online_cache_operations_total",
                "What was done with what is not yet written down.",
                &["operation", "status"],
            )?,
            latency: registry.histogram(
                "sms_online_cache_latency_seconds",
                "How long that took.",
                &LATENCY_BUCKETS,
            )?,
            written_within: registry.histogram(
                "sms_online_persistence_latency_seconds",
                "How long it took to write down a batch.",
                &WRITING_BUCKETS,
            )?,
            errors: registry.counter("sms_online_persistence_errors_total", "How often that failed.")?,
            batch_size: registry.gauge("sms_online_batch_size", "Devices written down as seen, the last time.")?,
        })
    }

    fn done(&self, operation: &str, since: Instant) {
        self.operations.with_label_values(&[operation, SUCCESS]).inc();
        self.latency.observe(since.elapsed().as_secs_f64());
    }
}

impl Online {
    pub(super) fn new(metrics: OnlineMetrics) -> Self {
        Self {
            seen: Mutex::default(),
            metrics,
        }
    }

    /// A device was seen.
    pub(super) fn mark(&self, device: &DeviceId, now: Timestamp) {
        let start = Instant::now();
        note(&mut self.lock(), device, now);
        self.metrics.marked.with_label_values(&[SUCCESS]).inc();
        self.metrics.done("set", start);
    }

    /// Has all that were seen written down, and says how many; after a failure the rest waits for the next time.
    pub(super) async fn flush<Written>(
        &self,
        mut write: impl FnMut(Vec<(DeviceId, Timestamp)>) -> Written,
    ) -> Result<usize, StoreError>
    where
        Written: Future<Output = Result<(), StoreError>>,
    {
        let start = Instant::now();
        let seen: Vec<_> = std::mem::take(&mut *self.lock()).into_iter().collect();
        self.metrics.done("drain", start);
        if seen.is_empty() {
            return Ok(0);
        }
        for (at, batch) in seen.chunks(BATCH).enumerate() {
            let start = Instant::now();
            if let Err(error) = write(batch.to_vec()).await {
                self.metrics.errors.inc();
                self.put_back(seen.get(at * BATCH..).unwrap_or_default());
                return Err(error);
            }
            self.metrics.written_within.observe(start.elapsed().as_secs_f64());
        }
        let count = i64::try_from(seen.len()).unwrap_or(i64::MAX);
        self.metrics.batch_size.set(count);
        Ok(seen.len())
    }

    fn put_back(&self, seen: &[(DeviceId, Timestamp)]) {
        let mut waiting = self.lock();
        for (device, at) in seen {
            note(&mut waiting, device, *at);
        }
    }

    // No code panics while it holds this lock.
    fn lock(&self) -> MutexGuard<'_, HashMap<DeviceId, Timestamp>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn note(seen: &mut HashMap<DeviceId, Timestamp>, device: &DeviceId, at: Timestamp) {
    match seen.get_mut(device) {
        Some(last) => *last = at.max(*last),
        None => {
            seen.insert(device.clone(), at);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::future::ready;

    use super::*;

    fn online() -> (Online, Registry) {
        let registry = Registry::new();
        (Online::new(OnlineMetrics::new(&registry).unwrap()), registry)
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[tokio::test]
    async fn batches_are_no_larger_than_they_may_be_and_each_device_comes_once() {
        let (online, registry) = online();
        for number in 0..1100 {
            for seen in [5, 7, 6] {
                online.mark(&DeviceId::stored(&number.to_string()), at(seen));
            }
        }
        let mut sizes = Vec::new();
        let written = online
            .flush(|batch| {
                assert!(batch.iter().all(|(_, seen)| *seen == at(7)));
                sizes.push(batch.len());
                ready(Ok(()))
            })
            .await;
        assert_eq!((written.unwrap(), sizes), (1100, vec![500, 500, 100]));
        assert_eq!(
            online
                .flush(|_| ready(Err(StoreError::from(sqlx::Error::PoolClosed))))
                .await
                .unwrap(),
            0,
            "nothing new"
        );
        let text = registry.text().unwrap();
        for line in [
            r#"sms_online_status_set_total{status="success"} 3300"#,
            r#"sms_online_cache_operations_total{operation="set",status="success"} 3300"#,
            r#"sms_online_cache_operations_total{operation="drain",status="success"} 2"#,
            "sms_online_cache_latency_seconds_count 3302",
            "sms_online_persistence_latency_seconds_count 3",
            "sms_online_persistence_errors_total 0",
            "sms_online_batch_size 1100",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
        }
    }

    #[tokio::test]
    async fn what_could_not_be_written_waits_and_is_not_older_than_what_came_meanwhile() {
        let (online, _) = online();
        for number in 0..600 {
            online.mark(&DeviceId::stored(&number.to_string()), at(5));
        }
        let mut batches = 0;
        let failed = online
            .flush(|_| {
                batches += 1;
                for number in 0..600 {
                    online.mark(&DeviceId::stored(&number.to_string()), at(9));
                }
                ready(if batches == 2 {
                    Err(StoreError::from(sqlx::Error::PoolTimedOut))
                } else {
                    Ok(())
                })
            })
            .await;
        assert!(failed.is_err());
        let written = online
            .flush(|batch| {
                assert!(batch.iter().all(|(_, seen)| *seen == at(9)));
                ready(Ok(()))
            })
            .await;
        assert_eq!(written.unwrap(), 600);
    }
}
