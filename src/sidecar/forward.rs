//! What leaves for the gateway, and what of its answer reaches the client?
//!
//! The peer, the path that was matched, the headers, our credential; and on the way back the gateway's headers
//! and the few statuses that mean something to us. Decides nothing about the caller: it is handed a [`Pass`].

pub mod accounts;
pub(crate) mod checks;
pub mod identity;
mod minter;
pub(crate) mod question;
mod shortage;
pub mod sites;

use std::sync::Arc;
use std::time::{Duration, Instant};

use gateward_auth::UnixSeconds;
use gateward_contract::headers::X_GATEWARD_USER;
use http::{StatusCode, Version, header, request};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::TcpKeepalive;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy, PeerOptions};
use pingora::{Error, ErrorType};

use self::identity::{Identity, IdentityError};
use self::sites::Sites;
use crate::config::{Upstream, UpstreamTimeouts};
use crate::context::{Arrival, GatewayLeg, Pass, Terms};
use crate::headers;
use crate::reply::GatewayTrouble;

/// Forwards what was admitted.
pub struct Forward {
    sites: Arc<Sites>,
    identity: Identity,
    timeouts: UpstreamTimeouts,
    idle: Duration,
}

impl Forward {
    /// Forwards to this gateway. Nobody is connected to yet.
    pub fn new(upstream: &Upstream) -> Result<Self, IdentityError> {
        Ok(Self {
            sites: Arc::new(Sites::new(upstream.urls.clone(), upstream.health.is_some())),
            identity: Identity::new(upstream)?,
            timeouts: upstream.timeouts,
            idle: upstream.idle,
        })
    }

    /// Where the gateway may be.
    pub fn sites(&self) -> &Arc<Sites> {
        &self.sites
    }

    /// Who the gateway believes is asking.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// An address for the next attempt. `None`: there is none.
    pub fn peer(&self, terms: &Terms, leg: &mut GatewayLeg) -> Option<Box<HttpPeer>> {
        let choice = self.sites.choose(leg.attempts)?;
        leg.attempts += 1;
        leg.target = Some(choice.target);
        leg.short = false;
        leg.asked = Some(Instant::now());
        let mut peer = choice.site.peer(choice.target.address);
        self.set_options(&mut peer.options, terms);
        Some(Box::new(peer))
    }

    fn set_options(&self, options: &mut PeerOptions, terms: &Terms) {
        options.connection_timeout = Some(self.timeouts.connect);
        options.total_connection_timeout = Some(self.timeouts.connect.saturating_mul(2));
        // A stream of events may be silent for as long as it likes (DESIGN §9).
        options.read_timeout = (!terms.streaming).then(|| terms.timeout.unwrap_or(self.timeouts.read));
        options.write_timeout = Some(self.timeouts.write);
        options.idle_timeout = Some(self.idle);
        // Everything about headers is done here, where it is tested: see `headers::clean_request`.
        options.http_upstream_request_policy = HttpUpstreamRequestPolicy::preserve();
        // So that a silent stream does not outlive a gateway that vanished.
        options.tcp_keepalive = Some(TcpKeepalive {
            idle: Duration::from_secs(60),
            interval: Duration::from_secs(20),
            count: 3,
            #[cfg(target_os = "linux")]
            user_timeout: Duration::ZERO,
        });
    }

    /// Turns a client's request into ours. Pingora may call this again for another attempt.
    ///
    /// INVARIANT(idempotent stamp): stamping twice gives the same request but for the minted token; held by
    /// `tests::stamping_twice_changes_nothing_else`.
    pub fn stamp(
        &self,
        pass: &Pass,
        arrival: &Arrival,
        leg: &GatewayLeg,
        request: &mut RequestHeader,
        now: UnixSeconds,
    ) -> pingora::Result<()> {
        let site = leg.target.and_then(|target| self.sites.site(target.index));
        let prefix = site.map_or("", |site| site.url().path.as_str());
        let target = target(prefix, pass.path.as_str(), request.raw_path());
        // Pingora would keep a second map with the spelling of every name in step with ours: names leave in lower case
        // (HTTP's are equal in any), as with HTTP/2, and that costs half as much.
        let nothing = RequestHeader::from(http::Request::new(()).into_parts().0);
        let mut parts = request::Parts::from(std::mem::replace(request, nothing));
        let mut headers = headers::for_the_gateway(parts.headers);
        match site {
            Some(site) => headers.insert(header::HOST, site.authority().clone()),
            None => headers.remove(header::HOST),
        };
        let origin = &arrival.origin;
        headers.insert(headers::FORWARDED_FOR, origin.forwarded_for.clone());
        headers.insert(headers::FORWARDED_PROTO, origin.proto.header_value());
        if let Some(host) = &origin.host {
            headers.insert(headers::FORWARDED_HOST, host.clone());
        }
        headers.insert(headers::REQUEST_ID, arrival.request_id.clone());
        self.identity.stamp(pass, &mut headers, now).map_err(|error| {
            tracing::error!(%error, route = %pass.terms.id, "cannot make a credential for the gateway");
            Error::explain(ErrorType::InternalError, "no credential for the gateway")
        })?;
        parts.headers = headers;
        *request = parts.into();
        request.set_raw_path(&target)
    }

    /// Reads the head of the gateway's answer and takes from it what is not for the client.
    ///
    /// # Errors
    ///
    /// The answer must not go to the client at all.
    pub fn receive(&self, pass: &Pass, arrival: &Arrival, response: &mut ResponseHeader) -> Result<(), GatewayTrouble> {
        if response.status == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody asked for another protocol (`Upgrade` ends here), and what follows would be no HTTP.
            return Err(GatewayTrouble::Broken);
        }
        // The version is that of one hop (RFC 9110 §2.5), whatever the gateway speaks.
        response.set_version(Version::HTTP_11);
        if response.status.is_informational() {
            headers::clean_response(response);
            return Ok(());
        }
        if response.status == StatusCode::NO_CONTENT {
            // Whoever believed a length here would wait for a body that never comes (RFC 9110 §8.6, RFC 9112 §6.1).
            response.remove_header(&header::CONTENT_LENGTH);
            response.remove_header(&header::TRANSFER_ENCODING);
        }
        headers::clean_response(response);
        if self.identity.answers_for(pass) {
            // The gateway's challenge is about our credential: the client can do nothing with it.
            response.remove_header(&header::WWW_AUTHENTICATE);
            if response.status == StatusCode::UNAUTHORIZED {
                return Err(GatewayTrouble::RejectedCredential);
            }
        }
        if response
            .insert_header("X-Request-ID", arrival.request_id.clone())
            .is_err()
        {
            return Err(GatewayTrouble::Broken);
        }
        Ok(())
    }
}

/// Whose password has changed, if the answer to a `password_change` route says so. To be asked before
/// [`Forward::receive`], which takes the name away.
pub fn changed_user(response: &ResponseHeader) -> Option<String> {
    if response.status != StatusCode::NO_CONTENT {
        return None;
    }
    let user = response.headers.get(X_GATEWARD_USER)?.to_str().ok()?;
    Some(user.to_owned())
}

/// The target for the gateway: the path that was matched, and the client's query as it came.
fn target(prefix: &str, path: &str, original: &[u8]) -> Vec<u8> {
    let query = original
        .iter()
        .position(|byte| *byte == b'?')
        .and_then(|at| original.get(at..))
        .unwrap_or_default();
    let mut target = Vec::with_capacity(prefix.len() + path.len() + query.len());
    target.extend_from_slice(prefix.as_bytes());
    target.extend_from_slice(path.as_bytes());
    target.extend_from_slice(query);
    target
}

#[cfg(test)]
mod tests;
