//! Bytes that nobody can guess.

use rand::Rng as _;

/// `N` bytes from the thread's cryptographic generator, which the system seeds and reseeds.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// `N` random bytes as `2 N` hexadecimal digits: secrets that a person can copy.
#[must_use]
pub fn hexadecimal<const N: usize>() -> String {
    bytes::<N>().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(bytes::<16>(), bytes::<16>());
        assert_ne!(hexadecimal::<16>(), hexadecimal::<16>());
    }

    #[test]
    fn hexadecimal_text_has_two_digits_per_byte() {
        let text = hexadecimal::<32>();
        assert_eq!(text.len(), 64);
        assert!(
            text.bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        );
    }
}
