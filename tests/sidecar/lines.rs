//! What stands in the log: one line with all facts for each request, and one for each event of a session.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bench::{Bench, MESSAGES, MINT_SECRET, PASSWORD, TOKEN, TOKEN_SECRET, USER, gateway, text, token};
use crate::support::http::Request;
use crate::support::jwt;
use crate::support::process::{Process, folder, pause, status_of, write_private};
use crate::support::upstream::{Answer, Upstream};

/// The line of the request with this id.
fn decision(bench: &mut Bench, id: &str) -> Value {
    bench.gateward.process.wait_for(id, |line| {
        let record: Value = serde_json::from_str(line).ok()?;
        (record["request_id"] == id).then_some(record)
    })
}

/// The first audit line of this event.
fn audit(bench: &mut Bench, event: &str) -> Value {
    bench.gateward.process.wait_for(event, |line| {
        let record: Value = serde_json::from_str(line).ok()?;
        (record["target"] == "gateward::audit" && record["event"] == event).then_some(record)
    })
}

fn assert_says(line: &Value, fields: &[(&str, Value)]) {
    for (name, value) in fields {
        assert_eq!(&line[*name], value, "{name} of {line}");
    }
}

#[tokio::test]
async fn each_request_leaves_one_line_with_all_that_is_known_of_it() {
    let mut bench = Bench::start();
    let status = Request::get("/status").send(bench.gateward.admin).await.json();
    let policy = status["policy"]["hash"].clone();
    assert!(policy.is_string(), "{status}");
    let request = |path: &str, id: &str| Request::get(path).header("X-Request-ID", id);
    let (good, poor) = (token(&["messages:list"]), token(&["devices:list"]));
    bench
        .send(&request(&format!("{MESSAGES}?limit=1"), "line-1").bearer(&good))
        .await;
    bench.send(&request(MESSAGES, "line-2").bearer(&poor)).await;
    bench.send(&request("/nope", "line-3")).await;
    bench.send(&request(MESSAGES, "line-4").basic(USER, PASSWORD)).await;
    let issue = Request::post(TOKEN)
        .basic(USER, PASSWORD)
        .header("X-Request-ID", "line-5");
    let issued = bench
        .send(&issue.json(&json!({ "scopes": ["messages:list"] })))
        .await
        .json();

    let allowed = decision(&mut bench, "line-1");
    assert_says(
        &allowed,
        &[
            ("target", json!("gateward::decision")),
            ("client", json!("127.0.0.1")),
            ("method", json!("GET")),
            ("path", json!(MESSAGES)),
            ("route", json!("messages.list")),
            ("credential", json!("bearer")),
            ("user", json!(USER)),
            ("jti", jwt::read(&good)["jti"].clone()),
            ("scope", json!("messages:list")),
            ("verdict", json!("allow")),
            ("reason", json!("")),
            ("degraded", json!(false)),
            ("policy", policy.clone()),
            ("status", json!(200)),
            ("upstream_status", json!(200)),
        ],
    );
    let took = |name: &str| {
        allowed[name]
            .as_f64()
            .unwrap_or_else(|| panic!("no {name} in {allowed}"))
    };
    assert!(
        0.0 < took("upstream_ms") && took("upstream_ms") <= took("duration_ms"),
        "{allowed}"
    );
    assert!(allowed["timestamp"].is_string(), "{allowed}");

    let denied = decision(&mut bench, "line-2");
    assert_says(
        &denied,
        &[
            ("user", json!(USER)),
            ("scope", json!("messages:list")),
            ("verdict", json!("deny")),
            ("reason", json!("scope_missing")),
            ("policy", policy),
            ("status", json!(403)),
            ("upstream_status", Value::Null),
            ("upstream_ms", Value::Null),
        ],
    );
    let unknown = decision(&mut bench, "line-3");
    assert_says(
        &unknown,
        &[
            ("route", json!("none")),
            ("reason", json!("no_route")),
            ("status", json!(404)),
        ],
    );
    let login = decision(&mut bench, "line-4");
    assert_says(
        &login,
        &[
            ("credential", json!("basic")),
            ("user", json!(USER)),
            ("jti", Value::Null),
        ],
    );
    let of_issue = decision(&mut bench, "line-5");
    assert_says(&of_issue, &[("issued", issued["id"].clone()), ("status", json!(201))]);
    let lines = bench.gateward.process.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("\"line-1\"")).count(), 1);
}

#[tokio::test]
async fn a_session_leaves_a_line_at_its_beginning_and_for_each_refresh() {
    let mut bench = Bench::start();
    let issued = bench.issue(&["messages:list"]).await;
    let of_issue = audit(&mut bench, "issue");
    assert_says(
        &of_issue,
        &[
            ("user", json!(USER)),
            ("jti", issued["id"].clone()),
            ("scopes", json!("messages:list")),
            ("by", json!("basic")),
        ],
    );
    let refresh = Request::post(&format!("{TOKEN}/refresh")).bearer(&text(&issued, "refresh_token"));
    let next = bench.send(&refresh).await.json();
    let of_refresh = audit(&mut bench, "refresh");
    assert_says(
        &of_refresh,
        &[
            ("user", json!(USER)),
            ("family", of_issue["family"].clone()),
            ("jti", next["id"].clone()),
            ("again", json!(false)),
        ],
    );
    // The same pair once more.
    assert_eq!(bench.send(&refresh).await.json(), next);
    let again = bench.gateward.process.wait_for("the second line", |line| {
        let record: Value = serde_json::from_str(line).ok()?;
        (record["event"] == "refresh" && record["again"] == true).then_some(record)
    });
    assert_says(&again, &[("jti", next["id"].clone())]);
}

#[tokio::test]
async fn a_session_of_the_gateway_that_is_adopted_leaves_a_line() {
    let mut bench = Bench::with(
        Upstream::answering(|received| match received.line.contains("/auth/token/refresh") {
            true => Answer::json(201, r#"{"access_token":"x","refresh_token":"y"}"#),
            false => gateway(received),
        }),
        |settings| settings,
    );
    let mut claims = jwt::claims(USER, &["tokens:refresh"]);
    claims["original_scopes"] = json!(["messages:list"]);
    claims["jti"] = json!("a-token-of-the-gateway");
    let adopted = jwt::token(TOKEN_SECRET, &claims);
    let refresh = Request::post(&format!("{TOKEN}/refresh")).bearer(&adopted);
    let answer = bench.send(&refresh).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let line = audit(&mut bench, "adopt");
    assert_says(
        &line,
        &[
            ("user", json!(USER)),
            ("presented", json!("a-token-of-the-gateway")),
            ("jti", answer.json()["id"].clone()),
        ],
    );
    assert!(line["family"].is_string(), "{line}");
}

#[tokio::test]
async fn a_password_change_leaves_a_line() {
    let mut bench = Bench::with(
        Upstream::answering(|received| match received.line.starts_with("PATCH ") {
            true => Answer::with(204, &[("X-Gateward-User", USER)], ""),
            false => gateway(received),
        }),
        |settings| settings,
    );
    let change = Request::new("PATCH", "/api/mobile/v1/user/password").bearer("device");
    assert_eq!(bench.send(&change.json(&json!({}))).await.status, 204);
    let line = audit(&mut bench, "password_change");
    assert_says(&line, &[("user", json!(USER)), ("outcome", json!("revoked"))]);
}

#[tokio::test]
async fn a_scope_that_its_caller_does_not_hold_leaves_a_line_where_it_is_only_reported() {
    let mut bench = Bench::with(Upstream::answering(gateway), |settings| {
        settings.with("GATEWARD__TOKENS__ATTENUATION", "report")
    });
    let ask = Request::post(TOKEN).bearer(&token(&["tokens:manage"]));
    let answer = bench.send(&ask.json(&json!({ "scopes": ["messages:send"] }))).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let line = audit(&mut bench, "attenuation_exceeded");
    assert_says(
        &line,
        &[
            ("level", json!("WARN")),
            ("user", json!(USER)),
            ("scope", json!("messages:send")),
        ],
    );
}

#[tokio::test]
async fn a_reload_leaves_a_line_with_both_policies() {
    const ROUTE: &str = "router: strict\nroutes:\n  - { id: one, match: [ GET /one ], action: passthrough }\n\
                         tests:\n  - { request: GET /one, as: none, expect: allow }\n";
    let mut bench = Bench::with(Upstream::answering(gateway), |settings| {
        settings
            .file("policy.yaml", &format!("policy: first\n{ROUTE}"))
            .with("GATEWARD__POLICY", "policy.yaml")
    });
    let hash = async |bench: &Bench| {
        let status = Request::get("/status").send(bench.gateward.admin).await.json();
        status["policy"]["hash"].clone()
    };
    let before = hash(&bench).await;
    let path = bench.gateward.folder().join("policy.yaml");
    write_private(&path, &format!("policy: second\n{ROUTE}"));
    bench.gateward.process.signal("HUP");
    let line = audit(&mut bench, "reload");
    assert_says(&line, &[("file", json!("policy")), ("from", before)]);
    let deadline = Instant::now() + Duration::from_secs(20);
    while hash(&bench).await != line["to"] {
        assert!(Instant::now() < deadline, "{line}");
    }
}

#[tokio::test]
async fn audit_lines_are_written_whatever_the_level() {
    let upstream = Upstream::answering(gateway);
    let folder = folder();
    std::fs::write(
        folder.path().join("g.yaml"),
        format!("upstream: {{ url: '{}' }}\n", upstream.url()),
    )
    .expect("write");
    // The line that says where it listens is not told at this level: the ports have to be known before.
    let [public, admin]: [SocketAddr; 2] = [(), ()].map(|()| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("port");
        listener.local_addr().expect("address")
    });
    let environment: BTreeMap<String, String> = [
        ("GATEWARD__LISTEN", public.to_string()),
        ("GATEWARD__ADMIN", admin.to_string()),
        ("GATEWARD__LOG__LEVEL", "error".to_owned()),
        ("GATEWARD__UPSTREAM__MINT__SECRET", MINT_SECRET.to_owned()),
        ("GATEWARD__TOKENS__SECRET", TOKEN_SECRET.to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let arguments = ["run", "--config", "g.yaml"];
    let mut process = Process::start(env!("CARGO_BIN_EXE_gateward"), &arguments, &environment, folder.path());
    let deadline = Instant::now() + Duration::from_secs(60);
    while status_of(admin, "/health/ready") != Some(200) {
        assert!(Instant::now() < deadline, "not ready: {:?}", process.lines());
        pause();
    }
    let request = Request::post(TOKEN)
        .basic(USER, PASSWORD)
        .json(&json!({ "scopes": ["messages:send"] }));
    assert_eq!(request.send(public).await.status, 201);
    let line: Value = process.wait_for("an audit line", |line| serde_json::from_str(line).ok());
    assert_eq!(
        (&line["target"], &line["event"]),
        (&json!("gateward::audit"), &json!("issue"))
    );
}
