#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use gateward_boot::config::File;

use super::*;

fn checked(text: &str, variables: &[(&str, &str)]) -> Report {
    let source = Source {
        file: Some(File {
            name: "gateward.yaml".to_owned(),
            text: text.to_owned(),
        }),
        environment: variables.iter().copied().collect(),
        ..Source::default()
    };
    check(&source)
}

#[test]
fn what_is_built_in_is_good() {
    let report = checked("", &[]);
    assert_eq!((report.exit, &report.problems), (Exit::Success, &Vec::new()));
    assert!(report.text.contains("policy: good (smsgate "), "{}", report.text);
}

#[test]
fn a_bad_configuration_is_78_and_every_problem_is_told() {
    let report = checked("listen: nonsense\nunknown: 1\ntokens: { access_ttl: soon }\n", &[]);
    assert_eq!(report.exit.code(), 78);
    assert!(report.problems.len() >= 3, "{:?}", report.problems);
}

#[test]
fn a_bad_configuration_hides_neither_the_policys_problems_nor_those_of_the_users() {
    let folder = tempfile::tempdir().unwrap();
    let (policy, users) = (folder.path().join("policy.yaml"), folder.path().join("users.yaml"));
    fs::write(&users, "users: [ { name: a } ]\n").unwrap();
    fs::set_permissions(&users, fs::Permissions::from_mode(0o600)).unwrap();
    let text = |policy: Option<&str>| {
        let users = users.display();
        let policy = policy.map(|path| format!("policy: {path}\n")).unwrap_or_default();
        format!("{policy}listen: nonsense\nusers: {{ source: file, file: {users} }}\n")
    };
    let told = |report: &Report, what: &str| report.problems.iter().any(|problem| problem.contains(what));
    let report = checked(&text(None), &[]);
    assert_eq!(report.exit.code(), 78);
    assert!(
        told(&report, "listen") && told(&report, "users.yaml"),
        "{:?}",
        report.problems
    );
    fs::write(&policy, "policy: a\nrouter: nonsense\n").unwrap();
    let report = checked(&text(policy.to_str()), &[]);
    assert_eq!(report.exit.code(), 78);
    assert!(
        told(&report, "listen") && told(&report, "policy.yaml"),
        "{:?}",
        report.problems
    );
    fs::remove_file(&policy).unwrap();
    let report = checked(&text(policy.to_str()), &[]);
    let missing = report.problems.iter().filter(|problem| problem.contains("policy.yaml"));
    assert_eq!(missing.count(), 1, "{:?}", report.problems);
}

#[test]
fn a_bad_accounts_file_is_found_with_every_problem() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts.yaml");
    fs::write(&path, "accounts:\n  - { name: a }\n  - { name: b, password: '' }\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let text = |rest: &str| {
        let path = path.display();
        format!("{rest}upstream: {{ credential: basic, basic: {{ accounts_file: {path} }} }}\n")
    };
    for (text, problems) in [
        (text(""), 2),
        (text("listen: nonsense\n"), 3),
        (text("policy: missing.yaml\n"), 3),
    ] {
        let report = checked(&text, &[]);
        assert_eq!(
            (report.exit.code(), report.problems.len()),
            (78, problems),
            "{:?}",
            report.problems
        );
        for place in [
            "accounts.yaml:2:5: accounts[0].password: ",
            "accounts.yaml:3:26: accounts[1].password: ",
        ] {
            assert!(
                report.problems.iter().any(|problem| problem.contains(place)),
                "{:?}",
                report.problems
            );
        }
    }
    fs::write(&path, "accounts: [ { name: a, password: b } ]\n").unwrap();
    assert_eq!(checked(&text(""), &[]).exit, Exit::Success);
    fs::remove_file(&path).unwrap();
    let report = checked(&text(""), &[]);
    assert_eq!(
        (report.exit.code(), report.problems.len()),
        (78, 1),
        "{:?}",
        report.problems
    );
}

#[test]
fn a_users_file_is_judged_although_its_policy_is_broken_or_gone() {
    let folder = tempfile::tempdir().unwrap();
    let (policy, users) = (folder.path().join("policy.yaml"), folder.path().join("users.yaml"));
    let hash = bcrypt::hash("password", 4).unwrap();
    let good = format!("hash: '{hash}', scopes: [ 'anything:at-all' ]");
    let told = |users_text: &str, policy_text: Option<&str>| {
        fs::write(&users, users_text).unwrap();
        fs::set_permissions(&users, fs::Permissions::from_mode(0o600)).unwrap();
        let _missing = fs::remove_file(&policy);
        if let Some(text) = policy_text {
            fs::write(&policy, text).unwrap();
        }
        let files = format!(
            "policy: {}\nusers: {{ source: file, file: {} }}\n",
            policy.display(),
            users.display()
        );
        let problems = checked(&files, &[]).problems;
        let about_users = problems.into_iter().filter(|problem| problem.contains("users.yaml"));
        about_users.collect::<Vec<_>>()
    };
    let bad = format!(
        "users:\n  - {{ name: a, {good} }}\n  - {{ name: a, {good} }}\n  - {{ name: 'b:c', {good} }}\n  - {{ name: d, hash: x }}\n  - {{ name: e, hash: '{hash}', scopes: [ 'NO' ] }}\n"
    );
    for broken in [Some("policy: a\nrouter: nonsense\n"), None] {
        let problems = told(&bad, broken);
        assert_eq!(problems.len(), 4, "{problems:?}");
        for (line, what) in [(3, "line 2"), (4, "colon"), (5, "hash"), (6, "NO")] {
            let found = problems
                .iter()
                .find(|problem| problem.contains(&format!("users.yaml:{line}:")));
            assert!(
                found.is_some_and(|problem| problem.contains(what)),
                "{what}: {problems:?}"
            );
        }
        // Which scopes there are, and whether case matters in names, only the policy says.
        let perhaps = format!("users: [ {{ name: a, {good} }}, {{ name: A, {good} }} ]\n");
        assert_eq!(told(&perhaps, broken), Vec::<String>::new());
    }
}

#[test]
fn a_bad_policy_is_65_and_every_problem_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.yaml");
    fs::write(
        &path,
        "policy: a\nrouter: nonsense\nroutes:\n  - { id: a, match: [ GET a ] }\n",
    )
    .unwrap();
    let report = checked(&format!("policy: {}\n", path.display()), &[]);
    assert_eq!(report.exit.code(), 65);
    assert!(report.problems.len() >= 2, "{:?}", report.problems);
    assert!(
        report.problems.iter().all(|problem| problem.contains("policy.yaml")),
        "{:?}",
        report.problems
    );
}

#[test]
fn a_credential_that_a_policy_wants_and_nobody_configured_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("policy.yaml");
    let policy = "
policy: a
router: strict
scopes: { a:b: A }
routes:
  - { id: a, match: [ GET /a ], with: [ jwt ], scope: a:b, action: forward, credential: header }
";
    fs::write(&path, policy).unwrap();
    let report = checked(&format!("policy: {}\n", path.display()), &[]);
    assert_eq!(report.exit.code(), 78);
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.contains("credential header")),
        "{:?}",
        report.problems
    );
}
