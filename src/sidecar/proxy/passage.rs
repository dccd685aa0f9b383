//! How does a request go through the phases? What `proxy` delegates to, in the order in which Pingora calls it.
//!
//! Reads and writes sessions; judges nothing (see `gate`) and knows no header (see `forward`).

use std::sync::Arc;

use arc_swap::ArcSwap;
use gateward_auth::{Grant, UnixSeconds};
use gateward_boot::clock::Clock;
use ipnet::IpNet;
use pingora::connectors::http::Connector;
use pingora::http::ResponseHeader;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};

use super::mishap::stop;
use super::{arrival, errand};
use crate::config::{Limits, Timeouts};
use crate::context::{Arrival, Context, Pass, Stage};
use crate::endpoints::Endpoints;
use crate::forward::Forward;
use crate::forward::identity::NoAccount;
use crate::front::traffic::{InFlight, Traffic};
use crate::gate::{Gate, Refused};
use crate::headers;
use crate::observe::{Edition, Observer};
use crate::pool::Pool;
use crate::reply::{Circumstances, GatewayTrouble, Refusal, delivery};

/// Everything that requests need; shared by all of them.
pub(crate) struct Passage {
    /// Judges.
    pub gate: Gate,
    /// Forwards.
    pub forward: Arc<Forward>,
    /// Connects for requests that are carried out whoever leaves.
    pub connector: Connector,
    /// Bounds how many of these there are at once.
    pub errands: Pool,
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
                context.stage.refuse(terms.map(|terms| terms.id), refusal);
                self.answer_refusal(session, context).await
            }
            // Both boxed: every request would carry the room for what few of them do, twelve kilobytes that are moved
            // several times.
            Ok(pass) if pass.terms.action.is_token_endpoint() => {
                Box::pin(self.serve(session, context, &edition, pass, now)).await
            }
            Ok(pass) if errand::is_errand(&pass, &session.req_header().method) => {
                Box::pin(self.run_errand(session, context, edition, pass)).await
            }
            Ok(pass) => {
                let limit = pass.terms.body_limit.unwrap_or(self.limits.body);
                if pass.terms.streaming {
                    context.in_flight.lasts();
                    // A stream may be silent for long: that nobody listens any more shows only in that the client left.
                    session.as_downstream_mut().set_abort_on_close(true);
                }
                context.stage.admit(pass);
                let announced = headers::announced_length(&session.req_header().headers);
                if announced.is_some_and(|length| length > limit) {
                    context.stage.refuse(None, Refusal::BodyTooLarge);
                    return self.answer_refusal(session, context).await;
                }
                Ok(false)
            }
        }
    }

    pub(super) async fn judge(
        &self,
        session: &Session,
        edition: &Edition,
        context: &mut Context,
        now: UnixSeconds,
    ) -> Result<Pass, Refused> {
        #[cfg(test)]
        crate::testing::perhaps_panic(session, "judge");
        let request = session.req_header();
        if session.is_http2() {
            arrival::check_http2(request)?;
        }
        let head = arrival::head(request);
        let mut pass = self.gate.admit(&edition.policy, &head, now, &mut context.notes).await?;
        let caller = pass.grant.as_ref().map(Grant::user);
        match self.forward.identity().account(&edition.accounts, &pass.terms, caller) {
            Ok(account) => {
                pass.account = account;
                Ok(pass)
            }
            Err(NoAccount) => Err(Refused {
                refusal: Refusal::NotServed,
                terms: Some(Box::new(pass.terms)),
            }),
        }
    }

    pub(super) async fn answer_refusal(&self, session: &mut Session, context: &Context) -> pingora::Result<bool> {
        if let Stage::Refused(_, _, refusal) = &context.stage {
            let answer = refusal.to_answer(&circumstances(context));
            delivery::send(session, answer, refusal.closes()).await?;
        }
        Ok(true)
    }

    /// The end of a request on which our own code panicked. It is answered as any that failed on its way.
    pub(super) fn panicked(&self, context: &mut Context) -> Box<Error> {
        self.observer.panicked();
        context.stage.refuse(None, Refusal::Internal("panic"));
        Error::new(ErrorType::HTTPStatus(500))
    }

    /// An answer for a request on which our own code panicked before it went on its way.
    pub(super) async fn apologise(&self, session: &mut Session, context: &mut Context) -> pingora::Result<bool> {
        let _error = self.panicked(context);
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

    /// Takes the head of the gateway's answer; an error when it must not go to the client.
    pub(super) fn take(&self, context: &mut Context, response: &mut ResponseHeader) -> Result<(), GatewayTrouble> {
        let Stage::Admitted(arrival, pass) = &context.stage else {
            return Ok(());
        };
        if !response.status.is_informational() {
            context.gateway.status = Some(response.status.as_u16());
            context.gateway.took = context.gateway.asked.map(|asked| asked.elapsed());
            self.praise(context);
        }
        self.forward.receive(pass, arrival, response).inspect_err(|trouble| {
            tracing::error!(reason = trouble.label(), route = %pass.terms.id, "the gateway's answer is of no use");
        })
    }

    /// The same for an answer that Pingora passes on.
    pub(super) fn answered(&self, context: &mut Context, response: &mut ResponseHeader) -> pingora::Result<()> {
        let taken = self.take(context, response);
        taken.or_else(|trouble| stop(context, Refusal::Gateway(trouble)))
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

pub(super) fn circumstances(context: &Context) -> Circumstances<'_> {
    let arrival: Option<&Arrival> = context.stage.arrival();
    Circumstances {
        request_id: arrival.map_or("", Arrival::request_id),
        user_api: context.notes.user_api,
        wants_problem: arrival.is_some_and(|arrival| arrival.wants_problem),
    }
}
