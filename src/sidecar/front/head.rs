//! Has a whole request head arrived, and in time? Reads bytes and hands them on unchanged; what they mean is
//! said by `framing`.

use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Buf as _, BytesMut};
use pingora::prelude::timeout;
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, Sleep};

use super::preface::PREFACE;
use crate::framing::{BodyLength, Head, Scanner};
use crate::reply::Refusal;

/// Room for an ordinary head; one read takes it all.
const FIRST_READ: usize = 4096;

/// How long, and how much.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeadRules {
    /// Longest wait for the first byte.
    pub(super) idle: Duration,
    /// Longest time from the first byte to the last.
    pub(super) head: Duration,
    /// Longest head in bytes.
    pub(super) limit: usize,
    /// Whether HTTP/2 without TLS is spoken.
    pub(super) h2c: bool,
}

/// What came.
#[derive(Debug)]
pub(super) enum Opening {
    /// A head that means one thing only, and perhaps the beginning of the body.
    Request {
        /// Everything that came so far.
        read: BytesMut,
        /// How long the head is.
        head: usize,
        /// How the body ends.
        body: BodyLength,
    },
    /// The HTTP/2 preface, and perhaps more.
    Preface(BytesMut),
    /// Something that is answered and not forwarded.
    Refused(Refusal),
    /// Nothing: the client left, or waited too long, or we are stopping.
    Closed,
}

/// What ends the wait for a request. Made once for a connection: a timer and a watch that are set up anew for every
/// request cost more than reading its head.
pub(super) struct Vigil {
    patience: Pin<Box<Sleep>>,
    stopping: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl Vigil {
    pub(super) fn new(stopping: &ShutdownWatch) -> Self {
        let mut stopping = stopping.clone();
        Self {
            patience: Box::pin(tokio::time::sleep(Duration::ZERO)),
            stopping: Box::pin(async move {
                // An error means that nobody is left to stop us: that is a stop, too.
                let _ = stopping.wait_for(|stopping| *stopping).await;
            }),
        }
    }

    /// How many bytes came; `None` when the time is over or we are stopping.
    async fn first_bytes(
        &mut self,
        stream: &mut Stream,
        bytes: &mut BytesMut,
        idle: Duration,
    ) -> Option<io::Result<usize>> {
        self.patience.as_mut().reset(Instant::now() + idle);
        tokio::select! {
            biased;
            read = stream.read_buf(bytes) => Some(read),
            () = &mut self.patience => None,
            () = &mut self.stopping => None,
        }
    }
}

/// Waits for the next request on a connection. `bytes` are those of it that came together with the one before.
pub(super) async fn read(stream: &mut Stream, mut bytes: BytesMut, rules: &HeadRules, vigil: &mut Vigil) -> Opening {
    if bytes.is_empty() {
        bytes.reserve(FIRST_READ);
        if !matches!(vigil.first_bytes(stream, &mut bytes, rules.idle).await, Some(Ok(1..))) {
            return Opening::Closed;
        }
    }
    let mut deadline = None;
    let mut scanner = Scanner::new(rules.limit);
    let mut recognised = false;
    loop {
        match start_of(&bytes, rules.h2c) {
            _ if recognised => {}
            Start::Unclear => {}
            Start::Preface => return Opening::Preface(bytes),
            Start::Http1 { skip } => {
                bytes.advance(skip);
                recognised = true;
            }
        }
        if recognised {
            match scanner.advance(&bytes) {
                Ok(None) => {}
                Ok(Some(Head { length, body })) => {
                    let (read, head) = (bytes, length);
                    return Opening::Request { read, head, body };
                }
                Err(error) => return Opening::Refused(Refusal::Framing(error)),
            }
        }
        bytes.reserve(FIRST_READ);
        // Most heads come whole, and need no look at the clock.
        let now = Instant::now();
        let left = deadline.get_or_insert(now + rules.head).saturating_duration_since(now);
        match timeout(left, stream.read_buf(&mut bytes)).await {
            Ok(Ok(1..)) => {}
            Ok(_) => return Opening::Closed,
            Err(_elapsed) => return Opening::Refused(Refusal::HeadTimeout),
        }
    }
}

/// Which protocol a connection speaks, as far as its first bytes tell.
enum Start {
    Unclear,
    Preface,
    /// After so many bytes of an empty line, which RFC 9112 §2.2 wants ignored. One, not many.
    Http1 {
        skip: usize,
    },
}

fn start_of(bytes: &[u8], h2c: bool) -> Start {
    if h2c && bytes.starts_with(PREFACE) {
        Start::Preface
    } else if (h2c && PREFACE.starts_with(bytes)) || bytes == b"\r" {
        Start::Unclear
    } else {
        Start::Http1 {
            skip: if bytes.starts_with(b"\r\n") { 2 } else { 0 },
        }
    }
}
