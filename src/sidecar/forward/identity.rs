//! Who does the gateway believe is asking? The client's credential stays here; ours goes on (DESIGN §8).
//!
//! Knows nothing about paths, peers and answers.

use gateward_auth::{KeyError, UnixSeconds, UserId};
use gateward_policy::{Action, Route, UpstreamCredential, UserNames};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::minter::Minter;
use crate::authorization;
use crate::config::{CredentialKind, Upstream};
use crate::context::{Pass, Terms};

/// Everything that can stand for a caller at the gateway.
pub struct Identity {
    default: UpstreamCredential,
    minter: Option<Minter>,
    basic: Option<Account>,
    header: Option<(HeaderName, HeaderValue)>,
}

/// One account of the gateway.
struct Account {
    /// `Authorization` with its password.
    value: HeaderValue,
    /// Whom alone it may stand for, as configured; `None`: everybody.
    only: Option<String>,
}

/// Why no identity can be made from the configuration, or for a request.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The secret of the minted tokens is no key.
    #[error("the secret of the minted tokens cannot be used: {0}")]
    Key(#[from] KeyError),
    /// A configured value cannot stand in a header.
    #[error("{0} cannot be sent in a header")]
    Value(&'static str),
    /// A route asks for a credential that is not configured.
    #[error("the credential {0} is not configured")]
    Missing(&'static str),
}

impl Identity {
    /// What the configuration offers.
    pub fn new(upstream: &Upstream) -> Result<Self, IdentityError> {
        let minter = upstream.mint.as_ref().map(Minter::new).transpose()?;
        let basic = match &upstream.basic {
            None => None,
            Some(basic) => {
                let value = authorization::basic(&basic.user, &basic.password);
                Some(Account {
                    value: value.map_err(|_| IdentityError::Value("upstream.basic"))?,
                    only: (!basic.shared).then(|| basic.user.clone()),
                })
            }
        };
        let header = match &upstream.header {
            None => None,
            Some(header) => {
                let name = HeaderName::from_bytes(header.name.as_bytes());
                let name = name.map_err(|_| IdentityError::Value("upstream.header.name"))?;
                let value = authorization::hidden(header.value.expose());
                Some((name, value.map_err(|_| IdentityError::Value("upstream.header.value"))?))
            }
        };
        let default = match upstream.credential {
            CredentialKind::Mint => UpstreamCredential::Mint,
            CredentialKind::Basic => UpstreamCredential::Basic,
            CredentialKind::Passthrough => UpstreamCredential::Passthrough,
            CredentialKind::Header => UpstreamCredential::Header,
        };
        Ok(Self {
            default,
            minter,
            basic,
            header,
        })
    }

    /// Whether every credential that these routes ask for is configured; else the first that is not. A public route asks
    /// for none: nobody is named to the gateway there.
    pub fn missing_for(&self, routes: &[Route]) -> Option<&'static str> {
        let mut wanted = routes
            .iter()
            .filter(|route| route.action == Action::Forward && route.requirement.is_some())
            .map(|route| self.kind(&route.into()));
        wanted.find(|kind| !self.offers(*kind)).map(UpstreamCredential::label)
    }

    fn offers(&self, kind: UpstreamCredential) -> bool {
        match kind {
            UpstreamCredential::Mint => self.minter.is_some(),
            UpstreamCredential::Basic => self.basic.is_some(),
            UpstreamCredential::Header => self.header.is_some(),
            UpstreamCredential::Passthrough => true,
        }
    }

    /// Which credential goes to the gateway on such a route.
    pub fn kind(&self, terms: &Terms) -> UpstreamCredential {
        match terms.action {
            Action::Passthrough => UpstreamCredential::Passthrough,
            Action::Forward | Action::TokenIssue | Action::TokenRefresh | Action::TokenRevoke => {
                terms.credential.unwrap_or(self.default)
            }
        }
    }

    /// Whether the caller may be named to the gateway as the route says. Users of the gateway have accounts of their own
    /// there, and must not act with somebody else's.
    ///
    /// INVARIANT(own account): a fixed account stands for no other user of the gateway, whatever credential that user
    /// shows; held by `tests::an_account_of_the_gateway_stands_for_its_own_user_only`.
    pub fn speaks_for(&self, names: UserNames, terms: &Terms, caller: Option<&UserId>) -> bool {
        if self.kind(terms) != UpstreamCredential::Basic {
            return true;
        }
        let only = self.basic.as_ref().and_then(|account| account.only.as_deref());
        match (only, caller) {
            (Some(user), Some(caller)) => names.canonical(user) == caller.as_str(),
            (None, _) | (_, None) => true,
        }
    }

    /// Whether a 401 of the gateway is about a credential of ours rather than the client's.
    pub fn answers_for(&self, pass: &Pass) -> bool {
        pass.grant.is_some() && self.kind(&pass.terms) != UpstreamCredential::Passthrough
    }

    /// Replaces the client's credential by ours. Doing it again changes nothing but the minted token's id.
    ///
    /// INVARIANT(client credential): unless the route passes it through, the client's `Authorization` never
    /// leaves; without a grant nothing takes its place. Held by `tests::no_client_credential_leaves`.
    pub fn stamp(&self, pass: &Pass, headers: &mut HeaderMap, now: UnixSeconds) -> Result<(), IdentityError> {
        let kind = self.kind(&pass.terms);
        if let Some((name, _)) = self.header.as_ref().filter(|(name, _)| *name != header::AUTHORIZATION) {
            // The name of a secret header is ours on every route.
            headers.remove(name);
        }
        if kind == UpstreamCredential::Passthrough {
            return Ok(());
        }
        headers.remove(header::AUTHORIZATION);
        let Some(grant) = &pass.grant else { return Ok(()) };
        let (name, value) = match kind {
            UpstreamCredential::Passthrough => return Ok(()),
            UpstreamCredential::Mint => {
                let minter = self.minter.as_ref().ok_or(IdentityError::Missing("mint"))?;
                (header::AUTHORIZATION, minter.mint(grant, now)?)
            }
            UpstreamCredential::Basic => (
                header::AUTHORIZATION,
                self.basic
                    .as_ref()
                    .map(|account| account.value.clone())
                    .ok_or(IdentityError::Missing("basic"))?,
            ),
            UpstreamCredential::Header => self.header.clone().ok_or(IdentityError::Missing("header"))?,
        };
        headers.insert(name, value);
        Ok(())
    }
}
