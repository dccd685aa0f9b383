#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use gateward_auth::{AccessClaims, FamilyId, Secret, Signer, TokenId, UserId};

use super::*;
use crate::testing::SECRET;

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
fn an_account_of_the_gateway_stands_for_its_own_user_here_too() {
    let key = Hs256Key::new(&Secret::new(SECRET)).unwrap();
    let now = UnixSeconds(1_800_000_000);
    let token = |user: &str| {
        Signer::new(key.clone(), Some("sms-gate.app".to_owned())).access(&AccessClaims {
            user: &UserId::parse(user).unwrap(),
            id: &TokenId::parse("abcdefghijklABCDEFGHI").unwrap(),
            family: &FamilyId::parse("abcdefghijkl").unwrap(),
            epoch: 0,
            scopes: &["all:any"],
            issued_at: now,
            expires_at: now.plus(60),
        })
    };
    let source = Source {
        environment: [
            ("GATEWARD__TOKENS__SECRET", SECRET),
            ("GATEWARD__UPSTREAM__CREDENTIAL", "basic"),
            ("GATEWARD__UPSTREAM__BASIC__USER", "owner"),
            ("GATEWARD__UPSTREAM__BASIC__PASSWORD", "secret"),
        ]
        .into_iter()
        .collect(),
        ..Source::default()
    };
    let ask = |path: &str, user: &str| {
        let question = Question {
            method: "GET".to_owned(),
            path: path.to_owned(),
            asker: Asker::Token(token(user)),
        };
        let report = explain(&source, &question, true, now);
        let told: serde_json::Value = serde_json::from_str(&report.text).unwrap();
        (report.exit.code(), told)
    };
    let (exit, told) = ask("/3rdparty/v1/messages?a=b", "OWNER");
    assert_eq!((exit, &told["credential"]), (0, &"basic".into()));
    let (exit, told) = ask("/3rdparty/v1/messages?a=b", "SOMEBODY");
    assert_eq!(
        (exit, &told["status"], &told["reason"]),
        (1, &403.into(), &"not_served".into())
    );
    let (exit, told) = ask("/health", "SOMEBODY");
    assert_eq!((exit, &told["credential"]), (0, &serde_json::Value::Null));
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
    for line in ["\n  scope      messages:send\n", "\n  credential mint\n"] {
        assert!(report.text.contains(line), "{}", report.text);
    }
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
