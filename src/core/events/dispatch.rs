//! Where does an event go? To the push queue, or to the streams of this process and of all others (WIRE §5.1).
//!
//! Other than in the reference, where every process looks up the devices of every event, the process that an event
//! begins in does: it alone pushes, so that nobody pushes twice, and its own streams need no Redis.

use std::sync::Arc;

use tokio::sync::watch;

use super::announcement::Announcement;
use super::{Bus, Event, EventMetrics};
use crate::devices::{Devices, PushTarget};
use crate::shared::{PubSub, Topic, Unavailable};

/// Whom an event is for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Audience<'a> {
    /// One device of a user, by their ids.
    Device {
        /// Whose it is.
        user: &'a str,
        /// Which it is.
        device: &'a str,
    },
    /// Every device of a user, by the user's id as it is stored.
    User(&'a str),
}

/// Takes what is to be pushed (WIRE §5.2).
#[async_trait::async_trait]
pub(crate) trait PushQueue: std::fmt::Debug + Send + Sync {
    /// Takes an event for the phone with this push token, to be sent soon.
    async fn enqueue(&self, token: &str, event: &Event) -> Result<(), Unavailable>;
}

/// Some device could not be told. Which is no news where pulling is: it will ask for its queue one day.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotDelivered {
    /// Nobody knows which devices there are.
    #[error("failed to look up devices")]
    Devices,
    /// The other processes or the push queue cannot be reached.
    #[error(transparent)]
    Shared(#[from] Unavailable),
}

/// Tells phones what happened. A cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Events(Arc<Ways>);

#[derive(Debug)]
struct Ways {
    devices: Arc<Devices>,
    bus: Bus,
    others: PubSub,
    /// `None`: push is off, and a device with a push token has nothing but its streams.
    push: Option<Arc<dyn PushQueue>>,
    metrics: EventMetrics,
    /// How many events are on their way and nobody waits for them.
    under_way: watch::Sender<usize>,
}

/// Counts as long as it lives.
struct UnderWay(Arc<Ways>);

impl UnderWay {
    fn begin(ways: &Arc<Ways>) -> Self {
        ways.under_way.send_modify(|count| *count += 1);
        Self(Arc::clone(ways))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.send_modify(|count| *count -= 1);
    }
}

impl Events {
    pub(crate) fn new(
        devices: Arc<Devices>,
        bus: Bus,
        others: PubSub,
        push: Option<Arc<dyn PushQueue>>,
        metrics: EventMetrics,
    ) -> Self {
        Self(Arc::new(Ways {
            devices,
            bus,
            others,
            push,
            metrics,
            under_way: watch::Sender::new(0),
        }))
    }

    /// Returns at once; what goes wrong is logged and counted. A device that is known and listens here hears of it before
    /// that.
    pub(crate) fn publish(&self, audience: Audience<'_>, event: &Event) {
        let ways = &self.0;
        ways.metrics.enqueued(event.kind);
        let (user, device) = match audience {
            Audience::Device { user, device } => {
                let known = ways.devices.known_target(user, device);
                if let Some(target) = known.filter(|target| ways.push_token(target).is_none()) {
                    ways.note_unpushed(&target, event);
                    let streams = ways.stream(device, event);
                    if ways.others.has_others() {
                        let (ways, event) = (UnderWay::begin(ways), event.clone());
                        let (user, device) = (user.to_owned(), device.to_owned());
                        tokio::spawn(async move { ways.0.announce(&user, &device, &event, streams).await });
                    }
                    return;
                }
                (user.to_owned(), Some(device.to_owned()))
            }
            Audience::User(user) => (user.to_owned(), None),
        };
        let (ways, event) = (UnderWay::begin(ways), event.clone());
        tokio::spawn(async move { ways.0.send(&user, device.as_deref(), &event).await });
    }

    /// Returns when every device was told, or waits for its push, or at least other processes were.
    pub(crate) async fn deliver(&self, audience: Audience<'_>, event: &Event) -> Result<(), NotDelivered> {
        self.0.metrics.enqueued(event.kind);
        let (user, device) = match audience {
            Audience::Device { user, device } => (user, Some(device)),
            Audience::User(user) => (user, None),
        };
        self.0.send(user, device, event).await
    }

    /// Returns when nothing is on its way of what was published.
    pub(crate) async fn settled(&self) {
        let mut under_way = self.0.under_way.subscribe();
        // No error: we hold the sender.
        let _ = under_way.wait_for(|count| *count == 0).await;
    }

    /// Ends the streams of a device that was deleted.
    pub(crate) fn end(&self, device: &str) {
        self.0.bus.end(device);
    }

    /// The streams of this process.
    pub(super) fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// Ends every stream, and every later one at once.
    pub(crate) fn close(&self) {
        self.0.bus.close();
    }
}

impl Ways {
    /// Tells everybody, whoever cannot be told; the first problem is the answer.
    async fn send(&self, user: &str, device: Option<&str>, event: &Event) -> Result<(), NotDelivered> {
        let targets = match self.devices.targets(user, device).await {
            Ok(targets) => targets,
            Err(error) => {
                tracing::error!(%error, event = event.kind.name(), "nobody knows which devices to tell");
                self.metrics.unpublished(event.kind);
                return Err(NotDelivered::Devices);
            }
        };
        let mut result = Ok(());
        for target in &targets {
            let told = match self.push_token(target) {
                Some((queue, token)) => self.push(queue, token, event).await,
                None => {
                    self.note_unpushed(target, event);
                    let streams = self.stream(target.device.as_str(), event);
                    self.announce(user, target.device.as_str(), event, streams).await
                }
            };
            result = result.and(told);
        }
        Ok(result?)
    }

    fn push_token<'a>(&'a self, target: &'a PushTarget) -> Option<(&'a dyn PushQueue, &'a str)> {
        Some((self.push.as_deref()?, token_of(target)?))
    }

    /// Counts that nobody wakes this device, although it could be woken, because push is off.
    fn note_unpushed(&self, target: &PushTarget, event: &Event) {
        if token_of(target).is_some() {
            self.metrics.pushed(event.kind, false);
        }
    }

    async fn push(&self, queue: &dyn PushQueue, token: &str, event: &Event) -> Result<(), Unavailable> {
        let taken = queue.enqueue(token, event).await;
        self.metrics.pushed(event.kind, taken.is_ok());
        taken
    }

    /// How many streams of this process have it now.
    fn stream(&self, device: &str, event: &Event) -> usize {
        self.bus.publish(device, event).streams
    }

    /// Tells the other processes. If they cannot be told, a stream here is enough.
    async fn announce(&self, user: &str, device: &str, event: &Event, streams: usize) -> Result<(), Unavailable> {
        let announcement = Announcement::new(user, device, event);
        let told = self.others.publish(Topic::Events, &announcement).await;
        if told.is_ok() || streams > 0 {
            return Ok(());
        }
        self.metrics.unpublished(event.kind);
        told
    }
}

/// The reference stores an empty token as it is (WIRE §4.1); nobody is reached by it, and a relay refuses all that is in
/// one request with it.
fn token_of(target: &PushTarget) -> Option<&str> {
    target.push_token.as_deref().filter(|token| !token.is_empty())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests;
