//! Why was a request refused? A value with a closed label, not an error: the shell turns it into an answer. Knows no
//! HTTP status and no text for clients.

use std::fmt;

use crate::credential::CredentialError;
use crate::evidence::RevokedBy;
use crate::scope::Scope;
use crate::token_error::TokenError;

/// The reason of a refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// No credential came, or one of an unknown scheme.
    NoCredential,
    /// The credential could not be read.
    BadCredential(CredentialError),
    /// A good credential of a kind that the route does not accept.
    KindNotAccepted,
    /// The user name or the password is wrong.
    LoginFailed,
    /// The token is not good.
    TokenInvalid(TokenError),
    /// The token was good once, and was revoked.
    TokenRevoked(RevokedBy),
    /// The caller is known but lacks the scope.
    ScopeMissing {
        /// What the route needs.
        scope: Scope,
    },
    /// The denylist may be out of date, and the route does not go on with it.
    RevocationUnknown,
}

impl Denial {
    /// A word from a closed set, for logs and metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Self::NoCredential => "no_credential",
            Self::BadCredential(error) => error.label(),
            Self::KindNotAccepted => "kind_not_accepted",
            Self::LoginFailed => "login_failed",
            Self::TokenInvalid(error) => error.label(),
            Self::TokenRevoked(RevokedBy::Token) => "token_revoked",
            Self::TokenRevoked(RevokedBy::Family) => "family_revoked",
            Self::TokenRevoked(RevokedBy::User) => "user_revoked",
            Self::ScopeMissing { .. } => "scope_missing",
            Self::RevocationUnknown => "revocation_unknown",
        }
    }
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ScopeMissing { scope } => write!(f, "scope_missing: {scope}"),
            Self::NoCredential
            | Self::BadCredential(_)
            | Self::KindNotAccepted
            | Self::LoginFailed
            | Self::TokenInvalid(_)
            | Self::TokenRevoked(_)
            | Self::RevocationUnknown => f.write_str(self.label()),
        }
    }
}
