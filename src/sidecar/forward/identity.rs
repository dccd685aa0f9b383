//! Who does the gateway believe is asking? The client's credential stays here; ours goes on (DESIGN §8).
//!
//! Knows nothing about paths, peers and answers.

use gateward_auth::{KeyError, UnixSeconds, UserId};
use gateward_policy::{Action, Route, UpstreamCredential};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::accounts::Accounts;
use super::minter::Minter;
use crate::authorization;
use crate::config::{CredentialKind, Upstream};
use crate::context::{Pass, Terms};

/// Everything that can stand for a caller at the gateway.
pub struct Identity {
    default: UpstreamCredential,
    minter: Option<Minter>,
    /// Whether there are accounts; which, changes with their file.
    accounts: bool,
    header: Option<(HeaderName, HeaderValue)>,
}

/// No account of the gateway stands for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAccount;

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
            accounts: upstream.basic.is_some(),
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
            UpstreamCredential::Basic => self.accounts,
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

    /// The account that the caller is named to the gateway with, where the route has that done with accounts; nothing for
    /// nobody in particular.
    ///
    /// # Errors
    ///
    /// When nobody may speak for the caller: users of the gateway must not act with somebody else's account there.
    pub fn account(
        &self,
        accounts: &Accounts,
        terms: &Terms,
        caller: Option<&UserId>,
    ) -> Result<Option<HeaderValue>, NoAccount> {
        match (self.kind(terms), caller) {
            (UpstreamCredential::Basic, Some(caller)) => accounts.of(caller).cloned().map(Some).ok_or(NoAccount),
            (UpstreamCredential::Basic, None)
            | (UpstreamCredential::Mint | UpstreamCredential::Passthrough | UpstreamCredential::Header, _) => Ok(None),
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
                pass.account.clone().ok_or(IdentityError::Missing("basic"))?,
            ),
            UpstreamCredential::Header => self.header.clone().ok_or(IdentityError::Missing("header"))?,
        };
        headers.insert(name, value);
        Ok(())
    }
}
