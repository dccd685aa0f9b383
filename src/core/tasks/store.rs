//! Which devices and tokens have grown old? The statements; those about messages are in `messages/store`.

use sqlx::Row;

use crate::Timestamp;
use crate::db::{Database, StoreError};

/// How many rows are looked at, or deleted, at once.
const AT_ONCE: i64 = 100;

const DEVICES: &str = "SELECT id FROM devices WHERE id > ?1 ORDER BY id LIMIT ?2";
const NOT_SEEN: &str = "SELECT id, auth_token FROM devices WHERE last_seen < ?1 ORDER BY last_seen LIMIT ?2";
const DELETE_DEVICE: &str = "DELETE FROM devices WHERE id = ?1 AND last_seen < ?2";
// The inner query is one of its own, because MySQL takes no LIMIT in the other.
const DELETE_TOKENS: &str = "DELETE FROM tokens WHERE id IN (SELECT id FROM (SELECT id FROM tokens \
     WHERE expires_at < ?1 LIMIT ?2) AS old)";

/// The tables of devices and tokens, as the tasks use them.
#[derive(Debug)]
pub(super) struct Store<'a>(pub(super) &'a Database);

/// A device that was not seen for long.
#[derive(Debug)]
pub(super) struct Unseen {
    pub(super) id: String,
    pub(super) token: String,
}

impl Store<'_> {
    /// The next ids after this one.
    pub(super) async fn devices_after(&self, id: &str) -> Result<Vec<String>, StoreError> {
        let query = sqlx::query_scalar(DEVICES).bind(id).bind(AT_ONCE);
        Ok(query.fetch_all(self.0.reader()).await?)
    }

    /// Some of the devices that were not seen since, the longest first.
    pub(super) async fn devices_not_seen_since(&self, moment: Timestamp) -> Result<Vec<Unseen>, StoreError> {
        let query = sqlx::query(NOT_SEEN).bind(moment).bind(AT_ONCE);
        let rows = query.fetch_all(self.0.reader()).await?;
        let device = |row: &sqlx::sqlite::SqliteRow| {
            Ok(Unseen {
                id: row.try_get("id")?,
                token: row.try_get("auth_token")?,
            })
        };
        Ok(rows.iter().map(device).collect::<Result<_, sqlx::Error>>()?)
    }

    /// Deletes the device with all that is its own, unless it was seen meanwhile. Says whether it did.
    pub(super) async fn delete_device(&self, id: &str, not_seen_since: Timestamp) -> Result<bool, StoreError> {
        let query = sqlx::query(DELETE_DEVICE).bind(id).bind(not_seen_since);
        Ok(query.execute(self.0.writer()).await?.rows_affected() > 0)
    }

    /// Deletes some of the tokens that expired before, and says how many: none when all are gone.
    pub(super) async fn delete_tokens(&self, before: Timestamp) -> Result<u64, StoreError> {
        let query = sqlx::query(DELETE_TOKENS).bind(before).bind(AT_ONCE);
        Ok(query.execute(self.0.writer()).await?.rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use super::{DELETE_DEVICE, DELETE_TOKENS, DEVICES, NOT_SEEN};
    use crate::testing::plan;

    #[tokio::test]
    async fn what_is_old_is_found_by_index() {
        for (statement, search) in [
            (DEVICES, "INDEX sqlite_autoindex_devices_1 (id>?)"),
            (NOT_SEEN, "INDEX idx_devices_last_seen (last_seen<?)"),
            (DELETE_DEVICE, "INDEX sqlite_autoindex_devices_1 (id=?)"),
            (DELETE_TOKENS, "INDEX idx_tokens_expires_at (expires_at<?)"),
        ] {
            let plan = plan(statement).await;
            assert!(plan.contains(search), "{statement}: {plan}");
            assert!(
                !plan.contains("SCAN devices") && !plan.contains("SCAN tokens"),
                "{plan}"
            );
        }
    }
}
