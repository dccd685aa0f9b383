//! A refresh token that the gateway issued, on its way into a family of ours: who is at it, and what has become of it? The
//! rules for the embedded store, on plain data; `redis/adoption.lua` and those that it is part of say the same for Redis,
//! and one suite holds both to it. Knows nothing of the gateway.
//!
//! Whoever claims a token has it alone until its lease ends; a claim that nobody finished is then free again, because only
//! the gateway knows whether it was asked. Whoever claimed it before may still finish for a while: as long as that is so, the
//! claim is contested, and that the gateway refuses the token does not mean that nobody has exchanged it. Finishing keeps
//! the claims of the new pair, as a rotation does, so that whoever presents the token within the grace gets the same pair,
//! on every replica. So does whoever presents it later, as long as nobody has refreshed with the pair: the store may have
//! started the family after its answer was given up, and then the client never had it. Once the pair was used, whoever
//! presents the token has the second of two copies, which ends what it has become; if that one uses the pair before the
//! other does, the other ends it.

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
    /// How long nobody else may try: longer than an attempt takes.
    pub lease: Duration,
    /// How long after the end of its lease an attempt may still finish.
    pub may_finish: Duration,
    /// For how long after its adoption the token gets the same pair again, used or not. Whoever has waited is owed the
    /// pair for as much longer: the token was presented before.
    pub grace: Duration,
}

/// The end of an attempt: the gateway has exchanged the token.
#[derive(Debug, Clone)]
pub struct Adopt {
    /// Which token.
    pub token: ForeignToken,
    /// The family that starts. Proposing the same one again is finishing once, whatever the pair and the grace.
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
    Claimed {
        /// Another attempt did not finish in time, and still may.
        contested: bool,
    },
    /// Another attempt has it.
    Busy,
    /// The token has become a family: sign this pair, with this epoch.
    Done(Successor, u64),
    /// It has become this one, longer than the grace ago, which was refreshed since. The family and the token are revoked now.
    Reused(FamilyId),
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
        /// Until when another attempt may still finish.
        #[serde(default)]
        contested_until: i64,
    },
    /// It was adopted.
    Done { at_millis: i64, epoch: u64, pair: Claims },
}

/// What a record says to whoever presents the token.
#[derive(Debug)]
pub(crate) enum Standing {
    /// Another attempt has the token.
    Busy,
    /// This pair, with this epoch.
    Done(Successor, u64),
    /// The token has become this family, and the grace is over: only a pair that nobody has used is given again.
    Over {
        family: FamilyId,
        pair: Successor,
        epoch: u64,
    },
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
    /// The claim as it is kept, after what was kept before; and whether it is contested.
    pub(crate) fn record(&self, before: Option<&Record>, at_millis: i64) -> (Record, bool) {
        let contested_until = match before {
            Some(Record::Claimed {
                owner,
                at_millis: then,
                lease_millis,
                contested_until,
            }) => {
                let finishing = lease_millis.saturating_add(clock::millis(self.may_finish));
                let other = (*owner != self.owner).then(|| then.saturating_add_unsigned(finishing));
                other.unwrap_or(0).max(*contested_until)
            }
            Some(Record::Done { .. }) | None => 0,
        };
        let record = Record::Claimed {
            owner: self.owner.clone(),
            at_millis,
            lease_millis: clock::millis(self.lease),
            contested_until,
        };
        (record, at_millis < contested_until)
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
    /// What the record says to this attempt, which may propose a family; `None` if nothing that still counts. The time is
    /// the store's own.
    pub(crate) fn standing(
        &self,
        owner: &str,
        proposed: Option<&FamilyId>,
        grace: Duration,
        at_millis: i64,
    ) -> Option<Standing> {
        match self {
            Self::Claimed {
                owner: other,
                at_millis: then,
                lease_millis,
                ..
            } => {
                let lease = Duration::from_millis(*lease_millis);
                (other != owner && within(*then, at_millis, lease)).then_some(Standing::Busy)
            }
            Self::Done {
                at_millis: then,
                epoch,
                pair,
            } => {
                let family = self.family()?;
                let (pair, epoch) = (pair.claims()?, *epoch);
                Some(if proposed == Some(&family) || within(*then, at_millis, grace) {
                    Standing::Done(pair, epoch)
                } else {
                    Standing::Over { family, pair, epoch }
                })
            }
        }
    }

    /// The record after this attempt has given its claim back: `None` if nothing is left to know. `Err` gives back the record
    /// of somebody else.
    pub(crate) fn released(self, owner: &str, at_millis: i64) -> Result<Option<Self>, Self> {
        match self {
            Self::Claimed {
                owner: ours,
                contested_until,
                ..
            } if ours == owner => Ok((at_millis < contested_until).then_some(Self::Claimed {
                owner: ours,
                at_millis: 0,
                lease_millis: 0,
                contested_until,
            })),
            other @ (Self::Claimed { .. } | Self::Done { .. }) => Err(other),
        }
    }

    /// The family that the token has become.
    pub(crate) fn family(&self) -> Option<FamilyId> {
        match self {
            Self::Claimed { .. } => None,
            Self::Done { pair, .. } => family_of(pair.claims()?.access.as_str()),
        }
    }

    /// The epoch of what the token has become.
    pub(crate) fn epoch(&self) -> Option<u64> {
        match self {
            Self::Claimed { .. } => None,
            Self::Done { epoch, .. } => Some(*epoch),
        }
    }
}
