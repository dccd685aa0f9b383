//! The steps of an adoption within a transaction of the embedded store. Which of them follows from what is known is said in
//! [`crate::adoption`].

use std::time::Duration;

use gateward_auth::{FamilyId, TokenId, UserId};
use redb::WriteTransaction;

use super::{Done, end_family, epoch, tables};
use crate::adoption::{Adopt, Adoption, Claim, ForeignToken, Standing};
use crate::entry::{Entry, Line};
use crate::family::Record;
use crate::options::Retention;
use crate::store::NewFamily;

/// A token that is presented, and what its judgement takes.
pub(super) struct Look {
    pub(super) token: ForeignToken,
    pub(super) grace: Duration,
    /// By the clock of the store.
    pub(super) at_millis: i64,
    pub(super) retention: Retention,
}

impl Look {
    fn key(&self) -> String {
        adoption_key(&self.token.user, &self.token.id)
    }

    fn entry(&self) -> Entry {
        Entry::Token {
            user: self.token.user.clone(),
            id: self.token.id.clone(),
        }
    }

    /// The token is on the list, for itself or with all of its user's.
    fn is_listed(&self, transaction: &WriteTransaction) -> Result<bool, redb::Error> {
        let over = match tables::user(transaction, &self.token.user)? {
            Some(Line {
                entry: Entry::User { issued_until, .. },
                ..
            }) => self.token.issued_at <= issued_until,
            Some(_) | None => false,
        };
        Ok(over || tables::listed(transaction, &self.entry())?)
    }

    /// What is known about the token; `None` if nothing that counts.
    fn standing(
        &self,
        transaction: &WriteTransaction,
        owner: &str,
        proposed: Option<&FamilyId>,
    ) -> Result<Option<Done<Adoption>>, redb::Error> {
        if self.is_listed(transaction)? {
            return Ok(Some(Done::quiet(Adoption::Revoked)));
        }
        let Some(record) = tables::adoption(transaction, &self.key())? else {
            return Ok(None);
        };
        if let Some(family) = record.family()
            && tables::listed(transaction, &Entry::Family(family))?
        {
            return Ok(Some(Done::quiet(Adoption::Revoked)));
        }
        // The clock that dated the token may be ahead of ours: then only its epoch tells that it was revoked.
        let now_epoch = epoch(transaction, &self.token.user, 0)?;
        if record.epoch().is_some_and(|epoch| epoch < now_epoch) {
            return Ok(Some(Done::quiet(Adoption::Revoked)));
        }
        match record.standing(owner, proposed, self.grace, self.at_millis) {
            None => Ok(None),
            Some(Standing::Busy) => Ok(Some(Done::quiet(Adoption::Busy))),
            Some(Standing::Done(pair, epoch)) => Ok(Some(Done::quiet(Adoption::Done(pair, epoch)))),
            Some(Standing::Over { family, pair, epoch }) => {
                let kept = tables::family(transaction, &family)?;
                Ok(Some(if kept.is_some_and(|kept| kept.is_live(&pair.refresh)) {
                    Done::quiet(Adoption::Done(pair, epoch))
                } else {
                    self.reused(transaction, family)?
                }))
            }
        }
    }

    /// Ends what the token has become, and the token.
    fn reused(&self, transaction: &WriteTransaction, family: FamilyId) -> Result<Done<Adoption>, redb::Error> {
        let token = Line {
            entry: self.entry(),
            expires_at: self.retention.beyond(self.token.expires_at),
        };
        tables::list(transaction, &token)?;
        let mut lines = vec![token];
        if let Some(record) = tables::family(transaction, &family)? {
            lines.push(end_family(transaction, family.clone(), record, &self.retention)?);
        }
        Ok(Done {
            answer: Adoption::Reused(family),
            lines,
        })
    }
}

pub(super) fn look(transaction: &WriteTransaction, look: &Look) -> Result<Done<Option<Adoption>>, redb::Error> {
    Ok(match look.standing(transaction, "", None)? {
        Some(Done { answer, lines }) => Done {
            answer: Some(answer),
            lines,
        },
        None => Done::quiet(None),
    })
}

pub(super) fn claim(transaction: &WriteTransaction, look: &Look, claim: &Claim) -> Result<Done<Adoption>, redb::Error> {
    if let Some(known) = look.standing(transaction, &claim.owner, None)? {
        return Ok(known);
    }
    let before = tables::adoption(transaction, &look.key())?;
    let (record, contested) = claim.record(before.as_ref(), look.at_millis);
    let until = look.retention.beyond(look.token.expires_at);
    tables::keep_adoption(transaction, &look.key(), &record, until)?;
    Ok(Done::quiet(Adoption::Claimed { contested }))
}

pub(super) fn adopt(
    transaction: &WriteTransaction,
    look: &Look,
    adopt: &Adopt,
    known_epoch: u64,
) -> Result<Done<Adoption>, redb::Error> {
    match look.standing(transaction, "", Some(&adopt.family))? {
        // Whoever has a claim meanwhile asks in vain: the gateway has exchanged the token for us.
        None
        | Some(Done {
            answer: Adoption::Busy, ..
        }) => {}
        Some(known) => return Ok(known),
    }
    let user = look.token.user.clone();
    let record = Record::new(&NewFamily::new(adopt.family.clone(), user, &adopt.pair));
    tables::keep_family(transaction, &adopt.family, &record, record.ends_at(&look.retention))?;
    let epoch = epoch(transaction, &look.token.user, known_epoch)?;
    let until = look.retention.beyond(look.token.expires_at);
    tables::keep_adoption(transaction, &look.key(), &adopt.record(look.at_millis, epoch), until)?;
    Ok(Done::quiet(Adoption::Done(adopt.pair.clone(), epoch)))
}

pub(super) fn release(
    transaction: &WriteTransaction,
    at: &Look,
    owner: &str,
) -> Result<Done<Option<Adoption>>, redb::Error> {
    let record = tables::adoption(transaction, &at.key())?;
    match record.map(|record| record.released(owner, at.at_millis)) {
        Some(Ok(Some(left))) => {
            let until = at.retention.beyond(at.token.expires_at);
            tables::keep_adoption(transaction, &at.key(), &left, until)?;
        }
        Some(Ok(None)) => tables::drop_adoption(transaction, &at.key())?,
        Some(Err(_)) | None => {}
    }
    look(transaction, at)
}

/// Ids hold no tab, so different pairs have different keys.
pub(super) fn adoption_key(user: &UserId, id: &TokenId) -> String {
    format!("{user}\t{id}")
}
