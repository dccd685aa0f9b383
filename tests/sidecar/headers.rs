//! Header fields that claim an identity, an address or a connection (attacks 59 to 66).

use std::net::Ipv4Addr;

use serde_json::json;

use crate::bench::{Bench, MESSAGES, MINT_SECRET, TOKEN_SECRET, USER, gateway, token};
use crate::support::http::{Connection, Request};
use crate::support::upstream::{Answer, Received, Upstream};

const IDENTITY: [(&str, &str); 5] = [
    ("X-Gateward-User", "ADMIN1"),
    ("x-gateward-scopes", "all:any"),
    ("X_Gateward_User", "ADMIN1"),
    ("X-GATEWARD-ANYTHING", "1"),
    ("X-Other_Name", "1"),
];

fn forged(request: Request) -> Request {
    IDENTITY
        .iter()
        .fold(request, |request, (name, value)| request.header(name, value))
}

fn assert_clean(received: &Received) {
    for (name, _) in &received.headers {
        let lower = name.to_ascii_lowercase();
        assert!(
            !lower.starts_with("x-gateward") && !lower.contains('_'),
            "{name} was forwarded"
        );
    }
}

#[tokio::test]
async fn identity_headers_of_clients_never_reach_the_gateway() {
    let bench = Bench::start();
    assert_eq!(
        bench
            .send(&forged(Request::get(MESSAGES).bearer(&token(&["messages:list"]))))
            .await
            .status,
        200
    );
    assert_clean(&bench.upstream.last());
    assert_eq!(bench.send(&forged(Request::get("/health"))).await.status, 200);
    assert_clean(&bench.upstream.last());
    assert_eq!(
        bench
            .send(&forged(Request::get("/api/mobile/v1/device").bearer("x")))
            .await
            .status,
        200
    );
    assert_clean(&bench.upstream.last());
    bench.refused(&forged(Request::get(MESSAGES)), 401).await;
}

#[tokio::test]
async fn a_client_cannot_nominate_our_headers_away() {
    let bench = Bench::start();
    let request = Request::get(MESSAGES)
        .bearer(&token(&["messages:list"]))
        .header(
            "Connection",
            "X-Mine, Authorization, X-Request-Id, X-Forwarded-For, Host",
        )
        .header("X-Mine", "1");
    assert_eq!(bench.send(&request).await.status, 200);
    let received = bench.upstream.last();
    assert_eq!(received.header("x-mine"), None);
    assert!(
        received
            .header("authorization")
            .is_some_and(|value| value.starts_with("Bearer "))
    );
    assert!(received.header("x-request-id").is_some() && received.header("x-forwarded-for").is_some());
    assert!(received.header("host").is_some());
}

#[tokio::test]
async fn connection_headers_end_here() {
    let bench = Bench::start();
    let mut request = Request::get(MESSAGES).bearer(&token(&["messages:list"]));
    for (name, value) in [
        ("TE", "trailers, deflate"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("Proxy-Authenticate", "Basic"),
        ("Upgrade", "websocket"),
        ("Trailer", "X-Late"),
        ("Connection", "keep-alive, upgrade"),
    ] {
        request = request.header(name, value);
    }
    assert_eq!(bench.send(&request).await.status, 200);
    let received = bench.upstream.last();
    for name in [
        "te",
        "keep-alive",
        "proxy-connection",
        "proxy-authenticate",
        "upgrade",
        "trailer",
    ] {
        assert_eq!(received.all(name), Vec::<&str>::new(), "{name}");
    }
}

#[tokio::test]
async fn forwarded_addresses_are_rebuilt() {
    let bench = Bench::start();
    let request = Request::get(MESSAGES)
        .bearer(&token(&["messages:list"]))
        .header("Host", "sms.example:8443")
        .header("X-Forwarded-For", "6.6.6.6")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "evil.example")
        .header("X-Forwarded-Prefix", "/evil")
        .header("Forwarded", "for=6.6.6.6")
        .header("X-Real-IP", "6.6.6.6")
        .header("X-Client-IP", "6.6.6.6")
        .header("X-Original-URL", "/api/3rdparty/v1/devices")
        .header("X-Rewrite-URL", "/api/3rdparty/v1/devices");
    assert_eq!(
        bench
            .send(&request.clone().from(Ipv4Addr::new(127, 0, 0, 9)))
            .await
            .status,
        200
    );
    let received = bench.upstream.last();
    assert_eq!(received.line, format!("GET {MESSAGES} HTTP/1.1"));
    assert_eq!(received.header("x-forwarded-for"), Some("127.0.0.9"));
    assert_eq!(received.header("x-forwarded-proto"), Some("http"));
    assert_eq!(received.header("x-forwarded-host"), Some("sms.example:8443"));
    for name in [
        "forwarded",
        "x-real-ip",
        "x-client-ip",
        "x-original-url",
        "x-rewrite-url",
        "x-forwarded-prefix",
    ] {
        assert_eq!(received.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn trusted_proxies_are_believed_up_to_the_first_stranger() {
    let bench = Bench::with(Upstream::answering(gateway), |settings| {
        settings.with("GATEWARD__TRUSTED_PROXIES", "127.0.0.0/8,10.0.0.0/8")
    });
    let request = Request::get(MESSAGES)
        .bearer(&token(&["messages:list"]))
        .header("X-Forwarded-For", "6.6.6.6, 203.0.113.7, 10.1.2.3")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "sms.example");
    assert_eq!(bench.send(&request).await.status, 200);
    let received = bench.upstream.last();
    let forwarded = received.header("x-forwarded-for").expect("address").to_owned();
    assert!(forwarded.starts_with("203.0.113.7"), "{forwarded}");
    assert!(!forwarded.contains("6.6.6.6"), "{forwarded}");
    assert_eq!(received.header("x-forwarded-proto"), Some("https"));
    assert_eq!(received.header("x-forwarded-host"), Some("sms.example"));
}

#[tokio::test]
async fn request_ids_are_kept_if_sane_and_made_if_not() {
    let bench = Bench::start();
    let list = Request::get(MESSAGES).bearer(&token(&["messages:list"]));
    let answer = bench.send(&list.clone().header("X-Request-ID", "my-request-1")).await;
    assert_eq!(answer.header("x-request-id"), Some("my-request-1"));
    assert_eq!(bench.upstream.last().header("x-request-id"), Some("my-request-1"));
    for odd in ["x".repeat(4096), "with blank".to_owned(), "{\"json\":1}".to_owned()] {
        let answer = bench.send(&list.clone().header("X-Request-ID", &odd)).await;
        let made = answer.header("x-request-id").expect("id").to_owned();
        assert!(made != odd && !made.is_empty(), "{made}");
        assert_eq!(bench.upstream.last().header("x-request-id"), Some(made.as_str()));
    }
    let refused = bench
        .send(&Request::get(MESSAGES).header("X-Request-ID", "refused-1"))
        .await;
    assert_eq!(
        (refused.status, refused.header("x-request-id")),
        (401, Some("refused-1"))
    );
}

#[tokio::test]
async fn traces_go_on_if_they_are_sane() {
    let bench = Bench::start();
    let list = Request::get(MESSAGES).bearer(&token(&["messages:list"]));
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(bench.send(&list.clone().header("traceparent", good)).await.status, 200);
    assert_eq!(bench.upstream.last().header("traceparent"), Some(good));
    let odd = list
        .header("traceparent", &"x".repeat(4096))
        .header("tracestate", "vendor=1");
    assert_eq!(bench.send(&odd).await.status, 200);
    let received = bench.upstream.last();
    assert_eq!(
        (received.header("traceparent"), received.header("tracestate")),
        (None, None)
    );
}

#[tokio::test]
async fn what_the_gateway_says_about_itself_is_kept_from_clients() {
    let fields = [
        ("Content-Type", "application/json"),
        ("X-Gateward-User", "USER01"),
        ("x_gateward_user", "USER01"),
        ("Connection", "X-Hop"),
        ("X-Hop", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Set-Cookie", "a=b"),
        ("X-Kept", "1"),
    ];
    let bench = Bench::with(
        Upstream::answering(move |_| Answer::with(200, &fields, "{}")),
        |settings| settings,
    );
    let answer = bench.list_with(&token(&["messages:list"])).await;
    for name in ["x-gateward-user", "x_gateward_user", "x-hop", "keep-alive"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_eq!(
        (answer.header("x-kept"), answer.header("set-cookie")),
        (Some("1"), Some("a=b"))
    );
}

#[tokio::test]
async fn a_gateway_that_refuses_our_token_is_our_fault() {
    let fields = [
        ("Content-Type", "application/json"),
        ("WWW-Authenticate", "Basic realm=\"gateway\""),
    ];
    let upstream = Upstream::answering(move |_| Answer::with(401, &fields, r#"{"message":"Unauthorized"}"#));
    let mut bench = Bench::with(upstream, |settings| settings);
    let answer = bench.list_with(&token(&["messages:list"])).await;
    assert_eq!((answer.status, answer.header("www-authenticate")), (502, None));
    let reason = "upstream_rejected_credential";
    bench
        .gateward
        .process
        .wait_for(reason, |line| line.contains(reason).then_some(()));
    // Device credentials are the gateway's business: its 401 is the client's.
    let device = bench.send(&Request::get("/api/mobile/v1/message").bearer("x")).await;
    assert_eq!(device.status, 401);
}

#[tokio::test]
async fn a_403_of_the_gateway_passes_and_is_counted() {
    let bench = Bench::with(
        Upstream::answering(|_| Answer::json(403, r#"{"message":"not yours"}"#)),
        |settings| settings,
    );
    let answer = bench.list_with(&token(&["messages:list"])).await;
    assert_eq!((answer.status, answer.message().as_str()), (403, "not yours"));
    // A request is counted after its answer was sent.
    let counted = r#"gateward_upstream_refusals_total{route="messages.list",status="403"} 1"#;
    let start = std::time::Instant::now();
    loop {
        let metrics = Request::get("/metrics").send(bench.gateward.admin).await.text();
        if metrics.lines().any(|line| line == counted) {
            break;
        }
        assert!(start.elapsed() < std::time::Duration::from_secs(20), "{metrics}");
    }
}

#[tokio::test]
async fn every_kind_of_upstream_credential_is_sent_as_told() {
    let good = token(&["messages:list"]);
    let settings = |kind: &str| kind.to_owned();
    let basic = settings("upstream: { url: 'URL', credential: basic, basic: { user: user01 } }\n");
    let passthrough = settings("upstream: { url: 'URL', credential: passthrough }\n");
    let header = settings("upstream: { url: 'URL', credential: header, header: { name: X-Api-Key } }\n");
    for (yaml, extra, name, value) in [
        (
            basic,
            ("GATEWARD__UPSTREAM__BASIC__PASSWORD", "secret"),
            "authorization",
            "Basic dXNlcjAxOnNlY3JldA==".to_owned(),
        ),
        (
            passthrough,
            ("GATEWARD__LOG__LEVEL", "info"),
            "authorization",
            format!("Bearer {good}"),
        ),
        (
            header,
            ("GATEWARD__UPSTREAM__HEADER__VALUE", "the-key"),
            "x-api-key",
            "the-key".to_owned(),
        ),
    ] {
        let upstream = Upstream::answering(|_| Answer::json(200, "{}"));
        let yaml = yaml.replace("URL", &upstream.url());
        let bench = Bench {
            gateward: crate::support::process::Settings::new()
                .file("gateward.yaml", &yaml)
                .with("GATEWARD__TOKENS__SECRET", TOKEN_SECRET)
                .with(extra.0, extra.1)
                .run(),
            upstream,
        };
        let request = Request::get(MESSAGES)
            .bearer(&good)
            .header("X-Api-Key", "from the client");
        assert_eq!(bench.send(&request).await.status, 200, "{yaml}");
        let received = bench.upstream.last();
        assert_eq!(received.header(name), Some(value.as_str()), "{yaml}");
        if name != "authorization" {
            assert_eq!(received.header("authorization"), None);
        }
    }
}

#[tokio::test]
async fn the_clients_token_never_travels_further() {
    let bench = Bench::start();
    let good = token(&["messages:send"]);
    let request = Request::post(MESSAGES).bearer(&good).json(&json!({ "a": 1 }));
    assert_eq!(bench.send(&request).await.status, 200);
    let received = bench.upstream.last();
    let sent = received.header("authorization").expect("token").to_owned();
    assert!(!sent.contains(&good));
    let minted = crate::support::jwt::read(&sent);
    assert_eq!(
        (&minted["user_id"], &minted["scopes"]),
        (&json!(USER), &json!(["messages:send"]))
    );
    assert_eq!(minted["gw_mint"], true);
    let recreated = crate::support::jwt::signed(MINT_SECRET, r#"{"alg":"HS256","typ":"JWT"}"#, "{}");
    assert_eq!(
        recreated.split('.').next(),
        sent.trim_start_matches("Bearer ").split('.').next(),
        "SMSGate's header"
    );
}

#[tokio::test]
async fn trailers_that_forge_an_identity_are_dropped() {
    let bench = Bench::start();
    let mut connection = Connection::open(bench.at()).await;
    let token = token(&["messages:send"]);
    let raw = format!(
        "POST {MESSAGES} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\r\n\
         2\r\n{{}}\r\n0\r\nX-Gateward-User: ADMIN1\r\n\r\n"
    );
    connection.write(raw.as_bytes()).await;
    let answer = connection.read_response(false).await.expect("answer");
    assert_eq!(answer.status, 200);
    let received = bench.upstream.received();
    assert_eq!(received.len(), 1);
    assert_clean(&received[0]);
    assert_eq!(received[0].body, b"{}");
}
