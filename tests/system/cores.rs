//! Two core processes on one MariaDB and one Redis: whichever a phone listens to, it hears what the other is told.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::account::{await_state, await_status, issue, message, register, send};
use crate::support::http::Request;
use crate::support::mariadb::MariaDb;
use crate::support::phone::Phone;
use crate::support::process::{Core, Gateward, Process, Settings, folder, pause};
use crate::support::redis::Redis;

const KEY: &str = "cores-private-token";
const NUMBER: &str = "+79990001234";

/// Two cores, each with a sidecar of its own; the sidecars have a Redis that is not the cores'.
struct Pair {
    redis: Redis,
    first: Half,
    second: Half,
    _revocations: Redis,
    _database: MariaDb,
}

struct Half {
    core: Core,
    sidecar: Gateward,
}

impl Pair {
    fn start() -> Self {
        let (redis, revocations) = (Redis::start(), Redis::start());
        let (folder, server) = (Arc::new(folder()), MariaDb::start());
        server.create("gateward");
        let database = server.url("gateward");
        let half = || {
            let url = redis.url();
            let shared = [
                ("DATABASE__URL", &*database),
                ("CACHE__URL", &url),
                ("PUBSUB__URL", &url),
            ];
            let core = Core::start_in(&folder, KEY, &shared);
            let sidecar = Settings::new()
                .file(
                    "gateward.yaml",
                    &format!("upstream: {{ url: 'http://{}' }}\n", core.address),
                )
                .with("GATEWARD__STORE", &revocations.url())
                .with("GATEWARD__UPSTREAM__MINT__SECRET", Core::SECRET)
                .with("GATEWARD__TOKENS__SECRET", "cores-token-secret-0123456789abcdef")
                .run();
            Half { core, sidecar }
        };
        let (first, second) = (half(), half());
        Self {
            redis,
            first,
            second,
            _revocations: revocations,
            _database: server,
        }
    }
}

/// A token for what these tests do.
async fn token(at: std::net::SocketAddr, login: &str, password: &str) -> String {
    let scopes = ["messages:send", "messages:read", "devices:delete"];
    issue(at, login, password, &scopes).await.access
}

/// Waits for a line in the metrics of a core.
async fn await_metric(core: &Core, line: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let metrics = Request::get("/metrics").send(core.address).await.text();
        if metrics.lines().any(|found| found == line) {
            return;
        }
        assert!(Instant::now() < deadline, "no {line}:\n{metrics}");
        pause();
    }
}

#[tokio::test]
async fn a_message_posted_through_one_reaches_the_phone_on_the_other() {
    let pair = Pair::start();
    let (here, there) = (pair.first.sidecar.public, pair.second.sidecar.public);
    let phone = Phone::start(here, &["--private-token", KEY]);
    let bearer = token(there, &phone.login, &phone.password).await;
    for (number, at) in [there, here, there].into_iter().enumerate() {
        let id = format!("m{number}");
        let sent = Instant::now();
        assert_eq!(send(at, &bearer, &id, NUMBER).await.status, 202);
        await_state(there, &bearer, &id, "Delivered").await;
        assert!(sent.elapsed() < Duration::from_secs(10), "{:?}", sent.elapsed());
    }
    let carried = "sms_sse_events_sent_total{event_type=\"MessageEnqueued\"} 3";
    await_metric(&pair.first.core, carried).await;
}

#[tokio::test]
async fn a_device_deleted_through_one_is_out_of_the_other() {
    let pair = Pair::start();
    let (here, there) = (pair.first.sidecar.public, pair.second.sidecar.public);
    let mut phone = Phone::start(here, &["--private-token", KEY]);
    await_metric(&pair.first.core, "sms_sse_active_connections 1").await;
    let bearer = token(there, &phone.login, &phone.password).await;
    let deletion = Request::new("DELETE", &format!("/api/3rdparty/v1/devices/{}", phone.id)).bearer(&bearer);
    assert_eq!(deletion.send(there).await.status, 204);
    let pull = Request::get("/api/mobile/v1/message").bearer(&phone.token);
    let took = await_status(401, async || pull.clone().send(here).await.status).await;
    assert!(took < Duration::from_secs(5), "{took:?}");
    await_metric(&pair.first.core, "sms_sse_active_connections 0").await;
    phone.process.signal("TERM");
    phone.process.wait();
}

#[tokio::test]
async fn settings_changed_through_one_are_read_through_the_other() {
    let pair = Pair::start();
    let (here, there) = (pair.first.sidecar.public, pair.second.sidecar.public);
    let (login, password, device) = register(here, KEY).await;
    let scopes = ["settings:read", "settings:write"];
    let bearer = issue(there, &login, &password, &scopes).await.access;
    let settings = |method| Request::new(method, "/api/3rdparty/v1/settings").bearer(&bearer);
    let of_phone = Request::get("/api/mobile/v1/settings").bearer(&device);
    for (days, at) in (1..).zip([here, there, here, there]) {
        let given = serde_json::json!({ "logs": { "lifetime_days": days } });
        let changed = settings("PATCH").json(&given).send(at).await;
        assert_eq!((changed.status, changed.json()), (200, given.clone()));
        for read in [settings("GET"), of_phone.clone()] {
            assert_eq!(read.clone().send(at).await.json(), given, "where they were changed");
            let start = Instant::now();
            for other in [here, there] {
                while read.clone().send(other).await.json() != given {
                    assert!(start.elapsed() < Duration::from_secs(5), "not told: {given}");
                }
            }
        }
    }
}

#[test]
fn a_worker_whose_changes_nobody_hears_of_says_so() {
    let (folder, server) = (folder(), MariaDb::start());
    server.create("gateward");
    let environment = [
        ("HTTP__LISTEN", "127.0.0.1:0"),
        ("DATABASE__URL", &server.url("gateward")),
        ("JWT__SECRET", Core::SECRET),
    ];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let program = env!("CARGO_BIN_EXE_gateward-core");
    let mut worker = Process::start(program, &["worker"], &environment.into(), folder.path());
    worker.wait_for("a warning that names the key", |line| {
        let record: serde_json::Value = serde_json::from_str(line).ok()?;
        (record["key"] == "pubsub.url" && record["level"] == "WARN").then_some(())
    });
}

#[tokio::test]
async fn a_code_from_one_is_good_at_the_other_and_once() {
    let pair = Pair::start();
    let (here, there) = (pair.first.sidecar.public, pair.second.sidecar.public);
    let (login, password, _) = register(here, KEY).await;
    let asked = Request::get("/api/mobile/v1/user/code").basic(&login, &password);
    let answer = asked.send(here).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let code = format!("Code {}", answer.json()["code"].as_str().expect("code"));
    let joining = |code: &str| {
        let request = Request::post("/api/mobile/v1/device").header("Authorization", code);
        request.json(&serde_json::json!({}))
    };
    let joined = joining(&code).send(there).await;
    assert_eq!((joined.status, joined.json()["login"].as_str()), (201, Some(&*login)));
    for at in [here, there] {
        assert_eq!(joining(&code).send(at).await.status, 401);
    }
}

#[tokio::test]
async fn without_redis_the_api_goes_on_and_phones_hear_again_when_it_is_back() {
    let mut pair = Pair::start();
    let (here, there) = (pair.first.sidecar.public, pair.second.sidecar.public);
    let phone = Phone::start(here, &["--private-token", KEY]);
    let bearer = token(there, &phone.login, &phone.password).await;
    pair.redis.kill();

    let start = Instant::now();
    assert_eq!(send(there, &bearer, "unheard", NUMBER).await.status, 202);
    let failed =
        "sms_events_failed_total{delivery_type=\"unknown\",event=\"MessageEnqueued\",reason=\"publish_error\"} 1";
    await_metric(&pair.second.core, failed).await;
    assert_eq!(message(there, &bearer, "unheard").await["state"], "Pending");
    let pulled = Request::get("/api/mobile/v1/message")
        .bearer(&phone.token)
        .send(there)
        .await;
    assert!(pulled.text().contains("\"unheard\""), "it waits: {}", pulled.text());
    let (login, password, _) = register(there, KEY).await;
    token(there, &login, &password).await;
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "nobody waited: {:?}",
        start.elapsed()
    );

    // The process that the phone listens to needs no Redis to tell it, and the phone takes all that waits.
    assert_eq!(send(here, &bearer, "heard", NUMBER).await.status, 202);
    await_state(here, &bearer, "heard", "Delivered").await;
    await_state(here, &bearer, "unheard", "Delivered").await;

    pair.redis.launch();
    for half in [&mut pair.first, &mut pair.second] {
        for key in ["cache.url", "pubsub.url", "pubsub.url (listening)"] {
            let back =
                |line: &str| (line.contains("redis is back") && line.contains(&format!("\"{key}\""))).then_some(());
            half.core.process.wait_for("the end of the outage", back);
        }
        let lines = half.core.process.lines();
        let told = lines.iter().filter(|line| line.contains("redis is away")).count();
        assert!(told <= 3, "once per connection: {lines:#?}");
    }
    assert_eq!(send(there, &bearer, "again", NUMBER).await.status, 202);
    await_state(there, &bearer, "again", "Delivered").await;
}

#[tokio::test]
async fn a_redis_that_hangs_holds_up_no_request() {
    let pair = Pair::start();
    let (here, there) = (pair.first.sidecar.public, pair.second.sidecar.public);
    let phone = Phone::start(here, &["--private-token", KEY]);
    let bearer = token(there, &phone.login, &phone.password).await;
    pair.redis.freeze();
    let start = Instant::now();
    for number in 0..20 {
        assert_eq!(send(there, &bearer, &format!("m{number}"), NUMBER).await.status, 202);
        message(there, &bearer, &format!("m{number}")).await;
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    pair.redis.thaw();
    // One that is heard of is enough: the phone takes all that waits.
    let deadline = Instant::now() + Duration::from_secs(30);
    let mut number = 0;
    while message(there, &bearer, "m0").await["state"] != "Delivered" {
        assert!(Instant::now() < deadline, "the phone hears nothing");
        number += 1;
        assert_eq!(send(there, &bearer, &format!("n{number}"), NUMBER).await.status, 202);
    }
}
