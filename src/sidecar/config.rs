//! What is the sidecar told at start?
//!
//! Plain data: every default applied, every secret loaded, every rule between two keys checked. Nothing else in this
//! crate reads a configuration file or the environment.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use gateward_auth::{Secret, VerifierRules, whole_seconds};
use gateward_denylist::Retention;
use gateward_document::Diagnostic;
use ipnet::IpNet;

mod read;
mod source;
mod store;
mod upstream;
mod url;

pub use source::{Provided, Source};
pub(crate) use upstream::{LOGIN_ALLOWED, is_login};

/// What the names of the sidecar's variables start with.
pub const PREFIX: &str = "GATEWARD__";

/// A configuration without errors.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What was told.
    pub config: Config,
    /// What is worth a line in the log.
    pub warnings: Vec<Diagnostic>,
}

/// Everything the sidecar is told at start.
#[derive(Clone, Debug)]
pub struct Config {
    /// `listen`: where clients come.
    pub listen: SocketAddr,
    /// `admin`: health, metrics and status.
    pub admin: SocketAddr,
    /// `data_dir`: everything that must survive a restart.
    pub data_dir: PathBuf,
    /// `policy`: who may call what.
    pub policy: PolicySource,
    /// `tls`: certificate and key of [`Config::listen`]; `None` is plain HTTP.
    pub tls: Option<Tls>,
    /// `h2c`: whether HTTP/2 is spoken without TLS too.
    pub h2c: bool,
    /// `trusted_proxies`: peers whose `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `store`: where revocations and refresh state live.
    pub store: Store,
    /// `upstream.*`: the gateway.
    pub upstream: Upstream,
    /// `users.*`: who checks a password.
    pub users: Users,
    /// `tokens.*`: the tokens that clients hold.
    pub tokens: Tokens,
    /// `timeouts.*`: how long a client may take, and a stop.
    pub timeouts: Timeouts,
    /// `limits.*`: how much a client may send.
    pub limits: Limits,
    /// `log.*`: what is written to standard error.
    pub log: Log,
    /// `threads`: worker threads; `None` is one per processor.
    pub threads: Option<usize>,
}

impl Config {
    /// Reads everything; what the source does not say comes from `provided`, or else from the defaults.
    ///
    /// # Errors
    ///
    /// Every problem there is, warnings among them, in the order of their places; never a secret's value.
    pub fn load(source: &Source, provided: &Provided) -> Result<Loaded, Vec<Diagnostic>> {
        let mut reader = source.reader();
        let config = read::config(&mut reader, provided);
        // INVARIANT(no-config-with-errors): where something is missing, what was read holds empty stand-ins, and only the
        // reader knows: without its word nothing leaves. Held by tests::a_missing_secret_is_an_error.
        let warnings = reader.finish()?;
        Ok(Loaded { config, warnings })
    }

    pub(crate) fn files(source: &Source, provided: &Provided) -> Files {
        Files::from(&read::config(&mut source.reader(), provided))
    }
}

/// Which other files there are, as far as a configuration with errors tells: so that they can be judged all the same.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    /// `policy`
    pub policy: PolicySource,
    /// `users.source` and `users.file`
    pub users: UserSource,
    /// `upstream.basic.accounts_file`
    pub accounts: Option<AccountsFile>,
}

impl From<&Config> for Files {
    fn from(config: &Config) -> Self {
        Self {
            policy: config.policy.clone(),
            users: config.users.source.clone(),
            accounts: config.upstream.basic.as_ref().and_then(|basic| basic.accounts.clone()),
        }
    }
}

/// Where the policy comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PolicySource {
    /// The `smsgate` policy that is compiled in.
    Compiled,
    /// A file: read at start, and again when it changes or on SIGHUP.
    File(PathBuf),
}

impl PolicySource {
    pub(crate) fn is_there(&self) -> bool {
        match self {
            Self::Compiled => true,
            Self::File(path) => path.is_file(),
        }
    }
}

/// PEM files of the public listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `tls.cert`: the certificate chain.
    pub cert: PathBuf,
    /// `tls.key`: its private key.
    pub key: PathBuf,
}

/// Where revocations and refresh state live.
#[derive(Clone, Debug)]
pub enum Store {
    /// In `data_dir`, for one node.
    Embedded,
    /// In Redis, shared by all replicas.
    Redis(Redis),
}

/// `store` as a mapping, or taken apart from a URL.
#[derive(Clone, Debug)]
pub struct Redis {
    /// `store.url` without user and password: `redis://host:port/db`.
    pub url: String,
    /// `store.username`
    pub username: Option<String>,
    /// `store.password`
    pub password: Option<Secret>,
    /// `store.prefix`: starts every key, and holds exactly one hash tag.
    pub prefix: String,
}

/// The gateway behind the sidecar.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// `upstream.url` or `upstream.urls`; never empty.
    pub urls: Vec<UpstreamUrl>,
    /// `upstream.credential`: what is sent unless a route says otherwise.
    pub credential: CredentialKind,
    /// `upstream.mint`, when its secret is known.
    pub mint: Option<Mint>,
    /// `upstream.basic`
    pub basic: Option<UpstreamBasic>,
    /// `upstream.header`
    pub header: Option<UpstreamHeader>,
    /// `upstream.timeouts`
    pub timeouts: UpstreamTimeouts,
    /// `upstream.health`; `None`: only the clients' requests show how the gateway is.
    pub health: Option<Health>,
    /// `upstream.idle`: how long an unused connection is kept; less than the gateway's own idle timeout.
    pub idle: Duration,
}

/// Where a gateway listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamUrl {
    /// Whether the scheme is `https`.
    pub tls: bool,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port, 80 or 443 if none was given.
    pub port: u16,
    /// Path that goes in front of every forwarded path: empty, or `/…` without a slash at the end.
    pub path: String,
}

impl UpstreamUrl {
    /// A gateway that listens on this address of the same host.
    #[must_use]
    pub fn listening_on(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
        };
        let host = ip.to_string();
        Self {
            tls: false,
            host,
            port: address.port(),
            path: String::new(),
        }
    }
}

/// How the sidecar says who is calling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// A short-lived token of our own.
    Mint,
    /// A fixed user and password.
    Basic,
    /// The client's own `Authorization`.
    Passthrough,
    /// A fixed header.
    Header,
}

/// `upstream.mint`
#[derive(Clone, Debug)]
pub struct Mint {
    /// `upstream.mint.secret`: the gateway's JWT secret, at least 32 bytes.
    pub secret: Secret,
    /// `upstream.mint.issuer`
    pub issuer: Option<String>,
    /// `upstream.mint.ttl`
    pub ttl: Duration,
}

/// `upstream.basic`: at least one of the two.
#[derive(Clone, Debug)]
pub struct UpstreamBasic {
    /// `upstream.basic.user` and `upstream.basic.password`: for those whom the accounts file does not name.
    pub account: Option<UpstreamAccount>,
    /// `upstream.basic.accounts_file`: an account for each user.
    pub accounts: Option<AccountsFile>,
}

/// One account of the gateway.
#[derive(Clone, Debug)]
pub struct UpstreamAccount {
    /// `upstream.basic.user`
    pub user: String,
    /// `upstream.basic.password`
    pub password: Secret,
    /// Whether everybody speaks with this account: so it is with a users file. When the gateway itself knows the users,
    /// only this one does, because the others have accounts of their own there.
    pub shared: bool,
}

/// Where the accounts of the gateway's users are written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountsFile {
    /// The file.
    pub path: PathBuf,
    /// Where relative paths in it start, as those of the configuration do.
    pub directory: PathBuf,
}

/// `upstream.header`
#[derive(Clone, Debug)]
pub struct UpstreamHeader {
    /// `upstream.header.name`, lower-case.
    pub name: String,
    /// `upstream.header.value`
    pub value: Secret,
}

/// `upstream.timeouts`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpstreamTimeouts {
    /// `upstream.timeouts.connect`
    pub connect: Duration,
    /// `upstream.timeouts.read`: longest wait for the next bytes of an answer; streaming routes have none.
    pub read: Duration,
    /// `upstream.timeouts.write`: longest wait until the gateway takes the next bytes of a request.
    pub write: Duration,
}

/// `upstream.health`: whether every address of the gateway is asked regularly how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// `upstream.health.path`: what is asked for; any 2xx is good.
    pub path: String,
    /// `upstream.health.interval`: pause between two checks.
    pub interval: Duration,
    /// `upstream.health.timeout`: longest wait for the answer, from the connection on.
    pub timeout: Duration,
}

/// Who checks a password.
#[derive(Clone, Debug)]
pub struct Users {
    /// `users.source` and `users.file`
    pub source: UserSource,
    /// `users.cache_ttl`: how long a good login is remembered.
    pub cache_ttl: Duration,
    /// `users.max_concurrent_hashes`: slow hashes computed at once.
    pub max_concurrent_hashes: usize,
    /// `users.max_waiting_hashes`: logins that may wait for one of them; more are refused with 503.
    pub max_waiting_hashes: usize,
}

/// Where users are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserSource {
    /// The gateway itself is asked.
    Gateway,
    /// A users file.
    File(PathBuf),
}

/// The tokens that clients hold.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// `tokens.secret`: HS256, at least 32 bytes.
    pub secret: Secret,
    /// `tokens.issuer`; `None` (written as `""`) neither sets nor checks `iss`.
    pub issuer: Option<String>,
    /// `tokens.access_ttl`: default and cap.
    pub access_ttl: Duration,
    /// `tokens.refresh_ttl`
    pub refresh_ttl: Duration,
    /// `tokens.refresh_grace`
    pub refresh_grace: Duration,
    /// `tokens.max_lifetime`: longest `exp − iat` of any access token.
    pub max_lifetime: Duration,
    /// `tokens.leeway`
    pub leeway: Duration,
    /// `tokens.attenuation`
    pub attenuation: Attenuation,
}

impl Tokens {
    /// What the front door demands of every token.
    #[must_use]
    pub fn rules(&self) -> VerifierRules {
        VerifierRules {
            issuer: self.issuer.clone(),
            leeway_secs: whole_seconds(self.leeway),
            max_lifetime_secs: whole_seconds(self.max_lifetime),
        }
    }

    /// For how long a revocation matters.
    #[must_use]
    pub fn retention(&self) -> Retention {
        Retention {
            max_lifetime: self.max_lifetime,
            refresh_ttl: self.refresh_ttl,
            leeway: self.leeway,
        }
    }
}

/// What happens when a caller asks for a scope that it does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attenuation {
    /// 403.
    Enforce,
    /// Granted, and said in the audit log.
    Report,
    /// Granted.
    Off,
}

/// How long a client may take, and a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// `timeouts.head`: a whole request head.
    pub head: Duration,
    /// `timeouts.body`: longest wait for the next bytes of a request body, and what all of it may take beside its length.
    pub body: Duration,
    /// `timeouts.write`: longest wait until a client takes the next bytes of an answer.
    pub write: Duration,
    /// `timeouts.idle`: how long a client's connection may wait between two requests.
    pub idle: Duration,
    /// `timeouts.drain`: how long a stop waits for requests in flight.
    pub drain: Duration,
}

/// How much a client may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `limits.body`: bytes of a request body.
    pub body: u64,
    /// `limits.head`: bytes of header fields.
    pub head: usize,
    /// `limits.connections`: client connections at once.
    pub connections: usize,
}

/// What is written to standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// `log.level`
    pub level: gateward_boot::logs::Level,
    /// `log.decisions`
    pub decisions: Decisions,
}

/// Which requests get a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Decisions {
    /// Every request.
    All,
    /// Refused ones.
    Denied,
    /// None.
    Off,
}

#[cfg(test)]
mod tests;
