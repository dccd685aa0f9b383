//! A compiled policy: what a running process asks it. Only [`crate::compile`] makes one.

use std::borrow::Cow;

use gateward_auth::{OnOutage, Requirement, Scope, VerifiedToken, upper_name};

use crate::method::Method;
use crate::path::RouterTwin;
use crate::resolution::Resolution;
use crate::route::Route;
use crate::router::Router;

/// Which route a request is, and what that route asks for. Immutable; a request keeps the one it started with.
#[derive(Debug)]
pub struct Policy {
    pub(crate) name: String,
    pub(crate) hash: String,
    pub(crate) twin: RouterTwin,
    pub(crate) upstream_prefix: String,
    pub(crate) user_names: UserNames,
    pub(crate) login_check: Option<LoginCheck>,
    pub(crate) refresh_exchange: Option<GatewayRequest>,
    pub(crate) catalogue: Catalogue,
    pub(crate) protected: Protected,
    pub(crate) routes: Vec<Route>,
    pub(crate) router: Router,
}

impl Policy {
    /// Its name, for logs and the status endpoint.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first 12 hexadecimal digits of the text's SHA-256.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// How loosely paths are matched.
    #[must_use]
    pub fn twin(&self) -> RouterTwin {
        self.twin
    }

    /// Where the gateway has its tree, without a trailing slash: `/api`, or nothing for `/`.
    #[must_use]
    pub fn upstream_prefix(&self) -> &str {
        &self.upstream_prefix
    }

    /// The canonical form of user names.
    #[must_use]
    pub fn user_names(&self) -> UserNames {
        self.user_names
    }

    /// How to ask the gateway whether a password is right.
    #[must_use]
    pub fn login_check(&self) -> Option<&LoginCheck> {
        self.login_check.as_ref()
    }

    /// Where the gateway exchanges refresh tokens that it issued itself (DESIGN §6).
    #[must_use]
    pub fn refresh_exchange(&self) -> Option<&GatewayRequest> {
        self.refresh_exchange.as_ref()
    }

    /// The scopes that exist.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// What a client must show before it is told that there is nothing in a protected area.
    #[must_use]
    pub fn protected(&self) -> &Protected {
        &self.protected
    }

    /// All routes, in the order of the file; [`crate::RouteId::index`] is the place in this list.
    #[must_use]
    pub fn routes(&self) -> &[Route] {
        &self.routes
    }

    /// Which route takes this request. `path` is the raw path of the request target, without the query.
    ///
    /// Takes time in proportion to the length of the path. The caller limits that length (414).
    #[must_use]
    pub fn resolve<'p>(&'p self, method: &str, path: &[u8]) -> Resolution<'p> {
        self.router.resolve(&self.routes, Method::parse(method), path)
    }
}

/// The canonical form of a user's name, used in tokens, caches, throttles, revocations and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserNames {
    /// In capitals and without trailing spaces, as SMSGate's database compares them (WIRE §2.2).
    Upper,
    /// As it came.
    AsWritten,
}

impl UserNames {
    /// The canonical form of a name.
    #[must_use]
    pub fn canonical(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::AsWritten => Cow::Borrowed(name),
            Self::Upper => upper_name(name),
        }
    }

    /// The token with its user under the canonical name.
    #[must_use]
    pub fn in_token(self, token: VerifiedToken) -> VerifiedToken {
        match self {
            Self::AsWritten => token,
            Self::Upper => token.with_upper_user(),
        }
    }
}

/// A request that we make to the gateway ourselves.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GatewayRequest {
    /// Its method.
    pub method: Method,
    /// Its path at the gateway: canonical, with the gateway's prefix.
    pub path: String,
}

/// The request that tells whether a password is right (DESIGN §5).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginCheck {
    /// `GET` or `HEAD`.
    pub method: Method,
    /// Its path at the gateway: canonical, with the gateway's prefix.
    pub path: String,
    /// Statuses that mean: the password is right.
    pub good: Vec<u16>,
    /// Statuses that mean: it is wrong. Any other is an outage.
    pub bad: Vec<u16>,
}

/// What a client must show in a protected area where there is no route.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Protected {
    /// Every kind of credential that some route accepts, and no scope.
    pub requirement: Requirement,
    /// Always closed: nobody loses anything by a 503 where nothing is.
    pub on_outage: OnOutage,
}

/// The scopes that a policy declares.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    pub(crate) entries: Vec<CatalogueEntry>,
    pub(crate) wildcard: Option<Scope>,
}

#[derive(Clone, Debug)]
pub(crate) struct CatalogueEntry {
    pub(crate) scope: Scope,
    pub(crate) title: Option<String>,
    pub(crate) grantable: bool,
}

impl Catalogue {
    /// Whether the policy declares a scope of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// The scope that satisfies every need that is not exact.
    #[must_use]
    pub fn wildcard(&self) -> Option<&Scope> {
        self.wildcard.as_ref()
    }

    /// Whether a client may ask for this scope: declared, and not a `system` one.
    #[must_use]
    pub fn grantable(&self, name: &str) -> bool {
        self.entry(name).is_some_and(|entry| entry.grantable)
    }

    /// The declared scope of this name.
    #[must_use]
    pub fn scope(&self, name: &str) -> Option<&Scope> {
        self.entry(name).map(|entry| &entry.scope)
    }

    /// Every scope with what a person reads, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&Scope, Option<&str>)> {
        self.entries.iter().map(|entry| (&entry.scope, entry.title.as_deref()))
    }

    fn entry(&self, name: &str) -> Option<&CatalogueEntry> {
        self.entries.iter().find(|entry| entry.scope.as_str() == name)
    }
}
