//! Tokens made by hand, right or wrong in any way.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::{Sha256, Sha512};

/// Seconds since 1970, now.
pub(crate) fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}

/// Good claims of a user with these scopes.
pub(crate) fn claims(user: &str, scopes: &[&str]) -> Value {
    json!({
        "iss": "sms-gate.app",
        "sub": user,
        "exp": now() + 600,
        "iat": now(),
        "jti": "test-token-0000000001",
        "user_id": user,
        "scopes": scopes,
    })
}

/// A token with SMSGate's header, signed with HS256.
pub(crate) fn token(secret: &str, claims: &Value) -> String {
    with_header(secret, &json!({ "alg": "HS256", "typ": "JWT" }), claims)
}

/// A token with any header, signed with HS256 whatever the header says.
pub(crate) fn with_header(secret: &str, header: &Value, claims: &Value) -> String {
    signed(secret, &header.to_string(), &claims.to_string())
}

/// A token from texts as they stand, signed with HS256.
pub(crate) fn signed(secret: &str, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("key");
    mac.update(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// A token honestly signed with HS512.
pub(crate) fn hs512(secret: &str, claims: &Value) -> String {
    let header = json!({ "alg": "HS512", "typ": "JWT" });
    let message = format!("{}.{}", encode(&header.to_string()), encode(&claims.to_string()));
    let mut mac = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).expect("key");
    mac.update(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

/// Base64url without padding.
pub(crate) fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// The claims of a token, unchecked.
pub(crate) fn read(token: &str) -> Value {
    let claims = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).expect("base64url")).expect("JSON")
}
