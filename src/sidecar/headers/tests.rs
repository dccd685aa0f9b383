#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

fn request(fields: &[(&str, &str)]) -> RequestHeader {
    let mut request = RequestHeader::build("POST", b"/a", None).unwrap();
    for (name, value) in fields {
        request.append_header((*name).to_owned(), *value).unwrap();
    }
    request
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn what_a_client_must_not_say_is_dropped() {
    let request = request(&[
        ("Host", "a"),
        ("Content-Length", "5"),
        ("Content-Type", "application/json"),
        ("Cookie", "a=b"),
        ("X-Gateward-User", "root"),
        ("x-gateward-USER", "root"),
        ("X_Gateward_User", "root"),
        ("X-Gateward", "1"),
        ("X_Request_Id", "1"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Forwarded-Prefix", "/"),
        ("X-Forwarded", "1"),
        ("Forwarded", "for=1.2.3.4"),
        ("X-Real-IP", "1.2.3.4"),
        ("X-Client-IP", "1.2.3.4"),
        ("X-Original-URL", "/b"),
        ("X-Rewrite-URL", "/b"),
        ("X-HTTP-Method-Override", "DELETE"),
        (
            "Connection",
            "keep-alive, X-Nominated, Host,Content-Length, X-Request-ID",
        ),
        ("X-Nominated", "1"),
        ("X-Request-ID", "1"),
        ("Keep-Alive", "5"),
        ("Proxy-Connection", "close"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("TE", "trailers"),
        ("Trailer", "X-Gateward-User"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"),
        ("Transfer-Encoding", "chunked"),
        ("Expect", "100-continue"),
        ("X-Gatewardian", "kept: another word"),
    ]);
    let kept = for_the_gateway(request.headers.clone());
    assert_eq!(
        names(&kept),
        [
            "content-length",
            "content-type",
            "cookie",
            "expect",
            "host",
            "x-gatewardian"
        ]
    );
}

#[test]
fn a_trace_goes_on_if_it_is_one() {
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let left = |fields: &[(&str, &str)]| {
        let request = request(fields);
        names(&for_the_gateway(request.headers.clone())).join(" ")
    };
    let state = ("tracestate", "vendor=1");
    assert_eq!(left(&[("traceparent", good), state]), "traceparent tracestate");
    let long = "x".repeat(4096);
    for bad in [
        "",
        "00",
        &long,
        &good.to_uppercase(),
        &good.replace("00-", "ff-"),
        &format!("{good}-more"),
        &good.replace('7', "\t"),
    ] {
        assert!(left(&[("traceparent", bad), state]).is_empty(), "{bad:?}");
    }
    assert!(left(&[("traceparent", good), ("traceparent", good)]).is_empty());
    assert!(left(&[("traceparent", good), ("tracestate", &long)]).is_empty());
    assert!(left(&[state]).is_empty());
}

#[test]
fn our_namespace_and_hop_by_hop_fields_leave_no_answer() {
    let mut response = ResponseHeader::build(200, None).unwrap();
    for (name, value) in [
        ("X-Gateward-User", "A"),
        ("X_GATEWARD_USER", "A"),
        ("Connection", "X-Secret"),
        ("X-Secret", "1"),
        ("Keep-Alive", "1"),
        ("Transfer-Encoding", "chunked"),
        ("X-Total-Count", "1"),
    ] {
        response.append_header(name, value).unwrap();
    }
    clean_response(&mut response);
    assert_eq!(names(&response.headers), ["transfer-encoding", "x-total-count"]);
}

#[test]
fn trailers_cannot_carry_our_namespace() {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-gateward-user", HeaderValue::from_static("A"));
    trailers.insert("x-checksum", HeaderValue::from_static("1"));
    clean_trailers(&mut trailers);
    assert_eq!(names(&trailers), ["x-checksum"]);
}

fn found(forwarded: &[&str], peer: &str) -> (String, String) {
    let mut headers = request(&[]);
    for value in forwarded {
        headers.append_header("X-Forwarded-For", *value).unwrap();
    }
    let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    let origin = origin(&headers, peer.parse().unwrap(), false, &trusted);
    (
        origin.client.to_string(),
        origin.forwarded_for.to_str().unwrap().to_owned(),
    )
}

#[test]
fn only_trusted_proxies_are_believed() {
    let cases: &[(&[&str], &str, &str, &str)] = &[
        (&["1.1.1.1"], "2.2.2.2", "2.2.2.2", "2.2.2.2"),
        (&[], "10.0.0.1", "10.0.0.1", "10.0.0.1"),
        (&["1.1.1.1"], "10.0.0.1", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
        (&["9.9.9.9, 1.1.1.1"], "10.0.0.1", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
        (
            &["9.9.9.9, 1.1.1.1, 10.0.0.2"],
            "10.0.0.1",
            "1.1.1.1",
            "1.1.1.1, 10.0.0.2, 10.0.0.1",
        ),
        (&["9.9.9.9", "1.1.1.1"], "10.0.0.1", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
        (&["1.1.1.1:443"], "10.0.0.1", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
        (&["[2001:db8::1]:443"], "fd00::1", "2001:db8::1", "2001:db8::1, fd00::1"),
        (&["1.1.1.1, unknown"], "10.0.0.1", "10.0.0.1", "10.0.0.1"),
        (
            &["10.0.0.3, 10.0.0.2"],
            "10.0.0.1",
            "10.0.0.3",
            "10.0.0.3, 10.0.0.2, 10.0.0.1",
        ),
        (&["1.1.1.1"], "::ffff:10.0.0.1", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
    ];
    for (forwarded, peer, client, sent) in cases {
        assert_eq!(
            found(forwarded, peer),
            ((*client).to_owned(), (*sent).to_owned()),
            "{forwarded:?} {peer}"
        );
    }
}

#[test]
fn protocol_and_host_are_believed_from_trusted_proxies_only() {
    let headers = request(&[
        ("Host", "127.0.0.1:3000"),
        ("X-Forwarded-Proto", "https, http"),
        ("X-Forwarded-Host", "sms.example.com"),
    ]);
    let trusted = ["10.0.0.0/8".parse().unwrap()];
    let from = |peer: &str| origin(&headers, peer.parse().unwrap(), false, &trusted);
    assert_eq!(from("10.0.0.1").proto, Proto::Https);
    assert_eq!(from("10.0.0.1").host.unwrap(), "sms.example.com");
    assert_eq!(from("1.1.1.1").proto, Proto::Http);
    assert_eq!(from("1.1.1.1").host.unwrap(), "127.0.0.1:3000");
}

#[test]
fn request_ids_are_kept_only_if_harmless() {
    let kept = |text: &str| sane_request_id(Some(&HeaderValue::from_str(text).unwrap())).is_some();
    assert!(kept("my-request-1"));
    assert!(kept(&"a".repeat(128)));
    assert!(!kept(&"a".repeat(129)));
    assert!(!kept(""));
    assert!(!kept("a b"));
    assert!(!kept("a\"b"));
    assert!(!kept("a<b"));
    assert_eq!(sane_request_id(None), None);
}
