#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

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

/// What is said of these users' tokens, where accounts of the gateway stand for users.
fn told_of_accounts(variables: &[(&str, &str)], questions: &[(&str, &str)]) -> Vec<(u8, serde_json::Value)> {
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
    let ours = [
        ("GATEWARD__TOKENS__SECRET", SECRET),
        ("GATEWARD__UPSTREAM__CREDENTIAL", "basic"),
    ];
    let source = Source {
        environment: ours.iter().chain(variables).copied().collect(),
        ..Source::default()
    };
    let ask = |(path, user): &(&str, &str)| {
        let question = Question {
            method: "GET".to_owned(),
            path: (*path).to_owned(),
            asker: Asker::Token(token(user)),
        };
        let report = explain(&source, &question, true, now);
        let told = serde_json::from_str(&report.text).unwrap_or_else(|_| report.problems.into());
        (report.exit.code(), told)
    };
    questions.iter().map(ask).collect()
}

const LIST: &str = "/3rdparty/v1/messages?a=b";

#[test]
fn an_account_of_the_gateway_stands_for_its_own_user_here_too() {
    let told = told_of_accounts(
        &[
            ("GATEWARD__UPSTREAM__BASIC__USER", "owner"),
            ("GATEWARD__UPSTREAM__BASIC__PASSWORD", "secret"),
        ],
        &[(LIST, "OWNER"), (LIST, "SOMEBODY"), ("/health", "SOMEBODY")],
    );
    assert_eq!((told[0].0, &told[0].1["credential"]), (0, &"basic".into()));
    assert_eq!(
        (told[1].0, &told[1].1["status"], &told[1].1["reason"]),
        (1, &403.into(), &"not_served".into())
    );
    assert_eq!((told[2].0, &told[2].1["credential"]), (0, &serde_json::Value::Null));
}

#[test]
fn a_user_without_an_account_in_the_file_is_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts.yaml");
    fs::write(&path, "accounts: [ { name: ann, password: secret } ]\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let variables = [("GATEWARD__UPSTREAM__BASIC__ACCOUNTS_FILE", path.to_str().unwrap())];
    let told = told_of_accounts(&variables, &[(LIST, "Ann"), (LIST, "BOB")]);
    assert_eq!((told[0].0, &told[0].1["credential"]), (0, &"basic".into()));
    assert_eq!((told[1].0, &told[1].1["reason"]), (1, &"not_served".into()));
    fs::write(&path, "accounts: [ { name: ann } ]\n").unwrap();
    let told = told_of_accounts(&variables, &[(LIST, "ANN")]);
    let problem = told[0].1[0].as_str().unwrap();
    assert_eq!(
        (
            told[0].0,
            problem.ends_with("accounts[0].password: missing (allowed: password, or password_file)")
        ),
        (2, true),
        "{problem}"
    );
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
