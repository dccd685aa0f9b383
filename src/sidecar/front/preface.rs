//! Does a client that settled on HTTP/2 begin to speak it? Pingora waits for the first words of such a client for as long
//! as the client likes, so they are heard here, within a deadline, and shown to Pingora afterwards.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pingora::prelude::timeout;
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};

use super::stand_in::impl_all_but_reading;

/// What an HTTP/2 client says first (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The connection of a client that has said its preface within this time; `None` when it said something else or nothing.
pub(super) async fn hear(mut connection: Stream, patience: Duration) -> Option<Stream> {
    let mut first = [0; PREFACE.len()];
    match timeout(patience, connection.read_exact(&mut first)).await {
        Ok(Ok(_)) if first == *PREFACE => Some(Box::new(Introduced {
            connection,
            unread: PREFACE,
        })),
        Ok(Ok(_)) => {
            tracing::debug!("a client settled on HTTP/2 and speaks something else");
            None
        }
        Ok(Err(error)) => {
            tracing::debug!(%error, "a client settled on HTTP/2 and left");
            None
        }
        Err(_elapsed) => {
            tracing::debug!("a client settled on HTTP/2 and said nothing");
            None
        }
    }
}

/// A connection whose preface was heard, and is read once more.
#[derive(Debug)]
struct Introduced {
    connection: Stream,
    /// What Pingora has not seen of the preface yet.
    unread: &'static [u8],
}

impl AsyncRead for Introduced {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.connection).poll_read(cx, buf);
        }
        let (now, later) = self.unread.split_at(self.unread.len().min(buf.remaining()));
        buf.put_slice(now);
        self.unread = later;
        Poll::Ready(Ok(()))
    }
}

impl_all_but_reading!(Introduced);
