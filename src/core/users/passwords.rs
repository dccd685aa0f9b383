//! How is a password hashed and checked? With bcrypt, which is slow on purpose: on threads of its
//! own, a few at once, and with a bounded queue. It knows no user.

use std::sync::Arc;

use bcrypt::Version;
use tokio::sync::Semaphore;

/// The reference's cost (WIRE §2.2): about 50 ms.
const COST: u32 = 10;
/// bcrypt looks at so many bytes of a password and no further.
const MAX_BYTES: usize = 72;
/// So many may wait for a turn: a queue of a few seconds.
const MAX_WAITING: usize = 64;
/// Checked when there is no such user, so that an unknown login takes as long as a wrong password.
const NOBODYS_HASH: &str = "$2a$10$abcdefghijklmnopqrstuuCGrIBtV80dgJSSNc.JT/12NiDunCIZu";

/// Why nothing was hashed or checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unhashable {
    /// More than 72 bytes.
    #[error("password longer than 72 bytes")]
    TooLong,
    /// Too many wait already.
    #[error("too many passwords are being checked")]
    Busy,
    /// The hash function failed.
    #[error("password cannot be hashed")]
    Failed,
}

/// Hashes and checks passwords.
#[derive(Debug)]
pub(super) struct Passwords {
    turns: Arc<Semaphore>,
    queue: Arc<Semaphore>,
}

impl Passwords {
    pub(super) fn new() -> Self {
        let at_once = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            turns: Arc::new(Semaphore::new(at_once)),
            queue: Arc::new(Semaphore::new(at_once.saturating_add(MAX_WAITING))),
        }
    }

    /// The hash of a new password.
    pub(super) async fn hash(&self, password: &str, salt: [u8; 16]) -> Result<String, Unhashable> {
        if password.len() > MAX_BYTES {
            return Err(Unhashable::TooLong);
        }
        let password = password.to_owned();
        self.run(move || {
            bcrypt::hash_with_salt(password, COST, salt)
                .map(|parts| parts.format_for_version(Version::TwoA))
                .map_err(|_| Unhashable::Failed)
        })
        .await?
    }

    /// Is this the password of that hash? Without a hash: no, after the same time.
    pub(super) async fn check(&self, password: &str, hash: Option<String>) -> Result<bool, Unhashable> {
        let known = hash.is_some() && password.len() <= MAX_BYTES;
        let hash = hash.unwrap_or_else(|| NOBODYS_HASH.to_owned());
        let password = password.to_owned();
        let equal = self
            .run(move || bcrypt::verify(password, &hash).unwrap_or(false))
            .await?;
        Ok(equal && known)
    }

    /// INVARIANT(bounded hashing): at most one hash per processor at once, whoever gave up
    /// waiting for it: the turn ends with the work, not with the request. Test:
    /// `tests::a_turn_lasts_as_long_as_its_work`.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Unhashable> {
        let place = Arc::clone(&self.queue)
            .try_acquire_owned()
            .map_err(|_| Unhashable::Busy)?;
        let turn = Arc::clone(&self.turns)
            .acquire_owned()
            .await
            .map_err(|_| Unhashable::Failed)?;
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop((turn, place));
            result
        })
        .await
        .map_err(|_| Unhashable::Failed)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_hash_is_in_the_reference_s_form_and_good_for_its_password_only() {
        let passwords = Passwords::new();
        let hash = passwords.hash("a-new-password-1", [7; 16]).await.unwrap();
        assert!(hash.starts_with("$2a$10$") && hash.len() == 60, "{hash}");
        assert!(passwords.check("a-new-password-1", Some(hash.clone())).await.unwrap());
        assert!(!passwords.check("A-new-password-1", Some(hash.clone())).await.unwrap());
        assert!(!passwords.check("", Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn a_password_has_72_bytes_at_most() {
        let passwords = Passwords::new();
        let longest = "p".repeat(72);
        let hash = passwords.hash(&longest, [7; 16]).await.unwrap();
        assert!(passwords.check(&longest, Some(hash.clone())).await.unwrap());
        let longer = "p".repeat(73);
        assert_eq!(passwords.hash(&longer, [7; 16]).await, Err(Unhashable::TooLong));
        assert!(!passwords.check(&longer, Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn nobody_has_a_password_and_a_broken_hash_has_none() {
        assert!(matches!(bcrypt::verify("", NOBODYS_HASH), Ok(false)));
        let passwords = Passwords::new();
        assert_eq!(passwords.check("nobody knows this", None).await, Ok(false));
        assert_eq!(passwords.check("x", Some("no hash".into())).await, Ok(false));
    }

    #[tokio::test]
    async fn who_comes_when_the_queue_is_full_is_sent_away() {
        let passwords = Passwords::new();
        let everything = passwords.queue.available_permits();
        let _full = passwords.queue.acquire_many(u32::try_from(everything).unwrap()).await;
        assert_eq!(passwords.hash("a-new-password-1", [7; 16]).await, Err(Unhashable::Busy));
    }

    #[tokio::test]
    async fn a_turn_lasts_as_long_as_its_work() {
        let passwords = Passwords::new();
        let turns = passwords.turns.available_permits();
        let (finish, finished) = std::sync::mpsc::channel::<()>();
        let given_up = passwords.run(move || finished.recv()).now_or_never();
        assert!(given_up.is_none());
        assert_eq!(passwords.turns.available_permits(), turns - 1);
        finish.send(()).unwrap();
        let all = u32::try_from(turns).unwrap();
        assert!(passwords.turns.acquire_many(all).await.is_ok());
    }
}
