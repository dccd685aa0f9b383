//! What is a scope, and when does a list of them satisfy a need (WIRE §2.5)? Knows no route and no catalogue: which
//! scopes exist is the policy's business.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The wildcard of SMSGate: satisfies every need that is not exact.
pub const ALL_ANY: &str = "all:any";
/// The one scope of a refresh token. Never granted on request, never satisfied by a wildcard.
pub const TOKENS_REFRESH: &str = "tokens:refresh";
/// The longest name of a scope, in characters.
const MAX_CHARS: usize = 64;

/// Why a text is not the name of a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScopeError {
    /// Nothing.
    #[error("empty")]
    Empty,
    /// More than 64 characters.
    #[error("longer than 64 characters")]
    TooLong,
    /// Something other than `a-z 0-9 : _ . -`.
    #[error("holds a character other than a-z, 0-9, `:`, `_`, `.` and `-`")]
    Character,
}

/// The name of a scope that a policy declares, such as `messages:send`.
///
/// What a token carries is *not* this type: a token may hold any text, and it is compared exactly.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Arc<str>);

impl Scope {
    /// Accepts 1 to 64 of `a-z`, `0-9`, `:`, `_`, `.` and `-`.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        if text.is_empty() {
            return Err(ScopeError::Empty);
        }
        if text.len() > MAX_CHARS {
            return Err(ScopeError::TooLong);
        }
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b":_.-".contains(&byte);
        if text.bytes().all(known) {
            Ok(Self(Arc::from(text)))
        } else {
            Err(ScopeError::Character)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Borrow<str> for Scope {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Scope {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// Does a list of scopes satisfy the need? It does when it holds that very name or, unless the need is `exact`, the
/// wildcard. Names are compared byte for byte: no case, no blanks, no patterns.
///
/// INVARIANT(scopes match exactly): test `tests::look_alikes_satisfy_nothing`.
pub(crate) fn satisfies<S: AsRef<str>>(held: &[S], needed: &Scope, exact: bool, wildcard: Option<&Scope>) -> bool {
    let wildcard = if exact { None } else { wildcard };
    held.iter()
        .map(AsRef::as_ref)
        .any(|name| name == needed.as_str() || wildcard.is_some_and(|w| name == w.as_str()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    #[test]
    fn the_name_of_a_scope_is_plain() {
        for good in ["a", "messages:send", "a.b-c_d:9", &"a".repeat(64)] {
            assert!(Scope::parse(good).is_ok(), "{good}");
        }
        assert_eq!(Scope::parse(""), Err(ScopeError::Empty));
        assert_eq!(Scope::parse(&"a".repeat(65)), Err(ScopeError::TooLong));
        for bad in ["A", "a b", "a*", " a", "a\n", "ä", "a/b"] {
            assert_eq!(Scope::parse(bad), Err(ScopeError::Character), "{bad:?}");
        }
    }

    #[test]
    fn the_very_name_satisfies() {
        assert!(satisfies(&["x", "messages:send"], &scope("messages:send"), false, None));
        assert!(satisfies(&["messages:send"], &scope("messages:send"), true, None));
        assert!(!satisfies::<&str>(
            &[],
            &scope("messages:send"),
            false,
            Some(&scope(ALL_ANY))
        ));
    }

    #[test]
    fn the_wildcard_satisfies_all_but_an_exact_need() {
        let any = scope(ALL_ANY);
        assert!(satisfies(&[ALL_ANY], &scope("messages:send"), false, Some(&any)));
        assert!(!satisfies(&[ALL_ANY], &scope(TOKENS_REFRESH), true, Some(&any)));
        assert!(
            !satisfies(&[ALL_ANY], &scope("messages:send"), false, None),
            "no wildcard in this policy"
        );
    }

    // SECURITY 17
    #[test]
    fn look_alikes_satisfy_nothing() {
        let any = scope(ALL_ANY);
        for trick in [
            "ALL:ANY",
            " all:any",
            "all:any ",
            "all:*",
            "messages:*",
            "*",
            "",
            "messages:read messages:send",
            "messages:read,messages:send",
            "Messages:send",
            "m\u{435}ssages:send",
            "messages:send\0",
        ] {
            assert!(
                !satisfies(&[trick], &scope("messages:send"), false, Some(&any)),
                "{trick:?}"
            );
        }
    }
}
