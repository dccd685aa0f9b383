//! Which codes are out, and whose are they? It knows neither time nor randomness of its own.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, PoisonError},
};

use serde::Serialize;

use crate::{Timestamp, config::Otp, users::UserId};

/// No characters that look alike.
const ALPHABET: &[u8; 31] = b"23456789abcdefghjkmnpqrstuvwxyz";

/// So many codes are out at once; a user who asks for more ends the oldest.
const CAPACITY: usize = 10_000;

/// Why there is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodeError {
    /// `otp.enabled` is false.
    #[error("otp disabled")]
    Disabled,
    /// Every attempt hit a code that is in use.
    #[error("no free code found")]
    Exhausted,
}

/// A code and how long it is good, as clients see it.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Code {
    pub(crate) code: String,
    pub(crate) valid_until: Timestamp,
}

/// The codes that are out.
#[derive(Debug)]
pub(crate) struct Codes {
    rules: Otp,
    out: Mutex<Out>,
}

#[derive(Debug, Default)]
struct Out {
    /// By code: whose, and until when.
    owners: HashMap<String, (UserId, Timestamp)>,
    /// In the order they were issued, which is the order they expire in; used ones are still here.
    order: VecDeque<(String, Timestamp)>,
}

impl Codes {
    pub(crate) fn new(rules: Otp) -> Self {
        Self {
            rules,
            out: Mutex::default(),
        }
    }

    /// A new code for a user.
    pub(crate) fn issue(
        &self,
        user: &UserId,
        now: Timestamp,
        random: impl Fn() -> [u8; 32],
    ) -> Result<Code, CodeError> {
        if !self.rules.enabled {
            return Err(CodeError::Disabled);
        }
        let valid_until = now.plus(self.rules.ttl);
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.make_room(now);
        for _ in 0..self.rules.retries {
            let code = draw(self.rules.length, &random);
            if !out.owners.contains_key(&code) {
                out.owners.insert(code.clone(), (user.clone(), valid_until));
                out.order.push_back((code.clone(), valid_until));
                return Ok(Code { code, valid_until });
            }
        }
        Err(CodeError::Exhausted)
    }

    /// The user whose code it is, in any case; it is used up by that.
    pub(crate) fn consume(&self, code: &str, now: Timestamp) -> Option<UserId> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let (user, until) = out.owners.remove(&code.to_lowercase())?;
        (self.rules.enabled && until > now).then_some(user)
    }
}

impl Out {
    /// Drops what has expired, and the oldest when there are too many.
    fn make_room(&mut self, now: Timestamp) {
        while let Some((code, until)) = self.order.front() {
            if *until > now && self.order.len() < CAPACITY {
                break;
            }
            // The same code may have been used and issued again since.
            if self.owners.get(code).is_some_and(|(_, current)| current == until) {
                self.owners.remove(code);
            }
            self.order.pop_front();
        }
    }
}

/// So many characters of the alphabet, each as likely as the next.
fn draw(length: u8, random: impl Fn() -> [u8; 32]) -> String {
    // 248 is the largest multiple of 31 in a byte; what is above would favour some characters.
    std::iter::repeat_with(random)
        .flatten()
        .filter(|byte| *byte < 248)
        .filter_map(|byte| ALPHABET.get(usize::from(byte) % ALPHABET.len()))
        .take(usize::from(length))
        .map(|byte| char::from(*byte))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn codes(enabled: bool) -> Codes {
        Codes::new(Otp {
            enabled,
            length: 6,
            ttl: Duration::from_secs(60),
            retries: 3,
        })
    }

    fn user() -> UserId {
        UserId::stored("ABC123")
    }

    #[test]
    fn a_code_is_good_once_and_in_any_case() {
        let codes = codes(true);
        let issued = codes.issue(&user(), NOW, || [40; 32]);
        let expected = Code {
            code: "bbbbbb".into(),
            valid_until: NOW.plus(Duration::from_secs(60)),
        };
        assert_eq!(issued, Ok(expected));
        assert_eq!(codes.consume("BBBBBB", NOW), Some(user()));
        assert_eq!(codes.consume("bbbbbb", NOW), None);
    }

    #[test]
    fn a_code_expires() {
        let codes = codes(true);
        assert!(codes.issue(&user(), NOW, || [40; 32]).is_ok());
        assert_eq!(codes.consume("bbbbbb", NOW.plus(Duration::from_secs(60))), None);
    }

    #[test]
    fn a_code_in_use_is_not_given_out_again_until_it_expires() {
        let codes = codes(true);
        let draws = Cell::new(0);
        let same = || {
            draws.set(draws.get() + 1);
            [40; 32]
        };
        assert!(codes.issue(&user(), NOW, same).is_ok());
        assert_eq!(codes.issue(&user(), NOW, same), Err(CodeError::Exhausted));
        assert_eq!(draws.get(), 4);
        assert!(codes.issue(&user(), NOW.plus(Duration::from_secs(60)), same).is_ok());
    }

    #[test]
    fn there_is_an_end_to_how_many_are_kept() {
        let codes = codes(true);
        let draws = Cell::new(0_u32);
        let other = || {
            draws.set(draws.get() + 1);
            let digits = [1, 31, 961, 29_791, 923_521, 28_629_151].map(|power| draws.get() / power % 31);
            std::array::from_fn(|at| digits.get(at).map_or(0, |digit| u8::try_from(*digit).unwrap_or(0)))
        };
        let first = codes.issue(&user(), NOW, other);
        let second = codes.issue(&user(), NOW, other);
        for _ in 2..=CAPACITY {
            assert!(codes.issue(&user(), NOW, other).is_ok());
        }
        assert_eq!(first.ok().and_then(|first| codes.consume(&first.code, NOW)), None);
        assert!(
            second
                .ok()
                .and_then(|second| codes.consume(&second.code, NOW))
                .is_some()
        );
        assert!(codes.issue(&user(), NOW.plus(Duration::from_secs(60)), other).is_ok());
        let out = codes.out.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!((out.owners.len(), out.order.len()), (1, 1), "expired ones are gone");
    }

    #[test]
    fn a_code_issued_again_outlives_its_first_time() {
        let codes = codes(true);
        let later = NOW.plus(Duration::from_secs(30));
        assert!(codes.issue(&user(), NOW, || [40; 32]).is_ok());
        assert!(codes.consume("bbbbbb", NOW).is_some());
        assert!(codes.issue(&user(), later, || [40; 32]).is_ok());
        let after_the_first = NOW.plus(Duration::from_secs(60));
        assert!(codes.issue(&user(), after_the_first, || [0; 32]).is_ok());
        assert!(codes.consume("bbbbbb", after_the_first).is_some());
    }

    #[test]
    fn switched_off_there_are_none() {
        let codes = codes(false);
        assert_eq!(codes.issue(&user(), NOW, || [40; 32]), Err(CodeError::Disabled));
        assert_eq!(codes.consume("bbbbbb", NOW), None);
    }

    #[test]
    fn bytes_that_would_favour_a_character_are_not_used() {
        let draws = Cell::new(0_u8);
        let code = draw(6, || {
            draws.set(draws.get() + 1);
            if draws.get() == 1 { [255; 32] } else { [0; 32] }
        });
        assert_eq!((code.as_str(), draws.get()), ("222222", 2));
        let longer = draw(40, || [30; 32]);
        assert_eq!(longer, "z".repeat(40));
    }
}
