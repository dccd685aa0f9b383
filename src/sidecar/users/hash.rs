//! Is this password the one that was hashed? Argon2id in PHC form and bcrypt, nothing else. Knows no users and no file.

use std::fmt;

use argon2::password_hash::{PasswordHash, PasswordHashString, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params};

/// The most memory an argon2id hash may ask for, in KiB: one login must not be able to push the process out of memory.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;
/// The most passes an argon2id hash may ask for.
const MAX_PASSES: u32 = 64;
/// The dearest bcrypt hash: 2^16 rounds take about four seconds (cost 10: 58 ms).
const MAX_BCRYPT_COST: u32 = 16;
/// What bcrypt looks at: longer passwords would be cut, and everything beyond would not count.
const BCRYPT_PASSWORD_BYTES: usize = 72;

/// The hash of nobody's password, with the first choice of OWASP's password storage sheet (19 MiB, 2 passes, 1 lane):
/// what an unknown user is checked against when the file has no user at all.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$Z2F0ZXdhcmQtbm9ib2R5$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// What a hash may look like, for diagnostics.
pub(super) const ALLOWED: &str =
    "argon2id as $argon2id$v=19$m=…,t=…,p=…$salt$hash, or bcrypt as $2b$12$… ($2a$ and $2y$ too)";

/// A password hash that can be checked against.
#[derive(Clone)]
pub(super) enum Hash {
    Argon2id { phc: PasswordHashString, cost: Cost },
    Bcrypt { text: String, cost: Cost },
}

/// What a check costs: all that can be told from how long it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Cost {
    Argon2id { memory_kib: u32, passes: u32, lanes: u32 },
    Bcrypt { log_rounds: u32 },
}

/// Why a text is not a hash that we use. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum HashError {
    #[error("is neither argon2id nor bcrypt")]
    Kind,
    #[error("is damaged")]
    Damaged,
    #[error("asks for more than 1 GiB of memory or 64 passes")]
    TooMuchArgon2,
    #[error("asks for more than 2^16 rounds")]
    TooMuchBcrypt,
}

/// A hash is not a secret like a password is, but it can be attacked: it is not shown either.
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[hash {:?}]", self.cost())
    }
}

impl Hash {
    /// Reads the text form.
    pub(super) fn parse(text: &str) -> Result<Self, HashError> {
        if text.starts_with("$argon2id$") {
            return argon2id(text);
        }
        if ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            return bcrypt(text);
        }
        Err(HashError::Kind)
    }

    /// A hash that takes as long as a usual one and belongs to nobody.
    pub(super) fn nobody() -> Result<Self, HashError> {
        Self::parse(NOBODY)
    }

    /// What a check costs.
    pub(super) fn cost(&self) -> Cost {
        match self {
            Self::Argon2id { cost, .. } | Self::Bcrypt { cost, .. } => *cost,
        }
    }

    /// Whether this is the hash of `password`. Takes milliseconds to seconds of processor time.
    pub(super) fn verify(&self, password: &[u8]) -> bool {
        match self {
            Self::Argon2id { phc, .. } => Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, Params::default())
                .verify_password(password, &phc.password_hash())
                .is_ok(),
            // A longer password is never right, and takes as long as one that could be.
            Self::Bcrypt { text, .. } => {
                let looked_at = password.get(..BCRYPT_PASSWORD_BYTES).unwrap_or(password);
                let right = bcrypt::verify(looked_at, text).unwrap_or(false);
                right && password.len() <= BCRYPT_PASSWORD_BYTES
            }
        }
    }

    /// Whether both are the same hash of the same password.
    pub(super) fn same(&self, other: &Self) -> bool {
        self.text() == other.text()
    }

    fn text(&self) -> &str {
        match self {
            Self::Argon2id { phc, .. } => phc.as_str(),
            Self::Bcrypt { text, .. } => text,
        }
    }
}

fn argon2id(text: &str) -> Result<Hash, HashError> {
    let hash = PasswordHash::new(text).map_err(|_malformed| HashError::Damaged)?;
    if hash.salt.is_none() || hash.hash.is_none() || hash.version != Some(19) {
        return Err(HashError::Damaged);
    }
    let params = Params::try_from(&hash).map_err(|_out_of_range| HashError::Damaged)?;
    if params.m_cost() > MAX_MEMORY_KIB || params.t_cost() > MAX_PASSES {
        return Err(HashError::TooMuchArgon2);
    }
    let cost = Cost::Argon2id {
        memory_kib: params.m_cost(),
        passes: params.t_cost(),
        lanes: params.p_cost(),
    };
    Ok(Hash::Argon2id {
        phc: hash.serialize(),
        cost,
    })
}

fn bcrypt(text: &str) -> Result<Hash, HashError> {
    let parts: bcrypt::HashParts = text.parse().map_err(|_malformed| HashError::Damaged)?;
    match parts.get_cost() {
        cost @ 4..=MAX_BCRYPT_COST => Ok(Hash::Bcrypt {
            text: text.to_owned(),
            cost: Cost::Bcrypt { log_rounds: cost },
        }),
        0..4 => Err(HashError::Damaged),
        _dearer => Err(HashError::TooMuchBcrypt),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use argon2::password_hash::{PasswordHasher as _, SaltString};

    use super::*;

    fn argon2id_of(password: &[u8]) -> String {
        let params = Params::new(64, 1, 1, None).unwrap();
        let salt = SaltString::encode_b64(b"a salt of 16 byt").unwrap();
        Argon2::new(Algorithm::Argon2id, argon2::Version::V0x13, params)
            .hash_password(password, &salt)
            .unwrap()
            .to_string()
    }

    fn bcrypt_of(password: &[u8]) -> String {
        bcrypt::hash(password, 4).unwrap()
    }

    #[test]
    fn both_kinds_know_their_password_and_no_other() {
        for text in [argon2id_of(b"secret"), bcrypt_of(b"secret")] {
            let hash = Hash::parse(&text).unwrap();
            assert!(hash.verify(b"secret"), "{text}");
            for wrong in ["", "Secret", "secre", "secret\0", "secrets"] {
                assert!(!hash.verify(wrong.as_bytes()), "{text} {wrong:?}");
            }
        }
    }

    #[test]
    fn the_three_spellings_of_bcrypt_are_one() {
        let text = bcrypt_of(b"secret");
        for prefix in ["$2a$", "$2b$", "$2y$"] {
            assert!(
                Hash::parse(&text.replace("$2b$", prefix)).unwrap().verify(b"secret"),
                "{prefix}"
            );
        }
        assert_eq!(Hash::parse(&text.replace("$2b$", "$2x$")).err(), Some(HashError::Kind));
    }

    #[test]
    fn a_password_that_bcrypt_would_cut_is_never_right() {
        let longest = [b'p'; 72];
        let hash = Hash::parse(&bcrypt_of(&longest)).unwrap();
        assert!(hash.verify(&longest));
        assert!(!hash.verify(&[b'p'; 73]));
        assert!(Hash::parse(&argon2id_of(&[b'p'; 73])).unwrap().verify(&[b'p'; 73]));
    }

    #[test]
    fn what_is_not_a_hash_of_ours_is_refused() {
        let argon = argon2id_of(b"secret");
        let bcrypt = bcrypt_of(b"secret");
        let cases = [
            (String::new(), HashError::Kind),
            ("secret".to_owned(), HashError::Kind),
            (argon.replace("argon2id", "argon2i"), HashError::Kind),
            ("{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=".to_owned(), HashError::Kind),
            (argon.replace("v=19", "v=16"), HashError::Damaged),
            (argon.replace("m=64", "m=4"), HashError::Damaged),
            (argon.replace("m=64", "m=2097152"), HashError::TooMuchArgon2),
            (argon.replace("t=1", "t=65"), HashError::TooMuchArgon2),
            (argon.rsplit_once('$').unwrap().0.to_owned(), HashError::Damaged),
            (bcrypt.replace("$04$", "$03$"), HashError::Damaged),
            (bcrypt.replace("$04$", "$17$"), HashError::TooMuchBcrypt),
            (format!("{bcrypt}x"), HashError::Damaged),
        ];
        for (text, error) in cases {
            assert_eq!(Hash::parse(&text).err(), Some(error), "{text}");
        }
    }

    #[test]
    fn nobody_has_no_password() {
        let nobody = Hash::nobody().unwrap();
        assert_eq!(
            nobody.cost(),
            Cost::Argon2id {
                memory_kib: 19456,
                passes: 2,
                lanes: 1
            }
        );
        assert!(!nobody.verify(b""));
    }

    #[test]
    fn debug_output_shows_what_a_hash_costs_and_nothing_else() {
        let text = bcrypt_of(b"secret");
        assert_eq!(
            format!("{:?}", Hash::parse(&text).unwrap()),
            "[hash Bcrypt { log_rounds: 4 }]"
        );
    }
}
