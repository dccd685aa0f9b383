//! Answers of the gateway that are odd, early or broken, and what the client gets of them.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::bench::{Bench, MESSAGES, TOKEN, token};
use crate::support::http::{Connection, Request};
use crate::support::process::pause;
use crate::support::upstream::{Answer, Upstream};

/// A sidecar before a gateway that answers everything with these bytes and goes on.
fn saying(bytes: &str) -> Bench {
    answering(Answer::Bytes(bytes.as_bytes().to_vec()))
}

/// A sidecar before a gateway that says this and hangs up.
fn ending_with(bytes: &str) -> Bench {
    answering(Answer::Last(bytes.as_bytes().to_vec()))
}

fn answering(answer: Answer) -> Bench {
    Bench::with(Upstream::answering(move |_| answer.clone()), |settings| settings)
}

fn list() -> Request {
    Request::get(MESSAGES).bearer(&token(&["messages:list"]))
}

#[tokio::test]
async fn a_204_has_no_length_and_no_body() {
    for odd in [
        "Content-Length: 5\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "\r\n",
    ] {
        let bench = saying(&format!("HTTP/1.1 204 No Content\r\n{odd}"));
        let mut connection = Connection::open(bench.at()).await;
        for _ in 0..2 {
            let answer = connection.send(&list()).await;
            assert_eq!(answer.status, 204, "{odd:?}");
            assert_eq!(
                (answer.header("content-length"), answer.header("transfer-encoding")),
                (None, None),
                "{odd:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_protocol_that_nobody_asked_for_is_not_switched_to() {
    let bench = saying("HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\nraw bytes");
    for request in [list(), list().header("Upgrade", "foo").header("Connection", "upgrade")] {
        let answer = bench.send(&request).await;
        assert_eq!((answer.status, answer.message().as_str()), (502, "Bad Gateway"));
    }
}

#[tokio::test]
async fn the_version_of_the_gateway_is_its_own_business() {
    let bench = ending_with("HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n{}");
    let mut connection = Connection::open(bench.at()).await;
    connection.write(&list().bytes(bench.at())).await;
    let answer = connection.read_some().await;
    assert!(
        answer.starts_with(b"HTTP/1.1 200 OK\r\n"),
        "{:?}",
        String::from_utf8_lossy(&answer)
    );
}

#[tokio::test]
async fn an_old_client_gets_an_answer_without_chunks_and_no_promise() {
    let bench = saying("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n");
    let mut connection = Connection::open(bench.at()).await;
    let auth = format!("Authorization: Bearer {}", token(&["messages:list"]));
    connection
        .write(format!("GET {MESSAGES} HTTP/1.0\r\nConnection: keep-alive\r\n{auth}\r\n\r\n").as_bytes())
        .await;
    let answer = connection.read_response(false).await.expect("answer");
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    assert_eq!(
        (answer.header("transfer-encoding"), answer.header("connection")),
        (None, Some("close"))
    );
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_not_made_to_look_whole() {
    for (half, body) in [
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nabc", "3\r\nabc\r\n"),
        ("Content-Length: 5\r\n\r\nabc", "abc"),
    ] {
        let bench = ending_with(&format!("HTTP/1.1 200 OK\r\n{half}"));
        let mut connection = Connection::open(bench.at()).await;
        connection.write(&list().bytes(bench.at())).await;
        assert_eq!(ending(&mut connection).await, (200, body.to_owned()));
    }
}

#[tokio::test]
async fn the_beginning_of_an_answer_that_breaks_off_later_is_not_lost() {
    for (half, body) in [
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nabc", "3\r\nabc\r\n"),
        ("Transfer-Encoding: chunked\r\n\r\n", ""),
        ("Content-Length: 5\r\n\r\nabc", "abc"),
        ("Content-Length: 5\r\n\r\n", ""),
    ] {
        let tear = Arc::new(Notify::new());
        let half = format!("HTTP/1.1 200 OK\r\n{half}").into_bytes();
        let answers = [Answer::Hangup, Answer::Torn(half, Arc::clone(&tear))];
        let bench = Bench::with(Upstream::scripted(answers), |settings| settings);
        assert_eq!(bench.send(&list()).await.status, 502);
        let mut connection = Connection::open(bench.at()).await;
        connection.write(&list().bytes(bench.at())).await;
        // It counts as reachable again as soon as the sidecar has taken the head of its answer.
        let reachable = async || {
            let status = Request::get("/status").send(bench.gateward.admin).await.json();
            status["upstream"][0]["reachable"] == true
        };
        while !reachable().await {
            pause();
        }
        tear.notify_one();
        assert_eq!(ending(&mut connection).await, (200, body.to_owned()));
    }
}

/// The status of an answer, and what follows its head until the connection ends, chunk framing included.
async fn ending(connection: &mut Connection) -> (u16, String) {
    let (status, _) = connection.read_head().await.expect("head");
    let mut rest = Vec::new();
    loop {
        let more = connection.read_some().await;
        if more.is_empty() {
            return (status, String::from_utf8(rest).expect("text"));
        }
        rest.extend(more);
    }
}

#[tokio::test]
async fn what_is_no_answer_is_a_502() {
    for odd in [
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 5\r\n\r\n{}abc",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    ] {
        let answer = saying(odd).send(&list()).await;
        assert_eq!(
            (answer.status, answer.message().as_str()),
            (502, "Bad Gateway"),
            "{odd:?}"
        );
    }
}

#[tokio::test]
async fn a_second_answer_that_nobody_asked_for_poisons_nothing() {
    let bench =
        saying("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
    let mut connection = Connection::open(bench.at()).await;
    for _ in 0..5 {
        assert_eq!(connection.send(&list()).await.text(), "{}");
    }
}

#[tokio::test]
async fn answers_of_our_own_have_the_references_form() {
    let bench = Bench::start();
    let good = token(&["tokens:manage"]);
    let (json, text) = ("application/json", "text/plain; charset=utf-8");
    let unauthorized = r#"{"message":"Unauthorized"}"#;
    let cases = [
        (Request::get(MESSAGES), 401, json, unauthorized, true),
        (Request::get("/3rdparty/v1/nope"), 401, json, unauthorized, true),
        (
            Request::get(MESSAGES).bearer(&good),
            403,
            json,
            r#"{"message":"scope required: messages:list"}"#,
            true,
        ),
        (
            Request::get("/api/3rdparty/v1/nope").bearer(&good),
            404,
            text,
            "Not Found",
            true,
        ),
        (Request::get("/nope"), 404, text, "Not Found", false),
        (Request::get("/api/mobile/v1/nope"), 404, text, "Not Found", false),
        (
            Request::new("PROPFIND", MESSAGES),
            400,
            text,
            "Invalid http method",
            false,
        ),
        (Request::get("/a//b"), 400, json, r#"{"message":"Bad Request"}"#, false),
        (
            Request::post(TOKEN).bearer(&good),
            400,
            json,
            r#"{"message":"failed to parse body: Unprocessable Entity"}"#,
            true,
        ),
        (
            Request::new("DELETE", &format!("{TOKEN}/x")).bearer(&good),
            204,
            "",
            "",
            true,
        ),
    ];
    for (request, status, kind, body, link) in cases {
        let answer = bench.send(&request).await;
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "{request:?}");
        let kind = Some(kind).filter(|kind| !kind.is_empty());
        assert_eq!(answer.header("content-type"), kind, "{request:?}");
        let length = kind.map(|_| body.len().to_string());
        assert_eq!(answer.header("content-length"), length.as_deref(), "{request:?}");
        let catalog = link.then_some(r#"</.well-known/api-catalog>; rel="api-catalog""#);
        assert_eq!(answer.header("link"), catalog, "{request:?}");
        assert_eq!(answer.all("date").len(), 1, "{request:?}");
        assert_eq!(answer.all("x-request-id").len(), 1, "{request:?}");
        assert_eq!(answer.header("server"), None, "{request:?}");
        assert_eq!(
            answer.all("www-authenticate").is_empty(),
            ![401, 403].contains(&status),
            "{request:?}"
        );
    }
    assert_eq!(bench.upstream.count(), 0);
}

#[tokio::test]
async fn who_asks_for_problem_details_gets_them() {
    let bench = Bench::start();
    let request = Request::get(MESSAGES).header("Accept", "application/problem+json");
    let answer = bench.send(&request.header("X-Request-ID", "problem-1")).await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (401, Some("application/problem+json"))
    );
    let problem = answer.json();
    assert_eq!(
        (&problem["status"], &problem["message"]),
        (&401.into(), &"Unauthorized".into())
    );
    assert!(
        problem["instance"]
            .as_str()
            .is_some_and(|instance| instance.contains("problem-1"))
    );
    assert!(!answer.all("www-authenticate").is_empty());
}
