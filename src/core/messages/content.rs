//! What is in a message? A text, data for a port, or only the hash of what was there (WIRE §3.2, §6.6).
//!
//! It knows how content is kept in the database, and no limits: those are the rules of requests (`draft`).

use serde::{Deserialize, Serialize};

/// The content of a message.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Content {
    /// A text.
    Text(TextMessage),
    /// Bytes for a port.
    Data(DataMessage),
    /// What is left of either after a while.
    Hashed(HashedMessage),
}

/// `textMessage`
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct TextMessage {
    pub(crate) text: String,
}

/// `dataMessage`
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct DataMessage {
    /// Base64.
    pub(crate) data: String,
    /// 1–65535
    pub(crate) port: u16,
}

/// `hashedMessage`
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct HashedMessage {
    /// SHA-256 in hexadecimal.
    pub(crate) hash: String,
}

/// The columns that keep a content.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Stored {
    /// `Text` or `Data`.
    pub(crate) kind: &'static str,
    /// JSON.
    pub(crate) content: String,
}

/// A content in the database that is none. `Display` names no content.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the stored content of a message cannot be read")]
pub(crate) struct Unreadable;

impl Content {
    /// As the database keeps it: the same bytes that the reference would write.
    pub(crate) fn to_stored(&self) -> Stored {
        let (kind, bytes) = match self {
            Self::Text(text) => ("Text", gateward_contract::json::to_vec(text)),
            Self::Data(data) => ("Data", gateward_contract::json::to_vec(data)),
            Self::Hashed(hashed) => ("Text", hashed.hash.clone().into_bytes()),
        };
        Stored {
            kind,
            content: String::from_utf8_lossy(&bytes).into_owned(),
        }
    }

    /// From the columns `type`, `content` and `is_hashed`.
    pub(crate) fn from_stored(kind: &str, content: String, is_hashed: bool) -> Result<Self, Unreadable> {
        if is_hashed {
            return Ok(Self::Hashed(HashedMessage { hash: content }));
        }
        match kind {
            "Text" => serde_json::from_str(&content).map(Self::Text),
            "Data" => serde_json::from_str(&content).map(Self::Data),
            _ => return Err(Unreadable),
        }
        .map_err(|_| Unreadable)
    }
}

#[cfg(test)]
mod tests {
    use super::{Content, DataMessage, TextMessage, Unreadable};

    #[test]
    fn content_is_kept_as_the_reference_keeps_it() {
        let text = Content::Text(TextMessage {
            text: "a<b>&\"é".to_owned(),
        });
        let stored = text.to_stored();
        assert_eq!(stored.kind, "Text");
        assert_eq!(stored.content, r#"{"text":"a\u003cb\u003e\u0026\"é"}"#);
        assert_eq!(Content::from_stored(stored.kind, stored.content, false), Ok(text));

        let data = Content::Data(DataMessage {
            data: "AAAA".to_owned(),
            port: 7,
        });
        let stored = data.to_stored();
        assert_eq!(
            (stored.kind, stored.content.as_str()),
            ("Data", r#"{"data":"AAAA","port":7}"#)
        );
        assert_eq!(Content::from_stored(stored.kind, stored.content, false), Ok(data));
    }

    #[test]
    fn what_is_not_content_is_refused_without_a_panic() {
        for (kind, content) in [("Text", "x"), ("Data", r#"{"text":"a"}"#), ("Mms", "{}")] {
            assert_eq!(Content::from_stored(kind, content.to_owned(), false), Err(Unreadable));
        }
    }
}
