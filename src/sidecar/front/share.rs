//! Which bytes of a connection belong to the request at hand? Pingora gets to see these and no others: what a client
//! sends behind them early is kept for its next request, and is no reason to give this one up.
//!
//! Knows where a request ends when its head says so; where chunks end, Pingora finds out. Refuses to know what the
//! bytes mean.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::BytesMut;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, Stream, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::framing::BodyLength;

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
    /// Bytes of the request that are still to come; `None` where the head does not say.
    left: Option<u64>,
    /// What came behind the request.
    next: BytesMut,
    home: Home,
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
        let body = match body {
            BodyLength::None => Some(0),
            BodyLength::Fixed(length) => Some(length),
            BodyLength::Chunked => None,
        };
        let here = read.len().saturating_sub(head);
        let of_body = body.map_or(here, |length| {
            usize::try_from(length).map_or(here, |length| length.min(here))
        });
        let next = read.split_off(read.len().min(head.saturating_add(of_body)));
        let left = body.map(|length| length.saturating_sub(of_body as u64));
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
        matches!(self.left, None | Some(0)).then_some((self.connection, self.next))
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
        let Some(left) = self.left else {
            return Pin::new(&mut self.connection).poll_read(cx, buf);
        };
        if left == 0 {
            return self.poll_departure(cx);
        }
        let most = usize::try_from(left).map_or(buf.remaining(), |left| left.min(buf.remaining()));
        let mut mine = ReadBuf::new(buf.initialize_unfilled_to(most));
        ready!(Pin::new(&mut self.connection).poll_read(cx, &mut mine))?;
        let count = mine.filled().len();
        buf.advance(count);
        self.left = Some(left.saturating_sub(count as u64));
        Poll::Ready(Ok(()))
    }
}

/// Writing is the request's own business, whatever was read.
impl AsyncWrite for Share {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for Share {
    async fn shutdown(&mut self) {
        self.connection.shutdown().await;
    }
}

impl UniqueID for Share {
    fn id(&self) -> UniqueIDType {
        self.connection.id()
    }
}

impl Ssl for Share {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.connection.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.connection.selected_alpn_proto()
    }
}

impl GetTimingDigest for Share {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.connection.get_timing_digest()
    }
}

impl GetProxyDigest for Share {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.connection.get_proxy_digest()
    }
}

impl GetSocketDigest for Share {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.connection.get_socket_digest()
    }
}

/// Nobody looks ahead: what comes first was read already.
impl Peek for Share {}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use futures_util::FutureExt as _;
    use pingora::protocols::l4::stream::Stream as Socket;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    const HEAD: &[u8] = b"POST / HTTP/1.1\r\n\r\n";

    async fn pair() -> (TcpStream, Stream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (client, Box::new(Socket::from(server)))
    }

    fn share(connection: Stream, behind: &[u8], body: BodyLength) -> (Share, BytesMut) {
        let read = BytesMut::from(&[HEAD, behind].concat()[..]);
        Share::new(connection, read, HEAD.len(), body, &Home::default())
    }

    #[tokio::test]
    async fn what_was_read_is_divided_where_the_request_ends() {
        let cases = [
            ("", BodyLength::None, "", "", true),
            ("GET", BodyLength::None, "", "GET", true),
            ("ab", BodyLength::Fixed(3), "ab", "", false),
            ("abcGET", BodyLength::Fixed(3), "abc", "GET", true),
            ("ab", BodyLength::Fixed(u64::MAX), "ab", "", false),
            (
                "1\r\na\r\n0\r\n\r\n",
                BodyLength::Chunked,
                "1\r\na\r\n0\r\n\r\n",
                "",
                true,
            ),
        ];
        for (behind, body, mine, next, here) in cases {
            let (share, request) = share(pair().await.1, behind.as_bytes(), body);
            assert_eq!(request, [HEAD, mine.as_bytes()].concat(), "{body:?}");
            if here {
                assert_eq!(share.end().unwrap().1, next.as_bytes(), "{body:?}");
            } else {
                assert!(share.end().is_none(), "{body:?}");
            }
        }
    }

    #[tokio::test]
    async fn nothing_behind_the_body_is_read_and_nothing_is_lost() {
        let (mut client, connection) = pair().await;
        let (mut share, _) = share(connection, b"a", BodyLength::Fixed(3));
        client.write_all(b"bcGET").await.unwrap();
        let mut body = [0; 2];
        share.read_exact(&mut body).await.unwrap();
        assert_eq!(&body, b"bc");
        client.write_all(b" / HTTP/1.1\r\n\r\n").await.unwrap();
        let wanted = b"GET / HTTP/1.1\r\n\r\n";
        while share.next.len() < wanted.len() {
            assert!(share.read_u8().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        drop(client);
        let (mut connection, mut next) = share.end().unwrap();
        connection.read_buf(&mut next).await.unwrap();
        assert_eq!(next, &wanted[..]);
    }

    #[tokio::test]
    async fn a_connection_comes_home_when_its_request_is_over() {
        for (behind, over) in [("ab", true), ("a", false)] {
            let home = Home::default();
            let read = BytesMut::from(&[HEAD, behind.as_bytes()].concat()[..]);
            let (share, _) = Share::new(pair().await.1, read, HEAD.len(), BodyLength::Fixed(2), &home);
            go_home(Box::new(share));
            assert_eq!(home.take().is_some(), over, "{behind}");
            assert!(home.take().is_none());
        }
    }

    #[tokio::test]
    async fn a_client_that_left_is_noticed() {
        let (client, connection) = pair().await;
        let (mut share, _) = share(connection, b"", BodyLength::None);
        assert!(share.read_u8().now_or_never().is_none());
        drop(client);
        assert_eq!(share.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn a_client_that_sends_on_and_on_has_to_wait() {
        let (mut client, connection) = pair().await;
        let (mut share, _) = share(connection, b"", BodyLength::None);
        let flood = tokio::spawn(async move { while client.write_all(&[b'x'; 4096]).await.is_ok() {} });
        while share.next.len() < EARLY {
            assert!(share.read_u8().now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        assert!(share.read_u8().now_or_never().is_none());
        assert!(share.next.len() < 2 * EARLY);
        flood.abort();
    }
}
