#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod compose;

use std::fs;
use std::path::Path;

use gateward_boot::config::File;
use gateward_boot::environment::Environment;
use gateward_boot::logs::Level;

use super::*;

const SECRET: &str = "hunter2-hunter2-hunter2-hunter2-hunter2";

fn source(text: &str, variables: &[(&str, &str)]) -> Source {
    Source {
        file: Some(File {
            name: "config.yml".to_owned(),
            text: text.to_owned(),
        }),
        environment: variables.iter().copied().collect(),
        ..Source::default()
    }
}

/// With what the core cannot do without.
fn run(text: &str, variables: &[(&str, &str)]) -> Source {
    let account = crate::testing::service_account("https://oauth2.example/token");
    let needed = [("JWT__SECRET", SECRET), ("FCM__CREDENTIALS_JSON", account.as_str())];
    source(text, &[&needed, variables].concat())
}

fn load(source: &Source) -> Loaded {
    match Config::load(source, &Provided::default()) {
        Ok(loaded) => loaded,
        Err(problems) => panic!("{problems:#?}"),
    }
}

fn told(problems: &[Diagnostic]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

fn refused(source: &Source) -> Vec<String> {
    told(&Config::load(source, &Provided::default()).unwrap_err())
}

/// The database, which is a file.
fn file(config: &Config) -> &Path {
    match &config.database.url {
        DatabaseUrl::Sqlite(path) => path,
        other @ (DatabaseUrl::SqliteMemory | DatabaseUrl::MySql(_)) => panic!("{other:?}"),
    }
}

#[test]
fn without_a_file_everything_has_its_documented_default() {
    let loaded = load(&Source {
        file: None,
        ..run("", &[])
    });
    assert_eq!(loaded.warnings, []);
    let config = loaded.config;
    assert_eq!(
        (config.gateway.mode, config.gateway.private_token.is_none()),
        (Mode::Public, true)
    );
    assert_eq!(
        config.gateway.upstream_url.as_deref(),
        Some("https://api.sms-gate.app/upstream/v1")
    );
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:3100");
    assert_eq!(config.http.worker_listen.to_string(), "127.0.0.1:3101");
    assert_eq!(file(&config), Path::new("data/core.db"));
    assert_eq!((config.fcm.debounce.as_secs(), config.fcm.timeout.as_secs()), (5, 1));
    assert_eq!(config.sse.keep_alive.as_secs(), 15);
    assert_eq!(config.jwt.issuer.as_deref(), Some("sms-gate.app"));
    assert_eq!(config.jwt.access_ttl.as_secs(), 900);
    assert_eq!(
        (config.otp.length, config.otp.ttl.as_secs(), config.otp.retries),
        (6, 60, 3)
    );
    assert_eq!(config.tasks.devices_cleanup.max_age.as_secs(), 8_760 * 3_600);
    assert_eq!(config.log_level, Level::Info);
}

/// In the words of the reference server's own example.
#[test]
fn the_reference_servers_file_works_unchanged() {
    let text = format!(
        "\
gateway:
  mode: private # public or private
  private_token: 123456789
http:
  listen: :3000
  proxies:
    - 127.0.0.1
  api:
    host: sms.example.com
    path: /api
  openapi:
    enabled: true
database:
  host: localhost
  port: 3306
  user: root
  password: root
  database: sms
  timezone: UTC
  debug: false
  max_open_conns: 0
fcm:
  credentials_json: \"{{}}\"
  timeout_seconds: 1
  debounce_seconds: 5
tasks:
  hashing: # an older name
    interval_seconds: 15
sse:
  keep_alive_period_seconds: 15
messages:
  cache_ttl_seconds: 300
  queue:
    max_pending: 10
    max_pending_age: 24h
cache:
  url: memory://
pubsub:
  url: memory://
jwt:
  secret: {SECRET}
  ttl: 24h
  issuer:
otp:
  ttl: 120
"
    );
    let loaded = load(&source(&text, &[]));
    assert_eq!(
        told(&loaded.warnings),
        ["config.yml:27:3: warning: tasks.hashing: unknown key"]
    );
    let config = loaded.config;
    assert_eq!(config.gateway.mode, Mode::Private);
    assert_eq!(config.gateway.private_token.unwrap().expose(), b"123456789");
    assert_eq!(config.http.listen.to_string(), "0.0.0.0:3000");
    assert_eq!(config.http.worker_listen, config.http.listen);
    assert_eq!(config.http.proxies.len(), 1);
    assert_eq!(config.http.api.unwrap().host, "sms.example.com");
    let DatabaseUrl::MySql(server) = &config.database.url else {
        panic!("{:?}", config.database.url)
    };
    assert_eq!((server.host.as_str(), server.port), ("localhost", 3306));
    assert_eq!((server.user.as_str(), server.name.as_str()), ("root", "sms"));
    assert_eq!(server.password.expose(), b"root");
    assert_eq!(config.messages.queue.max_pending_age.as_secs(), 86_400);
    assert_eq!(config.jwt.access_ttl.as_secs(), 86_400);
    assert_eq!(config.jwt.issuer.as_deref(), Some("sms-gate.app"));
    assert_eq!(config.otp.ttl.as_secs(), 120);
    assert!(config.fcm.account.is_none(), "a placeholder, and not needed");
}

#[test]
fn the_public_address_is_put_right_as_the_reference_does() {
    for (host, path, expected) in [
        ("sms.example.com", "/gw", Some(("sms.example.com", "/gw"))),
        ("https://sms.example.com", "gw/", Some(("sms.example.com", "/gw"))),
        ("http://sms.example.com:8080/", "/", Some(("sms.example.com:8080", "/"))),
        ("sms.example.com", "/a/b/", Some(("sms.example.com", "/a/b"))),
        ("", "/gw", None),
        ("https://", "/gw", None),
    ] {
        let variables = [
            ("HTTP__API__HOST", host),
            ("HTTP__API__PATH", path),
            ("JWT__SECRET", SECRET),
        ];
        let api = load(&run("", &variables)).config.http.api;
        let api = api.as_ref().map(|api| (api.host.as_str(), api.path.as_str()));
        assert_eq!(api, expected, "{host} {path}");
    }
}

#[test]
fn the_reference_servers_variables_win_over_the_file() {
    let source = run(
        "gateway: { mode: public }\nhttp: { proxies: [ 10.0.0.1 ] }\n",
        &[
            ("GATEWAY__MODE", "private"),
            ("GATEWAY__PRIVATE_TOKEN", "token"),
            ("HTTP__LISTEN", "127.0.0.1:0"),
            ("HTTP__PROXIES", "10.0.0.0/8, ::1"),
            ("OTP__ENABLED", "0"),
            ("JWT__ACCESS_TTL", "1.5h"),
            ("SSE__KEEP_ALIVE_PERIOD_SECONDS", ""),
            ("DEBUG", "1"),
            ("UNRELATED__THING", "x"),
        ],
    );
    let loaded = load(&source);
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.gateway.mode, Mode::Private);
    assert_eq!(loaded.config.http.proxies.len(), 2);
    assert!(!loaded.config.otp.enabled);
    assert_eq!(loaded.config.jwt.access_ttl.as_secs(), 5_400);
    assert_eq!(loaded.config.log_level, Level::Debug);
}

#[test]
fn without_a_secret_there_is_no_configuration() {
    let account = crate::testing::service_account("https://oauth2.example/token");
    let push = ("FCM__CREDENTIALS_JSON", account.as_str());
    let required = "required to check the minted tokens of the sidecar (allowed: jwt.secret_file, or JWT__SECRET_FILE or \
                    JWT__SECRET in the environment)";
    assert_eq!(
        refused(&source("", &[push])),
        [format!("config.yml: jwt.secret: {required}")]
    );
    assert_eq!(
        refused(&source("jwt:\n  secret:\n", &[push])),
        [format!("config.yml:2:3: jwt.secret: {required}")]
    );
    assert_eq!(
        refused(&source("", &[push, ("JWT__SECRET", "")])),
        [format!("environment: JWT__SECRET: {required}")]
    );
    assert_eq!(
        refused(&source("", &[push, ("JWT__SECRET", "short")])),
        ["environment: JWT__SECRET: the secret is too short: 5 bytes (allowed: at least 32 bytes)"]
    );
    let provided = Provided {
        jwt_secret: Some(Secret::new(SECRET)),
        ..Provided::default()
    };
    assert!(Config::load(&source("", &[push]), &provided).is_ok());
}

#[test]
fn wrong_values_are_told_all_at_once() {
    let source = run(
        "gateway: { mode: other, upstream_url: x }\nhttp: { listen: nowhere }\notp: { length: 5, ttl: 0, retries: 0 }\n\
         database: { url: 'mysql://u:hunter2@h' }\ncache: { url: 'hunter2' }\njwt: { access_ttl: soon }\n",
        &[],
    );
    let problems = refused(&source);
    assert_eq!(problems.len(), 9, "{problems:#?}");
    let all = problems.join("\n");
    let allowed = "(allowed: sqlite://path or mysql://user:password@host:port/database)";
    assert!(
        all.contains(&format!("database.url: the url names no database {allowed}")),
        "{all}"
    );
    assert!(!all.contains("hunter2"), "{all}");
}

#[test]
fn a_server_is_used_when_it_is_described_and_no_url_is_given() {
    let provided = Provided {
        database: Some("d/core.db".into()),
        ..Provided::default()
    };
    let described = run("", &[("DATABASE__HOST", "db"), ("DATABASE__PASSWORD", "hunter2")]);
    let config = Config::load(&described, &provided).unwrap().config;
    assert!(!format!("{config:?}").contains("hunter2"));
    let DatabaseUrl::MySql(server) = config.database.url else {
        panic!("{:?}", config.database.url)
    };
    assert_eq!((server.host.as_str(), server.name.as_str()), ("db", "sms"));
    assert_eq!(server.password.expose(), b"hunter2");

    let variables = [("DATABASE__HOST", "db"), ("DATABASE__URL", "sqlite:///srv/x.db")];
    assert_eq!(file(&load(&run("", &variables)).config), Path::new("/srv/x.db"));
}

#[test]
fn a_password_describes_a_server_and_is_that_of_the_reference_by_default() {
    let server = |source: &Source| match load(source).config.database.url {
        DatabaseUrl::MySql(server) => server,
        other @ (DatabaseUrl::Sqlite(_) | DatabaseUrl::SqliteMemory) => panic!("{other:?}"),
    };
    let alone = server(&run("", &[("DATABASE__PASSWORD", "hunter2")]));
    assert_eq!((alone.host.as_str(), alone.port), ("localhost", 3306));
    assert_eq!((alone.user.as_str(), alone.name.as_str()), ("sms", "sms"));
    assert_eq!(alone.password.expose(), b"hunter2");
    let default = server(&run("", &[("DATABASE__HOST", "db")]));
    assert_eq!(default.password.expose(), b"sms");
    let none =
        format!("jwt: {{ secret: {SECRET} }}\ngateway: {{ mode: private }}\ndatabase: {{ user: u, password: '' }}\n");
    assert_eq!(server(&source(&none, &[])).password.expose(), b"");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "from-file\n").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let file = file.to_str().unwrap();
    let filed = server(&run("", &[("DATABASE__PASSWORD_FILE", file)]));
    assert_eq!(filed.password.expose(), b"from-file");
}

#[test]
fn times_in_another_zone_than_utc_are_a_problem() {
    let zone = ("DATABASE__TIMEZONE", "Europe/Berlin");
    assert_eq!(
        refused(&run("", &[("DATABASE__HOST", "db"), zone])),
        ["environment: DATABASE__TIMEZONE: only a database whose times are in UTC can be used"]
    );
    load(&run("", &[zone]));
}

#[test]
fn what_holds_a_password_is_not_repeated() {
    let loaded = load(&run("", &[("CACHE__URL", "redis://:hunter2@h")]));
    assert_eq!(told(&loaded.warnings), [""; 0]);
    assert!(!format!("{:?}", loaded.config).contains("hunter2"));
    let problems = refused(&run("", &[("PUBSUB__URL", "redis://:hunter2@h/x")]));
    assert!(
        !problems.is_empty() && !problems.concat().contains("hunter2"),
        "{problems:?}"
    );
}

#[test]
fn what_up_provides_is_used_where_the_source_says_nothing() {
    let provided = Provided {
        jwt_secret: Some(Secret::new("x".repeat(32))),
        mode: Some(Mode::Private),
        private_token: Some(Secret::new("made")),
        database: Some("d/core.db".into()),
        push: PushNeed::Optional,
    };
    let config = Config::load(&source("", &[]), &provided).unwrap().config;
    assert_eq!(config.gateway.mode, Mode::Private);
    assert_eq!(file(&config), Path::new("d/core.db"));
    assert_eq!(config.gateway.private_token.unwrap().expose(), b"made");
    let variables = [("GATEWAY__MODE", "public"), ("DATABASE__URL", "sqlite::memory:")];
    let config = Config::load(&run("", &variables), &provided).unwrap().config;
    assert_eq!(config.gateway.mode, Mode::Public);
    assert_eq!(config.jwt.secret.expose(), SECRET.as_bytes());
    assert!(matches!(config.database.url, DatabaseUrl::SqliteMemory));
}

#[test]
fn public_mode_needs_an_account_for_push() {
    let with = |json: &str| source("", &[("JWT__SECRET", SECRET), ("FCM__CREDENTIALS_JSON", json)]);
    let account = crate::testing::service_account("https://oauth2.example/token");
    let loaded = load(&with(&account)).config.fcm;
    assert_eq!(loaded.endpoint, "https://fcm.googleapis.com");
    let loaded = loaded.account.unwrap();
    assert_eq!(loaded.token_uri, "https://oauth2.example/token");
    assert_eq!(
        (loaded.project_id.as_str(), loaded.private_key_id.as_deref()),
        ("test-project", Some("key-1"))
    );

    let required = "required in public mode, for push";
    let another =
        |name: &str, value: &str| account.replace(&format!("\"{name}\":"), &format!("\"{name}\":{value},\"x{name}\":"));
    let unusable = "not the json file of a service account";
    for (json, problem) in [
        ("", required.to_owned()),
        (" {} ", required.to_owned()),
        ("hunter2", unusable.to_owned()),
        ("[]", unusable.to_owned()),
        (
            &another("project_id", "\"\""),
            format!("{unusable}: project_id is missing"),
        ),
        (
            &another("client_email", "null"),
            format!("{unusable}: client_email is missing"),
        ),
        (
            &another("private_key", "\"hunter2\""),
            "private_key is not an rsa key in pem".to_owned(),
        ),
        (
            &another("token_uri", "\"hunter2\""),
            "token_uri is not a url".to_owned(),
        ),
    ] {
        let told = refused(&with(json));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains(&problem), "{json}: {told:?}");
        assert!(!told[0].contains("hunter2"), "{told:?}");
    }
}

#[test]
fn up_starts_without_an_account_and_says_so() {
    let provided = Provided {
        push: PushNeed::Optional,
        ..Provided::default()
    };
    let with = |json: &str| source("", &[("JWT__SECRET", SECRET), ("FCM__CREDENTIALS_JSON", json)]);
    for json in ["", "{}"] {
        let loaded = Config::load(&with(json), &provided).unwrap();
        assert!(loaded.config.fcm.account.is_none());
        let warnings = told(&loaded.warnings);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("push is off"), "{warnings:?}");
    }
    assert!(Config::load(&with("hunter2"), &provided).is_err());
}

#[test]
fn up_pushes_through_nobody_who_was_not_named_and_says_so() {
    let provided = Provided {
        mode: Some(Mode::Private),
        push: PushNeed::Optional,
        ..Provided::default()
    };
    let loaded = Config::load(&source("", &[("JWT__SECRET", SECRET)]), &provided).unwrap();
    assert_eq!(loaded.config.gateway.upstream_url, None);
    let warnings = told(&loaded.warnings).join("\n");
    assert!(
        warnings.contains("gateway.upstream_url: empty in private mode: push is off"),
        "{warnings}"
    );

    let named = [("JWT__SECRET", SECRET), ("GATEWAY__UPSTREAM_URL", "http://relay/v1/")];
    let loaded = Config::load(&source("", &named), &provided).unwrap();
    assert_eq!(loaded.config.gateway.upstream_url.as_deref(), Some("http://relay/v1"));
    assert!(!told(&loaded.warnings).join("\n").contains("push"));
}

#[test]
fn a_process_that_pushes_nothing_does_not_look_at_the_account() {
    let provided = Provided {
        push: PushNeed::Unused,
        ..Provided::default()
    };
    for json in ["", "hunter2"] {
        let source = source("", &[("JWT__SECRET", SECRET), ("FCM__CREDENTIALS_JSON", json)]);
        assert_eq!(Config::load(&source, &provided).unwrap().warnings, []);
    }
}

#[test]
fn the_file_is_found_where_the_reference_server_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    let find = |named: Option<&Path>, environment: &[(&str, &str)]| {
        Source::find(named, environment.iter().copied().collect(), folder.path())
    };
    assert!(find(None, &[]).unwrap().file.is_none());
    write("config.yml", "a: 1\n");
    write("other.yml", "b: 1\n");
    write(".env", "JWT__SECRET=from-dotenv\nOTP__TTL=5\nnonsense\n");
    let found = find(None, &[("JWT__SECRET", SECRET)]).unwrap();
    assert_eq!(found.file.unwrap().text, "a: 1\n");
    assert_eq!(found.environment.value("JWT__SECRET"), Some(SECRET));
    assert_eq!(found.environment.value("OTP__TTL"), Some("5"));
    assert_eq!(found.warnings.len(), 1);
    assert_eq!(
        find(None, &[("CONFIG_PATH", "other.yml")]).unwrap().file.unwrap().text,
        "b: 1\n"
    );
    assert!(find(None, &[("CONFIG_PATH", "missing.yml")]).unwrap().file.is_none());
    assert!(find(Some(&folder.path().join("missing.yml")), &[]).is_err());
    assert!(Source::of_variables(Environment::from_iter([("JWT__SECRET", "")])).gives("jwt.secret"));
}

/// The rows of the table after a heading: key, variable, default.
fn documented(readme: &str, heading: &str) -> Vec<(String, String, String)> {
    let (_, section) = readme.split_once(heading).unwrap();
    let rows = section
        .split("\n## ")
        .next()
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("| `"));
    let row = |line: &str| {
        let mut cells = line
            .split(" | ")
            .map(|cell| cell.trim_matches(['|', ' ', '`']).to_owned());
        let mut cell = || cells.next().unwrap();
        (cell(), cell(), cell())
    };
    rows.map(row).collect()
}

#[test]
fn every_key_is_documented_and_every_documented_key_exists() {
    let source = source("", &[]);
    let mut reader = source.reader();
    read::config(&mut reader, &source.environment, &Provided::default());
    let mut expected = Vec::new();
    for key in reader.keys() {
        let variable = |path: &str| path.to_uppercase().replace('.', "__");
        if key.secret {
            let file = format!("{}_file", key.path);
            expected.push((file.clone(), variable(&file), "none".to_owned()));
        }
        let default = if key.default.is_empty() {
            "none".to_owned()
        } else {
            key.default
        };
        expected.push((key.path.clone(), variable(&key.path), default));
    }
    let mut documented = documented(include_str!("../../../config/README.md"), "\n## The core");
    expected.sort();
    documented.sort();
    assert_eq!(documented, expected);
}

#[test]
fn the_example_is_accepted_and_mentions_every_key() {
    let text = include_str!("../../../config/core.yaml");
    let loaded = load(&run(text, &[]));
    assert_eq!(loaded.warnings, []);
    let source = run(text, &[]);
    let mut reader = source.reader();
    read::config(&mut reader, &source.environment, &Provided::default());
    for key in reader.keys() {
        let name = key.path.rsplit('.').next().unwrap();
        let name = if key.secret {
            format!("{name}_file")
        } else {
            name.to_owned()
        };
        assert!(text.contains(&format!("{name}:")), "{}", key.path);
    }
}
