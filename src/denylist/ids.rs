//! How does the id of a token name its login session? By its first twelve characters. Knows nothing of stores and makes
//! no randomness.

use gateward_auth::{FamilyId, TokenId};
use gateward_contract::nanoid::{NANOID_CHARS, is_nanoid, letters};

/// Characters of a family id: 72 random bits.
pub const FAMILY_CHARS: usize = 12;
/// Characters of a token id: as many as SMSGate's nanoids have. The last nine are the token's own 54 bits.
pub const TOKEN_CHARS: usize = NANOID_CHARS;

/// A new family, from random bytes.
pub fn new_family(random: [u8; FAMILY_CHARS]) -> FamilyId {
    parsed(FamilyId::parse(&letters(&random)))
}

/// A new token id of a family, from random bytes.
pub fn token_id(family: &FamilyId, random: [u8; TOKEN_CHARS - FAMILY_CHARS]) -> TokenId {
    parsed(TokenId::parse(&format!("{family}{}", letters(&random))))
}

/// The family that a token id of ours would belong to. `None` when it cannot be one of ours by its shape; a foreign
/// nanoid has the same shape, so only the store knows whether there is such a family.
pub fn family_of(id: &str) -> Option<FamilyId> {
    let start = id.get(..FAMILY_CHARS).filter(|_| is_nanoid(id))?;
    FamilyId::parse(start).ok()
}

#[expect(clippy::expect_used, reason = "letters of the alphabet are always a valid id")]
fn parsed<T>(id: Result<T, gateward_auth::IdError>) -> T {
    id.expect("an id of letters is valid")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_id_of_a_family_names_it() {
        let family = new_family([7; 12]);
        for random in [[0; 9], [255; 9], [63; 9]] {
            let id = token_id(&family, random);
            assert_eq!(id.as_str().len(), TOKEN_CHARS);
            assert_eq!(family_of(id.as_str()).unwrap(), family);
        }
    }

    #[test]
    fn an_id_of_another_shape_names_no_family() {
        for foreign in [
            "",
            "short",
            "0123456789abcdefghijk!",
            "0123456789abcdefghij\u{e4}",
            &"a".repeat(22),
            &"é".repeat(21),
        ] {
            assert_eq!(family_of(foreign), None, "{foreign:?}");
        }
    }
}
