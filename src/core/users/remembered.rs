//! Which logins succeeded lately? Checking a password takes 50 ms, and clients send theirs with
//! every request. It keeps no password: only a keyed digest of login and password (WIRE §2.2).

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use hmac::{Hmac, Mac};
use moka::sync::Cache;
use sha2::Sha256;

use super::UserId;

/// How long a login is remembered after its last use.
const IDLE: Duration = Duration::from_secs(3600);
/// So many logins at once; the least used ones are forgotten.
const CAPACITY: u64 = 10_000;

/// What stands for a login and its password.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Digest([u8; 32]);

/// Successful logins. Failures are not kept.
pub(super) struct RememberedLogins {
    /// Made at start: a digest is of no use outside this process.
    key: [u8; 32],
    entries: Cache<Digest, UserId>,
    changes: AtomicU64,
}

impl RememberedLogins {
    pub(super) fn new(key: [u8; 32]) -> Self {
        let entries = Cache::builder().time_to_idle(IDLE).max_capacity(CAPACITY).build();
        Self {
            key,
            entries,
            changes: AtomicU64::new(0),
        }
    }

    /// The digest of a login (in any case) and its password.
    pub(super) fn digest(&self, login: &str, password: &str) -> Option<Digest> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(login.to_ascii_uppercase().as_bytes());
        mac.update(&[0]);
        mac.update(password.as_bytes());
        Some(Digest(mac.finalize().into_bytes().into()))
    }

    /// Whose login it is, if it succeeded lately.
    pub(super) fn recall(&self, digest: &Digest) -> Option<UserId> {
        self.entries.get(digest)
    }

    /// To be taken before a password is looked up, and given back to [`Self::remember`].
    pub(super) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    /// Keeps a success, unless a password changed since `changes` was taken.
    ///
    /// INVARIANT(no old password is remembered): a check that began before a change and ends
    /// after it leaves nothing behind. Test: `tests::a_login_that_overlaps_a_change_is_not_kept`.
    pub(super) fn remember(&self, digest: Digest, user: UserId, changes: u64) {
        self.entries.insert(digest, user);
        if self.changes() != changes {
            self.entries.invalidate(&digest);
        }
    }

    /// Drops a login whose password is no longer valid.
    pub(super) fn forget(&self, digest: &Digest) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.entries.invalidate(digest);
    }
}

impl std::fmt::Debug for RememberedLogins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RememberedLogins").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_success_is_recalled_whatever_the_case_of_the_login() {
        let logins = RememberedLogins::new([7; 32]);
        let digest = logins.digest("ABC123", "secret").unwrap();
        logins.remember(digest, UserId::stored("ABC123"), logins.changes());
        let other = logins.digest("abc123", "secret").unwrap();
        assert_eq!(logins.recall(&other), Some(UserId::stored("ABC123")));
        let wrong = logins.digest("abc123", "Secret").unwrap();
        assert_eq!(logins.recall(&wrong), None);
    }

    #[test]
    fn a_login_that_overlaps_a_change_is_not_kept() {
        let logins = RememberedLogins::new([7; 32]);
        let digest = logins.digest("ABC123", "secret").unwrap();
        let before = logins.changes();
        logins.forget(&digest);
        logins.remember(digest, UserId::stored("ABC123"), before);
        assert_eq!(logins.recall(&digest), None);
    }

    #[test]
    fn login_and_password_are_told_apart() {
        let logins = RememberedLogins::new([7; 32]);
        assert!(logins.digest("AB", "C").unwrap() != logins.digest("A", "BC").unwrap());
    }
}
