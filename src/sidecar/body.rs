//! What is in the body of a request that we answer ourselves? Collects it up to a limit and a deadline. It refuses to
//! know what the bytes mean, and is asked only after the caller was let in: nobody else's body is read.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::EXPECT;
use pingora::ErrorType;
use pingora::proxy::Session;
use tokio::time::timeout;

use crate::headers;
use crate::reply::Refusal;

/// Collects the body. `limit` is in bytes; `deadline` is for the whole of it.
///
/// A client that waits for `100 Continue` gets it here, and only if what it announced is within the limit.
///
/// # Errors
///
/// [`Refusal::BodyTooLarge`], [`Refusal::BodyTimeout`], or [`Refusal::BodyBroken`] when the connection or its framing
/// broke.
pub(crate) async fn collect(session: &mut Session, limit: u64, deadline: Duration) -> Result<Bytes, Refusal> {
    let announced = headers::announced_length(&session.req_header().headers);
    if announced.is_some_and(|length| length > limit) {
        return Err(Refusal::BodyTooLarge);
    }
    if expects_continue(session) && !session.is_body_empty() {
        // Pingora gives a connection up that is answered before the whole body came, and takes this for an answer.
        session.set_close_on_response_before_downstream_finish(false);
        let written = session.as_mut().write_continue_response().await;
        session.set_close_on_response_before_downstream_finish(true);
        written.map_err(|_broken| Refusal::BodyBroken)?;
    }
    timeout(deadline, read(session, limit))
        .await
        .unwrap_or(Err(Refusal::BodyTimeout))
}

async fn read(session: &mut Session, limit: u64) -> Result<Bytes, Refusal> {
    let mut body = BytesMut::new();
    loop {
        let chunk = session.as_mut().read_request_body().await;
        // Whichever is over first: the wait for the next bytes, or the deadline of the whole.
        let chunk = chunk.map_err(|error| {
            if *error.etype() == ErrorType::ReadTimedout {
                Refusal::BodyTimeout
            } else {
                Refusal::BodyBroken
            }
        });
        match chunk? {
            None => return Ok(body.freeze()),
            Some(chunk) if body.len() as u64 + chunk.len() as u64 > limit => return Err(Refusal::BodyTooLarge),
            Some(chunk) => body.extend_from_slice(&chunk),
        }
    }
}

/// HTTP/1.1 only: HTTP/2 clients send their body without asking.
fn expects_continue(session: &Session) -> bool {
    let request = session.req_header();
    let expectation = request.headers.get(EXPECT);
    request.version == http::Version::HTTP_11
        && expectation.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

#[cfg(test)]
mod tests;
