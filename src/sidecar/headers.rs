//! Which headers may cross from one side to the other, and who is the client?
//!
//! Pure functions over header maps. Knows nothing about credentials (see `forward`) or answers (see `reply`).

use std::fmt::Write as _;
use std::net::IpAddr;

use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use ipnet::IpNet;
use pingora::http::{RequestHeader, ResponseHeader};

/// Our namespace: such headers are ours alone, in every spelling (DESIGN §8).
const OURS: &[u8] = b"x-gateward";
/// `X-Forwarded-*`: rebuilt by us.
const FORWARDED: &[u8] = b"x-forwarded";
/// Longest request id that is kept.
const MAX_REQUEST_ID: usize = 128;

/// Fields that concern one connection only (RFC 9110 §7.6.1), or that belong to the framing of one hop.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Fields by which a client could pretend to be somebody else or to ask for something else (SECURITY 56, 62).
fn is_claim(name: &str) -> bool {
    matches!(
        name,
        "cf-connecting-ip"
            | "client-ip"
            | "forwarded"
            | "true-client-ip"
            | "x-client-ip"
            | "x-cluster-client-ip"
            | "x-http-method"
            | "x-http-method-override"
            | "x-method-override"
            | "x-original-host"
            | "x-original-uri"
            | "x-original-url"
            | "x-real-ip"
            | "x-rewrite-url"
    )
}

/// Trace context (W3C): it goes on if a log can stand it.
const TRACE: [&str; 2] = ["traceparent", "tracestate"];
/// Longest `tracestate` that has to be passed on.
const MAX_TRACE_STATE: usize = 512;

/// `X-Request-ID`.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// `X-Forwarded-For`.
pub const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// `X-Forwarded-Proto`.
pub const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// `X-Forwarded-Host`.
pub const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Room for the headers that we add to a client's: without it the map grows once more for nearly every request.
const OWN_HEADERS: usize = 8;

/// What of a client's headers may reach the gateway, and `Authorization`, which is judged elsewhere.
///
/// INVARIANT(client headers): neither our namespace nor a header that speaks about one connection, another
/// client or another target gets through, in no spelling, and a client cannot make us drop `Host` or the
/// body's length by naming it in `Connection`; test `tests::what_a_client_must_not_say_is_dropped`.
pub fn for_the_gateway(client: HeaderMap) -> HeaderMap {
    let nominated = nominated(&client);
    let untraced = !has_sane_trace(&client);
    let mut kept = HeaderMap::with_capacity(client.len() + OWN_HEADERS);
    let mut current = None;
    // A name that comes again comes without itself.
    for (name, value) in client {
        if let Some(name) = name {
            let ends_here = is_not_for_the_gateway(&name)
                || nominated.contains(&name)
                || (untraced && TRACE.contains(&name.as_str()));
            current = (!ends_here).then_some(name);
        }
        if let Some(name) = &current {
            kept.append(name, value);
        }
    }
    kept
}

/// Takes everything from a gateway's answer that must not reach the client.
///
/// `Transfer-Encoding` stays: Pingora frames the answer anew by it.
pub fn clean_response(response: &mut ResponseHeader) {
    let nominated = nominated(&response.headers);
    let doomed: Vec<HeaderName> = response
        .headers
        .keys()
        .filter(|name| {
            is_ours(name.as_str())
                || (is_hop_by_hop(name.as_str()) && *name != header::TRANSFER_ENCODING)
                || nominated.iter().any(|other| other == *name)
        })
        .cloned()
        .collect();
    for name in doomed {
        response.remove_header(&name);
    }
}

/// The length that `Content-Length` announces.
pub(crate) fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The path of a request target: what comes before the query, which may hold a token.
pub(crate) fn path_of(target: &[u8]) -> &[u8] {
    target.split(|byte| *byte == b'?').next().unwrap_or_default()
}

/// Takes our namespace from a gateway's trailers.
pub fn clean_trailers(trailers: &mut HeaderMap) {
    let doomed: Vec<HeaderName> = trailers.keys().filter(|name| is_ours(name.as_str())).cloned().collect();
    for name in doomed {
        trailers.remove(&name);
    }
}

/// Whether a header belongs to our namespace, with `_` read as `-` as some servers do.
pub fn is_ours(name: &str) -> bool {
    starts_with(name, OURS)
}

fn is_not_for_the_gateway(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.contains('_') || is_ours(name) || starts_with(name, FORWARDED) || is_hop_by_hop(name) || is_claim(name)
}

/// Whether there is one `traceparent` of the version that everybody knows (`00-<trace>-<parent>-<flags>`), and no more
/// state than has to be carried.
fn has_sane_trace(headers: &HeaderMap) -> bool {
    let mut parents = headers.get_all("traceparent").iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else {
        return false;
    };
    let mut parts = parent.as_bytes().split(|byte| *byte == b'-');
    let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let sane = [2, 32, 16, 2].iter().all(|length| {
        let part = parts.next().unwrap_or_default();
        part.len() == *length && part.iter().all(hex)
    });
    let state: usize = headers.get_all("tracestate").iter().map(HeaderValue::len).sum();
    sane && parts.next().is_none() && parent.as_bytes().starts_with(b"00-") && state <= MAX_TRACE_STATE
}

/// `prefix` alone, or followed by a hyphen.
fn starts_with(name: &str, prefix: &[u8]) -> bool {
    let mut bytes = name.bytes().map(|byte| match byte {
        b'_' => b'-',
        byte => byte.to_ascii_lowercase(),
    });
    prefix.iter().all(|wanted| bytes.next() == Some(*wanted)) && matches!(bytes.next(), None | Some(b'-'))
}

/// The fields that `Connection` names, without those that a message cannot do without.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
        .filter(|name| *name != header::HOST && *name != header::CONTENT_LENGTH && *name != header::TRANSFER_ENCODING)
        .collect()
}

/// The client's request id, if it is one that a log, a shell and a URL can stand.
pub fn sane_request_id(value: Option<&HeaderValue>) -> Option<&HeaderValue> {
    let safe = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@~".contains(byte);
    value.filter(|value| (1..=MAX_REQUEST_ID).contains(&value.len()) && value.as_bytes().iter().all(safe))
}

/// Where a request came from, after trusted proxies were believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub client: IpAddr,
    /// `X-Forwarded-For` for the gateway: begins with the client (SMSGate believes the first address).
    pub forwarded_for: HeaderValue,
    /// `X-Forwarded-Proto` for the gateway.
    pub proto: Proto,
    /// `X-Forwarded-Host` for the gateway: the host that the client asked for.
    pub host: Option<HeaderValue>,
}

/// What the client spoke with whoever it reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proto {
    /// Without TLS.
    Http,
    /// With TLS.
    Https,
}

impl Proto {
    /// As it stands in `X-Forwarded-Proto`.
    pub fn header_value(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// Finds the client behind trusted proxies: the right-most address that is not one of them.
///
/// INVARIANT(client address): what an untrusted peer says about addresses changes nothing; test
/// `tests::only_trusted_proxies_are_believed`.
pub fn origin(request: &RequestHeader, peer: IpAddr, tls: bool, trusted: &[IpNet]) -> Origin {
    let headers = &request.headers;
    let peer = peer.to_canonical();
    let asked = headers.get(header::HOST).cloned();
    let asked = asked.or_else(|| HeaderValue::from_str(request.uri.authority()?.as_str()).ok());
    let own = if tls { Proto::Https } else { Proto::Http };
    if !is_trusted(peer, trusted) {
        return Origin {
            client: peer,
            forwarded_for: list(&[peer]),
            proto: own,
            host: asked,
        };
    }
    let mut chain = vec![peer];
    for address in addresses(headers).into_iter().rev() {
        // Everything left of something that is no address is hearsay.
        let Some(address) = address else { break };
        chain.push(address);
        if !is_trusted(address, trusted) {
            break;
        }
    }
    let client = chain.last().copied().unwrap_or(peer);
    let proto = match headers
        .get(FORWARDED_PROTO)
        .map(|value| first_of_list(value.as_bytes()))
    {
        Some(value) if value.eq_ignore_ascii_case(b"https") => Proto::Https,
        Some(value) if value.eq_ignore_ascii_case(b"http") => Proto::Http,
        Some(_) | None => own,
    };
    let host = headers
        .get(FORWARDED_HOST)
        .and_then(|value| HeaderValue::from_bytes(first_of_list(value.as_bytes())).ok())
        .filter(|host| !host.is_empty())
        .or(asked);
    Origin {
        client,
        forwarded_for: list(&chain),
        proto,
        host,
    }
}

/// The addresses as `X-Forwarded-For` has them, the last one first.
fn list(chain: &[IpAddr]) -> HeaderValue {
    let mut text = String::with_capacity(chain.len() * 16);
    for address in chain.iter().rev() {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a text cannot fail.
        let _ = write!(text, "{comma}{address}");
    }
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown"))
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// The addresses of `X-Forwarded-For` from left to right; `None` where something else stands.
fn addresses(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    headers
        .get_all(FORWARDED_FOR)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|item| std::str::from_utf8(item.trim_ascii()).ok().and_then(address))
        .collect()
}

/// An address as proxies write it: bare, in brackets, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse::<IpAddr>()
        .or_else(|_| text.parse::<std::net::SocketAddr>().map(|socket| socket.ip()))
        .ok()
        .map(|address| address.to_canonical())
}

fn first_of_list(value: &[u8]) -> &[u8] {
    value
        .split(|byte| *byte == b',')
        .next()
        .unwrap_or_default()
        .trim_ascii()
}

#[cfg(test)]
mod tests;
