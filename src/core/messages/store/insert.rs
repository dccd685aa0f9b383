//! How does a new message get into the database? Whole or not at all, and durably (DESIGN §13).

use super::Messages;
use crate::Timestamp;
use crate::db::StoreError;
use crate::devices::DeviceId;
use crate::messages::draft::NewMessage;

/// What became of a new message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Inserted {
    /// It is stored, and stays so whatever happens to the process.
    Stored,
    /// The device has a message of this id already, in this or another case.
    IdTaken,
    /// The device was deleted in the meantime.
    DeviceGone,
}

const MESSAGE: &str = "INSERT INTO messages (device_id, ext_id, type, content, state, valid_until, schedule_at, \
     sim_number, with_delivery_report, priority, is_encrypted, created_at, updated_at) \
     VALUES (?1, ?2, ?3, ?4, 'Pending', ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)";
const RECIPIENTS: &str = "INSERT INTO message_recipients (message_id, phone_number, state) \
     SELECT ?1, value, 'Pending' FROM json_each(?2)";
const HISTORY: &str = "INSERT INTO message_states (message_id, state, updated_at) VALUES (?1, 'Pending', ?2)";

impl Messages {
    /// Adds a message with its recipients and its first state.
    ///
    /// INVARIANT(accepted means kept): when this is `Stored` the transaction is committed and on the disk. Test:
    /// `tests::a_message_is_stored_whole_or_not_at_all`.
    pub(crate) async fn insert(
        &self,
        device: &DeviceId,
        id: &str,
        message: &NewMessage,
        now: Timestamp,
    ) -> Result<Inserted, StoreError> {
        let mut change = self.0.writer().begin_with("BEGIN IMMEDIATE").await?;
        let inserted = sqlx::query(MESSAGE)
            .bind(device.as_str())
            .bind(id)
            .bind(message.stored.kind)
            .bind(&message.stored.content)
            .bind(message.valid_until)
            .bind(message.schedule_at)
            .bind(message.sim_number)
            .bind(message.with_delivery_report)
            .bind(message.priority)
            .bind(message.is_encrypted)
            .bind(now)
            .execute(&mut *change)
            .await;
        let row = match inserted {
            Ok(done) => done.last_insert_rowid(),
            Err(sqlx::Error::Database(error)) if error.is_unique_violation() => return Ok(Inserted::IdTaken),
            Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => return Ok(Inserted::DeviceGone),
            Err(error) => return Err(error.into()),
        };
        sqlx::query(RECIPIENTS)
            .bind(row)
            .bind(super::json(&message.numbers))
            .execute(&mut *change)
            .await?;
        sqlx::query(HISTORY).bind(row).bind(now).execute(&mut *change).await?;
        change.commit().await?;
        Ok(Inserted::Stored)
    }
}
