//! How many connections and requests are there at this moment? Lets a stop wait for the last one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// The traffic of one process.
#[derive(Debug, Default)]
pub struct Traffic {
    connections: AtomicUsize,
    /// Requests that have an end.
    finite: AtomicUsize,
    /// Requests that go on until somebody leaves.
    lasting: AtomicUsize,
    quiet: Notify,
}

impl Traffic {
    /// Client connections now.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Requests in flight now.
    pub fn requests(&self) -> usize {
        self.finite.load(Ordering::Acquire) + self.lasting.load(Ordering::Relaxed)
    }

    /// Those of them that end by themselves.
    pub fn finite_requests(&self) -> usize {
        self.finite.load(Ordering::Acquire)
    }

    /// Counts a connection as long as the result lives; `None` when there are `limit` already.
    pub fn connect(self: &Arc<Self>, limit: usize) -> Option<Connected> {
        let connected = Connected(Arc::clone(self));
        // The guard counts itself off again when there are too many.
        let before = self.connections.fetch_add(1, Ordering::Relaxed);
        (before < limit).then_some(connected)
    }

    /// Counts a request as long as the result lives.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.finite.fetch_add(1, Ordering::AcqRel);
        InFlight {
            traffic: Arc::clone(self),
            lasts: false,
        }
    }

    /// Waits until no request is in flight that ends by itself.
    pub async fn quiet(&self) {
        loop {
            let notified = self.quiet.notified();
            if self.finite_requests() == 0 {
                return;
            }
            notified.await;
        }
    }

    fn end_finite(&self) {
        if self.finite.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.quiet.notify_waiters();
        }
    }
}

/// One client connection.
#[derive(Debug)]
pub struct Connected(Arc<Traffic>);

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One request in flight.
#[derive(Debug)]
pub struct InFlight {
    traffic: Arc<Traffic>,
    lasts: bool,
}

impl InFlight {
    /// It is a stream, which goes on until somebody leaves: a stop does not wait for it.
    pub fn lasts(&mut self) {
        if !std::mem::replace(&mut self.lasts, true) {
            self.traffic.lasting.fetch_add(1, Ordering::Relaxed);
            self.traffic.end_finite();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.lasts {
            self.traffic.lasting.fetch_sub(1, Ordering::Relaxed);
        } else {
            self.traffic.end_finite();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn connections_beyond_the_limit_are_refused_and_not_counted() {
        let traffic = Arc::new(Traffic::default());
        let first = traffic.connect(1);
        assert!(first.is_some());
        assert!(traffic.connect(1).is_none());
        assert_eq!(traffic.connections(), 1);
        drop(first);
        assert_eq!(traffic.connections(), 0);
        assert!(traffic.connect(1).is_some());
    }

    #[tokio::test]
    async fn quiet_comes_with_the_end_of_the_last_request() {
        let traffic = Arc::new(Traffic::default());
        let (first, second) = (traffic.begin(), traffic.begin());
        let mut quiet = Box::pin(traffic.quiet());
        assert!(quiet.as_mut().now_or_never().is_none());
        drop(first);
        assert!(quiet.as_mut().now_or_never().is_none());
        drop(second);
        quiet.await;
        assert_eq!(traffic.requests(), 0);
    }

    #[tokio::test]
    async fn a_request_that_lasts_is_in_flight_and_holds_nobody_up() {
        let traffic = Arc::new(Traffic::default());
        let mut stream = traffic.begin();
        let mut quiet = Box::pin(traffic.quiet());
        assert!(quiet.as_mut().now_or_never().is_none());
        stream.lasts();
        stream.lasts();
        quiet.await;
        assert_eq!((traffic.requests(), traffic.finite_requests()), (1, 0));
        drop(stream);
        assert_eq!(traffic.requests(), 0);
    }
}
