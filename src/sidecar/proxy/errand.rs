//! What if the client leaves while the gateway changes a password? The request is carried out to its end all the same:
//! Pingora would drop it with its client, and the tokens that were to end with the old password would live on.
//!
//! Only the answer can say whose password it was (a device token tells us nothing), so somebody has to be there to hear
//! it: a task of its own, that neither a client nor its patience stops. Knows nothing of what follows from a change.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use gateward_auth::{Grant, UnixSeconds, UserId};
use gateward_boot::clock::Clock;
use gateward_policy::RouteId;
use http::{Method, StatusCode, Version, header};
use pingora::connectors::http::Connector;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::client::HttpSession;
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType};
use tokio::time::timeout;

use super::mishap::{refusal, trouble};
use super::passage::Passage;
use crate::authenticate::Authenticator;
use crate::body;
use crate::context::{Context, Pass, Stage};
use crate::endpoints::audit;
use crate::forward::{self, question};
use crate::front::traffic::InFlight;
use crate::observe::Edition;
use crate::pool::{Full, Pool, Slot};
use crate::reply::{GatewayTrouble, Refusal, delivery};

/// How long a gateway is listened to after its client got 504: longer than any gateway works at one request.
const LISTEN: Duration = Duration::from_secs(300);
/// So many at once, each with a connection of its own; whoever comes beyond is told to come back later. Nobody had to say
/// who he is on such a route, and with a slow gateway each takes as long as [`LISTEN`].
const AT_ONCE: usize = 64;
/// Two passwords need no more.
const LONGEST_BODY: u64 = 64 * 1024;
/// What is read of an answer, which is at most a sentence.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// Whether a request is carried out to its end, whoever leaves. A HEAD changes nothing.
pub(super) fn is_errand(pass: &Pass, method: &Method) -> bool {
    pass.terms.password_change && *method != Method::HEAD
}

/// The gateway's answer.
type Answered = (ResponseHeader, Bytes);

impl Passage {
    /// Forwards a request that may change a password, and the answer to the client if it is still there.
    pub(super) async fn run_errand(
        &self,
        session: &mut Session,
        context: &mut Context,
        edition: Arc<Edition>,
        pass: Pass,
    ) -> pingora::Result<bool> {
        let limit = pass.terms.body_limit.unwrap_or(self.limits.body).min(LONGEST_BODY);
        context.stage.admit(pass);
        // The body comes first: a client that does not send it keeps nobody else from changing a password.
        let answered = match body::collect(session, limit, self.timeouts.body).await {
            Ok(body) => match self.errands.enter().await {
                Ok(slot) => self.send_errand(session, context, edition, body, slot).await,
                Err(Full) => Err(Refusal::Busy),
            },
            Err(refusal) => Err(refusal),
        };
        match answered {
            Ok((header, body)) => delivery::pass_on(session, header, body).await.map(|()| true),
            Err(refusal) => {
                if let Refusal::Gateway(trouble) = &refusal {
                    self.observer.gateway_failed(*trouble);
                }
                context.stage.refuse(None, refusal);
                self.answer_refusal(session, context).await
            }
        }
    }

    async fn send_errand(
        &self,
        session: &Session,
        context: &mut Context,
        edition: Arc<Edition>,
        body: Bytes,
        slot: Slot,
    ) -> Result<Answered, Refusal> {
        context.body_bytes = body.len() as u64;
        let (gateway, patience) = self.connect(context).await?;
        let Stage::Admitted(arrival, pass) = &context.stage else {
            return Err(Refusal::Internal("errand_without_pass"));
        };
        let mut request = session.req_header().clone();
        let stamped = self
            .forward
            .stamp(pass, arrival, &context.gateway, &mut request, arrival.now)
            .and_then(|()| frame(&mut request, body.len()));
        stamped.map_err(|_error| Refusal::Internal("proxy"))?;
        let errand = Errand {
            gateway,
            edition,
            authenticator: Arc::clone(self.gate.authenticator()),
            clock: self.clock.clone(),
            caller: pass.grant.as_ref().map(Grant::user).cloned(),
            route: pass.terms.id.clone(),
            _in_flight: self.traffic.begin(),
            _slot: slot,
        };
        let task = tokio::spawn(errand.run(request, body));
        let (mut header, body) = match timeout(patience, task).await {
            Ok(Ok(Ok(answered))) => answered,
            // Whose fault it is, other requests will tell: a body that nobody wanted ends like this, too.
            Ok(Ok(Err(error))) => {
                return Err(Refusal::Gateway(trouble(error.etype())));
            }
            Ok(Err(_panic)) => {
                self.observer.panicked();
                return Err(Refusal::Internal("panic"));
            }
            Err(elapsed) => {
                self.blame(context, &elapsed);
                return Err(Refusal::Gateway(GatewayTrouble::Timeout));
            }
        };
        self.take(context, &mut header).map_err(Refusal::Gateway)?;
        header.remove_header(&header::TRANSFER_ENCODING);
        if !matches!(header.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            let length = header.insert_header(header::CONTENT_LENGTH, body.len());
            length.map_err(|_error| Refusal::Internal("proxy"))?;
        }
        Ok((header, body))
    }

    /// A new connection to the gateway, and how long its answer may take. One that is new cannot turn out to be dead, so
    /// nothing is ever sent twice.
    async fn connect(&self, context: &mut Context) -> Result<(HttpSession, Duration), Refusal> {
        loop {
            let peer: Box<HttpPeer> = self.peer(context).map_err(|error| refusal(context, &error))?;
            let patience = peer.options.read_timeout.unwrap_or(LISTEN);
            match self.connector.get_http_session(&*peer).await {
                Ok((mut gateway, _new)) => {
                    gateway.set_write_timeout(peer.options.write_timeout);
                    return Ok((gateway, patience));
                }
                Err(error) => {
                    let error = self.not_connected(context, error);
                    if !error.retry() {
                        return Err(refusal(context, &error));
                    }
                }
            }
        }
    }
}

/// Places for such requests; nobody waits for one.
pub(crate) fn places() -> Pool {
    Pool::new(AT_ONCE, 0)
}

/// The connector of such requests. Nothing is given back to it: see [`Passage::connect`].
pub(crate) fn connector() -> Connector {
    Connector::new(None)
}

/// The body is at hand, however it came; and the connection is used once, so the gateway shall end it.
fn frame(request: &mut RequestHeader, length: usize) -> pingora::Result<()> {
    request.set_version(Version::HTTP_11);
    request.remove_header(&header::TRANSFER_ENCODING);
    request.remove_header(&header::EXPECT);
    request.insert_header(header::CONNECTION, "close")?;
    request.insert_header(header::CONTENT_LENGTH, length)
}

/// A request on its way, and who has to hear of its outcome.
struct Errand {
    gateway: HttpSession,
    edition: Arc<Edition>,
    authenticator: Arc<Authenticator>,
    clock: Clock,
    /// The user who asks, where that is known.
    caller: Option<UserId>,
    route: RouteId,
    /// A process that stops waits for the outcome as long as it waits for anybody.
    _in_flight: InFlight,
    /// Until the outcome is known, not only until the client has left.
    _slot: Slot,
}

impl Errand {
    /// INVARIANT(no change unheard): once the request may have left, its outcome is heard, and acted upon before the
    /// answer goes to the client. Held by `a_client_that_leaves_does_not_keep_its_password_change_from_ending_tokens`.
    async fn run(mut self, request: RequestHeader, body: Bytes) -> pingora::Result<Answered> {
        let listened = timeout(LISTEN, question::ask(&mut self.gateway, request, body)).await;
        let header = match listened.unwrap_or_else(|_elapsed| Err(Error::new(ErrorType::ReadTimedout))) {
            Ok(header) => header,
            Err(error) => {
                self.lost(&error).await;
                return Err(error);
            }
        };
        if let Some(user) = forward::changed_user(&header) {
            self.changed(&user).await;
        }
        let body = timeout(LISTEN, self.rest()).await;
        let body = body.unwrap_or_else(|_elapsed| Err(Error::new(ErrorType::ReadTimedout)))?;
        tokio::spawn(question::part(self.gateway));
        Ok((header, body))
    }

    async fn rest(&mut self) -> pingora::Result<Bytes> {
        let mut body = BytesMut::new();
        while let Some(piece) = self.gateway.read_response_body().await? {
            body.extend_from_slice(&piece);
            if body.len() > LONGEST_ANSWER {
                return Err(Error::explain(
                    ErrorType::ReadError,
                    "a long answer to a password change",
                ));
            }
        }
        Ok(body.freeze())
    }

    async fn changed(&self, user: &str) {
        let now = UnixSeconds(self.clock.unix_seconds());
        let policy = &self.edition.policy;
        let changed = self.authenticator.on_password_changed(policy, user, now).await;
        tracing::info!(target: audit::TARGET, event = "password_change", user, outcome = changed.label());
    }

    /// The gateway may have done what it was asked. Better that a user logs in once more than that a thief stays.
    async fn lost(&self, error: &Error) {
        tracing::error!(%error, route = %self.route, "the gateway did not say whether it has changed a password");
        match &self.caller {
            Some(user) => self.changed(user.as_str()).await,
            None => tracing::info!(target: audit::TARGET, event = "password_change", outcome = "unknown"),
        }
    }
}
