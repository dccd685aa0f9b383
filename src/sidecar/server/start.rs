//! What has to be there before the first request? Built in the order in which things need each other; whatever
//! is wrong is found here, before a port is open.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use gateward_auth::{Hs256Key, Signer, Verifier};
use gateward_boot::clock::Clock;
use gateward_boot::folder;
use gateward_boot::metrics::Metrics;
use gateward_denylist::{Denylist, Options, RedisOptions};
use gateward_policy::Policy;
use pingora::apps::HttpServerOptions;
use pingora::listeners::tls::Acceptor;
use pingora::proxy::http_proxy;
use pingora::server::configuration::ServerConf;
use tokio::time::timeout;

use super::listen::{Listening, Socket, listen, tls_acceptor};
use super::{Bound, StartError, Stopping};
use crate::admin::{Admin, StoreKind};
use crate::authenticate::{Authenticator, LoginSettings, LoginSource};
use crate::config::{Config, Files, Health, Store, UserSource};
use crate::endpoints::{Endpoints, JwtMetrics};
use crate::forward::Forward;
use crate::forward::accounts::Accounts;
use crate::forward::sites::Sites;
use crate::framing::{MAX_FIELDS, MAX_TARGET};
use crate::front::FrontDoor;
use crate::front::traffic::Traffic;
use crate::gate::Gate;
use crate::gateway::Gateway;
use crate::observe::Observer;
use crate::proxy::passage::Passage;
use crate::proxy::{Proxy, errand};
use crate::reload::{self, Reloader, WatchedFiles};
use crate::users::{self, UserFile, Users};

/// Idle connections to the gateway that are kept.
const UPSTREAM_POOL: usize = 256;
/// How long the start waits for a name server. Later the lookup goes on in the background.
const FIRST_LOOK_UP: Duration = Duration::from_secs(2);
/// Streams that one HTTP/2 connection may have open.
const HTTP2_STREAMS: u32 = 128;

/// A sidecar that is ready to run.
pub(super) struct Parts {
    pub(super) public: Listening<FrontDoor>,
    pub(super) admin: Listening<Admin>,
    pub(super) bound: Bound,
    pub(super) denylist: Denylist,
    pub(super) traffic: Arc<Traffic>,
    pub(super) sites: Arc<Sites>,
    pub(super) health: Option<Health>,
    pub(super) reloader: Arc<Reloader>,
    pub(super) files: WatchedFiles,
    pub(super) stopping: Stopping,
}

/// What may turn out to be wrong, made.
struct Made {
    policy: Policy,
    accounts: Accounts,
    forward: Arc<Forward>,
    tls: Option<Acceptor>,
    metrics: Metrics,
    observer: Arc<Observer>,
    jwt_metrics: JwtMetrics,
    public: Socket,
    admin: Socket,
    bound: Bound,
    denylist: Denylist,
    authenticator: Arc<Authenticator>,
    endpoints: Endpoints,
    traffic: Arc<Traffic>,
}

pub(super) async fn build(
    config: Config,
    clock: Clock,
    lost_lines: impl Fn() -> u64 + Send + Sync + 'static,
) -> Result<Parts, StartError> {
    let started = clock.now();
    // Before they are read for the first time, so that no change goes unnoticed.
    let files = WatchedFiles::look(&Files::from(&config));
    let made = make(&config, &clock).await?;
    made.observer.watch_log(&made.metrics, lost_lines);
    // A name that cannot be found yet is looked up again in the background.
    let _found = timeout(FIRST_LOOK_UP, made.forward.sites().look_up()).await;
    Ok(assemble(&config, clock, started, files, made))
}

async fn make(config: &Config, clock: &Clock) -> Result<Made, StartError> {
    // Only the first call in a process installs anything; everybody in this process installs the same.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
    let policy = load_policy(config)?;
    let accounts = Accounts::load(config.upstream.basic.as_ref(), policy.user_names()).map_err(StartError::Accounts)?;
    let forward = Forward::new(&config.upstream);
    let forward = Arc::new(forward.map_err(|error| StartError::wrong("upstream", error))?);
    reload::check_credentials(&policy, &forward, "policy").map_err(StartError::Policy)?;
    let tls = config.tls.as_ref().map(tls_acceptor).transpose()?;

    let metrics = Metrics::new();
    let observer = Observer::new(&metrics, config.log.decisions).map_err(internal)?;
    let jwt_metrics = JwtMetrics::register(&metrics).map_err(internal)?;
    let (public, public_address) = listen("listen", config.listen)?;
    let (admin, admin_address) = listen("admin", config.admin)?;

    let denylist = open_denylist(config, clock).await?;
    let sites = Arc::clone(forward.sites());
    let gateway = Gateway::new(&config.upstream, sites).map_err(|error| StartError::wrong("upstream", error))?;
    let gateway = Arc::new(gateway);
    let authenticator = authenticator(config, &policy, &gateway, &denylist)?;
    let signer = Signer::new(key(config)?, config.tokens.issuer.clone());
    let traffic = Arc::new(Traffic::default());
    let endpoints = Endpoints::new(
        &config.tokens,
        signer,
        denylist.clone(),
        gateway,
        Arc::clone(&traffic),
        jwt_metrics.clone(),
    );
    Ok(Made {
        policy,
        accounts,
        forward,
        tls,
        metrics,
        observer: Arc::new(observer),
        jwt_metrics,
        public,
        admin,
        bound: Bound {
            public: public_address,
            admin: admin_address,
        },
        denylist,
        authenticator,
        endpoints,
        traffic,
    })
}

/// Hands everybody what they need. Nothing can go wrong any more.
fn assemble(config: &Config, clock: Clock, started: SystemTime, files: WatchedFiles, made: Made) -> Parts {
    let traffic = made.traffic;
    made.observer
        .watch(&made.metrics, Arc::clone(&traffic), made.denylist.clone());
    let edition = made.observer.edition(Arc::new(made.policy), made.accounts);
    let editions = Arc::new(ArcSwap::from_pointee(edition));
    let reloader = Arc::new(Reloader::new(
        Files::from(config),
        Arc::clone(&editions),
        Arc::clone(&made.forward),
        Arc::clone(&made.authenticator),
        Arc::clone(&made.observer),
        clock.clone(),
    ));
    let stopping = Stopping::default();
    let sites = Arc::clone(made.forward.sites());
    let admin = Admin {
        metrics: made.metrics,
        editions: Arc::clone(&editions),
        reloader: Arc::clone(&reloader),
        denylist: made.denylist.clone(),
        sites: Arc::clone(&sites),
        traffic: Arc::clone(&traffic),
        stopping: Arc::clone(&stopping),
        clock: clock.clone(),
        started,
        bound: made.bound,
        policy_source: config.policy.clone(),
        store: StoreKind::from(&config.store),
    };
    let passage = Passage {
        gate: Gate::new(made.authenticator, made.jwt_metrics),
        forward: made.forward,
        connector: errand::connector(),
        errands: errand::places(),
        endpoints: made.endpoints,
        observer: Arc::clone(&made.observer),
        editions,
        clock,
        traffic: Arc::clone(&traffic),
        trusted_proxies: config.trusted_proxies.clone(),
        limits: config.limits,
        timeouts: config.timeouts,
    };
    let door = front_door(config, passage, Arc::clone(&traffic), made.observer, made.tls);
    Parts {
        public: made.public.serve("public", door),
        admin: made.admin.serve("admin", admin),
        bound: made.bound,
        denylist: made.denylist,
        traffic,
        sites,
        health: config.upstream.health.clone(),
        reloader,
        files,
        stopping,
    }
}

fn load_policy(config: &Config) -> Result<Policy, StartError> {
    let compiled = reload::load_policy(&config.policy).map_err(StartError::Policy)?;
    for warning in &compiled.warnings {
        tracing::warn!(problem = %warning, "policy");
    }
    Ok(compiled.policy)
}

fn key(config: &Config) -> Result<Hs256Key, StartError> {
    Hs256Key::new(&config.tokens.secret).map_err(|error| StartError::wrong("tokens.secret", error))
}

fn authenticator(
    config: &Config,
    policy: &Policy,
    gateway: &Arc<Gateway>,
    denylist: &Denylist,
) -> Result<Arc<Authenticator>, StartError> {
    let source = match &config.users.source {
        UserSource::Gateway => LoginSource::Gateway(Arc::clone(gateway)),
        UserSource::File(path) => {
            let file = users::read(path).map_err(|problem| StartError::Users(vec![problem]))?;
            let users = Users::parse(&file.name, &file.text, policy).map_err(StartError::Users)?;
            LoginSource::File(Arc::new(UserFile::new(users, &config.users, &config.tokens.secret)))
        }
    };
    let logins = LoginSettings {
        source,
        cache_ttl: config.users.cache_ttl,
        cache_key: gateward_boot::random::bytes(),
    };
    Ok(Arc::new(Authenticator::new(
        Verifier::new(key(config)?, config.tokens.rules()),
        denylist.clone(),
        logins,
    )))
}

async fn open_denylist(config: &Config, clock: &Clock) -> Result<Denylist, StartError> {
    let options = match &config.store {
        Store::Embedded => {
            folder::create_private(&config.data_dir).map_err(|why| StartError::File {
                path: config.data_dir.display().to_string(),
                why,
            })?;
            Options::Embedded {
                path: config.data_dir.join("denylist.redb"),
            }
        }
        Store::Redis(redis) => {
            let mut options = RedisOptions::new(&redis.url);
            options.username.clone_from(&redis.username);
            options.password.clone_from(&redis.password);
            options.prefix.clone_from(&redis.prefix);
            Options::Redis(options)
        }
    };
    Ok(gateward_denylist::open(options, clock.reader(), config.tokens.retention()).await?)
}

fn front_door(
    config: &Config,
    passage: Passage,
    traffic: Arc<Traffic>,
    observer: Arc<Observer>,
    tls: Option<Acceptor>,
) -> FrontDoor {
    let threads = config
        .threads
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let conf = ServerConf {
        threads,
        // Whether an attempt may be repeated at all is said by `passage`.
        max_retries: passage.forward.sites().attempts() + 2,
        upstream_keepalive_pool_size: UPSTREAM_POOL,
        ..ServerConf::default()
    };
    let mut proxy = http_proxy(&Arc::new(conf), Proxy(passage));
    let mut options = HttpServerOptions::default();
    options.h2c = config.h2c;
    options.h2_idle_timeout = Some(config.timeouts.idle);
    proxy.server_options = Some(options);
    let mut http2 = pingora::protocols::http::v2::server::default_h2_options();
    // HTTP/2 counts the target too, and 32 bytes more for every field (RFC 9113 §10.5.1).
    let list = config.limits.head + MAX_TARGET + 32 * MAX_FIELDS;
    http2.max_header_list_size(u32::try_from(list).unwrap_or(u32::MAX));
    http2.max_concurrent_streams(HTTP2_STREAMS);
    proxy.h2_options = Some(http2);
    FrontDoor {
        proxy: Arc::new(proxy),
        traffic,
        observer,
        limits: config.limits,
        timeouts: config.timeouts,
        h2c: config.h2c,
        tls,
    }
}

fn internal(why: impl std::fmt::Display) -> StartError {
    StartError::Internal(why.to_string())
}
