//! Which refresh token of a family may be exchanged, and for what? The rules of rotation for the embedded store, on plain
//! data; `redis/rotate.lua` says the same for Redis, and one suite holds both to it.

use std::time::Duration;

use gateward_auth::{TokenId, UnixSeconds};
use serde::{Deserialize, Serialize};

use crate::options::Retention;
use crate::store::{NewFamily, Refused, Rotated, Rotation, Successor};

/// Exchanges within the grace that are remembered. One worker that refreshes more often than that within the grace is
/// broken; dropping the oldest then errs on the side of refusing.
pub(crate) const REMEMBERED: usize = 16;

/// What the embedded store keeps of a family.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) user: String,
    /// The one refresh token that may be exchanged.
    live: String,
    /// Its `exp`.
    expires_at: i64,
    /// The highest `exp` of all tokens that this family ever had.
    last_expiry: i64,
    revoked: bool,
    /// The exchanges within the grace, oldest first.
    recent: Vec<Exchange>,
}

/// An exchange that can be asked for again.
#[derive(Debug, Serialize, Deserialize)]
struct Exchange {
    presented: String,
    at_millis: i64,
    epoch: u64,
    successor: Claims,
}

/// A [`Successor`] as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Claims {
    access: String,
    refresh: String,
    scopes: Vec<Box<str>>,
    issued_at: i64,
    access_expires_at: i64,
    refresh_expires_at: i64,
}

impl Record {
    pub(crate) fn new(family: &NewFamily) -> Self {
        Self {
            user: family.user.as_str().to_owned(),
            live: family.refresh.as_str().to_owned(),
            expires_at: family.refresh_expires_at.0,
            last_expiry: family.refresh_expires_at.max(family.access_expires_at).0,
            revoked: false,
            recent: Vec::new(),
        }
    }

    /// From when on no token of the family can be good.
    pub(crate) fn ends_at(&self, retention: &Retention) -> UnixSeconds {
        retention.beyond(UnixSeconds(self.last_expiry))
    }

    pub(crate) fn revoke(&mut self) {
        self.revoked = true;
    }

    /// Whether this is the refresh token that may be exchanged.
    pub(crate) fn is_live(&self, refresh: &TokenId) -> bool {
        !self.revoked && self.live == refresh.as_str()
    }

    /// Exchanges the presented token, or says why not. After `Fresh` and `Reused` the record has changed.
    ///
    /// `epoch` is the user's; the time of the exchange is `at_millis`, on the clock of the store alone, because the clocks
    /// of replicas differ.
    ///
    /// INVARIANT(one live refresh token): a token is exchanged for a new pair once; afterwards it gets that same pair
    /// within the grace, or ends the family. Tests `suite::*` with `refresh` in their names.
    pub(crate) fn rotate(&mut self, rotation: &Rotation, epoch: u64, at_millis: i64, retention: &Retention) -> Rotated {
        if self.user != rotation.user.as_str() {
            return Rotated::Refused(Refused::Unknown);
        }
        if self.revoked || rotation.epoch < epoch {
            return Rotated::Refused(Refused::Revoked);
        }
        if retention.beyond(UnixSeconds(self.expires_at)) <= rotation.now {
            return Rotated::Refused(Refused::Expired);
        }
        if self.live == rotation.presented.as_str() {
            return Rotated::Fresh(self.exchange(rotation, epoch.max(rotation.epoch), at_millis));
        }
        let again = self
            .recent
            .iter()
            .rev()
            .find(|exchange| exchange.presented == rotation.presented.as_str());
        match again.filter(|exchange| within(exchange.at_millis, at_millis, rotation.grace)) {
            Some(Exchange { epoch, successor, .. }) => match successor.claims() {
                Some(claims) => Rotated::Replayed(claims, *epoch),
                None => Rotated::Refused(Refused::Unknown),
            },
            None => {
                self.revoked = true;
                Rotated::Reused
            }
        }
    }

    fn exchange(&mut self, rotation: &Rotation, epoch: u64, at_millis: i64) -> u64 {
        let successor = &rotation.successor;
        self.recent
            .retain(|exchange| within(exchange.at_millis, at_millis, rotation.grace));
        if self.recent.len() >= REMEMBERED {
            self.recent.remove(0);
        }
        self.recent.push(Exchange {
            presented: rotation.presented.as_str().to_owned(),
            at_millis,
            epoch,
            successor: Claims::of(successor),
        });
        self.live = successor.refresh.as_str().to_owned();
        self.expires_at = successor.refresh_expires_at.0;
        self.last_expiry = self
            .last_expiry
            .max(successor.refresh_expires_at.0)
            .max(successor.access_expires_at.0);
        epoch
    }
}

/// A clock that was set back by more than the grace does not open a spent token again.
pub(crate) fn within(then: i64, now: i64, grace: Duration) -> bool {
    u128::from(now.abs_diff(then)) < grace.as_millis()
}

impl Claims {
    pub(crate) fn of(successor: &Successor) -> Self {
        Self {
            access: successor.access.as_str().to_owned(),
            refresh: successor.refresh.as_str().to_owned(),
            scopes: successor.scopes.clone(),
            issued_at: successor.issued_at.0,
            access_expires_at: successor.access_expires_at.0,
            refresh_expires_at: successor.refresh_expires_at.0,
        }
    }

    pub(crate) fn claims(&self) -> Option<Successor> {
        Some(Successor {
            access: TokenId::parse(&self.access).ok()?,
            refresh: TokenId::parse(&self.refresh).ok()?,
            scopes: self.scopes.clone(),
            issued_at: UnixSeconds(self.issued_at),
            access_expires_at: UnixSeconds(self.access_expires_at),
            refresh_expires_at: UnixSeconds(self.refresh_expires_at),
        })
    }
}

/// A successor as one text, for a store that does not look into it.
pub(crate) fn encode(successor: &Successor) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Claims::of(successor))
}

/// Reads what [`encode`] wrote.
pub(crate) fn decode(text: &str) -> Option<Successor> {
    serde_json::from_str::<Claims>(text).ok()?.claims()
}
