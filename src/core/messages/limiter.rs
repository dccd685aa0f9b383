//! May a device be given more messages? Not while too many wait, one has waited for too long, or everything fails
//! (WIRE §6.9).
//!
//! As in the reference the answer lags: a request hears the verdict that was found after earlier ones, because counting
//! for each would cost more than storing. It knows the limits and no SQL (`store/limits.rs`).

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use gateward_boot::metrics::{IntCounter, IntCounterVec, IntGauge, MetricError, Metrics as Registry};
use gateward_contract::time::rfc3339_from_unix;

use super::store::Messages;
use crate::Timestamp;
use crate::config::Queue as Limits;
use crate::db::StoreError;
use crate::devices::DeviceId;

/// Which limit a device is over. `Display` is the reason as clients read it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Excess {
    /// So many wait, and so many may.
    Pending { count: u64, limit: u64 },
    /// One waits since then.
    Age { since: Timestamp },
    /// None of the latest was sent.
    Failed,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pending { count, limit } => write!(f, "too many pending messages: {count} / {limit}"),
            Self::Age { since } => {
                let since = rfc3339_from_unix(since.seconds());
                write!(f, "too old pending message: {since}")
            }
            Self::Failed => f.write_str("too many failed messages"),
        }
    }
}

/// A limit, as it is called in metrics.
#[derive(Clone, Copy, Debug)]
enum Check {
    PendingAge,
    Pending,
    Failed,
}

impl Check {
    /// In the order in which they are looked at.
    const ALL: [Self; 3] = [Self::PendingAge, Self::Pending, Self::Failed];

    fn label(self) -> &'static str {
        match self {
            Self::PendingAge => "max_pending_age",
            Self::Pending => "max_pending",
            Self::Failed => "max_failed",
        }
    }
}

/// The limits, and what is known about devices.
#[derive(Debug)]
pub(crate) struct Limiter {
    limits: Limits,
    /// Devices that got messages, or were to get some, since the last round.
    asked: Mutex<BTreeSet<DeviceId>>,
    /// Devices that are over a limit, and until when that counts.
    over: Mutex<HashMap<DeviceId, (Excess, Timestamp)>>,
    metrics: LimiterMetrics,
}

impl Limiter {
    pub(crate) fn new(limits: Limits, metrics: LimiterMetrics) -> Self {
        Self {
            limits,
            asked: Mutex::default(),
            over: Mutex::default(),
            metrics,
        }
    }

    /// How often [`Limiter::refresh`] is to be called; `None`: not at all.
    pub(crate) fn period(&self) -> Option<Duration> {
        let has_limits = Check::ALL.into_iter().any(|check| self.limits(check));
        Some(self.limits.stats_refresh_interval).filter(|period| has_limits && !period.is_zero())
    }

    /// Whether a limit is set.
    fn limits(&self, check: Check) -> bool {
        match check {
            Check::PendingAge => !self.limits.max_pending_age.is_zero(),
            Check::Pending => self.limits.max_pending > 0,
            Check::Failed => self.limits.max_failed > 0 && !self.limits.max_failed_age.is_zero(),
        }
    }

    /// Whether the device may be given a message; a device that nothing is known about may. Without rounds
    /// (`stats_refresh_interval` is zero) it is found out now.
    pub(crate) async fn check(&self, messages: &Messages, device: &DeviceId, now: Timestamp) -> Result<(), Excess> {
        let excess = if self.period().is_some() {
            lock(&self.asked).insert(device.clone());
            let over = lock(&self.over);
            let known = over.get(device).filter(|(_, until)| now < *until);
            known.map(|(excess, _)| *excess)
        } else {
            self.judge(messages, device, now).await
        };
        let result = if excess.is_some() { "limited" } else { "allowed" };
        self.metrics.checks.with_label_values(&[result]).inc();
        excess.map_or(Ok(()), Err)
    }

    /// Finds out about the devices that were asked about since the last round.
    pub(crate) async fn refresh(&self, messages: &Messages, now: Timestamp) {
        let devices = std::mem::take(&mut *lock(&self.asked));
        lock(&self.over).retain(|_, (_, until)| now < *until);
        if devices.is_empty() {
            return;
        }
        let count = i64::try_from(devices.len()).unwrap_or(i64::MAX);
        self.metrics.batch_size.set(count);
        self.metrics.refreshes.inc();
        // A verdict without an end counts until the next one.
        let ttl = Some(self.limits.stats_cache_ttl).filter(|ttl| !ttl.is_zero());
        let until = now.plus(ttl.unwrap_or(Duration::MAX));
        for device in devices {
            let excess = self.judge(messages, &device, now).await;
            let mut over = lock(&self.over);
            match excess {
                Some(excess) => over.insert(device, (excess, until)),
                None => over.remove(&device),
            };
        }
    }

    /// The first limit that the device is over. One that cannot be looked at counts as kept.
    async fn judge(&self, messages: &Messages, device: &DeviceId, now: Timestamp) -> Option<Excess> {
        for check in Check::ALL.into_iter().filter(|check| self.limits(*check)) {
            match self.excess(check, messages, device, now).await {
                Ok(None) => {}
                Ok(excess) => return excess,
                Err(error) => {
                    tracing::warn!(check = check.label(), %error, "a queue limit cannot be checked");
                    let failed = self.metrics.query_errors.with_label_values(&[check.label()]);
                    failed.inc();
                }
            }
        }
        None
    }

    async fn excess(
        &self,
        check: Check,
        messages: &Messages,
        device: &DeviceId,
        now: Timestamp,
    ) -> Result<Option<Excess>, StoreError> {
        let limits = &self.limits;
        Ok(match check {
            Check::PendingAge => {
                let oldest = messages.due(device, now).await?.oldest;
                let too_old = oldest.filter(|since| *since < now.minus(limits.max_pending_age));
                too_old.map(|since| Excess::Age { since })
            }
            Check::Pending => {
                let count = messages.due(device, now).await?.count;
                let limit = limits.max_pending;
                (count >= limit).then_some(Excess::Pending { count, limit })
            }
            Check::Failed => {
                let since = now.minus(limits.max_failed_age);
                let failed = messages.latest_failed(device, since, limits.max_failed).await?;
                failed.then_some(Excess::Failed)
            }
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `sms_messages_limiter_*` (WIRE §9).
#[derive(Debug)]
pub(crate) struct LimiterMetrics {
    checks: IntCounterVec,
    refreshes: IntCounter,
    batch_size: IntGauge,
    query_errors: IntCounterVec,
}

impl LimiterMetrics {
    pub(crate) fn new(registry: &Registry) -> Result<Self, MetricError> {
        let name = |name: &str| format!("sms_messages_limiter_{name}");
        let checks = registry.counters(
            &name("checks_total"),
            "New messages that were held against the limits of their device's queue.",
            &["result"],
        )?;
        let query_errors = registry.counters(
            &name("query_errors_total"),
            "Limits that could not be looked at.",
            &["check"],
        )?;
        // What never happened is a zero, not a gap in a diagram.
        for result in ["allowed", "limited"] {
            checks.with_label_values(&[result]);
        }
        for check in Check::ALL {
            query_errors.with_label_values(&[check.label()]);
        }
        Ok(Self {
            checks,
            refreshes: registry.counter(&name("refreshes_total"), "Rounds of finding out about devices.")?,
            batch_size: registry.gauge(&name("batch_size"), "Devices of the latest such round.")?,
            query_errors,
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
