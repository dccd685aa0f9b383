//! What goes through, goes through whole: bodies, streams, limits, keep-alive, several gateways.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use crate::bench::{Bench, MESSAGES, MINT_SECRET, TOKEN_SECRET, token};
use crate::support::http::{Connection, PATIENCE, Request};
use crate::support::process::{Settings, pause};
use crate::support::upstream::{Answer, Upstream};

#[tokio::test]
async fn bodies_of_any_framing_arrive_whole() {
    let bench = Bench::start();
    let token = token(&["messages:send"]);
    let large = "x".repeat(4 * 1024 * 1024);
    let request = Request::post(MESSAGES)
        .bearer(&token)
        .header("Content-Type", "application/json")
        .body(large.clone());
    assert_eq!(bench.send(&request).await.status, 200);
    assert_eq!(bench.upstream.last().body.len(), large.len());
    let mut connection = Connection::open(bench.at()).await;
    let head = format!(
        "POST {MESSAGES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    connection.write(head.as_bytes()).await;
    connection.write(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n").await;
    assert_eq!(connection.read_response(false).await.expect("answer").status, 200);
    assert_eq!(bench.upstream.last().body, b"hello world");
}

#[tokio::test]
async fn bodies_over_the_limit_are_refused() {
    let bench = Bench::start();
    let token = token(&["all:any"]);
    let large = "x".repeat(4 * 1024 * 1024 + 1);
    for path in [MESSAGES, "/api/3rdparty/v1/auth/token"] {
        let request = Request::post(path)
            .bearer(&token)
            .header("Content-Type", "application/json")
            .body(large.clone());
        let answer = bench.refused(&request, 413).await;
        assert_eq!(answer.message(), "Request Entity Too Large");
    }
    // Without a declared length, the limit is noticed on the way; the gateway never gets the whole.
    let mut connection = Connection::open(bench.at()).await;
    let head = format!(
        "POST {MESSAGES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    connection.write(head.as_bytes()).await;
    let chunk = format!("{:x}\r\n{}\r\n", 1024 * 1024, "x".repeat(1024 * 1024));
    for _ in 0..5 {
        connection.write(chunk.as_bytes()).await;
    }
    connection.write(b"0\r\n\r\n").await;
    let answer = connection.read_response(false).await.expect("answer");
    assert_eq!(answer.status, 413);
    assert_eq!(bench.upstream.count(), 0);
}

#[tokio::test]
async fn an_event_stream_is_passed_on_as_it_comes() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let first = b"1b\r\nevent: Ping\ndata: null\n\n:k\n\r\n".to_vec();
    let answer = Answer::Stall([head, first].concat());
    let bench = Bench::with(Upstream::answering(move |_| answer.clone()), |settings| settings);
    let mut connection = Connection::open(bench.at()).await;
    let request = Request::get("/api/mobile/v1/events").bearer("devicetoken");
    connection.write(&request.bytes(bench.at())).await;
    let (status, headers) = connection.read_head().await.expect("head");
    assert_eq!(status, 200);
    assert!(
        headers
            .iter()
            .any(|(name, value)| name == "content-type" && value == "text/event-stream")
    );
    let mut seen = Vec::new();
    while !String::from_utf8_lossy(&seen).contains("data: null") {
        let more = connection.read_some().await;
        assert!(!more.is_empty(), "the stream ended");
        seen.extend(more);
    }
}

#[tokio::test]
async fn a_gateway_that_is_away_is_a_502_said_once() {
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
        listener.local_addr().expect("address")
    };
    let gateward = Settings::new()
        .file("gateward.yaml", &format!("upstream: {{ url: 'http://{gone}' }}\n"))
        .with("GATEWARD__UPSTREAM__MINT__SECRET", MINT_SECRET)
        .with("GATEWARD__TOKENS__SECRET", TOKEN_SECRET)
        .run();
    let mut connection = Connection::open(gateward.public).await;
    for _ in 0..5 {
        let list = Request::get(MESSAGES).bearer(&token(&["messages:list"]));
        let answer = connection.send(&list).await;
        assert_eq!((answer.status, answer.message().as_str()), (502, "Bad Gateway"));
        assert!(!answer.text().contains("127.0.0.1"));
    }
    let errors = |line: &&serde_json::Value| {
        line["level"] == "ERROR" && line["message"].as_str().is_some_and(|m| m.contains("gateway"))
    };
    let answered = |line: &&serde_json::Value| line["status"] == 502;
    while gateward.process.records().iter().filter(answered).count() < 5 {
        pause();
    }
    let said = gateward.process.records();
    assert_eq!(said.iter().filter(errors).count(), 1, "once per outage: {said:?}");
    let metrics = Request::get("/metrics").send(gateward.admin).await.text();
    let counted = metrics
        .lines()
        .any(|line| line.starts_with("gateward_upstream") && line.ends_with(" 5"));
    assert!(counted, "{metrics}");
}

#[tokio::test]
async fn a_gateway_that_is_slow_is_a_504() {
    let bench = Bench::with(Upstream::answering(|_| Answer::Stall(Vec::new())), |settings| {
        settings.with("GATEWARD__UPSTREAM__TIMEOUTS__READ", "200ms")
    });
    // The client is not to blame, and keeps its connection.
    let mut connection = Connection::open(bench.at()).await;
    for asked in 1..=3 {
        let list = Request::get(MESSAGES).bearer(&token(&["messages:list"]));
        assert_eq!(connection.send(&list).await.status, 504);
        assert_eq!(bench.upstream.count(), asked, "not tried again");
    }
}

#[tokio::test]
async fn connections_to_the_gateway_are_reused() {
    let bench = Bench::start();
    for _ in 0..10 {
        assert_eq!(bench.list_with(&token(&["messages:list"])).await.status, 200);
    }
    let connections: std::collections::BTreeSet<usize> =
        bench.upstream.received().iter().map(|r| r.connection).collect();
    assert!(connections.len() <= 2, "{connections:?}");
}

#[tokio::test]
async fn compressed_answers_are_not_inflated() {
    let bomb = "\u{1f}fake-gzip".repeat(1000);
    let answer = Answer::with(
        200,
        &[("Content-Encoding", "gzip"), ("Content-Type", "application/json")],
        &bomb,
    );
    let bench = Bench::with(Upstream::answering(move |_| answer.clone()), |settings| settings);
    let got = bench.list_with(&token(&["messages:list"])).await;
    assert_eq!((got.header("content-encoding"), got.text()), (Some("gzip"), bomb));
}

#[tokio::test]
async fn an_idle_connection_is_given_up() {
    let bench = Bench::with(Upstream::start(), |settings| {
        settings.with("GATEWARD__TIMEOUTS__IDLE", "200ms")
    });
    let mut connection = Connection::open(bench.at()).await;
    assert_eq!(connection.send(&Request::get("/nope")).await.status, 404);
    let start = std::time::Instant::now();
    assert!(connection.is_closed_by_peer().await);
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[test]
fn a_connection_to_the_gateway_is_given_up_when_it_is_not_needed_for_long() {
    // 30 s unless it is said; SMSGate itself closes after 60.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let url = format!("http://{}", listener.local_addr().expect("address"));
    let gateway = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("request");
            head.extend(byte);
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            .expect("answer");
        let answered = Instant::now();
        assert_eq!(stream.read(&mut [0]).expect("the end"), 0, "and no other request");
        answered.elapsed()
    });
    let sidecar = Settings::new()
        .file("gateward.yaml", &format!("upstream: {{ url: '{url}', idle: 500ms }}\n"))
        .with("GATEWARD__UPSTREAM__MINT__SECRET", MINT_SECRET)
        .with("GATEWARD__TOKENS__SECRET", TOKEN_SECRET)
        .run();
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let list = Request::get(MESSAGES).bearer(&token(&["messages:list"]));
    assert_eq!(runtime.block_on(list.send(sidecar.public)).status, 200);
    let kept = gateway.join().expect("gateway").as_secs_f64();
    assert!((0.4..10.0).contains(&kept), "kept for {kept} s");
}
