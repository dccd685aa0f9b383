//! What happened to login sessions, one line each, for whoever reads the log after an incident (DESIGN §11). Never holds a
//! token: ids and names only.

use gateward_auth::{CredentialKind, FamilyId, Scope, TokenId, UserId};
use gateward_denylist::RevokeOutcome;

/// The target of audit lines, so that they can be told from everything else.
pub const TARGET: &str = "gateward::audit";

/// An event worth a line.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// A new session.
    Issued {
        user: &'a UserId,
        family: &'a FamilyId,
        token: &'a TokenId,
        scopes: &'a [Box<str>],
        by: CredentialKind,
    },
    /// The caller got a scope that the caller does not hold (`attenuation: report`).
    Exceeded { user: &'a UserId, scope: &'a Scope },
    /// A session goes on; `again` when the same pair was handed out once more.
    Refreshed {
        user: &'a UserId,
        family: &'a FamilyId,
        token: &'a TokenId,
        again: bool,
    },
    /// A refresh token was used twice: its session is over.
    Reused {
        user: &'a UserId,
        family: &'a FamilyId,
        token: &'a TokenId,
    },
    /// A session that the gateway had begun goes on as one of ours.
    Adopted {
        user: &'a UserId,
        family: &'a FamilyId,
        token: &'a TokenId,
        presented: &'a TokenId,
    },
    /// A session, or a token that is not ours, was ended by its owner.
    Revoked {
        user: &'a UserId,
        token: &'a TokenId,
        outcome: &'a RevokeOutcome,
    },
}

/// Writes the line.
pub(super) fn record(event: &Event<'_>) {
    match event {
        Event::Issued {
            user,
            family,
            token,
            scopes,
            by,
        } => {
            let scopes = scopes.join(" ");
            tracing::info!(target: TARGET, event = "issue", %user, %family, jti = %token, scopes, by = by.label());
        }
        Event::Exceeded { user, scope } => {
            tracing::warn!(target: TARGET, event = "attenuation_exceeded", %user, %scope);
        }
        Event::Refreshed {
            user,
            family,
            token,
            again,
        } => {
            tracing::info!(target: TARGET, event = "refresh", %user, %family, jti = %token, again);
        }
        Event::Reused { user, family, token } => {
            tracing::warn!(target: TARGET, event = "refresh_reuse", %user, %family, jti = %token);
        }
        Event::Adopted {
            user,
            family,
            token,
            presented,
        } => {
            tracing::info!(target: TARGET, event = "adopt", %user, %family, jti = %token, %presented);
        }
        Event::Revoked { user, token, outcome } => {
            tracing::info!(target: TARGET, event = "revoke", %user, jti = %token, outcome = outcome.label());
        }
    }
}
