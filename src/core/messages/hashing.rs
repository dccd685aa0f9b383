//! What is left of a message once its phone has reported it? Hashes of its content and its numbers (WIRE §6.6).
//!
//! Rules without IO, and which messages wait for the next round. The statements are `store/hash.rs`; when a round comes
//! is the server's business, and the task `messages:hashing` looks for whatever rounds have missed.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use sha2::{Digest, Sha256};

use super::content::{Content, HashedMessage};
use super::store::Messages;
use crate::Timestamp;
use crate::db::StoreError;

/// Digits that are kept of a number's hash.
const NUMBER_DIGITS: usize = 16;

/// The hash that takes the place of a text, or of data in Base64; of a hash, itself.
pub(super) fn content_hash(content: Content) -> HashedMessage {
    let digest = match content {
        Content::Text(text) => Sha256::digest(text.text),
        Content::Data(data) => Sha256::digest(data.data),
        Content::Hashed(hashed) => return hashed,
    };
    HashedMessage {
        hash: digits(&digest).collect(),
    }
}

/// The beginning of the hash that takes the place of a number.
pub(super) fn number_hash(number: &str) -> String {
    digits(&Sha256::digest(number)).take(NUMBER_DIGITS).collect()
}

/// In hexadecimal, lower case.
fn digits(digest: &[u8]) -> impl Iterator<Item = char> {
    let halves = digest.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
    halves.filter_map(|half| char::from_digit(half.into(), 16))
}

/// Rows of messages that were reported since the last round. Only in memory: what a crash forgets is left to the task.
#[derive(Debug, Default)]
pub(crate) struct Reported(Mutex<BTreeSet<i64>>);

impl Reported {
    /// These have a report.
    pub(crate) fn note(&self, rows: impl IntoIterator<Item = i64>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(rows);
    }

    fn take(&self) -> Vec<i64> {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *rows).into_iter().collect()
    }

    /// Hashes what was reported, and says which rows changed. After a failure the rest waits for the next round.
    pub(crate) async fn hash(&self, messages: &Messages, now: Timestamp) -> Result<Vec<i64>, StoreError> {
        let rows = self.take();
        let mut hashed = Vec::new();
        for (done, batch) in rows.chunks(Messages::HASH_AT_ONCE).enumerate() {
            match messages.hash(batch, now).await {
                Ok(changed) => hashed.extend(changed),
                Err(error) => {
                    self.note(rows.into_iter().skip(done * Messages::HASH_AT_ONCE));
                    return Err(error);
                }
            }
        }
        Ok(hashed)
    }
}

#[cfg(test)]
mod tests {
    use super::{content_hash, number_hash};
    use crate::messages::content::{Content, DataMessage, TextMessage};

    /// Values of `sha256sum`.
    #[test]
    fn hashes_are_of_the_text_the_base64_and_the_number_as_written() {
        let text = Content::Text(TextMessage {
            text: "hello".to_owned(),
        });
        let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(content_hash(text).hash, hash);
        let data = Content::Data(DataMessage {
            data: "aGVsbG8=".to_owned(),
            port: 53739,
        });
        let hash = "333d6b3a3c1f5db6c9bdda5939b136986d170f4649172a68368d54ecb44c2ff2";
        assert_eq!(content_hash(data).hash, hash);
        assert_eq!(number_hash("+79990001234"), "62d17792b45c5307");
    }
}
