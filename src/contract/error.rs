//! What does the body of a refusal look like (WIRE §1.7)? Knows no status.

use serde::Serialize;

/// `{"message":"…"}`: one key, whatever went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorBody<'a> {
    /// The text for the client.
    pub message: &'a str,
}

impl ErrorBody<'_> {
    /// The body's bytes.
    pub fn to_json(&self) -> Vec<u8> {
        crate::json::to_vec(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_one_key() {
        let body = ErrorBody {
            message: "scope required: a:b",
        }
        .to_json();
        assert_eq!(body, br#"{"message":"scope required: a:b"}"#);
    }
}
