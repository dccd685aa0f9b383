//! Issue, refresh, revoke (attacks 32 to 43) beyond what the recordings already hold.

use serde_json::{Value, json};

use crate::bench::{Bench, MESSAGES, PASSWORD, TOKEN, TOKEN_SECRET, USER, gateway, text, token};
use crate::support::http::{Request, Response};
use crate::support::jwt;
use crate::support::upstream::{Answer, Upstream};

async fn refresh(bench: &Bench, refresh_token: &str) -> Response {
    bench
        .send(&Request::post(&format!("{TOKEN}/refresh")).bearer(refresh_token))
        .await
}

async fn revoke(bench: &Bench, id: &str) -> u16 {
    let request = Request::new("DELETE", &format!("{TOKEN}/{id}")).basic(USER, PASSWORD);
    bench.send(&request).await.status
}

async fn is_good(bench: &Bench, access: &str) -> bool {
    bench.list_with(access).await.status == 200
}

#[tokio::test]
async fn answers_have_both_key_styles_and_are_not_stored() {
    let bench = Bench::start();
    let request = Request::post(TOKEN)
        .basic(USER, PASSWORD)
        .json(&json!({ "scopes": ["messages:list"], "ttl": 60 }));
    let answer = bench.send(&request).await;
    assert_eq!((answer.status, answer.header("cache-control")), (201, Some("no-store")));
    let body = answer.json();
    for (snake, camel) in [
        ("access_token", "accessToken"),
        ("refresh_token", "refreshToken"),
        ("token_type", "tokenType"),
        ("expires_at", "expiresAt"),
    ] {
        assert!(body[snake].is_string() && body[snake] == body[camel], "{snake}");
    }
    let claims = jwt::read(&text(&body, "access_token"));
    assert_eq!(
        claims["exp"].as_i64().expect("exp") - claims["iat"].as_i64().expect("iat"),
        60
    );
    assert_eq!(claims["jti"], body["id"]);
}

#[tokio::test]
async fn nobody_hands_out_what_he_does_not_hold() {
    let bench = Bench::start();
    let manager = token(&["tokens:manage", "messages:list"]);
    let ask = |scopes: Value| Request::post(TOKEN).bearer(&manager).json(&json!({ "scopes": scopes }));
    // 32
    bench.refused(&ask(json!(["all:any"])), 403).await;
    assert_eq!(
        bench.refused(&ask(json!(["messages:send"])), 403).await.message(),
        "scope required: messages:send"
    );
    assert_eq!(bench.send(&ask(json!(["messages:list"]))).await.status, 201);
    // 33
    let many: Vec<String> = (0..10_000).map(|number| format!("scope:{number}")).collect();
    for scopes in [
        json!(["made:up"]),
        json!([]),
        json!(["tokens:refresh"]),
        json!(many),
        json!([""]),
        json!("all:any"),
    ] {
        bench.refused(&ask(scopes), 400).await;
    }
}

#[tokio::test]
async fn lifetimes_are_cut_and_never_overflow() {
    let bench = Bench::start();
    let ask = |ttl: &str| {
        let body = format!(r#"{{"scopes":["messages:list"],"ttl":{ttl}}}"#);
        Request::post(TOKEN)
            .basic(USER, PASSWORD)
            .header("Content-Type", "application/json")
            .body(body)
    };
    for (ttl, lifetime) in [
        ("0", 900),
        ("null", 900),
        ("1", 1),
        ("900", 900),
        ("901", 900),
        ("9223372036", 900),
    ] {
        let answer = bench.send(&ask(ttl)).await;
        assert_eq!(answer.status, 201, "{ttl}: {}", answer.text());
        let claims = jwt::read(&text(&answer.json(), "access_token"));
        assert_eq!(
            claims["exp"].as_i64().expect("exp") - claims["iat"].as_i64().expect("iat"),
            lifetime,
            "{ttl}"
        );
    }
    for ttl in [
        "-1",
        "1.5",
        "\"60\"",
        "9223372036854775808",
        "18446744073709551616",
        "1e400",
    ] {
        assert_eq!(bench.send(&ask(ttl)).await.status, 400, "{ttl}");
    }
}

#[tokio::test]
async fn a_refresh_token_used_again_at_once_gives_the_same_pair() {
    let bench = Bench::start();
    let issued = bench.issue(&["messages:list"]).await;
    let first = refresh(&bench, &text(&issued, "refresh_token")).await;
    let again = refresh(&bench, &text(&issued, "refresh_token")).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.json(), again.json());
    assert!(
        is_good(&bench, &text(&issued, "access_token")).await,
        "the old access token stays good"
    );
    assert!(is_good(&bench, &text(&first.json(), "access_token")).await);
}

#[tokio::test]
async fn a_refresh_token_used_again_later_ends_the_session() {
    let mut bench = Bench::with(Upstream::answering(gateway), |settings| {
        settings.with("GATEWARD__TOKENS__REFRESH_GRACE", "0s")
    });
    let issued = bench.issue(&["messages:list"]).await;
    let next = refresh(&bench, &text(&issued, "refresh_token")).await.json();
    let reused = refresh(&bench, &text(&issued, "refresh_token")).await;
    assert_eq!(
        (reused.status, reused.all("www-authenticate").len()),
        (401, 2),
        "both kinds are allowed there"
    );
    assert_eq!(refresh(&bench, &text(&next, "refresh_token")).await.status, 401);
    assert!(!is_good(&bench, &text(&next, "access_token")).await);
    assert!(!is_good(&bench, &text(&issued, "access_token")).await);
    let reuse = |line: &str| (line.contains("gateward::audit") && line.contains("refresh_reuse")).then_some(());
    bench.gateward.process.wait_for("the audit line", reuse);
    assert_eq!(
        bench
            .gateward
            .process
            .lines()
            .iter()
            .filter_map(|line| reuse(line))
            .count(),
        1,
        "one says so"
    );
}

#[tokio::test]
async fn within_the_grace_every_used_refresh_token_gives_its_own_pair_again() {
    let bench = Bench::start();
    let issued = bench.issue(&["messages:list"]).await;
    let second = refresh(&bench, &text(&issued, "refresh_token")).await.json();
    let third = refresh(&bench, &text(&second, "refresh_token")).await.json();
    assert_eq!(refresh(&bench, &text(&issued, "refresh_token")).await.json(), second);
    assert_eq!(refresh(&bench, &text(&second, "refresh_token")).await.json(), third);
    assert!(is_good(&bench, &text(&third, "access_token")).await);
}

#[tokio::test]
async fn any_id_of_a_session_ends_it() {
    let bench = Bench::start();
    // 41: the access token's, the refresh token's, and the first one after three refreshes
    for which in ["access_token", "refresh_token"] {
        let issued = bench.issue(&["messages:list"]).await;
        let id = text(&jwt::read(&text(&issued, which)), "jti");
        assert_eq!(revoke(&bench, &id).await, 204);
        assert!(!is_good(&bench, &text(&issued, "access_token")).await);
        assert_eq!(refresh(&bench, &text(&issued, "refresh_token")).await.status, 401);
    }
    let first = bench.issue(&["messages:list"]).await;
    let mut latest = first.clone();
    for _ in 0..3 {
        latest = refresh(&bench, &text(&latest, "refresh_token")).await.json();
    }
    assert_eq!(revoke(&bench, &text(&first, "id")).await, 204);
    for pair in [&first, &latest] {
        assert!(!is_good(&bench, &text(pair, "access_token")).await);
        assert_eq!(refresh(&bench, &text(pair, "refresh_token")).await.status, 401);
    }
}

#[tokio::test]
async fn nobody_revokes_the_token_of_another() {
    let mut bench = Bench::start();
    let issued = bench.issue(&["messages:list"]).await;
    // 40: another user, with a token of the gateway's
    let other = jwt::token(TOKEN_SECRET, &jwt::claims("OTHER1", &["tokens:manage"]));
    let request = Request::new("DELETE", &format!("{TOKEN}/{}", text(&issued, "id"))).bearer(&other);
    assert_eq!(bench.send(&request).await.status, 204);
    assert!(is_good(&bench, &text(&issued, "access_token")).await);
    bench.gateward.process.wait_for("the audit line", |line| {
        let record: Value = serde_json::from_str(line).ok()?;
        let is_it = record["event"] == "revoke" && record["user"] == "OTHER1" && record["outcome"] == "foreign";
        is_it.then_some(())
    });
}

#[tokio::test]
async fn a_token_that_the_gateway_issued_can_be_revoked_by_its_user_only() {
    let bench = Bench::start();
    let mut claims = jwt::claims(USER, &["messages:list"]);
    claims["jti"] = json!("issued-by-the-gateway");
    let own = jwt::token(TOKEN_SECRET, &claims);
    claims["user_id"] = json!("OTHER1");
    claims["sub"] = json!("OTHER1");
    let of_other = jwt::token(TOKEN_SECRET, &claims);
    assert!(is_good(&bench, &own).await);
    assert_eq!(revoke(&bench, "issued-by-the-gateway").await, 204);
    assert!(!is_good(&bench, &own).await);
    assert!(
        is_good(&bench, &of_other).await,
        "the same id of another user is another token"
    );
}

#[tokio::test]
async fn refresh_tokens_that_are_none_are_refused() {
    let bench = Bench::start();
    let refresh_claims = |change: &dyn Fn(&mut Value)| {
        let mut claims = jwt::claims(USER, &["tokens:refresh"]);
        claims["original_scopes"] = json!(["messages:list"]);
        change(&mut claims);
        jwt::token(TOKEN_SECRET, &claims)
    };
    // 37: expired; of a family that the store does not know; without anything to exchange it for
    let expired = refresh_claims(&|claims| claims["exp"] = json!(jwt::now() - 1));
    let unknown = refresh_claims(&|claims| claims["gw_fam"] = json!("nosuchfamily"));
    for case in [expired, unknown] {
        assert_eq!(refresh(&bench, &case).await.status, 401);
    }
    let access = token(&["messages:list"]);
    let answer = refresh(&bench, &access).await;
    assert_eq!(
        (answer.status, answer.message().as_str()),
        (403, "scope required: tokens:refresh")
    );
    let bare = jwt::token(TOKEN_SECRET, &jwt::claims(USER, &["tokens:refresh"]));
    assert_eq!(
        refresh(&bench, &bare).await.status,
        401,
        "the scope without original scopes"
    );
    let listed = jwt::token(TOKEN_SECRET, &jwt::claims(USER, &["tokens:refresh", "messages:list"]));
    assert_eq!(
        refresh(&bench, &listed).await.status,
        403,
        "an access token that lists the scope"
    );
}

#[tokio::test]
async fn a_refresh_token_of_the_gateway_is_exchanged_there_once() {
    let upstream = Upstream::answering(|received| match received.line.contains("/auth/token/refresh") {
        true => Answer::json(
            201,
            r#"{"id":"x","access_token":"a.b.c","refresh_token":"d.e.f","token_type":"Bearer"}"#,
        ),
        false => gateway(received),
    });
    let bench = Bench::with(upstream, |settings| {
        settings.with("GATEWARD__TOKENS__REFRESH_GRACE", "0s")
    });
    let mut claims = jwt::claims(USER, &["tokens:refresh"]);
    claims["original_scopes"] = json!(["messages:list"]);
    let adopted = jwt::token(TOKEN_SECRET, &claims);
    let answer = refresh(&bench, &adopted).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert!(
        !answer.text().contains("a.b.c") && !answer.text().contains("d.e.f"),
        "the gateway's pair is dropped"
    );
    let sent = bench.upstream.last();
    assert_eq!(sent.header("authorization"), Some(format!("Bearer {adopted}").as_str()));
    let pair = answer.json();
    assert!(is_good(&bench, &text(&pair, "access_token")).await);
    assert_eq!(
        refresh(&bench, &text(&pair, "refresh_token")).await.status,
        201,
        "now it is a session of ours"
    );
    let asked = |bench: &Bench| {
        bench
            .upstream
            .received()
            .iter()
            .filter(|r| r.line.contains("/refresh"))
            .count()
    };
    assert_eq!(refresh(&bench, &adopted).await.status, 401);
    assert_eq!(asked(&bench), 1, "exchanged once");
    assert!(
        !is_good(&bench, &text(&pair, "access_token")).await,
        "used again later, it ends the session that it has become"
    );
}

#[tokio::test]
async fn a_refresh_token_that_the_gateway_refuses_is_refused() {
    let upstream = Upstream::answering(|received| match received.line.contains("/auth/token/refresh") {
        true => Answer::json(401, r#"{"message":"Unauthorized"}"#),
        false => gateway(received),
    });
    let bench = Bench::with(upstream, |settings| settings);
    let mut claims = jwt::claims(USER, &["tokens:refresh"]);
    claims["original_scopes"] = json!(["messages:list"]);
    let dead = jwt::token(TOKEN_SECRET, &claims);
    for _ in 0..3 {
        let answer = refresh(&bench, &dead).await;
        assert_eq!((answer.status, answer.message().as_str()), (401, "Unauthorized"));
    }
    assert_eq!(
        bench.upstream.count(),
        1,
        "a client that insists costs the gateway nothing"
    );
}

#[tokio::test]
async fn a_password_change_seen_passing_ends_logins_and_tokens() {
    let upstream =
        Upstream::answering(
            |received| match received.line.starts_with("PATCH /api/mobile/v1/user/password") {
                true => Answer::with(204, &[("X-Gateward-User", USER)], ""),
                false => gateway(received),
            },
        );
    let bench = Bench::with(upstream, |settings| settings);
    let before = bench.issue(&["messages:list"]).await;
    assert_eq!(
        bench.send(&Request::get(MESSAGES).basic(USER, PASSWORD)).await.status,
        200
    );
    let checks = |bench: &Bench| {
        bench
            .upstream
            .received()
            .iter()
            .filter(|r| r.line.contains("/settings "))
            .count()
    };
    let asked = checks(&bench);
    let change = Request::new("PATCH", "/api/mobile/v1/user/password")
        .bearer("devicetoken")
        .json(&json!({}));
    let answer = bench.send(&change).await;
    assert_eq!((answer.status, answer.header("x-gateward-user")), (204, None));
    assert!(!is_good(&bench, &text(&before, "access_token")).await);
    assert_eq!(refresh(&bench, &text(&before, "refresh_token")).await.status, 401);
    let after = bench.issue(&["messages:list"]).await;
    assert_eq!(checks(&bench), asked + 1, "the remembered login is forgotten");
    assert!(
        is_good(&bench, &text(&after, "access_token")).await,
        "issued in the same second, and good"
    );
}

#[tokio::test]
async fn a_login_in_another_spelling_is_the_same_user() {
    let upstream = Upstream::answering(|_| Answer::json(200, "{}"));
    let bench = Bench::with(upstream, |settings| settings);
    let request = Request::post(TOKEN)
        .basic("user01", PASSWORD)
        .json(&json!({ "scopes": ["messages:list"] }));
    let issued = bench.send(&request).await.json();
    assert_eq!(jwt::read(&text(&issued, "access_token"))["user_id"], USER);
    assert_eq!(revoke(&bench, &text(&issued, "id")).await, 204);
    assert!(!is_good(&bench, &text(&issued, "access_token")).await);
}
