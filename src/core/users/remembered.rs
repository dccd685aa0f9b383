//! Which logins succeeded lately? Checking a password takes 50 ms, and clients send theirs with
//! every request (WIRE §2.2). All processes share it.
//!
//! What is kept is no password: a keyed digest of the password together with the hash that it was good for. With another
//! password the user has another hash, so that nothing has to be forgotten.

use std::{fmt::Write as _, time::Duration};

use gateward_auth::Secret;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::Account;
use crate::shared::Cache;

/// How long a login is remembered after its last use.
const IDLE: Duration = Duration::from_secs(3600);

/// Stands for a password that is good for an account as it is now.
pub(super) struct Mark(String);

/// Successful logins. Failures are not kept.
pub(super) struct RememberedLogins {
    /// The same in all processes, and of no use for anything else.
    key: Option<Hmac<Sha256>>,
    marks: Cache,
}

impl RememberedLogins {
    /// `secret` is one that all processes have; it cannot be found out from what is kept.
    pub(super) fn new(secret: &Secret, marks: Cache) -> Self {
        let derived = Hmac::<Sha256>::new_from_slice(secret.expose()).map(|mac| {
            let key = mac.chain_update(b"gateward: remembered logins").finalize();
            Hmac::new_from_slice(&key.into_bytes())
        });
        Self {
            // HMAC takes keys of any length.
            key: derived.ok().and_then(Result::ok),
            marks,
        }
    }

    /// The mark of this password, should it be the account's.
    ///
    /// INVARIANT(no old password is remembered): the mark is of the stored hash too, which is looked up for every login, so
    /// that a change ends it in all processes with its commit. Tests:
    /// `tests::the_mark_of_a_password_ends_with_the_hash_it_was_good_for`,
    /// `users::tests::a_changed_password_ends_the_old_one_in_all_processes`.
    pub(super) fn mark(&self, account: &Account, password: &str) -> Option<Mark> {
        let mut mac = self.key.clone()?;
        // The password is last, because it may hold anything.
        for part in [account.id.as_str(), &account.password_hash] {
            mac.update(part.as_bytes());
            mac.update(&[0]);
        }
        mac.update(password.as_bytes());
        let digest = mac.finalize().into_bytes();
        let mut text = String::with_capacity(2 * digest.len());
        for byte in digest {
            write!(text, "{byte:02x}").ok()?;
        }
        Some(Mark(text))
    }

    /// Whether it succeeded lately. Not, when nobody can say.
    pub(super) async fn recall(&self, mark: &Mark) -> bool {
        let found = self.marks.get_and_keep(&mark.0, IDLE).await;
        found.is_ok_and(|found| found.is_some())
    }

    /// It succeeded now.
    pub(super) async fn remember(&self, mark: &Mark) {
        // What is not remembered is checked again.
        let _ = self.marks.set(&mark.0, "", IDLE).await;
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
    use std::time::UNIX_EPOCH;

    use gateward_boot::clock::{Clock, Hands};

    use super::*;
    use crate::{config::Backend, shared::Caches, users::UserId};

    async fn logins(secret: &str) -> (RememberedLogins, Hands) {
        let (clock, hands) = Clock::manual(UNIX_EPOCH);
        let caches = Caches::open(&Backend::Memory, clock).await.unwrap();
        (
            RememberedLogins::new(&Secret::new(secret), caches.space("logins")),
            hands,
        )
    }

    fn account(id: &str, hash: &str) -> Account {
        Account {
            id: UserId::stored(id),
            password_hash: hash.to_owned(),
        }
    }

    #[tokio::test]
    async fn the_mark_of_a_password_ends_with_the_hash_it_was_good_for() {
        let (logins, _) = logins("s").await;
        let mark = logins.mark(&account("A", "$2a$1"), "secret").unwrap();
        logins.remember(&mark).await;
        for (id, hash, password, expected) in [
            ("A", "$2a$1", "secret", true),
            ("A", "$2a$2", "secret", false),
            ("A", "$2a$1", "Secret", false),
            ("B", "$2a$1", "secret", false),
        ] {
            let mark = logins.mark(&account(id, hash), password).unwrap();
            assert_eq!(logins.recall(&mark).await, expected, "{id} {hash} {password}");
        }
    }

    #[tokio::test]
    async fn a_login_is_remembered_for_an_hour_after_its_last_use() {
        let (logins, hands) = logins("s").await;
        let mark = logins.mark(&account("A", "$2a$1"), "secret").unwrap();
        logins.remember(&mark).await;
        for _ in 0..3 {
            hands.advance(IDLE - Duration::from_secs(1));
            assert!(logins.recall(&mark).await);
        }
        hands.advance(IDLE);
        assert!(!logins.recall(&mark).await);
    }

    #[tokio::test]
    async fn marks_depend_on_the_secret() {
        let ((first, _), (second, _), (same, _)) = (logins("s").await, logins("t").await, logins("s").await);
        let mark = |logins: &RememberedLogins| logins.mark(&account("A", "$2a$1"), "secret").unwrap().0;
        assert_eq!(mark(&first), mark(&same));
        assert_ne!(mark(&first), mark(&second));
        assert_eq!(mark(&first).len(), 64);
    }
}
