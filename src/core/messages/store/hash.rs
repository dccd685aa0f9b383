//! Which messages may be hashed, and how does it happen? A few at a time, so that whoever writes meanwhile waits for
//! milliseconds; each message whole or not at all (WIRE §6.6).

use sqlx::{Row, SqliteConnection};

use super::Messages;
use crate::Timestamp;
use crate::db::StoreError;
use crate::messages::content::Content;
use crate::messages::hashing::{content_hash, number_hash};

/// Content that only clients and phones can read is theirs; what the phone has not reported, it still has to send.
macro_rules! may_be_hashed {
    () => {
        "is_hashed = 0 AND is_encrypted = 0 AND state NOT IN ('Pending', 'Cancelling')"
    };
}

const WAITING: &str = concat!(
    "SELECT id FROM messages WHERE ",
    may_be_hashed!(),
    " AND id > ?1 ORDER BY id LIMIT ?2"
);
const CONTENTS: &str = concat!(
    "SELECT id, type, content FROM messages WHERE id IN (SELECT value FROM json_each(?1)) AND ",
    may_be_hashed!()
);
const NUMBERS: &str = "SELECT id, phone_number FROM message_recipients \
     WHERE message_id IN (SELECT value FROM json_each(?1))";
const HASH_CONTENTS: &str = "UPDATE messages SET content = hashed.value ->> 1, is_hashed = 1, updated_at = ?2 \
     FROM json_each(?1) AS hashed WHERE messages.id = hashed.value ->> 0";
const HASH_NUMBERS: &str = "UPDATE message_recipients SET phone_number = hashed.value ->> 1 \
     FROM json_each(?1) AS hashed WHERE message_recipients.id = hashed.value ->> 0";

impl Messages {
    /// How many messages are hashed in one transaction. Each may have 100 recipients.
    pub(crate) const HASH_AT_ONCE: usize = 50;

    /// The next rows after this one that may be hashed, by id: as many as [`Messages::hash`] takes well.
    pub(crate) async fn waiting_to_be_hashed(&self, after: i64) -> Result<Vec<i64>, StoreError> {
        let limit = i64::try_from(Self::HASH_AT_ONCE).unwrap_or(i64::MAX);
        let query = sqlx::query_scalar(WAITING).bind(after).bind(limit);
        Ok(query.fetch_all(self.0.reader()).await?)
    }

    /// Hashes those of these rows that may be, and says which they are.
    ///
    /// INVARIANT(hashed once): what is hashed is what was read in the same transaction, so that nobody's hash is hashed
    /// again. Test: `tests::hashing_twice_is_hashing_once`.
    pub(crate) async fn hash(&self, rows: &[i64], now: Timestamp) -> Result<Vec<i64>, StoreError> {
        let mut change = self.0.writer().begin_with("BEGIN IMMEDIATE").await?;
        let contents = hashed_contents(&mut change, rows).await?;
        let rows: Vec<i64> = contents.iter().map(|(row, _)| *row).collect();
        if rows.is_empty() {
            return Ok(rows);
        }
        let numbers: Vec<(i64, String)> = sqlx::query_as(NUMBERS)
            .bind(super::json(&rows))
            .fetch_all(&mut *change)
            .await?;
        let hashed = |(row, number): &(i64, String)| (*row, number_hash(number));
        let numbers: Vec<_> = numbers.iter().map(hashed).collect();

        let query = sqlx::query(HASH_CONTENTS).bind(super::json(&contents)).bind(now);
        query.execute(&mut *change).await?;
        let query = sqlx::query(HASH_NUMBERS).bind(super::json(&numbers));
        query.execute(&mut *change).await?;
        change.commit().await?;
        Ok(rows)
    }
}

/// Rows and hashes. A content that cannot be read stays as it is.
async fn hashed_contents(change: &mut SqliteConnection, rows: &[i64]) -> Result<Vec<(i64, String)>, sqlx::Error> {
    let mut contents = Vec::with_capacity(rows.len());
    for row in sqlx::query(CONTENTS).bind(super::json(&rows)).fetch_all(change).await? {
        let id: i64 = row.try_get("id")?;
        match Content::from_stored(row.try_get("type")?, row.try_get("content")?, false) {
            Ok(content) => contents.push((id, content_hash(content).hash)),
            Err(error) => tracing::warn!(row = id, %error, "not hashed"),
        }
    }
    Ok(contents)
}

#[cfg(test)]
mod tests {
    use super::{CONTENTS, HASH_CONTENTS, HASH_NUMBERS, NUMBERS, WAITING};
    use crate::testing::plan;

    #[tokio::test]
    async fn what_waits_is_found_by_index_from_where_the_last_batch_ended() {
        let plan = plan(WAITING).await;
        assert_eq!(
            plan,
            "SEARCH messages USING INDEX idx_messages_is_hashed (is_hashed=? AND rowid>?)"
        );
    }

    #[tokio::test]
    async fn a_batch_is_read_and_written_by_index() {
        for statement in [CONTENTS, NUMBERS, HASH_CONTENTS, HASH_NUMBERS] {
            let plan = plan(statement).await;
            assert!(plan.contains("SEARCH message"), "{statement}: {plan}");
            assert!(!plan.contains("SCAN message"), "{statement}: {plan}");
        }
    }
}
