//! How is an id made from random bytes (WIRE §6.8)? Knows no source of randomness.

/// The 64 characters of an id. 64 divides 256, so that every character is equally likely.
const ALPHABET: &[u8; 64] = b"_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// How long an id is, in characters.
pub const NANOID_CHARS: usize = 21;

/// An id of 21 characters of `A-Za-z0-9_-` (126 bits) from 21 random bytes.
pub fn nanoid(random: [u8; NANOID_CHARS]) -> String {
    letters(&random)
}

/// As many characters of the alphabet as there are random bytes: a part of an id.
pub fn letters(random: &[u8]) -> String {
    random
        .iter()
        .filter_map(|byte| ALPHABET.get(usize::from(byte & 63)))
        .map(|&byte| char::from(byte))
        .collect()
}

/// Has the text the form of such an id?
pub fn is_nanoid(text: &str) -> bool {
    text.len() == NANOID_CHARS && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_21_characters_of_the_alphabet() {
        for byte in 0..=255 {
            let id = nanoid([byte; 21]);
            assert!(is_nanoid(&id), "{id}");
        }
    }

    #[test]
    fn every_character_comes_from_as_many_bytes() {
        let mut counts = std::collections::HashMap::new();
        for byte in 0..=255 {
            *counts.entry(nanoid([byte; 21])).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 64);
        let is_url_safe = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
        assert!(counts.keys().all(|id| id.chars().all(is_url_safe)));
        assert!(counts.values().all(|&count| count == 4));
    }

    #[test]
    fn other_forms_are_no_ids() {
        for other in [
            "",
            "a",
            "aaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaaa.",
            "aaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(!is_nanoid(other), "{other}");
        }
    }
}
