//! Pingora's phases. Delegates, and decides nothing.
//!
//! ```text
//! request_filter → upstream_peer → upstream_request_filter → upstream_response_filter → response_filter → logging
//!       │ answered here                 ↑ again on a retry              │ 401 of our own making
//!       └───────────────────────────────┴────── fail_to_proxy ──────────┴──────────────────────────────→ logging
//! ```
//!
//! A refusal is an answer, never an `Err`: Pingora logs errors and closes the client's connection for them.

mod arrival;
pub(crate) mod errand;
mod mishap;
pub(crate) mod passage;
mod tokens;

use std::panic::{AssertUnwindSafe, catch_unwind};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http::{HeaderMap, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, Result};

use self::passage::Passage;
use crate::context::{Context, Stage};
use crate::headers;

/// Where a test asks for a bug of ours.
#[cfg(not(test))]
const fn perhaps_panic(_session: &Session, _phase: &str) {}
#[cfg(test)]
use crate::testing::perhaps_panic;

/// The proxy.
pub(crate) struct Proxy(pub Passage);

impl Proxy {
    /// Runs a phase that goes on after [`Passage::enter`].
    ///
    /// INVARIANT(panic): a bug in our own code ends one request with 500, is counted, and lets nothing through. Held by
    /// `server::tests::refusing::a_bug_of_ours_costs_one_request`.
    fn guard<T>(&self, context: &mut Context, phase: impl FnOnce(&Passage, &mut Context) -> Result<T>) -> Result<T> {
        let done = catch_unwind(AssertUnwindSafe(|| phase(&self.0, context)));
        done.unwrap_or_else(|_panic| Err(self.0.panicked(context)))
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(self.0.begin())
    }

    /// None: the default compression module costs every request something and would hold streams back.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        let entered = AssertUnwindSafe(self.0.enter(session, context)).catch_unwind().await;
        match entered {
            Ok(entered) => entered,
            Err(_panic) => self.0.apologise(session, context).await,
        }
    }

    async fn upstream_peer(&self, _session: &mut Session, context: &mut Context) -> Result<Box<HttpPeer>> {
        self.guard(context, |passage, context| passage.peer(context))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        self.guard(context, |passage, context| {
            perhaps_panic(session, "stamp");
            match &context.stage {
                Stage::Admitted(arrival, pass) => {
                    passage
                        .forward
                        .stamp(pass, arrival, &context.gateway, request, arrival.now)
                }
                Stage::New | Stage::Arrived(_) | Stage::Served(..) | Stage::Refused(..) => {
                    // INVARIANT(no pass, no request): stamping takes a pass, and a pass takes a path that only the
                    // policy's router makes; the compiler holds it.
                    Error::e_explain(pingora::ErrorType::InternalError, "not admitted")
                }
            }
        })
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        _end: bool,
        context: &mut Context,
    ) -> Result<()> {
        self.guard(context, |passage, context| {
            perhaps_panic(session, "body");
            passage.body_piece(context, body.as_ref())
        })
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        // Pingora gives a connection up that is answered before the whole body came: not for `100 Continue`.
        session.set_close_on_response_before_downstream_finish(!response.status.is_informational());
        self.guard(context, |passage, context| {
            perhaps_panic(session, "answer");
            passage.answered(context, response)
        })
    }

    fn upstream_response_trailer_filter(
        &self,
        _session: &mut Session,
        trailers: &mut HeaderMap,
        _context: &mut Context,
    ) -> Result<()> {
        headers::clean_trailers(trailers);
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        _: &mut Context,
    ) -> Result<()> {
        let is_http10 = session.req_header().version == Version::HTTP_10;
        if is_http10 && response.remove_header(&header::TRANSFER_ENCODING).is_some() {
            // HTTP/1.0 knows no chunks: the end of the connection is the end of the answer.
            session.set_keepalive(None);
        }
        Ok(())
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        _peer: &HttpPeer,
        context: &mut Context,
        error: Box<Error>,
    ) -> Box<Error> {
        self.0.not_connected(context, error)
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        context: &mut Context,
        reused: bool,
    ) -> Box<Error> {
        self.0.broken(session, context, error, reused)
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, context: &mut Context) -> FailToProxy {
        FailToProxy {
            error_code: self.0.failed(session, error, context).await,
            // Pingora asks this of requests only that went nowhere; see `mishap::release`.
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, context: &mut Context) {
        self.0.finished(session, context);
        if context.made_good {
            mishap::release(session).await;
        }
    }

    fn suppress_error_log(&self, _session: &Session, _context: &Context, _error: &Error) -> bool {
        // `failed` says what there is to say.
        true
    }

    fn suppress_proxy_warn_log(&self, _: &Session, _: &Context, _: &Error, _: ProxyWarnLogContext) -> bool {
        true
    }

    fn request_summary(&self, session: &Session, _context: &Context) -> String {
        mishap::summary(session)
    }
}
