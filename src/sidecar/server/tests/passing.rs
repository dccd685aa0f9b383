#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::time::Duration;

use gateward_auth::{Hs256Key, Secret, UnixSeconds, Verifier, VerifierRules};
use gateward_boot::clock::Clock;
use tokio::sync::Notify;

use crate::testing::{Act, Sidecar, Toy, bearer, good, request, say, token};

const SEND: &str = "POST /api/3rdparty/v1/messages";
const LIST: &str = "GET /api/3rdparty/v1/messages";

fn minted_scopes(authorization: &str) -> (String, Vec<String>) {
    let key = Hs256Key::new(&Secret::new(crate::testing::MINT_SECRET)).unwrap();
    let rules = VerifierRules {
        issuer: Some("sms-gate.app".to_owned()),
        leeway_secs: 0,
        max_lifetime_secs: 60,
    };
    let now = UnixSeconds(Clock::system().unix_seconds());
    let raw = authorization.strip_prefix("Bearer ").unwrap();
    let token = Verifier::new(key, rules).verify_minted(raw, now).unwrap();
    (
        token.user().to_string(),
        token.scopes().iter().map(|scope| scope.to_string()).collect(),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_sees_our_credential_and_our_headers_only() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start(&toy).await;
    let client = token(&["messages:send", "messages:read"]);
    let fields = [
        &format!("Authorization: Bearer {client}"),
        "Content-Type: application/json",
        "Content-Length: 2",
        "X-Gateward-User: ROOT",
        "x_gateward_user: ROOT",
        "X-Forwarded-For: 9.9.9.9",
        "X-Forwarded-Proto: https",
        "X-Real-IP: 9.9.9.9",
        "X-Original-URL: /api/mobile/v1/device",
        "X-HTTP-Method-Override: DELETE",
        "Connection: keep-alive, X-Request-ID, Authorization, X-Nominated, Host",
        "X-Nominated: 1",
        "X-Request-ID: my-request",
        "Upgrade: websocket",
        "TE: trailers",
        "Cookie: a=b",
    ];
    let answer = sidecar
        .ask(&(request(&format!("{SEND}/?skipPhoneValidation=true"), &fields) + "{}"))
        .await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "{\"good\":true}"));
    assert_eq!(answer.one("x-request-id"), "my-request");
    let asked = toy.last();
    assert_eq!(
        asked.line(),
        "POST /api/3rdparty/v1/messages?skipPhoneValidation=true HTTP/1.1"
    );
    assert_eq!(asked.body, b"{}");
    let authorization = asked.one("authorization").unwrap();
    assert!(!authorization.contains(&client));
    assert_eq!(
        minted_scopes(authorization),
        ("SOMEBODY".to_owned(), vec!["messages:send".to_owned()])
    );
    assert_eq!(asked.one("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(asked.one("x-forwarded-proto"), Some("http"));
    assert_eq!(asked.one("x-forwarded-host"), Some("sms.example"));
    assert_eq!(asked.one("host"), Some(toy.address.to_string().as_str()));
    assert_eq!(asked.one("x-request-id"), Some("my-request"));
    assert_eq!(asked.one("cookie"), Some("a=b"));
    for gone in [
        "x-gateward-user",
        "x_gateward_user",
        "x-real-ip",
        "x-original-url",
        "x-http-method-override",
    ] {
        assert_eq!(asked.all(gone).len(), 0, "{gone} in {}", asked.head);
    }
    for gone in ["x-nominated", "upgrade", "te", "connection"] {
        assert_eq!(asked.all(gone).len(), 0, "{gone} in {}", asked.head);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn both_prefixes_and_every_spelling_reach_the_same_path() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start(&toy).await;
    let bearer = bearer(&["devices:list"]);
    let paths = [
        "/api/3rdparty/v1/devices",
        "/3rdparty/v1/device",
        "/API/3RDPARTY/V1/DEVICES/",
        "/3rdparty/v1/%64evices",
    ];
    for path in paths {
        assert_eq!(
            sidecar.ask(&request(&format!("GET {path}"), &[&bearer])).await.status,
            200,
            "{path}"
        );
        assert!(
            toy.last().line().starts_with("GET /api/3rdparty/v1/device"),
            "{}",
            toy.last().line()
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_credential_passes_untouched() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start(&toy).await;
    let fields = ["Authorization: Bearer not.a.jwt", "X-Gateward-User: ROOT"];
    assert_eq!(
        sidecar
            .ask(&request("GET /mobile/v1/message?order=fifo", &fields))
            .await
            .status,
        200
    );
    let asked = toy.last();
    assert_eq!(asked.line(), "GET /api/mobile/v1/message?order=fifo HTTP/1.1");
    assert_eq!(asked.one("authorization"), Some("Bearer not.a.jwt"));
    assert_eq!(asked.all("x-gateward-user").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_route_carries_no_credential_at_all() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start(&toy).await;
    let fields = [bearer(&["all:any"]), "X-Gateward-User: ROOT".to_owned()];
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    assert_eq!(sidecar.ask(&request("GET /health", &fields)).await.status, 200);
    assert_eq!(toy.last().all("authorization").len(), 0);
    assert_eq!(toy.last().all("x-gateward-user").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_cannot_speak_in_our_name() {
    let fields = "X-Gateward-User: A\r\nx_gateward_scope: b\r\nWWW-Authenticate: Basic\r\nSet-Cookie: a=b\r\n";
    let toy = Toy::new(move |_| say("403 Forbidden", fields, "{}")).await;
    let sidecar = Sidecar::start(&toy).await;
    let answer = sidecar.ask(&request(LIST, &[&bearer(&["messages:list"])])).await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.one("set-cookie"), "a=b");
    for gone in ["x-gateward-user", "x_gateward_scope", "www-authenticate"] {
        assert!(answer.all(gone).is_empty(), "{gone} in {}", answer.head);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_401_to_our_own_token_is_our_fault() {
    let toy = Toy::new(|_| {
        say(
            "401 Unauthorized",
            "WWW-Authenticate: Basic\r\n",
            "{\"message\":\"Unauthorized\"}",
        )
    })
    .await;
    let sidecar = Sidecar::start(&toy).await;
    let answer = sidecar.ask(&request(LIST, &[&bearer(&["messages:list"])])).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (502, "{\"message\":\"Bad Gateway\"}")
    );
    assert!(answer.all("www-authenticate").is_empty());
    let device = sidecar
        .ask(&request("GET /mobile/v1/device", &["Authorization: Bearer x"]))
        .await;
    assert_eq!(device.status, 401, "a device's 401 is its own");
    sidecar
        .counted("gateward_refusals_total{reason=\"upstream_rejected_credential\"} 1")
        .await;
    sidecar
        .counted("gateward_upstream_refusals_total{route=\"mobile.device\",status=\"401\"} 1")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_at_once_and_ends_with_the_client() {
    let go = Arc::new(Notify::new());
    let stream = Arc::clone(&go);
    let toy = Toy::new(move |_| Act::Stream(Arc::clone(&stream))).await;
    let sidecar = Sidecar::start_with(&toy, "", |config| {
        config.upstream.timeouts.read = Duration::from_millis(100);
    })
    .await;
    let mut phone = sidecar.connect().await;
    phone
        .say(&request("GET /mobile/v1/events", &["Authorization: Bearer x"]))
        .await;
    let head = phone.hear_until("\r\n\r\n").await;
    assert!(head.contains("text/event-stream"), "{head}");
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(120)).await;
        go.notify_one();
        phone.hear_until(":ping\n").await;
    }
    drop(phone);
    toy.client_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_100_continue_gets_it_from_the_gateway() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start(&toy).await;
    let mut line = sidecar.connect().await;
    let fields = [
        &*bearer(&["messages:send"]),
        "Content-Length: 2",
        "Expect: 100-continue",
    ];
    line.say(&request(SEND, &fields)).await;
    assert_eq!(line.hear().await.status, 100);
    line.say("{}").await;
    assert_eq!(line.hear().await.status, 200);
    assert_eq!(toy.last().body, b"{}");
}

#[tokio::test(flavor = "multi_thread")]
async fn chunked_bodies_and_http_1_0_work() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start(&toy).await;
    let fields = [&*bearer(&["messages:send"]), "Transfer-Encoding: chunked"];
    let answer = sidecar.ask(&(request(SEND, &fields) + "2\r\n{}\r\n0\r\n\r\n")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(toy.last().body, b"{}");
    let old = sidecar.ask("GET /health HTTP/1.0\r\n\r\n").await;
    assert_eq!((old.status, old.one("connection")), (200, "close"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_request_has_the_headers_of_a_get() {
    let toy = Toy::new(|_| {
        Act::Say("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n".to_owned())
    })
    .await;
    let sidecar = Sidecar::start(&toy).await;
    let mut line = sidecar.connect().await;
    for _ in 0..2 {
        line.say(&request(
            "HEAD /api/3rdparty/v1/messages",
            &[&bearer(&["messages:list"])],
        ))
        .await;
        let answer = line.hear_head().await;
        assert_eq!((answer.status, answer.one("content-length")), (200, "7"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_ends_the_tokens_before_the_answer_leaves() {
    let toy = Toy::new(|asked| {
        if asked.line().starts_with("PATCH") {
            Act::Say("HTTP/1.1 204 No Content\r\nX-Gateward-User: somebody\r\n\r\n".to_owned())
        } else {
            good()
        }
    })
    .await;
    let sidecar = Sidecar::start(&toy).await;
    let bearer = bearer(&["messages:list"]);
    assert_eq!(sidecar.ask(&request(LIST, &[&bearer])).await.status, 200);
    let fields = ["Authorization: Bearer device-token", "Content-Length: 2"];
    let changed = sidecar
        .ask(&(request("PATCH /mobile/v1/user/password", &fields) + "{}"))
        .await;
    assert_eq!((changed.status, changed.all("x-gateward-user").len()), (204, 0));
    assert_eq!(sidecar.ask(&request(LIST, &[&bearer])).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_is_not_passed_on_and_what_follows_is_judged() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start(&toy).await;
    let mut line = sidecar.connect().await;
    let upgrade = request("GET /health", &["Upgrade: foo", "Connection: Upgrade"]);
    let smuggled = request("DELETE /api/3rdparty/v1/devices/a", &[]);
    line.say(&(upgrade + &smuggled)).await;
    assert_eq!(line.hear().await.status, 200);
    assert_eq!(toy.asked().len(), 1);
    assert!(toy.last().all("upgrade").is_empty());
    assert_eq!(line.hear().await.status, 401, "the rest is a request like any other");
    assert_eq!(toy.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_believed_about_the_client() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start_with(&toy, "trusted_proxies: [ 127.0.0.0/8 ]\n", |_| {}).await;
    let fields = [
        "X-Forwarded-For: 9.9.9.9, 1.2.3.4",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: public.example",
    ];
    assert_eq!(sidecar.ask(&request("GET /health", &fields)).await.status, 200);
    let asked = toy.last();
    assert_eq!(asked.one("x-forwarded-for"), Some("1.2.3.4, 127.0.0.1"));
    assert_eq!(asked.one("x-forwarded-proto"), Some("https"));
    assert_eq!(asked.one("x-forwarded-host"), Some("public.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_passes_whole() {
    let body = "x".repeat(3_000_000);
    let toy = Toy::new(move |_| say("200 OK", "", &body)).await;
    let sidecar = Sidecar::start(&toy).await;
    let answer = sidecar.ask(&request(LIST, &[&bearer(&["messages:list"])])).await;
    assert_eq!((answer.status, answer.body.len()), (200, 3_000_000));
}
