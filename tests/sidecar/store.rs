//! What is answered while Redis is away or will not write (attacks 43, 81, 82)? Who is let in without it, who is not.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::bench::{Bench, MESSAGES, PASSWORD, TOKEN, USER, gateway, text, token};
use crate::support::http::{Request, Response};
use crate::support::process::pause;
use crate::support::redis::Redis;
use crate::support::upstream::{Answer, Upstream};

fn on(redis: &Redis) -> Bench {
    Bench::with(Upstream::answering(gateway), |settings| {
        settings.with("GATEWARD__STORE", &redis.url())
    })
}

fn issue() -> Request {
    Request::post(TOKEN)
        .basic(USER, PASSWORD)
        .json(&json!({ "scopes": ["messages:list"] }))
}

fn send() -> Request {
    Request::post(MESSAGES).json(&json!({}))
}

fn assert_closed(answer: &Response) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert_eq!(answer.message(), "Service Unavailable");
    assert!(answer.header("retry-after").is_some(), "and when to come again");
}

async fn awaits(bench: &Bench, request: &Request, status: u16) {
    let start = Instant::now();
    while bench.send(request).await.status != status {
        assert!(start.elapsed() < Duration::from_secs(30), "never {status}");
        pause();
    }
}

#[tokio::test]
async fn without_its_store_a_sidecar_issues_nothing_and_lets_only_known_ways_pass() {
    let mut redis = Redis::start();
    let bench = on(&redis);
    let issued = bench.send(&issue()).await.json();
    redis.kill();
    let write = send().bearer(&token(&["messages:send"]));
    awaits(&bench, &write, 503).await;
    let before = bench.upstream.count();
    assert_closed(&bench.send(&write).await);
    assert_closed(&bench.send(&issue()).await);
    let refresh = Request::post(&format!("{TOKEN}/refresh")).bearer(&text(&issued, "refresh_token"));
    assert_closed(&bench.send(&refresh).await);
    let revoke = Request::new("DELETE", &format!("{TOKEN}/{}", text(&issued, "id"))).basic(USER, PASSWORD);
    assert_closed(&bench.send(&revoke).await);
    assert_eq!(bench.upstream.count(), before, "nothing was forwarded");
    // What needs no list of revocations goes on: passwords, devices, and reads for a minute.
    assert_eq!(bench.send(&send().basic(USER, PASSWORD)).await.status, 200);
    assert_eq!(
        bench
            .send(&Request::get("/api/mobile/v1/message").bearer("device"))
            .await
            .status,
        200
    );
    assert_eq!(bench.list_with(&text(&issued, "access_token")).await.status, 200);
    // A bad token is bad in any case.
    assert_eq!(bench.list_with("x.y.z").await.status, 401);
    let metrics = metrics(&bench).await;
    assert!(metrics.contains("gateward_store_degraded 1"), "{metrics}");
    redis.launch();
    awaits(&bench, &write, 200).await;
    assert_eq!(bench.send(&issue()).await.status, 201);
}

#[tokio::test]
async fn comparing_the_list_with_the_store_is_counted_and_so_is_what_was_missed() {
    let redis = Redis::start();
    let bench = on(&redis);
    awaits(&bench, &issue(), 201).await;
    let before = metrics(&bench).await;
    assert_eq!(counted(&before, "gateward_store_feed_gaps_total"), 0);
    // With the feed goes what somebody may have written to it.
    redis.command(&["FLUSHALL"]);
    let start = Instant::now();
    let resyncs = counted(&before, "gateward_store_resyncs_total");
    loop {
        let now = metrics(&bench).await;
        if counted(&now, "gateward_store_resyncs_total") > resyncs
            && counted(&now, "gateward_store_feed_gaps_total") == 1
        {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{now}");
        pause();
    }
}

async fn metrics(bench: &Bench) -> String {
    Request::get("/metrics").send(bench.gateward.admin).await.text()
}

fn counted(metrics: &str, name: &str) -> u64 {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|count| count.trim().parse().ok())
        .unwrap_or_else(|| panic!("no {name} in {metrics}"))
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_is_no_store() {
    let redis = Redis::start();
    let bench = on(&redis);
    let issued = bench.send(&issue()).await.json();
    // Out of memory, and a replica that only reads.
    for (broken, healed) in [
        (
            ["CONFIG", "SET", "maxmemory", "1"],
            &["CONFIG", "SET", "maxmemory", "0"][..],
        ),
        (["REPLICAOF", "127.0.0.1", "1", ""], &["REPLICAOF", "NO", "ONE"][..]),
    ] {
        let broken: Vec<&str> = broken.into_iter().filter(|word| !word.is_empty()).collect();
        redis.command(&broken);
        awaits(&bench, &issue(), 503).await;
        assert_closed(&bench.send(&issue()).await);
        let revoke = Request::new("DELETE", &format!("{TOKEN}/{}", text(&issued, "id"))).basic(USER, PASSWORD);
        assert_closed(&bench.send(&revoke).await);
        assert_eq!(bench.list_with(&text(&issued, "access_token")).await.status, 200);
        redis.command(healed);
        awaits(&bench, &issue(), 201).await;
    }
}

#[tokio::test]
async fn until_the_list_was_loaded_no_token_passes() {
    let mut redis = Redis::reserve(None);
    let gateward = Bench::settings(&Upstream::answering(gateway))
        .with("GATEWARD__STORE", &redis.url())
        .spawn(&["run", "--config", "gateward.yaml"]);
    let list = Request::get(MESSAGES).bearer(&token(&["messages:list"]));
    assert_closed(&list.send(gateward.public).await);
    assert_closed(&issue().send(gateward.public).await);
    assert_eq!(Request::get(MESSAGES).send(gateward.public).await.status, 401);
    assert_eq!(
        Request::get(MESSAGES)
            .basic(USER, PASSWORD)
            .send(gateward.public)
            .await
            .status,
        200
    );
    redis.launch();
    let start = Instant::now();
    while list.send(gateward.public).await.status != 200 {
        assert!(start.elapsed() < Duration::from_secs(30), "Redis is not noticed");
        pause();
    }
}

#[tokio::test]
async fn what_is_issued_as_soon_as_redis_is_back_outlives_a_password_change_while_it_was_away() {
    let mut redis = Redis::start();
    let upstream = Upstream::answering(|received| match received.line.starts_with("PATCH ") {
        true => Answer::with(204, &[("X-Gateward-User", USER)], ""),
        false => gateway(received),
    });
    let mut bench = Bench::with(upstream, |settings| settings.with("GATEWARD__STORE", &redis.url()));
    let before = text(&bench.issue(&["messages:list"]).await, "access_token");
    redis.kill();
    awaits(&bench, &send().bearer(&token(&["messages:send"])), 503).await;
    let change = Request::new("PATCH", "/api/mobile/v1/user/password").bearer("device");
    assert_eq!(bench.send(&change.json(&json!({}))).await.status, 204);
    assert_eq!(bench.list_with(&before).await.status, 401);
    redis.launch();
    let start = Instant::now();
    let after = loop {
        let answer = bench.send(&issue()).await;
        if answer.status == 201 {
            break text(&answer.json(), "access_token");
        }
        assert!(start.elapsed() < Duration::from_secs(30), "{}", answer.text());
        pause();
    };
    let told = |line: &str| line.contains("are revoked in the store now").then_some(());
    bench.gateward.process.wait_for("the end of the retries", told);
    assert_eq!(bench.list_with(&after).await.status, 200);
    assert_eq!(bench.list_with(&before).await.status, 401);
}
