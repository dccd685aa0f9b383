//! What is a user? It knows neither tables nor routes.

use std::{fmt, sync::Arc};

/// A user's login in the spelling that the database has.
///
/// Logins are compared without case (WIRE §2.2); only the stored spelling becomes a `UserId`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct UserId(Arc<str>);

impl UserId {
    /// Takes a login as the database spells it.
    pub(crate) fn stored(login: &str) -> Self {
        Self(login.into())
    }

    /// The login.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stored user.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) id: UserId,
    /// bcrypt.
    pub(crate) password_hash: String,
}

/// A user that does not exist yet.
pub(crate) struct NewUser {
    pub(crate) id: UserId,
    /// Shown once, to the phone that registers.
    pub(crate) password: String,
    pub(crate) password_hash: String,
}

/// Login and password out of one id (WIRE §2.2): the first 6 characters in upper case and the
/// last 14 in lower case.
pub(super) fn credentials(nanoid: &str) -> (UserId, String) {
    let login: String = nanoid.chars().take(6).collect();
    let password: String = nanoid.chars().skip(7).collect();
    (
        UserId::stored(&login.to_ascii_uppercase()),
        password.to_ascii_lowercase(),
    )
}

impl fmt::Debug for NewUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewUser").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_and_password_are_the_ends_of_an_id() {
        let (login, password) = credentials("aB-_9zXQwErTyUiOpAsDf");
        assert_eq!(login.as_str(), "AB-_9Z");
        assert_eq!(password, "qwertyuiopasdf");
    }
}
