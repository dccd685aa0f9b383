//! Which messages have grown old, and how do they go? With recipients and history, a few at a time, so that whoever
//! writes meanwhile waits for milliseconds (WIRE §7.1).

use super::Messages;
use crate::Timestamp;
use crate::db::{Query, Statement, StoreError};
use crate::devices::DeviceId;

/// How many go in one transaction. Each may have 100 recipients, and as many states as there are.
const AT_ONCE: i64 = 50;

// SQLite deletes no limited number, and MySQL would go through all messages for each that the inner query finds.
pub(super) const CLEAN: Statement = Statement::of(
    "DELETE FROM messages WHERE id IN (SELECT id FROM messages \
     WHERE device_id = ? AND created_at < ? AND state NOT IN ('Pending', 'Cancelling') LIMIT ?)",
    "DELETE FROM messages WHERE device_id = ? AND created_at < ? AND state NOT IN ('Pending', 'Cancelling') LIMIT ?",
);
pub(super) const EMPTY: Statement = Statement::of(
    "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE device_id = ?1 \
     AND EXISTS (SELECT 1 FROM devices WHERE devices.id = ?1 AND last_seen < ?2) LIMIT ?3)",
    "DELETE FROM messages WHERE device_id = ?1 \
     AND EXISTS (SELECT 1 FROM devices WHERE devices.id = ?1 AND last_seen < ?2) LIMIT ?3",
);
pub(super) const MANY: Statement = Statement::same("SELECT id FROM messages WHERE device_id = ? LIMIT 1 OFFSET ?");
/// Whoever asks has seen whose device it is.
pub(super) const REMOVE: Statement = Statement::of(
    "DELETE FROM messages WHERE id IN (SELECT id FROM messages WHERE device_id = ? LIMIT ?)",
    "DELETE FROM messages WHERE device_id = ? LIMIT ?",
);

impl Messages {
    /// Deletes some of the device's messages that were created before; what its phone still has to send stays. Says how
    /// many: none when all are gone. How many are left is not known any more then. That these are gone, whoever does it again
    /// and again says once, at the end ([`States::deleted`](crate::messages::States::deleted)): to forget all that is known
    /// for every few would cost more.
    pub(crate) async fn clean(&self, device: &DeviceId, before: Timestamp) -> Result<u64, StoreError> {
        let delete = CLEAN.bind(device.as_str()).bind(before).bind(AT_ONCE);
        self.delete(device, delete).await
    }

    /// Deletes some of the device's messages, whatever became of them, unless it was seen meanwhile. Says how many: none
    /// when all are gone, or the device is back. As with [`clean`](Self::clean), the end has to be told.
    pub(crate) async fn empty(&self, device: &DeviceId, not_seen_since: Timestamp) -> Result<u64, StoreError> {
        let delete = EMPTY.bind(device.as_str()).bind(not_seen_since).bind(AT_ONCE);
        self.delete(device, delete).await
    }

    /// Whether the device has more messages than may go in one transaction.
    pub(crate) async fn are_many(&self, device: &DeviceId) -> Result<bool, StoreError> {
        let one_more = MANY.bind(device.as_str()).bind(AT_ONCE);
        Ok(one_more.fetch_optional(&self.database).await?.is_some())
    }

    /// Deletes the messages of a device that is to be deleted, but for a few that may go with it: more may come meanwhile. As
    /// with [`clean`](Self::clean), the end has to be told.
    pub(crate) async fn remove_most(&self, device: &DeviceId) -> Result<(), StoreError> {
        let delete = REMOVE.bind(device.as_str()).bind(AT_ONCE);
        let full = u64::try_from(AT_ONCE).unwrap_or_default();
        while self.delete(device, delete.clone()).await? >= full {}
        Ok(())
    }

    async fn delete(&self, device: &DeviceId, delete: Query<'_>) -> Result<u64, StoreError> {
        let deleted = delete.execute(&self.database).await.map(|done| done.rows);
        // Also if it failed: the database may have done more than it could say. The other processes are told beside the
        // next few.
        if !matches!(deleted, Ok(0)) {
            self.states.deleted_from(device);
        }
        deleted
    }
}
