//! What a password change ends.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::config::PolicySource;
use crate::testing::{Act, Answer, Line, Sidecar, Toy, good, request, say};

const ISSUE: &str = "POST /api/3rdparty/v1/auth/token";
const LIST: &str = "GET /api/3rdparty/v1/messages";
const BODY: &str = "{\"scopes\":[\"all:any\"]}";

/// A gateway with one user, whose password is `old` until it is changed to `new`.
async fn gateway() -> Toy {
    let changed = AtomicBool::new(false);
    Toy::new(move |asked| {
        if asked.line().starts_with("PATCH ") {
            changed.store(true, Ordering::SeqCst);
            return say("204 No Content", "X-Gateward-User: ABC123\r\n", "");
        }
        let password = if changed.load(Ordering::SeqCst) { "new" } else { "old" };
        let right = format!("Basic {}", STANDARD.encode(format!("ABC123:{password}")));
        let is_check = asked.line().contains("/settings ");
        if is_check && asked.one("authorization") != Some(&right) {
            return say("401 Unauthorized", "", "{}");
        }
        good()
    })
    .await
}

fn basic(password: &str) -> String {
    format!("Authorization: Basic {}", STANDARD.encode(format!("ABC123:{password}")))
}

fn issue(password: &str, expect: &str) -> String {
    let length = format!("Content-Length: {}", BODY.len());
    let fields = [&basic(password), "Content-Type: application/json", &length, expect];
    request(ISSUE, &fields)
}

const CHANGE: &str = "PATCH /api/mobile/v1/user/password";

fn changing() -> String {
    request(CHANGE, &["Authorization: Bearer device", "Content-Length: 2"]) + "{}"
}

async fn change(sidecar: &Sidecar) {
    let changed = sidecar.ask(&changing()).await;
    assert_eq!((changed.status, changed.all("x-gateward-user").len()), (204, 0));
}

fn access(answer: &Answer) -> String {
    let pair: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    format!(
        "Authorization: Bearer {}",
        pair.get("access_token").unwrap().as_str().unwrap()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_what_was_known_and_issued_before_and_nothing_else() {
    let sidecar = Sidecar::start(&gateway().await).await;
    let issued = sidecar.ask(&(issue("old", "Accept: */*") + BODY)).await;
    assert_eq!(issued.status, 201, "{}", issued.body);
    let before = access(&issued);
    assert_eq!(sidecar.ask(&request(LIST, &[&before])).await.status, 200);
    change(&sidecar).await;
    assert_eq!(sidecar.ask(&request(LIST, &[&before])).await.status, 401);
    assert_eq!(sidecar.ask(&request(LIST, &[&basic("old")])).await.status, 401);
    // In the same second, most likely.
    assert_eq!(sidecar.ask(&request(LIST, &[&basic("new")])).await.status, 200);
    let issued = sidecar.ask(&(issue("new", "Accept: */*") + BODY)).await;
    assert_eq!(issued.status, 201, "{}", issued.body);
    assert_eq!(sidecar.ask(&request(LIST, &[&access(&issued)])).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_request_that_waits_with_its_body_gets_no_session_after_it() {
    let sidecar = Sidecar::start(&gateway().await).await;
    let mut line = sidecar.connect().await;
    line.say(&issue("old", "Expect: 100-continue")).await;
    // Let in by its head.
    assert_eq!(line.hear().await.status, 100);
    change(&sidecar).await;
    line.say(BODY).await;
    assert_eq!(line.hear().await.status, 401);
}

/// A gateway that takes its time for a password change: until it is told to go on.
async fn hesitant(answer: &'static str) -> (Toy, Arc<Notify>) {
    let go = Arc::new(Notify::new());
    let wait = Arc::clone(&go);
    let toy = Toy::new(move |asked| {
        if asked.line().starts_with("PATCH ") {
            Act::Wait(Arc::clone(&wait), answer.to_owned())
        } else {
            good()
        }
    });
    (toy.await, go)
}

const CHANGED: &str = "HTTP/1.1 204 No Content\r\nX-Gateward-User: ABC123\r\n\r\n";

/// Asks for the change, and comes back once the gateway has been asked.
async fn begin_change(sidecar: &Sidecar, toy: &Toy, change: &str) -> Line {
    let mut line = sidecar.connect().await;
    line.say(change).await;
    let asked = async {
        while !toy.asked().iter().any(|asked| asked.line().starts_with("PATCH ")) {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), asked).await.unwrap();
    line
}

async fn ends(sidecar: &Sidecar, token: &str) {
    let refused = async {
        while sidecar.ask(&request(LIST, &[token])).await.status != 401 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), refused).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_does_not_keep_its_password_change_from_ending_tokens() {
    let (toy, go) = hesitant(CHANGED).await;
    let sidecar = Sidecar::start(&toy).await;
    let before = access(&sidecar.ask(&(issue("old", "Accept: */*") + BODY)).await);
    let line = begin_change(&sidecar, &toy, &changing()).await;
    line.reset();
    // The news of the reset overtakes what follows it.
    assert_eq!(sidecar.ask(&request(LIST, &[&before])).await.status, 200);
    go.notify_one();
    ends(&sidecar, &before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_takes_longer_than_a_client_waits_ends_tokens_all_the_same() {
    let (toy, go) = hesitant(CHANGED).await;
    let sidecar = Sidecar::start_with(&toy, "", |config| {
        config.upstream.timeouts.read = Duration::from_millis(100);
    })
    .await;
    let before = access(&sidecar.ask(&(issue("old", "Accept: */*") + BODY)).await);
    assert_eq!(sidecar.ask(&changing()).await.status, 504);
    assert_eq!(sidecar.ask(&request(LIST, &[&before])).await.status, 200);
    go.notify_one();
    ends(&sidecar, &before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_changes_may_be_under_way_and_short_ones_only() {
    let (toy, go) = hesitant(CHANGED).await;
    let sidecar = Sidecar::start(&toy).await;
    let long = format!("Content-Length: {}", 64 * 1024 + 1);
    assert_eq!(sidecar.ask(&request(CHANGE, &[&long])).await.status, 413);
    let mut lines = Vec::new();
    for under_way in 1..=64 {
        let mut line = sidecar.connect().await;
        line.say(&changing()).await;
        lines.push(line);
        let asked = async {
            while toy.asked().len() < under_way {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), asked).await.unwrap();
    }
    let beyond = sidecar.ask(&changing()).await;
    assert_eq!((beyond.status, beyond.all("retry-after").len()), (503, 1));
    // A client that leaves makes no room for another as long as the gateway is at work.
    lines.remove(0).reset();
    assert_eq!(sidecar.ask(&changing()).await.status, 503);
    go.notify_waiters();
    for mut line in lines {
        assert_eq!(line.hear().await.status, 204);
    }
    let free = async {
        let mut line = sidecar.connect().await;
        loop {
            line.say(&changing()).await;
            go.notify_one();
            if line.hear().await.status == 204 {
                return;
            }
        }
    };
    timeout(Duration::from_secs(10), free).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_send_their_change_keep_nobody_from_making_one() {
    let sidecar = Sidecar::start(&gateway().await).await;
    let head = request(CHANGE, &["Content-Length: 2", "Expect: 100-continue"]);
    let mut stalled = Vec::new();
    for _ in 0..70 {
        let mut line = sidecar.connect().await;
        line.say(&head).await;
        // It is waited for with its body.
        assert_eq!(line.hear().await.status, 100);
        stalled.push(line);
    }
    change(&sidecar).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_whose_outcome_is_not_known_ends_the_tokens_of_the_user_who_asked() {
    let toy = Toy::new(|asked| {
        if asked.line().starts_with("PUT ") {
            Act::HangUp
        } else {
            good()
        }
    })
    .await;
    let own = "  - { id: own.password, match: [ PUT /3rdparty/v1/password ], with: [ basic, jwt ], \
               scope: settings:write, password_change: true }\n";
    let policy =
        gateward_policy::SMSGATE.replace("  - id: mobile.password ", &format!("{own}  - id: mobile.password "));
    let sidecar = Sidecar::start_in(&toy, "", |config, folder| {
        let path = folder.join("policy.yaml");
        std::fs::write(&path, policy).unwrap();
        config.policy = PolicySource::File(path);
    })
    .await;
    let before = access(&sidecar.ask(&(issue("old", "Accept: */*") + BODY)).await);
    let change = request("PUT /api/3rdparty/v1/password", &[&before]);
    assert_eq!(sidecar.ask(&change).await.status, 502);
    assert_eq!(sidecar.ask(&request(LIST, &[&before])).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateways_answer_to_a_change_reaches_the_client_as_it_is() {
    let toy = Toy::new(|asked| match asked.one("x-act") {
        Some("chunks") => Act::Say(
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 400 Bad Request\r\nX-More: a\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n0\r\n\r\n"
                .to_owned(),
        ),
        Some("gone") => Act::HangUp,
        _ => say("403 Forbidden", "X-Gateward-User: ABC123\r\n", "{\"message\":\"no\"}"),
    })
    .await;
    let sidecar = Sidecar::start(&toy).await;
    let mut line = sidecar.connect().await;
    let fields = ["Authorization: Bearer device", "Content-Type: application/json"];
    let [device, json] = fields;
    line.say(&(request(&format!("{CHANGE}?a=b"), &[device, json, "Content-Length: 2"]) + "{}"))
        .await;
    let answer = line.hear().await;
    assert_eq!((answer.status, answer.body.as_str()), (403, "{\"message\":\"no\"}"));
    assert_eq!(answer.all("x-gateward-user"), Vec::<&str>::new());
    let asked = toy.last();
    assert_eq!(asked.line(), "PATCH /api/mobile/v1/user/password?a=b HTTP/1.1");
    assert_eq!(
        (asked.one("authorization"), &*asked.body),
        (Some("Bearer device"), &b"{}"[..])
    );

    let chunked = [
        device,
        "X-Act: chunks",
        "Transfer-Encoding: chunked",
        "Expect: 100-continue",
    ];
    line.say(&request(CHANGE, &chunked)).await;
    assert_eq!(line.hear().await.status, 100);
    line.say("2\r\n{}\r\n0\r\n\r\n").await;
    let answer = line.hear().await;
    assert_eq!(
        (answer.status, answer.body.as_str(), answer.one("x-more")),
        (400, "short", "a")
    );
    let asked = toy.last();
    assert_eq!(
        (asked.one("content-length"), asked.one("expect"), &*asked.body),
        (Some("2"), None, &b"{}"[..])
    );

    line.say(&request(CHANGE, &[device, "X-Act: gone"])).await;
    assert_eq!(line.hear().await.status, 502);
    sidecar
        .counted("gateward_upstream_failures_total{reason=\"upstream_broken\"} 1")
        .await;
    line.say(&changing()).await;
    assert_eq!(line.hear().await.status, 403, "the connection lives on");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_is_the_one_to_end_the_connection_of_a_password_change() {
    let gateway = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = gateway.local_addr().unwrap().port();
    let toy = Toy::good().await;
    let sidecar = Sidecar::start_with(&toy, "", |config| config.upstream.urls[0].port = port).await;
    let mut line = sidecar.connect().await;
    line.say(&changing()).await;
    let (mut connection, _) = gateway.accept().await.unwrap();
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n{}") {
        assert!(connection.read_buf(&mut asked).await.unwrap() > 0);
    }
    let asked = String::from_utf8(asked).unwrap().to_ascii_lowercase();
    assert_eq!(asked.matches("\r\nconnection: close\r\n").count(), 1, "{asked}");
    let answer = "HTTP/1.1 204 No Content\r\nConnection: close\r\nX-Gateward-User: ABC123\r\n\r\n";
    connection.write_all(answer.as_bytes()).await.unwrap();
    let answer = line.hear().await;
    assert_eq!((answer.status, answer.one("connection")), (204, "keep-alive"));
    let not_yet = connection
        .into_std()
        .unwrap()
        .peek(&mut [0])
        .map_err(|error| error.kind());
    assert_eq!(not_yet, Err(std::io::ErrorKind::WouldBlock), "we do not close it first");
}
