//! Paths and methods that try to be something else (attacks 45 to 58).

use crate::bench::{Bench, MESSAGES, token};
use crate::support::http::Request;

#[tokio::test]
async fn ambiguous_paths_are_refused_before_anything_else() {
    let bench = Bench::start();
    let everything = token(&["all:any"]);
    for path in [
        "//3rdparty/v1/messages",
        "/api//3rdparty/v1/messages",
        "/api/3rdparty//v1/messages",
        "/api/3rdparty/v1/messages//",
        "/health/../api/3rdparty/v1/messages",
        "/api/./3rdparty/v1/messages",
        "/api/3rdparty/v1/messages/..",
        "/api/3rdparty/v1/messages/.",
        "/api/%2e%2e/api/3rdparty/v1/messages",
        "/api/.%2e/3rdparty/v1/messages",
        "/api/3rdparty/v1/messages/%2E",
        "/api/3rdparty/v1/messages/%252e%252e",
        "/api/3rdparty/v1/messages/a%2fb",
        "/api/3rdparty/v1/messages/a%5Cb",
        "/api/3rdparty/v1/messages/a\\b",
        "/api/3rdparty/v1/messages/a%252fb",
        "/api/3rdparty/v1/messages/a%255cb",
        "/api/3rdparty/v1/messages/%00",
        "/api/3rdparty/v1/messages/a%0d%0aX-Evil:%201",
        "/api/3rdparty/v1/messages/%7f",
        "/api/3rdparty/v1/messages/%zz",
        "/api/3rdparty/v1/messages/%",
        "/api/3rdparty/v1/messages/%4",
        "/api/3rdparty/v1/messages/\u{e9}",
        "/api/3rdparty/v1/messages/a;b=c",
        "/api/3rdparty/v1/messages/%ff",
        "/api/mobile/v1/message/../../3rdparty/v1/messages",
        "/api/3rdparty/v1/messages#frag",
        "/health#/../api/3rdparty/v1/messages",
    ] {
        let answer = bench.refused(&Request::get(path).bearer(&everything), 400).await;
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        assert!(!answer.message().is_empty(), "{path}");
        let begins = ["/api/3rdparty/v1/", "/3rdparty/v1/"]
            .iter()
            .any(|prefix| path.starts_with(prefix));
        // A fragment or a byte that is no part of a target is refused before anybody looks for a path.
        if !path.contains('#') && path.is_ascii() {
            assert_eq!(answer.header("link").is_some(), begins, "{path}");
        }
    }
}

#[tokio::test]
async fn spellings_that_the_gateway_takes_need_the_same_scope() {
    let bench = Bench::start();
    let list = token(&["messages:list"]);
    let nothing = token(&["devices:list"]);
    // 50, 53: trailing slash, case, aliases, both prefixes
    for path in [
        "/api/3rdparty/v1/messages/",
        "/API/3rdParty/V1/Messages",
        "/api/3rdparty/v1/message",
        "/3rdparty/v1/messages",
        "/api/3rdparty/v1/m%65ssages",
    ] {
        assert_eq!(
            bench.send(&Request::get(path).bearer(&list)).await.status,
            200,
            "{path}"
        );
        let line = bench.upstream.last().line;
        assert!(
            line == "GET /api/3rdparty/v1/messages HTTP/1.1" || line == "GET /api/3rdparty/v1/message HTTP/1.1",
            "{line}"
        );
        bench.refused(&Request::get(path).bearer(&nothing), 403).await;
    }
    // 54: HEAD is GET
    let head = bench.send(&Request::new("HEAD", MESSAGES).bearer(&list)).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    bench
        .refused(&Request::new("HEAD", MESSAGES).bearer(&nothing), 403)
        .await;
}

#[tokio::test]
async fn the_query_never_takes_part_in_the_decision() {
    let bench = Bench::start();
    let list = token(&["messages:list"]);
    let path = format!("{MESSAGES}?x=/../health&y=%2e%2e");
    assert_eq!(bench.send(&Request::get(&path).bearer(&list)).await.status, 200);
    assert_eq!(
        bench.upstream.last().line,
        format!("GET {path} HTTP/1.1"),
        "and is forwarded as it came"
    );
    // 51: encoded, it is data of a name, and stays encoded
    let read = token(&["messages:read"]);
    bench
        .refused(&Request::get(&format!("{MESSAGES}%3Fx")).bearer(&list), 404)
        .await;
    let path = format!("{MESSAGES}/a%3Fb%23c%20%C3%A9");
    assert_eq!(bench.send(&Request::get(&path).bearer(&read)).await.status, 200);
    assert_eq!(bench.upstream.last().line, format!("GET {path} HTTP/1.1"));
}

#[tokio::test]
async fn what_no_route_names_never_reaches_the_gateway() {
    let bench = Bench::start();
    let everything = token(&["all:any"]);
    // 52, 87: near misses of public paths, and what belongs to the admin port
    for path in [
        "/healthz",
        "/health.json",
        "/healthM",
        "/metrics",
        "/status",
        "/",
        "/api/metrics",
        "/mobile/v1/nope",
        "/api/mobile/v1/nope",
    ] {
        let answer = bench.refused(&Request::get(path).bearer(&everything), 404).await;
        assert_eq!(answer.text(), "Not Found", "{path}");
    }
    let answer = bench.refused(&Request::get("/api/3rdparty/v1/nope"), 401).await;
    assert_eq!(
        answer.header("link"),
        Some(r#"</.well-known/api-catalog>; rel="api-catalog""#)
    );
    let answer = bench
        .refused(&Request::get("/api/3rdparty/v1/nope").bearer(&everything), 404)
        .await;
    assert_eq!(
        (answer.text().as_str(), answer.header("content-type")),
        ("Not Found", Some("text/plain; charset=utf-8"))
    );
}

#[tokio::test]
async fn other_methods_are_other_routes() {
    let bench = Bench::start();
    let everything = token(&["all:any"]);
    // 55; WIRE §1.3: another method is another route, and what is no method of HTTP is not routed at all
    let long = "X".repeat(1024);
    for (method, status, text) in [
        ("get", 400, "Invalid http method"),
        ("GeT", 400, "Invalid http method"),
        ("PROPFIND", 400, "Invalid http method"),
        ("TRACE", 404, "Not Found"),
        ("OPTIONS", 404, "Not Found"),
        ("PATCH", 404, "Not Found"),
        (&long, 400, r#"{"message":"Bad Request"}"#),
    ] {
        let request = Request::new(method, MESSAGES).bearer(&everything);
        let answer = bench.refused(&request, status).await;
        assert_eq!(answer.text(), text, "{method}");
    }
    let connect = bench.send(&Request::new("CONNECT", "127.0.0.1:80")).await;
    assert_eq!(connect.status, 405);
    assert_eq!(bench.upstream.count(), 0);
    // 56
    let override_header = Request::get(MESSAGES)
        .bearer(&token(&["messages:list"]))
        .header("X-HTTP-Method-Override", "DELETE");
    assert_eq!(bench.send(&override_header).await.status, 200);
    assert_eq!(bench.upstream.last().header("x-http-method-override"), None);
}

#[tokio::test]
async fn endless_paths_are_refused_fast() {
    let bench = Bench::start();
    let everything = token(&["all:any"]);
    let id = |length: usize| format!("{MESSAGES}/{}", "a".repeat(length));
    for target in [
        format!("/api{}", "/a".repeat(10_000)),
        format!("/api{}", "/a".repeat(3_500)),
        id(5_000),
        format!("/{}", "a".repeat(9_000)),
        format!("/?{}", "a".repeat(64 * 1024)),
    ] {
        bench.refused(&Request::get(&target).bearer(&everything), 414).await;
    }
    let segments = format!("/api{}", "/a".repeat(2_000));
    bench.refused(&Request::get(&segments).bearer(&everything), 404).await;
    let long_enough = bench.send(&Request::get(&id(4_000)).bearer(&everything)).await;
    assert_eq!(long_enough.status, 200);
}
