//! How long may a peer leave unread what we send? The system takes what fits into its buffers; a peer that has more coming
//! is waited for as long as it goes on reading, however long the whole takes, but not one that takes nothing or next to
//! nothing. It knows no HTTP: what is behind is behind, and a stream of events that was read so far is not.
//!
//! That something was read shows when the system takes more, which it does in portions ([`UNSENT`]); and a peer's own
//! system tells ours of room in its buffer only once there is a sixteenth of it. So whoever reads [`LEAST`] bytes a second
//! is never given up for what we ask, and hardly anybody for what the systems hide, who reads several times as many.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// A peer that takes nothing of what we have sent for so long, or does not say that it is there, is gone.
pub(super) const UNREAD: Duration = Duration::from_secs(60);
/// Whoever is behind has to take so many bytes a second in the long run: slower than the slowest of modems, and an answer
/// of many megabytes is through within hours.
const LEAST: u64 = 1024;
/// So many bytes the system takes for a peer that are not on their way yet. Else it would take megabytes, and then no more
/// until a third of them is gone: a minute of that is 23 KB a second.
#[cfg(target_os = "linux")]
pub(super) const UNSENT: u32 = 64 * 1024;

/// A stream whose writes fail when its peer takes too long to read them.
#[derive(Debug)]
pub(super) struct Outlet<S> {
    stream: S,
    /// Since the stream took no more, until all is written.
    behind: Option<Behind>,
}

/// The end of our patience, as things are.
#[derive(Debug)]
struct Behind(Pin<Box<Sleep>>);

impl<S> Outlet<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, behind: None }
    }

    /// The same, unless the stream takes nothing and our patience is at its end.
    fn judge(&mut self, written: Poll<io::Result<usize>>, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match (&written, &mut self.behind) {
            (Poll::Pending, behind) => {
                let Behind(gone) = behind.get_or_insert_with(|| Behind::from(Instant::now()));
                ready!(gone.as_mut().poll(context));
                let error = io::Error::new(io::ErrorKind::TimedOut, "the peer does not read what it is sent");
                return Poll::Ready(Err(error));
            }
            (Poll::Ready(Ok(bytes)), Some(behind)) => behind.go_on(*bytes, Instant::now()),
            (Poll::Ready(_), _) => {}
        }
        written
    }
}

impl Behind {
    fn from(now: Instant) -> Self {
        Self(Box::pin(sleep_until(now + UNREAD)))
    }

    /// So many bytes were taken: each is worth the time that it may take, none more than we wait for anything.
    fn go_on(&mut self, bytes: usize, now: Instant) {
        let Self(gone) = self;
        let earned = Duration::from_micros(u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(1_000_000) / LEAST);
        let until = gone.deadline().checked_add(earned).unwrap_or(now + UNREAD);
        gone.as_mut().reset(until.min(now + UNREAD));
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

    /// How long it takes to write so much to somebody who reads so many bytes every so often, and how it ends.
    async fn written_to(bytes: usize, every: Duration, all: usize) -> (Duration, Option<io::ErrorKind>) {
        let (mut peer, writing) = writing(all);
        let start = Instant::now();
        let reading = tokio::spawn(async move {
            let mut portion = vec![0; bytes];
            while peer.read_exact(&mut portion).await.is_ok() {
                tokio::time::sleep(every).await;
            }
        });
        let ended = writing.await.unwrap();
        reading.abort();
        (start.elapsed(), ended.err().map(|error| error.kind()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_goes_on_reading_has_all_the_time_it_needs() {
        for (bytes, seconds) in [(1024, 1), (60 * 1024, 59)] {
            let (time, trouble) = written_to(bytes, Duration::from_secs(seconds), 3 << 20).await;
            assert_eq!(trouble, None);
            assert!(time > Duration::from_secs(45 * 60), "{bytes}: {time:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_next_to_nothing_is_gone_soon() {
        for (bytes, seconds, at_most) in [(1, 59, 2), (1, 1, 2), (512, 1, 3)] {
            let (time, trouble) = written_to(bytes, Duration::from_secs(seconds), 3 << 20).await;
            assert_eq!(trouble, Some(io::ErrorKind::TimedOut));
            assert!(time >= UNREAD && time < at_most * UNREAD, "{bytes}: {time:?}");
        }
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
