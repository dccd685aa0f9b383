//! What does the gateway itself say: is this login good, and may this refresh token of its own be exchanged?
//!
//! The few requests that the sidecar makes on its own account, apart from the traffic that it forwards. It follows no
//! redirect, reads no proxy from the environment, keeps no cookie, and shows nobody what the gateway answered: only one
//! of a few outcomes comes back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gateward_auth::Login;
use gateward_policy::{GatewayRequest, LoginCheck};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue};
use tokio::time::timeout;

use crate::authorization;
use crate::config::{Upstream, UpstreamTimeouts};
use crate::forward::sites::{Choice, MAX_ATTEMPTS, Sites, Target};
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

/// The status, and which address it came from.
type Answered = (u16, Option<SocketAddr>);

/// Why the gateway said nothing of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GatewayError {
    /// Too many questions are waiting already.
    #[error("too many requests of ours are waiting for the gateway")]
    Busy,
    /// No connection.
    #[error("cannot connect to the gateway")]
    Unreachable,
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
            Self::TimedOut => "gateway_timeout",
            Self::Broken => "gateway_connection_broken",
            Self::Unexpected(_) => "gateway_unexpected_status",
            Self::Setup => "gateway_request_invalid",
        }
    }
}

/// A client of the gateway.
pub struct Gateway {
    client: reqwest::Client,
    sites: Arc<Sites>,
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
    /// Of the sites in turn, the first that can be reached is asked. What the clients' requests find out about them counts
    /// here, too, and the other way round.
    ///
    /// # Errors
    ///
    /// [`GatewayError::Setup`] when there is no address or the TLS roots cannot be loaded.
    pub fn new(upstream: &Upstream, sites: Arc<Sites>) -> Result<Self, GatewayError> {
        if upstream.urls.is_empty() {
            return Err(GatewayError::Setup);
        }
        // Only the first call in a process installs anything; all of ours install the same.
        let _already_installed = rustls::crypto::ring::default_provider().install_default();
        let UpstreamTimeouts { connect, read, .. } = upstream.timeouts;
        let limit = connect.saturating_add(read).min(LONGEST);
        let client = reqwest::Client::builder()
            .user_agent("gateward")
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .http1_only()
            .connect_timeout(connect)
            .timeout(limit)
            .pool_idle_timeout(upstream.idle)
            .pool_max_idle_per_host(AT_ONCE)
            .dns_resolver(Arc::new(Known(Arc::clone(&sites))))
            .build()
            .map_err(|error| {
                // Only the start gets here: what is told to clients has no cause.
                tracing::error!(%error, "cannot make a client for the gateway");
                GatewayError::Setup
            })?;
        Ok(Self {
            client,
            sites,
            pool: Pool::new(AT_ONCE, WAITING),
            limit,
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

    async fn send(&self, method: &str, url: &str, credential: HeaderValue) -> Result<Answered, GatewayError> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).map_err(|_error| GatewayError::Setup)?;
        let empty = method == reqwest::Method::GET || method == reqwest::Method::HEAD;
        let request = self.client.request(method, url).header(AUTHORIZATION, credential);
        // A POST without Content-Length is refused by some servers (411).
        let request = if empty {
            request
        } else {
            request.header(CONTENT_LENGTH, 0)
        };
        let mut response = request.send().await.map_err(|error| classify(&error))?;
        let answered = (response.status().as_u16(), response.remote_addr());
        let mut read = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > DRAINED_BYTES {
                break;
            }
        }
        Ok(answered)
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

    /// The status of the answer of the first site that can be reached.
    async fn ask(self, method: &str, path: &str, credential: HeaderValue) -> Result<u16, GatewayError> {
        let Gateway { sites, .. } = self.gateway;
        for attempt in 0..sites.attempts() {
            let Some(Choice { site, target }) = sites.choose(attempt) else {
                break;
            };
            let url = site.url();
            match self
                .gateway
                .send(method, &format!("{url}{path}"), credential.clone())
                .await
            {
                Err(error @ GatewayError::Unreachable) => {
                    for address in sites.addresses_of(&url.host) {
                        sites.failed(Target { address, ..target }, &error);
                    }
                }
                Err(error @ GatewayError::TimedOut) => {
                    // Of several addresses the client took one that it does not name.
                    if site.has_one_address() {
                        sites.failed(target, &error);
                    }
                    return Err(error);
                }
                Err(error) => return Err(error),
                Ok((status, from)) => {
                    let address = from.unwrap_or(target.address);
                    sites.answered(Target { address, ..target });
                    return Ok(status);
                }
            }
        }
        Err(GatewayError::Unreachable)
    }
}

fn classify(error: &reqwest::Error) -> GatewayError {
    if error.is_connect() {
        GatewayError::Unreachable
    } else if error.is_timeout() {
        GatewayError::TimedOut
    } else if error.is_builder() {
        GatewayError::Setup
    } else {
        GatewayError::Broken
    }
}

/// Names as the sites know them: nobody waits for a name server, and addresses that are well come first.
struct Known(Arc<Sites>);

impl Resolve for Known {
    fn resolve(&self, name: Name) -> Resolving {
        let addresses = self.0.addresses_of(name.as_str());
        Box::pin(async move { Ok(Box::new(addresses.into_iter()) as Addrs) })
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod toy;
