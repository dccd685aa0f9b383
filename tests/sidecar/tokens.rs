//! Tokens that must not pass (attacks 1 to 22), and those that must.

use serde_json::{Value, json};

use crate::bench::{Bench, MESSAGES, MINT_SECRET, TOKEN_SECRET, USER, text, token};
use crate::support::http::Request;
use crate::support::jwt;
use crate::support::upstream::Upstream;

fn claims() -> Value {
    jwt::claims(USER, &["messages:list"])
}

fn with(name: &str, value: Value) -> String {
    let mut claims = claims();
    claims[name] = value;
    jwt::token(TOKEN_SECRET, &claims)
}

fn without(name: &str) -> String {
    let mut claims = claims();
    claims.as_object_mut().expect("object").remove(name);
    jwt::token(TOKEN_SECRET, &claims)
}

#[tokio::test]
async fn a_token_of_a_gateway_with_the_same_secret_works() {
    let bench = Bench::start();
    assert_eq!(bench.list_with(&token(&["messages:list"])).await.status, 200);
    assert_eq!(bench.list_with(&token(&["all:any"])).await.status, 200);
    let forwarded = bench.upstream.last();
    let minted = forwarded
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "))
        .expect("token");
    let minted = jwt::read(minted);
    assert_eq!((&minted["user_id"], &minted["sub"]), (&json!(USER), &json!(USER)));
    assert_eq!(minted["scopes"], json!(["messages:list"]), "only what the route needs");
    assert!(minted["exp"].as_i64().expect("exp") - minted["iat"].as_i64().expect("iat") <= 60);
}

#[tokio::test]
async fn forged_tokens_are_refused() {
    let bench = Bench::start();
    let good = token(&["messages:list"]);
    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let (header, payload) = message.split_once('.').expect("two parts");
    let unsigned = |alg: &str| {
        format!(
            "{}.{payload}.",
            jwt::encode(&format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#))
        )
    };
    let flipped = format!(
        "{message}.{}{}",
        if signature.starts_with('A') { 'B' } else { 'A' },
        &signature[1..]
    );
    let other = jwt::token("another-secret-0123456789abcdef0123", &claims());
    let kid = |kid: Value| {
        jwt::with_header(
            "x".repeat(32).as_str(),
            &json!({ "alg": "HS256", "kid": kid }),
            &claims(),
        )
    };
    let cases = [
        // 1: no algorithm
        unsigned("none"),
        unsigned("None"),
        unsigned("nOnE"),
        format!("{}.{payload}.{signature}", jwt::encode(r#"{"alg":"none"}"#)),
        // 3: another algorithm
        jwt::hs512(TOKEN_SECRET, &claims()),
        jwt::with_header(TOKEN_SECRET, &json!({ "alg": "RS256", "typ": "JWT" }), &claims()),
        jwt::with_header(TOKEN_SECRET, &json!({ "alg": "hs256", "typ": "JWT" }), &claims()),
        // 4: signature stripped, cut, changed, of another key
        message.to_owned(),
        format!("{message}."),
        format!("{message}.{}", &signature[..20]),
        flipped,
        other,
        // 5: encrypted, nested, JSON serialisation, compressed
        format!("{good}.a.b"),
        format!("{header}.{}.{signature}", jwt::encode(&good)),
        format!(r#"{{"payload":"{payload}","signature":"{signature}"}}"#),
        jwt::with_header(TOKEN_SECRET, &json!({ "alg": "HS256", "zip": "DEF" }), &claims()),
        // 7: key ids that point somewhere
        kid(json!("../../dev/null")),
        kid(json!("'; DROP TABLE tokens; --")),
        kid(json!(1)),
        kid(json!("\u{0}")),
        // 2 and 6 have no key of ours to abuse: HS256 is the only algorithm, and headers name no keys
        jwt::with_header(
            "attacker-0123456789abcdef0123456789",
            &json!({ "alg": "HS256", "jku": "http://127.0.0.1:9/" }),
            &claims(),
        ),
        // a token minted for the gateway, even when both sides share a secret
        with("gw_mint", json!(true)),
        jwt::token(MINT_SECRET, &claims()),
    ];
    for case in cases {
        let answer = bench.refused(&Request::get(MESSAGES).bearer(&case), 401).await;
        assert_eq!(answer.message(), "Unauthorized", "{case}");
        let challenge = answer.all("www-authenticate").join(", ");
        assert!(
            challenge.contains("Bearer") && challenge.contains("invalid_token"),
            "{challenge}"
        );
    }
}

#[tokio::test]
async fn keys_that_a_token_brings_along_are_not_fetched() {
    // 6: whoever verified with the key behind the URL would have to ask for it first
    let elsewhere = Upstream::start();
    let bench = Bench::start();
    for name in ["jku", "x5u", "jwk", "x5c", "kid"] {
        for secret in ["attacker-0123456789abcdef0123456789", TOKEN_SECRET] {
            let header = json!({ "alg": "HS256", "typ": "JWT", name: format!("{}/keys", elsewhere.url()) });
            let token = jwt::with_header(secret, &header, &claims());
            let answer = bench.list_with(&token).await;
            assert_eq!(answer.status == 200, secret == TOKEN_SECRET, "{name} of {secret}");
        }
    }
    assert_eq!(elsewhere.count(), 0);
}

#[tokio::test]
async fn the_log_has_the_precise_reason() {
    // 12, 31: clients read `Unauthorized`, operators why
    let mut bench = Bench::start();
    let now = jwt::now();
    for (token, reason) in [
        (with("exp", json!(now + 10 * 365 * 86_400)), "lifetime_exceeds_cap"),
        (with("iss", json!("evil")), "issuer"),
        (with("exp", json!(now - 1)), "expired"),
        ("V1StGXR8_Z5jdHi6B-myT".to_owned(), "malformed"),
    ] {
        let request = Request::get(MESSAGES).bearer(&token).header("X-Request-ID", reason);
        bench.refused(&request, 401).await;
        let found = bench.gateward.process.wait_for(reason, |line| {
            let record: Value = serde_json::from_str(line).ok()?;
            (record["request_id"] == reason).then(|| record["reason"].as_str().map(str::to_owned))?
        });
        assert!(found.contains(reason), "{found} for {reason}");
    }
}

#[tokio::test]
async fn claims_of_the_wrong_kind_are_refused() {
    let bench = Bench::start();
    let now = jwt::now();
    let mut cases = Vec::new();
    // 10 and 11: numbers that are none, and times that cannot be
    for value in [
        json!("9999999999"),
        json!(now as f64 + 600.5),
        json!(-1),
        json!(1e308),
        Value::Null,
        json!([now]),
    ] {
        cases.push(with("exp", value.clone()));
        cases.push(with("iat", value));
    }
    cases.extend([
        without("exp"),
        without("iat"),
        without("iss"),
        without("jti"),
        without("user_id"),
    ]);
    cases.extend([
        with("exp", json!(now)),
        with("exp", json!(now - 1)),
        with("iat", json!(now + 60)),
    ]);
    cases.extend([with("nbf", json!(now + 60)), with("nbf", json!("soon"))]);
    // 12: far too long a life
    cases.push(with("exp", json!(now + 10 * 365 * 86_400)));
    // 13: not our issuer
    for issuer in [
        json!("sms-gate.app/"),
        json!("SMS-GATE.APP"),
        json!(["sms-gate.app"]),
        json!("evil"),
    ] {
        cases.push(with("iss", issuer));
    }
    // 15 and 16: who, and which
    cases.extend([
        with("sub", json!("OTHER1")),
        with("user_id", json!("")),
        with("user_id", json!(" ")),
    ]);
    cases.extend([
        with("user_id", json!(7)),
        with("jti", json!("")),
        with("jti", json!(1)),
        with("jti", json!("x".repeat(129))),
    ]);
    cases.push(with("user_id", json!("USER01\n")));
    // RFC 7519: a claim that comes twice
    let twice = claims().to_string().replace("\"exp\":", "\"exp\":1,\"exp\":");
    cases.push(jwt::signed(TOKEN_SECRET, r#"{"alg":"HS256","typ":"JWT"}"#, &twice));
    for case in cases {
        bench.refused(&Request::get(MESSAGES).bearer(&case), 401).await;
    }
}

#[tokio::test]
async fn names_that_only_look_like_a_scope_are_none() {
    let bench = Bench::start();
    let scopes = [
        "ALL:ANY",
        " all:any",
        "messages:*",
        "messages:send messages:list",
        "messages:li\u{0455}t",
        "messages",
    ];
    let answer = bench
        .refused(&Request::get(MESSAGES).bearer(&token(&scopes)), 403)
        .await;
    assert_eq!(answer.message(), "scope required: messages:list");
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert!(
        challenge.is_empty() || challenge.contains("insufficient_scope"),
        "{challenge}"
    );
}

#[tokio::test]
async fn a_refresh_token_opens_nothing_but_the_refresh_endpoint() {
    let bench = Bench::start();
    let issued = bench.issue(&["messages:list"]).await;
    let refresh = text(&issued, "refresh_token");
    let answer = bench.refused(&Request::get(MESSAGES).bearer(&refresh), 403).await;
    assert_eq!(answer.message(), "scope required: messages:list");
}

#[tokio::test]
async fn a_token_anywhere_but_in_the_header_is_ignored() {
    let bench = Bench::start();
    let good = token(&["messages:list"]);
    let in_query = Request::get(&format!("{MESSAGES}?access_token={good}"));
    bench.refused(&in_query, 401).await;
    bench
        .refused(
            &Request::get(MESSAGES).header("Cookie", &format!("access_token={good}")),
            401,
        )
        .await;
    let form = Request::post(MESSAGES).header("Content-Type", "application/x-www-form-urlencoded");
    bench.refused(&form.body(format!("access_token={good}")), 401).await;
    let said = bench.gateward.process.lines().join("\n");
    assert!(!said.contains(&good), "a token stands in the log");
}

#[tokio::test]
async fn oversized_tokens_are_refused_before_any_work() {
    let bench = Bench::start();
    let long = "a".repeat(15 * 1024);
    bench.refused(&Request::get(MESSAGES).bearer(&long), 401).await;
    let answer = bench
        .refused(&Request::get(MESSAGES).bearer(&"a".repeat(1024 * 1024)), 431)
        .await;
    assert_eq!(answer.message(), "Request Header Fields Too Large");
}

#[tokio::test]
async fn the_spelling_of_a_users_name_does_not_matter() {
    let bench = Bench::start();
    let lower = jwt::token(TOKEN_SECRET, &jwt::claims("user01", &["messages:list"]));
    assert_eq!(bench.list_with(&lower).await.status, 200);
    let forwarded = bench.upstream.last();
    let minted = forwarded.header("authorization").expect("token").to_owned();
    assert_eq!(jwt::read(&minted)["user_id"], USER);
}
