//! Who is this, asking for what, and when? Reads a request once, before anything is decided about it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use gateward_auth::UnixSeconds;
use gateward_contract::uuid;
use http::{HeaderValue, header};
use ipnet::IpNet;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::context::Arrival;
use crate::framing::{self, FramingError, MAX_FIELDS};
use crate::gate::{Authorization, Head};
use crate::headers::{self, REQUEST_ID};
use crate::observe::Edition;
use crate::reply::Refusal;

/// Reads what is the same for every request.
pub(super) fn read(session: &Session, trusted: &[IpNet], edition: Arc<Edition>, now: UnixSeconds) -> Arrival {
    let request = session.req_header();
    let peer = session
        .client_addr()
        .and_then(|peer| peer.as_inet())
        .map(|peer| peer.ip());
    // A socket without an address is trusted by nobody.
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let tls = session.digest().is_some_and(|digest| digest.ssl_digest.is_some());
    let request_id = headers::sane_request_id(request.headers.get(REQUEST_ID))
        .cloned()
        .or_else(|| HeaderValue::try_from(uuid(gateward_boot::random::bytes())).ok())
        .unwrap_or(HeaderValue::from_static(""));
    Arrival {
        request_id,
        origin: headers::origin(request, peer, tls, trusted),
        method: request.method.clone(),
        edition,
        now,
        wants_problem: wants_problem(request),
    }
}

/// RFC 9457 is for those who name it; `*/*` is not naming it.
fn wants_problem(request: &RequestHeader) -> bool {
    let named = |value: &http::HeaderValue| {
        let mut ranges = value.as_bytes().split(|byte| *byte == b',');
        ranges.any(|range| {
            let kind = range.split(|byte| *byte == b';').next().unwrap_or_default();
            kind.trim_ascii().eq_ignore_ascii_case(b"application/problem+json")
        })
    };
    request.headers.get_all(header::ACCEPT).iter().any(named)
}

/// What `framing` checks on the raw bytes of HTTP/1, for HTTP/2: its frames leave less room for doubt.
pub(super) fn check_http2(request: &RequestHeader) -> Result<(), Refusal> {
    framing::check_length(request.raw_path()).map_err(Refusal::Framing)?;
    let plain = |value: &http::HeaderValue| value.as_bytes().iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e));
    if !request.headers.values().all(plain) {
        return Err(Refusal::Framing(FramingError::NonAscii));
    }
    if request.headers.len() > MAX_FIELDS {
        return Err(Refusal::Framing(FramingError::TooManyFields));
    }
    // Equal ones pass HTTP/2's own check, and would reach the gateway as two.
    if request.headers.get_all(header::CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(Refusal::Framing(FramingError::LengthRepeated));
    }
    if request
        .headers
        .keys()
        .any(|name| matches!(name.as_str(), "content_length" | "transfer_encoding"))
    {
        return Err(Refusal::Framing(FramingError::Disguised));
    }
    Ok(())
}

/// What the gate looks at.
pub(super) fn head(request: &RequestHeader) -> Head<'_> {
    let mut values = request.headers.get_all(header::AUTHORIZATION).iter();
    let authorization = match (values.next(), values.next()) {
        (None, _) => Authorization::Absent,
        (Some(value), None) => Authorization::One(value.as_bytes()),
        (Some(_), Some(_)) => Authorization::Repeated,
    };
    Head {
        method: request.method.as_str(),
        path: headers::path_of(request.raw_path()),
        authorization,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn refused(fields: &[(&'static str, &[u8])]) -> Option<&'static str> {
        let mut request = RequestHeader::build("POST", b"/", None).unwrap();
        for (name, value) in fields {
            request.append_header(*name, *value).unwrap();
        }
        check_http2(&request).err().map(|refusal| refusal.label())
    }

    #[test]
    fn http_2_leaves_room_for_doubt_too() {
        assert_eq!(
            refused(&[("content-length", b"2"), ("cookie", b"a"), ("cookie", b"b")]),
            None
        );
        let twice = refused(&[("content-length", b"2"), ("content-length", b"2")]);
        assert_eq!(twice, Some(FramingError::LengthRepeated.label()));
        assert_eq!(refused(&[("x-a", b"caf\xe9")]), Some(FramingError::NonAscii.label()));
        assert_eq!(
            refused(&[("content_length", b"2")]),
            Some(FramingError::Disguised.label())
        );
        let many = vec![("x-a", &b"1"[..]); MAX_FIELDS + 1];
        assert_eq!(refused(&many), Some(FramingError::TooManyFields.label()));
    }
}
