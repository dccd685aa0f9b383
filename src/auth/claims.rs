//! What is in a token? Its claims, read in one pass with their types noted rather than assumed, and the proof that all of
//! them were checked. Knows no rule: what must be there and what is refused is `verify`'s business.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::ids::{FamilyId, TokenId, UnixSeconds, UserId};
use crate::scope::TOKENS_REFRESH;

/// Private claim: the family of our tokens (a text).
pub(crate) const FAMILY: &str = "gw_fam";
/// Private claim: the user's epoch when the token was issued (an integer). Revoking a user raises it.
pub(crate) const EPOCH: &str = "gw_epo";
/// Private claim: `true` in a token that the sidecar minted for the gateway behind it. The front door refuses it, the
/// gateway requires it: both sides may share one secret (DESIGN §8).
pub(crate) const MINT: &str = "gw_mint";

/// A token whose signature, claims and times are good. Only a [`Verifier`](crate::Verifier) makes one. Cheap to clone.
#[derive(Debug, Clone)]
pub struct VerifiedToken {
    pub(crate) user: UserId,
    pub(crate) facts: Arc<Facts>,
}

/// What a token says besides its user.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) id: TokenId,
    pub(crate) family: Option<FamilyId>,
    pub(crate) epoch: Option<u64>,
    pub(crate) scopes: Box<[Box<str>]>,
    pub(crate) original_scopes: Option<Box<[Box<str>]>>,
    pub(crate) issued_at: UnixSeconds,
    pub(crate) expires_at: UnixSeconds,
    pub(crate) not_before: Option<UnixSeconds>,
}

impl VerifiedToken {
    /// Whose token it is.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// Its own id (`jti`).
    pub fn id(&self) -> &TokenId {
        &self.facts.id
    }

    /// The login session it belongs to; `None` in tokens that the gateway issued.
    pub fn family(&self) -> Option<&FamilyId> {
        self.facts.family.as_ref()
    }

    /// The user's epoch when it was issued; `None` in tokens that the gateway issued.
    pub fn epoch(&self) -> Option<u64> {
        self.facts.epoch
    }

    /// What it allows: arbitrary texts, to be compared exactly.
    pub fn scopes(&self) -> &[Box<str>] {
        &self.facts.scopes
    }

    /// In a refresh token: the scopes of the access tokens that it is good for.
    pub fn original_scopes(&self) -> Option<&[Box<str>]> {
        self.facts.original_scopes.as_deref()
    }

    /// `iat`.
    pub fn issued_at(&self) -> UnixSeconds {
        self.facts.issued_at
    }

    /// `exp`: the first second in which it is no longer good (before leeway).
    pub fn expires_at(&self) -> UnixSeconds {
        self.facts.expires_at
    }

    /// Is it a refresh token? One is recognised by its scopes, which are exactly `tokens:refresh` (WIRE §2.3).
    pub fn is_refresh(&self) -> bool {
        matches!(self.scopes(), [only] if &**only == TOKENS_REFRESH)
    }

    /// The same token with its user under the name that [`upper_name`](crate::upper_name) gives.
    #[must_use]
    pub fn with_upper_user(mut self) -> Self {
        self.user = self.user.to_upper();
        self
    }
}

/// A value with its type, so that a wrong type can be told from a missing claim (CVE-2026-25537).
pub(crate) enum Found<'de> {
    Text(Cow<'de, str>),
    /// A JSON integer from 0 on. `1.0` and `1e3` are not integers here, as little as `-1`.
    Integer(i64),
    Texts(Box<[Box<str>]>),
    True,
    Other,
}

/// The claims that we know, each with its type, and whether any name (also one that we do not know) came twice.
#[derive(Default)]
pub(crate) struct Claims<'de> {
    pub(crate) issuer: Option<Found<'de>>,
    pub(crate) subject: Option<Found<'de>>,
    pub(crate) expires_at: Option<Found<'de>>,
    pub(crate) issued_at: Option<Found<'de>>,
    pub(crate) not_before: Option<Found<'de>>,
    pub(crate) id: Option<Found<'de>>,
    pub(crate) user: Option<Found<'de>>,
    pub(crate) scopes: Option<Found<'de>>,
    pub(crate) original_scopes: Option<Found<'de>>,
    pub(crate) family: Option<Found<'de>>,
    pub(crate) epoch: Option<Found<'de>>,
    pub(crate) mint: Option<Found<'de>>,
    pub(crate) twice: bool,
}

impl<'de> Claims<'de> {
    /// Reads a claims set; `Err` when it is not a JSON object.
    pub(crate) fn parse(payload: &'de str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(payload)
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<Found<'de>>> {
        Some(match name {
            "iss" => &mut self.issuer,
            "sub" => &mut self.subject,
            "exp" => &mut self.expires_at,
            "iat" => &mut self.issued_at,
            "nbf" => &mut self.not_before,
            "jti" => &mut self.id,
            "user_id" => &mut self.user,
            "scopes" => &mut self.scopes,
            "original_scopes" => &mut self.original_scopes,
            FAMILY => &mut self.family,
            EPOCH => &mut self.epoch,
            MINT => &mut self.mint,
            _ => return None,
        })
    }
}

impl<'de> Deserialize<'de> for Claims<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_map(ClaimsVisitor)
    }
}

struct ClaimsVisitor;

impl<'de> Visitor<'de> for ClaimsVisitor {
    type Value = Claims<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a claims set")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Claims<'de>, A::Error> {
        let mut claims = Claims::default();
        let mut unknown = Names::default();
        while let Some(name) = map.next_key()? {
            let Found::Text(name) = name else {
                return Err(A::Error::custom("a name that is no text"));
            };
            let twice = if let Some(slot) = claims.slot(&name) {
                slot.replace(map.next_value()?).is_some()
            } else {
                map.next_value::<IgnoredAny>()?;
                unknown.seen_before(name)
            };
            claims.twice |= twice;
        }
        Ok(claims)
    }
}

/// The names seen so far. A plain list: there are few, and claims are read only after the signature is good.
#[derive(Default)]
pub(crate) struct Names<'de>(Vec<Cow<'de, str>>);

impl<'de> Names<'de> {
    pub(crate) fn seen_before(&mut self, name: Cow<'de, str>) -> bool {
        let seen = self.0.contains(&name);
        self.0.push(name);
        seen
    }
}

impl<'de> Deserialize<'de> for Found<'de> {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        input.deserialize_any(FoundVisitor)
    }
}

struct FoundVisitor;

impl<'de> Visitor<'de> for FoundVisitor {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Found<'de>, E> {
        Ok(Found::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Found<'de>, E> {
        Ok(i64::try_from(number).map_or(Found::Other, Found::Integer))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Found<'de>, E> {
        Ok(if number < 0 {
            Found::Other
        } else {
            Found::Integer(number)
        })
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found<'de>, E> {
        Ok(Found::Other)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Found<'de>, E> {
        Ok(if value { Found::True } else { Found::Other })
    }

    fn visit_unit<E>(self) -> Result<Found<'de>, E> {
        Ok(Found::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Found<'de>, A::Error> {
        let mut texts = Vec::with_capacity(4);
        while let Some(element) = seq.next_element()? {
            let Found::Text(text) = element else {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                return Ok(Found::Other);
            };
            texts.push(Box::from(text));
        }
        Ok(Found::Texts(texts.into_boxed_slice()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Found::Other)
    }
}
