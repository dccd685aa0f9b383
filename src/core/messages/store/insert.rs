//! How does a new message get into the database? Whole or not at all, and durably (DESIGN §13).

use super::Messages;
use crate::Timestamp;
use crate::db::{Connection, Query, Statement, StoreError, Value};
use crate::devices::DeviceId;
use crate::messages::draft::NewMessage;
use crate::users::UserId;

/// What became of a new message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Inserted {
    /// It is stored, and stays so whatever happens to the process.
    Stored,
    /// The device has a message of this id already, in this or another case.
    IdTaken,
    /// The device was deleted in the meantime.
    DeviceGone,
    /// Two recipients are the same to the database: MySQL compares without case and trailing blanks.
    NumbersNotUnique,
}

const MESSAGE: Statement = Statement::same(
    "INSERT INTO messages (device_id, ext_id, type, content, state, valid_until, schedule_at, \
     sim_number, with_delivery_report, priority, is_encrypted, created_at, updated_at) \
     VALUES (?, ?, ?, ?, 'Pending', ?, ?, ?, ?, ?, ?, ?, ?)",
);
const RECIPIENTS: Statement = Statement::same("INSERT INTO message_recipients (message_id, phone_number) VALUES ?");
const HISTORY: Statement =
    Statement::same("INSERT INTO message_states (message_id, state, updated_at) VALUES (?, 'Pending', ?)");

/// The same for a file, in one statement.
const AT_ONCE: Statement = Statement::same(
    "INSERT INTO new_messages (device_id, ext_id, type, content, valid_until, schedule_at, sim_number, \
     with_delivery_report, priority, is_encrypted, created_at, phone_numbers) VALUES ?",
);

/// The same for a server, in one trip.
const KEEP_ROW: Statement = Statement::same("SET @message = LAST_INSERT_ID()");
const RECIPIENTS_OF_KEPT: &str = "INSERT INTO message_recipients (message_id, phone_number) VALUES";
const HISTORY_OF_KEPT: Statement =
    Statement::same("INSERT INTO message_states (message_id, state, updated_at) VALUES (@message, 'Pending', ?)");

impl Messages {
    /// Adds a message to a device of this user, with its recipients and its first state.
    ///
    /// INVARIANT(accepted means kept): when this is `Stored` the transaction is committed and on the disk. Test:
    /// `tests::a_message_is_stored_whole_or_not_at_all`.
    pub(crate) async fn insert(
        &self,
        user: &UserId,
        device: &DeviceId,
        id: &str,
        message: &NewMessage,
        now: Timestamp,
    ) -> Result<Inserted, StoreError> {
        let values = [
            device.as_str().into(),
            id.into(),
            message.stored.kind.into(),
            (&message.stored.content).into(),
            message.valid_until.into(),
            // MySQL keeps no fractions of it, as the reference has its tables.
            message.schedule_at.map(Timestamp::whole_second).into(),
            message.sim_number.into(),
            message.with_delivery_report.into(),
            message.priority.into(),
            message.is_encrypted.into(),
            now.into(),
        ];
        let insert = values.iter().cloned().fold(MESSAGE.query(), Query::bind);
        let insert = insert.bind(now);
        let inserted = match self.insert_at_once(&insert, values, message, now).await {
            Ok(true) => Ok(Inserted::Stored),
            Ok(false) => {
                let step_by_step = |change| step_by_step(change, &insert, message, now);
                self.database.change(step_by_step).await
            }
            Err(error) => Err(error),
        };
        // A commit that failed may have happened nevertheless.
        if matches!(inserted, Ok(Inserted::Stored) | Err(_)) {
            self.states.added(user, id, now, &message.numbers);
        }
        inserted
    }

    /// Whether it is stored; if not, nothing is.
    async fn insert_at_once(
        &self,
        insert: &Query<'_>,
        values: [Value<'_>; 11],
        message: &NewMessage,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some(mut batch) = self.database.batch() else {
            let numbers = serde_json::to_string(&message.numbers).map_err(StoreError::unwritable)?;
            let row = values.into_iter().chain([numbers.into()]).collect();
            return self.database.insert_with_others(AT_ONCE, row).await;
        };
        batch.add(insert.clone());
        batch.add(KEEP_ROW.query());
        batch.add_rows(RECIPIENTS_OF_KEPT, "(@message, ?)", message.numbers.iter());
        batch.add(HISTORY_OF_KEPT.bind(now));
        self.database.write_at_once(batch).await
    }
}

async fn step_by_step(
    mut change: Connection,
    insert: &Query<'_>,
    message: &NewMessage,
    now: Timestamp,
) -> Result<Inserted, StoreError> {
    let row = match insert.clone().execute(&mut change).await {
        Ok(done) => done.inserted_id,
        Err(error) if error.is_unique_violation() => return Ok(Inserted::IdTaken),
        Err(error) if error.is_foreign_key_violation() => return Ok(Inserted::DeviceGone),
        Err(error) => return Err(error),
    };
    let recipients = message.numbers.iter();
    let recipients = recipients.map(|number| vec![Value::from(row), number.into()]);
    match RECIPIENTS.insert_rows(recipients.collect(), &mut change).await {
        Err(error) if error.is_unique_violation() => return Ok(Inserted::NumbersNotUnique),
        other => other?,
    }
    HISTORY.bind(row).bind(now).execute(&mut change).await?;
    change.commit().await?;
    Ok(Inserted::Stored)
}
