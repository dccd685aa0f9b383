//! The table of tokens, as far as somebody presents one. Only the reference server adds to it.

use gateward_auth::{TokenId, UserId};

use crate::{
    Timestamp,
    db::{Database, Statement, StoreError},
};

/// With the user, in any case: the reference signed both.
const REVOKE: Statement = Statement::same(
    "UPDATE tokens SET revoked_at = ?1, updated_at = ?1 WHERE id = ?2 AND user_id = ?3 \
     AND token_use = 'refresh' AND revoked_at IS NULL AND expires_at > ?1",
);

#[derive(Debug)]
pub(super) struct Store(pub(super) Database);

impl Store {
    /// Revokes a refresh token that is good, and says whether it was. Its access token stays, as with the reference.
    pub(super) async fn revoke(&self, id: &TokenId, user: &UserId, now: Timestamp) -> Result<bool, StoreError> {
        let revoke = REVOKE.bind(now).bind(id.as_str()).bind(user.as_str());
        Ok(revoke.execute(&self.0).await?.rows > 0)
    }
}
