//! Who listens for the events of which device, and who gets this one?
//!
//! It does not wait: publishing puts the event into the buffer of every stream that should have it and returns. It
//! does not know of users' devices in the database, of push tokens, nor of HTTP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Event, frame};

/// How many events may wait for one connection; those that come on top are dropped for it (WIRE §4.10).
const BUFFER: usize = 8;

/// Whom an event is for.
#[derive(Clone, Copy, Debug)]
pub enum Audience<'a> {
    /// One device, by its id.
    Device(&'a str),
    /// Every device of a user, by the user's id as it is stored.
    User(&'a str),
}

/// The open event streams of this process. A cheap handle: clones are the same bus.
#[derive(Clone, Debug, Default)]
pub struct Bus {
    streams: Arc<Mutex<Streams>>,
}

#[derive(Debug, Default)]
struct Streams {
    closed: bool,
    last_id: u64,
    by_device: HashMap<String, Vec<Stream>>,
}

#[derive(Debug)]
struct Stream {
    id: u64,
    user: String,
    events: Sender<Bytes>,
}

/// What became of a published event.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Published {
    /// Streams that will carry it.
    pub streams: usize,
    /// Streams whose buffer was full: their phones miss it.
    pub dropped: usize,
}

impl Bus {
    /// Nobody listens yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens a stream of the events for this device. It ends when the subscription is dropped or the bus closes.
    pub fn subscribe(&self, user: &str, device: &str) -> Subscription {
        let (sender, receiver) = channel(BUFFER);
        let mut streams = self.lock();
        streams.last_id += 1;
        let id = streams.last_id;
        if !streams.closed {
            let stream = Stream {
                id,
                user: user.to_owned(),
                events: sender,
            };
            streams.by_device.entry(device.to_owned()).or_default().push(stream);
        }
        drop(streams);
        Subscription {
            bus: self.clone(),
            device: device.to_owned(),
            id,
            events: receiver,
        }
    }

    /// Hands the event to every stream of the audience. Returns at once; nobody is waited for.
    pub fn publish(&self, audience: Audience<'_>, event: &Event) -> Published {
        let frame = frame::render(event);
        let streams = self.lock();
        let mut published = Published::default();
        match audience {
            Audience::Device(device) => {
                for stream in streams.by_device.get(device).into_iter().flatten() {
                    stream.offer(&frame, &mut published);
                }
            }
            Audience::User(user) => {
                let everybody = streams.by_device.values().flatten();
                for stream in everybody.filter(|stream| stream.user == user) {
                    stream.offer(&frame, &mut published);
                }
            }
        }
        drop(streams);
        tracing::debug!(
            event = event.kind.name(),
            streams = published.streams,
            dropped = published.dropped,
            "event published"
        );
        published
    }

    /// Ends every stream, and every later one at once. Events already in a buffer still go out.
    pub fn close(&self) {
        let mut streams = self.lock();
        streams.closed = true;
        streams.by_device.clear();
    }

    /// How many streams are open.
    pub fn open_streams(&self) -> usize {
        self.lock().by_device.values().map(Vec::len).sum()
    }

    fn unsubscribe(&self, device: &str, id: u64) {
        let mut streams = self.lock();
        if let Some(of_device) = streams.by_device.get_mut(device) {
            of_device.retain(|stream| stream.id != id);
            if of_device.is_empty() {
                streams.by_device.remove(device);
            }
        }
    }

    // No code panics while it holds this lock, and a half-done change of the map would do no harm.
    fn lock(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stream {
    fn offer(&self, frame: &Bytes, published: &mut Published) {
        match self.events.try_send(frame.clone()) {
            Ok(()) => published.streams += 1,
            Err(TrySendError::Full(_)) => published.dropped += 1,
            // The receiver is about to unsubscribe.
            Err(TrySendError::Closed(_)) => {}
        }
    }
}

/// The receiving end of one stream.
pub struct Subscription {
    bus: Bus,
    device: String,
    id: u64,
    events: Receiver<Bytes>,
}

impl Subscription {
    /// The next event as the bytes to send; `None` once the bus is closed. Cancel safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.events.recv().await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.bus.unsubscribe(&self.device, self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::{Audience, BUFFER, Bus, Published};
    use crate::events::{Event, Kind};

    fn event() -> Event {
        Event::plain(Kind::MessageEnqueued)
    }

    #[tokio::test]
    async fn every_stream_of_the_device_gets_the_event_and_no_other() {
        let bus = Bus::new();
        let mut first = bus.subscribe("ALICE", "phone");
        let mut second = bus.subscribe("ALICE", "phone");
        let mut other = bus.subscribe("ALICE", "tablet");
        let published = bus.publish(Audience::Device("phone"), &event());
        assert_eq!(published, Published { streams: 2, dropped: 0 });
        assert!(first.next().await.is_some());
        assert!(second.next().await.is_some());
        assert!(other.events.try_recv().is_err());
    }

    #[tokio::test]
    async fn an_event_for_a_user_reaches_all_his_devices_only() {
        let bus = Bus::new();
        let _phone = bus.subscribe("ALICE", "phone");
        let _tablet = bus.subscribe("ALICE", "tablet");
        let mut stranger = bus.subscribe("BOB", "other");
        assert_eq!(bus.publish(Audience::User("ALICE"), &event()).streams, 2);
        assert!(stranger.events.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_full_buffer_drops_the_event_for_that_stream_alone() {
        let bus = Bus::new();
        let mut slow = bus.subscribe("ALICE", "phone");
        for _ in 0..BUFFER {
            bus.publish(Audience::Device("phone"), &event());
        }
        let mut quick = bus.subscribe("ALICE", "phone");
        let published = bus.publish(Audience::Device("phone"), &event());
        assert_eq!(published, Published { streams: 1, dropped: 1 });
        assert!(quick.next().await.is_some());
        for _ in 0..BUFFER {
            assert!(slow.next().await.is_some());
        }
        assert!(slow.events.try_recv().is_err());
    }

    #[tokio::test]
    async fn closing_ends_open_streams_after_what_they_hold_and_later_ones_at_once() {
        let bus = Bus::new();
        let mut stream = bus.subscribe("ALICE", "phone");
        bus.publish(Audience::Device("phone"), &event());
        bus.close();
        assert!(stream.next().await.is_some());
        assert!(stream.next().await.is_none());
        assert!(bus.subscribe("ALICE", "phone").next().await.is_none());
        assert_eq!(bus.open_streams(), 0);
    }

    #[test]
    fn a_dropped_subscription_is_forgotten() {
        let bus = Bus::new();
        let stream = bus.subscribe("ALICE", "phone");
        let second = bus.subscribe("ALICE", "phone");
        drop(stream);
        assert_eq!(bus.open_streams(), 1);
        drop(second);
        assert!(bus.lock().by_device.is_empty());
    }
}
