//! `kill -9` at awkward moments: whatever was acknowledged is there afterwards.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::account::{devices, issue, register, revoke, send};
use crate::support::http::Request;
use crate::support::process::{Settings, pause};

const KEY: &str = "crash-private-token";

/// Calls `work` over and over on another thread until the server is gone; the numbers of calls it said yes to.
async fn until_killed<W>(gateward: &crate::support::process::Gateward, enough: usize, work: W) -> Vec<usize>
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
    let deadline = Instant::now() + Duration::from_secs(60);
    while acknowledged.lock().expect("log").len() < enough {
        assert!(Instant::now() < deadline && !worker.is_finished(), "too slow");
        pause();
    }
    gateward.process.signal("KILL");
    worker.join().expect("worker");
    acknowledged.lock().expect("log").clone()
}

#[tokio::test]
async fn every_acknowledged_message_is_there_after_a_crash() {
    for enough in [1, 7, 23] {
        let gateward = Settings::new().with("GATEWAY__PRIVATE_TOKEN", KEY).up();
        let at = gateward.public;
        let (login, password, _) = register(at, KEY).await;
        let tokens = issue(at, &login, &password, &["messages:send", "messages:read"]).await;
        let token = tokens.access.clone();
        let sent = until_killed(&gateward, enough, async move |number| {
            send(at, &token, &format!("m{number}"), "+79990001234").await.status == 202
        })
        .await;
        let gateward = gateward.crash_and_restart();
        for number in sent {
            let path = format!("/api/3rdparty/v1/messages/m{number}");
            let answer = Request::get(&path).bearer(&tokens.access).send(gateward.public).await;
            assert_eq!(answer.status, 200, "message {number}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn every_acknowledged_revocation_holds_after_a_crash() {
    for enough in [1, 5, 11] {
        let gateward = Settings::new().with("GATEWAY__PRIVATE_TOKEN", KEY).up();
        let at = gateward.public;
        let (login, password, _) = register(at, KEY).await;
        let mut tokens = Vec::new();
        for _ in 0..40 {
            tokens.push(issue(at, &login, &password, &["devices:list"]).await);
        }
        let ids: Vec<String> = tokens.iter().map(|tokens| tokens.id.clone()).collect();
        let revoked = until_killed(&gateward, enough, async move |number| {
            let Some(id) = ids.get(number) else {
                std::future::pending::<()>().await;
                return false;
            };
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
