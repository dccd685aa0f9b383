//! What does the client send to and get from the token endpoints (WIRE §2.4)? Knows neither which scopes exist nor who may
//! have them.

use std::fmt;

use serde::Serialize;

use crate::json::{self, Object, ParseError};
use crate::time;
use crate::validation::Violations;

/// The most scopes of one token; the reference has no limit. Without one a token could become longer than any header, and
/// the list of violations longer than the body.
const MAX_SCOPES: usize = 64;

/// The body of `POST …/auth/token`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenRequest {
    /// How long the access token shall live, in seconds; `None` leaves it to the configuration.
    pub ttl: Option<u64>,
    /// The scopes it shall have: at least one and at most 64, none of them empty.
    pub scopes: Vec<String>,
}

/// Why a body is refused. Its text is the client's message; all of them are 400.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// Not the JSON that was asked for.
    Parse(ParseError),
    /// The right JSON, but a field breaks a rule.
    Invalid(Violations),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parse(error) => fmt::Display::fmt(error, f),
            Self::Invalid(violations) => fmt::Display::fmt(violations, f),
        }
    }
}

impl std::error::Error for RequestError {}

impl From<ParseError> for RequestError {
    fn from(error: ParseError) -> Self {
        Self::Parse(error)
    }
}

impl From<Violations> for RequestError {
    fn from(violations: Violations) -> Self {
        Self::Invalid(violations)
    }
}

impl TokenRequest {
    /// Reads and validates a body.
    pub fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Self, RequestError> {
        let value = json::parse_body(content_type, body)?;
        let request = Object::of(&value, "TokenRequest")?;
        let ttl = Some(request.uint64("ttl")?).filter(|ttl| *ttl > 0);
        let scopes = request.opt_string_list("scopes", MAX_SCOPES)?;

        let mut violations = Violations::new();
        if violations.check(scopes.is_some(), "TokenRequest.Scopes", "required") {
            let scopes = scopes.as_deref().unwrap_or_default();
            violations.check(!scopes.is_empty(), "TokenRequest.Scopes", "min");
            if violations.check(scopes.len() <= MAX_SCOPES, "TokenRequest.Scopes", "max") {
                for (index, scope) in scopes.iter().enumerate() {
                    violations.check(!scope.is_empty(), format!("TokenRequest.Scopes[{index}]"), "required");
                }
            }
        }
        violations.finish()?;
        Ok(Self {
            ttl,
            scopes: scopes.unwrap_or_default(),
        })
    }
}

/// The body of a 201 from `POST …/auth/token` and `POST …/auth/token/refresh`. Every key is written twice, in snake case
/// (the reference) and in camel case (what some published clients read).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenResponse<'a> {
    /// The access token's id.
    pub id: &'a str,
    /// The access token.
    pub access_token: &'a str,
    /// The refresh token.
    pub refresh_token: &'a str,
    /// When the access token expires, in seconds since 1970.
    pub expires_at: i64,
}

impl TokenResponse<'_> {
    /// The body's bytes.
    pub fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Both<'a> {
            id: &'a str,
            token_type: &'a str,
            access_token: &'a str,
            refresh_token: &'a str,
            expires_at: &'a str,
            #[serde(rename = "tokenType")]
            camel_token_type: &'a str,
            #[serde(rename = "accessToken")]
            camel_access_token: &'a str,
            #[serde(rename = "refreshToken")]
            camel_refresh_token: &'a str,
            #[serde(rename = "expiresAt")]
            camel_expires_at: &'a str,
        }
        let expires_at = time::rfc3339_from_unix(self.expires_at);
        json::to_vec(&Both {
            id: self.id,
            token_type: "Bearer",
            access_token: self.access_token,
            refresh_token: self.refresh_token,
            expires_at: &expires_at,
            camel_token_type: "Bearer",
            camel_access_token: self.access_token,
            camel_refresh_token: self.refresh_token,
            camel_expires_at: &expires_at,
        })
    }
}

#[cfg(test)]
mod tests;
