//! How does a body come in? When somebody reads it: nothing of it is kept here. What is wrong with it is remembered, so
//! that it can be said even if whoever should have read it had another reason to refuse.
//!
//! The reference reads every body before it looks at who sends it (WIRE §1.4), and keeps it; here nobody who is unknown
//! makes us keep one.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use hyper::body::Frame;
use tokio::time::{Sleep, sleep};

use super::ApiError;

/// The largest body, in bytes.
pub(super) const MAX_BODY: usize = 4 * 1024 * 1024;
/// How long a body may take to come; the reference's 5 s are for clients nearer than a phone.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("it is longer than {MAX_BODY} bytes")]
    TooLong,
    #[error("it does not come")]
    TooSlow,
    #[error("it broke off")]
    BrokenOff,
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLong => Self::unrouted(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
            Fault::TooSlow => Self::unrouted(StatusCode::REQUEST_TIMEOUT, "Request Timeout"),
            // Hardly anybody is left to read why.
            Fault::BrokenOff => Self::unrouted(StatusCode::BAD_REQUEST, "Bad Request"),
        }
    }
}

/// A body on its way. Clones are the same body: what one reads, no other does.
#[derive(Clone, Debug)]
pub(super) struct Arriving(Arc<Mutex<Rest>>);

/// What has not come yet.
#[derive(Debug)]
struct Rest {
    body: Body,
    /// So many bytes may come.
    room: usize,
    /// Since it had to be waited for.
    patience: Option<Pin<Box<Sleep>>>,
    fault: Option<Fault>,
}

impl Arriving {
    pub(super) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Rest {
            body,
            room: MAX_BODY,
            patience: None,
            fault: None,
        })))
    }

    /// Lets what nobody has read go by, to its end. Says what is wrong with it, also if whoever read it knows already.
    pub(super) async fn pass_by(&self) -> Result<(), Fault> {
        while let Some(frame) = std::future::poll_fn(|context| self.lock().poll(context)).await {
            frame?;
        }
        Ok(())
    }

    // No code panics while it holds this lock; one reads after the other.
    fn lock(&self) -> MutexGuard<'_, Rest> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = Fault;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        self.lock().poll(context)
    }
}

impl Rest {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Fault>>> {
        let fault = match self.fault {
            Some(fault) => fault,
            None => match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Ok(frame))) => match self.room.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                    Some(room) => {
                        self.room = room;
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    None => Fault::TooLong,
                },
                Poll::Ready(Some(Err(_))) => Fault::BrokenOff,
                Poll::Pending => {
                    let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
                    ready!(patience.as_mut().poll(context));
                    Fault::TooSlow
                }
            },
        };
        self.fault = Some(fault);
        // Nobody wants the rest.
        self.body = Body::empty();
        Poll::Ready(Some(Err(fault)))
    }
}
