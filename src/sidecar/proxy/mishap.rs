//! What if something goes wrong on the way to the gateway or back?
//!
//! Decides whether a request may be tried again, and turns Pingora's errors into refusals. Never tells a client
//! what went wrong inside.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use pingora::protocols::http::ServerSession;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};

use super::passage::{Passage, circumstances};
use crate::context::{Context, Stage};
use crate::framing::Malformed;
use crate::front::share;
use crate::headers;
use crate::reply::{GatewayTrouble, Refusal, delivery};

impl Passage {
    /// Nothing was sent: another address may be tried, whatever the method.
    pub(super) fn not_connected(&self, context: &mut Context, mut error: Box<Error>) -> Box<Error> {
        if let Some(target) = context.gateway.target {
            context.gateway.short = self.forward.sites().not_connected(target, &error);
        }
        error.set_retry(context.gateway.attempts < self.forward.sites().attempts());
        error
    }

    /// May a request be sent again that may have left already?
    ///
    /// INVARIANT(never twice): only GET and HEAD, only when a pooled connection turned out to be dead, only
    /// before the client got anything, and only once. Held by `server::tests::trouble::a_write_is_never_sent_twice`.
    pub(super) fn broken(
        &self,
        session: &mut Session,
        context: &Context,
        mut error: Box<Error>,
        reused: bool,
    ) -> Box<Error> {
        if !reused || is_timeout(&error) {
            self.perhaps_blame(session, context, &error);
        } else if let Some(target) = context.gateway.target
            && *error.esource() == ErrorSource::Upstream
        {
            // That an old connection is closed proves nothing.
            self.forward.sites().untried(target);
        }
        error.retry.decide_reuse(reused);
        let harmless = matches!(session.req_header().method, Method::GET | Method::HEAD);
        let untouched = session.response_written().is_none() && context.gateway.status.is_none();
        let first = context.gateway.attempts <= self.forward.sites().attempts();
        if !(harmless && untouched && first) || session.as_ref().retry_buffer_truncated() {
            error.set_retry(false);
        }
        error
    }

    /// A gateway that takes a whole request and answers nothing, or nonsense, is passed over for a while. Not for what
    /// becomes of a body whose client is slow or gone, nor for an answer that ends too early: it did answer.
    fn perhaps_blame(&self, session: &mut Session, context: &Context, error: &Error) {
        let silent = context.gateway.status.is_none() && *error.esource() == ErrorSource::Upstream;
        if silent && session.is_body_done() {
            self.blame(context, error);
        }
    }

    /// The address that was chosen did not do what a gateway does.
    pub(super) fn blame(&self, context: &Context, why: &dyn std::fmt::Display) {
        if let Some(target) = context.gateway.target {
            self.forward.sites().failed(target, why);
        }
    }

    /// It answered.
    pub(super) fn praise(&self, context: &Context) {
        if let Some(target) = context.gateway.target {
            self.forward.sites().answered(target);
        }
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
        // Before that the client did not have to wait for itself: a login was checked, a connection made.
        let began = context.gateway.asked.unwrap_or(context.started);
        if began.elapsed() > patience(self.timeouts.body, context.body_bytes) {
            return stop(context, Refusal::BodyTimeout);
        }
        Ok(())
    }

    /// Answers a request that failed on its way. Returns the status that was sent, or 0 when nobody is listening, or when
    /// the gateway's answer had begun: then that breaks off.
    pub(super) async fn failed(&self, session: &mut Session, error: &Error, context: &mut Context) -> u16 {
        let Some(refusal) = self.refusal_for(session, error, context) else {
            return 0;
        };
        if let Refusal::Gateway(trouble) = &refusal {
            self.observer.gateway_failed(*trouble);
        }
        tracing::debug!(%error, reason = refusal.label(), "a request failed on its way");
        context.stage.refuse(None, refusal);
        if session
            .response_written()
            .is_some_and(|header| !header.status.is_informational())
        {
            delivery::break_off(session, self.timeouts.write).await;
            return 0;
        }
        let Stage::Refused(_, _, refusal) = &context.stage else {
            return 0;
        };
        let answer = refusal.to_answer(&circumstances(context));
        let status = refusal.status();
        // What failed inside may have left anything half done.
        let closes = refusal.closes() || matches!(refusal, Refusal::Internal(_));
        match delivery::send(session, answer, closes).await {
            Ok(()) => {
                context.made_good = !closes;
                status
            }
            Err(_) => 0,
        }
    }

    fn refusal_for(&self, session: &mut Session, error: &Error, context: &Context) -> Option<Refusal> {
        if let Stage::Refused(_, _, refusal) = &context.stage {
            return Some(refusal.clone());
        }
        match (error.esource(), error.etype()) {
            (ErrorSource::Downstream, ErrorType::ReadTimedout) => Some(Refusal::BodyTimeout),
            (ErrorSource::Downstream, ErrorType::ReadError) if is_nonsense(error) => Some(Refusal::BodyBroken),
            (ErrorSource::Downstream, ErrorType::ReadError | ErrorType::WriteError | ErrorType::ConnectionClosed) => {
                None
            }
            (ErrorSource::Downstream, ErrorType::WriteTimedout | ErrorType::ConnectError) => None,
            (ErrorSource::Downstream, _) => Some(Refusal::BodyBroken),
            // A gateway that waits for a body is not slow, its client is. With HTTP/2 nothing else notices that.
            (ErrorSource::Upstream, ErrorType::ReadTimedout) if !session.is_body_done() => Some(Refusal::BodyTimeout),
            (ErrorSource::Upstream, _) => Some(refusal(context, error)),
            (ErrorSource::Internal | ErrorSource::Unset, _) => {
                tracing::error!(%error, summary = summary(session), "a request failed inside the sidecar");
                Some(Refusal::Internal("proxy"))
            }
        }
    }
}

/// Whether the client is still there, but sent chunks that are none (`front`).
fn is_nonsense(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause
        .and_then(io::Error::get_ref)
        .is_some_and(|cause| cause.is::<Malformed>())
}

fn is_timeout(error: &Error) -> bool {
    matches!(error.etype(), ErrorType::ReadTimedout | ErrorType::WriteTimedout)
}

/// Lets the connection of a failed request live on, if its client got a whole answer: Pingora closes it after every
/// error, also if only the gateway is to blame. Called last, because the session is empty afterwards.
///
/// Whether it is fit for another request is Pingora's judgement, as after any answer: that nothing of the request is
/// left unread, and that neither side announced the end.
pub(super) async fn release(session: &mut Session) {
    if session.is_http2() {
        return;
    }
    let (nothing, _) = tokio::io::duplex(1);
    let empty = ServerSession::new_http1(Box::new(nothing));
    let ended = std::mem::replace(&mut *session.downstream_session, empty);
    if let Ok(Some(reusable)) = ended.finish().await {
        share::go_home(reusable.into_parts().0);
    }
}

/// How long a body of so many bytes may take in all: a slow line is no offence, a trickle is. That every single wait is
/// no longer than `base` is seen to where bytes are read.
fn patience(base: Duration, bytes: u64) -> Duration {
    // Below the slowest mobile networks, and what Apache's mod_reqtimeout asks for.
    const SLOWEST_BYTES_PER_SECOND: u64 = 500;
    base + Duration::from_secs(bytes / SLOWEST_BYTES_PER_SECOND)
}

/// Ends a request that is on its way. The error carries no text: the refusal says it all.
pub(super) fn stop(context: &mut Context, refusal: Refusal) -> pingora::Result<()> {
    let status = refusal.status();
    context.stage.refuse(None, refusal);
    Err(Error::new(ErrorType::HTTPStatus(status)))
}

/// What a client hears of an error on our side of the gateway.
pub(super) fn refusal(context: &Context, error: &Error) -> Refusal {
    if context.gateway.short {
        Refusal::Outage("local_resources")
    } else {
        Refusal::Gateway(trouble(error.etype()))
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "of Pingora's long list only this matters here"
)]
pub(super) fn trouble(kind: &ErrorType) -> GatewayTrouble {
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
    let path = headers::path_of(request.raw_path());
    format!("{} {}", request.method, String::from_utf8_lossy(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_honest_slow_line_may_take_its_time_and_a_trickle_may_not() {
        let base = Duration::from_secs(2);
        for second in 1..10_000 {
            let passed = Duration::from_secs(second);
            assert!(passed < patience(base, 1000 * second), "a kilobyte every second");
        }
        assert!(Duration::from_secs(60) > patience(base, 60), "a byte every second");
    }
}
