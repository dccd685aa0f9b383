//! What signs and checks a token? One HMAC-SHA-256 key. The algorithm belongs to the key and is never taken from a token
//! (RFC 8725 §3.1). Knows nothing of claims.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};

use crate::secret::Secret;

/// The shortest key, in bytes: as long as the hash (RFC 8725 §3.5, RFC 7518 §3.2).
const MIN_KEY_BYTES: usize = 32;
/// How long an HS256 signature is, in bytes.
const SIGNATURE_BYTES: usize = 32;
/// The same in base64url without padding.
const SIGNATURE_CHARS: usize = 43;

/// Why a secret cannot be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Shorter than 32 bytes.
    #[error("shorter than 32 bytes")]
    TooShort,
}

/// A key for HS256 and for nothing else. Cheap to clone.
#[derive(Clone)]
pub struct Hs256Key(Arc<Pair>);

struct Pair {
    signing: EncodingKey,
    /// Prepared once: jsonwebtoken would hash the key anew for every token that it checks.
    checking: hmac::Key,
}

impl Hs256Key {
    /// The raw bytes of the secret are the key, as in SMSGate (WIRE §2.3).
    pub fn new(secret: &Secret) -> Result<Self, KeyError> {
        let bytes = secret.expose();
        if bytes.len() < MIN_KEY_BYTES {
            return Err(KeyError::TooShort);
        }
        Ok(Self(Arc::new(Pair {
            signing: EncodingKey::from_secret(bytes),
            checking: hmac::Key::new(hmac::HMAC_SHA256, bytes),
        })))
    }

    /// The signature of `message` in base64url without padding.
    #[expect(clippy::expect_used, reason = "an HMAC under an HMAC key cannot fail")]
    pub(crate) fn sign(&self, message: &str) -> String {
        crypto::sign(message.as_bytes(), &self.0.signing, Algorithm::HS256).expect("hmac-sha-256 of a message")
    }

    /// Is `signature` (base64url without padding, strictly) the one of `message`? Compares in constant time.
    pub(crate) fn verifies(&self, message: &str, signature: &str) -> bool {
        if signature.len() != SIGNATURE_CHARS {
            return false;
        }
        // The decoder wants room for whole groups of four characters.
        let mut bytes = [0; SIGNATURE_BYTES + 1];
        let decoded = URL_SAFE_NO_PAD.decode_slice(signature, &mut bytes);
        decoded == Ok(SIGNATURE_BYTES)
            && bytes
                .get(..SIGNATURE_BYTES)
                .is_some_and(|bytes| hmac::verify(&self.0.checking, message.as_bytes(), bytes).is_ok())
    }
}

impl fmt::Debug for Hs256Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hs256Key([secret])")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn key(byte: u8) -> Hs256Key {
        Hs256Key::new(&Secret::new(vec![byte; 32])).unwrap()
    }

    #[test]
    fn a_key_shorter_than_the_hash_is_refused() {
        assert_eq!(Hs256Key::new(&Secret::new(vec![1; 31])).err(), Some(KeyError::TooShort));
        assert!(Hs256Key::new(&Secret::new(vec![1; 32])).is_ok());
        assert!(Hs256Key::new(&Secret::new("")).is_err());
    }

    #[test]
    fn debug_output_does_not_show_a_key() {
        let key = Hs256Key::new(&Secret::new("KKKKKKKKKKKKKKKKKKKKKKKKKKKKKKKK")).unwrap();
        assert_eq!(format!("{key:?}"), "Hs256Key([secret])");
    }

    #[test]
    fn a_signature_is_good_for_its_message_and_key_only() {
        let signature = key(1).sign("a.b");
        assert!(key(1).verifies("a.b", &signature));
        assert!(!key(1).verifies("a.c", &signature));
        assert!(!key(2).verifies("a.b", &signature));
    }

    #[test]
    fn the_signature_is_the_one_of_rfc_7515_appendix_a_1() {
        let secret = [
            3, 35, 53, 75, 43, 15, 165, 188, 131, 126, 6, 101, 119, 123, 166, 143, 90, 179, 40, 230, 240, 84, 201, 40,
            169, 15, 132, 178, 210, 80, 46, 191, 211, 251, 90, 146, 210, 6, 71, 239, 150, 138, 180, 195, 119, 98, 61,
            34, 61, 46, 33, 114, 5, 46, 79, 8, 192, 205, 154, 245, 103, 208, 128, 163,
        ];
        let message = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0d\
                       HA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let key = Hs256Key::new(&Secret::new(secret)).unwrap();
        assert_eq!(key.sign(message), "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    }
}
