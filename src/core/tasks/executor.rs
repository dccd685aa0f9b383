//! When does a task run, and how did it go? The first time after a random part of its interval, so that processes that
//! start together do not work together, and then regularly (WIRE §7.1). What a task does, it does not know.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gateward_boot::metrics::{HistogramVec, IntCounterVec, IntGauge, MetricError, Metrics as Registry};
use tokio::task::JoinSet;

use super::{Stopping, Task, every, lock};
use crate::App;

/// Runs all tasks that are not switched off, until it is time to stop; a batch that has begun is finished.
pub(crate) async fn run_all(app: Arc<App>, stopping: Stopping) {
    let mut running = JoinSet::new();
    for task in Task::ALL {
        running.spawn(repeat(Arc::clone(&app), task, stopping.clone()));
    }
    while let Some(ended) = running.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a background task has panicked");
        }
    }
}

async fn repeat(app: Arc<App>, task: Task, stopping: Stopping) {
    let interval = task.interval(&app.config.tasks);
    if interval.is_zero() {
        tracing::info!(task = task.name(), "switched off");
        return;
    }
    let first = first_delay(interval, app.random_bytes());
    every(first, interval, stopping.clone(), || execute(&app, task, &stopping)).await;
}

/// Whole seconds from zero to the interval, each as likely as the others.
fn first_delay(interval: Duration, random: [u8; 8]) -> Duration {
    let scaled = (u128::from(u64::from_le_bytes(random)) * u128::from(interval.as_secs())) >> 64;
    Duration::from_secs(u64::try_from(scaled).unwrap_or_default())
}

/// Runs a task once, unless another process is at it.
pub(super) async fn execute(app: &App, task: Task, stopping: &Stopping) {
    let metrics = &app.metrics.tasks;
    let lock = match lock::take(app, task).await {
        Ok(Some(lock)) => lock,
        Ok(None) => {
            tracing::info!(task = task.name(), "another process is at it");
            return;
        }
        Err(error) => {
            tracing::error!(task = task.name(), %error, "cannot be kept to one process");
            metrics.results.with_label_values(&[task.name(), "error"]).inc();
            return;
        }
    };
    metrics.active.inc();
    let start = Instant::now();
    let done = task.run(app, stopping).await;
    let seconds = start.elapsed().as_secs_f64();
    metrics.active.dec();
    lock.release().await;

    let result = match done {
        Ok(rows) => {
            tracing::info!(task = task.name(), rows, seconds, "background task done");
            "success"
        }
        Err(error) => {
            tracing::error!(task = task.name(), %error, seconds, "background task failed");
            "error"
        }
    };
    metrics.results.with_label_values(&[task.name(), result]).inc();
    metrics.durations.with_label_values(&[task.name()]).observe(seconds);
}

/// `worker_executor_*` (WIRE §9).
#[derive(Debug)]
pub(crate) struct TaskMetrics {
    active: IntGauge,
    results: IntCounterVec,
    durations: HistogramVec,
}

impl TaskMetrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, MetricError> {
        let name = |name: &str| format!("worker_executor_{name}");
        let buckets = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0];
        let metrics = Self {
            active: registry.gauge(&name("active_tasks"), "Background tasks that are running.")?,
            results: registry.counters(
                &name("task_result_total"),
                "How background tasks went.",
                &["task", "result"],
            )?,
            durations: registry.histograms(
                &name("task_duration_seconds"),
                "How long background tasks took.",
                &["task"],
                &buckets,
            )?,
        };
        // What never happened is a zero, not a gap in a diagram.
        for task in Task::ALL {
            for result in ["success", "error"] {
                metrics.results.with_label_values(&[task.name(), result]);
            }
            metrics.durations.with_label_values(&[task.name()]);
        }
        Ok(metrics)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_run_is_within_the_first_interval() {
        let day = Duration::from_secs(86_400);
        assert_eq!(first_delay(day, [0; 8]), Duration::ZERO);
        assert_eq!(first_delay(day, [0, 0, 0, 0, 0, 0, 0, 0x80]), day / 2);
        assert_eq!(first_delay(day, [0xff; 8]), day - Duration::from_secs(1));
        assert_eq!(first_delay(Duration::from_millis(900), [0xff; 8]), Duration::ZERO);
    }
}
