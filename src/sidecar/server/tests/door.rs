#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use crate::testing::{Line, Sidecar, Toy, bearer, request};

const SEND: &str = "POST /api/3rdparty/v1/messages";

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_heads_are_refused_and_go_nowhere() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start(&toy).await;
    let bearer = bearer(&["all:any"]);
    let second = request("GET /health", &[]);
    let attempts = [
        request(SEND, &[&bearer, "Content-Length: 5", "Transfer-Encoding: chunked"]) + "0\r\n\r\n" + &second,
        request(SEND, &[&bearer, "transfer-ENCODING: chunked", "CONTENT-length: 5"]) + "0\r\n\r\n" + &second,
        request(SEND, &[&bearer, "Content-Length: 2", "Content-Length: 2"]) + "{}",
        request(SEND, &[&bearer, "Content-Length: 2, 2"]) + "{}",
        request(SEND, &[&bearer, "Content-Length: +2"]) + "{}",
        request(SEND, &[&bearer, "Transfer-Encoding: xchunked"]) + "0\r\n\r\n",
        request(SEND, &[&bearer, "Transfer-Encoding: chunked, identity"]) + "0\r\n\r\n",
        request(SEND, &[&bearer, "Transfer_Encoding: chunked", "Content-Length: 2"]) + "{}",
        request(SEND, &[&bearer, "X-A: b", " folded", "Content-Length: 2"]) + "{}",
        request(SEND, &[&bearer, "X-A: \u{e9}"]),
        request(SEND, &[&bearer, "X-A: a\rb"]),
        request(SEND, &[&bearer, "Host: other"]),
        format!("{SEND} HTTP/1.1\n{bearer}\nHost: a\n\n"),
        format!("{SEND} HTTP/1.1\r\n{bearer}\r\n\r\n"),
        format!("{SEND} HTTP/3.0\r\nHost: a\r\n\r\n"),
        format!("POST /api/3rdparty/v1/messages\u{1} HTTP/1.1\r\nHost: a\r\n{bearer}\r\n\r\n"),
        request("GET http://other/api/3rdparty/v1/messages", &[&bearer]),
    ];
    for attempt in attempts {
        let mut line = sidecar.connect().await;
        line.try_say(attempt.as_bytes()).await;
        let answer = line.hear().await;
        assert_eq!(answer.status, 400, "{attempt}");
        assert_eq!(answer.body, "{\"message\":\"Bad Request\"}", "{attempt}");
        assert_eq!(answer.one("connection"), "close", "{attempt}");
        assert!(line.is_closed().await, "{attempt}");
    }
    assert_eq!(toy.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_could_be_read_in_two_ways_are_refused_and_go_nowhere() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start(&toy).await;
    let second = request("GET /health", &[]);
    let bodies = [
        "\r\n\r\n",
        "0;a\nb\r\n\r\n",
        "2 \r\n{}\r\n0\r\n\r\n",
        "2\r\n{}\n0\r\n\r\n",
        "0\r\nGET / HTTP/1.1\r\n\r\n",
    ];
    for body in bodies {
        for (target, scope) in [
            (SEND, "messages:send"),
            ("POST /api/3rdparty/v1/auth/token", "tokens:manage"),
        ] {
            let head = request(target, &[&bearer(&[scope]), "Transfer-Encoding: chunked"]);
            let mut together = sidecar.connect().await;
            together.say(&(head.clone() + body + &second)).await;
            let mut later = sidecar.connect().await;
            later.say(&head).await;
            tokio::task::yield_now().await;
            later.try_say((body.to_owned() + &second).as_bytes()).await;
            for line in [&mut together, &mut later] {
                let answer = line.hear().await;
                assert_eq!(
                    (answer.status, answer.one("connection")),
                    (400, "close"),
                    "{target} {body:?}"
                );
                assert!(line.is_closed().await, "{target} {body:?}");
            }
        }
    }
    assert_eq!(toy.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_long_has_its_own_answer() {
    let sidecar = Sidecar::start(&Toy::good().await).await;
    let long = sidecar.ask(&request(&format!("GET /{}", "a".repeat(9000)), &[])).await;
    assert_eq!(long.status, 414);
    let big = sidecar
        .ask(&request("GET /health", &[&format!("X-A: {}", "a".repeat(16 * 1024))]))
        .await;
    assert_eq!(big.status, 431);
    assert_eq!(big.body, "{\"message\":\"Request Header Fields Too Large\"}");
    let fits = sidecar
        .ask(&request("GET /health", &[&format!("X-A: {}", "a".repeat(15 * 1024))]))
        .await;
    assert_eq!(fits.status, 200);
    let tunnel = sidecar.ask("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(tunnel.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_and_idle_connections_end() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start_with(&toy, "", |config| {
        config.timeouts.head = Duration::from_millis(200);
        config.timeouts.idle = Duration::from_millis(200);
    })
    .await;
    let mut slow = sidecar.connect().await;
    slow.say("GET /health HTTP/1.1\r\nHo").await;
    let answer = slow.hear().await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (408, "{\"message\":\"Request Timeout\"}")
    );
    assert!(slow.is_closed().await);
    let mut silent = sidecar.connect().await;
    assert!(silent.is_closed().await);
    let mut idle = sidecar.connect().await;
    idle.say(&request("GET /health", &[])).await;
    assert_eq!(idle.hear().await.status, 200);
    assert!(idle.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_may_come_in_pieces_and_after_an_empty_line() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start(&toy).await;
    let whole = format!("\r\n{}", request("GET /health", &["X-A: b"]));
    for cut in [1, 2, 3, 10, whole.len() - 3, whole.len() - 1] {
        let mut line = sidecar.connect().await;
        line.say(&whole[..cut]).await;
        tokio::task::yield_now().await;
        line.say(&whole[cut..]).await;
        assert_eq!(line.hear().await.status, 200, "cut at {cut}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_room_for_so_many_connections() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start_with(&toy, "", |config| config.limits.connections = 2).await;
    let mut first = sidecar.connect().await;
    let mut second = sidecar.connect().await;
    for line in [&mut first, &mut second] {
        line.say(&request("GET /health", &[])).await;
        assert_eq!(line.hear().await.status, 200);
    }
    let mut third = sidecar.connect().await;
    let answer = third.hear().await;
    assert_eq!((answer.status, answer.one("retry-after")), (503, "1"));
    assert!(third.is_closed().await);
    drop(first);
    second.say(&request("GET /health", &[])).await;
    assert_eq!(second.hear().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_without_tls_is_spoken_where_it_is_configured() {
    let toy = Toy::good().await;
    // The preface, and an empty SETTINGS frame (RFC 9113 §3.4, §6.5).
    let opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let with = Sidecar::start_with(&toy, "", |config| config.h2c = true).await;
    let mut line = with.connect().await;
    line.say_bytes(opening).await;
    let frame = line.hear_until("\x04").await;
    assert_eq!(frame.as_bytes().get(3), Some(&4), "a SETTINGS frame comes first");
    let mut line = with.connect().await;
    line.say(&request("GET /health", &[])).await;
    assert_eq!(line.hear().await.status, 200, "HTTP/1.1 is still spoken");
    let without = Sidecar::start(&toy).await;
    let mut line = without.connect().await;
    line.say_bytes(opening).await;
    assert_eq!(line.hear().await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_does_not_stick_to_a_connection() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start(&toy).await;
    let mut line: Line = sidecar.connect().await;
    line.say(&request(
        "GET /api/3rdparty/v1/settings",
        &[&bearer(&["settings:read"])],
    ))
    .await;
    assert_eq!(line.hear().await.status, 200);
    line.say(&request("GET /api/3rdparty/v1/settings", &[])).await;
    assert_eq!(line.hear().await.status, 401);
    line.say(&request(
        "GET /api/3rdparty/v1/settings",
        &[&bearer(&["settings:read"])],
    ))
    .await;
    assert_eq!(line.hear().await.status, 200);
    assert_eq!(toy.asked().len(), 2);
    let folder = sidecar.folder.path().join("data");
    assert!(folder.metadata().unwrap().is_dir());
}
