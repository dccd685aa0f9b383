//! Who does a request say it is from? The forms of `Authorization` that devices and the sidecar
//! use (WIRE §2.1, §2.7). It checks nothing.

use std::fmt;

use axum::http::{HeaderMap, header};
use base64::{
    Engine, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};

/// Padded; the bits of the last character that nobody needs may be anything, as for the reference.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The credential of a request, as written.
#[derive(PartialEq, Eq)]
pub(crate) enum Authorization<'a> {
    /// No header, a scheme that we do not know, or one that we know with nothing behind it.
    None,
    /// `Basic`, decoded.
    Basic {
        /// Up to the first colon.
        login: String,
        /// Everything after it.
        password: String,
    },
    /// `Basic` that cannot be read, or more than one header: refused wherever it is looked at.
    Unreadable,
    /// `Bearer`
    Bearer(&'a str),
    /// `Code`
    Code(&'a str),
}

impl<'a> Authorization<'a> {
    /// The credential in these headers. Schemes are compared without case.
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else {
            return Self::None;
        };
        if values.next().is_some() {
            return Self::Unreadable;
        }
        let Ok(text) = value.to_str() else {
            return Self::Unreadable;
        };
        let Some((scheme, rest)) = text.split_once(' ').filter(|(_, rest)| !rest.is_empty()) else {
            return Self::None;
        };
        if scheme.eq_ignore_ascii_case("basic") {
            basic(rest).unwrap_or(Self::Unreadable)
        } else if scheme.eq_ignore_ascii_case("bearer") {
            Self::Bearer(rest)
        } else if scheme.eq_ignore_ascii_case("code") {
            Self::Code(rest)
        } else {
            Self::None
        }
    }
}

fn basic(encoded: &str) -> Option<Authorization<'_>> {
    let decoded = String::from_utf8(BASE64.decode(encoded).ok()?).ok()?;
    let (login, password) = decoded.split_once(':')?;
    Some(Authorization::Basic {
        login: login.to_owned(),
        password: password.to_owned(),
    })
}

impl fmt::Debug for Authorization<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic",
            Self::Unreadable => "Unreadable",
            Self::Bearer(_) => "Bearer",
            Self::Code(_) => "Code",
        })
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn with(values: &[&'static str], check: impl FnOnce(Authorization<'_>)) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_static(value));
        }
        check(Authorization::of(&headers));
    }

    #[test]
    fn schemes_are_found_in_any_case() {
        for value in ["Bearer a.b", "bearer a.b", "BEARER a.b"] {
            with(&[value], |found| assert_eq!(found, Authorization::Bearer("a.b")));
        }
        with(&["code K7m2pq"], |found| {
            assert_eq!(found, Authorization::Code("K7m2pq"))
        });
        // ABC:p:w
        let expected = || Authorization::Basic {
            login: "ABC".to_owned(),
            password: "p:w".to_owned(),
        };
        for value in ["basic QUJDOnA6dw==", "BASIC QUJDOnA6dx=="] {
            with(&[value], |found| assert_eq!(found, expected(), "{value}"));
        }
    }

    #[test]
    fn nothing_behind_the_scheme_is_nothing() {
        for value in ["", "Basic", "Basic ", "Bearer ", "Code", "Code ", "Digest x", "abc"] {
            with(&[value], |found| assert_eq!(found, Authorization::None, "{value}"));
        }
        with(&[], |found| assert_eq!(found, Authorization::None));
    }

    #[test]
    fn basic_has_to_be_padded_base64_of_text_with_a_colon() {
        for value in ["Basic !!!!", "Basic QUJDOnA6dw", "Basic bm9jb2xvbg==", "Basic /zo="] {
            with(&[value], |found| {
                assert_eq!(found, Authorization::Unreadable, "{value}")
            });
        }
    }

    #[test]
    fn two_headers_are_not_chosen_from() {
        with(&["Bearer a", "Bearer a"], |found| {
            assert_eq!(found, Authorization::Unreadable)
        });
    }

    #[test]
    fn nothing_of_it_is_shown() {
        with(&["Bearer hunter2"], |found| assert_eq!(format!("{found:?}"), "Bearer"));
    }
}
