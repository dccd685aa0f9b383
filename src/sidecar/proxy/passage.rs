//! How does a request go through the phases? What `proxy` delegates to, in the order in which Pingora calls it.
//!
//! Reads and writes sessions; judges nothing (see `gate`) and knows no header (see `forward`).

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use gateward_auth::{Credential, Grant, UnixSeconds, credential};
use gateward_boot::clock::Clock;
use gateward_policy::Action;
use http::{Method, header};
use ipnet::IpNet;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType};

use super::arrival;
use crate::body;
use crate::config::{Limits, Timeouts};
use crate::context::{Arrival, Context, Pass, Stage, Terms};
use crate::endpoints::Endpoints;
use crate::forward::{Forward, Meaning};
use crate::front::traffic::{InFlight, Traffic};
use crate::gate::{Authorization, Gate, Refused};
use crate::observe::{Edition, Observer};
use crate::reply::{Answer, Circumstances, GatewayTrouble, Refusal, delivery};

/// Everything that requests need; shared by all of them.
pub struct Passage {
    /// Judges.
    pub gate: Gate,
    /// Forwards.
    pub forward: Arc<Forward>,
    /// Answers token requests.
    pub endpoints: Endpoints,
    /// Writes and counts.
    pub observer: Arc<Observer>,
    /// The policy in force.
    pub editions: Arc<ArcSwap<Edition>>,
    /// Tells the time.
    pub clock: Clock,
    /// Counts what is in flight.
    pub traffic: Arc<Traffic>,
    /// Peers whose `X-Forwarded-*` are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How much a client may send.
    pub limits: Limits,
    /// How long a client may take.
    pub timeouts: Timeouts,
}

impl Passage {
    pub(super) fn begin(&self) -> InFlight {
        self.traffic.begin()
    }

    /// Judges a request, and answers it unless it goes on to the gateway. `Ok(true)`: answered.
    pub(super) async fn enter(&self, session: &mut Session, context: &mut Context) -> pingora::Result<bool> {
        let now = UnixSeconds(self.clock.unix_seconds());
        let arrival = arrival::read(session, &self.trusted_proxies, self.editions.load_full(), now);
        let edition = Arc::clone(&arrival.edition);
        context.stage = Stage::Arrived(arrival);
        session.set_write_timeout(Some(self.timeouts.write));
        match self.judge(session, &edition, context, now).await {
            Err(Refused { refusal, terms }) => {
                self.refuse(context, terms.map(|terms| *terms), refusal);
                self.answer_refusal(session, context).await
            }
            Ok(pass) if pass.terms.action.is_token_endpoint() => {
                self.serve(session, context, &edition, pass, now).await
            }
            Ok(pass) => {
                let limit = pass.terms.body_limit.unwrap_or(self.limits.body);
                admit(context, pass);
                if announced_length(session).is_some_and(|length| length > limit) {
                    context.stage.refuse(Refusal::BodyTooLarge);
                    return self.answer_refusal(session, context).await;
                }
                Ok(false)
            }
        }
    }

    async fn judge(
        &self,
        session: &Session,
        edition: &Edition,
        context: &mut Context,
        now: UnixSeconds,
    ) -> Result<Pass, Refused> {
        let request = session.req_header();
        if session.is_http2() {
            arrival::check_http2(request)?;
        }
        self.gate
            .admit(&edition.policy, &arrival::head(request), now, &mut context.notes)
            .await
    }

    /// A token endpoint's answer.
    async fn serve(
        &self,
        session: &mut Session,
        context: &mut Context,
        edition: &Edition,
        pass: Pass,
        now: UnixSeconds,
    ) -> pingora::Result<bool> {
        let request = match self.token_request(session, context, edition, pass, now).await {
            Ok(request) => request,
            Err(Refused { refusal, terms }) => {
                self.refuse(context, terms.map(|terms| *terms), refusal);
                return self.answer_refusal(session, context).await;
            }
        };
        let TokenRequest { pass, body, epoch, now } = request;
        let Pass { terms, path, grant } = pass;
        let served = match &grant {
            None => Err(Refusal::Internal("token_endpoint_without_requirement")),
            Some(grant) => {
                let call = Call {
                    terms: &terms,
                    grant,
                    jti: path.param("jti").map(|jti| jti.into_owned()),
                    body,
                    epoch,
                    now,
                };
                self.call(session, edition, &call).await
            }
        };
        let answer = match served {
            Ok(answer) => answer,
            Err(refusal) => {
                self.refuse(context, Some(terms), refusal);
                return self.answer_refusal(session, context).await;
            }
        };
        context.stage = match std::mem::replace(&mut context.stage, Stage::New) {
            Stage::Arrived(arrival) => Stage::Served(arrival, terms.id, answer.token),
            other => other,
        };
        let about = circumstances(context);
        let answer = match answer.body {
            None => Answer::empty(answer.status, &about),
            Some(body) => Answer::new(answer.status, "application/json", body, &about).not_stored(),
        };
        delivery::send(session, answer, false).await?;
        Ok(true)
    }

    /// Reads the body where it counts, and then judges its sender again: a body may take its time, and a password or
    /// token that was good when its head came may have ended since.
    ///
    /// INVARIANT(no session across a revocation): what is issued rests on a judgement made after the last byte came.
    async fn token_request(
        &self,
        session: &mut Session,
        context: &mut Context,
        edition: &Edition,
        pass: Pass,
        now: UnixSeconds,
    ) -> Result<TokenRequest, Refused> {
        let (Action::TokenIssue, Some(grant)) = (pass.terms.action, &pass.grant) else {
            return Ok(TokenRequest {
                pass,
                body: Bytes::new(),
                epoch: 0,
                now,
            });
        };
        let limit = pass.terms.body_limit.unwrap_or(self.limits.body);
        let user = grant.user().clone();
        let body = match body::collect(session, limit, self.timeouts.body).await {
            Ok(body) => body,
            Err(refusal) => {
                let terms = Some(Box::new(pass.terms));
                return Err(Refused { refusal, terms });
            }
        };
        let now = UnixSeconds(self.clock.unix_seconds());
        let epoch = self.endpoints.epoch(&user);
        let pass = self.judge(session, edition, context, now).await?;
        Ok(TokenRequest { pass, body, epoch, now })
    }

    async fn call(
        &self,
        session: &Session,
        edition: &Edition,
        call: &Call<'_>,
    ) -> Result<crate::endpoints::EndpointAnswer, Refusal> {
        let policy = &edition.policy;
        let answer = match call.terms.action {
            Action::TokenIssue => {
                let content_type = session.req_header().headers.get(header::CONTENT_TYPE);
                let content_type = content_type.and_then(|value| value.to_str().ok());
                self.endpoints
                    .issue(policy, call.grant, content_type, &call.body, call.epoch, call.now)
                    .await
            }
            Action::TokenRefresh => {
                let head = arrival::head(session.req_header());
                let raw = match head.authorization {
                    Authorization::One(value) => credential::parse(Some(value)).ok(),
                    Authorization::Absent | Authorization::Repeated => None,
                };
                let Some(Credential::Bearer(raw)) = raw else {
                    return Err(Refusal::Internal("refresh_without_token"));
                };
                self.endpoints.refresh(policy, call.grant, raw, call.now).await
            }
            Action::TokenRevoke => {
                let jti = call.jti.as_deref().ok_or(Refusal::Internal("revoke_without_id"))?;
                self.endpoints.revoke(call.grant, jti, call.now).await
            }
            Action::Forward | Action::Passthrough => return Err(Refusal::Internal("not_a_token_endpoint")),
        };
        answer.map_err(Refusal::from)
    }

    fn refuse(&self, context: &mut Context, terms: Option<Terms>, refusal: Refusal) {
        context.stage = match std::mem::replace(&mut context.stage, Stage::New) {
            Stage::Arrived(arrival) => Stage::Refused(arrival, terms.map(|terms| terms.id), refusal),
            mut other => {
                other.refuse(refusal);
                other
            }
        };
    }

    async fn answer_refusal(&self, session: &mut Session, context: &Context) -> pingora::Result<bool> {
        if let Stage::Refused(_, _, refusal) = &context.stage {
            let answer = refusal.to_answer(&circumstances(context));
            delivery::send(session, answer, refusal.closes()).await?;
        }
        Ok(true)
    }

    /// An answer for a request on which our own code panicked.
    pub(super) async fn apologise(&self, session: &mut Session, context: &mut Context) -> pingora::Result<bool> {
        self.observer.panicked();
        context.stage.refuse(Refusal::Internal("panic"));
        if session.response_written().is_some() {
            return Err(Error::explain(
                ErrorType::InternalError,
                "panic after the answer had begun",
            ));
        }
        self.answer_refusal(session, context).await
    }

    /// Where to connect to.
    pub(super) fn peer(&self, context: &mut Context) -> pingora::Result<Box<HttpPeer>> {
        let Context { stage, gateway, .. } = context;
        let peer = stage.pass().and_then(|pass| self.forward.peer(&pass.terms, gateway));
        peer.ok_or_else(|| Error::explain(ErrorType::ConnectNoRoute, "the gateway has no address").into_up())
    }

    /// Nothing was sent: another address may be tried, whatever the method.
    pub(super) fn not_connected(&self, context: &Context, mut error: Box<Error>) -> Box<Error> {
        if let Some(site) = context.gateway.site.filter(|site| self.forward.sites().failed(*site)) {
            tracing::error!(site, %error, "the gateway cannot be reached");
        }
        error.set_retry(context.gateway.attempts < self.forward.sites().attempts());
        error
    }

    pub(super) fn connected(&self, context: &Context) {
        if let Some(site) = context.gateway.site.filter(|site| self.forward.sites().reached(*site)) {
            tracing::info!(site, "the gateway can be reached again");
        }
    }

    /// May a request be sent again that may have left already?
    ///
    /// INVARIANT(never twice): only GET and HEAD, only when a pooled connection turned out to be dead, only
    /// before the client got anything, and only once. Held by `tests::a_write_is_never_sent_twice`.
    pub(super) fn broken(
        &self,
        session: &Session,
        context: &Context,
        mut error: Box<Error>,
        reused: bool,
    ) -> Box<Error> {
        error.retry.decide_reuse(reused);
        let harmless = matches!(session.req_header().method, Method::GET | Method::HEAD);
        let untouched = session.response_written().is_none() && context.gateway.status.is_none();
        let first = context.gateway.attempts <= self.forward.sites().attempts();
        if !(harmless && untouched && first) || session.as_ref().retry_buffer_truncated() {
            error.set_retry(false);
        }
        error
    }

    /// Counts a piece of the request's body; too much or too slow is an error.
    pub(super) fn body_piece(&self, context: &mut Context, piece: Option<&Bytes>) -> pingora::Result<()> {
        let Some(piece) = piece else { return Ok(()) };
        context.body_bytes += piece.len() as u64;
        let limit = context
            .stage
            .pass()
            .and_then(|pass| pass.terms.body_limit)
            .unwrap_or(self.limits.body);
        if context.body_bytes > limit {
            return stop(context, Refusal::BodyTooLarge);
        }
        if context.started.elapsed() > patience(self.timeouts.body, context.body_bytes) {
            return stop(context, Refusal::BodyTimeout);
        }
        Ok(())
    }

    /// Takes the head of the gateway's answer.
    pub(super) async fn answered(
        &self,
        context: &mut Context,
        response: &mut pingora::http::ResponseHeader,
    ) -> pingora::Result<()> {
        let Stage::Admitted(arrival, pass) = &context.stage else {
            return Ok(());
        };
        if !response.status.is_informational() {
            context.gateway.status = Some(response.status.as_u16());
            context.gateway.took = context.gateway.asked.map(|asked| asked.elapsed());
        }
        match self.forward.receive(pass, arrival, response) {
            Meaning::Ordinary => Ok(()),
            Meaning::PasswordChanged(user) => {
                let policy = &arrival.edition.policy;
                let now = UnixSeconds(self.clock.unix_seconds());
                let authenticator = self.gate.authenticator();
                let changed = authenticator.on_password_changed(policy, &user, now).await;
                tracing::info!(target: crate::endpoints::audit::TARGET, event = "password_change", user, outcome = changed.label());
                Ok(())
            }
            Meaning::Trouble(trouble) => {
                tracing::error!(reason = trouble.label(), route = %pass.terms.id, "the gateway's answer is of no use");
                stop(context, Refusal::Gateway(trouble))
            }
        }
    }

    /// Answers a request that failed on its way. Returns the status that was sent, or 0 when nobody is listening.
    pub(super) async fn failed(&self, session: &mut Session, error: &Error, context: &mut Context) -> u16 {
        let Some(refusal) = self.refusal_for(session, error, context) else {
            return 0;
        };
        if let Refusal::Gateway(trouble) = &refusal {
            self.observer.gateway_failed(*trouble);
        }
        tracing::debug!(%error, reason = refusal.label(), "a request failed on its way");
        context.stage.refuse(refusal);
        if session
            .response_written()
            .is_some_and(|header| !header.status.is_informational())
        {
            return 0;
        }
        let Stage::Refused(_, _, refusal) = &context.stage else {
            return 0;
        };
        let answer = refusal.to_answer(&circumstances(context));
        match delivery::send(session, answer, true).await {
            Ok(()) => refusal.status(),
            Err(_) => 0,
        }
    }

    fn refusal_for(&self, session: &Session, error: &Error, context: &Context) -> Option<Refusal> {
        if let Stage::Refused(_, _, refusal) = &context.stage {
            return Some(refusal.clone());
        }
        match (error.esource(), error.etype()) {
            (ErrorSource::Downstream, ErrorType::ReadTimedout) => Some(Refusal::BodyTimeout),
            (ErrorSource::Downstream, ErrorType::ReadError | ErrorType::WriteError | ErrorType::ConnectionClosed) => {
                None
            }
            (ErrorSource::Downstream, ErrorType::WriteTimedout | ErrorType::ConnectError) => None,
            (ErrorSource::Downstream, _) => Some(Refusal::BodyBroken),
            (ErrorSource::Upstream, kind) => Some(Refusal::Gateway(trouble(kind))),
            (ErrorSource::Internal | ErrorSource::Unset, _) => {
                tracing::error!(%error, summary = summary(session), "a request failed inside the sidecar");
                Some(Refusal::Internal("proxy"))
            }
        }
    }

    /// The end.
    pub(super) fn finished(&self, session: &Session, context: &Context) {
        let written = session
            .response_written()
            .filter(|header| !header.status.is_informational());
        let status = written.map(|header| header.status.as_u16());
        self.observer.finished(context, session.req_header().raw_path(), status);
    }
}

/// A request to a token endpoint, all of it read.
struct TokenRequest {
    pass: Pass,
    body: Bytes,
    /// What the user's epoch was before the last judgement.
    epoch: u64,
    now: UnixSeconds,
}

/// One call of a token endpoint.
struct Call<'a> {
    terms: &'a Terms,
    grant: &'a Grant,
    jti: Option<String>,
    body: Bytes,
    epoch: u64,
    now: UnixSeconds,
}

fn admit(context: &mut Context, pass: Pass) {
    context.stage = match std::mem::replace(&mut context.stage, Stage::New) {
        Stage::Arrived(arrival) => Stage::Admitted(arrival, Box::new(pass)),
        other => other,
    };
}

fn circumstances(context: &Context) -> Circumstances<'_> {
    let arrival: Option<&Arrival> = context.stage.arrival();
    Circumstances {
        request_id: arrival.map_or("", |arrival| &arrival.request_id),
        user_api: context.notes.user_api,
        wants_problem: arrival.is_some_and(|arrival| arrival.wants_problem),
    }
}

fn announced_length(session: &Session) -> Option<u64> {
    session.get_header(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// How long a body of so many bytes may take: a slow line is no offence, a trickle is.
fn patience(base: Duration, bytes: u64) -> Duration {
    const SLOWEST_BYTES_PER_SECOND: u64 = 4096;
    base + Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND)
}

/// Ends a request that is on its way. The error carries no text: the refusal says it all.
fn stop(context: &mut Context, refusal: Refusal) -> pingora::Result<()> {
    let status = refusal.status();
    context.stage.refuse(refusal);
    Err(Error::new(ErrorType::HTTPStatus(status)))
}

fn trouble(kind: &ErrorType) -> GatewayTrouble {
    match kind {
        ErrorType::ReadTimedout | ErrorType::WriteTimedout => GatewayTrouble::Timeout,
        ErrorType::ConnectTimedout
        | ErrorType::ConnectRefused
        | ErrorType::ConnectNoRoute
        | ErrorType::TLSHandshakeFailure
        | ErrorType::TLSHandshakeTimedout
        | ErrorType::InvalidCert
        | ErrorType::HandshakeError
        | ErrorType::ConnectError
        | ErrorType::SocketError => GatewayTrouble::Unreachable,
        _ => GatewayTrouble::Broken,
    }
}

/// Method and path for Pingora's own log lines: never the query, which may hold a token.
pub(super) fn summary(session: &Session) -> String {
    let request = session.req_header();
    let path = request
        .raw_path()
        .split(|byte| *byte == b'?')
        .next()
        .unwrap_or_default();
    format!("{} {}", request.method, String::from_utf8_lossy(path))
}
