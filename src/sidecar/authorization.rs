//! How is a credential that we send written down? As a header value that no `Debug` output shows. Knows neither whose it
//! is nor who gets it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gateward_auth::Secret;
use http::HeaderValue;
use http::header::InvalidHeaderValue;

/// A user name and password (RFC 7617), byte for byte.
pub(crate) fn basic(user: &str, password: &Secret) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut pair = Vec::with_capacity(user.len() + 1 + password.expose().len());
    pair.extend_from_slice(user.as_bytes());
    pair.push(b':');
    pair.extend_from_slice(password.expose());
    hidden(format!("Basic {}", STANDARD.encode(pair)).as_bytes())
}

/// A token (RFC 6750).
pub(crate) fn bearer(token: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    hidden(format!("Bearer {token}").as_bytes())
}

/// Any other secret value.
pub(crate) fn hidden(value: &[u8]) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_bytes(value)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn no_printable_form_shows_the_credential() {
        let value = basic("ABC123", &Secret::new("secret")).unwrap();
        assert_eq!(value.as_bytes(), b"Basic QUJDMTIzOnNlY3JldA==");
        assert!(!format!("{value:?}").contains("QUJDMTIzOnNlY3JldA=="));
        assert!(!format!("{:?}", bearer("x.y.z").unwrap()).contains("x.y.z"));
    }
}
