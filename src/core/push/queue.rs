//! What waits to be pushed, what is tried again, and what is given up (WIRE §5.2)?
//!
//! A notification waits a few seconds, so that many events of one kind are one push. It does not know how notifications
//! travel: a `Courier` says what became of each.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use gateward_boot::{clock::Clock, metrics::Metrics as Registry};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval_at},
};

use super::{
    courier::{Courier, Outcome, Round},
    metrics::PushMetrics,
    notification::{Notification, Waiting},
};
use crate::{
    config::Config,
    events::{Event, PushQueue},
    server::StartError,
    shared::{Backlog, Cache, Caches, Unavailable},
};

/// A notification that failed so often is dropped, and its token is given up for [`GIVEN_UP_FOR`].
const TRIES: u8 = 3;
const GIVEN_UP_FOR: Duration = Duration::from_secs(15 * 60);
/// While so many wait, nothing more is taken from other gateways, who need no credential: some hundred megabytes at most
/// in practice, and what our own users cause still gets in.
const MOST_WAITING: usize = 50_000;
/// How long a stopping process waits for pushes that are under way.
const LAST_ROUND: Duration = Duration::from_secs(5);
/// Nobody may tell us to wait longer than this.
const LONGEST_PAUSE: Duration = Duration::from_secs(15 * 60);

/// Notifications that wait, and the courier that takes them.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Shared by all processes: a notification belongs to the one that takes it out.
    backlog: Backlog,
    /// Tokens that get nothing for a while.
    given_up: Cache,
    /// `None`: push is off.
    courier: Option<Courier>,
    metrics: PushMetrics,
    period: Duration,
    deadline: Duration,
    paused_until: Mutex<Option<Instant>>,
}

impl Queue {
    /// With the courier of the configured mode.
    pub(crate) fn new(
        config: &Config,
        caches: &Caches,
        registry: &Registry,
        clock: &Clock,
    ) -> Result<Self, StartError> {
        Ok(Self {
            backlog: caches.backlog("events"),
            given_up: caches.space("blacklist"),
            courier: Courier::of(config, clock)?,
            metrics: PushMetrics::new(registry)?,
            period: config.fcm.debounce,
            deadline: config.fcm.timeout,
            paused_until: Mutex::default(),
        })
    }

    /// Whether there is anybody to push through.
    pub(crate) fn is_on(&self) -> bool {
        self.courier.is_some()
    }

    /// [`put`](Self::put) for somebody else: dropped, and counted as an error, while too many wait.
    pub(super) async fn relay(&self, notification: Notification) -> Result<(), Unavailable> {
        if self.backlog.len().await? >= MOST_WAITING {
            self.metrics.errors.inc();
            return Ok(());
        }
        self.put(notification).await
    }

    /// Puts a notification into the queue, in the place of an earlier one of its kind. Waits for nobody but the shared
    /// state. A token that is given up gets nothing, which is no error; so does everybody while push is off.
    async fn put(&self, notification: Notification) -> Result<(), Unavailable> {
        if !self.is_on() {
            self.metrics.errors.inc();
            return Ok(());
        }
        if self.given_up.get(&notification.token).await?.is_some() {
            self.metrics.skipped();
            return Ok(());
        }
        let waiting = Waiting {
            notification,
            failures: 0,
        };
        let Waiting { notification, .. } = &waiting;
        self.backlog.put(&notification.key(), waiting.to_bytes()).await?;
        self.metrics.enqueued(notification.kind);
        Ok(())
    }

    /// Sends what waits, every so often, and a last time when the process stops, which waits for a short while only.
    pub(crate) async fn run(self: Arc<Self>, mut stopping: watch::Receiver<bool>) {
        let mut ticks = interval_at(Instant::now() + self.period, self.period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // An error means that nobody is left who could say "stop".
            let stop = tokio::select! {
                _ = ticks.tick() => false,
                _ = stopping.wait_for(|stop| *stop) => true,
            };
            let too_long = async {
                let _ = stopping.wait_for(|stop| *stop).await;
                tokio::time::sleep(LAST_ROUND).await;
            };
            tokio::select! {
                () = self.flush() => {}
                () = too_long => {
                    tracing::warn!("stopped with pushes under way");
                    return;
                }
            }
            if stop {
                return;
            }
        }
    }

    /// Sends everything that waits now, within the deadline.
    pub(super) async fn flush(&self) {
        let Some(courier) = &self.courier else { return };
        if self.is_paused() {
            return;
        }
        let kept = match self.backlog.drain().await {
            Ok(kept) => kept,
            // Whoever lost the shared state has said so; what waits there goes on waiting.
            Err(error) if error.was_not_asked() => return,
            Err(error) => {
                tracing::error!(%error, "the pushes that waited may be lost");
                self.metrics.errors.inc();
                return;
            }
        };
        let batch: Vec<Waiting> = kept.values().filter_map(|bytes| Waiting::from_bytes(bytes)).collect();
        if batch.is_empty() {
            return;
        }
        let notifications: Vec<&Notification> = batch.iter().map(|waiting| &waiting.notification).collect();
        let Round { outcomes, pause } = courier.deliver(&notifications, self.deadline).await;
        if let Some(pause) = pause {
            self.pause(pause);
        }
        for (waiting, outcome) in batch.into_iter().zip(outcomes) {
            if let Err(error) = self.settle(waiting, outcome).await {
                tracing::error!(%error, "a push is lost");
            }
        }
    }

    async fn settle(&self, waiting: Waiting, outcome: Outcome) -> Result<(), Unavailable> {
        match outcome {
            Outcome::Sent => Ok(()),
            Outcome::Postponed => self.put_back(&waiting).await,
            Outcome::Refused => {
                self.metrics.errors.inc();
                Ok(())
            }
            Outcome::Unreachable => {
                self.metrics.errors.inc();
                self.give_up(&waiting.notification).await
            }
            Outcome::Failed => {
                self.metrics.errors.inc();
                self.try_again(waiting).await
            }
        }
    }

    async fn try_again(&self, waiting: Waiting) -> Result<(), Unavailable> {
        let failures = waiting.failures.saturating_add(1);
        if failures >= TRIES {
            return self.give_up(&waiting.notification).await;
        }
        self.metrics.retries.inc();
        self.put_back(&Waiting { failures, ..waiting }).await
    }

    /// Something newer of its kind, which may have come meanwhile, stays.
    async fn put_back(&self, waiting: &Waiting) -> Result<(), Unavailable> {
        let key = waiting.notification.key();
        self.backlog.put_back(&key, waiting.to_bytes()).await
    }

    async fn give_up(&self, notification: &Notification) -> Result<(), Unavailable> {
        self.metrics.added();
        tracing::warn!(event = notification.kind.name(), "a push token is given up for a while");
        self.given_up.set(&notification.token, "", GIVEN_UP_FOR).await
    }

    /// Whoever takes our notifications wants to be left alone for so long.
    fn pause(&self, pause: Duration) {
        let pause = pause.min(LONGEST_PAUSE);
        tracing::warn!(seconds = pause.as_secs(), "pushes pause: the push service asks for it");
        *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + pause);
    }

    fn is_paused(&self) -> bool {
        let until = *self.paused_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }
}

#[async_trait::async_trait]
impl PushQueue for Queue {
    async fn enqueue(&self, token: &str, event: &Event) -> Result<(), Unavailable> {
        self.put(Notification::of(token, event)).await
    }
}

#[cfg(test)]
mod tests;
