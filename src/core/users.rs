//! Users: a login, a password, and nothing else. They are made by registering a device
//! (WIRE §2.2) and own everything.

mod known;
mod model;
mod passwords;
mod remembered;
mod routes;
mod store;

pub(crate) use model::UserId;
pub(crate) use model::{Account, NewUser};
pub(crate) use routes::routes;

use gateward_auth::Secret;

use crate::{
    Timestamp,
    db::{Connection, Database, StoreError},
    shared::Cache,
};
use known::KnownUsers;
use passwords::{Passwords, Unhashable};
use remembered::RememberedLogins;
use store::Store;

/// What can be done with users.
#[derive(Debug)]
pub(crate) struct Users {
    store: Store,
    known: KnownUsers,
    passwords: Passwords,
    remembered: RememberedLogins,
}

/// Why a user could not be made, logged in or given another password.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UserError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The password cannot be hashed, or too many are waiting to be.
    #[error(transparent)]
    Password(#[from] Unhashable),
    /// The login is taken.
    #[error("user already exists: {0}")]
    Taken(UserId),
    /// Not this user's password.
    #[error("wrong password")]
    WrongPassword,
}

impl Users {
    /// `secret` is one that all processes have, and `logins` is where they remember who logged in.
    pub(crate) fn new(database: Database, secret: &Secret, logins: Cache) -> Self {
        Self {
            store: Store(database),
            known: KnownUsers::new(),
            passwords: Passwords::new(),
            remembered: RememberedLogins::new(secret, logins),
        }
    }

    /// The user of that login in any case. One who was there less than a minute ago is there.
    pub(crate) async fn find(&self, login: &str) -> Result<Option<UserId>, StoreError> {
        if let Some(user) = self.known.recall(login) {
            return Ok(Some(user));
        }
        let user = self.store.find(login).await?.map(|account| account.id);
        if let Some(user) = &user {
            self.known.remember(login, user);
        }
        Ok(user)
    }

    /// The user whose login (in any case) and password these are; `None` if they are nobody's.
    pub(crate) async fn log_in(&self, login: &str, password: &str) -> Result<Option<UserId>, UserError> {
        let Some(account) = self.store.find(login).await? else {
            self.passwords.check(password, None).await?;
            return Ok(None);
        };
        let mark = self.remembered.mark(&account, password);
        if let Some(mark) = &mark
            && self.remembered.recall(mark).await
        {
            return Ok(Some(account.id));
        }
        if !self.passwords.check(password, Some(account.password_hash)).await? {
            return Ok(None);
        }
        if let Some(mark) = &mark {
            self.remembered.remember(mark).await;
        }
        Ok(Some(account.id))
    }

    /// Login, password and hash of a user to be; nothing is stored.
    pub(crate) async fn draft(&self, nanoid: &str, salt: [u8; 16]) -> Result<NewUser, UserError> {
        let (id, password) = model::credentials(nanoid);
        let password_hash = self.passwords.hash(&password, salt).await?;
        Ok(NewUser {
            id,
            password,
            password_hash,
        })
    }

    /// Stores a user within a larger change.
    pub(crate) async fn insert(change: &mut Connection, user: &NewUser, now: Timestamp) -> Result<bool, StoreError> {
        store::insert(change, user, now).await
    }

    /// Another password, if `current` is the one he has (WIRE §4.5).
    pub(crate) async fn change_password(
        &self,
        user: &UserId,
        current: &str,
        new: &str,
        salt: [u8; 16],
        now: Timestamp,
    ) -> Result<(), UserError> {
        if self.log_in(user.as_str(), current).await?.is_none() {
            return Err(UserError::WrongPassword);
        }
        let hash = self.passwords.hash(new, salt).await?;
        Ok(self.store.change_password(user, &hash, now).await?)
    }
}

#[cfg(test)]
mod tests;
