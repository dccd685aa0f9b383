//! Does the compose file say what we understand? There is no engine in the tests: its variables go through the code that
//! the containers would run.

use std::os::unix::fs::PermissionsExt as _;

use gateward_document::{Node, parse};

use super::*;
use crate::config::Backend;

const COMPOSE: &str = include_str!("../../../../docker/compose.yaml");
/// What is said with the profile `mariadb`.
const MARIADB: &str = include_str!("../../../../docker/mariadb.env");
const SECRETS: &str = "/run/secrets/";
const PROMETHEUS: &str = include_str!("../../../../config/prometheus/prometheus.yml");

/// `${NAME-default}` or `${NAME}` as compose fills it in: empty is a value, too.
fn filled_in(text: &str, given: &Environment) -> String {
    let Some((before, rest)) = text.split_once("${") else {
        return text.to_owned();
    };
    let (asked, after) = rest.split_once('}').unwrap();
    let (name, default) = asked.split_once('-').unwrap_or((asked, ""));
    let value = given.value(name).unwrap_or(default);
    format!("{before}{value}{}", filled_in(after, given))
}

fn at<'a>(node: &'a Node, path: &[&str]) -> &'a Node {
    path.iter().fold(node, |node, key| &node.entry(key).unwrap().value)
}

/// What a service of ours is started with, its secrets in a folder of ours.
fn service(name: &str, given: &Environment, secrets: &Path) -> Config {
    let compose = parse("compose.yaml", COMPOSE).unwrap();
    let service = at(&compose, &["services", name]);
    let mounted: Vec<_> = at(service, &["secrets"]).as_list().unwrap().iter().collect();
    let mut variables = Vec::new();
    for entry in at(service, &["environment"]).as_map().unwrap() {
        let mut value = filled_in(entry.value.scalar_text().unwrap(), given);
        if let Some(secret) = value.strip_prefix(SECRETS) {
            assert!(mounted.iter().any(|name| name.as_str() == Some(secret)), "{secret}");
            let path = secrets.join(secret);
            fs::write(&path, SECRET).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            value = path.display().to_string();
        }
        variables.push((entry.key.clone(), value));
    }
    let variables: Vec<_> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    let source = source("", &variables);
    assert_no_stranger(&source, &variables);
    let command = at(service, &["command"]).as_list().unwrap();
    let provided = Provided {
        push: match command.first().and_then(Node::as_str) {
            Some("run") => PushNeed::Required,
            Some("worker") => PushNeed::Unused,
            other => panic!("{other:?}"),
        },
        ..Provided::default()
    };
    let loaded = Config::load(&source, &provided).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(loaded.warnings, []);
    loaded.config
}

fn assert_no_stranger(source: &Source, variables: &[(&str, &str)]) {
    let mut reader = source.reader();
    read::config(&mut reader, &source.environment, &Provided::default());
    let keys = reader.keys();
    let known = |variable: &str| {
        keys.iter().any(|key| {
            let name = key.path.to_uppercase().replace('.', "__");
            variable == name || key.secret && variable == format!("{name}_FILE")
        })
    };
    for (name, _) in variables {
        assert!(known(name), "{name} says nothing to the core");
    }
}

#[test]
fn without_a_profile_the_core_has_a_file_and_no_worker() {
    let folder = tempfile::tempdir().unwrap();
    let core = service("core", &Environment::default(), folder.path());
    assert_eq!(file(&core), Path::new("/data/core.db"));
    assert!(matches!(
        (&core.cache, &core.pubsub.url),
        (Backend::Memory, Backend::Memory)
    ));
    let compose = parse("compose.yaml", COMPOSE).unwrap();
    for name in ["worker", "mariadb", "shared"] {
        let profiles = at(&compose, &["services", name, "profiles"]).as_list().unwrap();
        assert_eq!(profiles.first().and_then(Node::as_str), Some("mariadb"), "{name}");
    }
}

#[test]
fn with_mariadb_core_and_worker_share_a_server_and_hear_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut given = Environment::default();
    assert_eq!(given.add_file("mariadb.env", MARIADB), []);
    let compose = parse("compose.yaml", COMPOSE).unwrap();
    let made = |name: &str| at(&compose, &["services", "mariadb", "environment", name]).scalar_text();
    for name in ["core", "worker"] {
        let config = service(name, &given, folder.path());
        let DatabaseUrl::MySql(server) = &config.database.url else {
            panic!("{:?}", config.database.url);
        };
        assert_eq!((server.host.as_str(), server.port), ("mariadb", 3306));
        assert_eq!(made("MARIADB_USER"), Some(&*server.user));
        assert_eq!(made("MARIADB_DATABASE"), Some(&*server.name));
        for backend in [&config.cache, &config.pubsub.url] {
            let Backend::Redis(url) = backend else {
                panic!("{backend:?}");
            };
            assert_eq!(url.expose(), b"redis://shared:6379");
        }
    }
}

#[test]
fn prometheus_finds_core_and_worker_where_they_listen() {
    let folder = tempfile::tempdir().unwrap();
    let mut given = Environment::default();
    assert_eq!(given.add_file("mariadb.env", MARIADB), []);
    let compose = parse("compose.yaml", COMPOSE).unwrap();
    let prometheus = parse("prometheus.yml", PROMETHEUS).unwrap();
    let jobs: Vec<(&str, &str)> = at(&prometheus, &["scrape_configs"])
        .as_list()
        .unwrap()
        .iter()
        .map(|job| {
            let configs = at(job, &["static_configs"]).as_list().unwrap();
            let targets = at(configs.first().unwrap(), &["targets"]).as_list().unwrap();
            let name = at(job, &["job_name"]).as_str().unwrap();
            (name, targets.first().unwrap().as_str().unwrap())
        })
        .collect();
    // The names in the reference's alert rules.
    for (job, name) in [("backend", "core"), ("worker", "worker")] {
        let config = service(name, &given, folder.path());
        let listen = if name == "worker" {
            config.http.worker_listen
        } else {
            config.http.listen
        };
        assert!(listen.ip().is_unspecified(), "{name}");
        let target = format!("{name}:{}", listen.port());
        assert!(jobs.contains(&(job, &*target)), "{job}: {jobs:?}");
        let networks = at(&compose, &["services", name, "networks"]).as_list().unwrap();
        assert!(
            networks.iter().any(|network| network.as_str() == Some("default")),
            "{name}"
        );
    }
}
