//! May this request pass? The one place that says so. Knows no HTTP, no clock and no store: facts in, verdict out.

use crate::claims::VerifiedToken;
use crate::denial::Denial;
use crate::evidence::{Evidence, Standing};
use crate::ids::UserId;
use crate::requirement::{Need, OnOutage, Requirement};
use crate::scope::{self, Scope, TOKENS_REFRESH};
use crate::token_error::TokenError;

/// Which kind of credential a grant rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CredentialKind {
    /// A user name and password.
    Basic,
    /// A token.
    Jwt,
}

impl CredentialKind {
    /// A word from a closed set, for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Jwt => "jwt",
        }
    }
}

/// Proof that a request may pass, and for whom.
///
/// INVARIANT(only decide grants): the fields are private and [`decide`] is the only constructor; the compiler holds it.
#[derive(Debug)]
pub struct Grant {
    holder: Holder,
    scope: Option<Scope>,
    wildcard: Option<Scope>,
    degraded: bool,
}

#[derive(Debug)]
enum Holder {
    Login { user: UserId, scopes: Option<Vec<Scope>> },
    Token(VerifiedToken),
}

impl Holder {
    fn satisfies(&self, needed: &Scope, exact: bool, wildcard: Option<&Scope>) -> bool {
        match self {
            Self::Login { scopes: None, .. } => !exact,
            Self::Login { scopes: Some(held), .. } => scope::satisfies(held, needed, exact, wildcard),
            Self::Token(token) => scope::satisfies(token.scopes(), needed, exact, wildcard),
        }
    }

    fn is_refresh(&self) -> bool {
        match self {
            Self::Login { .. } => false,
            Self::Token(token) => token.is_refresh(),
        }
    }
}

impl Grant {
    /// Who is asking.
    pub fn user(&self) -> &UserId {
        match &self.holder {
            Holder::Login { user, .. } => user,
            Holder::Token(token) => token.user(),
        }
    }

    /// The scope that the route needs, and that the caller has shown to hold; `None` where the route needs none.
    pub fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// The token, when the credential was one.
    pub fn token(&self) -> Option<&VerifiedToken> {
        match &self.holder {
            Holder::Login { .. } => None,
            Holder::Token(token) => Some(token),
        }
    }

    /// Which kind of credential was used.
    pub fn kind(&self) -> CredentialKind {
        match &self.holder {
            Holder::Login { .. } => CredentialKind::Basic,
            Holder::Token(_) => CredentialKind::Jwt,
        }
    }

    /// Does the caller hold this scope, itself or through the wildcard? Nobody hands out what he does not hold.
    pub fn holds(&self, scope: &Scope) -> bool {
        self.holder.satisfies(scope, false, self.wildcard.as_ref())
    }

    /// Was this granted although the denylist may be out of date?
    pub fn degraded(&self) -> bool {
        self.degraded
    }
}

/// Puts what the route asks for and what is known about the caller together.
///
/// The order is: is there a credential, is its kind accepted, is the token revoked, is the denylist good enough, does
/// the caller hold the scope. Whoever could not be authenticated learns nothing about scopes.
pub fn decide(requirement: &Requirement, evidence: Evidence, on_outage: OnOutage) -> Result<Grant, Denial> {
    let (holder, degraded) = match evidence {
        Evidence::Absent => return Err(Denial::NoCredential),
        Evidence::Login { .. } if !requirement.accepts.basic => return Err(Denial::KindNotAccepted),
        Evidence::Token { .. } if !requirement.accepts.jwt => return Err(Denial::KindNotAccepted),
        Evidence::Login { user, scopes } => (Holder::Login { user, scopes }, false),
        Evidence::Token { token, standing } => {
            let degraded = check_standing(standing, on_outage)?;
            (Holder::Token(token), degraded)
        }
    };
    let (scope, wildcard) = check_need(&requirement.need, &holder)?;
    Ok(Grant {
        holder,
        scope,
        wildcard,
        degraded,
    })
}

/// `Ok(true)` when we go on with a list that may be out of date.
///
/// INVARIANT(revoked is final): a known revocation is refused in every mode; test
/// `tests::a_revoked_token_is_refused_in_every_mode`.
/// INVARIANT(no list, no tokens): before the list is first loaded no mode lets a token pass; test
/// `tests::no_mode_trusts_a_list_that_was_never_loaded`.
fn check_standing(standing: Standing, on_outage: OnOutage) -> Result<bool, Denial> {
    match (standing, on_outage) {
        (Standing::Clear, _) => Ok(false),
        (Standing::Revoked(by), _) => Err(Denial::TokenRevoked(by)),
        (Standing::Unknown { age: Some(age) }, OnOutage::Stale(limit)) if age <= limit => Ok(true),
        (Standing::Unknown { age: Some(_) }, OnOutage::Open) => Ok(true),
        (Standing::Unknown { .. }, OnOutage::Closed | OnOutage::Stale(_) | OnOutage::Open) => {
            Err(Denial::RevocationUnknown)
        }
    }
}

/// The scope that was needed and the wildcard of its catalogue.
///
/// INVARIANT(refresh tokens only refresh): a refresh token opens no route but the one that needs `tokens:refresh`, and
/// nothing else opens that one; tests `tests::a_refresh_token_opens_nothing_else` and
/// `tests::nothing_but_a_refresh_token_refreshes`.
fn check_need(need: &Need, holder: &Holder) -> Result<(Option<Scope>, Option<Scope>), Denial> {
    match need {
        Need::Nothing if holder.is_refresh() => Err(Denial::TokenInvalid(TokenError::RefreshOnly)),
        Need::Nothing => Ok((None, None)),
        Need::Scope { scope, exact, wildcard } => {
            let refresh = scope.as_str() == TOKENS_REFRESH;
            let held = holder.satisfies(scope, *exact || refresh, wildcard.as_ref());
            if held && refresh == holder.is_refresh() {
                Ok((Some(scope.clone()), wildcard.clone()))
            } else {
                Err(Denial::ScopeMissing { scope: scope.clone() })
            }
        }
    }
}

#[cfg(test)]
mod tests;
