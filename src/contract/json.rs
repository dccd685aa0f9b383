//! How is JSON read and written here? As the reference's language does it (WIRE §1.8, §1.9), because clients rely on it:
//! names without case, the last of two wins, `null` is absent, unknown fields are ignored. Knows no field of any body.
//! Read first `scan` (is it JSON?), then `value` (a piece of it), then `read` (fields).
//!
//! ```
//! # use gateward_contract::json::{self, Object};
//! let value = json::parse_body(Some("application/json"), br#"{"TTL": 60, "scopes": ["a:b"]}"#)?;
//! let request = Object::of(&value, "TokenRequest")?;
//! assert_eq!(request.opt_uint64("ttl")?, Some(60));
//! assert_eq!(request.opt_string_list("scopes", 64)?, Some(vec!["a:b".to_owned()]));
//! assert_eq!(request.opt_time("validUntil")?, None);
//! # Ok::<(), json::ParseError>(())
//! ```

mod read;
mod scan;
mod value;
mod write;

use std::fmt;

pub use read::Object;
pub use scan::MAX_DEPTH;
pub use value::{Entries, Items, Value};
pub use write::to_vec;

/// Why a body is not what was asked for. Its text begins with `failed to parse body: `; all of them are 400.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError(String);

impl ParseError {
    /// From the text behind `failed to parse body: `.
    pub fn new(detail: impl Into<String>) -> Self {
        Self(detail.into())
    }

    /// The text without its beginning.
    pub fn detail(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "failed to parse body: {}", self.0)
    }
}

impl std::error::Error for ParseError {}

/// Reads a request body: the content type must be JSON, and the body one JSON value.
pub fn parse_body<'a>(content_type: Option<&str>, body: &'a [u8]) -> Result<Value<'a>, ParseError> {
    if !content_type.is_some_and(is_json) {
        return Err(ParseError::new("Unprocessable Entity"));
    }
    parse(body)
}

/// Reads one JSON value, whatever the content type.
pub fn parse(body: &[u8]) -> Result<Value<'_>, ParseError> {
    scan::scan(body).map_err(ParseError::new)
}

/// Without its parameters, a JSON type ends in `json`: `application/json; charset=utf-8`, `application/vnd.api+json`.
fn is_json(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    kind.len()
        .checked_sub(4)
        .and_then(|at| kind.get(at..))
        .is_some_and(|end| end.eq_ignore_ascii_case("json"))
}

#[cfg(test)]
mod tests;
