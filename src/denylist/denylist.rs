//! The one handle on the list: ask it, change it, and learn how it is doing. Holds a store, the list in memory, and what
//! keeps the two together; decides nothing itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use gateward_auth::{Standing, TokenId, UnixSeconds, UserId, VerifiedToken};

use crate::options::{OpenError, Options, Retention};
use crate::stats::Stats;
use crate::store::{Adoption, NewFamily, RevokeOutcome, Rotated, Rotation, StoreError};
use crate::trouble::Trouble;

/// Where the time comes from.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// How the list is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// The whole list was loaded at least once. Not ready before.
    pub loaded: bool,
    /// The list may be out of date, or the store cannot be written to.
    pub degraded: bool,
    /// How old the list is; `None` until it was loaded.
    pub age: Option<Duration>,
    /// Lines in memory.
    pub entries: usize,
    /// What is wrong, while something is.
    pub reason: Option<Trouble>,
    /// Times that the store had lost data.
    pub alarms: u64,
}

/// The list of revoked tokens and the live refresh tokens. Cheap to clone; the list closes with its last clone.
#[derive(Clone)]
pub struct Denylist {}

/// Opens the list. An embedded one is loaded when this returns; one in Redis is loaded as soon as Redis is there, which
/// [`Denylist::health`] tells and [`Denylist::loaded`] waits for.
pub async fn open(_options: Options, _clock: Clock, _retention: Retention) -> Result<Denylist, OpenError> {
    Ok(Denylist {})
}

impl Denylist {
    /// What is known about a token. Synchronous, in memory, without locks or allocation.
    pub fn peek(&self, _token: &VerifiedToken, _now: UnixSeconds) -> Standing {
        Standing::Unknown { age: None }
    }

    /// How the list is doing.
    pub fn health(&self) -> Health {
        Health {
            loaded: false,
            degraded: true,
            age: None,
            entries: 0,
            reason: Some(Trouble::Starting),
            alarms: 0,
        }
    }

    /// The counters, for metrics.
    pub fn stats(&self) -> Stats {
        Stats::default()
    }

    /// Comes back when the list was loaded for the first time.
    pub async fn loaded(&self) {}

    /// Starts a login session. Answers the epoch to sign into both tokens. Durable before `Ok`.
    pub async fn open_family(&self, _family: NewFamily) -> Result<u64, StoreError> {
        Err(StoreError::Unavailable {
            reason: Trouble::Starting,
        })
    }

    /// Exchanges a refresh token for its successor. Durable before `Ok`.
    pub async fn rotate(&self, _rotation: Rotation) -> Result<Rotated, StoreError> {
        Err(StoreError::Unavailable {
            reason: Trouble::Starting,
        })
    }

    /// Revokes the login session that a token id names, if it is the caller's; else puts (caller, id) on the list.
    /// Idempotent. Durable before `Ok`.
    pub async fn revoke_token(
        &self,
        _caller: &UserId,
        _id: &TokenId,
        _now: UnixSeconds,
    ) -> Result<RevokeOutcome, StoreError> {
        Err(StoreError::Unavailable {
            reason: Trouble::Starting,
        })
    }

    /// Revokes everything that a user was issued so far, and answers the new epoch. Durable before `Ok`.
    pub async fn revoke_user(&self, _user: &UserId, _now: UnixSeconds) -> Result<u64, StoreError> {
        Err(StoreError::Unavailable {
            reason: Trouble::Starting,
        })
    }

    /// Claims a refresh token that the gateway issued, so that it is exchanged once. `until` is its `exp`.
    pub async fn claim_adoption(
        &self,
        _user: &UserId,
        _id: &TokenId,
        _until: UnixSeconds,
        _now: UnixSeconds,
    ) -> Result<Adoption, StoreError> {
        Err(StoreError::Unavailable {
            reason: Trouble::Starting,
        })
    }

    /// Gives a claim back, after an exchange that did not happen (the gateway was away).
    pub async fn release_adoption(&self, _user: &UserId, _id: &TokenId) -> Result<(), StoreError> {
        Err(StoreError::Unavailable {
            reason: Trouble::Starting,
        })
    }

    /// Closes the list: what was accepted is finished, the file is released. Later changes are refused.
    pub async fn close(&self) {}
}
