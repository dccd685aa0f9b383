//! Tokens for the gateway: short-lived, for one user, with the one scope that a route needs (DESIGN §8).
//!
//! A token is reused for half its life: the same user asking the same kind of thing again costs no signature.

use std::time::Duration;

use gateward_auth::{Grant, Hs256Key, MintedClaims, Scope, Signer, TokenId, UnixSeconds, UserId, whole_seconds};
use gateward_contract::nanoid;
use http::header::HeaderValue;
use papaya::HashMap;

use super::identity::IdentityError;
use crate::authorization;
use crate::config::Mint;

/// Gateways refuse tokens from their own future (WIRE §2.3), and their clocks may be this much behind ours.
const SKEW: Duration = Duration::from_secs(5);

/// Tokens kept for reuse; when there are more, all are forgotten, which costs one signature each.
const MOST_KEPT: usize = 4_096;

/// Makes and keeps tokens.
pub(super) struct Minter {
    signer: Signer,
    /// Seconds from a token's `iat` to its `exp`.
    ttl: i64,
    /// How many of these seconds lie in the past when it is made.
    backdated: i64,
    kept: HashMap<(UserId, Option<Scope>), Kept>,
}

#[derive(Clone)]
struct Kept {
    value: HeaderValue,
    /// Until when it is handed out again, exclusive.
    until: UnixSeconds,
    /// Since when: a clock that was set back must not hand out tokens of the future.
    since: UnixSeconds,
}

impl Minter {
    /// Makes tokens as configured.
    pub(super) fn new(mint: &Mint) -> Result<Self, IdentityError> {
        let ttl = whole_seconds(mint.ttl).max(1);
        Ok(Self {
            signer: Signer::new(Hs256Key::new(&mint.secret)?, mint.issuer.clone()),
            ttl,
            backdated: whole_seconds(SKEW).min(ttl / 4),
            kept: HashMap::new(),
        })
    }

    /// The value of `Authorization` with a token for this user that allows just what the route needs.
    ///
    /// INVARIANT(minted scope): a token is handed out again only to the same user for the same scope; held by
    /// `tests::a_token_is_reused_for_the_same_user_and_scope_only`.
    pub(super) fn mint(&self, grant: &Grant, now: UnixSeconds) -> Result<HeaderValue, IdentityError> {
        let key = (grant.user().clone(), grant.scope().cloned());
        let kept = self.kept.pin();
        if let Some(found) = kept.get(&key)
            && (found.since..found.until).contains(&now)
        {
            return Ok(found.value.clone());
        }
        let value = self.sign(&key, now)?;
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        let until = now.plus((self.ttl - self.backdated) / 2);
        let new = Kept {
            value: value.clone(),
            until,
            since: now,
        };
        kept.insert(key, new);
        Ok(value)
    }

    fn sign(&self, (user, scope): &(UserId, Option<Scope>), now: UnixSeconds) -> Result<HeaderValue, IdentityError> {
        let id = TokenId::parse(&nanoid(gateward_boot::random::bytes()));
        let id = id.map_err(|_| IdentityError::Value("the minted token's id"))?;
        let issued_at = now.minus(self.backdated);
        let token = self.signer.minted(&MintedClaims {
            user,
            id: &id,
            scopes: scope.as_ref().map(std::slice::from_ref).unwrap_or_default(),
            issued_at,
            expires_at: issued_at.plus(self.ttl),
        });
        authorization::bearer(&token).map_err(|_| IdentityError::Value("the minted token"))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

    use gateward_auth::{Accepts, Evidence, Need, OnOutage, Requirement, Secret, Verifier, VerifierRules, decide};

    use super::*;

    const NOW: UnixSeconds = UnixSeconds(1_800_000_000);

    fn secret() -> Secret {
        Secret::new([7; 32])
    }

    fn minter() -> Minter {
        let mint = Mint {
            secret: secret(),
            issuer: None,
            ttl: Duration::from_secs(60),
        };
        Minter::new(&mint).unwrap()
    }

    fn grant(user: &str, scope: &str) -> Grant {
        let requirement = Requirement {
            accepts: Accepts { basic: true, jwt: true },
            need: Need::Scope {
                scope: Scope::parse(scope).unwrap(),
                exact: false,
                wildcard: None,
            },
        };
        let user = UserId::parse(user).unwrap();
        let evidence = Evidence::Login { user, scopes: None };
        decide(&requirement, evidence, OnOutage::Closed).unwrap_or_else(|denial| panic!("{denial:?}"))
    }

    #[test]
    fn a_token_is_reused_for_the_same_user_and_scope_only() {
        let minter = minter();
        let first = minter.mint(&grant("USER01", "a:b"), NOW).unwrap();
        assert_eq!(minter.mint(&grant("USER01", "a:b"), NOW.plus(26)).unwrap(), first);
        assert_ne!(minter.mint(&grant("USER02", "a:b"), NOW).unwrap(), first);
        assert_ne!(minter.mint(&grant("USER01", "a:c"), NOW).unwrap(), first);
    }

    #[test]
    fn a_token_is_not_reused_in_the_second_half_of_its_life_nor_before_it_was_made() {
        let minter = minter();
        let first = minter.mint(&grant("USER01", "a:b"), NOW).unwrap();
        assert_ne!(minter.mint(&grant("USER01", "a:b"), NOW.plus(27)).unwrap(), first);
        let minter = self::minter();
        let first = minter.mint(&grant("USER01", "a:b"), NOW).unwrap();
        assert_ne!(minter.mint(&grant("USER01", "a:b"), NOW.minus(1)).unwrap(), first);
    }

    #[test]
    fn a_gateway_whose_clock_is_a_little_behind_accepts_the_token() {
        let value = minter().mint(&grant("USER01", "a:b"), NOW).unwrap();
        let token = value.to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
        let rules = VerifierRules {
            issuer: None,
            leeway_secs: 0,
            max_lifetime_secs: 60,
        };
        let gateway = Verifier::new(Hs256Key::new(&secret()).unwrap(), rules);
        assert!(gateway.verify_minted(&token, NOW.minus(5)).is_ok());
        assert!(gateway.verify_minted(&token, NOW.minus(6)).is_err());
        assert!(gateway.verify_minted(&token, NOW.plus(54)).is_ok());
        assert!(gateway.verify_minted(&token, NOW.plus(55)).is_err());
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let minter = minter();
        for number in 0..=MOST_KEPT {
            minter.mint(&grant(&format!("USER{number}"), "a:b"), NOW).unwrap();
        }
        assert!(minter.kept.len() <= MOST_KEPT);
    }
}
