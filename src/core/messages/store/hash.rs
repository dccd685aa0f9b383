//! Which messages may be hashed, and how does it happen? A few at a time, so that whoever writes meanwhile waits for
//! milliseconds; each message whole or not at all (WIRE §6.6).

use super::Messages;
use crate::Timestamp;
use crate::db::{Connection, Statement, StoreError};
use crate::messages::content::Content;
use crate::messages::hashing::{content_hash, number_hash};

/// Content that only clients and phones can read is theirs; what the phone has not reported, it still has to send.
macro_rules! may_be_hashed {
    () => {
        "is_hashed = 0 AND is_encrypted = 0 AND state NOT IN ('Pending', 'Cancelling')"
    };
}

pub(super) const WAITING: Statement = Statement::same(concat!(
    "SELECT id FROM messages WHERE ",
    may_be_hashed!(),
    " AND id > ? ORDER BY id LIMIT ?"
));
macro_rules! contents {
    ($lock:literal) => {
        concat!(
            "SELECT id, type, content FROM messages WHERE id IN (?) AND ",
            may_be_hashed!(),
            $lock
        )
    };
}
/// On MySQL the rows are kept from whoever wants to hash them at the same time.
pub(super) const CONTENTS: Statement = Statement::of(contents!(""), contents!(" FOR UPDATE"));
pub(super) const NUMBERS: Statement =
    Statement::same("SELECT id, phone_number FROM message_recipients WHERE message_id IN (?)");
pub(super) const HASH_CONTENTS: Statement =
    Statement::same("UPDATE messages SET content = CASE id ? END, is_hashed = 1, updated_at = ? WHERE id IN (?)");
pub(super) const HASH_NUMBERS: Statement =
    Statement::same("UPDATE message_recipients SET phone_number = CASE id ? END WHERE id IN (?)");

/// How many numbers are hashed in one statement.
const NUMBERS_AT_ONCE: usize = 64;

impl Messages {
    /// How many messages are hashed in one transaction. Each may have 100 recipients.
    pub(crate) const HASH_AT_ONCE: usize = 50;

    /// The next rows after this one that may be hashed, by id: as many as [`Messages::hash`] takes well.
    pub(crate) async fn waiting_to_be_hashed(&self, after: i64) -> Result<Vec<i64>, StoreError> {
        let limit = i64::try_from(Self::HASH_AT_ONCE).unwrap_or(i64::MAX);
        WAITING.bind(after).bind(limit).fetch_column(&self.database).await
    }

    /// Hashes those of these rows that may be, and says which they are.
    ///
    /// INVARIANT(hashed once): what is hashed is what was read in the same transaction, so that nobody's hash is hashed
    /// again. Test: `tests::hashing_twice_is_hashing_once`.
    pub(crate) async fn hash(&self, rows: &[i64], now: Timestamp) -> Result<Vec<i64>, StoreError> {
        let hashed = self.database.change(|change| hash(change, rows, now)).await;
        // A commit that failed may have happened nevertheless, for any of them.
        let changed = hashed.as_deref().unwrap_or(rows);
        self.states.changed(changed).heard().await;
        hashed
    }
}

async fn hash(mut change: Connection, rows: &[i64], now: Timestamp) -> Result<Vec<i64>, StoreError> {
    let contents = hashed_contents(&mut change, rows).await?;
    let rows: Vec<i64> = contents.iter().map(|(row, _)| *row).collect();
    if rows.is_empty() {
        return Ok(rows);
    }
    let mut numbers: Vec<(i64, String)> = Vec::new();
    for row in NUMBERS.bind_list(&rows).fetch_all(&mut change).await? {
        numbers.push((row.get("id")?, number_hash(row.text("phone_number")?)));
    }
    let cases = contents.iter().map(|(row, hash)| (row, hash));
    let update = HASH_CONTENTS.bind_cases(cases).bind(now).bind_list(&rows);
    update.execute(&mut change).await?;
    for numbers in numbers.chunks(NUMBERS_AT_ONCE) {
        let cases = numbers.iter().map(|(row, hash)| (row, hash));
        let update = HASH_NUMBERS.bind_cases(cases);
        let update = update.bind_list(numbers.iter().map(|(row, _)| row));
        update.execute(&mut change).await?;
    }
    change.commit().await?;
    Ok(rows)
}

/// Rows and hashes. A content that cannot be read stays as it is.
async fn hashed_contents(change: &mut Connection, rows: &[i64]) -> Result<Vec<(i64, String)>, StoreError> {
    let mut contents = Vec::with_capacity(rows.len());
    for row in CONTENTS.bind_list(rows).fetch_all(change).await? {
        let id: i64 = row.get("id")?;
        match Content::from_stored(row.text("type")?, row.get("content")?, false) {
            Ok(content) => contents.push((id, content_hash(content).hash)),
            Err(error) => tracing::warn!(row = id, %error, "not hashed"),
        }
    }
    Ok(contents)
}
