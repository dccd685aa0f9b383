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
const NOBODYS_HASH: &str = "$2a$10$abcdefghijklmnopqrstuuf4wbCjQe5o0WCbP0Nb1qZ3n8nWZrHEe";

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
    pub(super) async fn check(
        &self,
        password: &str,
        hash: Option<String>,
    ) -> Result<bool, Unhashable> {
        let known = hash.is_some() && password.len() <= MAX_BYTES;
        let hash = hash.unwrap_or_else(|| NOBODYS_HASH.to_owned());
        let password = password.to_owned();
        let equal = self.run(move || bcrypt::verify(password, &hash).unwrap_or(false)).await?;
        Ok(equal && known)
    }

    /// INVARIANT(bounded hashing): at most one hash per processor at once, whoever gave up
    /// waiting for it: the turn ends with the work, not with the request.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Unhashable> {
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| Unhashable::Busy)?;
        let turn =
            Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Unhashable::Failed)?;
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop((turn, place));
            result
        })
        .await
        .map_err(|_| Unhashable::Failed)
    }
}
