//! Where does a request come from, and which host did it ask? What its peer says, or what a proxy that we believe says
//! about it (WIRE §1.5).

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{HeaderMap, HeaderName, header, request::Parts},
};
use ipnet::IpNet;

use crate::App;

/// The client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// The host that the client asked, with its port if it named one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AskedHost(pub(crate) String);

/// `http` or `https`, as the client asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AskedScheme(pub(crate) &'static str);

impl FromRequestParts<Arc<App>> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let (peer, proxies) = (peer(parts), &app.config.http.proxies);
        if app.disbelief.is_news(peer, &parts.headers, proxies) {
            tracing::warn!(
                key = "http.proxies",
                %peer,
                "X-Forwarded-For is not believed: clients behind this address are taken for one, unless http.proxies names it"
            );
        }
        Ok(Self(client(peer, &parts.headers, proxies)))
    }
}

/// Whether it was said that what a proxy says does not count. The reference believes everybody while none is named: who
/// comes from there should know, once.
#[derive(Debug, Default)]
pub(crate) struct Disbelief(AtomicBool);

impl Disbelief {
    /// The first time that somebody is not believed because no proxy is named.
    fn is_news(&self, peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> bool {
        proxies.is_empty()
            && !is_believed(peer, proxies)
            && headers.contains_key("x-forwarded-for")
            && !self.0.swap(true, Ordering::Relaxed)
    }
}

impl FromRequestParts<Arc<App>> for AskedHost {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let text = |name: HeaderName| parts.headers.get(name)?.to_str().ok();
        let forwarded = text(HeaderName::from_static("x-forwarded-host"))
            .filter(|_| is_believed(peer(parts), &app.config.http.proxies))
            .and_then(|hosts| hosts.split(',').next());
        let host = forwarded.or_else(|| text(header::HOST)).unwrap_or_default();
        Ok(Self(host.trim().to_owned()))
    }
}

impl FromRequestParts<Arc<App>> for AskedScheme {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        let forwarded = parts.headers.get("x-forwarded-proto");
        let is_https = forwarded.is_some_and(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
        let is_secure = is_https && is_believed(peer(parts), &app.config.http.proxies);
        Ok(Self(if is_secure { "https" } else { "http" }))
    }
}

/// Who opened the connection.
fn peer(parts: &Parts) -> IpAddr {
    let connected = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let address = connected.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
    address.to_canonical()
}

/// Whether what this peer says about a client counts.
///
/// The reference believes everybody while no proxy is named. We believe processes on this
/// machine, where the sidecar usually runs, and nobody else.
fn is_believed(peer: IpAddr, proxies: &[IpNet]) -> bool {
    if proxies.is_empty() {
        peer.is_loopback()
    } else {
        proxies.iter().any(|net| net.contains(&peer))
    }
}

/// The first address in `X-Forwarded-For` if the peer is believed, else the peer.
fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    if !is_believed(peer, proxies) {
        return peer;
    }
    headers
        .get_all("x-forwarded-for")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|address| address.trim().parse::<IpAddr>().ok())
        .map_or(peer, |address| address.to_canonical())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str], proxies: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let proxies: Vec<IpNet> = proxies.iter().map(|net| net.parse().unwrap()).collect();
        client(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn processes_on_this_machine_are_believed_while_no_proxy_is_named() {
        assert_eq!(seen("127.0.0.1", &["203.0.113.7, 198.51.100.1"], &[]), "203.0.113.7");
        assert_eq!(seen("::1", &["2001:db8::1"], &[]), "2001:db8::1");
        assert_eq!(seen("::ffff:127.0.0.1", &["203.0.113.7"], &[]), "203.0.113.7");
        assert_eq!(seen("192.0.2.1", &["203.0.113.7"], &[]), "192.0.2.1");
    }

    #[test]
    fn named_proxies_are_believed_and_nobody_else() {
        let proxies = ["192.0.2.0/24"];
        assert_eq!(seen("192.0.2.9", &["203.0.113.7"], &proxies), "203.0.113.7");
        assert_eq!(seen("::ffff:192.0.2.9", &["203.0.113.7"], &proxies), "203.0.113.7");
        assert_eq!(seen("127.0.0.1", &["203.0.113.7"], &proxies), "127.0.0.1");
    }

    #[test]
    fn that_a_proxy_is_not_believed_is_news_once() {
        let mut forwarded = HeaderMap::new();
        forwarded.insert("x-forwarded-for", "203.0.113.7".parse().unwrap());
        let proxies: [IpNet; 1] = ["198.51.100.0/24".parse().unwrap()];
        let [near, far] = ["127.0.0.1", "192.0.2.1"].map(|peer| peer.parse::<IpAddr>().unwrap());
        let disbelief = Disbelief::default();
        assert!(!disbelief.is_news(near, &forwarded, &[]), "believed");
        assert!(!disbelief.is_news(far, &HeaderMap::new(), &[]), "nothing to believe");
        assert!(!disbelief.is_news(far, &forwarded, &proxies), "as was asked for");
        assert!(disbelief.is_news(far, &forwarded, &[]));
        assert!(!disbelief.is_news(far, &forwarded, &[]), "said before");
    }

    #[test]
    fn the_first_thing_that_is_an_address_counts() {
        assert_eq!(seen("127.0.0.1", &["unknown, 203.0.113.7"], &[]), "203.0.113.7");
        assert_eq!(seen("127.0.0.1", &["x", "203.0.113.8"], &[]), "203.0.113.8");
        assert_eq!(seen("127.0.0.1", &["", "203.0.113.7:80"], &[]), "127.0.0.1");
        assert_eq!(seen("127.0.0.1", &[], &[]), "127.0.0.1");
    }
}
