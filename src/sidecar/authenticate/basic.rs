//! Is this user name and password good? Asks whoever knows, once for everybody who asks at the same time, and remembers
//! only what was good. It does not know how the gateway is reached or how a hash is computed.

use std::sync::Arc;
use std::time::Duration;

use gateward_auth::{Denial, Login, UnixSeconds, UserId};
use gateward_policy::{Policy, UserNames};

use super::known::{Epoch, Generation, KnownLogin, KnownLogins, LoginKey};
use super::{Denied, canonical};
use crate::flight::Flights;
use crate::gateway::{Gateway, LoginAnswer};
use crate::users::UserFile;

/// Who knows the passwords.
#[derive(Clone)]
pub enum LoginSource {
    /// The gateway behind us, by the policy's `login_check`.
    Gateway(Arc<Gateway>),
    /// A users file of our own.
    File(Arc<UserFile>),
}

/// How logins are checked.
pub struct LoginSettings {
    /// Who knows the passwords.
    pub source: LoginSource,
    /// How long a good login is believed without asking again.
    pub cache_ttl: Duration,
    /// 32 random bytes of this process, used for nothing else.
    pub cache_key: [u8; 32],
}

/// Checks logins.
pub(super) struct Basic {
    source: LoginSource,
    known: Arc<KnownLogins>,
    /// The generation is part of the question: who asks after a password change never shares the answer to a question
    /// from before it.
    flights: Flights<(LoginKey, Generation), Result<KnownLogin, Denied>>,
}

/// A login in the form in which it is looked up.
struct Asked {
    user: UserId,
    key: LoginKey,
}

impl Basic {
    pub(super) fn new(settings: LoginSettings, epoch: Epoch) -> Self {
        Self {
            source: settings.source,
            known: Arc::new(KnownLogins::new(settings.cache_key, settings.cache_ttl, epoch)),
            flights: Flights::new(),
        }
    }

    /// The login if it is known to be good, or a refusal if nobody can have that name.
    pub(super) fn find(&self, policy: &Policy, login: &Login, now: UnixSeconds) -> Option<Result<KnownLogin, Denied>> {
        match self.asked(policy, login) {
            Some(asked) => self.known.find(&asked.key, now).map(Ok),
            None => Some(Err(Denial::LoginFailed.into())),
        }
    }

    /// Checks the login, unless it has become known meanwhile.
    pub(super) async fn check(&self, policy: &Policy, login: &Login, now: UnixSeconds) -> Result<KnownLogin, Denied> {
        let Asked { user, key } = self.asked(policy, login).ok_or(Denial::LoginFailed)?;
        let generation = self.known.generation(&user);
        let start = || {
            let question = self.question(policy, login.clone(), user);
            let known = Arc::clone(&self.known);
            async move {
                // Between the asker's look and this flight another one may have landed with the answer.
                if let Some(login) = known.find(&key, now) {
                    return Ok(login);
                }
                let login = question.await?;
                known.remember(key, login.clone(), generation, now);
                Ok(login)
            }
        };
        self.flights.join((key, generation), start).await
    }

    /// Forgets what was found good about one user.
    pub(super) fn drop_user(&self, user: &UserId) {
        self.known.drop_user(user);
    }

    /// Forgets everything.
    pub(super) fn drop_all(&self) {
        self.known.drop_all();
    }

    /// The users file, if there is one.
    pub(super) fn file(&self) -> Option<&UserFile> {
        match &self.source {
            LoginSource::Gateway(_) => None,
            LoginSource::File(file) => Some(file),
        }
    }

    /// A gateway that compares names without case may also compare them without accents (the collations of MariaDB do),
    /// in ways that we cannot know: a name under which a revoked user could come back is no name (SMSGate's logins are
    /// ASCII, WIRE §2.2). A file's names are compared exactly, so there any name is only itself.
    fn asked(&self, policy: &Policy, login: &Login) -> Option<Asked> {
        let names = policy.user_names();
        let user = canonical(names, &login.user)?;
        let looked_up = match (&self.source, names) {
            (LoginSource::Gateway(_), UserNames::Upper) if !login.user.is_ascii() => return None,
            (LoginSource::Gateway(_), UserNames::Upper | UserNames::AsWritten) => user.as_str(),
            (LoginSource::File(_), UserNames::Upper | UserNames::AsWritten) => &login.user,
        };
        let key = self.known.key(looked_up, login.password.expose());
        Some(Asked { user, key })
    }

    fn question(
        &self,
        policy: &Policy,
        login: Login,
        user: UserId,
    ) -> impl Future<Output = Result<KnownLogin, Denied>> + Send + use<> {
        let source = self.source.clone();
        let login_check = policy.login_check().cloned();
        async move {
            match source {
                LoginSource::Gateway(gateway) => {
                    let login_check = login_check.ok_or(Denied::Outage("login_check_missing"))?;
                    match gateway.check_login(&login_check, &login).await {
                        Ok(LoginAnswer::Good) => Ok(KnownLogin { user, scopes: None }),
                        Ok(LoginAnswer::Bad) => Err(Denial::LoginFailed.into()),
                        Err(error) => Err(error.into()),
                    }
                }
                LoginSource::File(file) => match file.check(login).await {
                    Ok(Some(allowed)) => Ok(KnownLogin {
                        user,
                        scopes: allowed.scopes,
                    }),
                    Ok(None) => Err(Denial::LoginFailed.into()),
                    Err(error) => Err(error.into()),
                },
            }
        }
    }
}
