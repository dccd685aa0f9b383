//! What waits for this device, and what first? (WIRE §4.6)
//!
//! Messages without a schedule first, then by their time, then the more urgent, then the newer or the older. Both orders
//! have an index of their own that holds nothing but queues: a long one costs no more than a short one.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::{Messages, load};
use crate::db::{Row, Statement, StoreError};
use crate::devices::DeviceId;
use crate::messages::content::Content;
use crate::messages::query::Order;
use crate::messages::queue::Queued;
use crate::messages::view::by_number;

/// How many messages a phone gets at once.
const LIMIT: u8 = 100;

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
/// indexes: each state is a queue of its own there, and the heads of both come one after the other; to have MySQL merge
/// them takes three times as long, because it puts texts into a table on the disk for that. It has to be told which index,
/// because it does not see that a hundred of many messages are enough.
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
                head!($index, "Cancelling", $order)
            ),
        )
    };
}

pub(super) const LIFO: Statement = select!("gateward_messages_queue_lifo", "schedule_at, priority DESC, id DESC");
pub(super) const FIFO: Statement = select!("gateward_messages_queue_fifo", "schedule_at, priority DESC, id");
const NUMBERS: Statement =
    Statement::same("SELECT message_id, phone_number FROM message_recipients WHERE message_id IN (?)");

impl Messages {
    /// The head of the device's queue. Changes nothing: a message stays until its phone reports it.
    pub(crate) async fn pull(&self, device: &DeviceId, order: Order) -> Result<Vec<Queued>, StoreError> {
        let statement = match order {
            Order::Lifo => LIFO,
            Order::Fifo => FIFO,
        };
        let mut reading = self.database.reading().await?;
        let head = statement.bind(device.as_str()).bind(LIMIT);
        let mut queue = Vec::new();
        for row in head.fetch_all(&mut reading).await? {
            queue.push((row.get("id")?, queued_message(&row)?));
        }
        if queue.is_empty() {
            return Ok(Vec::new());
        }
        merge(&mut queue, order);
        let ids = queue.iter().map(|(id, _)| id);
        let mut numbers: HashMap<i64, Vec<String>> = HashMap::with_capacity(queue.len());
        for row in NUMBERS.bind_list(ids).fetch_all(&mut reading).await? {
            let of_message = numbers.entry(row.get("message_id")?).or_default();
            of_message.push(row.get("phone_number")?);
        }
        Ok(queue
            .into_iter()
            .map(|(id, mut queued)| {
                queued.numbers = numbers.remove(&id).unwrap_or_default();
                queued.numbers.sort_unstable_by(|one, other| by_number(one, other));
                queued
            })
            .collect())
    }
}

/// The head of the whole queue, of what may be the heads of several.
fn merge(queue: &mut Vec<(i64, Queued)>, order: Order) {
    // Either is in order already, which such a sort makes use of.
    queue.sort_by_key(|(id, queued)| {
        let id = match order {
            Order::Lifo => -id,
            Order::Fifo => *id,
        };
        (queued.schedule_at, Reverse(queued.priority), id)
    });
    queue.truncate(LIMIT.into());
}

/// Without its numbers.
fn queued_message(row: &Row) -> Result<Queued, StoreError> {
    let content = Content::from_stored(row.text("type")?, row.get("content")?, row.get("is_hashed")?);
    Ok(Queued {
        id: row.get("ext_id")?,
        content: content.map_err(StoreError::unreadable)?,
        numbers: Vec::new(),
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
