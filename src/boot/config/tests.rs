#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use super::*;

const SECRET: &str = "hunter2-hunter2-hunter2-hunter2-hunter2";

/// A document, an environment and a folder to read from.
struct Told {
    file: Option<File>,
    environment: Environment,
    folder: tempfile::TempDir,
}

fn told(text: &str, variables: &[(&str, &str)]) -> Told {
    Told {
        file: Some(File {
            name: "c.yaml".to_owned(),
            text: text.to_owned(),
        }),
        environment: variables.iter().copied().collect(),
        folder: tempfile::tempdir().unwrap(),
    }
}

impl Told {
    fn reader(&self, manner: Manner) -> Reader<'_> {
        let prefix = if manner == Manner::Strict { "APP__" } else { "" };
        let sources = Sources {
            file: self.file.as_ref(),
            environment: &self.environment,
            prefix,
            directory: self.folder.path(),
        };
        Reader::open(sources, manner)
    }

    fn strict(&self) -> Reader<'_> {
        self.reader(Manner::Strict)
    }

    fn secret_file(&self, name: &str, contents: &str, mode: u32) {
        let path = self.folder.path().join(name);
        fs::write(&path, contents).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn problems(reader: Reader<'_>) -> Vec<String> {
    let (Ok(problems) | Err(problems)) = reader.finish();
    problems.iter().map(ToString::to_string).collect()
}

fn any_duration(reader: &mut Reader<'_>, key: &str) -> Duration {
    reader.duration(key, Duration::from_secs(60), Duration::ZERO..=Duration::MAX)
}

#[test]
fn the_environment_wins_over_the_document_and_the_document_over_the_default() {
    let told = told(
        "a: { one: 1s, two: 2s }\n",
        &[("APP__A__TWO", "3s"), ("A__ONE", "9s"), ("OTHER", "x")],
    );
    let mut reader = told.strict();
    let read = ["a.one", "a.two", "a.three"].map(|key| any_duration(&mut reader, key).as_secs());
    assert_eq!(read, [1, 3, 60]);
    assert_eq!(problems(reader), [""; 0]);
}

#[test]
fn every_problem_is_told_with_its_place_and_what_is_allowed() {
    let told = told(
        "a:\n  ttl: 15 minutes\n  count: -1\n  on: yes\nkind: blue\nwhere: nowhere\nlist: [ 1, x, { y: z } ]\nmap: 5\n",
        &[("APP__A__SIZE", "many"), ("APP__A__LAST", "99h")],
    );
    let mut reader = told.strict();
    any_duration(&mut reader, "a.ttl");
    reader.integer("a.count", 1, 1..=9);
    reader.boolean("a.on", false);
    reader.choice("kind", "red", &[("red", 1), ("green", 2)]);
    reader.optional_address("where");
    reader.list("list", "a digit", "a digit", |text| text.parse::<u8>().ok());
    reader.integer("a.size", 1, 1..=u64::MAX);
    reader.duration(
        "a.last",
        Duration::ZERO,
        Duration::from_secs(1)..=Duration::from_secs(7200),
    );
    reader.string("map.key", "");
    assert_eq!(
        problems(reader),
        [
            "c.yaml:2:8: a.ttl: not a duration: \"15 minutes\" (allowed: a number and ms, s, m or h, such as 15m)",
            "c.yaml:3:10: a.count: not a number that fits: \"-1\" (allowed: a whole number from 1 to 9)",
            "c.yaml:4:7: a.on: not a boolean: \"yes\" (allowed: true, false)",
            "c.yaml:5:7: kind: not one of the choices: \"blue\" (allowed: red, green)",
            "c.yaml:6:8: where: not an address to listen on: \"nowhere\" (allowed: an address and a port, such as \
             127.0.0.1:3000, [::1]:3000 or :3000 for every interface)",
            "c.yaml:7:12: list: not a digit: \"x\" (allowed: a digit)",
            "c.yaml:7:15: list: not a digit: a mapping (allowed: a digit)",
            "c.yaml:8:6: map: a number: keys are expected (allowed: key)",
            "environment: APP__A__LAST: out of range: 99h (allowed: a number and ms, s, m or h, such as 15m, from 1s to 2h)",
            "environment: APP__A__SIZE: not a number that fits: \"many\" (allowed: a whole number, at least 1)",
        ]
    );
}

#[test]
fn unknown_keys_and_variables_are_errors_with_a_hint() {
    let told = told(
        "lsiten: x\nttl: 1s\na: { tll: 1s, other: 1 }\n",
        &[("APP__A__TTTL", "1s"), ("APP_A", "1s")],
    );
    let mut reader = told.strict();
    reader.optional_string("listen");
    any_duration(&mut reader, "a.ttl");
    assert_eq!(
        problems(reader),
        [
            "c.yaml:1:1: lsiten: unknown key: did you mean listen?",
            "c.yaml:2:1: ttl: unknown key: did you mean a.ttl?",
            "c.yaml:3:6: a.tll: unknown key: did you mean a.ttl?",
            "c.yaml:3:15: a.other: unknown key",
            "environment: APP__A__TTTL: unknown variable: did you mean APP__A__TTL?",
        ]
    );
}

#[test]
fn a_lenient_reader_only_warns_of_unknown_keys() {
    let told = told("new: 1\nttl: 1.5h\non: T\nlist: a, b\nnothing:\n", &[("A__B", "1")]);
    let mut reader = told.reader(Manner::Lenient);
    assert_eq!(any_duration(&mut reader, "ttl").as_secs(), 5400);
    assert!(reader.boolean("on", false));
    let list = reader
        .list("list", "a word", "words", |text| Some(text.to_owned()))
        .unwrap();
    assert_eq!(list, ["a", "b"]);
    assert_eq!(reader.string("nothing", "default"), "default");
    let warnings = reader.finish().unwrap();
    assert_eq!(warnings.len(), 1);
    assert_eq!(
        warnings.first().unwrap().to_string(),
        "c.yaml:1:1: warning: new: unknown key"
    );
}

#[test]
fn lists_in_variables_are_separated_by_commas_and_may_be_empty() {
    let told = told("a: [x]\nb: [x]\n", &[("APP__A", " 1, 2 ,,3 "), ("APP__B", "")]);
    let mut reader = told.strict();
    let mut list = |key: &str| {
        reader
            .list(key, "a text", "texts", |text| Some(text.to_owned()))
            .unwrap()
    };
    assert_eq!(list("a"), ["1", "2", "3"]);
    assert_eq!(list("b"), [""; 0]);
}

#[test]
fn a_key_without_a_value_is_an_error_and_a_section_without_keys_is_not() {
    let told = told("ttl:\nsection:\n", &[]);
    let mut reader = told.strict();
    any_duration(&mut reader, "ttl");
    reader.optional_string("section.key");
    assert_eq!(
        problems(reader),
        ["c.yaml:1:1: ttl: nothing is written here: leave the key out for its default"]
    );
}

#[test]
fn a_document_that_cannot_be_read_is_the_only_problem_of_the_document() {
    for text in ["a: [1\nb: 2\n", "- a\n", "just text\n"] {
        let told = told(text, &[("APP__TTL", "x")]);
        let mut reader = told.strict();
        any_duration(&mut reader, "ttl");
        if reader.optional_string("needed").is_none() {
            reader.required("needed", "");
        }
        let problems = problems(reader);
        assert_eq!(problems.len(), 2, "{problems:?}");
        assert!(problems.iter().any(|problem| problem.starts_with("c.yaml:")));
    }
}

#[test]
fn numbers_and_booleans_are_taken_as_texts_where_a_text_is_wanted() {
    let told = told("a: 0123\nb: true\nc: 1.10\n", &[]);
    let mut reader = told.strict();
    assert_eq!(
        ["a", "b", "c"].map(|key| reader.string(key, "")),
        ["0123", "true", "1.10"]
    );
}

#[test]
fn addresses_may_leave_the_host_out() {
    let told = told("a: ':3000'\nb: '[::1]:1'\nc: localhost:2\nd: 10.0.0.1:3\n", &[]);
    let mut reader = told.strict();
    let read = ["a", "b", "c", "d"].map(|key| reader.optional_address(key).unwrap().to_string());
    assert_eq!(read, ["0.0.0.0:3000", "[::1]:1", "127.0.0.1:2", "10.0.0.1:3"]);
}

#[test]
fn relative_paths_start_at_the_working_directory() {
    let told = told("a: x/y\nb: /etc/x\n", &[]);
    let mut reader = told.strict();
    assert_eq!(reader.path("a", ""), told.folder.path().join("x/y"));
    assert_eq!(reader.path("b", ""), Path::new("/etc/x"));
    assert_eq!(reader.path("c", "data"), told.folder.path().join("data"));
}

#[test]
fn rules_between_keys_are_told_at_the_place_of_the_key() {
    let told = told("a:\n  b: 1\n", &[("APP__E", "x")]);
    let mut reader = told.strict();
    for key in ["a.b", "a.c", "d", "e"] {
        reader.optional_string(key);
        reader.problem(key, "wrong");
    }
    reader.secret("a.key", SecretRules::key(32));
    reader.required("a.key", "for this");
    reader.required_as("a.one", "by that", "a.one or a.two");
    assert_eq!(
        problems(reader),
        [
            "c.yaml: d: wrong",
            "c.yaml:1:1: a.c: wrong",
            "c.yaml:1:1: a.key: required for this (allowed: a.key_file, or APP__A__KEY_FILE or APP__A__KEY in the environment)",
            "c.yaml:1:1: a.one: required by that (allowed: a.one or a.two)",
            "c.yaml:2:3: a.b: wrong",
            "environment: APP__E: wrong",
        ]
    );
}

fn secret(reader: &mut Reader<'_>) -> Option<String> {
    let secret = reader.secret("secret", SecretRules::key(32))?;
    Some(String::from_utf8(secret.into_bytes()).unwrap())
}

#[test]
fn a_secret_comes_from_a_variable_or_from_a_file_named_by_a_key_or_a_variable() {
    let own = told("", &[("APP__SECRET", SECRET)]);
    assert_eq!(secret(&mut own.strict()).as_deref(), Some(SECRET));
    let own = told("secret_file: s\n", &[]);
    own.secret_file("s", &format!("{SECRET}\n"), 0o600);
    assert_eq!(secret(&mut own.strict()).as_deref(), Some(SECRET));
    let own = told("secret_file: missing\n", &[("APP__SECRET_FILE", "s")]);
    own.secret_file("s", SECRET, 0o400);
    let mut reader = own.strict();
    assert_eq!(secret(&mut reader).as_deref(), Some(SECRET));
    assert_eq!(problems(reader), [""; 0]);
}

#[test]
fn a_secret_in_the_document_needs_permission() {
    let own = told(&format!("secret: {SECRET}\n"), &[]);
    let mut reader = own.strict();
    assert_eq!(secret(&mut reader), None);
    assert_eq!(
        problems(reader),
        [
            "c.yaml:1:9: secret: a secret must not stand in this file, unless allow_inline_secrets is true \
             (allowed: secret_file, or APP__SECRET_FILE or APP__SECRET in the environment)"
        ]
    );
    let mut reader = own.strict();
    reader.allow_inline_secrets(true);
    assert_eq!(secret(&mut reader).as_deref(), Some(SECRET));
    assert_eq!(secret(&mut own.reader(Manner::Lenient)).as_deref(), Some(SECRET));
}

#[test]
fn a_secret_given_twice_in_one_place_is_refused() {
    let own = told("", &[("APP__SECRET", SECRET), ("APP__SECRET_FILE", "s")]);
    let mut reader = own.strict();
    assert_eq!(secret(&mut reader), None);
    assert_eq!(
        problems(reader),
        ["environment: APP__SECRET: given twice: as a value and as a file"]
    );
    let own = told(&format!("secret: {SECRET}\nsecret_file: s\n"), &[]);
    let mut reader = own.strict();
    reader.allow_inline_secrets(true);
    assert_eq!(secret(&mut reader), None);
    assert_eq!(
        problems(reader),
        ["c.yaml:1:9: secret: given twice: as a value and as a file"]
    );
}

#[test]
fn secrets_that_are_empty_short_known_or_exposed_are_refused() {
    let refused = |value: &str| {
        let own = told("", &[("APP__SECRET", value)]);
        let mut reader = own.strict();
        assert_eq!(secret(&mut reader), None);
        problems(reader).join("\n")
    };
    assert_eq!(refused(""), "environment: APP__SECRET: the secret is empty");
    assert_eq!(
        refused(&"x7".repeat(15)),
        "environment: APP__SECRET: the secret is too short: 30 bytes (allowed: at least 32 bytes)"
    );
    for known in [
        "changeme-changeme-changeme-changeme",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        assert!(refused(known).contains("the secret is a known example"), "{known}");
    }
    let own = told("secret_file: s\n", &[]);
    own.secret_file("s", SECRET, 0o644);
    let mut reader = own.strict();
    assert_eq!(secret(&mut reader), None);
    let problems = problems(reader);
    assert!(
        problems.first().unwrap().starts_with("c.yaml:1:14: secret_file: "),
        "{problems:?}"
    );
    assert!(
        problems
            .first()
            .unwrap()
            .ends_with("can be read or written by others (mode 0644): chmod 600 it")
    );
}

#[test]
fn known_examples_are_accepted_with_a_warning_where_that_is_allowed() {
    let own = told("", &[("APP__SECRET", "changeme-changeme-changeme-changeme")]);
    let mut reader = own.strict();
    reader.allow_example_secrets(true);
    assert!(secret(&mut reader).is_some());
    let warnings = reader.finish().unwrap();
    assert!(
        warnings
            .first()
            .unwrap()
            .to_string()
            .contains("warning: APP__SECRET: the secret is a known example")
    );
}

#[test]
fn an_empty_secret_is_no_secret_for_a_lenient_reader() {
    let own = told("secret: ''\n", &[]);
    let mut reader = own.reader(Manner::Lenient);
    assert_eq!(secret(&mut reader), None);
    assert_eq!(problems(reader), [""; 0]);
}

#[test]
fn no_problem_shows_a_secret() {
    let variants = [
        (format!("secret: {SECRET}\n"), vec![]),
        (format!("secret: [{SECRET}]\n"), vec![]),
        (format!("secret: {{ {SECRET}: 1 }}\n"), vec![]),
        (
            String::new(),
            vec![("APP__SECRET", "hunter2"), ("APP__SECRETT", SECRET)],
        ),
        (String::new(), vec![("APP__SECRET", SECRET), ("APP__SECRET_FILE", "x")]),
    ];
    for (text, variables) in variants {
        let own = told(&text, &variables);
        for allow in [true, false] {
            let mut reader = own.strict();
            reader.allow_inline_secrets(allow);
            let read = reader.secret("secret", SecretRules::key(32));
            assert!(!format!("{read:?} {:?}", own.environment).contains("hunter2"));
            let told = problems(reader).join("\n");
            if told.contains("hunter2") {
                panic!("{told}");
            }
        }
    }
}

#[test]
fn durations_are_written_as_people_write_them() {
    for (text, millis) in [
        ("0s", 0),
        ("60s", 60_000),
        ("15m", 900_000),
        ("720h", 2_592_000_000),
        ("250ms", 250),
    ] {
        assert_eq!(duration_text(Duration::from_millis(millis)), text);
    }
}

#[test]
fn keys_are_listed_with_their_defaults() {
    let own = told("", &[]);
    let mut reader = own.strict();
    any_duration(&mut reader, "b.ttl");
    reader.secret("a", SecretRules::PASSED_ON);
    let listed: Vec<(String, String, bool)> = reader
        .keys()
        .into_iter()
        .map(|key| (key.path, key.default, key.secret))
        .collect();
    assert_eq!(
        listed,
        [("a".into(), String::new(), true), ("b.ttl".into(), "60s".into(), false)]
    );
}
