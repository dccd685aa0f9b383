//! Tests of the users file.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::PermissionsExt as _;

use super::hash::Cost;
use super::*;

/// Marks of a process that has this secret.
fn marks(secret: &str) -> Marks {
    Marks::new(&Secret::new(secret))
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn policy() -> Policy {
    gateward_policy::compile("smsgate.yaml", gateward_policy::SMSGATE)
        .unwrap()
        .policy
}

fn bcrypt_of(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

fn parse(text: &str) -> Result<Users, Vec<String>> {
    Users::parse("users.yaml", text, &policy()).map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

/// One line per user.
fn file(users: &[String]) -> Users {
    let list: Vec<_> = users.iter().map(|user| format!("  - {{ {user} }}\n")).collect();
    let text = if list.is_empty() {
        "users: []\n".to_owned()
    } else {
        format!("users:\n{}", list.concat())
    };
    parse(&text).unwrap()
}

fn user(name: &str, password: &str) -> String {
    format!("name: {name}, hash: '{}'", bcrypt_of(password))
}

fn verify(users: &Users, name: &str, password: &str) -> Option<Allowed> {
    users.verify(&marks(SECRET), name, &Secret::new(password))
}

#[test]
fn a_user_with_the_right_password_may_do_everything_or_what_the_file_says() {
    let users = file(&[
        user("ann", "one"),
        user("bob", "two") + ", scopes: [messages:send, 'messages:read']",
    ]);
    assert_eq!(users.len(), 2);
    assert_eq!(verify(&users, "ann", "one"), Some(Allowed { scopes: None }));
    let scopes = verify(&users, "bob", "two").unwrap().scopes.unwrap();
    assert_eq!(
        scopes.iter().map(Scope::as_str).collect::<Vec<_>>(),
        ["messages:send", "messages:read"]
    );
    assert_eq!(verify(&users, "ann", "two"), None);
}

#[test]
fn names_are_matched_exactly() {
    let users = file(&[user("Ann", "one"), user("Zoë", "two")]);
    assert!(verify(&users, "Ann", "one").is_some());
    assert!(verify(&users, "Zoë", "two").is_some());
    for other in ["ann", "ANN", "Ann ", "", "Zoe", "ZOË"] {
        assert_eq!(verify(&users, other, "one"), None, "{other:?}");
        assert_eq!(verify(&users, other, "two"), None, "{other:?}");
    }
}

#[test]
fn a_disabled_user_is_refused_with_the_right_password() {
    let users = file(&[
        user("ann", "one") + ", disabled: true",
        user("bob", "two") + ", disabled: false",
    ]);
    assert_eq!(verify(&users, "ann", "one"), None);
    assert!(verify(&users, "bob", "two").is_some());
}

#[test]
fn a_name_that_yaml_reads_as_a_number_is_a_name() {
    assert!(verify(&file(&[user("123456", "one")]), "123456", "one").is_some());
}

/// What the check of an unknown name costs.
fn cost_of(users: &Users, marks: &Marks, name: &str) -> Cost {
    users.stand_ins.for_name(marks.of(name)).cost()
}

#[test]
fn unknown_names_cost_what_users_cost_each_always_the_same() {
    const NAMES: u32 = 4000;
    let bcrypt = |name: &str, cost| format!("name: {name}, hash: '{}'", bcrypt::hash(name, cost).unwrap());
    let argon2id = format!(
        "name: eve, hash: '$argon2id$v=19$m=64,t=1,p=1$Z2F0ZXdhcmQtbm9ib2R5${}'",
        "A".repeat(43)
    );
    let list = [bcrypt("ann", 4), bcrypt("bob", 5), bcrypt("cid", 4), argon2id];
    let users = file(&list);
    let (marks_of, marks) = (marks, marks(SECRET));
    let names: Vec<String> = (0..NAMES).map(|number| format!("name{number}")).collect();
    let share = |cost| {
        let costing = names.iter().filter(|name| cost_of(&users, &marks, name) == cost);
        costing.count() as f64 / f64::from(NAMES)
    };
    let argon2id = Cost::Argon2id {
        memory_kib: 64,
        passes: 1,
        lanes: 1,
    };
    for (cost, expected) in [
        (Cost::Bcrypt { log_rounds: 4 }, 0.5),
        (Cost::Bcrypt { log_rounds: 5 }, 0.25),
        (argon2id, 0.25),
    ] {
        let share = share(cost);
        assert!((share - expected).abs() < 0.05, "{cost:?}: {share}");
    }
    // The same wherever the secret is the same, also when the file was written anew in another order; something else
    // under another secret.
    let turned: Vec<String> = list.iter().rev().cloned().collect();
    let (again, other) = (file(&turned), marks_of("another"));
    assert!(
        names
            .iter()
            .all(|name| cost_of(&again, &marks_of(SECRET), name) == cost_of(&users, &marks, name))
    );
    assert!(
        names
            .iter()
            .any(|name| cost_of(&users, &other, name) != cost_of(&users, &marks, name))
    );
    // The hashes are real ones, and still let nobody in.
    for name in names.iter().take(20) {
        for password in ["ann", "bob", "cid"] {
            assert_eq!(verify(&users, name, password), None);
        }
    }
}

#[test]
fn without_users_an_unknown_name_costs_what_a_usual_hash_costs() {
    let nobody = file(&[]);
    assert!(nobody.is_empty());
    let usual = Cost::Argon2id {
        memory_kib: 19456,
        passes: 2,
        lanes: 1,
    };
    assert_eq!(cost_of(&nobody, &marks(SECRET), "ann"), usual);
}

#[test]
fn every_problem_is_told_with_its_place_and_no_hash_is_shown() {
    let hash = bcrypt_of("one");
    let text = format!(
        "users:
  - {{ name: ann, hash: '{hash}', admin: true }}
  - {{ name: ANN, hash: '{hash}' }}
  - {{ name: 'a:b', hash: '{hash}' }}
  - {{ name: ' ', hash: '{hash}' }}
  - {{ name: bob, hash: hunter2 }}
  - {{ hash: '{hash}' }}
  - {{ name: cid }}
  - {{ name: dan, hash: '{hash}', disabled: maybe }}
  - {{ name: eve, hash: '{hash}', scopes: [message:send, tokens:refresh] }}
  - {{ name: fay, hash: '{hash}', scopes: all:any }}
  - gil
version: 1
"
    );
    let problems = parse(&text).unwrap_err();
    let expected = [
        "users.yaml:13:1: unknown key (allowed: users)",
        "users[0]: unknown key (allowed: name, hash, disabled, scopes)",
        "users.yaml:3:13: users[1].name: \"ANN\" is the same user as in line 2",
        "users.yaml:4:13: users[2].name: holds a colon",
        "users.yaml:5:13: users[3].name: \" \": blank",
        "users[4].hash: is neither argon2id nor bcrypt",
        "users[5].name: missing",
        "users[6].hash: missing",
        "users[7].disabled: a boolean is needed, this is a string",
        "users[8].scopes[0]: \"message:send\" is no scope that a user can have (allowed: a scope of the policy, such as messages:send)",
        "users[8].scopes[1]: \"tokens:refresh\" is no scope that a user can have",
        "users[9].scopes: a list is needed, this is a string",
        "users[10]: a mapping is needed, this is a string",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for part in expected {
        assert!(
            problems.iter().any(|problem| problem.contains(part)),
            "{part} is not in {problems:#?}"
        );
    }
    assert!(!problems.concat().contains("hunter2"));
    assert!(!problems.concat().contains(&hash));
}

#[test]
fn a_hash_without_quotes_is_not_shown_in_pieces() {
    let (salt, hash) = ("Z2F0ZXdhcmQtbm9ib2R5", "A".repeat(43));
    let line =
        |rest: &str| format!("users:\n  - {{ name: ann, hash: $argon2id$v=19$m=64,t=1,p=1${salt}${hash}{rest} }}\n");
    for (rest, expected) in [
        (
            "",
            "users.yaml:2:48: users[0]: unknown key (allowed: name, hash, disabled, scopes)",
        ),
        // Twice the same key is no tree at all.
        (&format!(",p=1${salt}${hash}"), "users.yaml:2:"),
    ] {
        let problems = parse(&line(rest)).unwrap_err();
        assert!(problems.iter().any(|told| told.starts_with(expected)), "{problems:#?}");
        let without_policy = super::problems("users.yaml", &line(rest), None);
        let told = format!("{problems:?}{without_policy:?}");
        assert!(!told.contains(salt) && !told.contains(&hash), "{told}");
    }
    let told = parse("users: [ { name: 'ann:hunter2', hash: x } ]\n")
        .unwrap_err()
        .concat();
    assert!(!told.contains("hunter2"), "{told}");
}

#[test]
fn a_file_without_a_list_of_users_is_refused() {
    for text in [
        "",
        "users:\n",
        "users: ann\n",
        "- name: ann\n",
        "users: [\n",
        "users: []\nusers: []\n",
    ] {
        assert!(parse(text).is_err(), "{text:?}");
    }
    assert!(parse("users: []\n").unwrap().is_empty());
}

#[test]
fn what_a_new_file_takes_away_ends_the_tokens_of_its_users() {
    let same = user("same", "one");
    let hash = bcrypt_of("two");
    let with = |name: &str, rest: &str| format!("name: {name}, hash: '{hash}'{rest}");
    let before = file(&[
        same.clone(),
        with("gone", ""),
        with("disabled", ""),
        with("idle", ", disabled: true"),
        user("changed", "three"),
        with("lowered", ", scopes: [messages:send, messages:read]"),
        with("raised", ", scopes: [messages:send]"),
        with("bounded", ""),
    ]);
    let after = file(&[
        same,
        with("disabled", ", disabled: true"),
        user("changed", "four"),
        with("lowered", ", scopes: [messages:read]"),
        with("raised", ", scopes: [messages:read, messages:send]"),
        with("bounded", ", scopes: [all:any]"),
        with("new", ""),
    ]);
    let mut ended = before.ended_by(&after);
    ended.sort_unstable();
    assert_eq!(ended, ["bounded", "changed", "disabled", "gone", "lowered"]);
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.yaml");
    std::fs::write(&path, "users: []\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(read(&path).unwrap().text, "users: []\n");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).unwrap();
    assert!(
        read(&path)
            .unwrap_err()
            .to_string()
            .starts_with(&path.display().to_string())
    );
}

#[tokio::test]
async fn logins_beyond_the_queue_are_turned_away() {
    let settings = config::Users {
        source: config::UserSource::Gateway,
        cache_ttl: std::time::Duration::ZERO,
        max_concurrent_hashes: 1,
        max_waiting_hashes: 0,
    };
    let users = UserFile::new(file(&[user("ann", "one")]), &settings, &Secret::new(SECRET));
    let login = || Login {
        user: "ann".to_owned(),
        password: Secret::new("one"),
    };
    let working = users.pool.enter().await.unwrap();
    assert_eq!(users.check(login()).await, Err(CheckError::Busy));
    drop(working);
    assert_eq!(users.check(login()).await, Ok(Some(Allowed { scopes: None })));
}
