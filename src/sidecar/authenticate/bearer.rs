//! Is this bearer value a token that is good here, and was it revoked? Synchronous.

use gateward_auth::{Denial, Evidence, RevokedBy, Standing, UnixSeconds, VerifiedToken};
use gateward_policy::Policy;

use super::Authenticator;

impl Authenticator {
    /// The token and its standing.
    ///
    /// INVARIANT(one user, one name): the user is brought into canonical form before anybody is asked about the token,
    /// so that a revocation under one spelling counts for all. Held by `a_token_in_another_spelling_is_the_same_user`.
    pub(super) fn bearer(&self, policy: &Policy, raw: &str, now: UnixSeconds) -> Result<Evidence, Denial> {
        let token = policy.user_names().in_token(self.good_token(raw, now)?);
        let standing = if self.changes.revokes(&token) {
            Standing::Revoked(RevokedBy::User)
        } else {
            self.denylist.peek(&token, now)
        };
        Ok(Evidence::Token { token, standing })
    }

    /// What a good token says. Whether it was revoked is asked each time, and so are its times.
    fn good_token(&self, raw: &str, now: UnixSeconds) -> Result<VerifiedToken, Denial> {
        if let Some(token) = self.tokens.recall(raw) {
            self.verifier.check_again(&token, now).map_err(Denial::TokenInvalid)?;
            return Ok(token);
        }
        let token = self.verifier.verify(raw, now).map_err(Denial::TokenInvalid)?;
        self.tokens.remember(raw, &token);
        Ok(token)
    }
}
