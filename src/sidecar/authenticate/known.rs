//! Which logins were found good a moment ago?
//!
//! Kept under an HMAC of name and password with a key that exists only in this process: nothing about a password is
//! stored, and a copy of the table is of no use elsewhere. Only successes are kept. It does not know how a login is
//! checked, and takes the time as an argument.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gateward_auth::{Scope, UnixSeconds, UserId, whole_seconds};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::keyed;

/// How many logins are kept. A gateway has few users; this bounds the memory at a few MiB when it has many.
const CAPACITY: u64 = 10_000;

/// How many counters the users share. Two users with the same counter only cost each other one more check.
const GENERATIONS: usize = 1024;

/// A login that was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KnownLogin {
    /// The canonical name.
    pub(crate) user: UserId,
    /// What this user may do at most; `None` is everything.
    pub(crate) scopes: Option<Arc<[Scope]>>,
}

/// Name and password in a form that tells nothing about either outside this process.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct LoginKey([u8; 32]);

impl fmt::Debug for LoginKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[login]")
    }
}

/// The state of affairs for one user at one moment. A check that began in one generation counts only in that one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Generation {
    everybody: u64,
    user: u64,
    epoch: u64,
}

#[derive(Clone)]
struct Entry {
    login: KnownLogin,
    generation: Generation,
    good_until: UnixSeconds,
}

/// The logins that need not be checked again yet.
pub(crate) struct KnownLogins {
    mac: Hmac<Sha256>,
    entries: moka::sync::Cache<LoginKey, Entry>,
    ttl: Duration,
    hasher: RandomState,
    everybody: AtomicU64,
    users: Box<[AtomicU64]>,
    epoch: Epoch,
}

/// The user's epoch in the denylist: it rises when the user's password changes, on whatever replica that was seen.
pub(crate) type Epoch = Box<dyn Fn(&UserId) -> u64 + Send + Sync>;

impl KnownLogins {
    /// Nothing known yet. `secret` is random and used nowhere else; `ttl` of zero means that nothing is kept.
    pub(crate) fn new(secret: [u8; 32], ttl: Duration, epoch: Epoch) -> Self {
        Self {
            mac: keyed::hmac(secret),
            entries: moka::sync::Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_live(ttl)
                .build(),
            ttl,
            hasher: RandomState::new(),
            everybody: AtomicU64::new(0),
            users: (0..GENERATIONS).map(|_slot| AtomicU64::new(0)).collect(),
            epoch,
        }
    }

    /// What a login is kept under. `name` holds no NUL (no name does), so the pair has one reading only.
    pub(crate) fn key(&self, name: &str, password: &[u8]) -> LoginKey {
        let mut mac = self.mac.clone();
        mac.update(name.as_bytes());
        mac.update(&[0]);
        mac.update(password);
        LoginKey(mac.finalize().into_bytes().into())
    }

    /// To be taken *before* a check begins, and handed to [`KnownLogins::remember`] with its result.
    pub(crate) fn generation(&self, user: &UserId) -> Generation {
        Generation {
            everybody: self.everybody.load(Ordering::Acquire),
            user: self.counter(user).map_or(0, |counter| counter.load(Ordering::Acquire)),
            epoch: (self.epoch)(user),
        }
    }

    /// The login, if it was found good and nothing has happened since.
    pub(crate) fn find(&self, key: &LoginKey, now: UnixSeconds) -> Option<KnownLogin> {
        let entry = self.entries.get(key)?;
        if now < entry.good_until && entry.generation == self.generation(&entry.login.user) {
            return Some(entry.login);
        }
        self.entries.invalidate(key);
        None
    }

    /// Keeps a login that was found good by a check that began in `generation`.
    ///
    /// INVARIANT(dropped logins stay dropped): a check that began before [`KnownLogins::drop_user`] is never believed
    /// after it. Held by `a_check_that_began_before_the_drop_is_not_kept_after_it`.
    pub(crate) fn remember(&self, key: LoginKey, login: KnownLogin, generation: Generation, now: UnixSeconds) {
        let seconds = whole_seconds(self.ttl);
        if seconds == 0 || generation != self.generation(&login.user) {
            return;
        }
        self.entries.insert(
            key,
            Entry {
                login,
                generation,
                good_until: now.plus(seconds),
            },
        );
    }

    /// Forgets what was found good about one user.
    pub(crate) fn drop_user(&self, user: &UserId) {
        if let Some(counter) = self.counter(user) {
            counter.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Forgets everything.
    pub(crate) fn drop_all(&self) {
        self.everybody.fetch_add(1, Ordering::AcqRel);
        self.entries.invalidate_all();
    }

    fn counter(&self, user: &UserId) -> Option<&AtomicU64> {
        let slot = usize::try_from(self.hasher.hash_one(user) % GENERATIONS as u64).unwrap_or(0);
        self.users.get(slot)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

    fn known() -> KnownLogins {
        KnownLogins::new([7; 32], Duration::from_secs(60), Box::new(|_user| 0))
    }

    fn login(name: &str) -> KnownLogin {
        KnownLogin {
            user: UserId::parse(name).unwrap(),
            scopes: None,
        }
    }

    fn remember(known: &KnownLogins, name: &str, password: &str) -> LoginKey {
        let key = known.key(name, password.as_bytes());
        let generation = known.generation(&login(name).user);
        known.remember(key, login(name), generation, NOW);
        key
    }

    #[test]
    fn a_login_is_known_until_its_time_is_over() {
        let known = known();
        let key = remember(&known, "ABC123", "secret");
        assert_eq!(known.find(&key, NOW), Some(login("ABC123")));
        assert_eq!(known.find(&key, NOW.plus(59)), Some(login("ABC123")));
        assert_eq!(known.find(&key, NOW.plus(60)), None);
    }

    #[test]
    fn another_password_another_name_or_a_shifted_border_is_another_login() {
        let known = known();
        remember(&known, "ABC123", "secret");
        for (name, password) in [
            ("ABC123", "secreT"),
            ("ABC124", "secret"),
            ("ABC12", "3secret"),
            ("ABC123s", "ecret"),
        ] {
            assert_eq!(
                known.find(&known.key(name, password.as_bytes()), NOW),
                None,
                "{name} {password}"
            );
        }
    }

    #[test]
    fn the_key_of_one_process_is_of_no_use_in_another() {
        let other = KnownLogins::new([8; 32], Duration::from_secs(60), Box::new(|_user| 0));
        assert!(known().key("ABC123", b"secret") != other.key("ABC123", b"secret"));
    }

    #[test]
    fn dropping_a_user_forgets_all_passwords_of_that_user_and_nobody_elses() {
        let known = known();
        let first = remember(&known, "ABC123", "old");
        let second = remember(&known, "ABC123", "older");
        // Users share counters; take one that does not share this one.
        let other = (0..).map(|n| format!("OTHER{n}")).find(|name| {
            let counter = known.counter(&UserId::parse(name).unwrap()).unwrap();
            !std::ptr::eq(counter, known.counter(&login("ABC123").user).unwrap())
        });
        let other = remember(&known, &other.unwrap(), "secret");
        known.drop_user(&login("ABC123").user);
        assert_eq!(known.find(&first, NOW), None);
        assert_eq!(known.find(&second, NOW), None);
        assert!(known.find(&other, NOW).is_some());
    }

    #[test]
    fn a_check_that_began_before_the_drop_is_not_kept_after_it() {
        let known = known();
        let key = known.key("ABC123", b"old");
        let generation = known.generation(&login("ABC123").user);
        known.drop_user(&login("ABC123").user);
        known.remember(key, login("ABC123"), generation, NOW);
        assert_eq!(known.find(&key, NOW), None);

        let generation = known.generation(&login("ABC123").user);
        known.drop_all();
        known.remember(key, login("ABC123"), generation, NOW);
        assert_eq!(known.find(&key, NOW), None);
    }

    #[test]
    fn dropping_everybody_forgets_everybody_and_new_logins_are_kept_again() {
        let known = known();
        let key = remember(&known, "ABC123", "secret");
        known.drop_all();
        assert_eq!(known.find(&key, NOW), None);
        let key = remember(&known, "ABC123", "secret");
        assert!(known.find(&key, NOW).is_some());
    }

    #[test]
    fn a_login_from_before_a_revocation_elsewhere_is_not_believed_any_more() {
        let epoch = Arc::new(AtomicU64::new(5));
        let read = Arc::clone(&epoch);
        let known = KnownLogins::new(
            [7; 32],
            Duration::from_secs(60),
            Box::new(move |_user| read.load(Ordering::SeqCst)),
        );
        let key = remember(&known, "ABC123", "secret");
        assert!(known.find(&key, NOW).is_some());
        epoch.store(6, Ordering::SeqCst);
        assert_eq!(known.find(&key, NOW), None);
    }

    #[test]
    fn without_a_lifetime_nothing_is_kept() {
        let known = KnownLogins::new([7; 32], Duration::ZERO, Box::new(|_user| 0));
        let key = remember(&known, "ABC123", "secret");
        assert_eq!(known.find(&key, NOW), None);
    }

    #[test]
    fn nothing_printable_shows_a_key() {
        assert_eq!(format!("{:?}", known().key("ABC123", b"secret")), "[login]");
    }
}
