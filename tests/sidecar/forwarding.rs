//! What goes through, goes through whole: bodies, streams, limits, keep-alive, several gateways, TLS.

use std::process::Command;
use std::time::Duration;

use crate::bench::{Bench, MESSAGES, MINT_SECRET, TOKEN_SECRET, gateway, token};
use crate::support::http::{Connection, Request};
use crate::support::process::{Gateward, Settings, pause};
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

/// A sidecar that speaks TLS as `localhost`.
fn with_tls(upstream: &Upstream, settings: impl FnOnce(Settings) -> Settings) -> Gateward {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("certificate");
    let secured = Bench::settings(upstream)
        .file("cert.pem", &made.cert.pem())
        .file("key.pem", &made.signing_key.serialize_pem())
        .with("GATEWARD__TLS__CERT", "cert.pem")
        .with("GATEWARD__TLS__KEY", "key.pem");
    settings(secured).run()
}

/// `GET /messages` through TLS, with curl: status and version of HTTP.
fn list_through_tls(gateward: &Gateward, flag: &str) -> String {
    let port = gateward.public.port();
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "20", flag, "--cacert"])
        .arg(gateward.folder().join("cert.pem"))
        .args(["--resolve", &format!("localhost:{port}:127.0.0.1")])
        .args([
            "--header",
            &format!("Authorization: Bearer {}", token(&["messages:list"])),
        ])
        .args(["--write-out", "%{http_code} %{http_version}", "--output", "/dev/null"])
        .arg(format!("https://localhost:{port}{MESSAGES}"))
        .output()
        .expect("curl");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn tls_is_spoken_with_http_1_and_2() {
    let upstream = Upstream::answering(gateway);
    let gateward = with_tls(&upstream, |settings| settings);
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        assert_eq!(list_through_tls(&gateward, flag), format!("200 {version}"));
        assert_eq!(upstream.last().header("x-forwarded-proto"), Some("https"));
    }
}

#[tokio::test]
async fn connections_that_never_begin_tls_are_counted_and_given_up() {
    let upstream = Upstream::answering(gateway);
    let limits = |settings: Settings| {
        settings
            .with("GATEWARD__LIMITS__CONNECTIONS", "3")
            .with("GATEWARD__TIMEOUTS__HEAD", "1s")
    };
    let gateward = with_tls(&upstream, limits);
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(Connection::open(gateward.public).await);
    }
    let start = std::time::Instant::now();
    loop {
        let metrics = Request::get("/metrics").send(gateward.admin).await.text();
        if metrics.lines().any(|line| line == "gateward_connections 3") {
            break;
        }
        // Longer than the head may take, nobody is counted any more.
        assert!(start.elapsed() < Duration::from_secs(1), "{metrics}");
    }
    for connection in &mut silent {
        assert!(connection.is_closed_by_peer().await);
    }
    assert!(start.elapsed() < Duration::from_secs(15));
    assert_eq!(list_through_tls(&gateward, "--http2"), "200 2", "there is room again");
    // What is no TLS at all gets no answer, and is no news.
    let mut plain = Connection::open(gateward.public).await;
    plain.write(&Request::get("/health").bytes(gateward.public)).await;
    while !plain.read_some().await.is_empty() {}
    assert!(
        gateward
            .process
            .records()
            .iter()
            .all(|record| record["level"] != "ERROR")
    );
}

#[tokio::test]
async fn credentials_in_http_2_are_counted_too() {
    let upstream = Upstream::answering(gateway);
    let gateward = Bench::settings(&upstream).with("GATEWARD__H2C", "true").run();
    let url = format!("http://{}{MESSAGES}", gateward.public);
    let ask = |credentials: &[String]| {
        let mut command = Command::new("curl");
        command.args([
            "--silent",
            "--max-time",
            "20",
            "--http2-prior-knowledge",
            "--output",
            "/dev/null",
        ]);
        for credential in credentials {
            command.args(["--header", credential]);
        }
        let output = command
            .args(["--write-out", "%{http_code}"])
            .arg(&url)
            .output()
            .expect("curl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let good = format!("Authorization: Bearer {}", token(&["messages:list"]));
    assert_eq!(ask(std::slice::from_ref(&good)), "200");
    assert_eq!(ask(&[good, "authorization: Bearer x".to_owned()]), "400");
    assert_eq!(ask(&[]), "401");
}

#[tokio::test]
async fn a_refusal_in_http_2_arrives_however_much_the_client_still_sends() {
    let upstream = Upstream::answering(gateway);
    let gateward = Bench::settings(&upstream).with("GATEWARD__H2C", "true").run();
    let folder = gateward.folder();
    let good = token(&["messages:send"]);
    for (bytes, credential, length, wanted) in [
        (10, "bad", None, "401"),
        (200_000, "bad", None, "401"),
        (5 * 1024 * 1024, good.as_str(), None, "413"),
        (5 * 1024 * 1024, good.as_str(), Some("Content-Length:"), "413"),
    ] {
        std::fs::write(folder.join("body"), "x".repeat(bytes)).expect("write");
        for _ in 0..5 {
            let mut command = Command::new("curl");
            command.args([
                "--silent",
                "--max-time",
                "20",
                "--http2-prior-knowledge",
                "--output",
                "/dev/null",
            ]);
            command.args(["--header", &format!("Authorization: Bearer {credential}")]);
            command.args(length.into_iter().flat_map(|length| ["--header", length]));
            command.args(["--data-binary", "@body", "--write-out", "%{http_code}"]);
            command
                .arg(format!("http://{}{MESSAGES}", gateward.public))
                .current_dir(folder);
            let output = command.output().expect("curl");
            assert_eq!(String::from_utf8_lossy(&output.stdout), wanted, "{bytes} bytes");
        }
    }
    assert_eq!(upstream.count(), 0);
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
