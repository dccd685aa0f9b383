#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use crate::config::{Health, UpstreamUrl};
use crate::testing::{Act, Answer, Sidecar, Toy, bearer, good, request, say};

const SEND: &str = "POST /api/3rdparty/v1/messages";
const LIST: &str = "GET /api/3rdparty/v1/messages";

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_away_is_502_and_comes_back() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start_with(&toy, "", |config| {
        // Port 1 of the loopback interface: nothing listens there.
        config.upstream.urls[0].port = 1;
    })
    .await;
    let answer = sidecar
        .ask(&(request(SEND, &[&bearer(&["messages:send"]), "Content-Length: 2"]) + "{}"))
        .await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (502, "{\"message\":\"Bad Gateway\"}")
    );
    assert_eq!(sidecar.admin("/health/ready").await.status, 200);
    let status: serde_json::Value = serde_json::from_str(&sidecar.admin("/status").await.body).unwrap();
    assert_eq!(status["upstream"][0]["reachable"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_address_takes_over_even_for_a_write() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start_with(&toy, "", |config| {
        let mut dead = config.upstream.urls[0].clone();
        dead.port = 1;
        config.upstream.urls.insert(0, dead);
    })
    .await;
    for _ in 0..3 {
        let answer = sidecar
            .ask(&(request(SEND, &[&bearer(&["messages:send"]), "Content-Length: 2"]) + "{}"))
            .await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(toy.asked().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_hangs_or_hangs_up_is_passed_over() {
    for silent in [true, false] {
        let (toy, bad) = (
            Toy::good().await,
            Toy::new(move |_| if silent { hang() } else { Act::HangUp }).await,
        );
        let sidecar = Sidecar::start_with(&bad, "", |config| {
            config.upstream.urls.push(UpstreamUrl::listening_on(toy.address));
            config.upstream.timeouts.read = Duration::from_millis(100);
        })
        .await;
        let bearer = bearer(&["messages:list"]);
        let mut statuses = Vec::new();
        for _ in 0..6 {
            statuses.push(sidecar.ask(&request(LIST, &[&bearer])).await.status);
        }
        assert_eq!(statuses, [if silent { 504 } else { 502 }, 200, 200, 200, 200, 200]);
        let status: serde_json::Value = serde_json::from_str(&sidecar.admin("/status").await.body).unwrap();
        let reachable = [&status["upstream"][0]["reachable"], &status["upstream"][1]["reachable"]];
        assert_eq!(reachable, [false, true]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_slow_with_its_body_says_nothing_about_the_gateway() {
    let toy = Toy::new(|_| hang()).await;
    let sidecar = Sidecar::start_with(&toy, "", |config| {
        config.upstream.timeouts.read = Duration::from_millis(100);
        config.timeouts.body = Duration::from_millis(100);
    })
    .await;
    let mut line = sidecar.connect().await;
    line.say(&request(SEND, &[&bearer(&["messages:send"]), "Content-Length: 2"]))
        .await;
    assert_eq!(line.hear().await.status, 408);
    let status: serde_json::Value = serde_json::from_str(&sidecar.admin("/status").await.body).unwrap();
    assert_eq!(status["upstream"][0]["reachable"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_checked_is_known_before_anybody_asks() {
    let toy = Toy::new(|asked| {
        if asked.line().contains("/health/ready") {
            say("503 Service Unavailable", "", "{}")
        } else {
            good()
        }
    })
    .await;
    let sidecar = Sidecar::start_with(&toy, "", |config| {
        config.upstream.health = Some(Health {
            path: "/health/ready".to_owned(),
            interval: Duration::from_millis(10),
            timeout: Duration::from_secs(5),
        });
    })
    .await;
    while toy.asked().len() < 2 {
        tokio::task::yield_now().await;
    }
    let status: serde_json::Value = serde_json::from_str(&sidecar.admin("/status").await.body).unwrap();
    assert_eq!(status["upstream"][0]["reachable"], false);
    let answer = sidecar.ask(&request(LIST, &[&bearer(&["messages:list"])])).await;
    assert_eq!(answer.status, 200, "better that one than none");
}

fn hang() -> Act {
    Act::Wait(Arc::default(), String::new())
}

/// Answers the first request of every connection and hangs up on the second.
async fn hangs_up_on_reuse() -> Toy {
    Toy::new(|asked| {
        if asked.line().contains("warm") {
            good()
        } else {
            Act::HangUp
        }
    })
    .await
}

/// The answer to a request that finds a pooled connection to the gateway: one of the same client's before it, whose
/// next request is not looked at until the connection is back in the pool.
async fn ask_on_a_pooled_connection(sidecar: &Sidecar, bearer: &str, request_after: &str) -> Answer {
    let mut line = sidecar.connect().await;
    line.say(&request(&format!("{LIST}?warm"), &[bearer])).await;
    assert_eq!(line.hear().await.status, 200);
    line.say(request_after).await;
    line.hear().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_never_sent_twice() {
    let toy = hangs_up_on_reuse().await;
    let sidecar = Sidecar::start(&toy).await;
    let bearer = bearer(&["all:any"]);
    let writes = [SEND, "PATCH /api/3rdparty/v1/settings", "PUT /api/3rdparty/v1/settings"]
        .map(|write| request(write, &[&bearer, "Content-Length: 2"]) + "{}");
    let delete = request("DELETE /api/3rdparty/v1/messages/a", &[&bearer]);
    for write in writes.iter().chain([&delete]) {
        let before = toy.asked().len();
        let answer = ask_on_a_pooled_connection(&sidecar, &bearer, write).await;
        assert_eq!(answer.status, 502, "{write}");
        assert_eq!(toy.asked().len(), before + 2, "{write} left once");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_meets_a_dead_connection_is_asked_again_once() {
    let toy = hangs_up_on_reuse().await;
    let sidecar = Sidecar::start(&toy).await;
    let bearer = bearer(&["all:any"]);
    let answer = ask_on_a_pooled_connection(&sidecar, &bearer, &request(LIST, &[&bearer])).await;
    assert_eq!(answer.status, 502);
    assert_eq!(toy.asked().len(), 3, "once on the old connection, once on a new one");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_does_not_answer_is_504() {
    let toy = Toy::new(|_| Act::Wait(Arc::default(), String::new())).await;
    let sidecar = Sidecar::start_with(&toy, "", |config| {
        config.upstream.timeouts.read = Duration::from_millis(100);
    })
    .await;
    let answer = sidecar.ask(&request(LIST, &[&bearer(&["messages:list"])])).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (504, "{\"message\":\"Gateway Timeout\"}")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clients_connection_outlives_the_gateways_trouble() {
    let toy = Toy::new(|asked| match asked.one("x-act") {
        Some("slow") => Act::Wait(Arc::default(), String::new()),
        Some("gone") => Act::HangUp,
        Some("refuse") => say("401 Unauthorized", "", "{}"),
        _ => good(),
    })
    .await;
    let sidecar = Sidecar::start_with(&toy, "", |config| {
        config.upstream.timeouts.read = Duration::from_millis(100);
    })
    .await;
    let both = bearer(&["messages:list", "messages:send"]);
    let mut line = sidecar.connect().await;
    for (act, status) in [("slow", 504), ("gone", 502), ("refuse", 502), ("none", 200)] {
        let act = format!("X-Act: {act}");
        let list = request(LIST, &[&both, &act]);
        let send = request(SEND, &[&both, &act, "Content-Length: 2"]) + "{}";
        let chunked = request(SEND, &[&both, &act, "Transfer-Encoding: chunked"]) + "2\r\n{}\r\n0\r\n\r\n";
        for asking in [&list, &send, &chunked] {
            line.say(asking).await;
            let answer = line.hear().await;
            assert_eq!(
                (answer.status, answer.one("connection")),
                (status, "keep-alive"),
                "{asking}"
            );
        }
        // What was sent too early has its turn, too.
        line.say(&(list.clone() + &send)).await;
        assert_eq!((line.hear().await.status, line.hear().await.status), (status, status));
    }
    let asked = toy.asked();
    assert!(asked.iter().all(|asked| matches!(&*asked.body, b"" | b"{}")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_with_half_a_request_on_it_ends_with_the_gateways_trouble() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start_with(&toy, "", |config| config.upstream.urls[0].port = 1).await;
    let both = bearer(&["messages:list", "messages:send"]);
    let list = request(LIST, &[&both]);
    let mut line = sidecar.connect().await;
    line.say(&request(SEND, &[&both, "Content-Length: 100"])).await;
    let answer = line.hear().await;
    assert_eq!((answer.status, answer.one("connection")), (502, "keep-alive"));
    line.say(&("x".repeat(100) + &list)).await;
    assert_eq!(line.hear().await.status, 502, "a small rest is read past");
    for field in [
        "Content-Length: 1000000",
        "Transfer-Encoding: chunked",
        "Connection: close",
    ] {
        let mut line = sidecar.connect().await;
        line.say(&(request(SEND, &[&both, field]) + "5\r\n")).await;
        let answer = line.hear().await;
        assert_eq!((answer.status, answer.one("connection")), (502, "close"), "{field}");
        line.try_say(list.as_bytes()).await;
        assert!(line.is_closed().await, "{field}");
    }
}
