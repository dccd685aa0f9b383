//! Whose hash is computed for a name that nobody has? One that costs what some user's costs, always the same for the same
//! name: from outside such a name looks like a user with a wrong password, whatever mixture of hashes the file has.
//!
//! Knows no password, and whether a name is somebody's only from whoever asks.

use std::collections::BTreeMap;

use gateward_auth::Secret;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

use super::hash::{Cost, Hash};
use crate::keyed;

/// Marks names with numbers that nobody outside can know or choose: the same on every replica and after every start, and
/// whatever the file says, because a name that changes its looks is nobody's.
pub(super) struct Marks(Hmac<Sha256>);

impl Marks {
    /// `secret` is what all replicas have and nobody else. It marks nothing itself: other things are signed with it.
    pub(super) fn new(secret: &Secret) -> Self {
        const LABEL: &[u8] = b"gateward: stand-ins for unknown users";
        let ours = keyed::hmac(Sha256::digest(secret.expose()).into()).chain_update(LABEL);
        Self(keyed::hmac(ours.finalize().into_bytes().into()))
    }

    /// The name's number.
    pub(super) fn of(&self, name: &str) -> u64 {
        let mut mac = self.0.clone();
        mac.update(name.as_bytes());
        let digest = mac.finalize().into_bytes();
        digest
            .iter()
            .take(8)
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    }
}

/// What unknown names are checked against: of each cost one hash, for as large a part of all names as users have it.
#[derive(Debug)]
pub(super) struct StandIns {
    /// How many users have this cost or one before it, and the hash of one of them.
    by_cost: Vec<(u64, Hash)>,
    /// Where there is no user at all.
    nobody: Hash,
}

impl StandIns {
    /// `nobody` is for a file without users.
    pub(super) fn new<'a>(hashes: impl Iterator<Item = &'a Hash>, nobody: Hash) -> Self {
        let mut counts: BTreeMap<Cost, (u64, &Hash)> = BTreeMap::new();
        for hash in hashes {
            counts.entry(hash.cost()).or_insert((0, hash)).0 += 1;
        }
        let so_far = counts.into_values().scan(0, |so_far, (count, hash)| {
            *so_far += count;
            Some((*so_far, hash.clone()))
        });
        Self {
            by_cost: so_far.collect(),
            nobody,
        }
    }

    /// The hash for a name with this number.
    pub(super) fn for_name(&self, mark: u64) -> &Hash {
        let users = self.by_cost.last().map_or(0, |(all, _hash)| *all);
        // As far among the users as the number is among all numbers: a user more or less changes little.
        let place = (u128::from(mark) * u128::from(users)) >> 64;
        let found = self.by_cost.iter().find(|(so_far, _hash)| place < u128::from(*so_far));
        found.map_or(&self.nobody, |(_so_far, hash)| hash)
    }
}
