//! What waits to be pushed, what is tried again, and what is given up (WIRE §5.2)?
//!
//! A notification waits a few seconds, so that many events of one kind are one push. It does not know how notifications
//! travel: a `Courier` says what became of each.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::body::Bytes;
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
/// How many are put into the queue at once: little enough to be answered as soon as one.
const PORTION: usize = 500;
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

    /// [`put`](Self::put) for somebody else: dropped, and counted as errors, while too many wait or the shared state is
    /// not there. Whoever lost that has said so: with thousands of notifications in a request it is not said for each.
    pub(super) async fn relay(&self, mut notifications: Vec<Notification>) {
        let room = self
            .backlog
            .len()
            .await
            .map_or(0, |waiting| MOST_WAITING.saturating_sub(waiting));
        let mut lost = notifications.len().saturating_sub(room);
        notifications.truncate(room);
        while !notifications.is_empty() {
            let rest = notifications.split_off(PORTION.min(notifications.len()));
            let portion = std::mem::replace(&mut notifications, rest);
            let size = portion.len();
            if self.put(portion).await.is_err() {
                lost += size;
            }
        }
        self.metrics.lost(lost);
    }

    /// Puts notifications into the queue, each in the place of an earlier one of its kind. Waits for nobody but the shared
    /// state, twice, however many there are. A token that is given up gets nothing, which is no error; so does everybody
    /// while push is off.
    async fn put(&self, notifications: Vec<Notification>) -> Result<(), Unavailable> {
        if !self.is_on() {
            self.metrics.lost(notifications.len());
            return Ok(());
        }
        let tokens: Vec<&str> = notifications.iter().map(|notification| &*notification.token).collect();
        let given_up = self.given_up.known(&tokens).await?;
        let (mut kinds, mut waiting) = (Vec::new(), Vec::new());
        for (notification, given_up) in notifications.into_iter().zip(given_up) {
            if given_up {
                self.metrics.skipped();
                continue;
            }
            kinds.push(notification.kind);
            let key = notification.key();
            let failures = 0;
            waiting.push((key, Bytes::from(Waiting { notification, failures }.to_bytes())));
        }
        self.backlog.put_all(waiting).await?;
        kinds.into_iter().for_each(|kind| self.metrics.enqueued(kind));
        Ok(())
    }

    /// Sends what waits, every so often, and a last time when the process stops, which waits for a short while only: what is
    /// not sent by then is left to the other processes.
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
            let cut = self.flush(too_long).await;
            if stop || cut {
                return;
            }
        }
    }

    /// Sends everything that waits now, within the deadline, and goes no further when `cut` is done: what is not known to
    /// be sent then waits again. Says whether that was so.
    ///
    /// INVARIANT(nothing is taken and forgotten): nobody drops this half-way, and what follows on `cut` is bounded by what
    /// the shared state may take. Test: `tests::what_a_stopping_process_does_not_get_through_waits_for_another`.
    pub(super) async fn flush(&self, cut: impl Future<Output = ()>) -> bool {
        let Some(courier) = &self.courier else { return false };
        if self.is_paused() {
            return false;
        }
        let kept = match self.backlog.drain().await {
            Ok(kept) => kept,
            // Whoever lost the shared state has said so; what waits there goes on waiting.
            Err(error) if error.was_not_asked() => return false,
            Err(error) => {
                tracing::error!(%error, "the pushes that waited may be lost");
                self.metrics.errors.inc();
                return false;
            }
        };
        let batch: Vec<Waiting> = kept.values().filter_map(|bytes| Waiting::from_bytes(bytes)).collect();
        if batch.is_empty() {
            return false;
        }
        let notifications: Vec<&Notification> = batch.iter().map(|waiting| &waiting.notification).collect();
        let mut round = Round::of(batch.len());
        let was_cut = tokio::select! {
            () = courier.deliver(&notifications, self.deadline, &mut round) => false,
            () = cut => true,
        };
        if was_cut {
            tracing::warn!("stopped with pushes under way");
            // Whether one has failed or was under way is not known: it costs no try.
            let failed = round.outcomes.iter_mut().filter(|outcome| **outcome == Outcome::Failed);
            failed.for_each(|outcome| *outcome = Outcome::Postponed);
        }
        if let Some(pause) = round.pause {
            self.pause(pause);
        }
        self.settle(batch.into_iter().zip(round.outcomes)).await;
        was_cut
    }

    /// What is to be tried again first: the process may be stopping.
    async fn settle(&self, round: impl Iterator<Item = (Waiting, Outcome)>) {
        let (mut again, mut hopeless) = (Vec::new(), Vec::new());
        for (waiting, outcome) in round {
            match outcome {
                Outcome::Sent => {}
                Outcome::Postponed => again.push(waiting),
                Outcome::Refused => self.metrics.errors.inc(),
                Outcome::Unreachable => {
                    self.metrics.errors.inc();
                    hopeless.push(waiting.notification);
                }
                Outcome::Failed => {
                    self.metrics.errors.inc();
                    let failures = waiting.failures.saturating_add(1);
                    if failures < TRIES {
                        self.metrics.retries.inc();
                        again.push(Waiting { failures, ..waiting });
                    } else {
                        hopeless.push(waiting.notification);
                    }
                }
            }
        }
        self.put_back(again).await;
        self.give_up(hopeless).await;
    }

    /// Something newer of the same kind, which may have come meanwhile, stays.
    async fn put_back(&self, again: Vec<Waiting>) {
        let pushes = again.len();
        let again = again.into_iter();
        let taken = again.map(|waiting| (waiting.notification.key(), Bytes::from(waiting.to_bytes())));
        if let Err(error) = self.backlog.put_back(taken.collect()).await {
            tracing::error!(%error, pushes, "pushes may be lost");
            self.metrics.lost(pushes);
        }
    }

    async fn give_up(&self, hopeless: Vec<Notification>) {
        for notification in hopeless {
            self.metrics.added();
            tracing::warn!(event = notification.kind.name(), "a push token is given up for a while");
            // Without the shared state it is tried again with its next event. Whoever lost that has said so.
            let _ = self.given_up.set(&notification.token, "", GIVEN_UP_FOR).await;
        }
    }

    /// Whoever takes our notifications wants to be left alone for so long.
    fn pause(&self, pause: Duration) {
        let pause = pause.min(LONGEST_PAUSE);
        tracing::warn!(
            seconds = pause.as_secs(),
            "pushes pause: the push service asks for it, or does not let us in"
        );
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
        self.put(vec![Notification::of(token, event)]).await
    }
}

#[cfg(test)]
mod tests;
