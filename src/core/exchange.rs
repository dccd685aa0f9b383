//! What becomes of the refresh tokens that the reference server issued? Their holders go on with the sidecar's, and each
//! is used up here once, as it would be there.
//!
//! It refuses to make tokens: those are the sidecar's business, which drops what the reference would answer.

mod routes;
mod store;

pub(crate) use routes::routes;

use gateward_auth::VerifiedToken;

use crate::{
    Timestamp,
    db::{Database, StoreError},
};
use store::Store;

/// The reference's refresh tokens.
#[derive(Debug)]
pub(crate) struct Exchange(Store);

impl Exchange {
    pub(crate) fn new(database: Database) -> Self {
        Self(Store(database))
    }

    /// Uses up a refresh token. `false` if it was used before, revoked or never issued.
    ///
    /// INVARIANT(used up once): one statement asks and answers it, so of two at the same time one gets `true`. Test:
    /// `exchange::tests::a_refresh_token_of_the_reference_is_used_up_once`.
    pub(crate) async fn use_up(&self, token: &VerifiedToken, now: Timestamp) -> Result<bool, StoreError> {
        self.0.revoke(token.id(), token.user(), now).await
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests;
