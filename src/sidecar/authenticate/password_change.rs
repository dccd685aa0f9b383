//! What ends when a user's password changes? All tokens issued before, everywhere, even if the store cannot be told at
//! once.
//!
//! The gateway has changed the password already when we hear of it, so its answer goes to the client in any case. This
//! process refuses the user's older tokens from the first moment; the other replicas hear of it through the store, and
//! while the store is away we keep trying. Nobody gets new tokens of that user here before it succeeded: they would end with
//! the old ones. A process that stops before has said so in its log.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use gateward_auth::{UnixSeconds, UserId, VerifiedToken};
use gateward_denylist::{Denylist, StoreError};
use gateward_document::Diagnostic;
use gateward_policy::Policy;
use tokio::sync::Mutex;

use super::{Authenticator, canonical};
use crate::users::Users;

/// How long the client's answer waits for the store. It is not held back longer than a slow request would be.
const FIRST_ATTEMPT: Duration = Duration::from_secs(1);
/// Between attempts: doubled each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What became of a user's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordChanged {
    /// Revoked everywhere, durably.
    Revoked,
    /// Refused by this process; the store will be told as soon as it can be reached.
    Pending,
    /// The gateway named somebody who cannot be a user.
    NoSuchName,
}

impl PasswordChanged {
    /// A word from a closed set, for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Pending => "pending",
            Self::NoSuchName => "no_such_name",
        }
    }
}

/// The end of a user's tokens could not be told to the store yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotSettled;

impl Authenticator {
    /// To be awaited before tokens of this user are made: the store has to know first of whatever ended the ones before, or
    /// it would end the new ones with them when it hears of it.
    ///
    /// # Errors
    ///
    /// [`NotSettled`] when the store cannot be told in time.
    pub async fn settle(&self, user: &UserId) -> Result<(), NotSettled> {
        let told = tokio::time::timeout(FIRST_ATTEMPT, self.changes.tell(user)).await;
        told.is_ok_and(|told| told.is_ok()).then_some(()).ok_or(NotSettled)
    }

    /// To be called when the gateway has answered that `user` has a new password. Drops what was found good about the
    /// user's logins and revokes the user's tokens.
    pub async fn on_password_changed(&self, policy: &Policy, user: &str, now: UnixSeconds) -> PasswordChanged {
        let Some(user) = canonical(policy.user_names(), user) else {
            tracing::error!("the gateway named an impossible user after a password change");
            return PasswordChanged::NoSuchName;
        };
        self.basic.drop_user(&user);
        self.changes.mark(&user, now);
        PasswordChanges::tell_in_time(&self.changes, user).await
    }

    /// Takes over a changed users file; without `users.source: file` nothing happens. What was found good before is
    /// forgotten. Here the tokens end at once, everywhere else as soon as the store was told, of those who are gone or
    /// disabled, or who have another password or fewer scopes.
    ///
    /// # Errors
    ///
    /// Every problem of the file. The old one stays in force.
    pub fn reload_users(
        &self,
        policy: &Policy,
        file: &str,
        text: &str,
        now: UnixSeconds,
    ) -> Result<(), Vec<Diagnostic>> {
        let Some(users) = self.basic.file() else { return Ok(()) };
        let next = Users::parse(file, text, policy)?;
        let ended = users.replace(next);
        let ended = ended.iter().filter_map(|name| canonical(policy.user_names(), name));
        let ended: Vec<UserId> = ended.inspect(|user| self.changes.mark(user, now)).collect();
        // INVARIANT(reload forgets): only after the new file is in force, so that a check against the old one cannot be
        // remembered afterwards. Held by `a_user_who_is_disabled_is_refused_at_once`.
        self.basic.drop_all();
        for user in ended {
            let changes = Arc::clone(&self.changes);
            tokio::spawn(async move { PasswordChanges::tell_in_time(&changes, user).await });
        }
        Ok(())
    }
}

/// The users whose older tokens end, as long as the store has not confirmed it.
pub(super) struct PasswordChanges {
    denylist: Denylist,
    /// Nearly always empty: the hot path looks into it for every token.
    pending: ArcSwap<HashMap<UserId, Pending>>,
}

/// What the store has to be told about a user.
#[derive(Clone)]
struct Pending {
    /// The last second whose tokens end.
    until: UnixSeconds,
    /// How often there was reason to: a later one is told again, even of the same second.
    changes: u64,
    /// One tells at a time, and who waited finds nothing left to tell: each telling ends whatever was issued before it.
    telling: Arc<Mutex<()>>,
}

impl PasswordChanges {
    pub(super) fn new(denylist: Denylist) -> Self {
        Self {
            denylist,
            pending: ArcSwap::from_pointee(HashMap::new()),
        }
    }

    /// Whether the token ended by a change that the store does not know yet.
    ///
    /// INVARIANT(no gap): a user is in `pending` before the store is asked and until the store's own list has the
    /// revocation. Held by `tokens_end_here_even_while_the_store_is_away`.
    pub(super) fn revokes(&self, token: &VerifiedToken) -> bool {
        let pending = self.pending.load();
        !pending.is_empty()
            && pending
                .get(token.user())
                .is_some_and(|pending| token.issued_at() <= pending.until)
    }

    /// Tells the store about a user who is marked; in the background if it takes longer than somebody can wait.
    async fn tell_in_time(this: &Arc<Self>, user: UserId) -> PasswordChanged {
        match tokio::time::timeout(FIRST_ATTEMPT, this.tell(&user)).await {
            Ok(Ok(())) => PasswordChanged::Revoked,
            Ok(Err(StoreError::Unavailable { reason })) => {
                tracing::error!(%user, %reason, "tokens of a user with a new password are not revoked in the store yet");
                tokio::spawn(Self::keep_telling(Arc::clone(this), user));
                PasswordChanged::Pending
            }
            Err(_elapsed) => {
                tracing::error!(%user, reason = "slow", "tokens of a user with a new password are not revoked in the store yet");
                tokio::spawn(Self::keep_telling(Arc::clone(this), user));
                PasswordChanged::Pending
            }
        }
    }

    async fn keep_telling(this: Arc<Self>, user: UserId) {
        let mut pause = FIRST_PAUSE;
        while let Err(StoreError::Unavailable { .. }) = this.tell(&user).await {
            this.denylist.pause(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        tracing::info!(%user, "tokens of a user with a new password are revoked in the store now");
    }

    /// Tells the store what is pending about a user, until nothing is.
    ///
    /// INVARIANT(told once): what was told is not told again, because tokens issued in between would end. Held by
    /// `what_is_issued_after_a_pending_end_lives_on`.
    pub(super) async fn tell(&self, user: &UserId) -> Result<(), StoreError> {
        while let Some(mine) = self.find(user) {
            let _alone = mine.telling.lock().await;
            // Somebody else may have told it meanwhile, and there may even be something new with others at it.
            let Some(pending) = self.find(user).filter(|now| Arc::ptr_eq(&now.telling, &mine.telling)) else {
                continue;
            };
            self.denylist.revoke_user(user, pending.until).await?;
            self.unmark(user, &pending);
        }
        Ok(())
    }

    fn find(&self, user: &UserId) -> Option<Pending> {
        self.pending.load().get(user).cloned()
    }

    pub(super) fn mark(&self, user: &UserId, now: UnixSeconds) {
        let telling = Arc::<Mutex<()>>::default();
        self.pending.rcu(|pending| {
            let mut pending = HashMap::clone(pending);
            let entry = pending.entry(user.clone()).or_insert_with(|| Pending {
                until: now,
                changes: 0,
                telling: Arc::clone(&telling),
            });
            entry.until = now.max(entry.until);
            entry.changes += 1;
            pending
        });
    }

    /// A later change that is still pending stays.
    fn unmark(&self, user: &UserId, told: &Pending) {
        self.pending.rcu(|pending| {
            let mut pending = HashMap::clone(pending);
            if pending.get(user).is_some_and(|now| now.changes == told.changes) {
                pending.remove(user);
            }
            pending
        });
    }
}
