//! Is this token good? Signature, claims and times, checked by ourselves with the time as an argument (DESIGN §5,
//! SECURITY §1). Refuses to know revocation, and which routes a token opens.

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::claims::{Claims, Facts, Found, VerifiedToken};
use crate::header;
use crate::ids::{FamilyId, TokenId, UnixSeconds, UserId};
use crate::keys::Hs256Key;
use crate::scope::TOKENS_REFRESH;
use crate::token_error::{Claim, TokenError};

/// The longest token that is looked at, in bytes. Longer ones are refused before any work (SECURITY 22).
pub(crate) const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// What a token must keep to besides its signature.
#[derive(Debug, Clone)]
pub struct VerifierRules {
    /// The one issuer that is accepted, compared byte for byte; `None` accepts any or none.
    pub issuer: Option<String>,
    /// How far the clocks of issuer and verifier may differ, in seconds. SMSGate has 0.
    pub leeway_secs: i64,
    /// The longest `exp − iat` of an access token, in seconds. Refresh tokens are exempt.
    pub max_lifetime_secs: i64,
}

/// Checks tokens of one key and one set of rules. Cheap to share, no state.
#[derive(Debug, Clone)]
pub struct Verifier {
    key: Hs256Key,
    rules: VerifierRules,
}

impl Verifier {
    /// A verifier for this key.
    pub fn new(key: Hs256Key, rules: VerifierRules) -> Self {
        Self { key, rules }
    }

    /// For the front door: a client's token, access or refresh. One that was minted for the gateway is refused.
    ///
    /// INVARIANT(minted tokens stay inside): tests `verify::tests::a_minted_token_is_refused_at_the_front_door` and
    /// `verify::tests::the_core_accepts_minted_tokens_only`.
    pub fn verify(&self, raw: &str, now: UnixSeconds) -> Result<VerifiedToken, TokenError> {
        self.check(raw, now, Door::Front)
    }

    /// For the gateway: a token that the sidecar minted. A client's token is refused.
    pub fn verify_minted(&self, raw: &str, now: UnixSeconds) -> Result<VerifiedToken, TokenError> {
        self.check(raw, now, Door::Gateway)
    }

    /// Whether a token that this verifier found good is still, or again, within its times.
    ///
    /// INVARIANT(a known token ages): whatever is remembered of a token, its times are asked anew; test
    /// `verify::tests::a_token_that_was_good_is_judged_by_its_times_again`.
    pub fn check_again(&self, token: &VerifiedToken, now: UnixSeconds) -> Result<(), TokenError> {
        let Facts {
            expires_at,
            issued_at,
            not_before,
            ..
        } = *token.facts;
        check_times(expires_at, issued_at, not_before, &self.rules, now)
    }

    fn check(&self, raw: &str, now: UnixSeconds, door: Door) -> Result<VerifiedToken, TokenError> {
        if raw.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let (message, signature) = raw.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (head, payload) = message.split_once('.').ok_or(TokenError::Malformed)?;
        if payload.contains('.') {
            return Err(TokenError::Malformed);
        }
        header::check(head)?;
        // INVARIANT(nothing unsigned is read): no claim is parsed before the signature is good; test
        // `verify::tests::claims_are_not_read_before_the_signature_is_good`.
        if !self.key.verifies(message, signature) {
            return Err(TokenError::Signature);
        }
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| TokenError::Malformed)?;
        let payload = std::str::from_utf8(&payload).map_err(|_| TokenError::Malformed)?;
        let claims = Claims::parse(payload).map_err(|_| TokenError::Malformed)?;
        check_claims(claims, &self.rules, now, door)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Door {
    Front,
    Gateway,
}

fn check_claims(
    claims: Claims<'_>,
    rules: &VerifierRules,
    now: UnixSeconds,
    door: Door,
) -> Result<VerifiedToken, TokenError> {
    if claims.twice {
        return Err(TokenError::DuplicateClaim);
    }
    check_door(claims.mint, door)?;
    check_issuer(claims.issuer, rules)?;
    let user = required(text(claims.user, Claim::User)?, Claim::User)?;
    let subject = text(claims.subject, Claim::Subject)?;
    if subject.is_some_and(|subject| subject != user) {
        return Err(TokenError::SubjectMismatch);
    }
    let id = required(text(claims.id, Claim::Id)?, Claim::Id)?;
    let scopes = texts(claims.scopes, Claim::Scopes)?.unwrap_or_default();

    let expires_at = required(seconds(claims.expires_at, Claim::ExpiresAt)?, Claim::ExpiresAt)?;
    let issued_at = required(seconds(claims.issued_at, Claim::IssuedAt)?, Claim::IssuedAt)?;
    let not_before = seconds(claims.not_before, Claim::NotBefore)?;
    let is_refresh = matches!(&*scopes, [only] if &**only == TOKENS_REFRESH);
    check_times(expires_at, issued_at, not_before, rules, now)?;
    if !is_refresh && expires_at.since(issued_at) > rules.max_lifetime_secs {
        return Err(TokenError::LifetimeExceedsCap);
    }

    let family = text(claims.family, Claim::Family)?;
    let epoch = seconds(claims.epoch, Claim::Epoch)?;
    let user = UserId::parse(&user).map_err(|_| TokenError::Invalid(Claim::User))?;
    let facts = Facts {
        id: TokenId::parse(&id).map_err(|_| TokenError::Invalid(Claim::Id))?,
        family: family
            .map(|family| FamilyId::parse(&family))
            .transpose()
            .map_err(|_| TokenError::Invalid(Claim::Family))?,
        epoch: epoch.and_then(|UnixSeconds(epoch)| u64::try_from(epoch).ok()),
        scopes,
        original_scopes: texts(claims.original_scopes, Claim::OriginalScopes)?,
        issued_at,
        expires_at,
        not_before,
    };
    Ok(VerifiedToken {
        user,
        facts: Arc::new(facts),
    })
}

fn check_door(mint: Option<Found<'_>>, door: Door) -> Result<(), TokenError> {
    match (mint, door) {
        (Some(Found::True), Door::Gateway) | (None, Door::Front) => Ok(()),
        // Whatever its value: who writes this claim means a minted token.
        (Some(_), Door::Front) => Err(TokenError::Minted),
        (Some(_), Door::Gateway) => Err(TokenError::Invalid(Claim::Mint)),
        (None, Door::Gateway) => Err(TokenError::NotMinted),
    }
}

fn check_issuer(issuer: Option<Found<'_>>, rules: &VerifierRules) -> Result<(), TokenError> {
    let issuer = text(issuer, Claim::Issuer)?;
    match (&rules.issuer, issuer) {
        (None, _) => Ok(()),
        (Some(_), None) => Err(TokenError::Missing(Claim::Issuer)),
        (Some(expected), Some(issuer)) if *expected == issuer => Ok(()),
        (Some(_), Some(_)) => Err(TokenError::Issuer),
    }
}

/// The reference has no leeway, and `exp` must be in the future (WIRE §2.3).
///
/// INVARIANT(time rules have exact edges): test `verify::tests::every_time_rule_has_an_exact_edge`.
fn check_times(
    expires_at: UnixSeconds,
    issued_at: UnixSeconds,
    not_before: Option<UnixSeconds>,
    rules: &VerifierRules,
    now: UnixSeconds,
) -> Result<(), TokenError> {
    let latest = now.plus(rules.leeway_secs);
    if expires_at <= now.minus(rules.leeway_secs) {
        return Err(TokenError::Expired);
    }
    if issued_at > latest {
        return Err(TokenError::IssuedInFuture);
    }
    if not_before.is_some_and(|not_before| not_before > latest) {
        return Err(TokenError::NotYetValid);
    }
    Ok(())
}

fn required<T>(value: Option<T>, claim: Claim) -> Result<T, TokenError> {
    value.ok_or(TokenError::Missing(claim))
}

fn text(found: Option<Found<'_>>, claim: Claim) -> Result<Option<Cow<'_, str>>, TokenError> {
    match found {
        None => Ok(None),
        Some(Found::Text(text)) => Ok(Some(text)),
        Some(Found::Integer(_) | Found::Texts(_) | Found::True | Found::Other) => Err(TokenError::Invalid(claim)),
    }
}

fn texts(found: Option<Found<'_>>, claim: Claim) -> Result<Option<Box<[Box<str>]>>, TokenError> {
    match found {
        None => Ok(None),
        Some(Found::Texts(texts)) => Ok(Some(texts)),
        Some(Found::Text(_) | Found::Integer(_) | Found::True | Found::Other) => Err(TokenError::Invalid(claim)),
    }
}

fn seconds(found: Option<Found<'_>>, claim: Claim) -> Result<Option<UnixSeconds>, TokenError> {
    match found {
        None => Ok(None),
        Some(Found::Integer(seconds)) => Ok(Some(UnixSeconds(seconds))),
        Some(Found::Text(_) | Found::Texts(_) | Found::True | Found::Other) => Err(TokenError::Invalid(claim)),
    }
}

#[cfg(test)]
mod tests;
