//! How is a token written? Claims in SMSGate's order (WIRE §2.3), ours behind them, signed with HS256. Knows neither the
//! time nor randomness: both come with the claims.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::claims;
use crate::header;
use crate::ids::{FamilyId, TokenId, UnixSeconds, UserId};
use crate::keys::Hs256Key;
use crate::scope::TOKENS_REFRESH;

/// What goes into an access token.
#[derive(Debug, Clone, Copy)]
pub struct AccessClaims<'a, S> {
    /// Whose token it is (`sub` and `user_id`).
    pub user: &'a UserId,
    /// Its own id (`jti`).
    pub id: &'a TokenId,
    /// The login session it belongs to.
    pub family: &'a FamilyId,
    /// The user's epoch now.
    pub epoch: u64,
    /// What it allows.
    pub scopes: &'a [S],
    /// `iat`.
    pub issued_at: UnixSeconds,
    /// `exp`.
    pub expires_at: UnixSeconds,
}

/// What goes into a refresh token. Its `scopes` are always `tokens:refresh`.
#[derive(Debug, Clone, Copy)]
pub struct RefreshClaims<'a, S> {
    /// Whose token it is (`sub` and `user_id`).
    pub user: &'a UserId,
    /// Its own id (`jti`).
    pub id: &'a TokenId,
    /// The login session it belongs to.
    pub family: &'a FamilyId,
    /// The user's epoch now.
    pub epoch: u64,
    /// The scopes of the access tokens that it is good for.
    pub original_scopes: &'a [S],
    /// `iat`.
    pub issued_at: UnixSeconds,
    /// `exp`.
    pub expires_at: UnixSeconds,
}

/// What goes into a token that the sidecar mints for the gateway behind it (DESIGN §8).
#[derive(Debug, Clone, Copy)]
pub struct MintedClaims<'a, S> {
    /// On whose behalf the request is made.
    pub user: &'a UserId,
    /// Its own id (`jti`).
    pub id: &'a TokenId,
    /// The one scope that the route needs, or none.
    pub scopes: &'a [S],
    /// `iat`.
    pub issued_at: UnixSeconds,
    /// `exp`.
    pub expires_at: UnixSeconds,
}

/// Signs tokens with one key, for one issuer.
#[derive(Debug, Clone)]
pub struct Signer {
    key: Hs256Key,
    issuer: Option<String>,
}

impl Signer {
    /// A signer; without an issuer (or with an empty one) `iss` is left out, as SMSGate does.
    pub fn new(key: Hs256Key, issuer: Option<String>) -> Self {
        Self {
            key,
            issuer: issuer.filter(|issuer| !issuer.is_empty()),
        }
    }

    /// An access token.
    pub fn access<S: AsRef<str>>(&self, claims: &AccessClaims<'_, S>) -> String {
        let mut payload = self.open(claims.user, claims.id, claims.issued_at, claims.expires_at);
        payload.texts("scopes", claims.scopes);
        payload.text(claims::FAMILY, claims.family.as_str());
        payload.integer(claims::EPOCH, claims.epoch);
        self.sign(payload)
    }

    /// A refresh token.
    pub fn refresh<S: AsRef<str>>(&self, claims: &RefreshClaims<'_, S>) -> String {
        let mut payload = self.open(claims.user, claims.id, claims.issued_at, claims.expires_at);
        payload.texts("scopes", &[TOKENS_REFRESH]);
        payload.texts("original_scopes", claims.original_scopes);
        payload.text(claims::FAMILY, claims.family.as_str());
        payload.integer(claims::EPOCH, claims.epoch);
        self.sign(payload)
    }

    /// A token for the gateway behind us.
    pub fn minted<S: AsRef<str>>(&self, claims: &MintedClaims<'_, S>) -> String {
        let mut payload = self.open(claims.user, claims.id, claims.issued_at, claims.expires_at);
        payload.texts("scopes", claims.scopes);
        payload.name(claims::MINT);
        payload.0.push_str("true");
        self.sign(payload)
    }

    fn open(&self, user: &UserId, id: &TokenId, issued_at: UnixSeconds, expires_at: UnixSeconds) -> Payload {
        let mut payload = Payload(String::with_capacity(320));
        if let Some(issuer) = &self.issuer {
            payload.text("iss", issuer);
        }
        payload.text("sub", user.as_str());
        payload.integer("exp", expires_at);
        payload.integer("iat", issued_at);
        payload.text("jti", id.as_str());
        payload.text("user_id", user.as_str());
        payload
    }

    fn sign(&self, mut payload: Payload) -> String {
        payload.0.push('}');
        let mut token = String::with_capacity(header::CANONICAL.len() + payload.0.len() * 4 / 3 + 48);
        token.push_str(header::CANONICAL);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&payload.0, &mut token);
        let signature = self.key.sign(&token);
        token.push('.');
        token.push_str(&signature);
        token
    }
}

/// A JSON object in the making, without its closing brace.
struct Payload(String);

impl Payload {
    /// `name` is one of ours and needs no escaping.
    fn name(&mut self, name: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        self.quote(value);
    }

    fn integer(&mut self, name: &str, value: impl std::fmt::Display) {
        self.name(name);
        self.0.push_str(&value.to_string());
    }

    fn texts<S: AsRef<str>>(&mut self, name: &str, values: &[S]) {
        self.name(name);
        self.0.push('[');
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.0.push(',');
            }
            self.quote(value.as_ref());
        }
        self.0.push(']');
    }

    /// A JSON string (RFC 8259 §7): quote, backslash and control characters are escaped.
    fn quote(&mut self, text: &str) {
        self.0.push('"');
        let mut rest = text;
        while let Some(at) = rest
            .bytes()
            .position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\')
        {
            let (plain, tail) = rest.split_at(at);
            self.0.push_str(plain);
            let mut characters = tail.chars();
            match characters.next() {
                Some(character @ ('"' | '\\')) => self.0.extend(['\\', character]),
                Some(character) => self.0.push_str(&format!("\\u{:04x}", u32::from(character))),
                None => {}
            }
            rest = characters.as_str();
        }
        self.0.push_str(rest);
        self.0.push('"');
    }
}

#[cfg(test)]
mod tests;
