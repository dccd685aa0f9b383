//! How long is a device's queue, how old, and does anything of it arrive? For the limits of queues (WIRE §6.9).
//!
//! What is scheduled for later does not count: the phone waits on purpose.

use super::Messages;
use crate::Timestamp;
use crate::db::{Statement, StoreError};
use crate::devices::DeviceId;

// Both in one: for the oldest alone SQLite would go through all messages by age until it meets one that waits.
pub(super) const DUE: Statement = Statement::same(
    "SELECT count(*) AS count, min(created_at) AS oldest FROM messages \
     WHERE device_id = ?1 AND state = 'Pending' AND (schedule_at IS NULL OR schedule_at <= ?2)",
);
pub(super) const LATEST: Statement = Statement::same(
    "SELECT count(*) AS found, count(CASE WHEN state = 'Failed' THEN 1 END) AS failed FROM \
     (SELECT state FROM messages WHERE device_id = ?1 AND created_at >= ?2 ORDER BY created_at DESC, id DESC LIMIT ?3) \
     AS latest",
);

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
        let row = DUE.bind(device.as_str()).bind(now).fetch_one(&self.database).await?;
        let count: i64 = row.get("count")?;
        Ok(Due {
            count: u64::try_from(count).unwrap_or_default(),
            oldest: row.get("oldest")?,
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
        let find = LATEST.bind(device.as_str()).bind(since).bind(limit);
        let row = find.fetch_one(&self.database).await?;
        let (found, failed): (i64, i64) = (row.get("found")?, row.get("failed")?);
        Ok(found == limit && failed == limit)
    }
}
