//! Which codes are out, and whose are they? All processes share them. It knows neither time nor randomness of its own.

use serde::Serialize;

use crate::{
    Timestamp,
    config::Otp,
    shared::{Cache, Unavailable},
    users::UserId,
};

/// No characters that look alike.
const ALPHABET: &[u8; 31] = b"23456789abcdefghjkmnpqrstuvwxyz";

/// Why there is no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CodeError {
    /// `otp.enabled` is false.
    #[error("otp disabled")]
    Disabled,
    /// Every attempt hit a code that is in use.
    #[error("no free code found")]
    Exhausted,
    /// Nobody can keep one.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A code and how long it is good, as clients see it.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Code {
    pub(crate) code: String,
    pub(crate) valid_until: Timestamp,
}

/// The codes that are out: users by code.
#[derive(Debug)]
pub(crate) struct Codes {
    rules: Otp,
    out: Cache,
}

impl Codes {
    pub(crate) fn new(rules: Otp, out: Cache) -> Self {
        Self { rules, out }
    }

    /// A new code for a user.
    pub(crate) async fn issue(
        &self,
        user: &UserId,
        now: Timestamp,
        random: impl Fn() -> [u8; 32],
    ) -> Result<Code, CodeError> {
        if !self.rules.enabled {
            return Err(CodeError::Disabled);
        }
        let ttl = self.rules.ttl;
        for _ in 0..self.rules.retries {
            let code = draw(self.rules.length, &random);
            let user = user.as_str().to_owned();
            if self.out.set_if_absent(&code, user, ttl).await? {
                let valid_until = now.plus(ttl);
                return Ok(Code { code, valid_until });
            }
        }
        Err(CodeError::Exhausted)
    }

    /// The user whose code it is, in any case; it is used up by that, in all processes.
    pub(crate) async fn consume(&self, code: &str) -> Result<Option<UserId>, Unavailable> {
        if !self.rules.enabled || code.len() != usize::from(self.rules.length) {
            return Ok(None);
        }
        let user = self.out.take(&code.to_lowercase()).await?;
        let user = user.as_deref().and_then(|user| std::str::from_utf8(user).ok());
        Ok(user.map(UserId::stored))
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
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::{
        cell::Cell,
        time::{Duration, UNIX_EPOCH},
    };

    use gateward_auth::Secret;
    use gateward_boot::clock::{Clock, Hands};

    use super::*;
    use crate::{
        config::Backend,
        shared::{Caches, redis_server::RedisServer},
    };

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);
    const TTL: Duration = Duration::from_secs(60);

    async fn codes(enabled: bool, backend: &Backend) -> (Codes, Hands) {
        let rules = Otp {
            enabled,
            length: 6,
            ttl: TTL,
            retries: 3,
        };
        let (clock, hands) = Clock::manual(UNIX_EPOCH);
        let caches = Caches::open(backend, clock).await.unwrap();
        (Codes::new(rules, caches.space("otp")), hands)
    }

    fn user() -> UserId {
        UserId::stored("ABC123")
    }

    #[tokio::test]
    async fn a_code_is_good_once_and_in_any_case() {
        let (codes, _) = codes(true, &Backend::Memory).await;
        let issued = codes.issue(&user(), NOW, || [40; 32]).await;
        let expected = Code {
            code: "bbbbbb".into(),
            valid_until: NOW.plus(TTL),
        };
        assert_eq!(issued, Ok(expected));
        assert_eq!(codes.consume("BBBBBB").await, Ok(Some(user())));
        assert_eq!(codes.consume("bbbbbb").await, Ok(None));
    }

    #[tokio::test]
    async fn a_code_of_one_process_is_good_in_another_and_once() {
        let server = RedisServer::start().await;
        let backend = Backend::Redis(Secret::new(server.url()));
        let ((first, _), (second, _)) = (codes(true, &backend).await, codes(true, &backend).await);
        first.issue(&user(), NOW, || [40; 32]).await.unwrap();
        let again = second.issue(&user(), NOW, || [40; 32]).await;
        assert_eq!(again, Err(CodeError::Exhausted), "in use");
        let (one, other) = tokio::join!(first.consume("bbbbbb"), second.consume("bbbbbb"));
        let mut users = [one.unwrap(), other.unwrap()];
        users.sort();
        assert_eq!(users, [None, Some(user())]);
    }

    #[tokio::test]
    async fn without_redis_there_are_no_codes_and_that_is_not_the_fault_of_the_code() {
        let mut server = RedisServer::start().await;
        let (codes, _) = codes(true, &Backend::Redis(Secret::new(server.url()))).await;
        server.kill().await;
        assert!(codes.consume("bbbbbb").await.is_err());
        let issued = codes.issue(&user(), NOW, || [40; 32]).await;
        assert!(matches!(issued, Err(CodeError::Unavailable(_))));
    }

    #[tokio::test]
    async fn a_code_expires() {
        let (codes, hands) = codes(true, &Backend::Memory).await;
        assert!(codes.issue(&user(), NOW, || [40; 32]).await.is_ok());
        hands.advance(TTL);
        assert_eq!(codes.consume("bbbbbb").await, Ok(None));
    }

    #[tokio::test]
    async fn a_code_in_use_is_not_given_out_again_until_it_expires() {
        let (codes, hands) = codes(true, &Backend::Memory).await;
        let draws = Cell::new(0);
        let same = || {
            draws.set(draws.get() + 1);
            [40; 32]
        };
        assert!(codes.issue(&user(), NOW, same).await.is_ok());
        assert_eq!(codes.issue(&user(), NOW, same).await, Err(CodeError::Exhausted));
        assert_eq!(draws.get(), 4);
        hands.advance(TTL);
        assert!(codes.issue(&user(), NOW.plus(TTL), same).await.is_ok());
    }

    #[tokio::test]
    async fn switched_off_there_are_none() {
        let (codes, _) = codes(false, &Backend::Memory).await;
        assert_eq!(codes.issue(&user(), NOW, || [40; 32]).await, Err(CodeError::Disabled));
        assert_eq!(codes.consume("bbbbbb").await, Ok(None));
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
