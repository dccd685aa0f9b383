//! How is the process doing? Health, readiness, metrics and status, on a listener of their own.
//!
//! Nothing of it exists on the public port, and nothing of it is secret: addresses, names and counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use gateward_boot::clock::Clock;
use gateward_boot::metrics::{CONTENT_TYPE, Metrics};
use gateward_contract::headers::{JSON, TEXT};
use gateward_denylist::{Denylist, Trouble};
use http::Response;
use http::header;
use pingora::apps::http_app::ServeHttp;
use pingora::protocols::http::ServerSession;
use serde_json::{Value, json};

use crate::config::{PolicySource, Store};
use crate::forward::sites::Sites;
use crate::front::traffic::Traffic;
use crate::observe::Edition;
use crate::reload::{Outcome, Reloader};
use crate::server::Bound;

/// The admin listener's application.
pub(crate) struct Admin {
    /// What is counted.
    pub metrics: Metrics,
    /// The policy in force.
    pub editions: Arc<ArcSwap<Edition>>,
    /// What became of changed files.
    pub reloader: Arc<Reloader>,
    /// Revocations.
    pub denylist: Denylist,
    /// The gateway's addresses.
    pub sites: Arc<Sites>,
    /// Connections and requests.
    pub traffic: Arc<Traffic>,
    /// Set once a stop was asked for.
    pub stopping: Arc<AtomicBool>,
    /// Tells the time.
    pub clock: Clock,
    /// When the process started.
    pub started: SystemTime,
    /// Where it listens.
    pub bound: Bound,
    /// Where the policy comes from.
    pub policy_source: PolicySource,
    /// Which store is used.
    pub store: StoreKind,
}

/// Which store is used, without its address.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreKind(pub &'static str);

impl From<&Store> for StoreKind {
    fn from(store: &Store) -> Self {
        match store {
            Store::Embedded => Self("embedded"),
            Store::Redis(_) => Self("redis"),
        }
    }
}

/// Why this process should get no traffic.
#[derive(Debug, Clone, Copy)]
enum Unready {
    /// A stop was asked for.
    Stopping,
    /// Nobody can tell yet which tokens are revoked.
    NotLoaded { store: StoreKind, trouble: Option<Trouble> },
}

impl Unready {
    /// A word from a closed set.
    fn label(self) -> &'static str {
        match self {
            Self::Stopping => "stopping",
            Self::NotLoaded { .. } => "denylist_not_loaded",
        }
    }

    /// What a person reads.
    fn detail(self) -> String {
        match self {
            Self::Stopping => "the process is stopping".to_owned(),
            Self::NotLoaded { store, trouble } => {
                let trouble = trouble.map_or("loading", Trouble::label);
                format!("the revocations are not loaded yet (store {}: {trouble})", store.0)
            }
        }
    }
}

impl Admin {
    /// `None` when this process may get traffic.
    fn unready(&self) -> Option<Unready> {
        if self.stopping.load(Ordering::Relaxed) {
            return Some(Unready::Stopping);
        }
        // There always is a policy that compiled: the process does not start without.
        let health = self.denylist.health();
        (!health.loaded).then_some(Unready::NotLoaded {
            store: self.store,
            trouble: health.reason,
        })
    }

    fn health(&self, unready: Option<Unready>) -> Response<Vec<u8>> {
        match unready {
            None => answer(200, JSON, json!({ "status": "pass" }).to_string()),
            Some(unready) => {
                let body = json!({ "status": "fail", "reason": unready.label(), "detail": unready.detail() });
                answer(503, JSON, body.to_string())
            }
        }
    }

    fn metrics(&self) -> Response<Vec<u8>> {
        match self.metrics.text() {
            Ok(text) => answer(200, CONTENT_TYPE, text),
            Err(error) => {
                tracing::error!(%error, "cannot write the metrics");
                answer(500, TEXT, "Internal Server Error".to_owned())
            }
        }
    }

    fn status(&self) -> Value {
        let edition = self.editions.load();
        let (policy, health, outcomes) = (&edition.policy, self.denylist.health(), self.reloader.outcomes());
        let uptime = self.clock.now().duration_since(self.started).unwrap_or_default();
        let upstream: Vec<Value> = self.sites.report().map(site).collect();
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": uptime.as_secs(),
            "ready": self.unready().is_none(),
            "reason": self.unready().map(Unready::label),
            "listen": self.bound.public.to_string(),
            "admin": self.bound.admin.to_string(),
            "policy": {
                "name": policy.name(),
                "hash": policy.hash(),
                "routes": policy.routes().len(),
                "source": source(&self.policy_source),
                "last_reload": outcomes.policy.as_ref().map(outcome),
            },
            "users": { "last_reload": outcomes.users.as_ref().map(outcome) },
            "accounts": { "last_reload": outcomes.accounts.as_ref().map(outcome) },
            "store": {
                "kind": self.store.0,
                "loaded": health.loaded,
                "degraded": health.degraded,
                "age_seconds": health.age.map(|age| age.as_secs_f64()),
                "entries": health.entries,
                "reason": health.reason.map(Trouble::label),
                "alarms": health.alarms,
            },
            "upstream": upstream,
            "connections": self.traffic.connections(),
            "requests_in_flight": self.traffic.requests(),
        })
    }
}

#[async_trait]
impl ServeHttp for Admin {
    async fn response(&self, session: &mut ServerSession) -> Response<Vec<u8>> {
        let request = session.req_header();
        if request.method != http::Method::GET && request.method != http::Method::HEAD {
            return answer(405, TEXT, "Method Not Allowed".to_owned());
        }
        match request.uri.path() {
            "/health/live" => self.health(None),
            "/health/ready" => self.health(self.unready()),
            "/metrics" => self.metrics(),
            "/status" => answer(200, JSON, self.status().to_string()),
            _ => answer(404, TEXT, "Not Found".to_owned()),
        }
    }
}

fn answer(status: u16, content_type: &'static str, body: String) -> Response<Vec<u8>> {
    let length = header::HeaderValue::from(body.len());
    let mut response = Response::new(body.into_bytes());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CONTENT_LENGTH, length);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

fn site((url, reachable): (&crate::config::UpstreamUrl, bool)) -> Value {
    json!({ "url": url.to_string(), "reachable": reachable })
}

fn source(source: &PolicySource) -> String {
    match source {
        PolicySource::Compiled => "compiled in".to_owned(),
        PolicySource::File(path) => path.display().to_string(),
    }
}

/// Only what failed speaks of an error.
fn outcome(outcome: &Outcome) -> Value {
    let at_unix = outcome.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    match outcome.problems.first() {
        None => json!({ "at_unix": at_unix, "ok": true }),
        Some(first) => json!({ "at_unix": at_unix, "ok": false, "error": first, "problems": outcome.problems }),
    }
}
