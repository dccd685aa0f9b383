//! What waits for this device, and what first? (WIRE §4.6)
//!
//! Messages without a schedule first, then by their time, then the more urgent, then the newer or the older. Both orders
//! have an index of their own that holds nothing but queues: a long one costs no more than a short one.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::{Messages, load};
use crate::Timestamp;
use crate::db::{Row, Statement, StoreError};
use crate::devices::DeviceId;
use crate::messages::content::Content;
use crate::messages::query::Order;
use crate::messages::queue::Queued;
use crate::messages::state::State;
use crate::messages::view::by_number;

/// How many messages a phone gets at once.
const LIMIT: u8 = 100;

/// What the order is made of; on MySQL all of it is in the index.
macro_rules! columns {
    () => {
        "id, state, schedule_at, priority"
    };
}

macro_rules! head {
    ($index:literal, $state:literal, $order:literal) => {
        concat!(
            "(SELECT ",
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
/// because it does not see that a hundred of many messages are enough. SQLite would prepare a statement
/// anew for every `LIMIT ?`.
macro_rules! select {
    ($index:literal, $order:literal) => {
        Statement::of(
            concat!(
                "SELECT ",
                columns!(),
                " FROM messages WHERE device_id = ?1 AND state IN ('Pending', 'Cancelling') ORDER BY ",
                $order,
                " LIMIT ?2 + 0"
            ),
            concat!(
                head!($index, "Pending", $order),
                " UNION ALL ",
                head!($index, "Cancelling", $order)
            ),
        )
        .packed(columns!())
    };
}

pub(super) const LIFO: Statement = select!("gateward_messages_queue_lifo", "schedule_at, priority DESC, id DESC");
pub(super) const FIFO: Statement = select!("gateward_messages_queue_fifo", "schedule_at, priority DESC, id");
/// Messages, and the numbers of their recipients; with casts for the reason given at [`load::WHOLE`].
pub(super) const QUEUED: Statement = Statement::same(
    "SELECT id, ext_id, type, content, CAST(is_hashed AS SIGNED) AS is_hashed, \
     CAST(is_encrypted AS SIGNED) AS is_encrypted, CAST(sim_number AS SIGNED) AS sim_number, \
     CAST(with_delivery_report AS SIGNED) AS with_delivery_report, priority, \
     valid_until, schedule_at, state, created_at, NULL AS phone_number FROM messages WHERE id IN (?1) \
     UNION ALL SELECT message_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, phone_number \
     FROM message_recipients WHERE message_id IN (?1)",
)
.packed(
    "id, ext_id, type, content, is_hashed, is_encrypted, sim_number, with_delivery_report, priority, valid_until, \
     schedule_at, state, created_at, phone_number",
);

impl Messages {
    /// The head of the device's queue: rows, and the states of their messages. Changes nothing: a message stays until its
    /// phone reports it.
    pub(crate) async fn queue(&self, device: &DeviceId, order: Order) -> Result<Vec<(i64, State)>, StoreError> {
        let statement = match order {
            Order::Lifo => LIFO,
            Order::Fifo => FIFO,
        };
        let head = statement.bind(device.as_str()).bind(LIMIT);
        let mut queue = Vec::new();
        for row in head.fetch_all(&self.database).await? {
            queue.push(Waiting {
                row: row.get("id")?,
                schedule_at: row.get("schedule_at")?,
                priority: row.get("priority")?,
                state: load::state(&row)?,
            });
        }
        merge(&mut queue, order);
        Ok(queue.iter().map(|waiting| (waiting.row, waiting.state)).collect())
    }

    /// What a phone has to know of the messages of these rows, in the same order, without those that are gone.
    pub(crate) async fn queued(&self, rows: &[i64]) -> Result<Vec<(i64, Queued)>, StoreError> {
        let mut messages: HashMap<i64, Queued> = HashMap::with_capacity(rows.len());
        let mut numbers: HashMap<i64, Vec<String>> = HashMap::with_capacity(rows.len());
        for row in QUEUED.bind_list(rows).fetch_all(&self.database).await? {
            let id = row.get("id")?;
            match row.get("phone_number")? {
                Some(number) => numbers.entry(id).or_default().push(number),
                None => {
                    messages.insert(id, queued_message(&row)?);
                }
            }
        }
        let in_order = rows.iter().filter_map(|row| Some((*row, messages.remove(row)?)));
        Ok(in_order
            .map(|(row, mut queued)| {
                queued.numbers = numbers.remove(&row).unwrap_or_default();
                queued.numbers.sort_unstable_by(|one, other| by_number(one, other));
                (row, queued)
            })
            .collect())
    }
}

/// A place in a queue.
struct Waiting {
    row: i64,
    schedule_at: Option<Timestamp>,
    priority: i8,
    state: State,
}

/// The head of the whole queue, of what may be the heads of several.
fn merge(queue: &mut Vec<Waiting>, order: Order) {
    // Either is in order already, which such a sort makes use of.
    queue.sort_by_key(|waiting| {
        let row = match order {
            Order::Lifo => -waiting.row,
            Order::Fifo => waiting.row,
        };
        (waiting.schedule_at, Reverse(waiting.priority), row)
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
