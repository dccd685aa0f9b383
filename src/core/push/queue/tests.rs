#![expect(clippy::unwrap_used, reason = "tests")]

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering::SeqCst};
use std::time::UNIX_EPOCH;

use gateward_auth::Secret;
use gateward_boot::clock::Hands;
use serde_json::Value;

use super::*;
use crate::config::{Backend, DatabaseUrl, Mode};
use crate::events::Kind;
use crate::push::testing::{Seen, Service, refusal, status};
use crate::push::upstream::AT_ONCE;
use crate::shared::{Trouble, redis_server::RedisServer};
use crate::testing::{START_SECS, config};

/// A private gateway's queue and the relay that it tells.
struct Pushing {
    queue: Arc<Queue>,
    relay: Service,
    registry: Registry,
    hands: Hands,
    /// The status that the relay answers with.
    answer: Arc<AtomicU16>,
}

impl Pushing {
    async fn new() -> Self {
        let answer = Arc::new(AtomicU16::new(202));
        let code = Arc::clone(&answer);
        let relay = Service::answering(move |_| match code.load(SeqCst) {
            429 => refusal(429, Some(30), ""),
            code => status(code),
        })
        .await;
        let (queue, registry, hands) = queue(&relay.url("")).await;
        Self {
            queue,
            relay,
            registry,
            hands,
            answer,
        }
    }

    async fn enqueue(&self, token: &str, kind: Kind) {
        self.queue.enqueue(token, &Event::plain(kind)).await.unwrap();
    }

    async fn flush_with(&self, answer: u16) {
        self.answer.store(answer, SeqCst);
        self.queue.flush(pending()).await;
    }

    /// What each request held, as `token:event`, sorted.
    fn requests(&self) -> Vec<Vec<String>> {
        self.relay.seen().iter().map(items).collect()
    }

    fn counted(&self, line: &str) -> bool {
        self.registry.text().unwrap().contains(&format!("\n{line}\n"))
    }
}

async fn queue(relay: &str) -> (Arc<Queue>, Registry, Hands) {
    let mut config = config(DatabaseUrl::SqliteMemory);
    config.gateway.mode = Mode::Private;
    config.gateway.upstream_url = Some(relay.to_owned());
    let (clock, hands) = Clock::manual(UNIX_EPOCH + Duration::from_secs(START_SECS));
    let caches = Caches::open(&config.cache, clock.clone()).await.unwrap();
    let registry = Registry::new();
    let queue = Queue::new(&config, &caches, &registry, &clock).unwrap();
    (Arc::new(queue), registry, hands)
}

fn items(seen: &Seen) -> Vec<String> {
    let body: Vec<Value> = serde_json::from_slice(&seen.body).unwrap();
    let text = |item: &Value, field: &str| item.get(field).and_then(Value::as_str).unwrap().to_owned();
    let mut items: Vec<_> = body
        .iter()
        .map(|item| format!("{}:{}", text(item, "token"), text(item, "event")))
        .collect();
    items.sort();
    items
}

#[tokio::test]
async fn a_newer_event_of_a_kind_takes_the_place_of_the_one_that_waits() {
    let pushing = Pushing::new().await;
    for id in ["first", "second"] {
        let event = Event::message_cancelled(id.to_owned());
        pushing.queue.enqueue("a", &event).await.unwrap();
    }
    pushing.enqueue("a", Kind::MessageEnqueued).await;
    pushing.enqueue("b", Kind::MessageEnqueued).await;
    pushing.flush_with(202).await;
    let expected = ["a:MessageCancelled", "a:MessageEnqueued", "b:MessageEnqueued"];
    assert_eq!(pushing.requests(), [expected]);
    let body = pushing.relay.seen().first().unwrap().text();
    assert!(body.contains(r#"{"messageId":"second"}"#), "{body}");
    assert!(pushing.counted("sms_push_enqueued_total{event=\"MessageCancelled\"} 2"));

    pushing.flush_with(202).await;
    assert_eq!(pushing.requests().len(), 1, "what was sent waits no more");
}

#[tokio::test]
async fn others_get_nothing_into_a_full_queue_but_we_do() {
    let pushing = Pushing::new().await;
    let of = |token: &str| Notification::of(token, &Event::plain(Kind::MessageEnqueued));
    for number in 1..MOST_WAITING {
        pushing.queue.backlog.put(&number.to_string(), "").await.unwrap();
    }
    pushing.queue.relay(vec![of("last"), of("too many")]).await;
    pushing.enqueue("ours", Kind::MessageEnqueued).await;
    assert!(pushing.counted("sms_push_errors_total 1"));
    pushing.flush_with(202).await;
    assert_eq!(pushing.requests(), [["last:MessageEnqueued", "ours:MessageEnqueued"]]);
    pushing.queue.relay(vec![of("again")]).await;
    assert_eq!(pushing.queue.backlog.len().await, Ok(1));
}

#[tokio::test]
async fn what_failed_is_tried_again_and_given_up_at_the_third_time() {
    let pushing = Pushing::new().await;
    pushing.enqueue("a", Kind::MessageEnqueued).await;
    for _ in 0..3 {
        pushing.flush_with(500).await;
    }
    assert_eq!(pushing.requests(), [["a:MessageEnqueued"]; 3]);
    pushing.flush_with(202).await;
    assert_eq!(pushing.requests().len(), 3);
    for line in [
        "sms_push_errors_total 3",
        "sms_push_retries_total 2",
        "sms_push_blacklist_total{operation=\"added\"} 1",
    ] {
        assert!(pushing.counted(line), "{line}");
    }
}

#[tokio::test]
async fn a_token_that_is_given_up_gets_nothing_for_a_quarter_of_an_hour() {
    let pushing = Pushing::new().await;
    pushing.enqueue("a", Kind::MessageEnqueued).await;
    for _ in 0..3 {
        pushing.flush_with(500).await;
    }
    pushing.enqueue("a", Kind::SettingsUpdated).await;
    pushing.enqueue("b", Kind::SettingsUpdated).await;
    pushing.flush_with(202).await;
    assert_eq!(pushing.requests().pop().unwrap(), ["b:SettingsUpdated"]);
    assert!(pushing.counted("sms_push_blacklist_total{operation=\"skipped\"} 1"));

    pushing.hands.advance(GIVEN_UP_FOR);
    pushing.enqueue("a", Kind::SettingsUpdated).await;
    pushing.flush_with(202).await;
    assert_eq!(pushing.requests().pop().unwrap(), ["a:SettingsUpdated"]);
}

#[tokio::test]
async fn what_failed_does_not_take_the_place_of_something_newer() {
    let relay = Service::hanging().await;
    let (queue, ..) = queue(&relay.url("")).await;
    let event = |id: &str| Event::message_cancelled(id.to_owned());
    queue.enqueue("a", &event("old")).await.unwrap();
    let flushing = tokio::spawn({
        let queue = Arc::clone(&queue);
        async move { queue.flush(pending()).await }
    });
    while relay.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    queue.enqueue("a", &event("new")).await.unwrap();
    flushing.await.unwrap();
    let waiting: Vec<_> = queue.backlog.drain().await.unwrap().into_values().collect();
    let waiting: Vec<_> = waiting.iter().filter_map(|bytes| Waiting::from_bytes(bytes)).collect();
    let expected = Waiting {
        notification: Notification::of("a", &event("new")),
        failures: 0,
    };
    assert_eq!(waiting, [expected]);
}

#[tokio::test]
async fn a_pause_that_is_asked_for_is_kept_and_costs_no_try() {
    let pushing = Pushing::new().await;
    pushing.enqueue("a", Kind::MessageEnqueued).await;
    for round in 1..=5 {
        pushing.flush_with(429).await;
        pushing.flush_with(202).await;
        assert_eq!(pushing.requests().len(), round, "nothing is sent during the pause");
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(30)).await;
        tokio::time::resume();
    }
    pushing.flush_with(202).await;
    assert_eq!(pushing.requests().len(), 6);
    assert!(pushing.counted("sms_push_errors_total 0"));
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_flushed_every_so_often_and_when_the_process_stops() {
    // Nobody listens there: what is due is seen in the count of errors.
    let (queue, registry, _) = queue("http://127.0.0.1:0").await;
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn(Arc::clone(&queue).run(stopping));
    let failed = |times: u8| {
        registry
            .text()
            .unwrap()
            .contains(&format!("\nsms_push_errors_total {times}\n"))
    };
    let event = Event::plain(Kind::MessageEnqueued);
    queue.enqueue("a", &event).await.unwrap();
    tokio::time::sleep(Duration::from_millis(4_900)).await;
    assert!(failed(0));
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert!(failed(1));
    stop.send_replace(true);
    running.await.unwrap();
    assert!(failed(2));
}

#[tokio::test]
async fn two_processes_on_one_redis_push_once_and_give_a_token_up_together() {
    let redis = RedisServer::start().await;
    let code = Arc::new(AtomicU16::new(202));
    let answer = Arc::clone(&code);
    let relay = Service::answering(move |_| status(answer.load(SeqCst))).await;
    let mut config = config(DatabaseUrl::SqliteMemory);
    config.gateway.mode = Mode::Private;
    config.gateway.upstream_url = Some(relay.url(""));
    config.cache = Backend::Redis(Secret::new(redis.url()));
    let mut queues = Vec::new();
    for _ in 0..2 {
        let caches = Caches::open(&config.cache, Clock::system()).await.unwrap();
        queues.push(Queue::new(&config, &caches, &Registry::new(), &Clock::system()).unwrap());
    }
    let [here, there] = &queues[..] else { unreachable!() };

    let event = Event::plain(Kind::MessageEnqueued);
    here.enqueue("a", &event).await.unwrap();
    there.enqueue("a", &event).await.unwrap();
    tokio::join!(here.flush(pending()), there.flush(pending()));
    assert_eq!(
        relay.seen().iter().map(items).collect::<Vec<_>>(),
        [["a:MessageEnqueued"]]
    );

    code.store(500, SeqCst);
    here.enqueue("a", &event).await.unwrap();
    for queue in [here, there, here] {
        queue.flush(pending()).await;
    }
    assert_eq!(relay.seen().len(), 4, "three tries, whoever makes them");
    there.enqueue("a", &event).await.unwrap();
    there.flush(pending()).await;
    assert_eq!(relay.seen().len(), 4);
}

/// A queue that keeps what waits in Redis.
async fn queue_on(redis: &RedisServer) -> (Queue, Registry) {
    let mut config = config(DatabaseUrl::SqliteMemory);
    config.gateway.mode = Mode::Private;
    config.cache = Backend::Redis(Secret::new(redis.url()));
    let caches = Caches::open(&config.cache, Clock::system()).await.unwrap();
    let registry = Registry::new();
    let queue = Queue::new(&config, &caches, &registry, &Clock::system()).unwrap();
    (queue, registry)
}

#[tokio::test]
async fn pushes_that_redis_may_have_lost_are_an_error_and_those_that_wait_there_are_not() {
    let mut redis = RedisServer::start().await;
    let (queue, registry) = queue_on(&redis).await;
    redis.hang().await;
    tokio::time::pause();
    queue.flush(pending()).await;
    tokio::time::resume();
    let expected = "\nsms_push_errors_total 1\n";
    assert!(registry.text().unwrap().contains(expected));
    redis.kill().await;
    while queue.backlog.len().await != Err(Unavailable(Trouble::Away)) {
        tokio::task::yield_now().await;
    }
    queue.flush(pending()).await;
    assert!(registry.text().unwrap().contains(expected));
}

#[tokio::test]
async fn relayed_pushes_that_cannot_be_kept_are_counted() {
    let mut redis = RedisServer::start().await;
    let (queue, registry) = queue_on(&redis).await;
    redis.kill().await;
    let event = Event::plain(Kind::MessageEnqueued);
    let relayed = ["a", "b", "c"].map(|token| Notification::of(token, &event));
    queue.relay(relayed.to_vec()).await;
    assert!(registry.text().unwrap().contains("\nsms_push_errors_total 3\n"));
}

#[tokio::test]
async fn many_relayed_pushes_ask_redis_a_few_times() {
    let redis = RedisServer::start().await;
    let (queue, registry) = queue_on(&redis).await;
    queue.given_up.set("token-7", "", GIVEN_UP_FOR).await.unwrap();
    let event = Event::plain(Kind::MessageEnqueued);
    let relayed = (0..2 * PORTION + 1).map(|number| Notification::of(&format!("token-{number}"), &event));
    queue.relay(relayed.collect()).await;
    assert_eq!(queue.backlog.len().await, Ok(2 * PORTION));
    for line in [
        format!("sms_push_enqueued_total{{event=\"MessageEnqueued\"}} {}", 2 * PORTION),
        "sms_push_blacklist_total{operation=\"skipped\"} 1".to_owned(),
        "sms_push_errors_total 0".to_owned(),
    ] {
        assert!(registry.text().unwrap().contains(&format!("\n{line}\n")), "{line}");
    }

    let client = redis::Client::open(redis.url()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut asked = redis::cmd("INFO");
    let asked: String = asked.arg("commandstats").query_async(&mut connection).await.unwrap();
    // The length once more than for the relay: above.
    for (command, calls) in [("hlen", 2), ("mget", 3), ("hset", 3)] {
        let line = format!("cmdstat_{command}:calls={calls},");
        assert!(asked.contains(&line), "{line} {asked}");
    }
}

/// A queue whose relay takes the first request and hangs at the second, run until the process stops during that one. The
/// rounds have all the time in the world.
async fn stopped_in_the_middle(stop_first: bool) -> (Arc<Queue>, Service, Duration) {
    let relay = Service::deciding(|seen| (items(seen).len() == AT_ONCE).then(|| status(202))).await;
    let mut config = config(DatabaseUrl::SqliteMemory);
    config.gateway.mode = Mode::Private;
    config.gateway.upstream_url = Some(relay.url(""));
    config.fcm.timeout = Duration::from_secs(3_600);
    config.fcm.debounce = Duration::from_millis(1);
    let caches = Caches::open(&config.cache, Clock::system()).await.unwrap();
    let queue = Queue::new(&config, &caches, &Registry::new(), &Clock::system()).unwrap();
    let queue = Arc::new(queue);
    for number in 0..=AT_ONCE {
        let event = Event::plain(Kind::MessageEnqueued);
        queue.enqueue(&number.to_string(), &event).await.unwrap();
    }
    let (stop, stopping) = watch::channel(stop_first);
    let running = tokio::spawn(Arc::clone(&queue).run(stopping));
    while relay.seen().len() < 2 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let start = Instant::now();
    stop.send_replace(true);
    running.await.unwrap();
    (queue, relay, start.elapsed())
}

#[tokio::test]
async fn a_process_that_stops_does_not_wait_for_a_push_service_that_hangs() {
    for stop_first in [true, false] {
        let (_, _, took) = stopped_in_the_middle(stop_first).await;
        // The clock of a test goes in whole milliseconds and may be one ahead.
        assert!(took < 2 * LAST_ROUND, "{took:?}");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn what_a_stopping_process_does_not_get_through_waits_for_another() {
    for stop_first in [true, false] {
        let (queue, relay, _) = stopped_in_the_middle(stop_first).await;
        let waiting: Vec<_> = queue.backlog.drain().await.unwrap().into_values().collect();
        let [waiting] = &waiting[..] else {
            unreachable!("{}", waiting.len())
        };
        let waiting = Waiting::from_bytes(waiting).unwrap();
        assert_eq!(waiting.failures, 0, "a stop is nobody's failure");
        let requests: Vec<_> = relay.seen().iter().map(items).collect();
        assert_eq!(requests.len(), 2, "it ends with the round");
        let key = waiting.notification.key();
        assert_eq!(requests.last(), Some(&vec![key.clone()]));
        assert!(!requests.first().unwrap().contains(&key), "what was sent waits no more");
        tokio::time::resume();
    }
}

#[tokio::test]
async fn without_credentials_a_public_gateway_pushes_nothing_and_counts_it() {
    let (clock, _) = Clock::manual(UNIX_EPOCH);
    let registry = Registry::new();
    let caches = Caches::open(&Backend::Memory, clock.clone()).await.unwrap();
    let queue = Queue::new(&config(DatabaseUrl::SqliteMemory), &caches, &registry, &clock).unwrap();
    assert!(!queue.is_on());
    queue.enqueue("a", &Event::plain(Kind::MessageEnqueued)).await.unwrap();
    assert!(registry.text().unwrap().contains("\nsms_push_errors_total 1\n"));
    assert!(queue.backlog.drain().await.unwrap().is_empty());
}
