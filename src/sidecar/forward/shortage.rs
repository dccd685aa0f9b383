//! Could a connection not be made for want of something on this machine: ports, file descriptors, memory? Then the error
//! says nothing about the gateway. Knows nothing of addresses that rest (see `sites`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use pingora::{Error, ErrorType};

/// Whether this machine is to blame for an error of Pingora's about a connection to this address.
pub(crate) fn is_ours(error: &Error, address: SocketAddr) -> bool {
    if causes(error).any(|error| *error.etype() == ErrorType::SocketError) {
        return true;
    }
    match system_error(error).map(io::Error::kind) {
        Some(io::ErrorKind::AddrInUse | io::ErrorKind::OutOfMemory) => true,
        // Either all ports are taken, or this machine has no address from which one gets there: without IPv6, for
        // example, when a name has an IPv6 address, too.
        Some(io::ErrorKind::AddrNotAvailable) => has_a_way_to(address),
        Some(_) | None => false,
    }
}

/// The error, and those of Pingora's that led to it.
fn causes(error: &Error) -> impl Iterator<Item = &Error> {
    std::iter::successors(Some(error), |error| {
        let cause = error.cause.as_deref()?.downcast_ref::<Box<Error>>()?;
        Some(&**cause)
    })
}

/// What the system said.
fn system_error(error: &Error) -> Option<&io::Error> {
    let root = error.root_cause();
    if let Some(error) = root.downcast_ref() {
        return Some(error);
    }
    // Pingora wraps it once more where it knows the port on our side.
    root.source().and_then(|source| source.downcast_ref())
}

/// A datagram socket needs an address on our side, too, and takes no port of those that connections need. Nothing is sent.
fn has_a_way_to(address: SocketAddr) -> bool {
    let any = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    UdpSocket::bind((any, 0))
        .and_then(|socket| socket.connect(address))
        .is_ok()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use pingora::connectors::http::Connector;
    use pingora::connectors::l4::BindTo;
    use pingora::upstreams::peer::HttpPeer;

    use super::*;
    use crate::gateway::toy::nowhere;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    /// As Pingora's connectors make them.
    fn wrapped(kind: ErrorType, cause: io::Error) -> Box<Error> {
        let inner = Error::because(kind, "Fail to connect to 127.0.0.1:1", cause);
        Error::because(ErrorType::InternalError, "Fail to connect to addr: 127.0.0.1:1", inner)
    }

    #[test]
    fn files_ports_and_memory_are_ours() {
        let here = address("127.0.0.1:1");
        // EMFILE
        let no_file = wrapped(ErrorType::SocketError, io::Error::from_raw_os_error(24));
        assert!(is_ours(&no_file, here));
        for kind in [
            io::ErrorKind::AddrNotAvailable,
            io::ErrorKind::AddrInUse,
            io::ErrorKind::OutOfMemory,
        ] {
            assert!(is_ours(&wrapped(ErrorType::BindError, kind.into()), here), "{kind}");
        }
    }

    #[test]
    fn an_address_that_one_cannot_get_to_from_here_is_no_good_one() {
        // A link-local address without a link.
        let nowhere = address("[fe80::1]:1");
        let no_source = wrapped(ErrorType::BindError, io::ErrorKind::AddrNotAvailable.into());
        assert!(!is_ours(&no_source, nowhere));
    }

    #[tokio::test]
    async fn what_pingora_says_is_understood() {
        let url = nowhere().await;
        let connector = Connector::new(None);
        let connect = async |bind_to: Option<BindTo>| {
            let mut peer = HttpPeer::new(("127.0.0.1", url.port), false, String::new());
            peer.options.bind_to = bind_to;
            match connector.get_http_session(&peer).await {
                Ok(_) => panic!("somebody listens there"),
                Err(error) => error,
            }
        };
        let there = SocketAddr::from(([127, 0, 0, 1], url.port));
        assert!(!is_ours(&*connect(None).await, there), "refused");
        // TEST-NET-1: nobody has it.
        let mut bind_to = BindTo::default();
        bind_to.addr = Some(address("192.0.2.1:0"));
        let error = connect(Some(bind_to)).await;
        assert!(is_ours(&error, there), "{error}");
    }
}
