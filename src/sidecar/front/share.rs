//! Which bytes of a connection belong to the request at hand? Pingora gets to see these and no others: what a client
//! sends behind them early is kept for its next request, and is no reason to give this one up.
//!
//! Knows where a request ends; what its bytes say is the business of `framing`, what they mean of nobody here.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, ReadBuf};

use super::stand_in::impl_all_but_reading;
use crate::framing::{BodyLength, Chunks, Malformed};

/// What is read of requests whose turn has not come, in bytes. Beyond it their client has to wait.
const EARLY: usize = 4096;

/// Where a connection waits for its next request when Pingora does not give it back itself (see [`go_home`]).
#[derive(Debug, Clone, Default)]
pub(super) struct Home(Arc<Mutex<Option<Rest>>>);

/// A connection behind a request, and the beginning of the next one.
pub(super) type Rest = (Stream, BytesMut);

impl Home {
    /// The connection that came home, if one did.
    pub(super) fn take(&self) -> Option<Rest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Brings a connection home whose request failed, but not because of its client: Pingora would close it. Only for one
/// that Pingora itself calls fit for another request.
pub(crate) fn go_home(stream: Stream) {
    let Ok(share) = stream.into_any().downcast::<Share>() else {
        return;
    };
    let home = share.home.clone();
    *home.0.lock().unwrap_or_else(PoisonError::into_inner) = share.end();
}

/// A connection, as far as one request goes.
#[derive(Debug)]
pub(super) struct Share {
    connection: Stream,
    left: Left,
    /// What came behind the request.
    next: BytesMut,
    home: Home,
}

/// What is still to come of the request.
#[derive(Debug)]
enum Left {
    /// So many bytes.
    Bytes(u64),
    /// What these chunks say.
    Chunks(Chunks),
    /// Nobody can tell: the chunks are malformed.
    Nonsense { told: bool },
}

impl Share {
    /// Divides what was read: `head` bytes, then a body of this length, then what is not for this request. Also gives
    /// the part of the request that is here already.
    pub(super) fn new(
        connection: Stream,
        mut read: BytesMut,
        head: usize,
        body: BodyLength,
        home: &Home,
    ) -> (Self, BytesMut) {
        let behind = read.get(head..).unwrap_or_default();
        let fixed = |length: u64| {
            let here = usize::try_from(length).map_or(behind.len(), |length| length.min(behind.len()));
            (here, Left::Bytes(length - here as u64))
        };
        let (here, left) = match body {
            BodyLength::None => fixed(0),
            BodyLength::Fixed(length) => fixed(length),
            BodyLength::Chunked => {
                let mut chunks = Chunks::default();
                match chunks.advance(behind) {
                    Ok(Some(end)) => (end, Left::Bytes(0)),
                    Ok(None) => (behind.len(), Left::Chunks(chunks)),
                    Err(Malformed) => (0, Left::Nonsense { told: false }),
                }
            }
        };
        let next = read.split_off(read.len().min(head.saturating_add(here)));
        let share = Self {
            connection,
            left,
            next,
            home: home.clone(),
        };
        (share, read)
    }

    /// The connection, and the beginning of its next request; `None` while bytes of this one are outstanding, which
    /// would be taken for the next.
    pub(super) fn end(self) -> Option<Rest> {
        matches!(self.left, Left::Bytes(0)).then_some((self.connection, self.next))
    }

    /// Reads past whatever a client sends that makes no sense, so that the answer is not lost to a reset.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut room = [0; 1024];
            let mut piece = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut self.connection).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// The request was read: says only whether the client has left.
    fn poll_departure(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.next.len() < EARLY {
            let mut room = [0; 1024];
            let mut piece = ReadBuf::new(&mut room);
            ready!(Pin::new(&mut self.connection).poll_read(cx, &mut piece))?;
            if piece.filled().is_empty() {
                break;
            }
            self.next.extend_from_slice(piece.filled());
        }
        if self.next.is_empty() {
            Poll::Ready(Ok(()))
        } else {
            // Whoever has asked for more waits for it. Nobody needs to be woken: the next request begins with what is
            // kept here.
            Poll::Pending
        }
    }
}

impl AsyncRead for Share {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let share = &mut *self;
        match &mut share.left {
            Left::Bytes(0) => share.poll_departure(cx),
            Left::Bytes(left) => {
                let most = usize::try_from(*left).map_or(buf.remaining(), |left| left.min(buf.remaining()));
                let mut mine = ReadBuf::new(buf.initialize_unfilled_to(most));
                ready!(Pin::new(&mut share.connection).poll_read(cx, &mut mine))?;
                let count = mine.filled().len();
                buf.advance(count);
                *left = left.saturating_sub(count as u64);
                Poll::Ready(Ok(()))
            }
            Left::Chunks(chunks) => {
                let before = buf.filled().len();
                ready!(Pin::new(&mut share.connection).poll_read(cx, buf))?;
                let piece = buf.filled().get(before..).unwrap_or_default();
                match chunks.advance(piece) {
                    Ok(None) => Poll::Ready(Ok(())),
                    Ok(Some(end)) => {
                        share.next.extend_from_slice(piece.get(end..).unwrap_or_default());
                        buf.set_filled(before + end);
                        share.left = Left::Bytes(0);
                        Poll::Ready(Ok(()))
                    }
                    Err(malformed) => {
                        buf.set_filled(before);
                        share.left = Left::Nonsense { told: true };
                        Poll::Ready(Err(nonsense(malformed)))
                    }
                }
            }
            Left::Nonsense { told: false } => {
                share.left = Left::Nonsense { told: true };
                Poll::Ready(Err(nonsense(Malformed)))
            }
            Left::Nonsense { told: true } => share.poll_end(cx),
        }
    }
}

fn nonsense(malformed: Malformed) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, malformed)
}

// Writing is the request's own business, whatever was read. Nobody looks ahead: what comes first was read already.
impl_all_but_reading!(Share);

#[cfg(test)]
mod tests;
