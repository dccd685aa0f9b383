//! Which tokens were found good a moment ago? A client sends the same one for minutes, and finding it here costs a
//! fraction of checking its signature and claims (`benches/gate.rs`).
//!
//! Kept as they came, and compared whole: nothing shorter is safe without being as slow as the signature, and whoever can
//! read this memory has the key that signs them. Only good ones are kept, so that forged ones take no room (SECURITY 77).
//! Knows no time and no revocation: a known token is still judged by both.

use foldhash::fast::RandomState;
use gateward_auth::VerifiedToken;
use papaya::HashMap;

/// Tokens kept; when there are more, all are forgotten, which costs one check each. About 12 MiB when so many are in use.
const MOST_KEPT: usize = 16_384;

/// The longest token that is kept, in bytes. Those of a few scopes have about 400.
const LONGEST: usize = 1_024;

/// The tokens whose signature and claims need not be checked again.
pub(super) struct KnownTokens(HashMap<Box<str>, VerifiedToken, RandomState>);

impl KnownTokens {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(HashMap::with_hasher(RandomState::default()))
    }

    /// What a good token said.
    pub(super) fn recall(&self, raw: &str) -> Option<VerifiedToken> {
        self.0.pin().get(raw).cloned()
    }

    /// Keeps a token whose signature, claims and times are good.
    pub(super) fn remember(&self, raw: &str, token: &VerifiedToken) {
        if raw.len() > LONGEST {
            return;
        }
        let kept = self.0.pin();
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(raw.into(), token.clone());
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use gateward_auth::{AccessClaims, FamilyId, Hs256Key, Secret, Signer, TokenId, UnixSeconds, UserId};
    use gateward_auth::{Verifier, VerifierRules};

    use super::*;

    fn good() -> VerifiedToken {
        let now = UnixSeconds(1_800_000_000);
        let key = Hs256Key::new(&Secret::new([7; 32])).unwrap();
        let raw = Signer::new(key.clone(), None).access(&AccessClaims {
            user: &UserId::parse("ABC123").unwrap(),
            id: &TokenId::parse("000000000000111111111").unwrap(),
            family: &FamilyId::parse("000000000000").unwrap(),
            epoch: 0,
            scopes: &["all:any"],
            issued_at: now,
            expires_at: now.plus(60),
        });
        let rules = VerifierRules {
            issuer: None,
            leeway_secs: 0,
            max_lifetime_secs: 60,
        };
        Verifier::new(key, rules).verify(&raw, now).unwrap()
    }

    #[test]
    fn only_the_very_same_token_is_known() {
        let known = KnownTokens::new();
        known.remember("a.b.c", &good());
        assert_eq!(known.recall("a.b.c").unwrap().id(), good().id());
        for other in ["a.b.C", "a.b.", "a.b.cc", ""] {
            assert!(known.recall(other).is_none(), "{other:?}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded_in_number_and_length() {
        let known = KnownTokens::new();
        let good = good();
        for number in 0..=MOST_KEPT {
            known.remember(&number.to_string(), &good);
        }
        assert!(known.0.len() <= MOST_KEPT);
        let long = "a".repeat(LONGEST + 1);
        known.remember(&long, &good);
        assert!(known.recall(&long).is_none());
    }
}
