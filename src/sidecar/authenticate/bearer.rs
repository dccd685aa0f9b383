//! Is this bearer value a token that is good here, and was it revoked? Synchronous and without any memory of tokens:
//! checking one (1.7 µs, `benches/auth.rs`) costs less than finding it in a table that several threads share.

use gateward_auth::{Denial, Evidence, RevokedBy, Standing, UnixSeconds};
use gateward_policy::Policy;

use super::Authenticator;

impl Authenticator {
    /// The token and its standing.
    ///
    /// INVARIANT(one user, one name): the user is brought into canonical form before anybody is asked about the token,
    /// so that a revocation under one spelling counts for all. Held by `a_token_in_another_spelling_is_the_same_user`.
    pub(super) fn bearer(&self, policy: &Policy, raw: &str, now: UnixSeconds) -> Result<Evidence, Denial> {
        let token = self.verifier.verify(raw, now).map_err(Denial::TokenInvalid)?;
        let token = policy.user_names().in_token(token);
        let standing = if self.changes.revokes(&token) {
            Standing::Revoked(RevokedBy::User)
        } else {
            self.denylist.peek(&token, now)
        };
        Ok(Evidence::Token { token, standing })
    }
}
