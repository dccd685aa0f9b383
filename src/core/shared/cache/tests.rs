//! The same suite over memory and a real Redis, and what a Redis in trouble does to those who ask.

use std::time::{Duration, Instant, UNIX_EPOCH};

use axum::body::Bytes;
use gateward_auth::Secret;
use gateward_boot::clock::Clock;

use super::{Cache, Caches};
use crate::config::Backend;
use crate::shared::redis_server::RedisServer;
use crate::shared::{Trouble, Unavailable};

const HOUR: Duration = Duration::from_secs(3600);

async fn in_memory() -> Caches {
    Caches::open(&Backend::Memory, Clock::system()).await.unwrap()
}

async fn on(server: &RedisServer) -> Caches {
    let backend = Backend::Redis(Secret::new(server.url()));
    Caches::open(&backend, Clock::system()).await.unwrap()
}

fn found(value: &'static [u8]) -> Result<Option<Bytes>, Unavailable> {
    Ok(Some(Bytes::from_static(value)))
}

async fn suite(cache: &Cache, other: &Cache) {
    assert_eq!(cache.get("k").await, Ok(None));
    cache.set("k", "one", HOUR).await.unwrap();
    assert_eq!(cache.get("k").await, found(b"one"));
    cache.set("k", &b"\0\xff"[..], HOUR).await.unwrap();
    assert_eq!(cache.get_and_keep("k", HOUR).await, found(b"\0\xff"));
    assert_eq!(other.get("k").await, Ok(None), "a space of its own");

    assert_eq!(cache.set_if_absent("k", "two", HOUR).await, Ok(false));
    assert_eq!(cache.take("k").await, found(b"\0\xff"));
    assert_eq!(cache.take("k").await, Ok(None));
    assert_eq!(cache.get_and_keep("k", HOUR).await, Ok(None));
    assert_eq!(cache.set_if_absent("k", "two", HOUR).await, Ok(true));
    cache.delete("k").await.unwrap();
    cache.delete("k").await.unwrap();
    assert_eq!(cache.get("k").await, Ok(None));
    cache.set("empty", "", HOUR).await.unwrap();
    assert_eq!(cache.get("empty").await, found(b""));
    assert_eq!(cache.known(&["k", "empty", "k"]).await, Ok(vec![false, true, false]));
    assert_eq!(cache.known(&[]).await, Ok(Vec::new()));

    // Of many who want the same, one gets it.
    let all: Vec<_> = (0..32)
        .map(|_| {
            let cache = cache.clone();
            tokio::spawn(async move { cache.set_if_absent("wanted", "x", HOUR).await.unwrap() })
        })
        .collect();
    let mut takers = 0;
    for one in all {
        takers += usize::from(one.await.unwrap());
    }
    assert_eq!(takers, 1);
}

#[tokio::test]
async fn memory_keeps_what_it_is_given() {
    let caches = in_memory().await;
    suite(&caches.space("first"), &caches.space("second")).await;
}

#[tokio::test]
async fn redis_keeps_what_it_is_given() {
    let server = RedisServer::start().await;
    let caches = on(&server).await;
    suite(&caches.space("first"), &caches.space("second")).await;
}

#[tokio::test]
async fn in_memory_a_value_is_good_for_its_time_by_the_clock() {
    let (clock, hands) = Clock::manual(UNIX_EPOCH);
    let cache = Caches::open(&Backend::Memory, clock).await.unwrap().space("x");
    cache.set("k", "one", HOUR).await.unwrap();
    hands.advance(HOUR - Duration::from_millis(1));
    assert_eq!(cache.get_and_keep("k", HOUR).await, found(b"one"));
    hands.advance(HOUR - Duration::from_millis(1));
    assert_eq!(cache.get("k").await, found(b"one"), "kept by the last look");
    hands.advance(Duration::from_millis(1));
    assert_eq!(cache.get("k").await, Ok(None));
    assert_eq!(cache.get_and_keep("k", HOUR).await, Ok(None));
    assert_eq!(cache.set_if_absent("k", "two", HOUR).await, Ok(true));
    hands.advance(HOUR);
    assert_eq!(cache.take("k").await, Ok(None));
}

#[tokio::test]
async fn memory_forgets_the_longest_unused_when_it_is_full() {
    let cache = in_memory().await.space("x");
    let value = Bytes::from(vec![b'x'; 100_000]);
    for number in 0..200 {
        cache.set(&number.to_string(), value.clone(), HOUR).await.unwrap();
    }
    let Cache(super::Store::Memory(memory)) = &cache else {
        unreachable!()
    };
    memory.settle();
    assert_eq!(cache.get("0").await, Ok(None));
    assert_eq!(cache.get("199").await, Ok(Some(value)));
}

#[tokio::test]
async fn in_redis_others_see_it_and_it_has_an_end() {
    let server = RedisServer::start().await;
    let (ours, theirs) = (on(&server).await.space("otp"), on(&server).await.space("otp"));
    ours.set("k", "one", HOUR).await.unwrap();
    assert_eq!(theirs.take("k").await, found(b"one"));
    assert_eq!(ours.get("k").await, Ok(None));

    ours.set("k", "one", Duration::ZERO).await.unwrap();
    while ours.get("k").await.unwrap().is_some() {
        tokio::task::yield_now().await;
    }
    ours.set("k", "one", Duration::MAX).await.unwrap();
    assert_eq!(theirs.get("k").await, found(b"one"));
}

#[tokio::test]
async fn a_redis_that_hangs_holds_nobody_up() {
    let server = RedisServer::start().await;
    let cache = on(&server).await.space("x");
    cache.set("k", "one", HOUR).await.unwrap();
    server.hang().await;
    let start = Instant::now();
    assert_eq!(cache.get("k").await, Err(Unavailable(Trouble::Slow)));
    for _ in 0..100 {
        assert_eq!(
            cache.get("k").await,
            Err(Unavailable(Trouble::Away)),
            "given up at once"
        );
    }
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    server.go_on().await;
    while cache.get("k").await != found(b"one") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_redis_that_comes_late_or_again_is_found() {
    let mut server = RedisServer::reserve(&[]).await;
    let cache = on(&server).await.space("x");
    for _ in 0..2 {
        assert_eq!(cache.set("k", "one", HOUR).await, Err(Unavailable(Trouble::Away)));
        server.run().await;
        while cache.set("k", "one", HOUR).await.is_err() {
            tokio::task::yield_now().await;
        }
        server.kill().await;
        while cache.get("k").await.is_ok() {}
    }
}

#[tokio::test]
async fn what_redis_refuses_breaks_no_connection() {
    let server = RedisServer::start().await;
    let caches = on(&server).await;
    let (cache, backlog) = (caches.space("x"), caches.backlog("x"));
    backlog.put("k", "one").await.unwrap();
    assert_eq!(cache.get("waiting").await, Err(Unavailable(Trouble::Refused)), "a hash");
    assert_eq!(cache.get("k").await, Ok(None));
}

#[tokio::test]
async fn a_redis_that_went_and_came_while_nobody_asked_answers_the_first_question() {
    let mut server = RedisServer::start().await;
    let caches = on(&server).await;
    let Caches::Redis(link) = &caches else { unreachable!() };
    server.kill().await;
    while link.is_connected() {
        tokio::task::yield_now().await;
    }
    server.run().await;
    while !link.is_connected() {
        tokio::task::yield_now().await;
    }
    assert_eq!(caches.space("x").set("k", "one", HOUR).await, Ok(()));
}
