//! How often may a client ask for something that needs no credential (WIRE §1.12)?
//!
//! A sliding window per client, which is an IPv4 address or the 64 bits of an IPv6 network, in this process: what came in
//! the window before counts by the part of it that the last window's length still covers. Refused requests count, too. It
//! knows no route.

use std::{
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use axum::{
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use moka::{ops::compute::Op, sync::Cache};

use super::ApiError;
use crate::Timestamp;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// One subscriber has that much of an IPv6 address to choose freely (RFC 6177): only the rest says who asks.
const INTERFACE_BITS: u32 = 64;

/// So many clients are remembered at once: a few megabytes.
const ADDRESSES: u64 = 50_000;

/// At most so many requests of one address in a window.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    limit: u64,
    /// In whole seconds.
    window: i64,
    clients: Cache<IpAddr, Hits>,
}

/// What one address did.
#[derive(Clone, Copy, Debug)]
struct Hits {
    /// When the current window ends, in seconds since 1970.
    until: i64,
    before: u64,
    current: u64,
}

/// What a limiter says about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    /// Requests that are left; `None`: there were too many.
    remaining: Option<u64>,
    /// Seconds to the end of the window.
    reset: i64,
}

impl RateLimiter {
    /// At most `limit` requests of one address in `window`, which is counted in whole seconds.
    pub(crate) fn new(limit: u64, window: Duration) -> Self {
        Self {
            limit,
            window: i64::try_from(window.as_secs()).unwrap_or(i64::MAX),
            // After two windows nothing of what an address did counts any more.
            clients: Cache::builder()
                .max_capacity(ADDRESSES)
                .time_to_idle(window * 2)
                .build(),
        }
    }

    /// `answer` with headers that say how much is left, or 429 without having begun it.
    pub(crate) async fn guard<A: IntoResponse>(
        &self,
        client: IpAddr,
        now: Timestamp,
        answer: impl Future<Output = A>,
    ) -> Response {
        let Standing { remaining, reset } = self.count(client, now.seconds());
        let Some(remaining) = remaining else {
            let refusal = ApiError::text(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests");
            let mut refused = refusal.into_response();
            refused
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(reset));
            return refused;
        };
        let mut answered = answer.await.into_response();
        let headers = answered.headers_mut();
        headers.insert(LIMIT, HeaderValue::from(self.limit));
        headers.insert(REMAINING, HeaderValue::from(remaining));
        headers.insert(RESET, HeaderValue::from(reset));
        answered
    }

    /// Counts a request at `now`, in seconds since 1970.
    fn count(&self, client: IpAddr, now: i64) -> Standing {
        let mut standing = Standing {
            remaining: None,
            reset: self.window,
        };
        // One request of an address at a time: two at once must not both be the last.
        self.clients.entry(subscriber(client)).and_compute_with(|known| {
            let mut hits = self.at(known.map(moka::Entry::into_value), now);
            hits.current = hits.current.saturating_add(1);
            standing = self.standing(hits, now);
            Op::Put(hits)
        });
        standing
    }

    /// What is known, in the window that `now` is in.
    fn at(&self, known: Option<Hits>, now: i64) -> Hits {
        let fresh = Hits {
            until: now.saturating_add(self.window),
            before: 0,
            current: 0,
        };
        let Some(known) = known else { return fresh };
        let over_for = now.saturating_sub(known.until);
        if over_for < 0 {
            known
        } else if over_for < self.window {
            Hits {
                until: known.until.saturating_add(self.window),
                before: known.current,
                current: 0,
            }
        } else {
            fresh
        }
    }

    fn standing(&self, hits: Hits, now: i64) -> Standing {
        // A clock that was set back must not make a window longer.
        let reset = hits.until.saturating_sub(now).clamp(0, self.window);
        let left = u128::from(reset.unsigned_abs());
        let window = u128::from(self.window.unsigned_abs().max(1));
        let carried = u64::try_from(u128::from(hits.before) * left / window).unwrap_or(u64::MAX);
        Standing {
            remaining: self.limit.checked_sub(carried.saturating_add(hits.current)),
            reset,
        }
    }
}

/// Who an address belongs to, by its first address.
fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> INTERFACE_BITS << INTERFACE_BITS).into(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn limiter() -> RateLimiter {
        RateLimiter::new(5, Duration::from_secs(60))
    }

    fn remaining(limiter: &RateLimiter, now: i64) -> Option<u64> {
        limiter.count(CLIENT, now).remaining
    }

    #[test]
    fn so_many_are_allowed_and_no_more() {
        let limiter = limiter();
        let seen: Vec<_> = (0..6).map(|_| remaining(&limiter, 1_000)).collect();
        assert_eq!(seen, [Some(4), Some(3), Some(2), Some(1), Some(0), None]);
        assert_eq!(limiter.count(OTHER, 1_000).remaining, Some(4));
    }

    #[test]
    fn an_ipv6_network_is_one_client() {
        let limiter = limiter();
        let left = |address: &str| limiter.count(address.parse().unwrap(), 1_000).remaining;
        assert_eq!(left("2001:db8:0:1::1"), Some(4));
        assert_eq!(left("2001:db8:0:1:ffff:ffff:ffff:ffff"), Some(3));
        assert_eq!(left("2001:db8:0:2::1"), Some(4));
        assert_eq!(left("192.0.2.1"), Some(4));
        assert_eq!(left("::ffff:192.0.2.1"), Some(3), "the same in other words");
        assert_eq!(left("::ffff:192.0.2.2"), Some(4));
    }

    #[test]
    fn the_window_before_counts_by_what_is_left_of_this_one() {
        let limiter = limiter();
        for _ in 0..5 {
            limiter.count(CLIENT, 1_000);
        }
        // The second window is 1060 to 1120. At 1060 all 5 count, at 1090 half of them do.
        assert_eq!(remaining(&limiter, 1_060), None);
        let half_way = limiter.count(CLIENT, 1_090);
        let expected = Standing {
            remaining: Some(1),
            reset: 30,
        };
        assert_eq!(half_way, expected, "2 of the first window, 2 of this one");
    }

    #[test]
    fn refused_requests_count() {
        let limiter = limiter();
        for _ in 0..50 {
            limiter.count(CLIENT, 1_000);
        }
        assert_eq!(remaining(&limiter, 1_110), None, "a sixth of 50 and this one");
    }

    #[test]
    fn after_two_quiet_windows_nothing_counts() {
        let limiter = limiter();
        for _ in 0..50 {
            limiter.count(CLIENT, 1_000);
        }
        let expected = Standing {
            remaining: Some(4),
            reset: 60,
        };
        assert_eq!(limiter.count(CLIENT, 1_120), expected);
    }

    #[test]
    fn a_clock_that_is_set_back_locks_nobody_out_for_longer_than_a_window() {
        let limiter = limiter();
        limiter.count(CLIENT, 1_000_000);
        assert_eq!(limiter.count(CLIENT, 1_000).reset, 60);
    }
}
