//! How is something marked so that nobody outside can tell which mark is whose? By an HMAC under a key that is drawn at the
//! start of the process, or made from a secret of all replicas. Knows nothing of what is marked.

use hmac::Hmac;
use sha2::Sha256;

/// An HMAC-SHA256 under this key.
pub(crate) fn hmac(secret: [u8; 32]) -> Hmac<Sha256> {
    // A key of this length is used as it is, filled up with zeros (RFC 2104 §2).
    let mut key = hmac::digest::Key::<Hmac<Sha256>>::default();
    for (to, from) in key.iter_mut().zip(secret) {
        *to = from;
    }
    <Hmac<Sha256> as hmac::digest::KeyInit>::new(&key)
}
