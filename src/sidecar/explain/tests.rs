#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;

fn told(method: &str, path: &str, asker: Asker) -> (u8, serde_json::Value) {
    let question = Question {
        method: method.to_owned(),
        path: path.to_owned(),
        asker,
    };
    let report = explain(&Source::default(), &question, true, UnixSeconds(1_800_000_000));
    (report.exit.code(), serde_json::from_str(&report.text).unwrap())
}

#[test]
fn the_exit_code_is_the_verdict() {
    let send = || Asker::Scopes(vec!["messages:send".to_owned()]);
    let (exit, told_allow) = told("POST", "/3rdparty/v1/messages?a=b", send());
    assert_eq!(
        (exit, &told_allow["verdict"], &told_allow["route"]),
        (0, &"allow".into(), &"messages.send".into())
    );
    assert_eq!(told_allow["gateway_path"], "/api/3rdparty/v1/messages");
    let (exit, told_deny) = told("GET", "/3rdparty/v1/messages", send());
    assert_eq!(
        (exit, &told_deny["status"], &told_deny["reason"]),
        (1, &403.into(), &"scope_missing".into())
    );
    assert_eq!(told("GET", "/3rdparty/v1/messages", Asker::Nobody).1["status"], 401);
    assert_eq!(told("GET", "/3rdparty/v1/messages", Asker::Basic).0, 0);
    assert_eq!(told("GET", "/health", Asker::Nobody).1["reason"], "public");
    assert_eq!(told("BREW", "/health", Asker::Nobody).1["reason"], "method_unknown");
    assert_eq!(told("GET", "/a/../b", Asker::Nobody).1["status"], 400);
}

#[test]
fn a_token_is_judged_as_live_traffic_would() {
    let (exit, answer) = told("GET", "/3rdparty/v1/messages", Asker::Token("not.a.token".to_owned()));
    assert_eq!((exit, &answer["status"]), (1, &401.into()));
}

#[test]
fn words_say_the_same() {
    let asker = Asker::Scopes(vec!["messages:read".to_owned()]);
    let question = Question {
        method: "POST".to_owned(),
        path: "/api/3rdparty/v1/messages".to_owned(),
        asker,
    };
    let report = explain(&Source::default(), &question, false, UnixSeconds(0));
    assert!(report.text.starts_with("deny 403: scope_missing\n"), "{}", report.text);
    assert!(report.text.contains("\n  scope     messages:send\n"), "{}", report.text);
}

#[test]
fn a_question_that_cannot_be_answered_is_2() {
    let source = Source {
        environment: [("GATEWARD__POLICY", "/nowhere/policy.yaml")].into_iter().collect(),
        ..Source::default()
    };
    let question = Question {
        method: "GET".to_owned(),
        path: "/".to_owned(),
        asker: Asker::Nobody,
    };
    let report = explain(&source, &question, true, UnixSeconds(0));
    assert_eq!((report.exit.code(), report.problems.is_empty()), (2, false));
}
