//! A refresh token that the gateway issued, on its way into a family of ours: who is at it, and what has become of it? The
//! rules for the embedded store, on plain data; `redis/claim_adoption.lua` and `redis/adopt.lua` say the same for Redis,
//! and one suite holds both to it. Knows nothing of the gateway.
//!
//! Whoever claims a token has it alone until its lease ends; a claim that nobody finished is then free again, because only
//! the gateway knows whether it was asked. Finishing keeps the claims of the new pair, as a rotation does, so that whoever
//! presents the token within the grace gets the same pair, on every replica.

use std::time::Duration;

use gateward_auth::{FamilyId, TokenId, UnixSeconds, UserId};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::family::{Claims, within};
use crate::ids::family_of;
use crate::replica::Subject;
use crate::store::Successor;

/// A refresh token that the gateway issued.
#[derive(Debug, Clone)]
pub struct ForeignToken {
    /// Whose it is.
    pub user: UserId,
    /// Its id.
    pub id: TokenId,
    /// Its `iat`: it has no epoch.
    pub issued_at: UnixSeconds,
    /// Its `exp`.
    pub expires_at: UnixSeconds,
}

/// An attempt to have the gateway exchange a token.
#[derive(Debug, Clone)]
pub struct Claim {
    /// Which token.
    pub token: ForeignToken,
    /// A word that no other attempt has.
    pub owner: String,
    /// How long nobody else may try.
    pub lease: Duration,
    /// For how long after its adoption the token gets the same pair again. Zero: never.
    pub grace: Duration,
}

/// The end of an attempt: the gateway has exchanged the token.
#[derive(Debug, Clone)]
pub struct Adopt {
    /// Which token.
    pub token: ForeignToken,
    /// The family that starts.
    pub family: FamilyId,
    /// Its first pair.
    pub pair: Successor,
    /// As in [`Claim::grace`].
    pub grace: Duration,
}

/// How far the adoption of a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adoption {
    /// The claim is this attempt's: the gateway may be asked.
    Claimed,
    /// Another attempt has it.
    Busy,
    /// The token has become a family: sign this pair, with this epoch.
    Done(Successor, u64),
    /// It has become one, longer than the grace ago.
    Spent,
    /// The token, its user's tokens, or what has become of it were revoked.
    Revoked,
}

/// What the embedded store keeps about a token.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Record {
    /// Somebody is at it.
    Claimed {
        owner: String,
        at_millis: i64,
        lease_millis: u64,
    },
    /// It was adopted.
    Done { at_millis: i64, epoch: u64, pair: Claims },
}

impl ForeignToken {
    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            user: &self.user,
            id: &self.id,
            family: None,
            epoch: None,
            issued_at: self.issued_at,
        }
    }
}

impl Claim {
    /// The claim as it is kept.
    pub(crate) fn record(&self, at_millis: i64) -> Record {
        Record::Claimed {
            owner: self.owner.clone(),
            at_millis,
            lease_millis: clock::millis(self.lease),
        }
    }
}

impl Adopt {
    /// The finished adoption as it is kept.
    pub(crate) fn record(&self, at_millis: i64, epoch: u64) -> Record {
        Record::Done {
            at_millis,
            epoch,
            pair: Claims::of(&self.pair),
        }
    }
}

impl Record {
    /// What the record says to whoever presents the token now; `None` if nothing that still counts. The time is the
    /// store's own.
    pub(crate) fn standing(&self, owner: &str, grace: Duration, at_millis: i64) -> Option<Adoption> {
        match self {
            Self::Claimed {
                owner: other,
                at_millis: then,
                lease_millis,
            } => {
                let lease = Duration::from_millis(*lease_millis);
                (other != owner && within(*then, at_millis, lease)).then_some(Adoption::Busy)
            }
            Self::Done {
                at_millis: then,
                epoch,
                pair,
            } => Some(match pair.claims().filter(|_| within(*then, at_millis, grace)) {
                Some(pair) => Adoption::Done(pair, *epoch),
                None => Adoption::Spent,
            }),
        }
    }

    /// Whether this attempt made the claim.
    pub(crate) fn is_claim_of(&self, owner: &str) -> bool {
        matches!(self, Self::Claimed { owner: other, .. } if other == owner)
    }

    /// The family that the token has become.
    pub(crate) fn family(&self) -> Option<FamilyId> {
        match self {
            Self::Claimed { .. } => None,
            Self::Done { pair, .. } => family_of(pair.claims()?.access.as_str()),
        }
    }
}
