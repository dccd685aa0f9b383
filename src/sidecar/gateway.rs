//! What does the gateway itself say: is this login good, and may this refresh token of its own be exchanged?
//!
//! The few requests that the sidecar makes on its own account, apart from the traffic that it forwards. They go where
//! clients' requests go, and what they find out about an address counts for these, too. It follows no redirect, keeps no
//! cookie, and shows nobody what the gateway answered: only one of a few outcomes comes back.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateward_auth::Login;
use gateward_policy::{GatewayRequest, LoginCheck};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderValue, USER_AGENT};
use http::{Method, StatusCode};
use pingora::connectors::ConnectorOptions;
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;
use tokio::time::{Instant, timeout, timeout_at};

use crate::authorization;
use crate::config::{Upstream, UpstreamTimeouts};
use crate::forward::question;
use crate::forward::sites::{Choice, MAX_ATTEMPTS, Site, Sites};
use crate::pool::{Full, Pool, Slot};

/// Requests of ours that the gateway has to bear at once, and those that may wait for their turn.
const AT_ONCE: usize = 32;
const WAITING: usize = 512;
/// From the start of a request of ours to the end of its answer, if `upstream.timeouts` do not ask for less. Somebody is
/// waiting to be let in.
const LONGEST: Duration = Duration::from_secs(10);
/// What is read of an answer so that its connection can be used again. Nothing of it is looked at.
const DRAINED_BYTES: usize = 64 * 1024;

/// What the gateway says about a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoginAnswer {
    Good,
    Bad,
}

/// What the gateway says about a refresh token of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// It has made a new pair, which nobody gets to see.
    Exchanged,
    /// It does not accept the token.
    Refused,
    /// It has no such endpoint, or it is switched off: that says nothing about the token.
    Nowhere,
}

/// One question, as it is put to any address.
struct Question {
    method: Method,
    path: String,
    credential: HeaderValue,
}

/// Why one address said nothing of use.
enum Failed {
    Unconnected(Box<pingora::Error>),
    /// On a connection that was used before, or a new one.
    Broken {
        reused: bool,
    },
    Setup,
}

/// Why the gateway said nothing of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// Too many questions are waiting already.
    #[error("too many requests of ours are waiting for the gateway")]
    Busy,
    /// No connection.
    #[error("cannot connect to the gateway")]
    Unreachable,
    /// No connection, for want of something on this machine.
    #[error("no connection to the gateway can be made for want of ports, files or memory here")]
    Short,
    /// No answer in time.
    #[error("the gateway did not answer in time")]
    TimedOut,
    /// The connection broke, or what came is not HTTP.
    #[error("the connection to the gateway broke")]
    Broken,
    /// An answer that means neither yes nor no.
    #[error("the gateway answered {0}")]
    Unexpected(u16),
    /// Our own mistake: no client can be made, or no request can be built.
    #[error("cannot build a request to the gateway")]
    Setup,
}

impl GatewayError {
    /// A word from a closed set, for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Busy => "gateway_checks_full",
            Self::Unreachable => "gateway_unreachable",
            Self::Short => "local_resources",
            Self::TimedOut => "gateway_timeout",
            Self::Broken => "gateway_connection_broken",
            Self::Unexpected(_) => "gateway_unexpected_status",
            Self::Setup => "gateway_request_invalid",
        }
    }
}

/// A client of the gateway.
pub struct Gateway {
    connector: Connector,
    sites: Arc<Sites>,
    connect: Duration,
    idle: Duration,
    pool: Pool,
    /// What each attempt to ask may take.
    limit: Duration,
}

/// The right to ask the gateway one question now: whoever has it waits for nobody but the gateway.
pub(crate) struct Turn<'a> {
    gateway: &'a Gateway,
    _slot: Slot,
}

impl Gateway {
    /// Asks at these sites. Nobody is connected to yet.
    ///
    /// # Errors
    ///
    /// [`GatewayError::Setup`] when there is no site.
    pub fn new(upstream: &Upstream, sites: Arc<Sites>) -> Result<Self, GatewayError> {
        if upstream.urls.is_empty() {
            return Err(GatewayError::Setup);
        }
        // Only the first call in a process installs anything; all of ours install the same.
        let _already_installed = rustls::crypto::ring::default_provider().install_default();
        let UpstreamTimeouts { connect, read, .. } = upstream.timeouts;
        Ok(Self {
            connector: Connector::new(Some(ConnectorOptions::new(AT_ONCE))),
            sites,
            connect,
            idle: upstream.idle,
            pool: Pool::new(AT_ONCE, WAITING),
            limit: connect.saturating_add(read).min(LONGEST),
        })
    }

    /// Waits until the gateway may be asked.
    ///
    /// # Errors
    ///
    /// [`GatewayError::Busy`], at once, when too many are waiting already.
    pub(crate) async fn turn(&self) -> Result<Turn<'_>, GatewayError> {
        let slot = self.pool.enter().await.map_err(|Full| GatewayError::Busy)?;
        Ok(Turn {
            gateway: self,
            _slot: slot,
        })
    }

    /// The longest that [`Turn::exchange`] takes.
    pub(crate) fn longest(&self) -> Duration {
        self.limit
            .saturating_mul(u32::try_from(MAX_ATTEMPTS).unwrap_or(u32::MAX))
    }

    /// Asks whether a login is good, with the client's own user name and password, byte for byte.
    ///
    /// # Errors
    ///
    /// [`GatewayError`] for everything that means neither good nor bad.
    pub(crate) async fn check_login(&self, check: &LoginCheck, login: &Login) -> Result<LoginAnswer, GatewayError> {
        let credential = authorization::basic(&login.user, &login.password).map_err(|_error| GatewayError::Setup)?;
        let (method, path) = (check.method.as_str(), check.path.as_str());
        let first = self.turn().await?.ask(method, path, credential.clone()).await;
        // An idle connection may just have been closed; a check changes nothing, so it may be asked twice.
        let status = match first {
            Err(GatewayError::Broken) => self.turn().await?.ask(method, path, credential).await?,
            other => other?,
        };
        if check.good.contains(&status) {
            Ok(LoginAnswer::Good)
        } else if check.bad.contains(&status) {
            Ok(LoginAnswer::Bad)
        } else {
            Err(GatewayError::Unexpected(status))
        }
    }

    /// Puts the question to one address.
    async fn put(&self, choice: &Choice<'_>, question: &Question) -> Result<(StatusCode, Connection), Failed> {
        let request = question.request(choice.site).map_err(|_error| Failed::Setup)?;
        let mut peer = choice.site.peer(choice.target.address);
        peer.options.connection_timeout = Some(self.connect);
        let (mut session, reused) = self
            .connector
            .get_http_session(&peer)
            .await
            .map_err(Failed::Unconnected)?;
        let asked = question::ask(&mut session, request, Bytes::new()).await;
        let answer = asked.map_err(|_error| Failed::Broken { reused })?;
        Ok((answer.status, Connection { session, peer }))
    }

    /// Reads an answer to its end, so that its connection can be used again.
    async fn keep(&self, Connection { mut session, peer }: Connection) {
        let mut read = 0;
        loop {
            match session.read_response_body().await {
                Ok(Some(piece)) => read += piece.len(),
                Ok(None) => break,
                Err(_broken) => return,
            }
            if read > DRAINED_BYTES {
                return;
            }
        }
        self.connector
            .release_http_session(session, &peer, Some(self.idle))
            .await;
    }
}

impl Turn<'_> {
    /// Has the gateway exchange a refresh token that it issued itself. The new pair is dropped unread: it never leaves
    /// this function. Never asked twice: the first attempt may have used the token up.
    ///
    /// INVARIANT(an exchange ends): within [`Gateway::longest`], on which leases are built. Held by
    /// `an_exchange_takes_no_longer_than_it_may`.
    ///
    /// # Errors
    ///
    /// [`GatewayError`] when it is not known whether the token was good.
    pub(crate) async fn exchange(self, request: &GatewayRequest, token: &str) -> Result<Exchange, GatewayError> {
        let credential = authorization::bearer(token).map_err(|_error| GatewayError::Setup)?;
        let longest = self.gateway.longest();
        let asking = self.ask(request.method.as_str(), &request.path, credential);
        let status = timeout(longest, asking)
            .await
            .map_err(|_elapsed| GatewayError::TimedOut)??;
        match status {
            200 | 201 => Ok(Exchange::Exchanged),
            // WIRE §2.4: used up, revoked, unknown (401), or without the scope for it (403).
            400 | 401 | 403 => Ok(Exchange::Refused),
            // Not now, but perhaps later.
            late @ (408 | 425 | 429) => Err(GatewayError::Unexpected(late)),
            // No such endpoint (404), or tokens are switched off there (501, WIRE §2.4).
            402..=499 | 501 => Ok(Exchange::Nowhere),
            other => Err(GatewayError::Unexpected(other)),
        }
    }

    /// The status of the answer of the first address that can be reached.
    async fn ask(self, method: &str, path: &str, credential: HeaderValue) -> Result<u16, GatewayError> {
        let Gateway { sites, limit, .. } = self.gateway;
        let question = Question {
            method: Method::from_bytes(method.as_bytes()).map_err(|_error| GatewayError::Setup)?,
            path: path.to_owned(),
            credential,
        };
        let mut failure = GatewayError::Unreachable;
        for attempt in 0..sites.attempts() {
            let Some(choice) = sites.choose(attempt) else {
                break;
            };
            let deadline = Instant::now() + *limit;
            let target = choice.target;
            match timeout_at(deadline, self.gateway.put(&choice, &question)).await {
                Ok(Ok((status, connection))) => {
                    sites.answered(target);
                    // Whether the connection can be used again changes nothing about the answer.
                    let _elapsed = timeout_at(deadline, self.gateway.keep(connection)).await;
                    return Ok(status.as_u16());
                }
                Ok(Err(Failed::Unconnected(error))) => {
                    failure = if sites.not_connected(target, &error) {
                        GatewayError::Short
                    } else {
                        GatewayError::Unreachable
                    };
                }
                Ok(Err(Failed::Broken { reused })) => {
                    if reused {
                        sites.untried(target);
                    } else {
                        sites.failed(target, &GatewayError::Broken);
                    }
                    return Err(GatewayError::Broken);
                }
                Ok(Err(Failed::Setup)) => {
                    sites.untried(target);
                    return Err(GatewayError::Setup);
                }
                Err(_elapsed) => {
                    sites.failed(target, &GatewayError::TimedOut);
                    return Err(GatewayError::TimedOut);
                }
            }
        }
        Err(failure)
    }
}

/// A connection with an answer on it.
struct Connection {
    session: HttpSession,
    peer: HttpPeer,
}

impl Question {
    fn request(&self, site: &Site) -> pingora::Result<RequestHeader> {
        let path = format!("{}{}", site.url().path, self.path);
        let mut request = RequestHeader::build_no_case(self.method.clone(), path.as_bytes(), None)?;
        request.insert_header(HOST, site.authority().clone())?;
        request.insert_header(AUTHORIZATION, self.credential.clone())?;
        request.insert_header(ACCEPT, "*/*")?;
        request.insert_header(USER_AGENT, "gateward")?;
        if !matches!(self.method, Method::GET | Method::HEAD) {
            // A POST without Content-Length is refused by some servers (411).
            request.insert_header(CONTENT_LENGTH, "0")?;
        }
        Ok(request)
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod toy;
