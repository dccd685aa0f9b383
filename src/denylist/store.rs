//! What must a durable store be able to do? Says nothing of how, and nothing of the list in memory.

use std::time::Duration;

use gateward_auth::{FamilyId, TokenId, UnixSeconds, UserId};

use crate::adoption::{Adopt, Adoption, Claim, ForeignToken};
use crate::trouble::Trouble;

/// An operation in flight in Redis is given up after this long (a script takes it well under a millisecond).
pub const ANSWER_WITHIN: Duration = Duration::from_millis(500);

/// Why there is no answer. Nothing is known about the effect: it may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be used just now.
    #[error("store unavailable: {reason}")]
    Unavailable {
        /// Why.
        reason: Trouble,
    },
}

/// A login session that starts.
#[derive(Debug, Clone)]
pub struct NewFamily {
    /// Its id, from [`crate::ids::new_family`].
    pub family: FamilyId,
    /// Whose it is.
    pub user: UserId,
    /// The id of its first refresh token.
    pub refresh: TokenId,
    /// When the pair is issued.
    pub issued_at: UnixSeconds,
    /// The access token's `exp`.
    pub access_expires_at: UnixSeconds,
    /// The refresh token's `exp`.
    pub refresh_expires_at: UnixSeconds,
}

impl NewFamily {
    /// The session that starts with this pair.
    pub fn new(family: FamilyId, user: UserId, pair: &Successor) -> Self {
        Self {
            family,
            user,
            refresh: pair.refresh.clone(),
            issued_at: pair.issued_at,
            access_expires_at: pair.access_expires_at,
            refresh_expires_at: pair.refresh_expires_at,
        }
    }
}

/// The claims of a pair of tokens, so that they can be signed again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Successor {
    /// The access token's id.
    pub access: TokenId,
    /// The refresh token's id.
    pub refresh: TokenId,
    /// The access token's scopes (the refresh token's `original_scopes`).
    pub scopes: Vec<Box<str>>,
    /// The `iat` of both.
    pub issued_at: UnixSeconds,
    /// The access token's `exp`.
    pub access_expires_at: UnixSeconds,
    /// The refresh token's `exp`.
    pub refresh_expires_at: UnixSeconds,
}

/// A refresh token that is presented, and the pair that would follow.
#[derive(Debug, Clone)]
pub struct Rotation {
    /// The family that the presented token names.
    pub family: FamilyId,
    /// The user that it names.
    pub user: UserId,
    /// Its id.
    pub presented: TokenId,
    /// Its epoch claim.
    pub epoch: u64,
    /// The pair that becomes live if the presented token is the live one.
    pub successor: Successor,
    /// For how long the presented token gets the same pair again. Zero: never.
    pub grace: Duration,
    /// The time.
    pub now: UnixSeconds,
}

/// What became of a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// The proposed successor is live. Both tokens carry this epoch.
    Fresh(u64),
    /// The token was exchanged a moment ago: sign this pair again, with this epoch.
    Replayed(Successor, u64),
    /// The token was exchanged before. The family is revoked now.
    Reused,
    /// No exchange.
    Refused(Refused),
}

/// Why a rotation is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// The store knows no such family, or not of this user.
    Unknown,
    /// The token, its family, or its user's tokens were revoked.
    Revoked,
    /// The family has expired.
    Expired,
}

impl Refused {
    /// A word from a closed set, for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// What became of revoking a token id. All but the last are success towards the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RevokeOutcome {
    /// The id names this family of the caller's, which is revoked.
    Family(FamilyId),
    /// The store does not know the id: (caller, id) is on the list.
    TokenListed,
    /// The id names a family of somebody else, which stays as it is: (caller, id) is on the list.
    Foreign,
    /// The id is not the caller's as far as the store knows, and the caller has too many of those on the list: nothing
    /// has changed.
    TooMany,
}

impl RevokeOutcome {
    /// A word from a closed set, for logs and metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Family(_) => "family",
            Self::TokenListed => "token",
            Self::Foreign => "foreign",
            Self::TooMany => "too_many",
        }
    }
}

/// The epoch that follows. It also grows with the time, so that an epoch that the store has dropped or lost is never given
/// out again while a token of it can be good.
pub(crate) fn next_epoch(current: u64, now: UnixSeconds) -> u64 {
    current.saturating_add(1).max(u64::try_from(now.0).unwrap_or(0))
}

/// A durable store. Every method that changes something is one atomic step, durable and merged into the list in memory
/// before it answers `Ok`.
#[async_trait::async_trait]
pub(crate) trait Store: Send + Sync {
    /// Starts a family and answers the user's epoch. `known_epoch` is what the caller's list says; the higher one counts,
    /// so that a store that lost data does not lead an epoch backwards.
    async fn open_family(&self, family: &NewFamily, known_epoch: u64) -> Result<u64, StoreError>;
    /// Exchanges a refresh token.
    async fn rotate(&self, rotation: &Rotation, known_epoch: u64) -> Result<Rotated, StoreError>;
    /// Revokes a token id for a caller. `may_list`: whether (caller, id) may be put on the list.
    async fn revoke_token(
        &self,
        caller: &UserId,
        id: &TokenId,
        may_list: bool,
        now: UnixSeconds,
    ) -> Result<RevokeOutcome, StoreError>;
    /// Revokes everything that a user was issued so far and answers the new epoch.
    async fn revoke_user(&self, user: &UserId, now: UnixSeconds, known_epoch: u64) -> Result<u64, StoreError>;
    /// What has become of a refresh token of the gateway's; `None` if nobody is at it. `grace` as in [`Claim::grace`].
    async fn adoption(&self, token: &ForeignToken, grace: Duration) -> Result<Option<Adoption>, StoreError>;
    /// Claims a refresh token of the gateway's, or says why not.
    async fn claim_adoption(&self, claim: &Claim) -> Result<Adoption, StoreError>;
    /// Starts the family that a token has become, unless the token was revoked meanwhile or has become another one before.
    /// `known_epoch` is as in [`Store::open_family`].
    async fn adopt(&self, adopt: &Adopt, known_epoch: u64) -> Result<Adoption, StoreError>;
    /// Gives an attempt's claim back, after an exchange that did not happen, and answers as [`Store::adoption`].
    async fn release_adoption(
        &self,
        token: &ForeignToken,
        owner: &str,
        grace: Duration,
    ) -> Result<Option<Adoption>, StoreError>;
    /// Drops what expired long enough ago.
    async fn purge(&self, now: UnixSeconds) -> Result<(), StoreError>;
    /// Stops: what was accepted is finished, files are closed.
    async fn close(&self);
}
