//! Three sidecars on one Redis: what one of them is told, all of them know.

use std::sync::Arc;
use std::time::Duration;

use crate::account::{await_status, devices, issue, refresh, refreshed, register, revoke};
use crate::support::process::{Core, Gateward, Settings};
use crate::support::redis::Redis;

const KEY: &str = "replicas-private-token";
const SCOPES: [&str; 2] = ["devices:list", "messages:send"];

/// A core and sidecars in front of it, on one Redis.
struct Fleet {
    core: Core,
    replicas: Vec<Gateward>,
}

impl Fleet {
    fn start(redis: &Redis, count: usize) -> Self {
        let core = Core::start(KEY);
        let replicas = (0..count).map(|_| replica(&core, redis).run()).collect();
        Self { core, replicas }
    }
}

fn replica(core: &Core, redis: &Redis) -> Settings {
    Settings::new()
        .file(
            "gateward.yaml",
            &format!("upstream: {{ url: 'http://{}' }}\n", core.address),
        )
        .with("GATEWARD__STORE", &redis.url())
        .with("GATEWARD__UPSTREAM__MINT__SECRET", Core::SECRET)
        .with("GATEWARD__TOKENS__SECRET", "replicas-token-secret-0123456789abcdef")
}

#[tokio::test]
async fn a_revocation_is_refused_everywhere_within_a_second() {
    let redis = Redis::start();
    let fleet = Fleet::start(&redis, 3);
    let [first, second, third] = &fleet.replicas[..] else {
        panic!("three replicas")
    };
    let (login, password, _) = register(first.public, KEY).await;
    for _ in 0..10 {
        let tokens = issue(first.public, &login, &password, &SCOPES).await;
        for replica in &fleet.replicas {
            assert_eq!(devices(replica.public, &tokens.access).await, 200);
        }
        assert_eq!(revoke(second.public, &login, &password, &tokens.id).await, 204);
        assert_eq!(
            devices(second.public, &tokens.access).await,
            401,
            "at once where it was said"
        );
        for replica in [first, third] {
            let took = await_status(401, async || devices(replica.public, &tokens.access).await).await;
            assert!(took < Duration::from_secs(1), "{took:?}");
        }
    }
    drop(fleet.core);
}

#[tokio::test]
async fn a_hundred_parallel_refreshes_give_one_pair() {
    let redis = Redis::start();
    let fleet = Fleet::start(&redis, 3);
    let (login, password, _) = register(fleet.replicas[0].public, KEY).await;
    let tokens = issue(fleet.replicas[0].public, &login, &password, &SCOPES).await;
    let addresses: Vec<_> = fleet.replicas.iter().map(|replica| replica.public).collect();
    let token: Arc<str> = tokens.refresh.into();
    let calls: Vec<_> = (0..100)
        .map(|number| {
            let (at, token) = (addresses[number % addresses.len()], Arc::clone(&token));
            tokio::spawn(async move { refreshed(at, &token).await.access })
        })
        .collect();
    let mut pairs = std::collections::BTreeSet::new();
    for call in calls {
        pairs.insert(call.await.expect("refresh"));
    }
    assert_eq!(pairs.len(), 1);
}

#[tokio::test]
async fn a_replica_that_starts_later_knows_what_was_revoked() {
    let redis = Redis::start();
    let fleet = Fleet::start(&redis, 1);
    let at = fleet.replicas[0].public;
    let (login, password, _) = register(at, KEY).await;
    let tokens = issue(at, &login, &password, &SCOPES).await;
    assert_eq!(revoke(at, &login, &password, &tokens.id).await, 204);
    let late = replica(&fleet.core, &redis).run();
    assert_eq!(devices(late.public, &tokens.access).await, 401);
    assert_eq!(refresh(late.public, &tokens.refresh).await.status, 401);
}

#[tokio::test]
async fn without_redis_a_replica_is_not_ready_until_it_comes() {
    let mut redis = Redis::reserve(None);
    let core = Core::start(KEY);
    let mut replica = replica(&core, &redis).spawn(&["run", "--config", "gateward.yaml"]);
    let ready = crate::support::http::Request::get("/health/ready")
        .send(replica.admin)
        .await;
    assert_eq!(ready.status, 503);
    assert!(
        ready.text().contains("redis") || ready.text().contains("store"),
        "says why: {}",
        ready.text()
    );
    redis.launch();
    replica.await_ready();
}

#[tokio::test]
async fn when_redis_goes_writes_are_refused_and_reads_go_on() {
    let mut redis = Redis::start();
    let fleet = Fleet::start(&redis, 1);
    let at = fleet.replicas[0].public;
    let (login, password, _) = register(at, KEY).await;
    let tokens = issue(at, &login, &password, &SCOPES).await;
    let revoked = issue(at, &login, &password, &SCOPES).await;
    assert_eq!(revoke(at, &login, &password, &revoked.id).await, 204);
    redis.kill();
    let write = async || {
        crate::account::send(at, &tokens.access, "x", "+79990001234")
            .await
            .status
    };
    await_status(503, write).await;
    assert_eq!(devices(at, &tokens.access).await, 200, "reads may be a minute behind");
    assert_eq!(
        devices(at, &revoked.access).await,
        401,
        "what is known to be revoked stays so"
    );
    assert_eq!(refresh(at, &tokens.refresh).await.status, 503);
    redis.launch();
    let took = await_status(202, async || {
        crate::account::send(at, &tokens.access, "y", "+79990001234")
            .await
            .status
    })
    .await;
    assert!(took < Duration::from_secs(6), "{took:?}");
}

#[tokio::test]
async fn a_hung_redis_holds_up_no_request() {
    let redis = Redis::start();
    let fleet = Fleet::start(&redis, 1);
    let at = fleet.replicas[0].public;
    let (login, password, _) = register(at, KEY).await;
    let tokens = issue(at, &login, &password, &SCOPES).await;
    redis.freeze();
    let write = async || {
        crate::account::send(at, &tokens.access, "x", "+79990001234")
            .await
            .status
    };
    await_status(503, write).await;
    let start = std::time::Instant::now();
    for _ in 0..20 {
        assert_eq!(write().await, 503);
        assert_eq!(devices(at, &tokens.access).await, 200);
        assert_eq!(refresh(at, &tokens.refresh).await.status, 503);
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    redis.thaw();
    await_status(200, async || devices(at, &tokens.access).await).await;
}

#[tokio::test]
async fn lost_data_brings_no_revoked_token_back() {
    let mut redis = Redis::start();
    let fleet = Fleet::start(&redis, 2);
    let at = fleet.replicas[0].public;
    let (login, password, _) = register(at, KEY).await;
    let tokens = issue(at, &login, &password, &SCOPES).await;
    assert_eq!(revoke(at, &login, &password, &tokens.id).await, 204);
    for replica in &fleet.replicas {
        await_status(401, async || devices(replica.public, &tokens.access).await).await;
    }
    redis.kill();
    redis.forget();
    redis.launch();
    // Known revocations are written back, so that a replica that starts now knows them too.
    let written_back = || redis.command(&["ZCARD", "{gateward}:revoked"]).trim() != "0";
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while !written_back() {
        assert!(std::time::Instant::now() < deadline, "not written back");
        tokio::task::yield_now().await;
    }
    let late = replica(&fleet.core, &redis).run();
    assert_eq!(devices(late.public, &tokens.access).await, 401);
    assert_eq!(devices(at, &tokens.access).await, 401);
}
