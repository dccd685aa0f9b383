//! What waits for this device, and what first? (WIRE §4.6)
//!
//! Messages without a schedule first, then by their time, then the more urgent, then the newer or the older. Both orders
//! have an index of their own that holds nothing but queues: a long one costs no more than a short one.

use std::collections::HashMap;

use super::{Messages, load};
use crate::db::{Row, Statement, StoreError};
use crate::devices::DeviceId;
use crate::messages::content::Content;
use crate::messages::query::Order;
use crate::messages::queue::Queued;

/// How many messages a phone gets at once.
const LIMIT: i64 = 100;

macro_rules! columns {
    () => {
        "SELECT id, ext_id, type, content, is_hashed, is_encrypted, sim_number, with_delivery_report, priority, \
         valid_until, schedule_at, state, created_at"
    };
}

macro_rules! head {
    ($index:literal, $state:literal, $order:literal) => {
        concat!(
            "(",
            columns!(),
            " FROM messages FORCE INDEX (",
            $index,
            ") WHERE device_id = ?1 AND state = '",
            $state,
            "' ORDER BY ",
            $order,
            " LIMIT ?2)"
        )
    };
}

/// SQLite's indexes are those of queues alone: the condition on the state has to be spelled as there. MySQL has no such
/// indexes: each state is a queue of its own there, and the heads of both make the whole one's. It has to be told which
/// index, because it does not see that a hundred of many messages are enough.
macro_rules! select {
    ($index:literal, $order:literal) => {
        Statement::of(
            concat!(
                columns!(),
                " FROM messages WHERE device_id = ?1 AND state IN ('Pending', 'Cancelling') ORDER BY ",
                $order,
                " LIMIT ?2"
            ),
            concat!(
                head!($index, "Pending", $order),
                " UNION ALL ",
                head!($index, "Cancelling", $order),
                " ORDER BY ",
                $order,
                " LIMIT ?2"
            ),
        )
    };
}

pub(super) const LIFO: Statement = select!("gateward_messages_queue_lifo", "schedule_at, priority DESC, id DESC");
pub(super) const FIFO: Statement = select!("gateward_messages_queue_fifo", "schedule_at, priority DESC, id");
const NUMBERS: Statement = Statement::same(
    "SELECT message_id, phone_number FROM message_recipients \
     WHERE message_id IN (?) ORDER BY message_id, phone_number",
);

impl Messages {
    /// The head of the device's queue. Changes nothing: a message stays until its phone reports it.
    pub(crate) async fn pull(&self, device: &DeviceId, order: Order) -> Result<Vec<Queued>, StoreError> {
        let statement = match order {
            Order::Lifo => LIFO,
            Order::Fifo => FIFO,
        };
        let mut reading = self.database.reading().await?;
        let head = statement.bind(device.as_str()).bind(LIMIT);
        let rows = head.fetch_all(&mut reading).await?;
        let ids = rows.iter().map(|row| row.get("id"));
        let ids: Vec<i64> = ids.collect::<Result<_, _>>()?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut numbers: HashMap<i64, Vec<String>> = HashMap::with_capacity(ids.len());
        for row in NUMBERS.bind_list(&ids).fetch_all(&mut reading).await? {
            let of_message = numbers.entry(row.get("message_id")?).or_default();
            of_message.push(row.get("phone_number")?);
        }
        let queued = rows.iter().zip(&ids);
        let queued = queued.map(|(row, id)| queued_message(row, numbers.remove(id).unwrap_or_default()));
        queued.collect()
    }
}

fn queued_message(row: &Row, numbers: Vec<String>) -> Result<Queued, StoreError> {
    let content = Content::from_stored(row.text("type")?, row.get("content")?, row.get("is_hashed")?);
    Ok(Queued {
        id: row.get("ext_id")?,
        content: content.map_err(StoreError::unreadable)?,
        numbers,
        is_encrypted: row.get("is_encrypted")?,
        sim_number: row.get("sim_number")?,
        with_delivery_report: row.get("with_delivery_report")?,
        priority: row.get("priority")?,
        valid_until: row.get("valid_until")?,
        schedule_at: row.get("schedule_at")?,
        state: load::state(row)?,
        created_at: row.get("created_at")?,
    })
}
