//! Whose credential is this, and is it good? Gathers the evidence that `auth::decide` judges.
//!
//! Tokens and logins that were found good a moment ago are answered at once ([`Authenticator::try_now`]); only a login
//! that has to be checked waits ([`Authenticator::authenticate`]). It refuses to know routes, scopes and statuses: what
//! follows from the evidence is decided elsewhere.

mod basic;
mod bearer;
mod known;
mod known_tokens;
mod password_change;

use std::sync::Arc;

use gateward_auth::{Credential, Denial, Evidence, Requirement, UnixSeconds, UserId, Verifier};
use gateward_denylist::Denylist;
use gateward_policy::{Policy, UserNames};

use self::basic::Basic;
use self::known::KnownLogin;
use self::known_tokens::KnownTokens;
use self::password_change::PasswordChanges;
use crate::gateway::GatewayError;
use crate::users::CheckError;

pub use self::basic::{LoginSettings, LoginSource};
pub use self::password_change::{NotSettled, PasswordChanged};

/// Why there is no evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The credential is not good, or not of a kind that the route accepts.
    Denial(Denial),
    /// Whoever could tell did not answer. The text is a label from a closed set (503 with `Retry-After`).
    Outage(&'static str),
    /// Too many logins are being checked at this moment (503 with `Retry-After`).
    Busy,
}

impl From<Denial> for Denied {
    fn from(denial: Denial) -> Self {
        Self::Denial(denial)
    }
}

/// What a client who waits for a login learns of trouble with the gateway.
impl From<GatewayError> for Denied {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Busy => Self::Busy,
            GatewayError::Unreachable
            | GatewayError::Short
            | GatewayError::TimedOut
            | GatewayError::Broken
            | GatewayError::Unexpected(_)
            | GatewayError::Setup => Self::Outage(error.label()),
        }
    }
}

impl From<CheckError> for Denied {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::Busy => Self::Busy,
            CheckError::Failed => Self::Outage("password_hash_failed"),
        }
    }
}

/// Turns credentials into evidence.
pub struct Authenticator {
    verifier: Verifier,
    tokens: KnownTokens,
    denylist: Denylist,
    basic: Basic,
    changes: Arc<PasswordChanges>,
}

impl Authenticator {
    /// `verifier` is the front door's; `logins` says who knows the passwords.
    pub fn new(verifier: Verifier, denylist: Denylist, logins: LoginSettings) -> Self {
        let changes = Arc::new(PasswordChanges::new(denylist.clone()));
        let list = denylist.clone();
        let basic = Basic::new(logins, Box::new(move |user| list.epoch(user)));
        Self {
            verifier,
            tokens: KnownTokens::new(),
            denylist,
            basic,
            changes,
        }
    }

    /// The evidence, if it is at hand: always for tokens and for requests without a credential, and for a login that
    /// was found good within `users.cache_ttl`. `None` means that [`Authenticator::authenticate`] has to be asked.
    ///
    /// The first kind of credential that applies counts, and one that the route does not accept is not looked at.
    pub fn try_now(
        &self,
        policy: &Policy,
        requirement: &Requirement,
        credential: &Credential<'_>,
        now: UnixSeconds,
    ) -> Option<Result<Evidence, Denied>> {
        match credential {
            Credential::None | Credential::Other => Some(Ok(Evidence::Absent)),
            Credential::Bearer(_) if !requirement.accepts.jwt => Some(Err(Denial::KindNotAccepted.into())),
            Credential::Basic(_) if !requirement.accepts.basic => Some(Err(Denial::KindNotAccepted.into())),
            Credential::Bearer(raw) => Some(self.bearer(policy, raw, now).map_err(Denied::Denial)),
            Credential::Basic(login) => self.basic.find(policy, login, now).map(|found| found.map(evidence)),
        }
    }

    /// The evidence, after checking the login where that is necessary.
    ///
    /// # Errors
    ///
    /// [`Denied`]: the credential is not good, or nobody could tell.
    pub async fn authenticate(
        &self,
        policy: &Policy,
        requirement: &Requirement,
        credential: &Credential<'_>,
        now: UnixSeconds,
    ) -> Result<Evidence, Denied> {
        if let Some(answer) = self.try_now(policy, requirement, credential, now) {
            return answer;
        }
        match credential {
            Credential::Basic(login) => self.basic.check(policy, login, now).await.map(evidence),
            Credential::None | Credential::Other | Credential::Bearer(_) => Ok(Evidence::Absent),
        }
    }
}

fn evidence(login: KnownLogin) -> Evidence {
    Evidence::Login {
        user: login.user,
        scopes: login.scopes.map(|scopes| scopes.to_vec()),
    }
}

/// The one name of a user, whatever spelling came; `None` when no user can have it.
fn canonical(names: UserNames, name: &str) -> Option<UserId> {
    UserId::parse(&names.canonical(name)).ok()
}

#[cfg(test)]
mod tests;
