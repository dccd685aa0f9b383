//! What does a request find here? Handles on everything that outlives it. No logic: who may what,
//! and what happens then, is in the folders of the resources.

use std::{fmt, sync::Arc};

use axum::http::HeaderValue;
use gateward_auth::{Hs256Key, Verifier, VerifierRules};
use gateward_boot::{clock::Clock, metrics::Metrics as Registry, random};
use gateward_contract::headers;

use crate::{
    Timestamp, catalog,
    config::Config,
    db::Database,
    devices::{Devices, OnlineMetrics},
    events::{Bus, EventMetrics, Events, Listener, PushQueue},
    exchange::Exchange,
    health::Pings,
    http::{Disbelief, RateLimiter},
    messages::{Ear, Limiter, LimiterMetrics, Messages, Reported, StateMetrics, States},
    metrics::Metrics,
    otp::Codes,
    push,
    server::StartError,
    settings::Settings,
    shared::{Caches, PubSub},
    users::Users,
    webhooks::Webhooks,
};

/// Clocks of two machines may differ by so much: the sidecar need not run on ours.
const MINTED_LEEWAY_SECS: i64 = 5;
/// The sidecar's tokens live for a minute by default; nobody needs one for longer than this.
const MINTED_MAX_LIFETIME_SECS: i64 = 3600;

/// Everything that outlives a request.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) database: Database,
    pub(crate) verifier: Verifier,
    /// For what the reference issued: as exact about times as it was.
    pub(crate) reference_verifier: Verifier,
    pub(crate) events: Events,
    pub(crate) users: Users,
    pub(crate) exchange: Exchange,
    pub(crate) devices: Arc<Devices>,
    pub(crate) messages: Messages,
    pub(crate) settings: Arc<Settings>,
    pub(crate) webhooks: Webhooks,
    pub(crate) reported: Reported,
    pub(crate) limiter: Limiter,
    pub(crate) codes: Codes,
    pub(crate) pings: Pings,
    pub(crate) metrics: Metrics,
    pub(crate) links: Links,
    /// Where each resource has its caches.
    #[expect(dead_code, reason = "those who keep something come with their own changes")]
    pub(crate) caches: Caches,
    pub(crate) catalog_limit: RateLimiter,
    pub(crate) push: Arc<push::Queue>,
    pub(crate) relay_limit: RateLimiter,
    pub(crate) disbelief: Disbelief,
    clock: Clock,
    _listener: Listener,
    _ear: Ear,
}

/// `Link` headers (WIRE §1.6).
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) user_api: HeaderValue,
    pub(crate) elsewhere: HeaderValue,
}

impl App {
    /// Opens the database and puts everything together.
    pub(crate) async fn open(config: Config, clock: Clock) -> Result<Self, StartError> {
        let key = Hs256Key::new(&config.jwt.secret).map_err(StartError::Secret)?;
        let rules = VerifierRules {
            issuer: config.jwt.issuer.clone(),
            leeway_secs: MINTED_LEEWAY_SECS,
            max_lifetime_secs: MINTED_MAX_LIFETIME_SECS,
        };
        let reference_rules = VerifierRules {
            leeway_secs: 0,
            max_lifetime_secs: i64::MAX,
            ..rules.clone()
        };
        let database = Database::open(&config.database).await?;
        let registry = Registry::new();
        registry.process()?;
        let event_metrics = EventMetrics::new(&registry)?;
        let state_metrics = StateMetrics::new(&registry)?;
        let limiter_metrics = LimiterMetrics::new(&registry)?;
        let online_metrics = OnlineMetrics::new(&registry)?;
        let caches = Caches::open(&config.cache, clock.clone());
        let caches = caches.await.map_err(|error| StartError::Shared("cache.url", error))?;
        let push = Arc::new(push::Queue::new(&config, &caches, &registry, &clock)?);
        let metrics = Metrics::new(registry)?;
        let others = PubSub::open(&config.pubsub, gateward_contract::nanoid::nanoid(random::bytes()));
        let others = others.await.map_err(|error| StartError::Shared("pubsub.url", error))?;
        let states = States::new(config.messages.cache_ttl, others.clone(), state_metrics);
        let ear = states.listen();
        let devices = Arc::new(Devices::new(database.clone(), others.clone(), online_metrics));
        let settings = Arc::new(Settings::new(database.clone(), others.clone()));
        let bus = Bus::new(event_metrics.clone());
        let listener = Listener::start(
            &others,
            bus.clone(),
            Arc::clone(&devices),
            Arc::clone(&settings),
            event_metrics.clone(),
        );
        // While push is off, a phone with a push token has nothing but its streams.
        let push_queue = push.is_on().then(|| Arc::clone(&push) as Arc<dyn PushQueue>);
        let links = Links {
            user_api: HeaderValue::from_static(headers::LINK_USER_API),
            elsewhere: config
                .http
                .api
                .as_ref()
                .and_then(|api| HeaderValue::from_str(&headers::link_other(&api.path)).ok())
                .unwrap_or(HeaderValue::from_static(headers::LINK_OTHER)),
        };
        Ok(Self {
            links,
            verifier: Verifier::new(key.clone(), rules),
            reference_verifier: Verifier::new(key, reference_rules),
            events: Events::new(Arc::clone(&devices), bus, others, push_queue, event_metrics),
            users: Users::new(database.clone(), &config.jwt.secret, caches.space("logins")),
            exchange: Exchange::new(database.clone()),
            devices,
            messages: Messages::new(database.clone(), states),
            settings,
            webhooks: Webhooks::new(database.clone()),
            reported: Reported::default(),
            limiter: Limiter::new(config.messages.queue, limiter_metrics),
            codes: Codes::new(config.otp, caches.space("otp")),
            pings: Pings::default(),
            metrics,
            catalog_limit: catalog::limiter(),
            push,
            relay_limit: push::limiter(),
            disbelief: Disbelief::default(),
            config,
            database,
            caches,
            clock,
            _listener: listener,
            _ear: ear,
        })
    }

    /// The time. A request takes it once and passes it on.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    /// Unpredictable bytes.
    pub(crate) fn random_bytes<const N: usize>(&self) -> [u8; N] {
        random::bytes()
    }

    /// A new id: 21 characters of `A-Za-z0-9_-` (WIRE §6.8).
    pub(crate) fn nanoid(&self) -> String {
        gateward_contract::nanoid::nanoid(self.random_bytes())
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
