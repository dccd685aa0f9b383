//! Which messages have grown old, and how do they go? With recipients and history, a few at a time, so that whoever
//! writes meanwhile waits for milliseconds (WIRE §7.1).

use super::Messages;
use crate::Timestamp;
use crate::db::StoreError;
use crate::devices::DeviceId;

/// How many go in one transaction. Each may have 100 recipients, and as many states as there are.
const AT_ONCE: i64 = 50;

// The inner query is one of its own, because MySQL takes no LIMIT in the other.
const CLEAN: &str = "DELETE FROM messages WHERE id IN (SELECT id FROM (SELECT id FROM messages \
     WHERE device_id = ?1 AND created_at < ?2 AND state NOT IN ('Pending', 'Cancelling') LIMIT ?3) AS old)";
const EMPTY: &str = "DELETE FROM messages WHERE id IN (SELECT id FROM (SELECT id FROM messages \
     WHERE device_id = ?1 LIMIT ?2) AS old)";

impl Messages {
    /// Deletes some of the device's messages that were created before; what its phone still has to send stays. Says how
    /// many: none when all are gone.
    pub(crate) async fn clean(&self, device: &DeviceId, before: Timestamp) -> Result<u64, StoreError> {
        let query = sqlx::query(CLEAN).bind(device.as_str()).bind(before).bind(AT_ONCE);
        Ok(query.execute(self.0.writer()).await?.rows_affected())
    }

    /// Deletes some of the device's messages, whatever became of them. Says how many: none when all are gone.
    pub(crate) async fn empty(&self, device: &DeviceId) -> Result<u64, StoreError> {
        let query = sqlx::query(EMPTY).bind(device.as_str()).bind(AT_ONCE);
        Ok(query.execute(self.0.writer()).await?.rows_affected())
    }
}

#[cfg(test)]
mod tests {
    use super::{CLEAN, EMPTY};
    use crate::testing::plan;

    #[tokio::test]
    async fn what_is_old_is_found_in_an_index_and_goes_by_its_key() {
        for (statement, index) in [
            (
                CLEAN,
                "COVERING INDEX idx_messages_device_created (device_id=? AND created_at<?)",
            ),
            (EMPTY, "(device_id=?)"),
        ] {
            let plan = plan(statement).await;
            assert!(plan.contains(index), "{plan}");
            assert!(plan.contains("SEARCH messages USING INTEGER PRIMARY KEY"), "{plan}");
            assert!(!plan.contains("SCAN messages"), "{plan}");
        }
    }
}
