#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gateward_boot::config::File;
use gateward_boot::environment::Environment;

use super::*;

const SECRET: &str = "hunter2-hunter2-hunter2-hunter2-hunter2";

/// What `run` cannot do without.
const NEEDED: [(&str, &str); 3] = [
    ("GATEWARD__UPSTREAM__URL", "http://127.0.0.1:3100"),
    ("GATEWARD__UPSTREAM__MINT__SECRET", SECRET),
    ("GATEWARD__TOKENS__SECRET", SECRET),
];

fn source(text: &str, variables: &[(&str, &str)]) -> Source {
    Source {
        file: Some(File {
            name: "g.yaml".to_owned(),
            text: text.to_owned(),
        }),
        environment: variables.iter().copied().collect(),
        directory: PathBuf::new(),
    }
}

/// With everything that `run` needs.
fn run(text: &str, variables: &[(&str, &str)]) -> Source {
    source(text, &[&NEEDED, variables].concat())
}

fn load(source: &Source) -> Config {
    match Config::load(source, &Provided::default()) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{problems:#?}"),
    }
}

fn refused(source: &Source) -> Vec<String> {
    let problems = Config::load(source, &Provided::default()).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn without_a_file_everything_has_its_documented_default() {
    let config = load(&Source {
        file: None,
        ..run("", &[])
    });
    assert_eq!(config.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(config.admin.to_string(), "127.0.0.1:9464");
    assert_eq!(config.data_dir, Path::new("data"));
    assert_eq!(config.policy, PolicySource::Compiled);
    assert!(config.tls.is_none() && !config.h2c && config.trusted_proxies.is_empty());
    assert!(matches!(config.store, Store::Embedded));
    assert_eq!(config.upstream.credential, CredentialKind::Mint);
    let mint = config.upstream.mint.unwrap();
    assert_eq!((mint.issuer.as_deref(), mint.ttl.as_secs()), (Some("sms-gate.app"), 60));
    assert_eq!(config.users.source, UserSource::Gateway);
    assert_eq!(config.users.cache_ttl.as_secs(), 60);
    let tokens = &config.tokens;
    assert_eq!(tokens.issuer.as_deref(), Some("sms-gate.app"));
    let seconds = [
        tokens.access_ttl,
        tokens.refresh_ttl,
        tokens.refresh_grace,
        tokens.max_lifetime,
        tokens.leeway,
    ];
    assert_eq!(
        seconds.map(|duration| duration.as_secs()),
        [900, 2_592_000, 10, 86_400, 0]
    );
    assert_eq!(tokens.attenuation, Attenuation::Enforce);
    assert_eq!(config.timeouts.drain.as_secs(), 10);
    assert_eq!((config.limits.body, config.limits.head), (4_194_304, 16_384));
    assert!(config.upstream.idle < Duration::from_secs(60));
    assert_eq!(config.log.decisions, Decisions::All);
}

#[test]
fn every_fixed_key_can_stand_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    for (name, mode) in [
        ("s", 0o600),
        ("users", 0o600),
        ("accounts", 0o600),
        ("policy", 0o644),
        ("cert", 0o644),
        ("key", 0o600),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, SECRET).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let text = "\
listen: '[::1]:3000'
admin: 127.0.0.1:9999
data_dir: d
policy: policy
tls: { cert: cert, key: key }
h2c: true
trusted_proxies: [ 10.1.2.3/8, ::1 ]
store: { url: 'redis://cache:6380/3', username: u, password_file: s, prefix: 'x{y}:' }
upstream:
  urls: [ http://a:1, https://b/x/ ]
  credential: basic
  mint: { secret_file: s, issuer: '', ttl: 30s }
  basic: { user: 12, password_file: s, accounts_file: accounts }
  header: { name: X-Api-Key, value_file: s }
users: { source: file, file: users, cache_ttl: 0s }
tokens: { secret_file: s, issuer: me, access_ttl: 5m, refresh_ttl: 1h, refresh_grace: 0s, max_lifetime: 1h, leeway: 5s, attenuation: report }
threads: 3
";
    let config = load(&Source {
        directory: folder.path().to_owned(),
        ..source(text, &[])
    });
    assert_eq!(config.data_dir, folder.path().join("d"));
    assert_eq!(config.policy, PolicySource::File(folder.path().join("policy")));
    let proxies: Vec<String> = config.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "::1/128"]);
    let Store::Redis(redis) = config.store else {
        panic!("embedded")
    };
    assert_eq!(
        (redis.url.as_str(), redis.username.as_deref()),
        ("redis://cache:6380/3", Some("u"))
    );
    assert_eq!(redis.password.unwrap().expose(), SECRET.as_bytes());
    assert_eq!(redis.prefix, "x{y}:");
    let urls: Vec<(&str, u16, &str)> = config
        .upstream
        .urls
        .iter()
        .map(|url| (url.host.as_str(), url.port, url.path.as_str()))
        .collect();
    assert_eq!(urls, [("a", 1, ""), ("b", 443, "/x")]);
    assert_eq!(config.upstream.mint.unwrap().issuer, None);
    let basic = config.upstream.basic.unwrap();
    let account = basic.account.unwrap();
    assert_eq!((account.user.as_str(), account.shared), ("12", true));
    let accounts = AccountsFile {
        path: folder.path().join("accounts"),
        directory: folder.path().to_owned(),
    };
    assert_eq!(basic.accounts, Some(accounts));
    assert_eq!(config.upstream.header.unwrap().name, "x-api-key");
    assert_eq!(config.users.source, UserSource::File(folder.path().join("users")));
    assert_eq!(config.tokens.attenuation, Attenuation::Report);
    assert_eq!(config.threads, Some(3));
}

#[test]
fn every_key_can_be_overridden_by_a_variable() {
    let config = load(&run(
        "tokens: { access_ttl: 5m }\nstore: embedded\nupstream: { urls: [ http://a:1 ] }\n",
        &[
            ("GATEWARD__TOKENS__ACCESS_TTL", "10m"),
            ("GATEWARD__STORE__URL", "redis://h"),
            ("GATEWARD__STORE__PASSWORD", "pw"),
            ("GATEWARD__TRUSTED_PROXIES", "10.0.0.0/8, 192.168.1.1"),
            ("GATEWARD__TOKENS__ISSUER", ""),
        ],
    ));
    assert_eq!(config.tokens.access_ttl.as_secs(), 600);
    assert_eq!(config.tokens.issuer, None);
    assert_eq!(config.trusted_proxies.len(), 2);
    assert_eq!(config.upstream.urls.len(), 1);
    assert_eq!(config.upstream.urls.first().unwrap().port, 3100);
    let Store::Redis(redis) = config.store else {
        panic!("embedded")
    };
    assert_eq!(redis.url, "redis://h:6379/0");
    assert_eq!(redis.prefix, "{gateward}:");
    assert!(redis.password.is_some());
}

#[test]
fn a_redis_url_may_be_given_as_a_word_with_its_password() {
    let config = load(&run(
        "store: redis://h:1\n",
        &[("GATEWARD__STORE", "redis://u:p%40w@cache/5")],
    ));
    let Store::Redis(redis) = config.store else {
        panic!("embedded")
    };
    assert_eq!(
        (redis.url.as_str(), redis.username.as_deref()),
        ("redis://cache:6379/5", Some("u"))
    );
    assert_eq!(redis.password.unwrap().expose(), b"p@w");
}

#[test]
fn a_redis_password_in_the_file_needs_permission() {
    let text = "store: redis://:hunter2@h\n";
    let problems = refused(&run(text, &[]));
    assert_eq!(problems.len(), 1);
    assert!(
        problems
            .concat()
            .starts_with("g.yaml:1:1: store: a password must not stand in this file")
    );
    assert!(!problems.concat().contains("hunter2"));
    load(&run(&format!("allow_inline_secrets: true\n{text}"), &[]));
}

#[test]
fn stores_that_come_later_say_so() {
    for (url, problem) in [
        ("rediss://h", "redis over tls is not supported yet"),
        ("redis+sentinel://a:1,b:2/name", "redis sentinel is not supported yet"),
        ("redis+cluster://h", "redis cluster is not supported yet"),
        ("memcached://h", "not a store"),
        ("redis://h/x", "the path of the url is not the number of a database"),
    ] {
        let expected =
            format!("environment: GATEWARD__STORE: {problem} (allowed: embedded, or redis://host:port/database)");
        assert_eq!(refused(&run("", &[("GATEWARD__STORE", url)])), [expected]);
    }
}

#[test]
fn run_needs_an_upstream_and_its_secrets() {
    assert_eq!(
        refused(&source("", &[])),
        [
            "g.yaml: tokens.secret: required (allowed: tokens.secret_file, or GATEWARD__TOKENS__SECRET_FILE or \
             GATEWARD__TOKENS__SECRET in the environment)",
            "g.yaml: upstream.mint.secret: required by upstream.credential mint (allowed: upstream.mint.secret_file, or \
             GATEWARD__UPSTREAM__MINT__SECRET_FILE or GATEWARD__UPSTREAM__MINT__SECRET in the environment)",
            "g.yaml: upstream.url: required (allowed: upstream.url, or GATEWARD__UPSTREAM__URL in the environment)",
        ]
    );
}

#[test]
fn a_missing_secret_is_an_error() {
    for (name, _) in NEEDED {
        let others: Vec<(&str, &str)> = NEEDED.into_iter().filter(|(other, _)| *other != name).collect();
        assert_eq!(refused(&source("", &others)).len(), 1, "{name}");
    }
}

#[test]
fn what_up_provides_is_used_where_the_source_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = UpstreamUrl {
        tls: false,
        host: "127.0.0.1".to_owned(),
        port: 3333,
        path: String::new(),
    };
    let provided = Provided::kept_in(folder.path(), upstream).unwrap();
    let config = Config::load(&source("", &[]), &provided).unwrap().config;
    assert_eq!(config.upstream.urls.first().unwrap().port, 3333);
    let again = Provided::kept_in(folder.path(), config.upstream.urls.first().unwrap().clone()).unwrap();
    assert_eq!(config.tokens.secret.expose(), again.tokens_secret.unwrap().expose());
    let config = Config::load(&run("", &[]), &provided).unwrap().config;
    assert_eq!(config.upstream.urls.first().unwrap().port, 3100);
    assert_eq!(config.tokens.secret.expose(), SECRET.as_bytes());
    assert_eq!(config.upstream.mint.unwrap().secret.expose(), SECRET.as_bytes());
}

#[test]
fn the_upstream_follows_an_address_to_listen_on() {
    for (address, host) in [
        ("0.0.0.0:1", "127.0.0.1"),
        ("[::]:1", "::1"),
        ("10.0.0.1:1", "10.0.0.1"),
    ] {
        let url = UpstreamUrl::listening_on(address.parse().unwrap());
        assert_eq!((url.host.as_str(), url.port), (host, 1));
    }
}

#[test]
fn an_upstream_makes_a_source_one_for_run() {
    assert!(run("", &[]).names_upstream());
    assert!(source("upstream: { urls: [ http://a ] }\n", &[]).names_upstream());
    assert!(!source("upstream: { credential: mint }\n", &[]).names_upstream());
    let stand_ins = Provided::stand_ins();
    assert!(Config::load(&source("", &[]), &stand_ins).is_ok());
    let other = source("data_dir: d\n", &[("GATEWARD__DATA_DIR", "e")]);
    assert_eq!(other.data_dir(), Path::new("e"));
}

#[test]
fn rules_between_keys_are_checked() {
    for (text, problem) in [
        (
            "tokens: { refresh_ttl: 15m }",
            "g.yaml:1:11: tokens.refresh_ttl: must be longer than tokens.access_ttl",
        ),
        (
            "tokens: { access_ttl: 25h }",
            "g.yaml:1:11: tokens.access_ttl: must not be longer than tokens.max_lifetime",
        ),
        (
            "tokens: { access_ttl: 1500ms }",
            "g.yaml:1:11: tokens.access_ttl: must be whole seconds",
        ),
        (
            "tls: { cert: /dev/null }",
            "g.yaml:1:1: tls.key: required with tls.cert",
        ),
        (
            "policy: nowhere.yaml",
            "g.yaml:1:1: policy: cannot read nowhere.yaml: no such file or directory",
        ),
        (
            "users: { source: file, file: nowhere }",
            "g.yaml:1:24: users.file: cannot read nowhere: no such file or directory",
        ),
        (
            "upstream: { credential: basic }",
            "g.yaml:1:1: upstream.basic: required by upstream.credential basic (allowed: upstream.basic.user with \
             upstream.basic.password_file: one account; upstream.basic.accounts_file: one for each user)",
        ),
        (
            "upstream: { credential: basic, basic: { accounts_file: nowhere } }",
            "g.yaml:1:41: upstream.basic.accounts_file: cannot read nowhere: no such file or directory",
        ),
        (
            "upstream: { basic: { user: 'a:hunter2', accounts_file: '' } }",
            "g.yaml:1:28: upstream.basic.user: is no name at the gateway (allowed: a name without a colon and without control \
             characters)",
        ),
        (
            "upstream: { basic: { user: 'a:hunter2', accounts_file: '' } }",
            "g.yaml:1:56: upstream.basic.accounts_file: not a path: \"\" (allowed: a path)",
        ),
        (
            "upstream: { credential: header }",
            "g.yaml:1:1: upstream.header.name: required by upstream.credential header",
        ),
        (
            "upstream: { basic: { user: x } }",
            "g.yaml:1:13: upstream.basic.password: required with upstream.basic.user",
        ),
        (
            "upstream: { header: { name: Host } }",
            "g.yaml:1:29: upstream.header.name: not a header name: \"Host\"",
        ),
        (
            "admin: 127.0.0.1:3000",
            "g.yaml:1:1: admin: must not be the same as listen",
        ),
        (
            "listen: 127.0.0.1:3100",
            "environment: GATEWARD__UPSTREAM__URL: must not be the same as listen",
        ),
        (
            "store: { prefix: x }",
            "g.yaml:1:18: store.prefix: not a prefix with one hash tag: \"x\"",
        ),
        (
            "store: { prefix: '{x}' }",
            "g.yaml:1:1: store.url: required in a mapping",
        ),
        (
            "trusted_proxies: [ 10.0.0.0/99 ]",
            "g.yaml:1:20: trusted_proxies: not a network: \"10.0.0.0/99\"",
        ),
        (
            "limits: { head: 10 }",
            "g.yaml:1:17: limits.head: not a number that fits: \"10\"",
        ),
        ("lsiten: x", "g.yaml:1:1: lsiten: unknown key: did you mean listen?"),
        ("tokens: { secret: hunter2 }", ""),
    ] {
        let problems = refused(&run(&format!("{text}\n"), &[("GATEWARD__TOKENS__SECRT", "hunter2")]));
        assert!(
            problems.iter().any(|told| told.starts_with(problem)),
            "{text}: {problems:#?}"
        );
        assert!(
            problems
                .iter()
                .any(|told| told.contains("GATEWARD__TOKENS__SECRT: unknown variable")),
            "{problems:?}"
        );
        assert!(!problems.concat().contains("hunter2"), "{problems:?}");
    }
}

#[test]
fn a_private_file_that_others_can_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["cert", "key", "users", "accounts"] {
        fs::write(folder.path().join(name), "x").unwrap();
        fs::set_permissions(folder.path().join(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let text = "tls: { cert: cert, key: key }\nusers: { source: file, file: users }\n\
                upstream: { basic: { accounts_file: accounts } }\n";
    let problems = refused(&Source {
        directory: folder.path().to_owned(),
        ..run(text, &[])
    });
    assert_eq!(problems.len(), 3);
    assert!(
        problems
            .iter()
            .all(|problem| problem.ends_with("(mode 0644): chmod 600 it")),
        "{problems:?}"
    );
}

#[test]
fn an_accounts_file_is_enough_for_the_gateway_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("accounts.yaml");
    fs::write(&path, "accounts: []\n").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let source = Source {
        directory: folder.path().to_owned(),
        ..run(
            "upstream: { credential: basic, basic: { accounts_file: accounts.yaml } }\n",
            &[],
        )
    };
    let basic = load(&source).upstream.basic.unwrap();
    assert_eq!((basic.account.is_none(), basic.accounts.unwrap().path), (true, path));
}

#[test]
fn a_configuration_shows_no_secret() {
    let config = load(&run(
        "",
        &[
            ("GATEWARD__STORE", "redis://u:hunter2@h"),
            ("GATEWARD__UPSTREAM__BASIC__USER", "u"),
            ("GATEWARD__UPSTREAM__BASIC__PASSWORD", "hunter2"),
            ("GATEWARD__UPSTREAM__HEADER__NAME", "x-key"),
            ("GATEWARD__UPSTREAM__HEADER__VALUE", "hunter2"),
        ],
    ));
    assert!(config.upstream.basic.is_some() && config.upstream.header.is_some());
    assert!(!format!("{config:?} {config:#?}").contains("hunter2"));
    assert!(!format!("{:?}", run("", &[]).environment).contains("hunter2"));
}

/// The rows of the table after a heading: key, variable, default.
fn documented(readme: &str, heading: &str) -> Vec<(String, String, String)> {
    let (_, section) = readme.split_once(heading).unwrap();
    let section = section.split("\n## ").next().unwrap();
    section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let mut cells = line
                .split(" | ")
                .map(|cell| cell.trim_matches(['|', ' ', '`']).to_owned());
            let mut cell = || cells.next().unwrap();
            (cell(), cell(), cell())
        })
        .collect()
}

#[test]
fn every_key_is_documented_and_every_documented_key_exists() {
    let source = source("", &[]);
    let mut reader = source.reader();
    read::config(&mut reader, &Provided::default());
    let mut expected = Vec::new();
    for key in reader.keys() {
        let variable = |path: &str| format!("{PREFIX}{}", path.to_uppercase().replace('.', "__"));
        if key.secret {
            let file = format!("{}_file", key.path);
            expected.push((file.clone(), variable(&file), String::new()));
        }
        expected.push((key.path.clone(), variable(&key.path), key.default));
    }
    let readme = include_str!("../../../config/README.md");
    let mut documented = documented(readme, "\n## The sidecar");
    // A default in words belongs to a key whose default is not a fixed value.
    for row in &mut documented {
        if row.2.starts_with("none") || row.2.contains(' ') {
            row.2 = String::new();
        }
    }
    expected.sort();
    documented.sort();
    assert_eq!(documented, expected);
}

#[test]
fn the_example_is_accepted_by_check_and_mentions_every_key() {
    let text = include_str!("../../../config/gateward.yaml");
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let source = Source {
        file: Some(File {
            name: "config/gateward.yaml".to_owned(),
            text: text.to_owned(),
        }),
        environment: Environment::default(),
        directory,
    };
    assert!(!source.names_upstream());
    let loaded = Config::load(&source, &Provided::stand_ins());
    let loaded = loaded.unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(loaded.warnings, []);
    let mut reader = source.reader();
    read::config(&mut reader, &Provided::stand_ins());
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
