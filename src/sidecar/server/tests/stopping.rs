#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::config::{Redis, Store};
use crate::testing::{Act, Sidecar, Toy, bearer, request};

const SLOW: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
const LIST: &str = "GET /api/3rdparty/v1/messages";

async fn nobody_is_let_in(sidecar: &Sidecar) {
    let refused = async { while TcpStream::connect(sidecar.bound.public).await.is_ok() {} };
    timeout(Duration::from_secs(5), refused).await.unwrap();
}

async fn ended(sidecar: Sidecar) {
    let end = timeout(Duration::from_secs(5), sidecar.done).await.unwrap();
    end.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_the_requests_in_flight_and_for_nothing_else() {
    let (go, came) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (script_go, script_came) = (Arc::clone(&go), Arc::clone(&came));
    let toy = Toy::new(move |_| {
        script_came.notify_one();
        Act::Wait(Arc::clone(&script_go), SLOW.to_owned())
    })
    .await;
    let sidecar = Sidecar::start(&toy).await;
    let mut idle = sidecar.connect().await;
    let mut busy = sidecar.connect().await;
    busy.say(&request(LIST, &[&bearer(&["messages:list"])])).await;
    came.notified().await;
    sidecar.commander.stop();
    assert!(idle.is_closed().await, "an idle connection ends at once");
    nobody_is_let_in(&sidecar).await;
    assert_eq!(sidecar.admin("/health/ready").await.status, 503);
    assert!(!sidecar.done.is_finished());
    go.notify_one();
    assert_eq!(busy.hear().await.status, 200);
    ended(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_streams_but_for_everything_else() {
    let (go, came) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (script_go, script_came) = (Arc::clone(&go), Arc::clone(&came));
    let toy = Toy::new(move |asked| {
        if asked.line().contains("/events") {
            return Act::Stream(Arc::default());
        }
        script_came.notify_one();
        Act::Wait(Arc::clone(&script_go), SLOW.to_owned())
    })
    .await;
    // Longer than this test may take: nothing here ends by the deadline.
    let sidecar = Sidecar::start_with(&toy, "", |config| config.timeouts.drain = Duration::from_secs(60)).await;
    let mut phone = sidecar.connect().await;
    phone
        .say(&request("GET /mobile/v1/events", &["Authorization: Bearer device"]))
        .await;
    assert_eq!(phone.hear_head().await.status, 200);
    let mut busy = sidecar.connect().await;
    busy.say(&request(LIST, &[&bearer(&["messages:list"])])).await;
    came.notified().await;
    sidecar.commander.stop();
    nobody_is_let_in(&sidecar).await;
    assert!(!sidecar.done.is_finished());
    go.notify_one();
    assert_eq!(busy.hear().await.status, 200);
    ended(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_longer_than_the_deadline() {
    let came = Arc::new(Notify::new());
    let script_came = Arc::clone(&came);
    let toy = Toy::new(move |_| {
        script_came.notify_one();
        Act::Wait(Arc::default(), String::new())
    })
    .await;
    let sidecar = Sidecar::start_with(&toy, "", |config| config.timeouts.drain = Duration::from_millis(100)).await;
    let mut busy = sidecar.connect().await;
    busy.say(&request(LIST, &[&bearer(&["messages:list"])])).await;
    came.notified().await;
    sidecar.commander.stop();
    ended(sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_port_tells_how_it_is_and_the_public_port_does_not() {
    let sidecar = Sidecar::start(&Toy::good().await).await;
    assert_eq!(sidecar.admin("/health/live").await.status, 200);
    assert_eq!(sidecar.admin("/health/ready").await.status, 200);
    assert_eq!(sidecar.admin("/nope").await.status, 404);
    let status = sidecar.admin("/status").await;
    assert_eq!(status.one("content-type"), "application/json");
    let status: serde_json::Value = serde_json::from_str(&status.body).unwrap();
    assert_eq!(status.pointer("/policy/name").unwrap(), "smsgate");
    assert_eq!(status.pointer("/listen").unwrap(), &sidecar.bound.public.to_string());
    assert!(!status.to_string().contains(crate::testing::SECRET));
    for path in ["/status", "/metrics", "/health/nope"] {
        assert_eq!(
            sidecar.ask(&request(&format!("GET {path}"), &[])).await.status,
            404,
            "{path}"
        );
    }
    let refused = "gateward_requests_total{route=\"none\",status=\"4xx\",verdict=\"deny\"} 3";
    let loaded = "gateward_store_loaded 1";
    for line in [
        refused,
        loaded,
        "sms_auth_jwt_tokens_validated_total{status=\"success\"} 0",
    ] {
        sidecar.counted(line).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_paths_add_no_series() {
    let sidecar = Sidecar::start(&Toy::good().await).await;
    let mut line = sidecar.connect().await;
    let mut series = Vec::new();
    for round in 0..2 {
        for number in 0..50 {
            line.say(&request(&format!("GET /{round}/{number}"), &[])).await;
            assert_eq!(line.hear().await.status, 404);
        }
        series.push(sidecar.admin("/metrics").await.body.lines().count());
    }
    assert_eq!(series.first(), series.last());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_whose_store_is_away_is_not_ready_and_says_why() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start_with(&toy, "", |config| {
        // Port 1 of the loopback interface: nothing listens there.
        config.store = Store::Redis(Redis {
            url: "redis://127.0.0.1:1/0".to_owned(),
            username: None,
            password: None,
            prefix: "{gateward}:".to_owned(),
        });
    })
    .await;
    let ready = async || {
        let answer = sidecar.admin("/health/ready").await;
        assert_eq!(answer.status, 503);
        answer.body
    };
    let detail = r#""detail":"the revocations are not loaded yet (store redis: unreachable)""#;
    let told = async { while !ready().await.contains(detail) {} };
    timeout(Duration::from_secs(5), told).await.unwrap();
    assert!(ready().await.contains(r#""reason":"denylist_not_loaded""#));
    assert_eq!(sidecar.admin("/health/live").await.status, 200);
}
