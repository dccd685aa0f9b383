//! What happened? One line and a few counters per request, whatever became of it.
//!
//! The only place of this crate that writes about requests. Never writes tokens, passwords or query values.

mod meters;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gateward_boot::metrics::{MetricError, Metrics};
use gateward_denylist::Denylist;
use gateward_policy::{Policy, RouteId};

pub use self::meters::Verdict;
use self::meters::{Meters, RouteMeters, whole};
use crate::config::Decisions;
use crate::context::{Context, Stage};
use crate::forward::accounts::Accounts;
use crate::front::traffic::Traffic;
use crate::headers;
use crate::reply::{GatewayTrouble, Refusal};

/// Longest path in a log line, in bytes.
const MAX_PATH: usize = 256;
/// The name of requests that no route takes, in metrics and logs.
const NO_ROUTE: &str = "none";

/// A policy as it is in force, with the accounts of the users it names, and the handles of its routes' metrics.
#[derive(Debug)]
pub struct Edition {
    /// The policy.
    pub policy: Arc<Policy>,
    /// Which accounts of the gateway stand for whom.
    pub accounts: Accounts,
    routes: Vec<RouteMeters>,
    no_route: RouteMeters,
}

impl Edition {
    fn meters(&self, route: Option<&RouteId>) -> &RouteMeters {
        route
            .and_then(|route| self.routes.get(route.index()))
            .unwrap_or(&self.no_route)
    }
}

/// Writes and counts.
#[derive(Debug)]
pub struct Observer {
    meters: Arc<Meters>,
    door: RouteMeters,
    decisions: Decisions,
}

impl Observer {
    /// Registers the metrics.
    pub fn new(metrics: &Metrics, decisions: Decisions) -> Result<Self, MetricError> {
        let meters = Arc::new(Meters::register(metrics)?);
        Ok(Self {
            door: meters.route(NO_ROUTE),
            meters,
            decisions,
        })
    }

    /// Sets the gauges whose value is only worth knowing when somebody asks.
    pub fn watch(self: &Arc<Self>, metrics: &Metrics, traffic: Arc<Traffic>, denylist: Denylist) {
        let meters = Arc::clone(&self.meters);
        metrics.on_scrape(move || {
            meters.connections.set(whole(traffic.connections()));
            meters.in_flight.set(whole(traffic.requests()));
            meters.store.show(&denylist.health(), &denylist.stats());
        });
    }

    /// Has `lost_lines` asked for how many lines of the log were dropped so far.
    pub fn watch_log(&self, metrics: &Metrics, lost_lines: impl Fn() -> u64 + Send + Sync + 'static) {
        let counter = self.meters.log_lines_dropped.clone();
        metrics.on_scrape(move || counter.inc_by(lost_lines().saturating_sub(counter.get())));
    }

    /// Prepares a policy and accounts for use.
    pub fn edition(&self, policy: Arc<Policy>, accounts: Accounts) -> Edition {
        let routes = policy
            .routes()
            .iter()
            .map(|route| self.meters.route(route.id.as_str()))
            .collect();
        Edition {
            policy,
            accounts,
            routes,
            no_route: self.meters.route(NO_ROUTE),
        }
    }

    /// The end of a request. `status`: what the client was told, if anything.
    pub fn finished(&self, context: &Context, target: &[u8], status: Option<u16>) {
        let facts = Facts::of(context);
        let took = context.started.elapsed();
        if let Some(arrival) = context.stage.arrival() {
            let meters = arrival.edition.meters(facts.route);
            meters.count(facts.verdict, status, took.as_secs_f64());
            if let Some(answered @ (401 | 403)) = context.gateway.status {
                meters.count_gateway_refusal(answered);
            }
        } else {
            self.door.count(facts.verdict, status, took.as_secs_f64());
        }
        if let Some(refusal) = facts.refusal {
            self.meters.refusals.with_label_values(&[refusal.label()]).inc();
        }
        if self.wants_line(facts.verdict) {
            write_line(context, &facts, target, status, took);
        }
    }

    /// A connection that was ended before there was a request.
    pub fn refused_at_the_door(&self, request_id: &str, client: Option<IpAddr>, refusal: &Refusal) {
        self.door.count(Verdict::Deny, Some(refusal.status()), 0.0);
        self.meters.refusals.with_label_values(&[refusal.label()]).inc();
        if self.wants_line(Verdict::Deny) {
            tracing::info!(
                target: "gateward::decision",
                request_id,
                client = client.map(tracing::field::display),
                route = NO_ROUTE,
                verdict = Verdict::Deny.label(),
                reason = refusal.label(),
                status = refusal.status(),
            );
        }
    }

    /// A request met a bug of ours.
    pub fn panicked(&self) {
        self.meters.panics.inc();
        tracing::error!("a request ended in a panic");
    }

    /// The gateway could not be asked.
    pub fn gateway_failed(&self, trouble: GatewayTrouble) {
        self.meters.gateway_failures.with_label_values(&[trouble.label()]).inc();
    }

    /// A changed file was taken over, or was not.
    pub fn reloaded(&self, file: &'static str, good: bool) {
        let result = if good { "success" } else { "error" };
        self.meters.reloads.with_label_values(&[file, result]).inc();
    }

    fn wants_line(&self, verdict: Verdict) -> bool {
        match self.decisions {
            Decisions::All => true,
            Decisions::Denied => verdict != Verdict::Allow,
            Decisions::Off => false,
        }
    }
}

/// What a context says about the outcome.
struct Facts<'a> {
    verdict: Verdict,
    route: Option<&'a RouteId>,
    refusal: Option<&'a Refusal>,
}

impl<'a> Facts<'a> {
    fn of(context: &'a Context) -> Self {
        match &context.stage {
            Stage::New | Stage::Arrived(_) => Self {
                verdict: Verdict::Fail,
                route: None,
                refusal: None,
            },
            Stage::Admitted(_, pass) => Self {
                verdict: Verdict::Allow,
                route: Some(&pass.terms.id),
                refusal: None,
            },
            Stage::Served(_, route, _) => Self {
                verdict: Verdict::Allow,
                route: Some(route),
                refusal: None,
            },
            Stage::Refused(_, route, refusal) => {
                let verdict = if refusal.status() >= 500 {
                    Verdict::Fail
                } else {
                    Verdict::Deny
                };
                Self {
                    verdict,
                    route: route.as_ref(),
                    refusal: Some(refusal),
                }
            }
        }
    }
}

fn write_line(context: &Context, facts: &Facts<'_>, target: &[u8], status: Option<u16>, took: Duration) {
    let Some(arrival) = context.stage.arrival() else { return };
    let notes = &context.notes;
    let path = headers::path_of(target);
    let path = String::from_utf8_lossy(path.get(..MAX_PATH).unwrap_or(path));
    let issued = match &context.stage {
        Stage::Served(_, _, token) => token.as_ref(),
        Stage::New | Stage::Arrived(_) | Stage::Admitted(..) | Stage::Refused(..) => None,
    };
    tracing::info!(
        target: "gateward::decision",
        request_id = arrival.request_id(),
        client = %arrival.origin.client,
        method = arrival.method.as_str(),
        path = &*path,
        route = facts.route.map_or(NO_ROUTE, RouteId::as_str),
        credential = notes.kind,
        user = notes.user.as_ref().map(|user| user.as_str()),
        jti = notes.token.as_ref().map(|token| token.as_str()),
        issued = issued.map(|token| token.as_str()),
        scope = notes.scope.as_ref().map(|scope| scope.as_str()),
        verdict = facts.verdict.label(),
        reason = facts.refusal.map_or("", Refusal::label),
        degraded = notes.degraded,
        policy = arrival.edition.policy.hash(),
        status,
        upstream_status = context.gateway.status,
        duration_ms = millis(took),
        upstream_ms = context.gateway.took.map(millis),
    );
}

/// Milliseconds with microsecond precision.
fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}
