//! Which path is meant? The reference's router folds the case of literals, ignores one slash at
//! the end and decodes before it matches (WIRE §1.3); axum does none of that. So a path is
//! rewritten before routing: literals as the route spells them, parameters encoded in one way.
//!
//! It does not refuse ambiguous paths: they match nothing, and the sidecar refuses them earlier.

use std::{borrow::Cow, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{Uri, uri::PathAndQuery},
    middleware::Next,
    response::Response,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, percent_decode_str, utf8_percent_encode};

/// What is encoded in a segment: everything but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A text as one segment of a path.
pub(crate) fn segment(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, RESERVED)
}

/// The parts of the tree where authentication comes before routing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    /// `/api/3rdparty/v1`
    UserApi,
    /// `/api/mobile/v1`
    DeviceApi,
    /// Anything else.
    Elsewhere,
}

impl Area {
    /// The area of a path as it came.
    pub(super) fn of(path: &str) -> Self {
        let decoded = decode(path);
        let under = |prefix: [&str; 3]| {
            let mut given = segments(&decoded);
            prefix
                .iter()
                .all(|name| given.next().is_some_and(|s| s.eq_ignore_ascii_case(name)))
        };
        if under(["api", "3rdparty", "v1"]) {
            Self::UserApi
        } else if under(["api", "mobile", "v1"]) {
            Self::DeviceApi
        } else {
            Self::Elsewhere
        }
    }
}

/// The paths of all routes, taken apart.
#[derive(Debug)]
pub(super) struct Patterns(Vec<Vec<Piece>>);

#[derive(Debug)]
enum Piece {
    Literal(&'static str),
    Parameter,
}

impl Patterns {
    /// From paths such as `/api/3rdparty/v1/devices/{id}`.
    pub(super) fn new(paths: &[&'static str]) -> Self {
        let mut patterns: Vec<Vec<Piece>> = paths
            .iter()
            .map(|path| {
                path.split('/')
                    .skip(1)
                    .map(|segment| {
                        if segment.starts_with('{') {
                            Piece::Parameter
                        } else {
                            Piece::Literal(segment)
                        }
                    })
                    .collect()
            })
            .collect();
        // A literal is more specific than a parameter, as in the router itself.
        patterns
            .sort_by_key(|pieces: &Vec<Piece>| pieces.iter().filter(|piece| matches!(piece, Piece::Parameter)).count());
        Self(patterns)
    }

    /// The path in the spelling that the router knows; `None` if no route is meant.
    fn canonical(&self, path: &str) -> Option<String> {
        let decoded = decode(path);
        let segments: Vec<&str> = segments(&decoded).collect();
        self.0.iter().find(|pieces| matches(pieces, &segments)).map(|pieces| {
            let mut canonical = String::with_capacity(path.len());
            for (piece, given) in pieces.iter().zip(&segments) {
                canonical.push('/');
                match piece {
                    Piece::Literal(literal) => canonical.push_str(literal),
                    Piece::Parameter => canonical.extend(segment(given)),
                }
            }
            canonical
        })
    }
}

fn matches(pieces: &[Piece], segments: &[&str]) -> bool {
    pieces.len() == segments.len()
        && pieces.iter().zip(segments).all(|(piece, segment)| match piece {
            Piece::Literal(literal) => segment.eq_ignore_ascii_case(literal),
            Piece::Parameter => !segment.is_empty(),
        })
}

/// A path decoded once and as a whole. What is no escape stays.
fn decode(path: &str) -> Cow<'_, str> {
    percent_decode_str(path).decode_utf8_lossy()
}

/// The segments of a decoded path: an encoded slash separates, too.
fn segments(decoded: &str) -> impl Iterator<Item = &str> {
    let inner = decoded.strip_prefix('/').unwrap_or(decoded);
    inner.strip_suffix('/').unwrap_or(inner).split('/')
}

/// Rewrites the path of a request: to that of the route that is meant, or to one that no route has.
pub(super) async fn canonicalise(State(patterns): State<Arc<Patterns>>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let canonical = patterns.canonical(path);
    // Almost every path is as the route spells it.
    if canonical.as_deref() != Some(path) {
        let target = canonical.and_then(|canonical| target(canonical, request.uri()));
        *request.uri_mut() = target.unwrap_or_else(|| nowhere(Area::of(request.uri().path())));
    }
    next.run(request).await
}

/// For what no route is meant by: the router would match some of it all the same by rules of its own (it keeps encoded
/// slashes within a segment).
fn nowhere(area: Area) -> Uri {
    Uri::from_static(match area {
        Area::UserApi => "/api/3rdparty/v1//",
        Area::DeviceApi => "/api/mobile/v1//",
        Area::Elsewhere => "//",
    })
}

/// The canonical path with the query of the request.
fn target(mut canonical: String, uri: &Uri) -> Option<Uri> {
    if let Some(query) = uri.query() {
        canonical.push('?');
        canonical.push_str(query);
    }
    Some(Uri::from(canonical.parse::<PathAndQuery>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(path: &str) -> Option<String> {
        Patterns::new(&[
            "/health",
            "/api/3rdparty/v1/devices",
            "/api/3rdparty/v1/messages/{id}",
            "/api/3rdparty/v1/messages/inbox",
        ])
        .canonical(path)
    }

    #[test]
    fn case_and_one_slash_at_the_end_do_not_matter() {
        for path in ["/HEALTH", "/health/", "/h%65alth", "/%48EALTH/"] {
            assert_eq!(canonical(path).as_deref(), Some("/health"), "{path}");
        }
    }

    #[test]
    fn a_parameter_keeps_its_case_and_is_decoded_once() {
        let of = |path| canonical(path);
        let expected = Some("/api/3rdparty/v1/messages/AbC".to_owned());
        assert_eq!(of("/API/3rdParty/V1/Messages/AbC"), expected);
        assert_eq!(of("/api/3rdparty/v1/messages/A%62C/"), expected);
        let again = Some("/api/3rdparty/v1/messages/%2541%20%C3%A9".to_owned());
        assert_eq!(of("/api/3rdparty/v1/messages/%2541%20%c3%a9"), again);
    }

    #[test]
    fn a_literal_goes_before_a_parameter() {
        let literal = Some("/api/3rdparty/v1/messages/inbox".to_owned());
        assert_eq!(canonical("/api/3rdparty/v1/messages/INBOX"), literal);
    }

    #[test]
    fn an_encoded_slash_separates() {
        assert_eq!(canonical("/api/3rdparty/v1/messages/a%2Fb"), None);
        let other = canonical("/api%2F3rdparty/v1/devices");
        assert_eq!(other.as_deref(), Some("/api/3rdparty/v1/devices"));
    }

    #[test]
    fn other_paths_are_no_routes() {
        for path in [
            "/",
            "",
            "*",
            "/health//",
            "//health",
            "/healthz",
            "/health/x",
            "/api/3rdparty/v1/messages/",
            "/api/3rdparty/v1/messages//",
            "/api/3rdparty/v1/./devices",
            "/api/3rdparty/v1/x/../devices",
            "/api/3rdparty/v1/devices%00",
            "/api/3rdparty/v1/device%",
            "/api/3rdparty/v1/device%+1",
        ] {
            assert_eq!(canonical(path), None, "{path}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let replaced = canonical("/api/3rdparty/v1/messages/%ff");
        assert_eq!(replaced.as_deref(), Some("/api/3rdparty/v1/messages/%EF%BF%BD"));
    }

    #[test]
    fn areas_begin_at_a_whole_segment() {
        for (path, area) in [
            ("/api/3rdparty/v1", Area::UserApi),
            ("/API/3rdparty/V1/nope", Area::UserApi),
            ("/api/%33rdparty/v1/x", Area::UserApi),
            ("/api/mobile/v1/", Area::DeviceApi),
            ("/api/mobile/v1x", Area::Elsewhere),
            ("/api/3rdparty", Area::Elsewhere),
            ("/3rdparty/v1/devices", Area::Elsewhere),
            ("/", Area::Elsewhere),
        ] {
            assert_eq!(Area::of(path), area, "{path}");
        }
    }

    #[test]
    fn the_query_is_kept() {
        let patterns = Patterns::new(&["/health"]);
        let uri: Option<Uri> = "/Health/?A=%20b&x".parse().ok();
        let rewritten = uri.and_then(|uri| target(patterns.canonical(uri.path())?, &uri));
        assert_eq!(
            rewritten.map(|uri| uri.to_string()).as_deref(),
            Some("/health?A=%20b&x")
        );
    }
}
