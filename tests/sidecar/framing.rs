//! Requests that two parsers could read differently (attacks 45, 63, 67, 68, 70 to 72).

use std::time::Duration;

use serde_json::json;

use crate::bench::{Bench, MESSAGES, PASSWORD, TOKEN, USER, gateway, token};
use crate::support::http::{Connection, Request};
use crate::support::upstream::{Answer, Upstream};

/// Sends raw bytes; they must be refused with that status, the connection closed, and nothing forwarded.
async fn refused(bench: &Bench, raw: &[u8], status: u16) {
    let before = bench.upstream.count();
    let mut connection = Connection::open(bench.at()).await;
    connection.write(raw).await;
    let shown = String::from_utf8_lossy(raw).chars().take(200).collect::<String>();
    let answer = connection
        .read_response(false)
        .await
        .unwrap_or_else(|| panic!("no answer to {shown:?}"));
    assert_eq!(answer.status, status, "{shown:?}: {}", answer.text());
    assert!(answer.header("x-request-id").is_some(), "{shown:?}: not our answer");
    assert!(connection.is_closed_by_peer().await, "{shown:?}: still open");
    assert_eq!(bench.upstream.count(), before, "{shown:?} was forwarded");
}

fn post(token: &str, fields: &str, body: &str) -> Vec<u8> {
    format!("POST {MESSAGES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n{fields}\r\n{body}")
        .into_bytes()
}

#[tokio::test]
async fn ambiguous_framing_is_refused_and_the_connection_closed() {
    let bench = Bench::start();
    let token = token(&["all:any"]);
    for fields in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n",
        "content-length: 2\r\ntransfer-encoding: chunked\r\n",
        "CONTENT-LENGTH: 2\r\nTRANSFER-ENCODING: CHUNKED\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2, 2\r\n",
        "Content-Length: +2\r\n",
        "Content-Length: -2\r\n",
        "Content-Length: 0x2\r\n",
        "Content-Length: 2 2\r\n",
        "Content-Length:\r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding:\x0bchunked\r\n",
        "X: a\r\n b\r\nContent-Length: 2\r\n",
        "Content-Length: 2\nX: y\r\n",
        "X: a\rb\r\nContent-Length: 2\r\n",
        "X: a\x00b\r\nContent-Length: 2\r\n",
        "X : a\r\nContent-Length: 2\r\n",
        ": a\r\nContent-Length: 2\r\n",
        "Host: y\r\nContent-Length: 2\r\n",
        "no colon\r\nContent-Length: 2\r\n",
    ] {
        refused(&bench, &post(&token, fields, "{}"), 400).await;
    }
    let mut obs_text = post(&token, "X: caf", "");
    obs_text.extend(b"\xe9\r\nContent-Length: 2\r\n\r\n{}");
    refused(&bench, &obs_text, 400).await;
}

#[tokio::test]
async fn ambiguous_chunks_are_refused_and_the_connection_closed() {
    let bench = Bench::start();
    let token = token(&["all:any"]);
    let second = String::from_utf8_lossy(&post(&token, "Content-Length: 2\r\n", "{}")).into_owned();
    for body in [
        "\r\n\r\n",
        "0\n\n",
        "0;a\n0\r\n\r\n",
        "0 \r\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
        "1\r\n{}\r\n0\r\n\r\n",
        "0x2\r\n{}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{}",
        "2\r\n{}\r\n0\r\nGET / HTTP/1.1\r\n\r\n",
        "2\r\n{}\r\n0\r\nX: a\r\n b\r\n\r\n",
    ] {
        let raw = post(&token, "Transfer-Encoding: chunked\r\n", &(body.to_owned() + &second));
        refused(&bench, &raw, 400).await;
    }
}

#[tokio::test]
async fn malformed_request_lines_are_refused() {
    let bench = Bench::start();
    let auth = format!("Authorization: Bearer {}\r\n", token(&["all:any"]));
    for line in [
        format!("GET {MESSAGES}\x01 HTTP/1.1\r\nHost: x\r\n"),
        format!("GET {MESSAGES}/\u{e9} HTTP/1.1\r\nHost: x\r\n"),
        format!("GET {MESSAGES}/<b> HTTP/1.1\r\nHost: x\r\n"),
        format!("GET {MESSAGES}?a=\"b\" HTTP/1.1\r\nHost: x\r\n"),
        format!("GET {MESSAGES} HTTP/1.1 \r\nHost: x\r\n"),
        format!("GET  {MESSAGES} HTTP/1.1\r\nHost: x\r\n"),
        format!("GET\t{MESSAGES} HTTP/1.1\r\nHost: x\r\n"),
        format!("GET {MESSAGES} HTTP/3.0\r\nHost: x\r\n"),
        format!("GET {MESSAGES} http/1.1\r\nHost: x\r\n"),
        format!("GET {MESSAGES} HTTP/1.1\nHost: x\r\n"),
        format!("GET {MESSAGES} HTTP/1.1\r\n"),
        format!("G@T {MESSAGES} HTTP/1.1\r\nHost: x\r\n"),
        "GET HTTP/1.1\r\nHost: x\r\n".to_owned(),
    ] {
        refused(&bench, format!("{line}{auth}\r\n").as_bytes(), 400).await;
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let bench = Bench::start();
    let fields: String = (0..2_000)
        .map(|number| format!("X-{number}: {}\r\n", "v".repeat(40)))
        .collect();
    refused(&bench, &post(&token(&["all:any"]), &fields, ""), 431).await;
    let fitting = Request::get(MESSAGES)
        .bearer(&token(&["messages:list"]))
        .header("X-Padding", &"p".repeat(12 * 1024));
    assert_eq!(bench.send(&fitting).await.status, 200, "up to 16 KiB are accepted");
}

#[tokio::test]
async fn a_second_request_behind_an_upgrade_is_our_business() {
    let bench = Bench::start();
    let mut connection = Connection::open(bench.at()).await;
    let list = token(&["messages:list"]);
    let first = format!(
        "GET {MESSAGES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {list}\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n"
    );
    let second = "DELETE /api/3rdparty/v1/messages/1 HTTP/1.1\r\nHost: x\r\n\r\n";
    connection.write(format!("{first}{second}").as_bytes()).await;
    let answer = connection.read_response(false).await.expect("answer");
    assert_eq!(answer.status, 200);
    assert_eq!(
        connection.read_response(false).await.expect("answer").status,
        401,
        "a request like any other"
    );
    let received = bench.upstream.received();
    assert_eq!(received.len(), 1, "{received:?}");
    assert_eq!((received[0].header("upgrade"), received[0].body.len()), (None, 0));
}

/// A gateway that takes its time, so that clients can do something meanwhile.
fn slow() -> Bench {
    let upstream = Upstream::answering(|received| {
        std::thread::park_timeout(Duration::from_millis(200));
        gateway(received)
    });
    Bench::with(upstream, |settings| settings)
}

#[tokio::test]
async fn requests_that_are_sent_at_once_are_answered_one_after_the_other() {
    let bench = Bench::start();
    let (list, send) = (token(&["messages:list"]), token(&["messages:send"]));
    let get = Request::get(MESSAGES).bearer(&list).bytes(bench.at());
    let write = Request::post(MESSAGES)
        .bearer(&send)
        .json(&json!({ "a": "b".repeat(3000) }))
        .bytes(bench.at());
    let chunks = "1\r\n{\r\n1;e=x\r\n}\r\n0\r\nX-Trailer: a\r\n\r\n";
    let chunked = post(&send, "Transfer-Encoding: chunked\r\n", chunks);
    let refused = post("bad", "Transfer-Encoding: chunked\r\n", chunks);
    let nobody = Request::get(MESSAGES).bytes(bench.at());
    let smuggling = post(&send, "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "{}");
    let mut connection = Connection::open(bench.at()).await;
    let first = [&get, &write, &nobody, &get, &chunked, &get];
    let second = [&refused, &chunked, &write, &get, &smuggling, &get];
    let all = [first, second].concat().into_iter().map(Vec::as_slice);
    connection.write(&all.collect::<Vec<_>>().concat()).await;
    for status in [200, 200, 401, 200, 200, 200, 401, 200, 200, 200, 400] {
        assert_eq!(connection.read_response(false).await.expect("answer").status, status);
    }
    assert!(connection.is_closed_by_peer().await);
    let lines: Vec<String> = bench
        .upstream
        .received()
        .into_iter()
        .map(|received| received.line)
        .collect();
    let (get, post) = (format!("GET {MESSAGES} HTTP/1.1"), format!("POST {MESSAGES} HTTP/1.1"));
    let forwarded = [&get, &post, &get, &post, &get, &post, &post, &get];
    assert_eq!(lines, forwarded.map(String::as_str));
}

#[tokio::test]
async fn what_comes_too_early_costs_nobody_an_answer() {
    let bench = slow();
    let mut connection = Connection::open(bench.at()).await;
    connection
        .write(
            &Request::post(MESSAGES)
                .bearer(&token(&["messages:send"]))
                .json(&json!({}))
                .bytes(bench.at()),
        )
        .await;
    while bench.upstream.count() == 0 {
        crate::support::process::pause();
    }
    // An old client's line end behind the body, and the next request.
    connection.write(b"\r\n").await;
    connection
        .write(
            &Request::get(MESSAGES)
                .bearer(&token(&["messages:list"]))
                .bytes(bench.at()),
        )
        .await;
    for _ in 0..2 {
        assert_eq!(connection.read_response(false).await.expect("answer").status, 200);
    }
}

#[tokio::test]
async fn a_client_that_has_said_everything_gets_its_answer() {
    let bench = slow();
    let good = token(&["messages:list", "messages:send"]);
    for request in [
        Request::get(MESSAGES).bearer(&good),
        Request::post(MESSAGES).bearer(&good).json(&json!({})),
        Request::get(MESSAGES),
    ] {
        let mut connection = Connection::open(bench.at()).await;
        connection.write(&request.bytes(bench.at())).await;
        connection.say_no_more().await;
        let answer = connection.read_response(false).await.expect("answer");
        assert!([200, 401].contains(&answer.status), "{}", answer.status);
        assert!(connection.is_closed_by_peer().await);
    }
    assert_eq!(bench.upstream.count(), 2);
}

#[tokio::test]
async fn a_body_that_never_comes_whole_is_no_request() {
    let bench = Bench::start();
    let mut connection = Connection::open(bench.at()).await;
    connection
        .write(&post(&token(&["messages:send"]), "Content-Length: 10\r\n", "{}"))
        .await;
    connection.say_no_more().await;
    assert!(
        connection
            .read_response(false)
            .await
            .is_none_or(|answer| answer.status == 400)
    );
    assert_eq!(bench.upstream.count(), 0, "the gateway got all of it");
}

#[tokio::test]
async fn an_identity_never_sticks_to_a_connection() {
    let bench = Bench::start();
    let mut connection = Connection::open(bench.at()).await;
    let good = Request::get(MESSAGES).bearer(&token(&["messages:list"]));
    assert_eq!(connection.send(&good).await.status, 200);
    assert_eq!(connection.send(&Request::get(MESSAGES)).await.status, 401);
    assert_eq!(connection.send(&good).await.status, 200);
}

#[tokio::test]
async fn a_refusal_keeps_the_connection() {
    let bench = Bench::start();
    let mut connection = Connection::open(bench.at()).await;
    for _ in 0..3 {
        assert_eq!(connection.send(&Request::get(MESSAGES)).await.status, 401);
        let small = Request::post(MESSAGES)
            .bearer("bad")
            .json(&json!({ "a": "b".repeat(1000) }));
        assert_eq!(connection.send(&small).await.status, 401);
        assert_eq!(connection.send(&Request::get("/nope")).await.status, 404);
    }
    assert_eq!(
        connection
            .send(&Request::get(MESSAGES).bearer(&token(&["messages:list"])))
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn a_bad_credential_is_refused_without_reading_the_body() {
    let bench = Bench::start();
    let mut connection = Connection::open(bench.at()).await;
    let head = format!(
        "POST {MESSAGES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer bad\r\nExpect: 100-continue\r\nContent-Length: 1073741824\r\n\r\n"
    );
    connection.write(head.as_bytes()).await;
    let (status, _) = connection.read_head().await.expect("answer");
    assert_eq!(status, 401, "the final answer, not 100");
    let mut rest = Vec::new();
    loop {
        let more = connection.read_some().await;
        if more.is_empty() {
            break;
        }
        rest.extend(more);
    }
    assert_eq!(bench.upstream.count(), 0);
}

#[tokio::test]
async fn expect_continue_works_for_those_who_may_and_keeps_the_connection() {
    let bench = Bench::start();
    let mut connection = Connection::open(bench.at()).await;
    let token = token(&["messages:send", "tokens:manage"]);
    for (path, body, wanted) in [
        (MESSAGES, "{}", 200),
        (TOKEN, r#"{"scopes":["messages:send"]}"#, 201),
        (MESSAGES, "[]", 200),
    ] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        connection.write(head.as_bytes()).await;
        let (status, _) = connection.read_head().await.expect("answer");
        assert_eq!(status, 100);
        connection.write(body.as_bytes()).await;
        let answer = connection.read_response(false).await.expect("answer");
        assert_eq!(
            (answer.status, answer.header("connection")),
            (wanted, Some("keep-alive"))
        );
    }
    let bodies: Vec<_> = bench
        .upstream
        .received()
        .into_iter()
        .map(|received| received.body)
        .collect();
    assert_eq!(bodies, [b"{}", b"[]"]);
}

#[tokio::test]
async fn a_message_is_never_sent_twice() {
    // 72: the gateway drops a reused connection after it has received the request
    let upstream = Upstream::answering(|received| match received.line.starts_with("POST") {
        true => Answer::Hangup,
        false => gateway(received),
    });
    let bench = Bench::with(upstream, |settings| settings);
    let mut connection = Connection::open(bench.at()).await;
    for _ in 0..5 {
        assert_eq!(
            connection
                .send(&Request::get(MESSAGES).bearer(&token(&["messages:list"])))
                .await
                .status,
            200
        );
        let before = bench.upstream.count();
        let send = Request::post(MESSAGES)
            .bearer(&token(&["messages:send"]))
            .json(&json!({}));
        let answer = Connection::open(bench.at()).await.send(&send).await;
        assert_eq!(answer.status, 502, "{}", answer.text());
        assert!(bench.upstream.count() - before <= 1, "sent more than once");
    }
}

#[tokio::test]
async fn a_slow_head_is_given_up() {
    let bench = Bench::with(Upstream::start(), |settings| {
        settings.with("GATEWARD__TIMEOUTS__HEAD", "300ms")
    });
    let mut connection = Connection::open(bench.at()).await;
    connection.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    let start = std::time::Instant::now();
    let answer = connection.read_response(false).await;
    assert!(answer.is_none_or(|answer| answer.status == 408));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_slow_body_is_given_up() {
    let bench = Bench::with(Upstream::start(), |settings| {
        settings.with("GATEWARD__TIMEOUTS__BODY", "300ms")
    });
    let token = token(&["messages:send", "tokens:manage"]);
    for path in [MESSAGES, TOKEN] {
        let mut connection = Connection::open(bench.at()).await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: 10\r\n\r\n{{"
        );
        connection.write(head.as_bytes()).await;
        let answer = connection.read_response(false).await.expect("answer");
        assert_eq!((answer.status, answer.message().as_str()), (408, "Request Timeout"));
        assert!(connection.is_closed_by_peer().await);
    }
    assert_eq!(bench.upstream.count(), 0, "the gateway got a whole request");
}

#[tokio::test]
async fn a_login_that_takes_long_is_no_slow_body() {
    let slow = Upstream::answering(|received| {
        if received
            .header("authorization")
            .is_some_and(|value| value.starts_with("Basic "))
        {
            // Longer than a body may take.
            std::thread::park_timeout(Duration::from_millis(700));
        }
        gateway(received)
    });
    let bench = Bench::with(slow, |settings| settings.with("GATEWARD__TIMEOUTS__BODY", "300ms"));
    let request = Request::post(MESSAGES).basic(USER, PASSWORD).json(&json!({}));
    let answer = bench.send(&request).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn header_fields_may_have_16_kib_whatever_the_target_has() {
    let bench = Bench::start();
    let token = token(&["messages:list"]);
    for (excess, status) in [(0, 200), (1, 431)] {
        let mut fields = format!("Host: x\r\nAuthorization: Bearer {token}\r\nX-Pad: ");
        fields.push_str(&"a".repeat((16 << 10) - fields.len() - 2 + excess));
        for query in ["", "?from=2024-01-01T00:00:00Z"] {
            let mut connection = Connection::open(bench.at()).await;
            let head = format!("GET {MESSAGES}{query} HTTP/1.1\r\n{fields}\r\n\r\n");
            connection.write(head.as_bytes()).await;
            let answer = connection.read_response(false).await.expect("answer");
            assert_eq!(answer.status, status, "{excess} too many, {query:?}");
        }
    }
}

#[tokio::test]
async fn a_gateway_that_waits_for_a_body_is_not_blamed() {
    let bench = Bench::with(Upstream::start(), |settings| {
        settings.with("GATEWARD__UPSTREAM__TIMEOUTS__READ", "200ms")
    });
    let mut connection = Connection::open(bench.at()).await;
    connection
        .write(&post(&token(&["messages:send"]), "Content-Length: 10\r\n", "{"))
        .await;
    let answer = connection.read_response(false).await.expect("answer");
    assert_eq!(answer.status, 408, "{}", answer.text());
    let metrics = Request::get("/metrics").send(bench.gateward.admin).await.text();
    assert!(!metrics.contains("gateward_upstream_failures_total{"), "{metrics}");
}

#[tokio::test]
async fn too_many_connections_harm_nobody_who_is_there() {
    let bench = Bench::with(Upstream::start(), |settings| {
        settings.with("GATEWARD__LIMITS__CONNECTIONS", "20")
    });
    let mut first = Connection::open(bench.at()).await;
    let good = Request::get(MESSAGES).bearer(&token(&["messages:list"]));
    assert_eq!(first.send(&good).await.status, 200);
    let mut idle = Vec::new();
    for _ in 0..60 {
        idle.push(Connection::open(bench.at()).await);
    }
    assert_eq!(first.send(&good).await.status, 200);
    drop(idle);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    loop {
        let mut connection = Connection::open(bench.at()).await;
        connection.write(&good.bytes(bench.at())).await;
        if connection
            .read_response(false)
            .await
            .is_some_and(|answer| answer.status == 200)
        {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "room never comes back");
    }
}
