//! What is one line of the list, and how is it written down? Knows nothing of where it is kept.

use gateward_auth::{FamilyId, TokenId, UnixSeconds, UserId};

/// What is revoked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Entry {
    /// This token id, when it is this user's.
    Token {
        /// Whose token.
        user: UserId,
        /// Which token.
        id: TokenId,
    },
    /// Every token of a family.
    Family(FamilyId),
    /// Every token of a user with a lower epoch, and every one without epoch that was issued at this second or before.
    User {
        /// Whose tokens.
        user: UserId,
        /// The lowest epoch that is good.
        epoch: u64,
        /// The last `iat` that is bad, for tokens without epoch.
        issued_until: UnixSeconds,
    },
}

/// An entry and the moment when it stops to matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// What is revoked.
    pub entry: Entry,
    /// From this second on the entry matters to no token any more.
    pub expires_at: UnixSeconds,
}

impl Entry {
    /// The entry as one text. The fields cannot hold a tab, because ids hold no control characters, so different entries
    /// have different texts.
    pub(crate) fn encode(&self) -> String {
        match self {
            Self::Token { user, id } => format!("t\t{user}\t{id}"),
            Self::Family(family) => format!("f\t{family}"),
            Self::User {
                user,
                epoch,
                issued_until,
            } => format!("u\t{user}\t{epoch}\t{issued_until}"),
        }
    }

    /// Reads what [`Entry::encode`] wrote; `None` for anything else.
    pub(crate) fn decode(text: &str) -> Option<Self> {
        let mut fields = text.split('\t');
        let entry = match fields.next()? {
            "t" => Self::Token {
                user: UserId::parse(fields.next()?).ok()?,
                id: TokenId::parse(fields.next()?).ok()?,
            },
            "f" => Self::Family(FamilyId::parse(fields.next()?).ok()?),
            "u" => Self::User {
                user: UserId::parse(fields.next()?).ok()?,
                epoch: fields.next()?.parse().ok()?,
                issued_until: UnixSeconds(fields.next()?.parse().ok()?),
            },
            _ => return None,
        };
        fields.next().is_none().then_some(entry)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn an_entry_reads_back_as_it_was_written() {
        let user = UserId::parse("Zoë \"x\" {a}").unwrap();
        for entry in [
            Entry::Token {
                user: user.clone(),
                id: TokenId::parse("id with spaces").unwrap(),
            },
            Entry::Family(FamilyId::parse("0123456789ab").unwrap()),
            Entry::User {
                user,
                epoch: u64::MAX,
                issued_until: UnixSeconds(-3),
            },
        ] {
            assert_eq!(Entry::decode(&entry.encode()), Some(entry));
        }
    }

    #[test]
    fn anything_else_is_no_entry() {
        for text in [
            "",
            "x\ta",
            "t\ta",
            "t\ta\tb\tc",
            "f\t",
            "f",
            "u\ta\t1",
            "u\ta\tx\t1",
            "u\ta\t-1\t1",
            "u\ta\t1\t1\t",
        ] {
            assert_eq!(Entry::decode(text), None, "{text:?}");
        }
    }
}
