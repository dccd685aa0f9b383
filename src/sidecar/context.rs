//! What is known about one request, from its arrival to its log line?
//!
//! Pingora makes a context before the request is known and hands it from phase to phase: what is decided later is
//! a state of [`Stage`], not an optional field. Holds facts; decides nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gateward_auth::{Accepts, Grant, Scope, TokenId, UnixSeconds, UserId};
use gateward_policy::{Action, CanonicalPath, Route, RouteId, UpstreamCredential};
use http::{HeaderValue, Method};

use crate::forward::sites::Target;
use crate::front::traffic::InFlight;
use crate::headers::Origin;
use crate::observe::Edition;
use crate::reply::Refusal;

/// One request.
#[derive(Debug)]
pub struct Context {
    /// Keeps the process from stopping before this request ends.
    pub in_flight: InFlight,
    /// When it arrived, on the monotonic clock.
    pub started: Instant,
    /// How far it got.
    pub stage: Stage,
    /// What the gate learned on the way, also when it said no.
    pub notes: Notes,
    /// What the gateway did.
    pub gateway: GatewayLeg,
    /// Bytes of the request's body that went by.
    pub body_bytes: u64,
    /// It failed on its way, and its client got a whole answer of ours: the connection may live on.
    pub made_good: bool,
}

impl Context {
    /// A request that has just arrived.
    pub fn new(in_flight: InFlight) -> Self {
        Self {
            in_flight,
            started: Instant::now(),
            stage: Stage::New,
            notes: Notes::default(),
            gateway: GatewayLeg::default(),
            body_bytes: 0,
            made_good: false,
        }
    }
}

/// How far a request got.
#[derive(Debug)]
pub enum Stage {
    /// Nothing is known yet.
    New,
    /// It was read and identified; nothing is decided.
    Arrived(Arrival),
    /// It may go to the gateway.
    Admitted(Arrival, Box<Pass>),
    /// It was answered here with success, at a token endpoint.
    Served(Arrival, RouteId, Option<TokenId>),
    /// It was refused, here or because of the gateway.
    Refused(Arrival, Option<RouteId>, Refusal),
}

impl Stage {
    /// The arrival, once there is one.
    pub fn arrival(&self) -> Option<&Arrival> {
        match self {
            Self::New => None,
            Self::Arrived(arrival)
            | Self::Admitted(arrival, _)
            | Self::Served(arrival, ..)
            | Self::Refused(arrival, ..) => Some(arrival),
        }
    }

    /// The permission, while it stands.
    pub fn pass(&self) -> Option<&Pass> {
        match self {
            Self::Admitted(_, pass) => Some(pass),
            Self::New | Self::Arrived(_) | Self::Served(..) | Self::Refused(..) => None,
        }
    }

    /// The route, once one was found.
    pub fn route(&self) -> Option<&RouteId> {
        match self {
            Self::New | Self::Arrived(_) => None,
            Self::Admitted(_, pass) => Some(&pass.terms.id),
            Self::Served(_, route, _) => Some(route),
            Self::Refused(_, route, _) => route.as_ref(),
        }
    }

    /// It may go to the gateway.
    pub fn admit(&mut self, pass: Pass) {
        if let Some(arrival) = self.take_arrival() {
            *self = Self::Admitted(arrival, Box::new(pass));
        }
    }

    /// A token endpoint answered it.
    pub fn serve(&mut self, route: RouteId, token: Option<TokenId>) {
        if let Some(arrival) = self.take_arrival() {
            *self = Self::Served(arrival, route, token);
        }
    }

    /// It was refused, on this route if one was found meanwhile. The first refusal stands.
    pub fn refuse(&mut self, route: Option<RouteId>, refusal: Refusal) {
        if matches!(self, Self::Refused(..)) {
            return;
        }
        let route = route.or_else(|| self.route().cloned());
        if let Some(arrival) = self.take_arrival() {
            *self = Self::Refused(arrival, route, refusal);
        }
    }

    fn take_arrival(&mut self) -> Option<Arrival> {
        match std::mem::replace(self, Self::New) {
            Self::New => None,
            Self::Arrived(arrival)
            | Self::Admitted(arrival, _)
            | Self::Served(arrival, ..)
            | Self::Refused(arrival, ..) => Some(arrival),
        }
    }
}

/// What a request brought along, read once.
#[derive(Debug)]
pub struct Arrival {
    /// `X-Request-ID`: the client's if sane, else made. Letters, digits and a few marks.
    pub request_id: HeaderValue,
    /// Who sent it.
    pub origin: Origin,
    /// Its method.
    pub method: Method,
    /// The policy that it is judged by, whatever is loaded meanwhile.
    pub edition: Arc<Edition>,
    /// The time that it is judged by.
    pub now: UnixSeconds,
    /// The client asked for `application/problem+json`.
    pub wants_problem: bool,
}

impl Arrival {
    /// `X-Request-ID` as a text.
    pub fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }
}

/// Permission to go to the gateway.
#[derive(Debug)]
pub struct Pass {
    /// What the route says.
    pub terms: Terms,
    /// The path that was matched, and that is forwarded.
    pub path: CanonicalPath,
    /// For whom; `None` on public routes and where the gateway checks the credential itself.
    pub grant: Option<Grant>,
    /// The gateway's account that stands for them, on routes where one does; the gate does not know.
    pub account: Option<HeaderValue>,
}

/// What a route says about forwarding, apart from who may do it.
#[derive(Debug, Clone)]
pub struct Terms {
    /// The route's name.
    pub id: RouteId,
    /// What happens.
    pub action: Action,
    /// Which credential the gateway gets, where the policy says so.
    pub credential: Option<UpstreamCredential>,
    /// How long the gateway may take.
    pub timeout: Option<Duration>,
    /// Longest body in bytes.
    pub body_limit: Option<u64>,
    /// The answer is a stream that lasts.
    pub streaming: bool,
    /// 204 means that a user's password has changed.
    pub password_change: bool,
}

impl From<&Route> for Terms {
    fn from(route: &Route) -> Self {
        Self {
            id: route.id.clone(),
            action: route.action,
            credential: route.credential,
            timeout: route.timeout,
            body_limit: route.body_limit,
            streaming: route.streaming,
            password_change: route.password_change,
        }
    }
}

/// What the gate learned on the way, for the answer and the log.
#[derive(Debug, Clone, Default)]
pub struct Notes {
    /// The path is part of the user API (WIRE §1.6).
    pub user_api: bool,
    /// Which kind of credential came: a closed word.
    pub kind: &'static str,
    /// The user, once authenticated.
    pub user: Option<UserId>,
    /// The token's id.
    pub token: Option<TokenId>,
    /// The scope that the route needs.
    pub scope: Option<Scope>,
    /// Which kinds of credential the route accepts.
    pub accepts: Accepts,
    /// Granted although the denylist may be out of date.
    pub degraded: bool,
}

/// What the gateway did.
#[derive(Debug, Default)]
pub struct GatewayLeg {
    /// Connections tried.
    pub attempts: usize,
    /// Which of its addresses was chosen last.
    pub target: Option<Target>,
    /// No connection could be made there, for want of something on this machine.
    pub short: bool,
    /// When the last attempt began.
    pub asked: Option<Instant>,
    /// Status of its answer.
    pub status: Option<u16>,
    /// Time until the head of its answer.
    pub took: Option<Duration>,
}
