//! Running it: explain, reload, readiness, graceful stop (attacks 85 to 87).

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::bench::{Bench, MESSAGES, PASSWORD, USER, gateway, token};
use crate::support::http::{Connection, Request};
use crate::support::process::{Process, folder, listening, pause, status_of, write_private};
use crate::support::upstream::{Answer, Upstream};

fn explain(arguments: &[&str]) -> (i32, String) {
    let folder = folder();
    let mut all = vec!["explain"];
    all.extend(arguments);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_gateward"))
        .args(all)
        .current_dir(folder.path())
        .env_clear()
        .output()
        .expect("run");
    (
        output.status.code().expect("code"),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

#[test]
fn a_reader_of_the_welcome_who_leaves_ends_nothing() {
    let folder = folder();
    let mut up = Command::new(env!("CARGO_BIN_EXE_gateward"))
        .arg("up")
        .current_dir(folder.path())
        .env_clear()
        .envs(["GATEWARD__LISTEN", "GATEWARD__ADMIN", "HTTP__LISTEN"].map(|name| (name, "127.0.0.1:0")))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start");
    drop(up.stdout.take());
    let mut said = BufReader::new(up.stderr.take().expect("stderr"))
        .lines()
        .map_while(Result::ok);
    let mut log = Vec::new();
    let found = said.find_map(|line| {
        let found = listening(&line);
        log.push(line);
        found
    });
    let (_, admin) = found.expect("addresses");
    assert_eq!(status_of(admin, "/health/live"), Some(200));
    let told = Command::new("kill").args(["-TERM", &up.id().to_string()]).status();
    assert!(told.expect("kill").success());
    log.extend(said);
    assert_eq!(up.wait().expect("end").code(), Some(0), "{log:#?}");
    // All that is said is lines of the log, also what is odd about the configuration.
    let log: Vec<Value> = log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    let of_push = |line: &&Value| line["problem"].to_string().contains("gateway.upstream_url");
    let line = log.iter().find(of_push).unwrap_or_else(|| panic!("{log:#?}"));
    assert_eq!(
        (&line["level"], &line["message"]),
        (&"WARN".into(), &"configuration".into())
    );
    assert!(line["problem"].to_string().contains("push is off"), "{line}");
}

#[test]
fn explain_says_why() {
    let (code, said) = explain(&["POST", MESSAGES, "--scopes", "messages:send"]);
    assert!(
        code == 0 && said.contains("messages.send") && said.contains("allow"),
        "{said}"
    );
    let (code, said) = explain(&["POST", MESSAGES, "--scopes", "messages:read"]);
    assert!(
        code == 1 && said.contains("messages:send") && said.contains("403"),
        "{said}"
    );
    let (code, said) = explain(&["POST", MESSAGES]);
    assert!(code == 1 && said.contains("401"), "{said}");
    let (code, said) = explain(&["GET", MESSAGES, "--basic", "--json"]);
    let answer: Value = serde_json::from_str(&said).expect("JSON");
    assert!(code == 0 && answer.to_string().contains("messages.list"), "{answer}");
    assert_eq!(explain(&["GET", "/api/../x", "--none"]).0, 1);
    assert_eq!(explain(&["GET", MESSAGES, "--config", "missing.yaml"]).0, 2);
    assert_eq!(explain(&["GET"]).0, 2);
}

const ONE_ROUTE: &str = r"
policy: NAME
router: strict
prefixes: [ / ]
user_names: as_written
scopes: { read: Read, write: Write }
routes:
  - { id: one, match: [ GET /one ], with: [ jwt ], scope: SCOPE, action: forward }
tests:
  - { request: GET /one, as: { jwt: [ SCOPE ] }, expect: allow }
  - { request: GET /one, as: none, expect: 401 }
";

fn policy(name: &str, scope: &str) -> String {
    ONE_ROUTE.replace("NAME", name).replace("SCOPE", scope)
}

async fn await_status_line(bench: &Bench, part: &str) {
    let start = Instant::now();
    loop {
        let text = Request::get("/status").send(bench.gateward.admin).await.text();
        if text.contains(part) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "no {part} in {text}");
    }
}

#[tokio::test]
async fn a_policy_is_reloaded_on_change_and_a_bad_one_is_not() {
    let bench = Bench::with(Upstream::answering(gateway), |settings| {
        settings
            .file("policy.yaml", &policy("policy-first", "read"))
            .with("GATEWARD__POLICY", "policy.yaml")
    });
    let path = bench.gateward.folder().join("policy.yaml");
    let one = async |scope: &str| bench.send(&Request::get("/one").bearer(&token(&[scope]))).await.status;
    assert_eq!((one("read").await, one("write").await), (200, 403));
    write_private(&path, &policy("policy-second", "write"));
    await_status_line(&bench, "policy-second").await;
    assert_eq!((one("read").await, one("write").await), (403, 200));
    // A candidate that is wrong, one that denies itself, an empty one, none at all: the running one stays.
    for bad in ["policy: [", &policy("policy-third", "undeclared"), ""] {
        write_private(&path, bad);
        bench.gateward.process.signal("HUP");
        await_status_line(&bench, "\"ok\":false").await;
        assert_eq!((one("read").await, one("write").await), (403, 200));
    }
    std::fs::remove_file(&path).expect("remove");
    bench.gateward.process.signal("HUP");
    await_status_line(&bench, "\"ok\":false").await;
    assert_eq!(one("write").await, 200);
    write_private(&path, &policy("policy-fourth", "read"));
    bench.gateward.process.signal("HUP");
    await_status_line(&bench, "policy-fourth").await;
    assert_eq!(one("read").await, 200);
}

#[tokio::test]
async fn reloading_under_load_loses_no_request() {
    let bench = Bench::with(Upstream::answering(gateway), |settings| {
        settings
            .file("policy.yaml", &policy("policy-first", "read"))
            .with("GATEWARD__POLICY", "policy.yaml")
    });
    let path = bench.gateward.folder().join("policy.yaml");
    let at = bench.at();
    let load = tokio::spawn(async move {
        let request = Request::get("/one").bearer(&token(&["read"]));
        let mut connection = Connection::open(at).await;
        for _ in 0..400 {
            assert_eq!(connection.send(&request).await.status, 200);
        }
    });
    for number in 0..20 {
        write_private(&path, &policy(&format!("version-{number}"), "read"));
        bench.gateward.process.signal("HUP");
        tokio::task::yield_now().await;
    }
    load.await.expect("load");
}

#[tokio::test]
async fn the_admin_port_tells_how_it_is() {
    let bench = Bench::start();
    bench.list_with(&token(&["messages:list"])).await;
    bench.list_with("x.y.z").await;
    bench.issue(&["messages:list"]).await;
    let get = async |path: &str| Request::get(path).send(bench.gateward.admin).await;
    assert_eq!(get("/health/live").await.status, 200);
    assert_eq!(get("/health/ready").await.status, 200);
    assert_eq!(get("/nope").await.status, 404);
    let status = get("/status").await.json();
    assert!(status.to_string().contains("smsgate"), "{status}");
    let metrics = get("/metrics").await;
    assert!(
        metrics
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/plain"))
    );
    let text = metrics.text();
    for name in [
        "sms_auth_jwt_tokens_issued_total{status=\"success\"} 1",
        "sms_auth_jwt_tokens_validated_total{status=\"success\"} 1",
        "sms_auth_jwt_tokens_validated_total{status=\"error\"} 1",
        "sms_auth_jwt_issuance_duration_seconds_count",
        "sms_auth_jwt_validation_duration_seconds_count",
        "gateward_requests_total{",
    ] {
        assert!(text.contains(name), "{name} in {text}");
    }
    assert!(text.contains("messages.list"), "route ids are labels");
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_flight() {
    let slow = Upstream::answering(|received| {
        if received.line.contains("/messages ") {
            // Long enough for the signal to arrive in between.
            std::thread::park_timeout(Duration::from_millis(700));
        }
        gateway(received)
    });
    let mut bench = Bench::with(slow, |settings| settings);
    let at = bench.at();
    let mut idle = Connection::open(at).await;
    assert_eq!(idle.send(&Request::get("/nope")).await.status, 404);
    let request = Request::get(MESSAGES).bearer(&token(&["messages:list"]));
    let running = tokio::spawn(async move { request.send(at).await.status });
    while bench.upstream.count() == 0 {
        pause();
        tokio::task::yield_now().await;
    }
    let start = Instant::now();
    bench.gateward.process.signal("TERM");
    assert_eq!(running.await.expect("request"), 200);
    assert_eq!(bench.gateward.process.wait().code(), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(9),
        "ended before the deadline: {:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_its_deadline() {
    let stuck = Upstream::answering(|_| Answer::Stall(Vec::new()));
    let mut bench = Bench::with(stuck, |settings| settings.with("GATEWARD__TIMEOUTS__DRAIN", "300ms"));
    let mut waiting = Connection::open(bench.at()).await;
    waiting
        .write(
            &Request::get(MESSAGES)
                .bearer(&token(&["messages:list"]))
                .bytes(bench.at()),
        )
        .await;
    while bench.upstream.count() == 0 {
        pause();
    }
    bench.gateward.process.signal("TERM");
    assert_eq!(bench.gateward.process.wait().code(), Some(0));
}

#[tokio::test]
async fn a_phone_that_listens_holds_up_no_stop() {
    let events = Upstream::answering(|received| match received.line.contains("/events") {
        true => Answer::Stall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
        ),
        false => gateway(received),
    });
    let mut bench = Bench::with(events, |settings| settings.with("GATEWARD__TIMEOUTS__DRAIN", "1h"));
    let mut stream = Connection::open(bench.at()).await;
    stream
        .write(&Request::get("/api/mobile/v1/events").bearer("x").bytes(bench.at()))
        .await;
    assert_eq!(stream.read_head().await.expect("head").0, 200);
    bench.gateward.process.signal("TERM");
    assert_eq!(bench.gateward.process.wait().code(), Some(0));
    assert!(stream.read_some().await.is_empty(), "the phone notices");
}

#[tokio::test]
async fn only_one_process_uses_a_data_folder() {
    let bench = Bench::start();
    let path = bench.gateward.folder();
    let environment = [
        ("GATEWARD__UPSTREAM__MINT__SECRET", crate::bench::MINT_SECRET),
        ("GATEWARD__TOKENS__SECRET", crate::bench::TOKEN_SECRET),
        ("GATEWARD__LISTEN", "127.0.0.1:0"),
        ("GATEWARD__ADMIN", "127.0.0.1:0"),
    ];
    let environment = environment
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let mut second = Process::start(
        env!("CARGO_BIN_EXE_gateward"),
        &["run", "--config", "gateward.yaml"],
        &environment,
        path,
    );
    let code = second.wait().code();
    assert!(code.is_some_and(|code| code != 0), "{:?}", second.lines());
    // The first goes on, and `explain` does not need the store.
    assert_eq!(
        bench.send(&Request::get(MESSAGES).basic(USER, PASSWORD)).await.status,
        200
    );
    let explained = std::process::Command::new(env!("CARGO_BIN_EXE_gateward"))
        .args(["explain", "GET", MESSAGES, "--basic"])
        .current_dir(path)
        .status()
        .expect("explain");
    assert!(explained.success());
}
