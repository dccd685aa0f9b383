//! Which users are there, as far as was seen lately? Every request with a minted token names one, and to ask the database
//! each time would cost as much as many a request itself.
//!
//! It keeps no password, and nobody who is not there: a user of a moment ago is found at once. No program deletes users;
//! one that an operator deletes owns nothing from that moment on but what else is remembered of him, and is refused after
//! [`TTL`].

use std::time::Duration;

use moka::sync::Cache;

use super::UserId;

/// How long a user is known after the database was asked.
const TTL: Duration = Duration::from_secs(60);
/// So many users at once.
const CAPACITY: u64 = 10_000;

/// Users by their logins as tokens spell them.
#[derive(Debug)]
pub(super) struct KnownUsers(Cache<String, UserId>);

impl KnownUsers {
    pub(super) fn new() -> Self {
        Self(Cache::builder().time_to_live(TTL).max_capacity(CAPACITY).build())
    }

    /// The user in the stored spelling.
    pub(super) fn recall(&self, login: &str) -> Option<UserId> {
        self.0.get(login)
    }

    pub(super) fn remember(&self, login: &str, user: &UserId) {
        self.0.insert(login.to_owned(), user.clone());
    }
}
