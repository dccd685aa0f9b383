//! Who listens for the events of which device, and who gets this one?
//!
//! It does not wait: publishing puts the event into the buffer of every stream that should have it and returns. It
//! does not know of users' devices in the database, of push tokens, nor of HTTP.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::body::Bytes;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::{Event, EventMetrics, Kind, frame};

/// How many events may wait for one connection; those that come on top are dropped for it (WIRE §4.10).
const BUFFER: usize = 8;

/// The open event streams of this process. A cheap handle: clones are the same bus.
#[derive(Clone, Debug)]
pub(crate) struct Bus {
    streams: Arc<Mutex<Streams>>,
    metrics: EventMetrics,
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
    events: Sender<Waiting>,
}

/// An event in the buffer of a stream.
#[derive(Clone, Debug)]
struct Waiting {
    kind: Kind,
    frame: Bytes,
    since: Instant,
}

/// What became of a published event.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Published {
    /// Streams that will carry it.
    pub(crate) streams: usize,
    /// Streams whose buffer was full: their phones miss it.
    pub(crate) dropped: usize,
}

impl Bus {
    /// Nobody listens yet.
    pub(crate) fn new(metrics: EventMetrics) -> Self {
        Self {
            streams: Arc::default(),
            metrics,
        }
    }

    /// Opens a stream of the events for this device. It ends when the subscription is dropped or the bus closes.
    pub(crate) fn subscribe(&self, user: &str, device: &str) -> Subscription {
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
        self.metrics.opened();
        Subscription {
            bus: self.clone(),
            device: device.to_owned(),
            id,
            events: receiver,
        }
    }

    /// Hands the event to every stream of the device. Returns at once; nobody is waited for.
    pub(crate) fn publish(&self, device: &str, event: &Event) -> Published {
        let streams = self.lock();
        let of_device = streams.by_device.get(device).into_iter().flatten();
        let published = offer(of_device, event);
        drop(streams);
        self.count(event, published)
    }

    /// The same for every device of the user.
    pub(super) fn publish_to_user(&self, user: &str, event: &Event) -> Published {
        let streams = self.lock();
        let everybody = streams.by_device.values().flatten();
        let published = offer(everybody.filter(|stream| stream.user == user), event);
        drop(streams);
        self.count(event, published)
    }

    fn count(&self, event: &Event, published: Published) -> Published {
        self.metrics.published(event.kind, published);
        tracing::debug!(
            event = event.kind.name(),
            streams = published.streams,
            dropped = published.dropped,
            "event published"
        );
        published
    }

    /// Ends the streams of a device. Events already in a buffer still go out.
    pub(crate) fn end(&self, device: &str) {
        self.lock().by_device.remove(device);
    }

    /// Ends every stream, and every later one at once. Events already in a buffer still go out.
    pub(crate) fn close(&self) {
        let mut streams = self.lock();
        streams.closed = true;
        streams.by_device.clear();
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

fn offer<'a>(streams: impl Iterator<Item = &'a Stream>, event: &Event) -> Published {
    let mut waiting = None;
    let mut published = Published::default();
    for stream in streams {
        let waiting = waiting.get_or_insert_with(|| Waiting {
            kind: event.kind,
            frame: frame::render(event),
            since: Instant::now(),
        });
        stream.offer(waiting, &mut published);
    }
    published
}

impl Stream {
    fn offer(&self, event: &Waiting, published: &mut Published) {
        match self.events.try_send(event.clone()) {
            Ok(()) => published.streams += 1,
            Err(TrySendError::Full(_)) => published.dropped += 1,
            // The receiver is about to unsubscribe.
            Err(TrySendError::Closed(_)) => {}
        }
    }
}

/// The receiving end of one stream.
pub(crate) struct Subscription {
    bus: Bus,
    device: String,
    id: u64,
    events: Receiver<Waiting>,
}

impl Subscription {
    /// The next event as the bytes to send; `None` once the bus is closed. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        let Waiting { kind, frame, since } = self.events.recv().await?;
        self.bus.metrics.carried(kind, since.elapsed());
        Some(frame)
    }

    /// Nothing happened for a while, and the other side was told so.
    pub(super) fn kept_alive(&self) {
        self.bus.metrics.kept_alive();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.bus.unsubscribe(&self.device, self.id);
        self.bus.metrics.closed();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
pub(super) mod tests {
    use gateward_boot::metrics::Metrics as Registry;

    use super::{BUFFER, Bus, Published};
    use crate::events::{Event, EventMetrics, Kind};

    /// A bus that nobody reads the metrics of.
    pub(in crate::events) fn quiet_bus() -> Bus {
        Bus::new(EventMetrics::new(&Registry::new()).unwrap())
    }

    /// How many streams a bus has.
    pub(in crate::events) fn open_streams(bus: &Bus) -> usize {
        bus.lock().by_device.values().map(Vec::len).sum()
    }

    fn event() -> Event {
        Event::plain(Kind::MessageEnqueued)
    }

    #[tokio::test]
    async fn every_stream_of_the_device_gets_the_event_and_no_other() {
        let bus = quiet_bus();
        let mut first = bus.subscribe("ALICE", "phone");
        let mut second = bus.subscribe("ALICE", "phone");
        let mut other = bus.subscribe("ALICE", "tablet");
        let published = bus.publish("phone", &event());
        assert_eq!(published, Published { streams: 2, dropped: 0 });
        assert!(first.next().await.is_some());
        assert!(second.next().await.is_some());
        assert!(other.events.try_recv().is_err());
    }

    #[tokio::test]
    async fn an_event_for_a_user_reaches_all_his_devices_only() {
        let bus = quiet_bus();
        let _phone = bus.subscribe("ALICE", "phone");
        let _tablet = bus.subscribe("ALICE", "tablet");
        let mut stranger = bus.subscribe("BOB", "other");
        assert_eq!(bus.publish_to_user("ALICE", &event()).streams, 2);
        assert!(stranger.events.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_full_buffer_drops_the_event_for_that_stream_alone() {
        let bus = quiet_bus();
        let mut slow = bus.subscribe("ALICE", "phone");
        for _ in 0..BUFFER {
            bus.publish("phone", &event());
        }
        let mut quick = bus.subscribe("ALICE", "phone");
        let published = bus.publish("phone", &event());
        assert_eq!(published, Published { streams: 1, dropped: 1 });
        assert!(quick.next().await.is_some());
        for _ in 0..BUFFER {
            assert!(slow.next().await.is_some());
        }
        assert!(slow.events.try_recv().is_err());
    }

    #[tokio::test]
    async fn closing_ends_open_streams_after_what_they_hold_and_later_ones_at_once() {
        let bus = quiet_bus();
        let mut stream = bus.subscribe("ALICE", "phone");
        bus.publish("phone", &event());
        bus.close();
        assert!(stream.next().await.is_some());
        assert!(stream.next().await.is_none());
        assert!(bus.subscribe("ALICE", "phone").next().await.is_none());
        assert_eq!(open_streams(&bus), 0);
    }

    #[tokio::test]
    async fn the_streams_of_one_device_can_be_ended() {
        let bus = quiet_bus();
        let mut gone = bus.subscribe("ALICE", "phone");
        let mut other = bus.subscribe("ALICE", "tablet");
        bus.end("phone");
        assert!(gone.next().await.is_none());
        drop(gone);
        bus.publish("tablet", &event());
        assert!(other.next().await.is_some());
    }

    #[test]
    fn a_dropped_subscription_is_forgotten() {
        let bus = quiet_bus();
        let stream = bus.subscribe("ALICE", "phone");
        let second = bus.subscribe("ALICE", "phone");
        drop(stream);
        assert_eq!(open_streams(&bus), 1);
        drop(second);
        assert!(bus.lock().by_device.is_empty());
    }

    #[tokio::test]
    async fn what_happens_is_counted_under_the_reference_s_names() {
        let registry = Registry::new();
        let bus = Bus::new(EventMetrics::new(&registry).unwrap());
        bus.publish("phone", &event());
        let mut stream = bus.subscribe("ALICE", "phone");
        for _ in 0..=BUFFER {
            bus.publish("phone", &event());
        }
        stream.next().await;
        stream.kept_alive();
        let text = registry.text().unwrap();
        for line in [
            "sms_events_sent_total{delivery_type=\"sse\",event=\"MessageEnqueued\"} 8",
            "sms_events_failed_total{delivery_type=\"sse\",event=\"MessageEnqueued\",reason=\"provider_failed\"} 2",
            "sms_sse_active_connections 1",
            "sms_sse_events_sent_total{event_type=\"MessageEnqueued\"} 1",
            "sms_sse_connection_errors_total{error_type=\"no_connection\"} 1",
            "sms_sse_connection_errors_total{error_type=\"buffer_full\"} 1",
            "sms_sse_event_delivery_latency_seconds_count 1",
            "sms_sse_keepalives_sent_total 1",
        ] {
            assert!(text.contains(&format!("\n{line}\n")), "{line}: {text}");
        }
        drop(stream);
        assert!(registry.text().unwrap().contains("\nsms_sse_active_connections 0\n"));
    }
}
