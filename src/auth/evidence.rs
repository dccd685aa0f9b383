//! What does a shell know about the caller when it asks for a decision? Only facts: nothing here says "allowed".

use std::time::Duration;

use crate::claims::VerifiedToken;
use crate::ids::UserId;
use crate::scope::Scope;

/// What was revoked, when a token is refused for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RevokedBy {
    /// This one token id.
    Token,
    /// The login session that the token belongs to.
    Family,
    /// Everything of this user issued before some moment.
    User,
}

impl RevokedBy {
    /// A word from a closed set, for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Family => "family",
            Self::User => "user",
        }
    }
}

/// What the denylist says about a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Not revoked, and the list is up to date.
    Clear,
    /// Revoked. Final in every mode, however old the list is.
    Revoked(RevokedBy),
    /// Not on the list that we have, but the list may be out of date.
    Unknown {
        /// How old the list is; `None` when it was never loaded.
        age: Option<Duration>,
    },
}

/// The facts about one request's credential, all checked.
#[derive(Debug)]
pub enum Evidence {
    /// No usable credential came.
    Absent,
    /// A user name and password that are right.
    Login {
        /// The user's canonical name.
        user: UserId,
        /// What this user may do at most; `None` is everything (as Basic logins have in SMSGate, WIRE §2.1).
        scopes: Option<Vec<Scope>>,
    },
    /// A token with a good signature, good claims and good times.
    Token {
        /// The token.
        token: VerifiedToken,
        /// What the denylist says about it.
        standing: Standing,
    },
}
