//! Is the header of a token one that we accept? Yes when it says HS256 and asks for nothing else. It never chooses the
//! algorithm or the key: `kid`, `jku`, `jwk`, `x5u` and their like are not even read (RFC 8725 §3.1, §3.10).

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};

use crate::claims::{Found, Names};
use crate::token_error::TokenError;

/// `{"alg":"HS256","typ":"JWT"}`: what we write, and what nearly every token says.
pub(crate) const CANONICAL: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// Looks at the first segment of a token.
///
/// INVARIANT(algorithm is pinned): only the exact text `HS256` passes, in one `alg`; test
/// `verify::tests::an_algorithm_other_than_hs256_is_refused`.
pub(crate) fn check(segment: &str) -> Result<(), TokenError> {
    if segment == CANONICAL {
        return Ok(());
    }
    let decoded = URL_SAFE_NO_PAD.decode(segment).map_err(|_| TokenError::Malformed)?;
    let mut input = serde_json::Deserializer::from_slice(&decoded);
    let header = input.deserialize_map(Reader).map_err(|_| TokenError::Malformed)?;
    input.end().map_err(|_| TokenError::Malformed)?;

    if header.twice {
        return Err(TokenError::Header);
    }
    if !matches!(&header.algorithm, Some(Found::Text(name)) if name == "HS256") {
        return Err(TokenError::Algorithm);
    }
    if header.extended {
        return Err(TokenError::Extension);
    }
    match &header.kind {
        None => Ok(()),
        Some(Found::Text(name)) if is_usual(name) => Ok(()),
        Some(_) => Err(TokenError::Header),
    }
}

/// `JWT` (RFC 7519 §5.1) or the `at+jwt` of RFC 9068, with or without `application/`, in any case. Other kinds of
/// signed object must not be taken for an access token (RFC 8725 §3.11).
fn is_usual(kind: &str) -> bool {
    let kind = match kind.split_at_checked("application/".len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("application/") => rest,
        Some(_) | None => kind,
    };
    kind.eq_ignore_ascii_case("JWT") || kind.eq_ignore_ascii_case("at+jwt")
}

#[derive(Default)]
struct Header<'de> {
    algorithm: Option<Found<'de>>,
    kind: Option<Found<'de>>,
    /// Holds a member that changes how the rest is to be read.
    extended: bool,
    /// Holds a member twice.
    twice: bool,
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Header<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header<'de>, A::Error> {
        let mut header = Header::default();
        let mut names = Names::default();
        while let Some(Found::Text(name)) = map.next_key()? {
            match name.as_ref() {
                "alg" => header.algorithm = Some(map.next_value()?),
                "typ" => header.kind = Some(map.next_value()?),
                "crit" | "zip" | "b64" => {
                    header.extended = true;
                    map.next_value::<IgnoredAny>()?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            header.twice |= names.seen_before(Cow::clone(&name));
        }
        Ok(header)
    }
}
