#![expect(clippy::unwrap_used, reason = "tests")]

use crate::config::PolicySource;
use crate::testing::{Sidecar, Toy, bearer, request};

const SEND: &str = "POST /api/3rdparty/v1/messages";

/// The example of DESIGN §4, as it stands there.
const EXAMPLE: &str = r"policy: smsgate                          # for logs and the status endpoint
router: fiber                            # router twin: fiber | ktor | strict
prefixes: [ /api, / ]                    # where clients may find the gateway's tree (a route may say its own)
upstream_prefix: /api                    # where the gateway has it
user_names: upper                        # canonical form of a user's name (SMSGate compares logins without case)
login_check: { request: GET /3rdparty/v1/settings, good: [200], bad: [401] }
scopes:
  all:any: { wildcard: true }
  messages:send: Send messages           # name: what a person reads
routes:
  - id: messages.send
    match: [ POST /3rdparty/v1/messages, POST /3rdparty/v1/message ]
    with: [ basic, jwt ]
    scope: messages:send
    action: forward                      # forward | passthrough | token_issue | token_refresh | token_revoke
    on_outage: closed
  - id: mobile.events
    match: [ GET /mobile/v1/events ]
    action: passthrough                  # the credential stays untouched, the gateway checks it
tests:
  - { request: POST /api/3rdparty/v1/messages, as: { jwt: [ messages:send ] }, expect: allow }
  - { request: POST /api/3rdparty/v1/messages, as: { jwt: [ messages:read ] }, expect: 403 }
  - { request: POST /api/3rdparty/v1/messages, as: none, expect: 401 }
";

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_those_of_the_reference_and_nothing_is_forwarded() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start(&toy).await;
    let wrong = bearer(&["messages:read"]);
    let right = bearer(&["messages:send"]);
    let json = "application/json";
    let text = "text/plain; charset=utf-8";
    let unauthorized = "{\"message\":\"Unauthorized\"}";
    let cases: [(&str, &[&str], u16, &str, &str); 14] = [
        (SEND, &[], 401, json, unauthorized),
        (SEND, &["Authorization: Bearer nonsense"], 401, json, unauthorized),
        (SEND, &["Authorization: Basic %%%"], 401, json, unauthorized),
        (
            SEND,
            &[&wrong],
            403,
            json,
            "{\"message\":\"scope required: messages:send\"}",
        ),
        (SEND, &[&right, &wrong], 400, json, "{\"message\":\"Bad Request\"}"),
        ("GET /api/3rdparty/v1/nope", &[], 401, json, unauthorized),
        ("GET /api/3rdparty/v1/nope", &[&right], 404, text, "Not Found"),
        ("PUT /api/3rdparty/v1/messages", &[&right], 404, text, "Not Found"),
        ("GET /nope", &[], 404, text, "Not Found"),
        ("GET /metrics", &[], 404, text, "Not Found"),
        ("GET /api/mobile/v1/nope", &[], 404, text, "Not Found"),
        (
            "GET /api/3rdparty/v1/../v1/messages",
            &[&right],
            400,
            json,
            "{\"message\":\"Bad Request\"}",
        ),
        (
            "PROPFIND /api/3rdparty/v1/messages",
            &[&right],
            400,
            text,
            "Invalid http method",
        ),
        (
            "post /api/3rdparty/v1/messages",
            &[&right],
            400,
            text,
            "Invalid http method",
        ),
    ];
    for (line, fields, status, content_type, body) in cases {
        let answer = sidecar.ask(&request(line, fields)).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (status, body),
            "{line} {fields:?}"
        );
        assert_eq!(answer.one("content-type"), content_type, "{line}");
        assert_eq!(answer.one("x-request-id").len(), 36, "{line}");
        assert_eq!(answer.all("date").len(), 1, "{line}");
        assert!(answer.all("server").is_empty(), "{line}");
        let link = line.contains("3rdparty") && !answer.body.contains("method");
        assert_eq!(answer.all("link").len(), usize::from(link), "{line}");
        assert_eq!(
            answer.all("www-authenticate").is_empty(),
            !matches!(status, 401 | 403),
            "{line}"
        );
    }
    assert_eq!(toy.asked().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_paths_of_the_user_api_ask_for_a_login_first_though_the_policy_does_not_say_so() {
    let sidecar = Sidecar::start_in(&Toy::good().await, "", |config, folder| {
        let path = folder.join("policy.yaml");
        std::fs::write(&path, EXAMPLE).unwrap();
        config.policy = PolicySource::File(path);
    })
    .await;
    let bearer = bearer(&["messages:send"]);
    for prefix in ["/api", ""] {
        let unknown = format!("GET {prefix}/3rdparty/v1/nope");
        let answer = sidecar.ask(&request(&unknown, &[])).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (401, "{\"message\":\"Unauthorized\"}")
        );
        assert_eq!((answer.all("link").len(), answer.all("www-authenticate").len()), (1, 2));
        let answer = sidecar.ask(&request(&unknown, &[&bearer])).await;
        assert_eq!((answer.status, answer.body.as_str()), (404, "Not Found"));
        assert_eq!(answer.all("link").len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_refused_body_leaves_the_connection_open() {
    let sidecar = Sidecar::start(&Toy::good().await).await;
    let mut line = sidecar.connect().await;
    for _ in 0..3 {
        line.say(&(request(SEND, &["Content-Length: 2"]) + "{}")).await;
        let answer = line.hear().await;
        assert_eq!((answer.status, answer.one("connection")), (401, "keep-alive"));
    }
    // The answer does not wait for a body that has not come yet.
    line.say(&request(SEND, &["Content-Length: 2"])).await;
    let answer = line.hear().await;
    assert_eq!((answer.status, answer.one("connection")), (401, "keep-alive"));
    line.say("{}").await;
    line.say(&(request(SEND, &["Transfer-Encoding: chunked"]) + "2\r\n{}\r\n0\r\n\r\n"))
        .await;
    let answer = line.hear().await;
    assert_eq!((answer.status, answer.one("connection")), (401, "keep-alive"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_or_unannounced_refused_body_ends_the_connection_at_once() {
    let sidecar = Sidecar::start(&Toy::good().await).await;
    for field in ["Content-Length: 1073741824", "Transfer-Encoding: chunked"] {
        let mut line = sidecar.connect().await;
        line.say(&request(SEND, &[field])).await;
        let answer = line.hear().await;
        assert_eq!((answer.status, answer.one("connection")), (401, "close"), "{field}");
        assert!(line.is_closed().await);
    }
    let mut line = sidecar.connect().await;
    line.say(&request(SEND, &["Content-Length: 2", "Expect: 100-continue"]))
        .await;
    let answer = line.hear().await;
    assert_eq!((answer.status, answer.one("connection")), (401, "close"));
    assert!(line.is_closed().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_have_a_limit() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start_with(&toy, "", |config| config.limits.body = 100_000).await;
    let bearer = bearer(&["messages:send"]);
    let mut line = sidecar.connect().await;
    line.say(&request(SEND, &[&bearer, "Content-Length: 100001"])).await;
    line.try_say(&[b' '; 100_001]).await;
    let answer = line.hear().await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (413, "{\"message\":\"Request Entity Too Large\"}")
    );
    assert_eq!(toy.asked().len(), 0);
    let mut line = sidecar.connect().await;
    line.say(&request(SEND, &[&bearer, "Transfer-Encoding: chunked"])).await;
    for _ in 0..11 {
        line.try_say(format!("2710\r\n{}\r\n", " ".repeat(10_000)).as_bytes())
            .await;
    }
    assert_eq!(line.hear().await.status, 413);
    assert_eq!(toy.asked().len(), 0, "the gateway never got the end of it");
    let mut line = sidecar.connect().await;
    line.say(&request(SEND, &[&bearer, "Content-Length: 100000"])).await;
    line.say_bytes(&[b' '; 100_000]).await;
    assert_eq!(line.hear().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_head_request_has_no_body() {
    let sidecar = Sidecar::start(&Toy::good().await).await;
    let mut line = sidecar.connect().await;
    for _ in 0..2 {
        line.say(&request("HEAD /api/3rdparty/v1/devices", &[])).await;
        let answer = line.hear_head().await;
        assert_eq!((answer.status, answer.one("content-type")), (401, "application/json"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn problems_are_told_as_such_to_those_who_ask_for_it() {
    let sidecar = Sidecar::start(&Toy::good().await).await;
    let answer = sidecar
        .ask(&request(SEND, &["Accept: text/html, application/problem+json;q=0.9"]))
        .await;
    assert_eq!(answer.one("content-type"), "application/problem+json");
    let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(problem.get("status"), Some(&401.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn token_endpoints_answer_here() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start(&toy).await;
    let manage = bearer(&["tokens:manage", "messages:send"]);
    let body = "{\"scopes\":[\"messages:send\"],\"ttl\":60}";
    let length = format!("Content-Length: {}", body.len());
    let fields = [&manage, "Content-Type: application/json", &length];
    let answer = sidecar
        .ask(&(request("POST /api/3rdparty/v1/auth/token", &fields) + body))
        .await;
    assert_eq!(
        (answer.status, answer.one("cache-control")),
        (201, "no-store"),
        "{}",
        answer.body
    );
    let pair: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let text = |name: &str| pair.get(name).unwrap().as_str().unwrap().to_owned();
    let access = format!("Authorization: Bearer {}", text("access_token"));
    let send = request(SEND, &[&access, "Content-Length: 2"]) + "{}";
    assert_eq!(sidecar.ask(&send).await.status, 200);
    let refresh = format!("Authorization: Bearer {}", text("refresh_token"));
    let refreshed = sidecar
        .ask(&request(
            "POST /3rdparty/v1/auth/token/refresh",
            &[&refresh, "Content-Length: 0"],
        ))
        .await;
    assert_eq!(refreshed.status, 201, "{}", refreshed.body);
    let revoke = format!("DELETE /api/3rdparty/v1/auth/token/{}", text("id"));
    let revoked = sidecar.ask(&request(&revoke, &[&manage])).await;
    assert_eq!((revoked.status, revoked.all("content-type").len()), (204, 0));
    assert_eq!(
        sidecar
            .ask(&request("POST /api/3rdparty/v1/auth/token", &[&manage]))
            .await
            .status,
        400
    );
    assert_eq!(toy.asked().len(), 1, "only the message went to the gateway");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bug_of_ours_costs_one_request() {
    let toy = Toy::good().await;
    let sidecar = Sidecar::start(&toy).await;
    let before_the_gateway = ["judge", "stamp"];
    for (panics, phase) in ["judge", "stamp", "body", "answer"].into_iter().enumerate() {
        let asked = toy.asked().len();
        let mut line = sidecar.connect().await;
        let fields = ["X-Test-Panic", ": ", phase].concat();
        let send = request(
            "POST /api/3rdparty/v1/messages",
            &[&bearer(&["messages:send"]), &fields, "Content-Length: 2"],
        );
        line.say(&(send + "{}")).await;
        let answer = line.hear().await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (500, "{\"message\":\"Internal Server Error\"}"),
            "{phase}"
        );
        if before_the_gateway.contains(&phase) {
            assert_eq!(toy.asked().len(), asked, "{phase}");
        }
        assert_eq!(sidecar.ask(&request("GET /health", &[])).await.status, 200);
        sidecar.counted(&format!("gateward_panics_total {}", panics + 1)).await;
    }
    let mut line = sidecar.connect().await;
    line.say(&request("GET /health", &["X-Test-Panic: judge"])).await;
    assert_eq!(line.hear().await.status, 500);
    line.say(&request("GET /health", &[])).await;
    assert_eq!(line.hear().await.status, 200, "nothing was half done");
}
