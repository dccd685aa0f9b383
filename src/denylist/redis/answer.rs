//! What does a script's answer mean? `None` for one that no script gives.

use gateward_auth::{FamilyId, TokenId, UnixSeconds, UserId};

use crate::adoption::{Adoption, ForeignToken};
use crate::entry::{Entry, Line};
use crate::family::decode;
use crate::store::{Refused, RevokeOutcome, Rotated, Rotation};

/// How far an adoption is, and the lines that this adds to the list.
pub(super) fn read_adoption(answer: &[String], token: &ForeignToken) -> Option<(Adoption, Vec<Line>)> {
    let line = |entry, expires_at: &str| {
        let expires_at = UnixSeconds(expires_at.parse().ok()?);
        Some(Line { entry, expires_at })
    };
    let texts: Vec<&str> = answer.iter().map(String::as_str).collect();
    let adoption = match *texts.as_slice() {
        ["claimed", contested] => Adoption::Claimed {
            contested: contested == "1",
        },
        ["busy"] => Adoption::Busy,
        ["done", epoch, pair] => Adoption::Done(decode(pair)?, epoch.parse().ok()?),
        ["revoked"] => Adoption::Revoked,
        ["reused", family, expires_at, ref ended @ ..] => {
            let family = FamilyId::parse(family).ok()?;
            let entry = Entry::Token {
                user: token.user.clone(),
                id: token.id.clone(),
            };
            let mut lines = vec![line(entry, expires_at)?];
            if let [ends_at] = ended {
                lines.push(line(Entry::Family(family.clone()), ends_at)?);
            }
            return Some((Adoption::Reused(family), lines));
        }
        _ => return None,
    };
    Some((adoption, Vec::new()))
}

/// What a revocation came to, and the lines that it adds to the list.
pub(super) fn read_revoked(
    answer: &[String],
    caller: &UserId,
    id: &TokenId,
    family: Option<FamilyId>,
) -> Option<(RevokeOutcome, Vec<Line>)> {
    let line = |entry, expires_at: &str| {
        let expires_at = UnixSeconds(expires_at.parse().ok()?);
        Some(Line { entry, expires_at })
    };
    let token = || Entry::Token {
        user: caller.clone(),
        id: id.clone(),
    };
    let texts: Vec<&str> = answer.iter().map(String::as_str).collect();
    Some(match *texts.as_slice() {
        ["family", expires_at] => {
            let family = family?;
            let ended = line(Entry::Family(family.clone()), expires_at)?;
            (RevokeOutcome::Family(family), vec![ended])
        }
        ["adopted", expires_at, family, ends_at] => {
            let family = FamilyId::parse(family).ok()?;
            let ended = line(Entry::Family(family.clone()), ends_at)?;
            (RevokeOutcome::Family(family), vec![line(token(), expires_at)?, ended])
        }
        ["too_many", _] => (RevokeOutcome::TooMany, Vec::new()),
        ["foreign", expires_at] => (RevokeOutcome::Foreign, vec![line(token(), expires_at)?]),
        ["token", expires_at] => (RevokeOutcome::TokenListed, vec![line(token(), expires_at)?]),
        _ => return None,
    })
}

/// What a rotation came to, and the line that it adds to the list.
pub(super) fn read_rotated(answer: &[String], rotation: &Rotation) -> Option<(Rotated, Option<Line>)> {
    let texts: Vec<&str> = answer.iter().map(String::as_str).collect();
    Some(match *texts.as_slice() {
        ["fresh", epoch] => (Rotated::Fresh(epoch.parse().ok()?), None),
        ["replayed", epoch, successor] => (Rotated::Replayed(decode(successor)?, epoch.parse().ok()?), None),
        ["reused", expires_at] => {
            let expires_at = UnixSeconds(expires_at.parse().ok()?);
            (
                Rotated::Reused,
                Some(Line {
                    entry: Entry::Family(rotation.family.clone()),
                    expires_at,
                }),
            )
        }
        ["revoked"] => (Rotated::Refused(Refused::Revoked), None),
        ["expired"] => (Rotated::Refused(Refused::Expired), None),
        ["unknown"] => (Rotated::Refused(Refused::Unknown), None),
        _ => return None,
    })
}
