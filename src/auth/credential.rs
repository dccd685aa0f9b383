//! What does an `Authorization` header say (RFC 7617, RFC 6750, WIRE §2.1)? Takes it apart and believes none of it: whether
//! a password or a token is right is decided elsewhere.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::secret::Secret;

/// A user name and a password, as given.
#[derive(Debug, Clone)]
pub struct Login {
    /// The name, in the client's spelling. Not empty, no control characters.
    pub user: String,
    /// The password. Not empty, no control characters, UTF-8; may hold colons.
    pub password: Secret,
}

/// What the header holds.
#[derive(Debug)]
pub enum Credential<'a> {
    /// No header.
    None,
    /// A user name and password.
    Basic(Login),
    /// A bearer value, unparsed: a token of ours, a device's token, or nonsense. Not empty, no control characters.
    Bearer(&'a str),
    /// An unknown scheme, or a scheme without a value.
    Other,
}

/// Why a header of a known scheme could not be read. All of them are 401 (WIRE §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// Not base64 in the standard alphabet with padding.
    #[error("basic value is not base64")]
    NotBase64,
    /// The decoded value, or a bearer value, is not UTF-8 (Latin-1, for example).
    #[error("value is not utf-8")]
    NotUtf8,
    /// No colon between user and password.
    #[error("basic value has no colon")]
    NoColon,
    /// Nothing before the first colon.
    #[error("user name is empty")]
    EmptyUser,
    /// Nothing behind the first colon.
    #[error("password is empty")]
    EmptyPassword,
    /// A control character (RFC 7617 §2 forbids them).
    #[error("value holds a control character")]
    Control,
}

impl CredentialError {
    /// A word from a closed set, for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::NotBase64 => "basic_not_base64",
            Self::NotUtf8 => "credential_not_utf8",
            Self::NoColon => "basic_no_colon",
            Self::EmptyUser => "basic_empty_user",
            Self::EmptyPassword => "basic_empty_password",
            Self::Control => "credential_control_character",
        }
    }
}

/// Takes the value of the one `Authorization` header apart; `None` when there is none. The scheme is matched without
/// case (RFC 9110 §11.1).
pub fn parse(header: Option<&[u8]>) -> Result<Credential<'_>, CredentialError> {
    let Some(header) = header else {
        return Ok(Credential::None);
    };
    if let Some(value) = value_of(header, "Basic") {
        return login(value).map(Credential::Basic);
    }
    if let Some(value) = value_of(header, "Bearer") {
        return text(value).map(Credential::Bearer);
    }
    Ok(Credential::Other)
}

/// The value behind a scheme, without the blanks around it; `None` for another scheme or an empty value. Also for
/// schemes that only a gateway knows, such as the one-time `Code` (WIRE §2.6).
pub fn value_of<'a>(header: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let header = header.trim_ascii();
    let (name, rest) = header.split_at_checked(scheme.len())?;
    let value = rest.strip_prefix(b" ")?.trim_ascii();
    (name.eq_ignore_ascii_case(scheme.as_bytes()) && !value.is_empty()).then_some(value)
}

fn login(value: &[u8]) -> Result<Login, CredentialError> {
    let decoded = STANDARD.decode(value).map_err(|_| CredentialError::NotBase64)?;
    let decoded = text(&decoded)?;
    // RFC 7617 §2: the first colon splits, so that a password may hold colons.
    let (user, password) = decoded.split_once(':').ok_or(CredentialError::NoColon)?;
    if user.is_empty() {
        return Err(CredentialError::EmptyUser);
    }
    if password.is_empty() {
        return Err(CredentialError::EmptyPassword);
    }
    Ok(Login {
        user: user.to_owned(),
        password: Secret::new(password),
    })
}

fn text(value: &[u8]) -> Result<&str, CredentialError> {
    let text = std::str::from_utf8(value).map_err(|_| CredentialError::NotUtf8)?;
    if has_control(text) {
        Err(CredentialError::Control)
    } else {
        Ok(text)
    }
}

/// Nearly every value is ASCII: looking at all its bytes at once is ten times as fast as at its characters one by one.
fn has_control(text: &str) -> bool {
    if text.is_ascii() {
        text.bytes().fold(false, |found, byte| found | byte.is_ascii_control())
    } else {
        text.chars().any(char::is_control)
    }
}

#[cfg(test)]
mod tests;
