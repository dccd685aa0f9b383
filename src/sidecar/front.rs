//! Who is at the door? Every connection and every HTTP/1 request passes here before Pingora sees it.
//!
//! Counts connections, secures them where TLS is configured, reads the raw head of each HTTP/1 request, answers what is
//! malformed, slow or too much itself, and hands Pingora a session that begins with the very bytes that were checked.
//! HTTP/2 goes to Pingora as it is: there the frames say where a message ends. Knows nothing about routes and
//! credentials.

mod head;
mod preface;
pub(crate) mod share;
mod stand_in;
pub(crate) mod traffic;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::BytesMut;
use futures_util::FutureExt as _;
use gateward_contract::uuid;
use pingora::apps::{HttpServerApp as _, ServerApp};
use pingora::listeners::tls::Acceptor;
use pingora::prelude::timeout;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::date::get_cached_date;
use pingora::protocols::http::v1::server::HttpSession;
use pingora::protocols::l4::stream::Stream as PlainStream;
use pingora::protocols::{ALPN, Stream};
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;

use self::head::{HeadRules, Opening, Vigil};
use self::share::{Home, Share};
use self::traffic::Traffic;
use crate::config::{Limits, Timeouts};
use crate::observe::Observer;
use crate::proxy::Proxy;
use crate::reply::{Circumstances, Refusal, delivery};

/// Seconds that Pingora may announce for a kept connection; the real limit is ours ([`Timeouts::idle`]).
const KEEPALIVE_SECS: u64 = 60;

/// The public listener's application.
pub(crate) struct FrontDoor {
    /// What is behind it.
    pub proxy: Arc<HttpProxy<Proxy>>,
    /// Counts connections.
    pub traffic: Arc<Traffic>,
    /// Writes and counts what is refused here.
    pub observer: Arc<Observer>,
    /// How much a client may send.
    pub limits: Limits,
    /// How long a client may take.
    pub timeouts: Timeouts,
    /// Whether HTTP/2 without TLS is spoken.
    pub h2c: bool,
    /// How connections are secured, if they are.
    pub tls: Option<Acceptor>,
}

impl FrontDoor {
    /// The connection as HTTP gets to see it; `None` when a client and we do not come to terms in time. That is no news:
    /// every port scan does it.
    async fn secure(&self, stream: Stream) -> Option<Stream> {
        let Some(acceptor) = &self.tls else {
            return Some(stream);
        };
        let socket = stream.into_any().downcast::<PlainStream>().ok()?;
        match timeout(self.timeouts.head, acceptor.tls_handshake(*socket)).await {
            Ok(Ok(secured)) => Some(Box::new(secured)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a TLS handshake failed");
                None
            }
            Err(_elapsed) => {
                tracing::debug!("a TLS handshake took too long");
                None
            }
        }
    }

    /// Serves one HTTP/1 connection, request by request, also those that a client sends before it got the answer to
    /// the one before (RFC 9112 §9.3.2).
    async fn serve(&self, mut stream: Stream, stopping: &ShutdownWatch) {
        let mut vigil = Vigil::new(stopping);
        let mut early = BytesMut::new();
        let home = Home::default();
        let plain = stream.get_ssl_digest().is_none();
        let mut idle = self.timeouts.head;
        loop {
            let rules = HeadRules {
                idle,
                head: self.timeouts.head,
                limit: self.limits.head,
                h2c: self.h2c && plain,
            };
            let (share, request) = match head::read(&mut stream, early, &rules, &mut vigil).await {
                Opening::Request { read, head, body } => Share::new(stream, read, head, body, &home),
                Opening::Preface(bytes) => return self.serve_http2(stream, &bytes, stopping).await,
                Opening::Refused(refusal) => return self.refuse(stream, refusal).await,
                Opening::Closed => return,
            };
            let session = self.session(Box::new(share), request);
            let rest = match self.proxy.process_new_http(session, stopping).await {
                Some(reusable) => reusable
                    .consume()
                    .0
                    .into_any()
                    .downcast()
                    .ok()
                    .and_then(|share: Box<Share>| share.end()),
                None => home.take(),
            };
            let Some(rest) = rest else { return };
            (stream, early) = rest;
            idle = self.timeouts.idle;
        }
    }

    fn session(&self, stream: Stream, request: BytesMut) -> ServerSession {
        let mut session = HttpSession::new(stream);
        session.set_pipelined_prefix(request);
        session.set_read_timeout(Some(self.timeouts.body));
        session.set_write_timeout(Some(self.timeouts.write));
        // Who only said that nothing more will come still gets the answer (RFC 9112 §9.6).
        session.set_abort_on_close(false);
        let mut session = ServerSession::H1(session);
        session.set_keepalive(Some(KEEPALIVE_SECS));
        session
    }

    /// HTTP/2 that was settled on within TLS.
    async fn serve_settled_http2(&self, stream: Stream, stopping: &ShutdownWatch) {
        if let Some(stream) = preface::hear(stream, self.timeouts.head).await {
            self.proxy.process_new(stream, stopping).await;
        }
    }

    /// HTTP/2 with prior knowledge. Pingora looks for the preface itself, so what was read is put back.
    async fn serve_http2(&self, stream: Stream, read: &[u8], stopping: &ShutdownWatch) {
        // Without TLS a stream is a plain socket; nothing else can carry the preface here.
        let Some(mut socket) = stream.into_any().downcast::<PlainStream>().ok() else {
            return;
        };
        socket.rewind(read);
        self.proxy.process_new(socket, stopping).await;
    }

    async fn refuse(&self, mut stream: Stream, refusal: Refusal) {
        let _in_flight = self.traffic.begin();
        let bytes = self.last_words(&stream, &refusal);
        delivery::send_last_words(&mut stream, &bytes).await;
    }

    async fn turn_away(&self, stream: &mut Stream) {
        let bytes = self.last_words(stream, &Refusal::ConnectionsExhausted);
        delivery::turn_away(stream, &bytes).await;
    }

    fn last_words(&self, stream: &Stream, refusal: &Refusal) -> Vec<u8> {
        let request_id = uuid(gateward_boot::random::bytes());
        let digest = stream.get_socket_digest();
        let peer = digest.as_ref().and_then(|digest| digest.peer_addr()?.as_inet());
        self.observer
            .refused_at_the_door(&request_id, peer.map(|peer| peer.ip()), refusal);
        let about = Circumstances {
            request_id: &request_id,
            user_api: false,
            wants_problem: false,
        };
        refusal.to_answer(&about).to_last_words(&get_cached_date())
    }
}

#[async_trait]
impl ServerApp for FrontDoor {
    async fn process_new(self: &Arc<Self>, mut stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let Some(_connected) = self.traffic.connect(self.limits.connections) else {
            if self.tls.is_none() {
                self.turn_away(&mut stream).await;
            }
            return None;
        };
        // Counted before its handshake, and limited in time with it: Pingora's listener would wait a minute for each of
        // any number of silent connections.
        let stream = self.secure(stream).await?;
        // A panic ends the connection that it happened on and nothing else; those in our own code are answered before
        // they get here (see `proxy`).
        let served = if matches!(stream.selected_alpn_proto(), Some(ALPN::H2)) {
            AssertUnwindSafe(self.serve_settled_http2(stream, shutdown))
                .catch_unwind()
                .await
        } else {
            AssertUnwindSafe(self.serve(stream, shutdown)).catch_unwind().await
        };
        if served.is_err() {
            self.observer.panicked();
        }
        None
    }
}
