//! How long is a device's queue, how old, and does anything of it arrive? For the limits of queues (WIRE §6.9).
//!
//! What is scheduled for later does not count: the phone waits on purpose.

use sqlx::Row;

use super::Messages;
use crate::Timestamp;
use crate::db::StoreError;
use crate::devices::DeviceId;

// Both in one: for the oldest alone SQLite would go through all messages by age until it meets one that waits.
const DUE: &str = "SELECT count(*) AS count, min(created_at) AS oldest FROM messages \
     WHERE device_id = ?1 AND state = 'Pending' AND (schedule_at IS NULL OR schedule_at <= ?2)";
const LATEST: &str = "SELECT count(*) AS found, count(CASE WHEN state = 'Failed' THEN 1 END) AS failed FROM \
     (SELECT state FROM messages WHERE device_id = ?1 AND created_at >= ?2 ORDER BY created_at DESC, id DESC LIMIT ?3) \
     AS latest";

/// Messages that a device has not taken yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    /// How many.
    pub(crate) count: u64,
    /// When the oldest was created.
    pub(crate) oldest: Option<Timestamp>,
}

impl Messages {
    /// What the device should have taken by now.
    pub(crate) async fn due(&self, device: &DeviceId, now: Timestamp) -> Result<Due, StoreError> {
        let query = sqlx::query(DUE).bind(device.as_str()).bind(now);
        let row = query.fetch_one(self.0.reader()).await?;
        let count: i64 = row.try_get("count")?;
        Ok(Due {
            count: u64::try_from(count).unwrap_or_default(),
            oldest: row.try_get("oldest")?,
        })
    }

    /// Whether the device has got so many messages since then, and all of the latest so many have failed.
    pub(crate) async fn latest_failed(
        &self,
        device: &DeviceId,
        since: Timestamp,
        latest: u64,
    ) -> Result<bool, StoreError> {
        let limit = i64::try_from(latest).unwrap_or(i64::MAX);
        let query = sqlx::query(LATEST).bind(device.as_str()).bind(since).bind(limit);
        let row = query.fetch_one(self.0.reader()).await?;
        let (found, failed): (i64, i64) = (row.try_get("found")?, row.try_get("failed")?);
        Ok(found == limit && failed == limit)
    }
}

#[cfg(test)]
mod tests {
    use super::{DUE, LATEST};
    use crate::testing::plan;

    #[tokio::test]
    async fn limits_are_checked_by_index() {
        for (statement, index) in [
            (DUE, "idx_messages_device_state (device_id=? AND state=?)"),
            (
                LATEST,
                "COVERING INDEX idx_messages_device_created (device_id=? AND created_at>?)",
            ),
        ] {
            let plan = plan(statement).await;
            assert!(plan.contains(index), "{statement}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{statement}: {plan}");
        }
    }
}
