//! `kill -9` at any moment under load: whatever was acknowledged is there afterwards.
//!
//! How much is acknowledged before the end is chosen at random, from a seed that a failed test prints. To run it with the
//! same numbers again, give it that seed as [`SEED`].

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

use crate::account::{devices, issue, register, revoke};
use crate::support::http::{Connection, Request};
use crate::support::jwt;
use crate::support::mariadb::MariaDb;
use crate::support::process::{Core, Gateward, Settings, folder, pause};

const KEY: &str = "crash-private-token";
const MESSAGES: &str = "/api/3rdparty/v1/messages";
const NUMBERS: [&str; 2] = ["+79990001234", "+79990001235"];
/// The environment variable that says which numbers are chosen.
const SEED: &str = "GATEWARD_CRASH_SEED";
const ROUNDS: usize = 5;
/// How many post at once.
const CLIENTS: usize = 8;
/// No round waits for more than so many.
const MOST: usize = 150;
const PATIENCE: Duration = Duration::from_secs(60);

/// Chooses the same numbers again if the environment says so.
#[expect(clippy::disallowed_methods, reason = "whoever repeats a failed test is asked here")]
fn random() -> StdRng {
    let seed = match std::env::var(SEED) {
        Ok(seed) => seed.parse().expect("a seed is a number"),
        Err(_) => rand::random(),
    };
    println!("{SEED}={seed}");
    StdRng::seed_from_u64(seed)
}

fn post(token: &str, id: &str) -> Request {
    let body = json!({ "id": id, "textMessage": { "text": "hello" }, "phoneNumbers": NUMBERS });
    Request::post(MESSAGES).bearer(token).json(&body)
}

/// Posts one message after the other until the server is gone; the id that had no answer then.
async fn post_on(at: SocketAddr, token: String, name: String, acknowledged: UnboundedSender<String>) -> String {
    let mut connection = Connection::open(at).await;
    let mut number = 0;
    loop {
        let id = format!("{name}n{number}");
        connection.write(&post(&token, &id).bytes(at)).await;
        let Some(answer) = connection.read_response(false).await else {
            return id;
        };
        assert_eq!(answer.status, 202, "{id}: {}", answer.text());
        acknowledged.send(id).expect("somebody listens");
        number += 1;
    }
}

/// Whether a message is there; half of one is none.
async fn is_there(at: SocketAddr, token: &str, id: &str) -> bool {
    let path = format!("{MESSAGES}/{id}");
    let answer = Request::get(&path).bearer(token).send(at).await;
    if answer.status == 404 {
        return false;
    }
    assert_eq!(answer.status, 200, "{id}: {}", answer.text());
    let message = answer.json();
    let recipients = message["recipients"].as_array().expect("recipients");
    let mut numbers: Vec<_> = recipients.iter().map(|one| one["phoneNumber"].clone()).collect();
    numbers.sort_by_key(ToString::to_string);
    assert_eq!(
        (&message["id"], numbers),
        (&json!(id), NUMBERS.map(|one| json!(one)).to_vec())
    );
    assert_eq!(message["state"], "Pending", "{message}");
    true
}

/// Kills the core again and again while several clients post, and looks for what it has acknowledged.
async fn crash_again_and_again(start: impl Fn() -> Core) {
    let mut random = random();
    let mut core = start();
    let (login, ..) = register(core.address, KEY).await;
    let mut claims = jwt::claims(&login, &["messages:send", "messages:read"]);
    claims["gw_mint"] = json!(true);
    let token = jwt::token(Core::SECRET, &claims);
    for round in 0..ROUNDS {
        let enough = random.random_range(1..=MOST);
        let (acknowledged, mut heard) = unbounded_channel();
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let name = format!("r{round}c{client}");
            clients.spawn(post_on(core.address, token.clone(), name, acknowledged.clone()));
        }
        drop(acknowledged);
        let mut sent = Vec::new();
        while sent.len() < enough {
            let id = tokio::time::timeout(PATIENCE, heard.recv()).await.expect("in time");
            sent.push(id.expect("clients go on until the core is gone"));
        }
        core.process.signal("KILL");
        let unanswered = clients.join_all().await;
        while let Some(id) = heard.recv().await {
            sent.push(id);
        }
        core.process.wait();

        core = start();
        for id in &sent {
            assert!(is_there(core.address, &token, id).await, "round {round}: {id} is lost");
        }
        // These may be there or not.
        for id in &unanswered {
            is_there(core.address, &token, id).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_message_survives_crashes_of_the_core_on_sqlite() {
    let folder = Arc::new(folder());
    crash_again_and_again(|| Core::start_in(&folder, KEY, &[])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_message_survives_crashes_of_the_core_on_mariadb() {
    let (folder, server) = (Arc::new(folder()), MariaDb::start());
    server.create("gateward");
    let url = server.url("gateward");
    crash_again_and_again(|| Core::start_in(&folder, KEY, &[("DATABASE__URL", &url)])).await;
}

/// Calls `work` over and over on another thread until the server is gone; the numbers of calls it said yes to.
async fn until_killed<W>(gateward: &Gateward, enough: usize, work: W) -> Vec<usize>
where
    W: AsyncFn(usize) -> bool + Send + Sync + 'static,
{
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&acknowledged);
    let worker = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("runtime");
        // The server vanishes in the middle of a call: that call ends in a panic of the client, and the work is done.
        // It is done, too, when there is nothing left to do.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            runtime.block_on(async {
                for number in 0.. {
                    if work(number).await {
                        log.lock().expect("log").push(number);
                    }
                }
            });
        }));
    });
    let deadline = Instant::now() + PATIENCE;
    while acknowledged.lock().expect("log").len() < enough {
        assert!(Instant::now() < deadline && !worker.is_finished(), "too slow");
        pause();
    }
    gateward.process.signal("KILL");
    worker.join().expect("worker");
    acknowledged.lock().expect("log").clone()
}

#[tokio::test]
async fn every_acknowledged_revocation_holds_after_a_crash() {
    let mut random = random();
    for _ in 0..3 {
        let enough = random.random_range(1..=20);
        let gateward = Settings::new().with("GATEWAY__PRIVATE_TOKEN", KEY).up();
        let at = gateward.public;
        let (login, password, _) = register(at, KEY).await;
        let mut tokens = Vec::new();
        for _ in 0..40 {
            tokens.push(issue(at, &login, &password, &["devices:list"]).await);
        }
        let ids: Vec<String> = tokens.iter().map(|tokens| tokens.id.clone()).collect();
        let revoked = until_killed(&gateward, enough, async move |number| {
            let id = ids.get(number).expect("one that is not revoked yet");
            revoke(at, &login, &password, id).await == 204
        })
        .await;
        let gateward = gateward.crash_and_restart();
        for number in revoked {
            assert_eq!(
                devices(gateward.public, &tokens[number].access).await,
                401,
                "token {number}"
            );
        }
    }
}
