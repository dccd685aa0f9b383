//! Who is this, asking for what, and when? Reads a request once, before anything is decided about it.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use gateward_auth::UnixSeconds;
use gateward_contract::uuid;
use http::header;
use ipnet::IpNet;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::context::Arrival;
use crate::framing::{FramingError, MAX_TARGET};
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
    let request_id = match headers::sane_request_id(request.headers.get(REQUEST_ID)) {
        Some(id) => id.into(),
        None => uuid(gateward_boot::random::bytes()).into(),
    };
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
    if request.raw_path().len() > MAX_TARGET {
        return Err(Refusal::Framing(FramingError::TargetTooLong));
    }
    let plain = |value: &http::HeaderValue| value.as_bytes().iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e));
    if !request.headers.values().all(plain) {
        return Err(Refusal::Framing(FramingError::NonAscii));
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
