//! Is this token on the list? Answered from memory, without waiting. Knows no store, and not whether the list is up to
//! date.

use std::collections::HashMap as Counts;
use std::hash::Hash;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gateward_auth::{FamilyId, RevokedBy, TokenId, UnixSeconds, UserId, VerifiedToken};
use papaya::{Equivalent, HashMap};

use crate::entry::{Entry, Line};
use crate::ids::family_of;

/// A line is kept this long after it stopped to matter, in memory and in the stores, so that a clock that jumps ahead and
/// comes back, or is wrong on one replica, does not lose what is still needed.
pub(crate) const SLACK_SECONDS: i64 = 3600;

/// How many ids that the store does not know a caller may put on the list: each stays for as long as any token lives.
pub(crate) const MAX_LISTED: usize = 1000;

/// Lines that are removed while holding the writers' lock once.
const SWEEP_BATCH: usize = 1000;

/// What the list needs to know about a token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subject<'a> {
    /// Whose token.
    pub user: &'a UserId,
    /// Its id.
    pub id: &'a TokenId,
    /// The family it names.
    pub family: Option<&'a FamilyId>,
    /// Its epoch.
    pub epoch: Option<u64>,
    /// Its `iat`, which counts where there is no epoch.
    pub issued_at: UnixSeconds,
}

impl<'a> From<&'a VerifiedToken> for Subject<'a> {
    fn from(token: &'a VerifiedToken) -> Self {
        Self {
            user: token.user(),
            id: token.id(),
            family: token.family(),
            epoch: token.epoch(),
            issued_at: token.issued_at(),
        }
    }
}

/// The list in memory: exact, for any number of readers at once.
///
/// Readers take no lock. Writers (the feed, our own changes, the sweep) take one, so that a line that is renewed is
/// never swept by somebody who saw its old expiry.
#[derive(Default)]
pub(crate) struct Replica {
    tokens: Shelf<TokenKey, Mark>,
    /// What the ids of `tokens` say about the sessions that they name: see [`Replica::find`].
    sessions: Shelf<SessionKey, Mark>,
    families: Shelf<FamilyId, Mark>,
    users: Shelf<UserId, UserMark>,
    /// Locked by whoever writes; how many token ids each user has on the list.
    writers: Mutex<Counts<UserId, usize>>,
    scan: AtomicU32,
}

/// A map with a count that is never too low, so that readers may skip an empty map.
struct Shelf<K, V> {
    map: HashMap<K, V>,
    count: AtomicUsize,
}

impl<K: Hash + Eq, V> Default for Shelf<K, V> {
    fn default() -> Self {
        Self {
            map: HashMap::new(),
            count: AtomicUsize::new(0),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TokenKey {
    user: UserId,
    id: TokenId,
}

/// A [`TokenKey`] that borrows: same fields in the same order, hence the same hash.
#[derive(Hash)]
struct TokenRef<'a> {
    user: &'a UserId,
    id: &'a TokenId,
}

impl Equivalent<TokenKey> for TokenRef<'_> {
    fn equivalent(&self, key: &TokenKey) -> bool {
        *self.user == key.user && *self.id == key.id
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SessionKey {
    user: UserId,
    family: FamilyId,
}

/// As [`TokenRef`].
#[derive(Hash)]
struct SessionRef<'a> {
    user: &'a UserId,
    family: &'a FamilyId,
}

impl Equivalent<SessionKey> for SessionRef<'_> {
    fn equivalent(&self, key: &SessionKey) -> bool {
        *self.user == key.user && *self.family == key.family
    }
}

/// When a line stops to matter, and the last comparison with the store that met it there.
#[derive(Debug)]
struct Mark {
    expires_at: AtomicI64,
    seen: AtomicU32,
}

impl Mark {
    fn live(&self, now: UnixSeconds) -> bool {
        now.0 < self.expires_at.load(Ordering::Acquire)
    }

    fn swept(&self, now: UnixSeconds) -> bool {
        self.expires_at.load(Ordering::Acquire).saturating_add(SLACK_SECONDS) <= now.0
    }
}

#[derive(Debug)]
struct UserMark {
    mark: Mark,
    epoch: AtomicU64,
    issued_until: AtomicI64,
}

impl Replica {
    /// Is this token on the list, and for what?
    ///
    /// A listed id ends the whole session that it names: a store that has lost the session's data cannot list that, but
    /// the id says which one it was.
    ///
    /// INVARIANT(known revocations are final): this looks at nothing but the list; that the store is away changes no
    /// answer. Test `tests::redis::what_is_known_stays_refused_while_redis_is_away`.
    pub(crate) fn find(&self, token: Subject<'_>, now: UnixSeconds) -> Option<RevokedBy> {
        if self.tokens.has(
            &TokenRef {
                user: token.user,
                id: token.id,
            },
            |mark| mark.live(now),
        ) {
            return Some(RevokedBy::Token);
        }
        if let Some(family) = token.family {
            let session = SessionRef {
                user: token.user,
                family,
            };
            if self.families.has(family, |mark| mark.live(now)) || self.sessions.has(&session, |mark| mark.live(now)) {
                return Some(RevokedBy::Family);
            }
        }
        self.users
            .has(token.user, |user| user.mark.live(now) && user.refuses(token))
            .then_some(RevokedBy::User)
    }

    /// The user's epoch as far as the list knows; 0 for a user that is not on it.
    pub(crate) fn epoch(&self, user: &UserId) -> u64 {
        self.users
            .map
            .pin()
            .get(user)
            .map_or(0, |user| user.epoch.load(Ordering::Acquire))
    }

    /// Whether a caller may have this id on the list, which the store does not know: it is there already, or there are not
    /// too many of the caller's yet. Several at once, here or on other replicas, may exceed the number a little.
    pub(crate) fn has_room(&self, user: &UserId, id: &TokenId) -> bool {
        self.tokens.has(&TokenRef { user, id }, |_mark| true)
            || self.write().get(user).is_none_or(|listed| *listed < MAX_LISTED)
    }

    /// Adds a line, or raises what is there to it. Nothing is ever lowered.
    pub(crate) fn merge(&self, line: &Line) {
        let mut listed = self.write();
        let scan = self.scan.load(Ordering::Relaxed);
        let expires_at = line.expires_at.0;
        match &line.entry {
            Entry::Token { user, id } => {
                if let Some(family) = family_of(id.as_str()) {
                    let user = user.clone();
                    self.sessions.put(
                        SessionKey { user, family },
                        |mark| mark.raise(expires_at, scan),
                        || Mark::new(expires_at, scan),
                    );
                }
                let key = TokenKey {
                    user: user.clone(),
                    id: id.clone(),
                };
                let raise = |mark: &Mark| mark.raise(expires_at, scan);
                if self.tokens.put(key, raise, || Mark::new(expires_at, scan)) {
                    *listed.entry(user.clone()).or_default() += 1;
                }
            }
            Entry::Family(family) => {
                self.families.put(
                    family.clone(),
                    |mark| mark.raise(expires_at, scan),
                    || Mark::new(expires_at, scan),
                );
            }
            Entry::User {
                user,
                epoch,
                issued_until,
            } => {
                self.users.put(
                    user.clone(),
                    |known| known.raise(*epoch, *issued_until, expires_at, scan),
                    || UserMark {
                        mark: Mark::new(expires_at, scan),
                        epoch: AtomicU64::new(*epoch),
                        issued_until: AtomicI64::new(issued_until.0),
                    },
                );
            }
        }
    }

    /// Starts a comparison with the store; what is merged from now on counts as seen by it.
    pub(crate) fn begin_scan(&self) {
        let _writing = self.write();
        self.scan.fetch_add(1, Ordering::Relaxed);
    }

    /// Merges a line that the comparison met in the store. The line counts as seen unless the store has less than we have.
    pub(crate) fn merge_seen(&self, line: &Line) {
        self.merge(line);
        let scan = self.scan.load(Ordering::Relaxed);
        let expires_at = line.expires_at.0;
        match &line.entry {
            Entry::Token { user, id } => self
                .tokens
                .at(&TokenRef { user, id }, |mark| mark.see(expires_at, scan)),
            Entry::Family(family) => self.families.at(family, |mark| mark.see(expires_at, scan)),
            Entry::User {
                user,
                epoch,
                issued_until,
            } => self.users.at(user, |known| {
                if known.epoch.load(Ordering::Acquire) <= *epoch
                    && known.issued_until.load(Ordering::Acquire) <= issued_until.0
                {
                    known.mark.see(expires_at, scan);
                }
            }),
        }
    }

    /// What was on the list before the comparison began, still matters, and was not met in the store.
    pub(crate) fn unseen(&self, now: UnixSeconds) -> Vec<Line> {
        let scan = self.scan.load(Ordering::Relaxed);
        let missing = |mark: &Mark| mark.seen.load(Ordering::Relaxed) != scan && mark.live(now);
        let line = |entry: Entry, mark: &Mark| Line {
            entry,
            expires_at: UnixSeconds(mark.expires_at.load(Ordering::Acquire)),
        };
        let mut lines = Vec::new();
        for (key, mark) in self.tokens.map.pin().iter().filter(|(_, mark)| missing(mark)) {
            lines.push(line(
                Entry::Token {
                    user: key.user.clone(),
                    id: key.id.clone(),
                },
                mark,
            ));
        }
        for (family, mark) in self.families.map.pin().iter().filter(|(_, mark)| missing(mark)) {
            lines.push(line(Entry::Family(family.clone()), mark));
        }
        for (user, known) in self.users.map.pin().iter().filter(|(_, known)| missing(&known.mark)) {
            let entry = Entry::User {
                user: user.clone(),
                epoch: known.epoch.load(Ordering::Acquire),
                issued_until: UnixSeconds(known.issued_until.load(Ordering::Acquire)),
            };
            lines.push(line(entry, &known.mark));
        }
        lines
    }

    /// Drops what stopped to matter long enough ago. Takes time in proportion to the list: not for an async thread.
    pub(crate) fn sweep(&self, now: UnixSeconds) {
        let forget = |listed: &mut Counts<UserId, usize>, key: &TokenKey| {
            if let Some(count) = listed.get_mut(&key.user) {
                *count -= 1;
                if *count == 0 {
                    listed.remove(&key.user);
                }
            }
        };
        self.tokens.sweep(|| self.write(), |mark| mark.swept(now), forget);
        self.sessions.sweep(|| self.write(), |mark| mark.swept(now), |_, _| ());
        self.families.sweep(|| self.write(), |mark| mark.swept(now), |_, _| ());
        self.users
            .sweep(|| self.write(), |user| user.mark.swept(now), |_, _| ());
    }

    /// Lines in memory: tokens, families, users.
    pub(crate) fn sizes(&self) -> [usize; 3] {
        [self.tokens.len(), self.families.len(), self.users.len()]
    }

    fn write(&self) -> MutexGuard<'_, Counts<UserId, usize>> {
        // A writer that panicked leaves at worst a count that is one too low.
        self.writers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mark {
    fn new(expires_at: i64, scan: u32) -> Self {
        Self {
            expires_at: AtomicI64::new(expires_at),
            seen: AtomicU32::new(scan),
        }
    }

    fn raise(&self, expires_at: i64, scan: u32) {
        if self.expires_at.fetch_max(expires_at, Ordering::AcqRel) < expires_at {
            self.seen.store(scan, Ordering::Relaxed);
        }
    }

    fn see(&self, expires_at: i64, scan: u32) {
        if self.expires_at.load(Ordering::Acquire) <= expires_at {
            self.seen.store(scan, Ordering::Relaxed);
        }
    }
}

impl UserMark {
    fn refuses(&self, token: Subject<'_>) -> bool {
        match token.epoch {
            Some(epoch) => epoch < self.epoch.load(Ordering::Acquire),
            None => token.issued_at.0 <= self.issued_until.load(Ordering::Acquire),
        }
    }

    fn raise(&self, epoch: u64, issued_until: UnixSeconds, expires_at: i64, scan: u32) {
        let older = self.epoch.fetch_max(epoch, Ordering::AcqRel) < epoch;
        let earlier = self.issued_until.fetch_max(issued_until.0, Ordering::AcqRel) < issued_until.0;
        if older || earlier {
            self.mark.seen.store(scan, Ordering::Relaxed);
        }
        self.mark.raise(expires_at, scan);
    }
}

impl<K: Hash + Eq + Clone, V> Shelf<K, V> {
    fn has<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q, holds: impl FnOnce(&V) -> bool) -> bool {
        self.count.load(Ordering::Acquire) != 0 && self.map.pin().get(key).is_some_and(holds)
    }

    fn at<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q, act: impl FnOnce(&V)) {
        if let Some(value) = self.map.pin().get(key) {
            act(value);
        }
    }

    /// The caller holds the writers' lock. Returns whether the key is new.
    fn put(&self, key: K, raise: impl FnOnce(&V), make: impl FnOnce() -> V) -> bool {
        let map = self.map.pin();
        if let Some(known) = map.get(&key) {
            raise(known);
            false
        } else {
            self.count.fetch_add(1, Ordering::AcqRel);
            map.insert(key, make());
            true
        }
    }

    fn sweep<'a, G>(&self, lock: impl Fn() -> MutexGuard<'a, G>, over: impl Fn(&V) -> bool, gone: impl Fn(&mut G, &K))
    where
        G: 'a,
    {
        let old: Vec<K> = self
            .map
            .pin()
            .iter()
            .filter(|(_, value)| over(value))
            .map(|(key, _)| key.clone())
            .collect();
        for batch in old.chunks(SWEEP_BATCH) {
            let mut locked = lock();
            let map = self.map.pin();
            for key in batch {
                if map.get(key).is_some_and(&over) && map.remove(key).is_some() {
                    self.count.fetch_sub(1, Ordering::AcqRel);
                    gone(&mut locked, key);
                }
            }
        }
    }

    fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
