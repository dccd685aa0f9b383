//! Which names do we accept for users, tokens and families, and how is an instant written? Knows nothing of where the
//! names come from.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The longest name that is accepted, in characters (DESIGN §5).
const MAX_CHARS: usize = 128;

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing, or nothing but white space.
    #[error("blank")]
    Blank,
    /// More than 128 characters.
    #[error("longer than 128 characters")]
    TooLong,
    /// A control character, such as a line feed that would forge a log line.
    #[error("holds a control character")]
    Control,
}

/// 1 to 128 characters, not blank, no control characters.
fn check(text: &str) -> Result<(), IdError> {
    // A character has at most four bytes: this bounds the work before the characters are counted.
    if text.len() > MAX_CHARS * 4 {
        return Err(IdError::TooLong);
    }
    let mut blank = true;
    for (seen, character) in text.chars().enumerate() {
        if seen == MAX_CHARS {
            return Err(IdError::TooLong);
        }
        if character.is_control() {
            return Err(IdError::Control);
        }
        blank &= character.is_whitespace();
    }
    if blank { Err(IdError::Blank) } else { Ok(()) }
}

macro_rules! id {
    ($(#[$about:meta])* $name:ident) => {
        $(#[$about])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Accepts 1 to 128 characters that are not all white space and hold no control character.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                check(text)?;
                Ok(Self(Arc::from(text)))
            }

            /// The name as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

id! {
    /// A user's name, as the gateway knows it.
    UserId
}
id! {
    /// The `jti` of one token.
    TokenId
}
id! {
    /// The name of one login session: the pair of tokens that was issued, and all its successors.
    FamilyId
}

impl UserId {
    /// The same user under the name that [`upper_name`] gives.
    pub(crate) fn to_upper(&self) -> Self {
        let upper = upper_name(&self.0);
        if *upper == *self.0 {
            self.clone()
        } else {
            Self(Arc::from(upper))
        }
    }
}

/// The canonical name of a user where a policy says `user_names: upper`: in capitals and without spaces at the end, as
/// SMSGate's database compares logins (WIRE §2.2).
pub fn upper_name(name: &str) -> Cow<'_, str> {
    let name = name.trim_end_matches(' ');
    if name
        .chars()
        .any(|letter| letter.is_ascii_lowercase() || !letter.is_ascii())
    {
        Cow::Owned(name.to_uppercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Whole seconds since 1970-01-01T00:00:00Z (the NumericDate of RFC 7519).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixSeconds(pub i64);

impl UnixSeconds {
    /// Later by so many seconds; stops at the end of time instead of wrapping.
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Earlier by so many seconds; stops at the beginning of time.
    pub fn minus(self, seconds: i64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }

    /// Seconds from `earlier` to `self`; negative when `earlier` is the later one.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// The whole seconds of a duration; of one that no integer can hold, as many as it can.
pub fn whole_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_1_to_128_characters() {
        assert_eq!(UserId::parse(""), Err(IdError::Blank));
        assert_eq!(UserId::parse("a").unwrap().as_str(), "a");
        assert!(UserId::parse(&"a".repeat(128)).is_ok());
        assert_eq!(UserId::parse(&"a".repeat(129)), Err(IdError::TooLong));
        assert!(
            TokenId::parse(&"\u{1F600}".repeat(128)).is_ok(),
            "characters count, not bytes"
        );
        assert_eq!(TokenId::parse(&"\u{1F600}".repeat(129)), Err(IdError::TooLong));
        assert_eq!(TokenId::parse(&"a".repeat(1 << 20)), Err(IdError::TooLong));
    }

    #[test]
    fn a_blank_name_is_refused() {
        for blank in [" ", "   ", "\u{a0}", "\u{3000}"] {
            assert_eq!(UserId::parse(blank), Err(IdError::Blank), "{blank:?}");
        }
        assert!(UserId::parse(" a").is_ok());
    }

    #[test]
    fn a_control_character_is_refused() {
        for bad in ["a\nb", "\0", "a\r", "\u{7f}", "\u{85}", "\t"] {
            assert_eq!(FamilyId::parse(bad), Err(IdError::Control), "{bad:?}");
        }
    }

    #[test]
    fn a_set_of_names_can_be_asked_with_a_text() {
        let set = std::collections::HashSet::from([UserId::parse("ABC123").unwrap()]);
        assert!(set.contains("ABC123"));
        assert!(!set.contains("abc123"));
    }

    #[test]
    fn capitals_are_one_name_for_all_spellings() {
        let upper = UserId::parse("ABC123").unwrap();
        for spelling in ["aBc123", "ABC123", "abc123  "] {
            assert_eq!(UserId::parse(spelling).unwrap().to_upper(), upper, "{spelling:?}");
        }
    }

    #[test]
    fn seconds_do_not_wrap() {
        assert_eq!(UnixSeconds(i64::MAX).plus(1), UnixSeconds(i64::MAX));
        assert_eq!(UnixSeconds(i64::MIN).minus(1), UnixSeconds(i64::MIN));
        assert_eq!(UnixSeconds(i64::MAX).since(UnixSeconds(i64::MIN)), i64::MAX);
    }
}
