//! How long may a peer leave unread what we send? The system takes what fits into its buffers; a peer that has more coming
//! is waited for, but not for ever. It knows no HTTP: what is behind is behind, and a stream of events that was read so far
//! is not.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A peer that takes nothing of what we have sent for so long, or does not say that it is there, is gone.
pub(super) const UNREAD: Duration = Duration::from_secs(60);
/// A peer that takes a little now and then is given up, too, when it has not caught up for so long: as long as the
/// reference takes to write an answer (WIRE §1.4).
const BEHIND: Duration = Duration::from_secs(30 * 60);

/// A stream whose writes fail when its peer takes too long to read them.
#[derive(Debug)]
pub(super) struct Outlet<S> {
    stream: S,
    /// Since the stream took no more, until all is written.
    behind: Option<Behind>,
}

#[derive(Debug)]
struct Behind {
    caught_up_by: Instant,
    /// The end of our patience, as things are.
    gone: Pin<Box<Sleep>>,
}

impl<S> Outlet<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, behind: None }
    }

    /// The same, unless the stream takes nothing and our patience is at its end.
    fn judge(&mut self, written: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match (&written, &mut self.behind) {
            (Poll::Pending, behind) => {
                let behind = behind.get_or_insert_with(|| Behind::from(Instant::now()));
                ready!(behind.gone.as_mut().poll(context));
                let error = io::Error::new(io::ErrorKind::TimedOut, "the peer does not read what it is sent");
                return Poll::Ready(Err(error));
            }
            (Poll::Ready(_), Some(behind)) => behind.go_on(Instant::now()),
            (Poll::Ready(_), None) => {}
        }
        written
    }
}

impl Behind {
    fn from(now: Instant) -> Self {
        Self {
            caught_up_by: now + BEHIND,
            gone: Box::pin(sleep_until(now + UNREAD)),
        }
    }

    /// Something was taken.
    fn go_on(&mut self, now: Instant) {
        self.gone.as_mut().reset(self.caught_up_by.min(now + UNREAD));
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Outlet<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.judge(written, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.judge(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Whoever flushes has nothing left to write.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = ready!(Pin::new(&mut self.stream).poll_flush(context));
        self.behind = None;
        Poll::Ready(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Outlet<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// So much fits in between.
    const ROOM: usize = 10;

    /// An outlet and its peer, with so much more than fits under way.
    fn writing(more: usize) -> (DuplexStream, tokio::task::JoinHandle<io::Result<()>>) {
        let (near, far) = duplex(ROOM);
        let writing = tokio::spawn(async move {
            let mut outlet = Outlet::new(near);
            outlet.write_all(&vec![0; ROOM + more]).await?;
            outlet.flush().await
        });
        (far, writing)
    }

    fn is_given_up(ended: Result<io::Result<()>, tokio::task::JoinError>) -> bool {
        ended.unwrap().unwrap_err().kind() == io::ErrorKind::TimedOut
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_is_gone_after_a_minute() {
        let (_peer, writing) = writing(1);
        let start = Instant::now();
        assert!(is_given_up(writing.await));
        assert_eq!(start.elapsed(), UNREAD);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_slowly_has_half_an_hour() {
        let (mut peer, writing) = writing(1_000);
        let start = Instant::now();
        let mut taken = 0;
        while peer.read_u8().await.is_ok() {
            taken += 1;
            tokio::time::sleep(UNREAD - Duration::from_secs(1)).await;
        }
        assert!(is_given_up(writing.await));
        assert!(start.elapsed() > BEHIND && taken > 30, "{:?}, {taken}", start.elapsed());

        let (mut peer, writing) = self::writing(30);
        for _ in 0..30 {
            peer.read_u8().await.unwrap();
            tokio::time::sleep(UNREAD - Duration::from_secs(1)).await;
        }
        writing.await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_catches_up_again_and_again_may_listen_for_ever() {
        let (near, mut peer) = duplex(ROOM);
        let mut outlet = Outlet::new(near);
        for _ in 0..100 {
            // It is behind for most of a minute, and then not.
            let reading = async {
                tokio::time::sleep(UNREAD - Duration::from_secs(1)).await;
                peer.read_exact(&mut [0; ROOM + 1]).await.unwrap();
            };
            let event = [0; ROOM + 1];
            let writing = async {
                outlet.write_all(&event).await?;
                outlet.flush().await
            };
            let (written, ()) = tokio::join!(writing, reading);
            written.unwrap();
            tokio::time::sleep(UNREAD).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_read_passes_as_it_is() {
        let (near, mut peer) = duplex(ROOM);
        peer.write_all(b"asked").await.unwrap();
        let mut asked = [0; 5];
        Outlet::new(near).read_exact(&mut asked).await.unwrap();
        assert_eq!(&asked, b"asked");
    }
}
