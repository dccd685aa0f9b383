//! How does one core process tell the others something? By a [`Topic`]; what is said is JSON. A process does not hear
//! itself: it knows already.
//!
//! Nothing is kept for those who do not listen. Whoever must not miss a word asks for the [`Session`]: as long as it is
//! the same, nothing was missed.

mod redis;

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use self::redis::Redis;
use super::address::AddressError;
use super::link::Unavailable;
use crate::config::{self, Backend};

/// What is spoken of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// What happened that phones should hear of (WIRE §5.1).
    Events,
    /// Devices that were changed or deleted.
    Devices,
    /// Messages that were changed or deleted.
    Messages,
    /// Settings that were changed.
    Settings,
}

impl Topic {
    const ALL: [Self; 4] = [Self::Events, Self::Devices, Self::Messages, Self::Settings];

    const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Devices => "devices",
            Self::Messages => "messages",
            Self::Settings => "settings",
        }
    }
}

/// The way to the other processes: `pubsub.url`. A cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct PubSub(Option<Arc<Redis>>);

/// A time without a gap in what we hear of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Session(u64);

/// What a listener hears.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A message, as JSON.
    Message(Arc<[u8]>),
    /// There was more than the listener could take, and it is lost.
    Missed,
}

impl PubSub {
    /// Connects to the others, if there can be any: with `memory://` this process is the only one. `name` marks what
    /// this process says. A Redis that is away is no error: it is waited for a second at most.
    pub(crate) async fn open(config: &config::Pubsub, name: String) -> Result<Self, AddressError> {
        Ok(Self(match &config.url {
            Backend::Memory => None,
            Backend::Redis(url) => Some(Arc::new(Redis::open(url.expose(), config.buffer_size, name).await?)),
        }))
    }

    /// Whether there can be other processes.
    pub(crate) fn has_others(&self) -> bool {
        self.0.is_some()
    }

    /// Tells the others, all that listen now. The message must be a JSON object without a field `origin`.
    pub(crate) async fn publish(&self, topic: Topic, message: &impl Serialize) -> Result<(), Unavailable> {
        match &self.0 {
            None => Ok(()),
            Some(redis) => redis.publish(topic, message).await,
        }
    }

    /// What the others say from now on.
    pub(crate) fn subscribe(&self, topic: Topic) -> Subscription {
        Subscription(self.0.as_ref().map(|redis| redis.subscribe(topic)))
    }

    /// `None` while we cannot hear the others.
    pub(crate) fn session(&self) -> Option<Session> {
        match &self.0 {
            None => Some(Session(0)),
            Some(redis) => redis.session().map(Session),
        }
    }
}

/// Listens to one topic.
#[derive(Debug)]
pub(crate) struct Subscription(Option<broadcast::Receiver<Arc<[u8]>>>);

impl Subscription {
    /// The next message; `None` when there will be none any more. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        match self.0.as_mut()?.recv().await {
            Ok(message) => Some(Heard::Message(message)),
            Err(RecvError::Lagged(_)) => Some(Heard::Missed),
            Err(RecvError::Closed) => None,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests;
