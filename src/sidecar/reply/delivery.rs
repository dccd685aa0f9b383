//! How does an answer of ours reach the client without losing the connection, or itself?
//!
//! A small body that nobody will read is read past, so that the connection lives on; a large one is not waited
//! for. A connection that ends is ended politely: a reset while the client still sends would take the answer
//! from it. Knows nothing about what is said.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{Method, header};
use pingora::http::ResponseHeader;
use pingora::protocols::Stream;
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;
use pingora::{Error, ErrorType};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::Answer;
use crate::headers;

/// A body up to this size is read past after an early answer; beyond it, a new connection is cheaper.
const SMALL_BODY: u64 = 64 * 1024;
/// How long a small body may take to arrive after an early answer.
const READ_PAST: Duration = Duration::from_secs(2);
/// How long, and how many bytes, a client may go on sending after an answer that ends the connection.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 8 * 1024 * 1024;
/// How long somebody may hold us up for whom there is no room.
const TURN_AWAY: Duration = Duration::from_millis(100);

/// What is to be done about the part of the request that was not read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// Everything was read.
    None,
    /// It is small: read past it.
    Small,
    /// It may be anything: end the connection.
    Unbounded,
}

/// Sends an answer. The connection survives unless `close` is set or the unread body is large.
pub(crate) async fn send(session: &mut Session, answer: Answer, close: bool) -> pingora::Result<()> {
    let rest = if close {
        Rest::Unbounded
    } else {
        rest_of_request(session).await
    };
    match rest {
        Rest::None => {}
        Rest::Small => {
            session.set_close_on_response_before_downstream_finish(false);
            session.set_total_drain_timeout(Some(READ_PAST));
        }
        Rest::Unbounded => session.set_keepalive(None),
    }
    let without_body = session.req_header().method == Method::HEAD;
    let (header, body) = answer.into_parts()?;
    write(session, header, if without_body { Bytes::new() } else { body }).await?;
    if session.is_http2() {
        if !session.is_body_done() {
            // A stream that ends while its client still sends is reset, and clients take that for the answer.
            read_past(session).await;
        }
    } else if rest == Rest::Unbounded {
        end_politely(session).await;
    }
    Ok(())
}

/// Sends an answer of the gateway's to a request that was read to its end.
pub(crate) async fn pass_on(session: &mut Session, header: ResponseHeader, body: Bytes) -> pingora::Result<()> {
    write(session, header, body).await
}

/// Gives a client what came of an answer that ends too early, and no end: what is missing (bytes, or the last chunk)
/// tells it that this is not all. The caller must drop the connection.
pub(crate) async fn break_off(session: &mut Session, patience: Duration) {
    if session.is_http2() {
        // What was written is on its way, and the stream is reset behind it.
        return;
    }
    // Up to 16 KiB may still be in our buffer, and all of a short answer. When the connection is dropped, the buffer gets
    // one chance, which is none if the client's window is full. Pingora knows no other way to empty it: a body that is
    // finished gets its last chunk, or is refused if it is too short. A single failure would empty nothing.
    let failed = || HttpTask::Failed(Error::new(ErrorType::ConnectionClosed));
    let emptied = session.downstream_session.response_duplex_vec(vec![failed(), failed()]);
    let _gone = timeout(patience, emptied).await;
    if !session.is_body_done() {
        // Closed over unread bytes, a connection is reset, and what is on its way to the client is lost.
        read_past(session).await;
    }
}

async fn write(session: &mut Session, header: ResponseHeader, body: Bytes) -> pingora::Result<()> {
    let ends = body.is_empty();
    let head = session.write_response_header(Box::new(header), ends).await;
    // Whoever is not there to be written to is the client.
    head.map_err(|error| error.into_down())?;
    if !ends {
        let rest = session.write_response_body(Some(body), true).await;
        rest.map_err(|error| error.into_down())?;
    }
    Ok(())
}

async fn rest_of_request(session: &mut Session) -> Rest {
    if session.is_http2() || session.is_body_done() {
        // With HTTP/2 the connection is not at stake.
        return Rest::None;
    }
    // A client that waits for `100 Continue` sends no body after a final answer (RFC 9110 §10.1.1).
    if session.get_header(header::EXPECT).is_some() {
        return Rest::Unbounded;
    }
    let announced = headers::announced_length(&session.req_header().headers);
    if announced.is_some_and(|length| length > SMALL_BODY) {
        return Rest::Unbounded;
    }
    // What came together with the head costs nothing to read past.
    let mut seen: u64 = 0;
    while let Some(read) = tokio::task::unconstrained(session.read_request_body()).now_or_never() {
        match read {
            Ok(Some(chunk)) => seen += chunk.len() as u64,
            Ok(None) => return Rest::None,
            Err(_) => return Rest::Unbounded,
        }
        if seen > SMALL_BODY {
            return Rest::Unbounded;
        }
    }
    if announced.is_some() {
        Rest::Small
    } else {
        Rest::Unbounded
    }
}

async fn end_politely(session: &mut Session) {
    // Failing here means that the client is gone, which is what we want of it.
    let _gone = session.finish_body().await;
    session.shutdown().await;
    read_past(session).await;
}

/// Reads what the client still sends, for a moment.
async fn read_past(session: &mut Session) {
    let read_past = async {
        let mut left = LINGER_BYTES;
        while let Ok(Some(chunk)) = session.read_request_body().await {
            left = left.saturating_sub(chunk.len());
            if left == 0 {
                break;
            }
        }
    };
    let _elapsed = timeout(LINGER, read_past).await;
}

/// Sends the last bytes of a connection that Pingora has not seen, and ends it.
pub(crate) async fn send_last_words(stream: &mut Stream, bytes: &[u8]) {
    let speak = async {
        stream.write_all(bytes).await?;
        stream.flush().await?;
        stream.shutdown().await
    };
    if !matches!(timeout(LINGER, speak).await, Ok(Ok(()))) {
        return;
    }
    let read_past = async {
        let mut left = LINGER_BYTES;
        let mut buffer = [0; 4096];
        while let Ok(1..) = stream.read(&mut buffer).await {
            left = left.saturating_sub(buffer.len());
            if left == 0 {
                break;
            }
        }
    };
    let _elapsed = timeout(LINGER, read_past).await;
}

/// Tells a client that there is no room for its connection, without spending time on it.
pub(crate) async fn turn_away(stream: &mut Stream, bytes: &[u8]) {
    let speak = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    let _elapsed = timeout(TURN_AWAY, speak).await;
}
