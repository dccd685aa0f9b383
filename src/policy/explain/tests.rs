#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::compile;

fn explain(method: &str, target: &str, caller: Caller) -> Explanation {
    compile("smsgate.yaml", crate::SMSGATE)
        .unwrap()
        .policy
        .explain(method, target, caller, None)
}

fn jwt(scope: &str) -> Caller {
    Caller::Jwt(vec![scope.to_owned()])
}

#[test]
fn an_allowed_request_is_explained_with_all_that_mattered() {
    let told = explain("POST", "/3rdparty/v1/Message/?x=1", jwt("messages:send"));
    let expected = serde_json::json!({
        "policy": "smsgate",
        "policy_hash": told.policy_hash,
        "method": "POST",
        "path": "/3rdparty/v1/Message/",
        "verdict": "allow",
        "status": null,
        "reason": "granted",
        "route": "messages.send",
        "action": "forward",
        "gateway_path": "/api/3rdparty/v1/message",
        "with": ["basic", "jwt"],
        "scope": "messages:send",
        "exact": false,
        "on_outage": "closed",
        "credential": null,
    });
    assert_eq!(serde_json::to_value(&told).unwrap(), expected);
}

#[test]
fn a_refusal_has_a_status_and_a_reason() {
    for (method, path, caller, status, reason) in [
        (
            "POST",
            "/api/3rdparty/v1/messages",
            jwt("messages:read"),
            403,
            "scope_missing",
        ),
        (
            "POST",
            "/api/3rdparty/v1/messages",
            Caller::Nobody,
            401,
            "no_credential",
        ),
        (
            "POST",
            "/api/3rdparty/v1/messages",
            Caller::Refused(Denial::LoginFailed),
            401,
            "login_failed",
        ),
        ("GET", "/api/3rdparty/v1/nope", Caller::Nobody, 401, "no_credential"),
        ("GET", "/api/3rdparty/v1/nope", Caller::Basic, 404, "no_route"),
        ("GET", "/nope", Caller::Basic, 404, "no_route"),
        ("GET", "/a/../b", Caller::Basic, 400, "path_dot_segment"),
    ] {
        let told = explain(method, path, caller);
        assert_eq!(
            (told.verdict, told.status, told.reason),
            (Verdict::Deny, Some(status), reason),
            "{method} {path}"
        );
    }
}

#[test]
fn what_is_not_asked_for_is_said() {
    let told = explain("GET", "/api/mobile/v1/events", Caller::Nobody);
    assert_eq!(
        (told.verdict, told.reason, told.with.len()),
        (Verdict::Allow, "passed_through", 0)
    );
    let told = explain("GET", "/health", Caller::Nobody);
    assert_eq!(
        (told.verdict, told.reason, told.on_outage),
        (Verdict::Allow, "public", None)
    );
    let told = explain("POST", "/api/3rdparty/v1/auth/token", Caller::Basic);
    assert_eq!(
        (told.verdict, told.action, told.gateway_path),
        (Verdict::Allow, Some("token_issue"), None)
    );
}

#[test]
fn an_outage_is_part_of_the_question() {
    let policy = compile("smsgate.yaml", crate::SMSGATE).unwrap().policy;
    let ask = |secs| {
        policy.explain(
            "GET",
            "/3rdparty/v1/messages",
            jwt("all:any"),
            Some(Duration::from_secs(secs)),
        )
    };
    assert_eq!((ask(60).verdict, ask(60).reason), (Verdict::Allow, "granted_degraded"));
    assert_eq!((ask(61).status, ask(61).reason), (Some(503), "revocation_unknown"));
    assert_eq!(ask(60).on_outage.as_deref(), Some("stale(60s)"));
}

#[test]
fn a_real_token_is_judged_as_it_is() {
    let token = specimen::access(&["messages:list".to_owned()]).unwrap();
    assert_eq!(
        explain("GET", "/3rdparty/v1/messages", Caller::Token(token)).verdict,
        Verdict::Allow
    );
    let refresh = specimen::refresh(&["messages:list".to_owned()]).unwrap();
    assert!(refresh.is_refresh());
    assert_eq!(
        explain("GET", "/3rdparty/v1/messages", Caller::Token(refresh)).status,
        Some(403)
    );
    assert_eq!(
        explain("POST", "/3rdparty/v1/auth/token/refresh", Caller::Refresh(Vec::new())).verdict,
        Verdict::Allow
    );
}

// Adding a scope never takes anything away.
#[test]
fn one_more_scope_never_turns_allow_into_deny() {
    let policy = compile("smsgate.yaml", crate::SMSGATE).unwrap().policy;
    let scopes: Vec<String> = policy.catalogue().iter().map(|(scope, _)| scope.to_string()).collect();
    for route in policy.routes().iter().filter(|route| route.requirement.is_some()) {
        for pattern in &route.patterns {
            let (method, path) = pattern.split_once(' ').unwrap();
            let path = path.replace(['{', '}'], "");
            let allowed =
                |held: Vec<String>| policy.explain(method, &path, Caller::Jwt(held), None).verdict == Verdict::Allow;
            for one in scopes.iter().filter(|scope| *scope != "tokens:refresh") {
                for other in scopes.iter().filter(|scope| *scope != "tokens:refresh") {
                    if allowed(vec![one.clone()]) {
                        assert!(allowed(vec![one.clone(), other.clone()]), "{pattern} {one} {other}");
                    }
                }
            }
        }
    }
}
