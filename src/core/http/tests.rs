//! What all answers have in common, whatever is asked (WIRE §1, §2.1).

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::time::Duration;

use axum::body::Body;
use futures_util::FutureExt;
use gateward_auth::{AccessClaims, FamilyId, MintedClaims, TokenId, UnixSeconds};
use serde_json::json;

use crate::testing::{Bench, basic, bearer, request, signer};

mod bodies;
mod extremes;

const USER_LINK: &str = r#"</.well-known/api-catalog>; rel="api-catalog""#;
const UNAUTHORIZED: (u16, &str) = (401, r#"{"message":"Unauthorized"}"#);

#[tokio::test]
async fn unknown_paths_outside_both_apis_are_404_in_text() {
    let bench = Bench::new().await;
    for path in [
        "/",
        "/nope",
        "/api",
        "/api/",
        "/api/health",
        "/3rdparty",
        "/api/3rdparty",
        "/health/nope",
    ] {
        let answer = bench.ask("GET", path, "").await;
        assert_eq!(answer.text(), (404, "Not Found"), "{path}");
        assert!(
            answer.header("link").unwrap().contains(r#"rel="describedby""#),
            "{path}"
        );
    }
}

#[tokio::test]
async fn unknown_paths_of_the_user_api_ask_who_is_there_first() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let minted = bench.minted(&phone.login);
    for (method, path) in [
        ("GET", "/api/3rdparty/v1"),
        ("GET", "/api/3rdparty/v1/nope"),
        ("GET", "/api/3rdparty/v1/health/nope"),
        ("GET", "/API/3RDPARTY/V1/NOPE"),
        ("POST", "/api/3rdparty/v1/devices"),
        ("OPTIONS", "/api/3rdparty/v1/devices"),
        ("DELETE", "/api/3rdparty/v1/settings"),
        ("POST", "/api/3rdparty/v1/health"),
        ("PUT", "/api/3rdparty/v1/webhooks"),
        ("POST", "/api/3rdparty/v1/auth/token"),
    ] {
        let refused = bench.ask(method, path, "").await;
        assert_eq!(
            (refused.status.as_u16(), refused.body.as_str()),
            UNAUTHORIZED,
            "{method} {path}"
        );
        assert_eq!(refused.header("link"), Some(USER_LINK));
        let refused = bench.ask(method, path, &basic(&phone.login, &phone.password)).await;
        assert_eq!(refused.refusal().0, 401, "{method} {path}");
        let unknown = bench.ask(method, path, &minted).await;
        assert_eq!(unknown.text(), (404, "Not Found"), "{method} {path}");
        assert_eq!(unknown.header("link"), Some(USER_LINK));
        assert_eq!(unknown.header("allow"), None);
    }
}

#[tokio::test]
async fn unknown_paths_of_the_device_api_ask_for_a_device_first() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    for (method, path) in [
        ("GET", "/api/mobile/v1/nope"),
        ("PUT", "/api/mobile/v1/settings"),
        ("POST", "/api/mobile/v1/webhooks"),
        ("PUT", "/api/mobile/v1/device"),
    ] {
        assert_eq!(bench.ask(method, path, "").await.refusal().0, 401, "{method} {path}");
        let minted = bench.minted(&phone.login);
        assert_eq!(
            bench.ask(method, path, &minted).await.refusal().0,
            401,
            "{method} {path}"
        );
        let unknown = bench.ask(method, path, &bearer(&phone.token)).await;
        assert_eq!(unknown.text(), (404, "Not Found"), "{method} {path}");
    }
}

#[tokio::test]
async fn another_method_on_a_known_path_is_404() {
    let bench = Bench::new().await;
    for (method, path) in [("POST", "/health"), ("OPTIONS", "/health"), ("DELETE", "/metrics")] {
        let answer = bench.ask(method, path, "").await;
        assert_eq!(answer.text(), (404, "Not Found"), "{method} {path}");
        assert_eq!(answer.header("allow"), None);
    }
}

#[tokio::test]
async fn spelling_does_not_matter() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let minted = bench.minted(&phone.login);
    for path in [
        "/api/3rdparty/v1/devices",
        "/API/3RDPARTY/V1/DEVICES",
        "/api/3rdparty/v1/devices/",
        "/api/3rdparty/v1/%64evice%73",
        "/api/3rdparty/v1/Device?foo=bar",
    ] {
        let answer = bench.ask("GET", path, &minted).await;
        assert_eq!(answer.json()[0]["id"], phone.id, "{path}");
    }
}

#[tokio::test]
async fn head_answers_as_get_without_a_body() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let minted = bench.minted(&phone.login);
    let path = "/api/3rdparty/v1/devices";
    for (path, authorization, status, kind) in [
        (path, minted.as_str(), 200, "application/json"),
        (path, "", 401, "application/json"),
        (
            "/api/3rdparty/v1/nope",
            minted.as_str(),
            404,
            "text/plain; charset=utf-8",
        ),
        ("/health", "", 200, "application/json"),
    ] {
        let answer = bench.ask("HEAD", path, authorization).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert_eq!(answer.header("content-type"), Some(kind), "{path}");
        assert_eq!(answer.body, "", "{path}");
    }
}

#[tokio::test]
async fn a_request_id_is_echoed_or_made() {
    let bench = Bench::new().await;
    for path in ["/health", "/nope", "/api/3rdparty/v1/devices"] {
        let asked = request("GET", path, "").header("X-Request-ID", "my-request-1");
        let answer = bench.send(asked.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.header("x-request-id"), Some("my-request-1"), "{path}");
        let first = bench.ask("GET", path, "").await;
        let second = bench.ask("GET", path, "").await;
        let made = first.header("x-request-id").unwrap();
        assert_eq!(made.len(), 36, "a UUID: {made}");
        assert_ne!(second.header("x-request-id"), Some(made));
    }
}

#[tokio::test]
async fn the_public_path_shows_in_links() {
    let bench = Bench::with(|config| {
        let (host, path) = ("sms.example.com".into(), "/gw".into());
        config.http.api = Some(crate::config::PublicApi { host, path });
    })
    .await;
    let answer = bench.ask("GET", "/health", "").await;
    assert!(answer.header("link").unwrap().contains("</gw/docs/doc.json>"));
}

#[tokio::test]
async fn a_method_that_nobody_knows_is_refused_at_the_door() {
    let bench = Bench::new().await;
    for path in ["/health", "/nope", "/api/3rdparty/v1/devices"] {
        for method in ["FROBNICATE", "get", "PROPFIND"] {
            let answer = bench.ask(method, path, "").await;
            assert_eq!(answer.text(), (400, "Invalid http method"));
            assert_eq!((answer.header("x-request-id"), answer.header("link")), (None, None));
        }
    }
    for method in ["OPTIONS", "TRACE", "PUT"] {
        assert_eq!(bench.ask(method, "/health", "").await.text(), (404, "Not Found"));
    }
}

#[tokio::test]
async fn a_head_has_32_kib_at_most() {
    let bench = Bench::new().await;
    let with = |length: usize| {
        request("GET", "/health", "")
            .header("x", "x".repeat(length))
            .body(Body::empty())
    };
    assert_eq!(bench.send(with(32_000).unwrap()).await.status, 200);
    let answer = bench.send(with(33_000).unwrap()).await;
    assert_eq!(answer.refusal(), (431, "Request Header Fields Too Large".to_owned()));
    assert_eq!((answer.header("x-request-id"), answer.header("link")), (None, None));
    let long = format!("/health?{}", "x".repeat(33_000));
    assert_eq!(bench.ask("GET", &long, "").await.refusal().0, 431);
}

#[tokio::test]
async fn only_a_minted_token_opens_the_user_api() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let path = "/api/3rdparty/v1/devices";
    assert_eq!(bench.ask("GET", path, &bench.minted(&phone.login)).await.status, 200);

    let signer = signer();
    let now = UnixSeconds(bench.app.now().seconds());
    let user = gateward_auth::UserId::parse(&phone.login).unwrap();
    let id = TokenId::parse("an-id").unwrap();
    let later = |seconds| UnixSeconds(now.0 + seconds);
    let minted = |issued_at, expires_at, scopes: &[&str]| {
        bearer(&signer.minted(&MintedClaims {
            user: &user,
            id: &id,
            scopes,
            issued_at,
            expires_at,
        }))
    };
    let clients_own = signer.access(&AccessClaims {
        user: &user,
        id: &id,
        family: &FamilyId::parse("a-family").unwrap(),
        epoch: 0,
        scopes: &["all:any"],
        issued_at: now,
        expires_at: later(60),
    });
    for (what, authorization) in [
        ("a client's own token", bearer(&clients_own)),
        ("an expired one", minted(later(-120), later(-60), &["a:b"])),
        ("one from the future", minted(later(60), later(120), &["a:b"])),
        ("one for a day", minted(now, later(86_400), &["a:b"])),
        ("one to refresh with", minted(now, later(60), &["tokens:refresh"])),
        ("one of nobody", bench.minted("NOBODY")),
        ("a device's token", bearer(&phone.token)),
        ("Basic", basic(&phone.login, &phone.password)),
        ("nothing", String::new()),
        ("no token", "Bearer a.b.c".to_owned()),
    ] {
        let answer = bench.ask("GET", path, &authorization).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), UNAUTHORIZED, "{what}");
    }
}

#[tokio::test]
async fn a_minted_token_names_its_user_in_any_case() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let minted = bench.minted(&phone.login.to_ascii_lowercase());
    let answer = bench.ask("GET", "/api/3rdparty/v1/devices", &minted).await;
    assert_eq!(answer.json()[0]["id"], phone.id);
}

#[tokio::test]
async fn settings_answer_the_sidecars_check_of_a_login() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let path = "/api/3rdparty/v1/settings";
    let lower = phone.login.to_ascii_lowercase();
    for authorization in [
        basic(&phone.login, &phone.password),
        basic(&lower, &phone.password),
        bench.minted(&phone.login),
    ] {
        assert_eq!(bench.ask("GET", path, &authorization).await.json(), json!({}));
    }
    for authorization in [
        String::new(),
        basic(&phone.login, "wrong-password"),
        basic(&phone.login, ""),
        basic("NOSUCH", &phone.password),
        basic("", ""),
        bearer(&phone.token),
        "Basic !!!!".to_owned(),
        "Code abcdef".to_owned(),
    ] {
        let answer = bench.ask("GET", path, &authorization).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.as_str()),
            UNAUTHORIZED,
            "{authorization}"
        );
        assert_eq!(answer.header("www-authenticate"), None);
    }
}

#[tokio::test]
async fn probes_need_no_credentials() {
    let bench = Bench::new().await;
    let database = json!({"db:ping": {
        "description": "Database ping", "observedUnit": "failed pings",
        "observedValue": 0, "status": "pass",
    }});
    for prefix in ["", "/api/3rdparty/v1"] {
        for path in ["/health", "/health/ready"] {
            let answer = bench.ask("GET", &format!("{prefix}{path}"), &basic("X", "y")).await;
            assert_eq!(answer.status, 200);
            let body = answer.json();
            assert_eq!(
                (&body["status"], &body["checks"]),
                (&json!("pass"), &database),
                "{path}"
            );
            assert!(
                answer.body.starts_with(r#"{"status":"pass","version":""#),
                "{}",
                answer.body
            );
        }
        let live = bench.ask("GET", &format!("{prefix}/health/live"), "").await;
        assert_eq!(live.status, 200);
        assert!(live.json()["checks"]["system:tasks"]["observedValue"].is_u64());
        let started = bench.ask("GET", &format!("{prefix}/health/startup"), "").await.json();
        assert_eq!((&started["status"], started.get("checks")), (&json!("pass"), None));
    }
}

#[tokio::test]
async fn readiness_fails_when_the_database_is_gone() {
    let bench = Bench::new().await;
    bench.app.database.close().await;
    for failed in 1..=2 {
        let answer = bench.ask("GET", "/health/ready", "").await;
        assert_eq!(answer.status, 503);
        let check = answer.json()["checks"]["db:ping"].clone();
        assert_eq!(
            (&check["observedValue"], &check["status"]),
            (&json!(failed), &json!("fail"))
        );
    }
}

#[tokio::test]
async fn a_database_failure_says_nothing_about_itself() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let minted = bench.minted(&phone.login);
    bench.app.database.close().await;
    let answer = bench.ask("GET", "/api/3rdparty/v1/devices", &minted).await;
    assert_eq!(answer.refusal(), (500, "Internal Server Error".to_owned()));
}

#[tokio::test]
async fn requests_are_counted_by_route() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let minted = bench.minted(&phone.login);
    for id in ["one", "two"] {
        bench
            .ask("DELETE", &format!("/api/3rdparty/v1/devices/{id}"), &minted)
            .await;
    }
    bench.ask("GET", "/api/3rdparty/v1/devices", "").await;
    bench.ask("GET", "/nope/random", "").await;
    bench.ask("FROBNICATE", "/health", "").await;

    let metrics = bench.ask("GET", "/metrics", "").await;
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain"));
    let count = |line: &str| metrics.body.lines().any(|found| found == line);
    assert!(
        count(r#"http_requests_total{method="DELETE",path="/api/3rdparty/v1/devices/:id",status_code="204"} 2"#),
        "{}",
        metrics.body
    );
    assert!(
        count(r#"http_requests_in_progress_total{method="GET"} 1"#),
        "{}",
        metrics.body
    );
    for never in ["nope", r#"status_code="401""#, r#"status_code="404""#, "FROBNICATE"] {
        assert!(!metrics.body.contains(never), "{never} in {}", metrics.body);
    }
}

#[tokio::test]
async fn times_have_three_digits_or_none() {
    let bench = Bench::new().await;
    bench.hands.advance(Duration::from_millis(1_120));
    let phone = bench.register("{}").await;
    let devices = bench
        .ask("GET", "/api/3rdparty/v1/devices", &bench.minted(&phone.login))
        .await;
    assert_eq!(devices.json()[0]["createdAt"], "2026-01-01T00:00:01.120Z");
}

#[tokio::test]
async fn a_change_is_finished_when_its_client_is_gone() {
    let bench = Bench::new().await;
    let phone = bench.register("{}").await;
    let body = json!({"currentPassword": phone.password, "newPassword": "a-new-password-1"}).to_string();
    let token = bearer(&phone.token);
    let change = bench.tell("PATCH", "/api/mobile/v1/user/password", &token, &body);
    assert!(change.now_or_never().is_none(), "begun, and given up by its client");

    let path = "/api/3rdparty/v1/settings";
    let new = basic(&phone.login, "a-new-password-1");
    let deadline = Duration::from_secs(20);
    let changed = async { while bench.ask("GET", path, &new).await.status != 200 {} };
    tokio::time::timeout(deadline, changed).await.unwrap();
    let old = basic(&phone.login, &phone.password);
    assert_eq!(bench.ask("GET", path, &old).await.status, 401, "remembered no longer");
}
