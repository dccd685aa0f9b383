//! What is the core told at start?
//!
//! The keys and variables of the reference server (WIRE §10), so that its `config.yml` and its environment work
//! unchanged, plus `database.url` and `log.level`. Plain data: every default applied, every secret loaded.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use gateward_auth::Secret;
use gateward_document::Diagnostic;
use ipnet::IpNet;
use rlibphonenumber::Region;

mod database;
mod fcm;
mod read;
mod source;

pub use fcm::{AccountError, Fcm, ServiceAccount};
pub use source::{Provided, PushNeed, Source};

/// A configuration without errors.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What was told.
    pub config: Config,
    /// What is worth a line in the log.
    pub warnings: Vec<Diagnostic>,
}

/// Everything the core is told at start.
#[derive(Clone, Debug)]
pub struct Config {
    /// `gateway.*`
    pub gateway: Gateway,
    /// `http.*`
    pub http: Http,
    /// `database.*`
    pub database: Database,
    /// `fcm.*`
    pub fcm: Fcm,
    /// `sse.*`
    pub sse: Sse,
    /// `messages.*`
    pub messages: Messages,
    /// `cache.url`: where caches live.
    pub cache: Backend,
    /// `pubsub.*`: how core processes tell each other about events.
    pub pubsub: Pubsub,
    /// `jwt.*`: the minted tokens it accepts.
    pub jwt: Jwt,
    /// `otp.*`: one-time codes.
    pub otp: Otp,
    /// `tasks.*`: background work.
    pub tasks: Tasks,
    /// `log.level`, or `DEBUG`: what is written to standard error.
    pub log_level: gateward_boot::logs::Level,
}

impl Config {
    /// Reads everything; what the source does not say comes from `provided`, or else from the defaults.
    ///
    /// # Errors
    ///
    /// Every problem there is, warnings among them; never a secret's value.
    pub fn load(source: &Source, provided: &Provided) -> Result<Loaded, Vec<Diagnostic>> {
        let mut reader = source.reader();
        let config = read::config(&mut reader, &source.environment, provided);
        // INVARIANT(no-config-with-errors): where something is missing, what was read holds empty stand-ins, and only the
        // reader knows: without its word nothing leaves. Held by tests::without_a_secret_there_is_no_configuration.
        let found = reader.finish();
        let with_earlier = |problems| [source.warnings.clone(), problems].concat();
        found
            .map(|warnings| Loaded {
                config,
                warnings: with_earlier(warnings),
            })
            .map_err(with_earlier)
    }
}

/// `gateway.*`
#[derive(Clone, Debug)]
pub struct Gateway {
    /// `gateway.mode`
    pub mode: Mode,
    /// `gateway.private_token`; `None` when empty. Registration asks for it in private mode.
    pub private_token: Option<Secret>,
    /// `gateway.upstream_url`: the public cloud that relays pushes in private mode; `None`: push is off there.
    pub upstream_url: Option<String>,
}

/// `gateway.mode`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Anybody may register a device; pushes go through FCM.
    Public,
    /// Registration needs the private token; pushes go through the upstream.
    Private,
}

/// `http.*`
#[derive(Clone, Debug)]
pub struct Http {
    /// `http.listen`
    pub listen: SocketAddr,
    /// Where a worker process answers health and metrics: `http.listen` if given.
    pub worker_listen: SocketAddr,
    /// `http.proxies`: peers whose `X-Forwarded-*` are believed; empty believes those on this machine (the reference:
    /// everybody).
    pub proxies: Vec<IpNet>,
    /// `http.api.host` and `http.api.path`: the public address, for the API catalog.
    pub api: Option<PublicApi>,
    /// `http.openapi.enabled`
    pub openapi: bool,
}

/// `http.api.*`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicApi {
    /// `http.api.host`, without a scheme.
    pub host: String,
    /// `http.api.path`, with a slash in front and none behind (unless it is one).
    pub path: String,
}

/// `database.*`
#[derive(Clone, Debug)]
pub struct Database {
    /// `database.url`
    pub url: DatabaseUrl,
    /// `database.max_open_conns`; 0 is four per processor.
    pub max_open_conns: u32,
    /// `database.max_idle_conns`; 0 is two per processor.
    pub max_idle_conns: u32,
    /// `database.debug`: whether statements are logged.
    pub debug: bool,
}

/// `database.url`
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// `sqlite://path`; the file is made if it is not there.
    Sqlite(PathBuf),
    /// `sqlite::memory:`, gone with the process.
    SqliteMemory,
    /// `mysql://user:password@host:port/database`, or `database.host` and its neighbours.
    MySql(DatabaseServer),
}

/// A MySQL or MariaDB server.
#[derive(Clone, Debug)]
pub struct DatabaseServer {
    /// `database.host`; a path is a Unix socket.
    pub host: String,
    /// `database.port`
    pub port: u16,
    /// `database.user`
    pub user: String,
    /// `database.password`
    pub password: Secret,
    /// `database.database`
    pub name: String,
}

/// `sse.*`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sse {
    /// `sse.keep_alive_period_seconds`; zero: never.
    pub keep_alive: Duration,
}

/// `messages.*`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages {
    /// `messages.cache_ttl_seconds`
    pub cache_ttl: Duration,
    /// `messages.hashing_interval_seconds`; zero: only the weekly task hashes.
    pub hashing_interval: Duration,
    /// `messages.default_region`: the country of phone numbers that are written without one.
    pub default_region: Region,
    /// `messages.queue.*`
    pub queue: Queue,
}

/// `messages.queue.*`; a limit of 0 is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// `messages.queue.max_pending`
    pub max_pending: u64,
    /// `messages.queue.max_pending_age`
    pub max_pending_age: Duration,
    /// `messages.queue.max_failed`
    pub max_failed: u64,
    /// `messages.queue.max_failed_age`
    pub max_failed_age: Duration,
    /// `messages.queue.stats_refresh_interval`
    pub stats_refresh_interval: Duration,
    /// `messages.queue.stats_cache_ttl`
    pub stats_cache_ttl: Duration,
}

/// Where shared state lives.
#[derive(Clone, Debug)]
pub enum Backend {
    /// `memory://`: in this process.
    Memory,
    /// `redis://…`; may hold a password.
    Redis(Secret),
}

/// `pubsub.*`
#[derive(Clone, Debug)]
pub struct Pubsub {
    /// `pubsub.url`
    pub url: Backend,
    /// `pubsub.buffer_size`: events that may wait for a slow reader.
    pub buffer_size: usize,
}

/// `jwt.*`
#[derive(Clone, Debug)]
pub struct Jwt {
    /// `jwt.secret`: at least 32 bytes.
    pub secret: Secret,
    /// `jwt.issuer`; `None` when empty.
    pub issuer: Option<String>,
    /// `jwt.access_ttl`, or `jwt.ttl` if that is given. Only read for compatibility: the core issues no tokens.
    pub access_ttl: Duration,
    /// `jwt.refresh_ttl`. Only read for compatibility.
    pub refresh_ttl: Duration,
}

/// `otp.*`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Otp {
    /// `otp.enabled`
    pub enabled: bool,
    /// `otp.length`: digits of a code.
    pub length: u8,
    /// `otp.ttl`
    pub ttl: Duration,
    /// `otp.retries`: attempts to find a code that is not in use.
    pub retries: u8,
}

/// `tasks.*`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tasks {
    /// `tasks.messages_hashing.interval`; zero: never.
    pub messages_hashing_interval: Duration,
    /// `tasks.messages_cleanup.*`
    pub messages_cleanup: Cleanup,
    /// `tasks.devices_cleanup.*`
    pub devices_cleanup: Cleanup,
    /// `tasks.tokens_cleanup.*`
    pub tokens_cleanup: Cleanup,
}

/// One cleaning task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cleanup {
    /// How often it runs; zero: never.
    pub interval: Duration,
    /// How old what it removes must be.
    pub max_age: Duration,
}

#[cfg(test)]
mod tests;
