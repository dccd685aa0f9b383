//! How is a port opened, and how is it served? With Pingora's services, on sockets and certificates that were tried
//! before, because Pingora panics on what does not fit.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd as _;
use std::path::Path;
use std::sync::Arc;

use pingora::apps::ServerApp;
use pingora::listeners::ListenerConfig;
use pingora::listeners::tls::Acceptor;
use pingora::protocols::l4::stream::L4BufferSettings;
use pingora::server::{Fds, ListenFds, ShutdownWatch};
use pingora::services::Service as _;
use pingora::services::listening::Service;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::StartError;
use crate::config::Tls;

/// What is spoken within TLS, in the order in which we like it (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// What of an answer is gathered before it is sent, in bytes: its head and a page of messages, which would be two system
/// calls and wake the client twice. Whatever must not wait is flushed.
const WRITE_BUFFER: usize = 16 << 10;
/// What is read from a client at once, in bytes. There is one of these for every connection; a longer body is read
/// past it.
const READ_BUFFER: usize = 16 << 10;

/// An open port that nobody serves yet.
pub(super) struct Socket {
    name: String,
    sockets: ListenFds,
}

impl Socket {
    /// The application that is to serve it.
    pub(super) fn serve<A>(self, name: &str, app: A) -> Listening<A> {
        let mut service = Service::new(name.to_owned(), app);
        let buffers = L4BufferSettings::new(READ_BUFFER, WRITE_BUFFER);
        service.add_listener(ListenerConfig::tcp(&self.name).l4_buffer(buffers));
        Listening {
            service,
            sockets: self.sockets,
        }
    }
}

/// Opens a port ourselves: Pingora would panic where it is taken, and could not tell which one it got for 0.
pub(super) fn listen(what: &'static str, address: SocketAddr) -> Result<(Socket, SocketAddr), StartError> {
    let open = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    let (listener, bound) = open().map_err(|why| StartError::Listen { what, address, why })?;
    // Pingora takes a listener over by its address.
    let mut sockets = Fds::new();
    let name = bound.to_string();
    sockets.add(name.clone(), listener.into_raw_fd());
    Ok((
        Socket {
            name,
            sockets: Arc::new(sockets.into()),
        },
        bound,
    ))
}

/// Speaks TLS with this certificate and key, and HTTP/2 or HTTP/1.1 within.
pub(crate) fn tls_acceptor(tls: &Tls) -> Result<Acceptor, StartError> {
    let file = |path: &Path, error: rustls::pki_types::pem::Error| {
        StartError::wrong("tls", format!("{}: {error}", path.display()))
    };
    let chain = CertificateDer::pem_file_iter(&tls.cert).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = chain.map_err(|error| file(&tls.cert, error))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| file(&tls.key, error))?;
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key);
    let mut config = config.map_err(|error| StartError::wrong("tls", error))?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
    Ok(Acceptor::from_server_config(Arc::new(config)))
}

/// An application on an open port.
pub(super) struct Listening<A> {
    service: Service<A>,
    sockets: ListenFds,
}

impl<A: ServerApp + Send + Sync + 'static> Listening<A> {
    /// Accepts until told to stop.
    pub(super) async fn run(mut self, stopped: ShutdownWatch) {
        self.service.start_service(Some(self.sockets), stopped, 1).await;
    }
}
