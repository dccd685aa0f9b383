//! What does a route ask of its caller? Written in the policy, compiled once. Knows no path and no caller.

use std::time::Duration;

use crate::scope::Scope;

/// Which kinds of credential a route accepts; none by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accepts {
    /// A user name and password (RFC 7617).
    pub basic: bool,
    /// A token (RFC 6750).
    pub jwt: bool,
}

impl Accepts {
    /// Both kinds.
    pub const BOTH: Self = Self { basic: true, jwt: true };
}

/// What the caller must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// Nothing but a good credential.
    Nothing,
    /// One scope.
    Scope {
        /// Its name.
        scope: Scope,
        /// Whether the wildcard does not count.
        exact: bool,
        /// The catalogue's wildcard, if it has one.
        wildcard: Option<Scope>,
    },
}

/// What one route asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Which kinds of credential.
    pub accepts: Accepts,
    /// Which scope.
    pub need: Need,
}

/// What happens with tokens while the denylist may be out of date (DESIGN §7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnOutage {
    /// Refuse.
    Closed,
    /// Go on with a list that is at most so old.
    Stale(Duration),
    /// Go on.
    Open,
}
