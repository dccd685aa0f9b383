//! Where is the list kept, and for how long does a line of it matter? Plain data, checked; opens nothing.

use std::path::PathBuf;
use std::time::Duration;

use gateward_auth::{Secret, UnixSeconds, whole_seconds};

/// Which store keeps the list.
#[derive(Debug, Clone)]
pub enum Options {
    /// A file of this process alone.
    Embedded {
        /// The file; it is made with mode 0600. Its folder must be there.
        path: PathBuf,
    },
    /// A Redis server that several processes share.
    Redis(RedisOptions),
}

/// What a Redis user of our own has to be allowed, as in an ACL. `config/README.md` tells operators.
pub const NEEDED_COMMANDS: &str = "+set +get +del +expireat +zadd +zrem +zscore +zscan +zrangebyscore +xadd +xrange \
                                   +xrevrange +xread +hset +hmget +time +evalsha +script|load";

/// How to reach Redis, and how to use it.
///
/// A Redis user of our own needs the keys `{gateward}:*` (or whatever the prefix is) and [`NEEDED_COMMANDS`]; SELECT, too,
/// where the URL names another database than 0. Redis should not evict (`maxmemory-policy noeviction`), and should keep
/// what it acknowledged (`appendonly yes`).
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// `redis://[user[:password]@]host[:port][/db]`.
    pub url: String,
    /// Wins over the user name in `url`.
    pub username: Option<String>,
    /// Wins over the password in `url`.
    pub password: Option<Secret>,
    /// Starts every key, and holds exactly one hash tag, so that all keys are in one slot of a cluster.
    pub prefix: String,
    /// The whole list is compared with Redis this often.
    pub resync_every: Duration,
    /// About this many lines are kept in the feed. A replica that falls further behind loads the whole list.
    pub feed_length: usize,
    /// So many entries Redis is asked for at once when the whole list is compared, and the feed is read in between.
    pub page: usize,
}

impl RedisOptions {
    /// The defaults: prefix `{gateward}:`, a resync every 30 s, a feed of 10 000 lines, pages of 2000 entries (about a
    /// millisecond of Redis's time).
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            username: None,
            password: None,
            prefix: "{gateward}:".to_owned(),
            resync_every: Duration::from_secs(30),
            feed_length: 10_000,
            page: 2000,
        }
    }
}

/// The life spans that decide how long a revocation matters.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// The longest life of an access token that the front door accepts.
    pub max_lifetime: Duration,
    /// The life of a refresh token.
    pub refresh_ttl: Duration,
    /// The tolerance of the time checks: a token matters this long after its `exp`.
    pub leeway: Duration,
}

impl Retention {
    /// Until when a revocation made now can matter, for tokens whose `exp` we do not know.
    pub fn longest(&self, now: UnixSeconds) -> UnixSeconds {
        now.plus(self.life()).plus(self.margin())
    }

    /// Whether every revocation that a token with this `iat` may ever have met is still on the list. Tokens of the gateway's
    /// may live for longer than that.
    pub fn covers(&self, issued_at: UnixSeconds, now: UnixSeconds) -> bool {
        now.since(issued_at) <= self.life()
    }

    fn life(&self) -> i64 {
        whole_seconds(self.max_lifetime.max(self.refresh_ttl))
    }

    /// Until when a revocation can matter for a token with this `exp`.
    pub fn beyond(&self, expires_at: UnixSeconds) -> UnixSeconds {
        expires_at.plus(self.margin())
    }

    /// The leeway, and one second for rounding.
    pub(crate) fn margin(&self) -> i64 {
        whole_seconds(self.leeway).saturating_add(1)
    }
}

/// Why the list cannot be opened at all: a mistake of the configuration, or a broken file. (Redis being away is neither.)
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has the file.
    #[error("{} is in use by another process", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be made, read or understood.
    #[error("cannot open {}: {cause}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system or the database library says.
        cause: String,
    },
    /// A kind of Redis that is not supported yet.
    #[error("{scheme}:// is not supported yet (allowed: embedded, redis://host:port/db)")]
    NotYet {
        /// The scheme that was asked for.
        scheme: &'static str,
    },
    /// Not an address of a Redis server. The text never holds the address, because it may hold a password.
    #[error("not a redis address: {0}")]
    Address(&'static str),
    /// The key prefix has no hash tag, or more than one.
    #[error("the key prefix must hold exactly one hash tag, such as {{gateward}}:")]
    Prefix,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_covered_meets_every_revocation_since_it_was_issued() {
        let (day, month) = (Duration::from_secs(86_400), Duration::from_secs(720 * 3600));
        let issued_at = UnixSeconds(1_000_000);
        for (max_lifetime, refresh_ttl) in [(day, month), (month, day)] {
            let retention = Retention {
                max_lifetime,
                refresh_ttl,
                leeway: Duration::ZERO,
            };
            let last = issued_at.plus(720 * 3600);
            assert!(retention.covers(issued_at, last));
            assert!(
                last < retention.longest(issued_at),
                "the revocation is still on the list"
            );
            assert!(!retention.covers(issued_at, last.plus(1)));
        }
    }
}
