//! The Authorization header in every form (attacks 23 to 31).

use serde_json::json;

use crate::bench::{Bench, MESSAGES, PASSWORD, TOKEN, TOKEN_SECRET, USER, gateway, text, token};
use crate::support::http::Request;
use crate::support::jwt;
use crate::support::process::Settings;
use crate::support::upstream::{Answer, Upstream};

fn basic(text: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

#[tokio::test]
async fn a_scheme_is_read_without_case() {
    let bench = Bench::start();
    let good = basic(format!("{USER}:{PASSWORD}").as_bytes());
    let token = token(&["messages:list"]);
    for value in [
        format!("basic {good}"),
        format!("BASIC {good}"),
        format!("bAsIc {good}"),
        format!("bearer {token}"),
        format!("BEARER {token}"),
    ] {
        let answer = bench
            .send(&Request::get(MESSAGES).header("Authorization", &value))
            .await;
        assert_eq!(answer.status, 200, "{value}");
    }
}

#[tokio::test]
async fn two_credentials_are_one_too_many() {
    let bench = Bench::start();
    let (good, bad) = (token(&["messages:list"]), "Bearer x.y.z");
    let one = Request::get(MESSAGES).bearer(&good).header("Authorization", bad);
    let other = Request::get(MESSAGES).header("authorization", bad).bearer(&good);
    let same = Request::get(MESSAGES).bearer(&good).bearer(&good);
    let mixed = Request::get(MESSAGES).basic(USER, PASSWORD).bearer(&good);
    for request in [one, other, same, mixed] {
        bench.refused(&request, 400).await;
    }
}

#[tokio::test]
async fn proxy_authorization_counts_for_nothing_and_goes_nowhere() {
    let bench = Bench::start();
    let value = format!("Basic {}", basic(format!("{USER}:{PASSWORD}").as_bytes()));
    bench
        .refused(&Request::get(MESSAGES).header("Proxy-Authorization", &value), 401)
        .await;
    let request = Request::get(MESSAGES)
        .bearer(&token(&["messages:list"]))
        .header("Proxy-Authorization", &value);
    assert_eq!(bench.send(&request).await.status, 200);
    assert_eq!(bench.upstream.last().header("proxy-authorization"), None);
}

#[tokio::test]
async fn malformed_basic_credentials_never_reach_the_gateway() {
    let bench = Bench::start();
    for text in [
        &b"nocolon"[..],
        b":password",
        b"USER01:",
        b":",
        b"USER01:p\x00w",
        b"USER\xe901:password",
    ] {
        let request = Request::get(MESSAGES).header("Authorization", &format!("Basic {}", basic(text)));
        let answer = bench.refused(&request, 401).await;
        let challenges = answer.all("www-authenticate").join(", ");
        assert!(
            challenges.contains("Basic realm=") && challenges.contains("charset=\"UTF-8\""),
            "{challenges}"
        );
        assert!(
            challenges.contains("Bearer"),
            "both kinds are allowed here: {challenges}"
        );
    }
    for value in ["Basic !!!!", "Basic YWI6Yw", "Basic", "Basic ", "Digest abc", ""] {
        bench
            .refused(&Request::get(MESSAGES).header("Authorization", value), 401)
            .await;
    }
}

#[tokio::test]
async fn a_password_is_asked_of_the_gateway_once_and_then_remembered() {
    let bench = Bench::start();
    for _ in 0..5 {
        let answer = bench.send(&Request::get(MESSAGES).basic(USER, PASSWORD)).await;
        assert_eq!(answer.status, 200);
    }
    let checks = |line: &str| line.starts_with("GET /api/3rdparty/v1/settings ");
    let asked = bench
        .upstream
        .received()
        .iter()
        .filter(|received| checks(&received.line))
        .count();
    assert_eq!(asked, 1);
    let forwarded = bench.upstream.last();
    assert!(
        forwarded
            .header("authorization")
            .is_some_and(|value| value.starts_with("Bearer ")),
        "a minted token"
    );
}

#[tokio::test]
async fn many_requests_at_once_ask_the_gateway_once() {
    let bench = Bench::start();
    let at = bench.at();
    let calls: Vec<_> = (0..40)
        .map(|_| tokio::spawn(async move { Request::get(MESSAGES).basic(USER, PASSWORD).send(at).await.status }))
        .collect();
    for call in calls {
        assert_eq!(call.await.expect("call"), 200);
    }
    let received = bench.upstream.received();
    let asked = received
        .iter()
        .filter(|received| received.line.contains("/settings "))
        .count();
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_wrong_password_is_a_401_and_asked_again_each_time() {
    let bench = Bench::start();
    for _ in 0..2 {
        let answer = bench.send(&Request::get(MESSAGES).basic(USER, "wrong-password")).await;
        assert_eq!((answer.status, answer.message().as_str()), (401, "Unauthorized"));
    }
    let received = bench.upstream.received();
    assert_eq!(received.len(), 2);
    assert!(
        received.iter().all(|received| received.line.contains("/settings ")),
        "only the login check"
    );
}

#[tokio::test]
async fn a_gateway_that_cannot_say_is_an_outage_not_a_wrong_password() {
    let upstream = Upstream::answering(|_| Answer::json(500, "{}"));
    let bench = Bench::with(upstream, |settings| settings);
    let answer = bench.send(&Request::get(MESSAGES).basic(USER, PASSWORD)).await;
    assert_eq!(answer.status, 503);
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn the_challenge_names_only_the_kinds_that_the_route_takes() {
    let policy = r#"
policy: kinds
router: strict
prefixes: [ / ]
user_names: as_written
login_check: { request: GET /me, good: [200], bad: [401] }
scopes:
  read: Read
routes:
  - { id: jwt.only, match: [ GET /jwt ], with: [ jwt ], scope: read, action: forward }
  - { id: basic.only, match: [ GET /basic ], with: [ basic ], action: forward }
tests:
  - { request: GET /jwt, as: { jwt: [ read ] }, expect: allow }
  - { request: GET /jwt, as: basic, expect: 401 }
"#;
    let bench = Bench::with(Upstream::answering(gateway), |settings| {
        settings
            .file("policy.yaml", policy)
            .with("GATEWARD__POLICY", "policy.yaml")
    });
    let answer = bench.refused(&Request::get("/jwt").basic(USER, PASSWORD), 401).await;
    let challenges = answer.all("www-authenticate").join(", ");
    assert!(
        challenges.contains("Bearer") && !challenges.contains("Basic"),
        "{challenges}"
    );
    let answer = bench
        .refused(&Request::get("/basic").bearer(&token(&["read"])), 401)
        .await;
    let challenges = answer.all("www-authenticate").join(", ");
    assert!(
        challenges.contains("Basic") && !challenges.contains("Bearer"),
        "{challenges}"
    );
}

#[tokio::test]
async fn device_tokens_pass_untouched_on_the_mobile_api_and_nowhere_else() {
    let bench = Bench::start();
    let device = "V1StGXR8_Z5jdHi6B-myT";
    bench.refused(&Request::get(MESSAGES).bearer(device), 401).await;
    for value in [
        format!("Bearer {device}"),
        "Code k7m2pq".to_owned(),
        "Bearer a.b.c".to_owned(),
        "bearer  odd".to_owned(),
    ] {
        let request = Request::get("/api/mobile/v1/message").header("Authorization", &value);
        assert_eq!(bench.send(&request).await.status, 200);
        assert_eq!(bench.upstream.last().header("authorization"), Some(value.as_str()));
    }
}

#[tokio::test]
async fn an_account_of_the_gateway_serves_none_of_its_other_users() {
    // A gateway that knows everybody, and a sidecar that always calls it with one account.
    let bench = Bench::with(Upstream::answering(|_| Answer::json(200, "{}")), |settings| {
        settings
            .with("GATEWARD__UPSTREAM__CREDENTIAL", "basic")
            .with("GATEWARD__UPSTREAM__BASIC__USER", USER)
            .with("GATEWARD__UPSTREAM__BASIC__PASSWORD", PASSWORD)
    });
    let own = Request::get(MESSAGES).basic(&USER.to_lowercase(), "whatever");
    assert_eq!(bench.send(&own).await.status, 200);
    let account = format!("Basic {}", basic(format!("{USER}:{PASSWORD}").as_bytes()));
    let reached = |bench: &Bench| {
        let received = bench.upstream.received();
        received
            .iter()
            .filter(|request| request.line.contains(MESSAGES))
            .count()
    };
    assert_eq!(bench.upstream.last().header("authorization"), Some(account.as_str()));
    assert_eq!(reached(&bench), 1);

    let other = jwt::token(TOKEN_SECRET, &jwt::claims("OTHER1", &["all:any"]));
    for request in [
        Request::get(MESSAGES).basic("OTHER1", "good-as-well"),
        Request::get(MESSAGES).bearer(&other),
        Request::post(TOKEN)
            .basic("OTHER1", "good-as-well")
            .json(&json!({ "scopes": ["messages:list"] })),
    ] {
        let answer = bench.send(&request).await;
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (403, r#"{"message":"Forbidden"}"#)
        );
    }
    assert_eq!(reached(&bench), 1, "somebody else's messages");
}

/// A sidecar with a users file of its own.
fn with_users(file: &str, settings: impl FnOnce(Settings) -> Settings) -> Bench {
    Bench::with(Upstream::answering(gateway), |defaults| {
        settings(
            defaults
                .file("users.yaml", file)
                .with("GATEWARD__USERS__SOURCE", "file")
                .with("GATEWARD__USERS__FILE", "users.yaml"),
        )
    })
}

/// A users file with one user.
fn alice(password: &str, cost: u32, extra: &str) -> String {
    let hash = bcrypt::hash_with_result(password, cost).expect("hash").to_string();
    format!("users:\n  - {{ name: alice, hash: '{hash}'{extra} }}\n")
}

/// Waits until something holds.
pub(crate) async fn awaits(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = std::time::Instant::now();
    while !holds().await {
        assert!(start.elapsed().as_secs() < 20, "still not: {what}");
    }
}

#[tokio::test]
async fn a_changed_users_file_counts_at_once_and_without_being_told() {
    // 29: a cached login, and the tokens that it got
    let bench = with_users(&alice(PASSWORD, 4, ""), |settings| settings);
    let login = async |password: &str| {
        bench
            .send(&Request::get(MESSAGES).basic("alice", password))
            .await
            .status
    };
    assert_eq!((login(PASSWORD).await, login("another").await), (200, 401));
    let request = Request::post(TOKEN)
        .basic("alice", PASSWORD)
        .json(&json!({ "scopes": ["messages:list"] }));
    let issued = text(&bench.send(&request).await.json(), "access_token");
    assert_eq!(bench.list_with(&issued).await.status, 200);
    let path = bench.gateward.folder().join("users.yaml");
    crate::support::process::write_private(&path, &alice("another", 4, ""));
    awaits("the old password ends", async || login(PASSWORD).await == 401).await;
    assert_eq!(login("another").await, 200);
    awaits("its tokens end", async || bench.list_with(&issued).await.status == 401).await;
    // A file that is wrong, or that others can read, changes nothing.
    let seen = async |part: &str| {
        let status = Request::get("/status").send(bench.gateward.admin).await.text();
        status.contains(part)
    };
    crate::support::process::write_private(&path, "users: [ { name: alice } ]");
    awaits("it is told", async || seen("\"ok\":false").await).await;
    assert_eq!(login("another").await, 200);
}

#[tokio::test]
async fn a_flood_of_logins_is_bounded_and_harms_no_token() {
    // 75
    let bench = with_users(&alice(PASSWORD, 10, ""), |settings| {
        settings
            .with("GATEWARD__USERS__MAX_CONCURRENT_HASHES", "1")
            .with("GATEWARD__USERS__MAX_WAITING_HASHES", "2")
    });
    let at = bench.at();
    let flood: Vec<_> = (0..60)
        .map(|number| {
            let request = Request::get(MESSAGES).basic("alice", &format!("wrong-{number}"));
            tokio::spawn(async move { request.send(at).await })
        })
        .collect();
    for _ in 0..20 {
        assert_eq!(bench.list_with(&token(&["messages:list"])).await.status, 200);
    }
    let mut busy = 0;
    for answer in flood {
        let answer = answer.await.expect("answer");
        match answer.status {
            503 => {
                assert!(answer.header("retry-after").is_some());
                busy += 1;
            }
            status => assert_eq!(status, 401),
        }
    }
    assert!(busy > 0, "all of them were checked at once");
    awaits("there is room again", async || {
        bench
            .send(&Request::get(MESSAGES).basic("alice", PASSWORD))
            .await
            .status
            == 200
    })
    .await;
}

#[tokio::test]
async fn users_of_a_file_are_known_until_they_are_disabled() {
    let hash = "$2b$04$abcdefghijklmnopqrstuuDgHMlxCD6FmrTOUhtDp3PPxJK6gDQfW";
    let good = bcrypt::hash_with_result(PASSWORD, 4).expect("hash").to_string();
    let users = |extra: &str| {
        format!("users:\n  - {{ name: alice, hash: '{good}'{extra} }}\n  - {{ name: bob, hash: '{hash}' }}\n")
    };
    let bench = Bench::with(Upstream::answering(gateway), |settings| {
        settings
            .file("users.yaml", &users(", scopes: [ 'messages:list' ]"))
            .with("GATEWARD__USERS__SOURCE", "file")
            .with("GATEWARD__USERS__FILE", "users.yaml")
    });
    let list = Request::get(MESSAGES).basic("alice", PASSWORD);
    assert_eq!(bench.send(&list).await.status, 200);
    let send = Request::post(MESSAGES).basic("alice", PASSWORD).json(&json!({}));
    assert_eq!(
        bench.refused(&send, 403).await.message(),
        "scope required: messages:send"
    );
    bench
        .refused(&Request::get(MESSAGES).basic("alice", "wrong"), 401)
        .await;
    bench
        .refused(&Request::get(MESSAGES).basic("Alice", PASSWORD), 401)
        .await;
    bench
        .refused(&Request::get(MESSAGES).basic("nobody", PASSWORD), 401)
        .await;
    bench.refused(&Request::get(MESSAGES).basic("bob", PASSWORD), 401).await;
    let path = bench.gateward.folder().join("users.yaml");
    crate::support::process::write_private(&path, &users(", disabled: true"));
    bench.gateward.process.signal("HUP");
    let start = std::time::Instant::now();
    while bench.send(&list).await.status != 401 {
        assert!(start.elapsed().as_secs() < 20, "still good");
    }
}
