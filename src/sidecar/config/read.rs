//! Keys → [`Config`]. Every key is read whatever the others say, so that every problem is told at once.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use gateward_auth::Secret;
use gateward_boot::config::{Reader, SecretRules};
use gateward_boot::failure::reason;
use gateward_boot::{logs, secrets};

use super::{
    Attenuation, Config, Decisions, Limits, Log, PolicySource, Provided, Timeouts, Tls, Tokens, UserSource, Users,
    store, upstream,
};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
const YEAR: Duration = Duration::from_secs(365 * 24 * 3_600);
const TICK: Duration = Duration::from_millis(10);

/// Issuer of tokens, ours and minted: what the reference server uses.
const ISSUER: &str = "sms-gate.app";

/// Reads everything. Where something required is missing, the reader knows, and what is returned must not be used.
pub(super) fn config(reader: &mut Reader<'_>, provided: &Provided) -> Config {
    let inline_secrets = reader.boolean("allow_inline_secrets", false);
    reader.allow_inline_secrets(inline_secrets);
    let example_secrets = reader.boolean("allow_example_secrets", false);
    reader.allow_example_secrets(example_secrets);
    let data_dir = data_dir(reader);
    let users = users(reader, &data_dir);
    let users_file = matches!(users.source, UserSource::File(_));
    let config = Config {
        listen: reader.address("listen", SocketAddr::from(([127, 0, 0, 1], 3000))),
        admin: reader.address("admin", SocketAddr::from(([127, 0, 0, 1], 9464))),
        policy: policy(reader),
        tls: tls(reader),
        h2c: reader.boolean("h2c", false),
        trusted_proxies: reader.networks("trusted_proxies"),
        store: store::read(reader, inline_secrets),
        upstream: upstream::read(reader, provided, users_file),
        users,
        tokens: tokens(reader, provided),
        timeouts: timeouts(reader),
        limits: limits(reader),
        log: log(reader),
        threads: reader.optional_integer("threads", 1..=1024).map(count),
        data_dir,
    };
    listeners(reader, &config);
    config
}

pub(super) fn data_dir(reader: &mut Reader<'_>) -> PathBuf {
    reader.path("data_dir", "data")
}

fn policy(reader: &mut Reader<'_>) -> PolicySource {
    match reader.optional_path("policy") {
        None => PolicySource::Compiled,
        Some(path) => {
            exists(reader, "policy", &path);
            PolicySource::File(path)
        }
    }
}

fn tls(reader: &mut Reader<'_>) -> Option<Tls> {
    let (cert, key) = (reader.optional_path("tls.cert"), reader.optional_path("tls.key"));
    match (cert, key) {
        (Some(cert), Some(key)) => {
            exists(reader, "tls.cert", &cert);
            private(reader, "tls.key", &key);
            Some(Tls { cert, key })
        }
        (Some(_), None) => {
            reader.required("tls.key", "with tls.cert");
            None
        }
        (None, Some(_)) => {
            reader.required("tls.cert", "with tls.key");
            None
        }
        (None, None) => None,
    }
}

fn users(reader: &mut Reader<'_>, data_dir: &std::path::Path) -> Users {
    let from_file = reader
        .choice("users.source", "gateway", &[("gateway", false), ("file", true)])
        .unwrap_or(false);
    let file = reader
        .optional_path("users.file")
        .unwrap_or_else(|| data_dir.join("users.yaml"));
    if from_file {
        private(reader, "users.file", &file);
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    Users {
        source: if from_file {
            UserSource::File(file)
        } else {
            UserSource::Gateway
        },
        cache_ttl: reader.duration("users.cache_ttl", 60 * SECOND, Duration::ZERO..=HOUR),
        max_concurrent_hashes: reader
            .optional_integer("users.max_concurrent_hashes", 1..=1024)
            .map_or((processors / 2).max(1), count),
        max_waiting_hashes: count(reader.integer("users.max_waiting_hashes", 64, 0..=65_536)),
    }
}

fn tokens(reader: &mut Reader<'_>, provided: &Provided) -> Tokens {
    let secret = reader.secret("tokens.secret", SecretRules::key(32));
    let secret = secret
        .map(|sealed| Secret::new(sealed.into_bytes()))
        .or_else(|| provided.tokens_secret.clone());
    let choices = [
        ("enforce", Attenuation::Enforce),
        ("report", Attenuation::Report),
        ("off", Attenuation::Off),
    ];
    let tokens = Tokens {
        secret: required_secret(reader, "tokens.secret", "", secret),
        issuer: issuer(reader, "tokens.issuer"),
        access_ttl: reader.duration("tokens.access_ttl", 900 * SECOND, SECOND..=YEAR),
        refresh_ttl: reader.duration("tokens.refresh_ttl", 720 * HOUR, SECOND..=10 * YEAR),
        refresh_grace: reader.duration("tokens.refresh_grace", 10 * SECOND, Duration::ZERO..=300 * SECOND),
        max_lifetime: reader.duration("tokens.max_lifetime", 24 * HOUR, SECOND..=YEAR),
        leeway: reader.duration("tokens.leeway", Duration::ZERO, Duration::ZERO..=300 * SECOND),
        attenuation: reader
            .choice("tokens.attenuation", "enforce", &choices)
            .unwrap_or(Attenuation::Enforce),
    };
    for (key, duration) in [
        ("tokens.access_ttl", tokens.access_ttl),
        ("tokens.refresh_ttl", tokens.refresh_ttl),
        ("tokens.refresh_grace", tokens.refresh_grace),
        ("tokens.max_lifetime", tokens.max_lifetime),
        ("tokens.leeway", tokens.leeway),
    ] {
        whole_seconds(reader, key, duration);
    }
    if tokens.refresh_ttl <= tokens.access_ttl {
        reader.problem("tokens.refresh_ttl", "must be longer than tokens.access_ttl");
    }
    if tokens.access_ttl > tokens.max_lifetime {
        reader.problem("tokens.access_ttl", "must not be longer than tokens.max_lifetime");
    }
    tokens
}

fn timeouts(reader: &mut Reader<'_>) -> Timeouts {
    Timeouts {
        head: reader.duration("timeouts.head", 10 * SECOND, TICK..=HOUR),
        body: reader.duration("timeouts.body", 30 * SECOND, TICK..=HOUR),
        write: reader.duration("timeouts.write", 30 * SECOND, TICK..=HOUR),
        idle: reader.duration("timeouts.idle", 60 * SECOND, TICK..=HOUR),
        drain: reader.duration("timeouts.drain", 10 * SECOND, Duration::ZERO..=HOUR),
    }
}

fn limits(reader: &mut Reader<'_>) -> Limits {
    Limits {
        body: reader.integer("limits.body", 4 << 20, 0..=1 << 40),
        head: count(reader.integer("limits.head", 16 << 10, 1 << 10..=1 << 20)),
        connections: count(reader.integer("limits.connections", 10_000, 1..=1_000_000)),
    }
}

fn log(reader: &mut Reader<'_>) -> Log {
    let decisions = [
        ("all", Decisions::All),
        ("denied", Decisions::Denied),
        ("off", Decisions::Off),
    ];
    Log {
        level: reader
            .choice("log.level", "info", &logs::Level::ALL)
            .unwrap_or_default(),
        decisions: reader
            .choice("log.decisions", "all", &decisions)
            .unwrap_or(Decisions::All),
    }
}

/// Rules between the two listeners and the gateway.
fn listeners(reader: &mut Reader<'_>, config: &Config) {
    let chosen = config.listen.port() != 0;
    if chosen && config.listen == config.admin {
        reader.problem("admin", "must not be the same as listen");
    }
    let itself = |host: &str, port: u16| {
        let host = if host == "localhost" { "127.0.0.1" } else { host };
        let address = host.parse::<IpAddr>().ok();
        chosen && port == config.listen.port() && address == Some(config.listen.ip())
    };
    if config.upstream.urls.iter().any(|url| itself(&url.host, url.port)) {
        reader.problem("upstream.url", "must not be the same as listen");
    }
}

/// An issuer: `""` means that none is set or checked.
pub(super) fn issuer(reader: &mut Reader<'_>, key: &str) -> Option<String> {
    Some(reader.string(key, ISSUER)).filter(|issuer| !issuer.is_empty())
}

/// The secret, or a note that it is missing, unless a problem of its own was told already.
pub(super) fn required_secret(reader: &mut Reader<'_>, key: &str, why: &str, secret: Option<Secret>) -> Secret {
    if secret.is_none() && !reader.is_given(key) && !reader.is_given(&format!("{key}_file")) {
        reader.required(key, why);
    }
    secret.unwrap_or_else(|| Secret::new([]))
}

/// Tokens count in seconds.
pub(super) fn whole_seconds(reader: &mut Reader<'_>, key: &str, duration: Duration) {
    if duration.subsec_nanos() != 0 {
        reader.problem(key, "must be whole seconds");
    }
}

fn exists(reader: &mut Reader<'_>, key: &str, path: &std::path::Path) {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => reader.problem(key, format!("not a file: {}", path.display())),
        Err(error) => reader.problem(key, format!("cannot read {}: {}", path.display(), reason(&error))),
    }
}

pub(super) fn private(reader: &mut Reader<'_>, key: &str, path: &std::path::Path) {
    if let Err(error) = secrets::check_private(path) {
        reader.problem(key, error.to_string());
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
