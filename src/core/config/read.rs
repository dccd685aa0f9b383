//! Keys → [`Config`]. Every key is read whatever the others say, so that every problem is told at once.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use gateward_auth::Secret;
use gateward_boot::config::{Reader, SecretRules};
use gateward_boot::environment::Environment;
use gateward_boot::logs::Level;
use gateward_document::parse_duration;
use rlibphonenumber::{PHONE_NUMBER_UTIL, Region};

use super::{
    Backend, Cleanup, Config, Gateway, Http, Jwt, Messages, Mode, Otp, Provided, PublicApi, Pubsub, PushNeed, Queue,
    Sse, Tasks, database, fcm,
};
use crate::shared;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const ANY: RangeInclusive<Duration> = Duration::ZERO..=Duration::MAX;
const SOME: RangeInclusive<Duration> = SECOND..=Duration::MAX;

/// Reads everything. Where something required is missing, the reader knows, and what is returned must not be used.
pub(super) fn config(reader: &mut Reader<'_>, environment: &Environment, provided: &Provided) -> Config {
    let example_secrets = reader.boolean("allow_example_secrets", false);
    reader.allow_example_secrets(example_secrets);
    let gateway = gateway(reader, provided);
    Config {
        http: http(reader),
        database: database::read(reader, provided.database.as_ref()),
        fcm: fcm::read(reader, gateway.mode, provided),
        gateway,
        sse: Sse {
            keep_alive: seconds(reader, "sse.keep_alive_period_seconds", 15, 0),
        },
        messages: messages(reader),
        cache: backend(reader, "cache.url"),
        pubsub: Pubsub {
            url: backend(reader, "pubsub.url"),
            buffer_size: count(reader.integer("pubsub.buffer_size", 128, 1..=1 << 20)),
        },
        jwt: jwt(reader, provided),
        otp: otp(reader),
        tasks: tasks(reader),
        log_level: log_level(reader, environment),
    }
}

fn gateway(reader: &mut Reader<'_>, provided: &Provided) -> Gateway {
    let modes = [("public", Mode::Public), ("private", Mode::Private)];
    let given = reader.is_given("gateway.mode");
    let mode = reader.choice("gateway.mode", "public", &modes).unwrap_or(Mode::Public);
    let mode = if given { mode } else { provided.mode.unwrap_or(mode) };
    let token = reader.secret("gateway.private_token", SecretRules::PASSED_ON);
    let private_token = token
        .map(|sealed| Secret::new(sealed.into_bytes()))
        .or_else(|| provided.private_token.clone());
    if mode == Mode::Private && private_token.is_none() {
        reader.warning(
            "gateway.private_token",
            "empty in private mode: only known users can add devices",
        );
    }
    Gateway {
        mode,
        private_token,
        upstream_url: upstream_url(reader, mode, provided),
    }
}

fn upstream_url(reader: &mut Reader<'_>, mode: Mode, provided: &Provided) -> Option<String> {
    const KEY: &str = "gateway.upstream_url";
    let default = "https://api.sms-gate.app/upstream/v1";
    reader.declare(KEY, default);
    let before = reader.problem_count();
    let given = reader.parsed_unseen(KEY, "https://host/path", http_url);
    if given.is_some() || reader.problem_count() > before {
        return given;
    }
    match (provided.push, mode) {
        (PushNeed::Optional, Mode::Private) => {
            reader.warning(KEY, "empty in private mode: push is off");
            None
        }
        (PushNeed::Optional, Mode::Public) | (PushNeed::Required | PushNeed::Unused, _) => Some(default.to_owned()),
    }
}

fn http(reader: &mut Reader<'_>) -> Http {
    reader.declare("http.listen", "127.0.0.1:3100");
    let listen = reader.optional_address("http.listen");
    let host = reader.optional_string("http.api.host");
    let path = reader.string("http.api.path", "/api");
    Http {
        listen: listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 3100))),
        worker_listen: listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 3101))),
        proxies: reader.networks("http.proxies"),
        api: host.and_then(|host| public_api(&host, &path)),
        openapi: reader.boolean("http.openapi.enabled", false),
    }
}

/// Put right as the reference does (WIRE §1.1): no scheme, one slash in front and none behind; nothing without a host.
fn public_api(host: &str, path: &str) -> Option<PublicApi> {
    let without_scheme = ["https://", "http://"]
        .iter()
        .find_map(|scheme| host.strip_prefix(scheme));
    let host = without_scheme.unwrap_or(host).trim_end_matches('/');
    (!host.is_empty()).then(|| PublicApi {
        host: host.to_owned(),
        path: format!("/{}", path.trim_matches('/')),
    })
}

fn messages(reader: &mut Reader<'_>) -> Messages {
    Messages {
        cache_ttl: seconds(reader, "messages.cache_ttl_seconds", 300, 0),
        hashing_interval: seconds(reader, "messages.hashing_interval_seconds", 60, 0),
        default_region: region(reader, "messages.default_region"),
        queue: Queue {
            max_pending: reader.integer("messages.queue.max_pending", 0, 0..=u64::MAX),
            max_pending_age: reader.duration("messages.queue.max_pending_age", Duration::ZERO, ANY),
            max_failed: reader.integer("messages.queue.max_failed", 0, 0..=u64::MAX),
            max_failed_age: reader.duration("messages.queue.max_failed_age", Duration::ZERO, ANY),
            stats_refresh_interval: reader.duration("messages.queue.stats_refresh_interval", 5 * SECOND, ANY),
            stats_cache_ttl: reader.duration("messages.queue.stats_cache_ttl", 60 * SECOND, ANY),
        },
    }
}

/// A country by its two letters (ISO 3166), as far as libphonenumber knows its numbers.
fn region(reader: &mut Reader<'_>, key: &str) -> Region {
    reader.declare(key, "RU");
    let allowed = "two letters of a country, such as RU or DE";
    let region = reader.parsed(key, "a region", allowed, |text| {
        let region = Region::from_code(text).ok()?;
        let mut known = PHONE_NUMBER_UTIL.get_supported_regions();
        known.any(|supported| supported == region).then_some(region)
    });
    region.unwrap_or(Region::RU)
}

fn backend(reader: &mut Reader<'_>, key: &str) -> Backend {
    reader.declare(key, "memory://");
    let backend = reader.parsed_unseen(key, "memory://, or redis://host:port/database", |text| match text {
        "memory://" => Ok(Backend::Memory),
        _ => match shared::check_address(text) {
            Ok(()) => Ok(Backend::Redis(Secret::new(text))),
            Err(_) => Err("not the url of a store".to_owned()),
        },
    });
    backend.unwrap_or(Backend::Memory)
}

fn jwt(reader: &mut Reader<'_>, provided: &Provided) -> Jwt {
    let before = reader.problem_count();
    let secret = reader.secret("jwt.secret", SecretRules::key(32));
    let refused = reader.problem_count() > before;
    let secret = secret
        .map(|sealed| Secret::new(sealed.into_bytes()))
        .or_else(|| provided.jwt_secret.clone());
    if secret.is_none() && !refused {
        reader.required("jwt.secret", "to check the minted tokens of the sidecar");
    }
    reader.declare("jwt.issuer", "sms-gate.app");
    let issuer = reader.string("jwt.issuer", "sms-gate.app");
    let access_ttl = reader.duration("jwt.access_ttl", 15 * MINUTE, ANY);
    let ttl = reader.duration("jwt.ttl", Duration::ZERO, ANY);
    Jwt {
        secret: secret.unwrap_or_else(|| Secret::new([])),
        issuer: Some(issuer).filter(|issuer| !issuer.is_empty()),
        access_ttl: if ttl.is_zero() { access_ttl } else { ttl },
        refresh_ttl: reader.duration("jwt.refresh_ttl", 720 * HOUR, ANY),
    }
}

fn otp(reader: &mut Reader<'_>) -> Otp {
    reader.declare("otp.ttl", "60s");
    let ttl = reader.parsed(
        "otp.ttl",
        "a duration",
        "a number of seconds, at least 1, or a duration such as 60s",
        |text| {
            let bare = text.parse().ok().map(Duration::from_secs);
            bare.or_else(|| parse_duration(text)).filter(|ttl| *ttl >= SECOND)
        },
    );
    Otp {
        enabled: reader.boolean("otp.enabled", true),
        length: byte(reader.integer("otp.length", 6, 6..=64)),
        ttl: ttl.unwrap_or(60 * SECOND),
        retries: byte(reader.integer("otp.retries", 3, 1..=255)),
    }
}

fn tasks(reader: &mut Reader<'_>) -> Tasks {
    let cleanup = |reader: &mut Reader<'_>, task: &str, max_age: Duration| Cleanup {
        interval: reader.period(&format!("tasks.{task}.interval"), 24 * HOUR),
        max_age: reader.duration(&format!("tasks.{task}.max_age"), max_age, SOME),
    };
    Tasks {
        messages_cleanup: cleanup(reader, "messages_cleanup", 720 * HOUR),
        devices_cleanup: cleanup(reader, "devices_cleanup", 8_760 * HOUR),
        tokens_cleanup: cleanup(reader, "tokens_cleanup", HOUR),
        messages_hashing_interval: reader.period("tasks.messages_hashing.interval", 168 * HOUR),
    }
}

fn log_level(reader: &mut Reader<'_>, environment: &Environment) -> Level {
    // Other programs use this variable too, so any value is fine.
    let debug = environment
        .value("DEBUG")
        .is_some_and(|text| !matches!(text, "" | "0" | "false"));
    let given = reader.is_given("log.level");
    let level = reader.choice("log.level", "info", &Level::ALL).unwrap_or_default();
    if debug && !given { Level::Debug } else { level }
}

/// An address without a slash at its end. The message does not show it: it may hold a password.
pub(super) fn http_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let usable = rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()));
    if usable {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err("not a url".to_owned())
    }
}

/// A key that counts in seconds.
pub(super) fn seconds(reader: &mut Reader<'_>, key: &str, default: u64, least: u64) -> Duration {
    Duration::from_secs(reader.integer(key, default, least..=u64::from(u32::MAX)))
}

fn byte(number: u64) -> u8 {
    u8::try_from(number).unwrap_or(u8::MAX)
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
