//! Tests of the token bodies: the recorded answers of `tokens-issue-errors.yaml`.

#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

const JSON: Option<&str> = Some("application/json");

fn refusal(body: &str) -> String {
    TokenRequest::parse(JSON, body.as_bytes()).unwrap_err().to_string()
}

fn invalid(key: &str, rule: &str) -> String {
    let field = key.rsplit('.').next().unwrap();
    format!("failed to validate: Key: '{key}' Error:Field validation for '{field}' failed on the '{rule}' tag")
}

#[test]
fn a_request_has_scopes_and_perhaps_a_lifetime() {
    let request = TokenRequest::parse(JSON, br#"{"scopes":["messages:list","a"],"TTL":60}"#).unwrap();
    assert_eq!(
        request,
        TokenRequest {
            ttl: Some(60),
            scopes: vec!["messages:list".to_owned(), "a".to_owned()]
        }
    );
    let request = TokenRequest::parse(JSON, br#"{"scopes":["a"],"ttl":null}"#).unwrap();
    assert_eq!(request.ttl, None);
}

#[test]
fn scopes_are_required() {
    for body in ["{}", r#"{"scopes":null}"#, "null"] {
        assert_eq!(refusal(body), invalid("TokenRequest.Scopes", "required"), "{body}");
    }
    assert_eq!(refusal(r#"{"scopes":[]}"#), invalid("TokenRequest.Scopes", "min"));
    assert_eq!(
        refusal(r#"{"scopes":[""]}"#),
        invalid("TokenRequest.Scopes[0]", "required")
    );
    assert_eq!(
        refusal(r#"{"scopes":["messages:list",""]}"#),
        invalid("TokenRequest.Scopes[1]", "required")
    );
    assert_eq!(refusal(r#"{"scopes":[null,"a",""]}"#).lines().count(), 2);
}

// SECURITY 34
#[test]
fn wrong_types_are_refused() {
    for (body, kind, field) in [
        (r#"{"scopes":"all:any"}"#, "string", "scopes of type []string"),
        (r#"{"scopes":{}}"#, "object", "scopes of type []string"),
        (r#"{"scopes":[1]}"#, "number", "scopes of type string"),
        (r#"{"scopes":["a"],"ttl":"60"}"#, "string", "ttl of type uint64"),
        (r#"{"scopes":["a"],"ttl":-1}"#, "number -1", "ttl of type uint64"),
        (r#"{"scopes":["a"],"ttl":1.5}"#, "number 1.5", "ttl of type uint64"),
        (r#"{"scopes":[],"ttl":-1}"#, "number -1", "ttl of type uint64"),
        (
            r#"{"scopes":["a"],"ttl":18446744073709551616}"#,
            "number 18446744073709551616",
            "ttl of type uint64",
        ),
    ] {
        let expected =
            format!("failed to parse body: json: cannot unmarshal {kind} into Go struct field TokenRequest.{field}");
        assert_eq!(refusal(body), expected);
    }
    assert_eq!(
        refusal("[]"),
        "failed to parse body: json: cannot unmarshal array into Go value of type smsgateway.TokenRequest"
    );
}

#[test]
fn an_answer_has_its_keys_in_both_spellings() {
    let answer = TokenResponse {
        id: "i",
        access_token: "a.a.a",
        refresh_token: "r.r.r",
        expires_at: 1_773_280_800,
    };
    assert_eq!(
        String::from_utf8(answer.to_json()).unwrap(),
        concat!(
            r#"{"id":"i","token_type":"Bearer","access_token":"a.a.a","refresh_token":"r.r.r","#,
            r#""expires_at":"2026-03-12T02:00:00Z","tokenType":"Bearer","accessToken":"a.a.a","#,
            r#""refreshToken":"r.r.r","expiresAt":"2026-03-12T02:00:00Z"}"#
        )
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_accepted_keeps_the_rules(body in r#"\{("scopes":(\[("[a-z:]{0,5}",?){0,3}\]|null|1)|"ttl":[0-9e.-]{1,4}|,){0,4}\}"#) {
        if let Ok(request) = TokenRequest::parse(JSON, body.as_bytes()) {
            prop_assert!(!request.scopes.is_empty() && !request.scopes.contains(&String::new()));
        }
    }
}
