//! What waits for this device, and what first? (WIRE §4.6)
//!
//! Messages without a schedule first, then by their time, then the more urgent, then the newer or the older. Both orders
//! have an index of their own that holds nothing but queues: a long one costs no more than a short one.

use std::collections::HashMap;

use sqlx::{Row, sqlite::SqliteRow};

use super::{Messages, load};
use crate::db::StoreError;
use crate::devices::DeviceId;
use crate::messages::content::Content;
use crate::messages::query::Order;
use crate::messages::queue::Queued;

/// How many messages a phone gets at once.
const LIMIT: i64 = 100;

/// The condition on the state has to be spelled as in the indexes.
macro_rules! select {
    ($order:literal) => {
        concat!(
            "SELECT id, ext_id, type, content, is_hashed, is_encrypted, sim_number, with_delivery_report, priority, \
             valid_until, schedule_at, state, created_at FROM messages \
             WHERE device_id = ?1 AND state IN ('Pending', 'Cancelling') ORDER BY ",
            $order,
            " LIMIT ?2"
        )
    };
}

const LIFO: &str = select!("schedule_at, priority DESC, id DESC");
const FIFO: &str = select!("schedule_at, priority DESC, id");
const NUMBERS: &str = "SELECT message_id, phone_number FROM message_recipients \
     WHERE message_id IN (SELECT value FROM json_each(?1)) ORDER BY message_id, phone_number";

impl Messages {
    /// The head of the device's queue. Changes nothing: a message stays until its phone reports it.
    pub(crate) async fn pull(&self, device: &DeviceId, order: Order) -> Result<Vec<Queued>, StoreError> {
        let statement = match order {
            Order::Lifo => LIFO,
            Order::Fifo => FIFO,
        };
        let mut reading = self.0.reader().begin().await?;
        let query = sqlx::query(statement).bind(device.as_str()).bind(LIMIT);
        let rows = query.fetch_all(&mut *reading).await?;
        let ids = rows.iter().map(|row| row.try_get("id"));
        let ids: Vec<i64> = ids.collect::<Result<_, _>>()?;

        let mut numbers: HashMap<i64, Vec<String>> = HashMap::with_capacity(ids.len());
        let query = sqlx::query(NUMBERS).bind(super::json(&ids));
        for row in query.fetch_all(&mut *reading).await? {
            let of_message = numbers.entry(row.try_get("message_id")?).or_default();
            of_message.push(row.try_get("phone_number")?);
        }
        let queued = rows.iter().zip(&ids);
        let queued = queued.map(|(row, id)| queued_message(row, numbers.remove(id).unwrap_or_default()));
        Ok(queued.collect::<Result<_, _>>()?)
    }
}

fn queued_message(row: &SqliteRow, numbers: Vec<String>) -> Result<Queued, sqlx::Error> {
    let content = Content::from_stored(row.try_get("type")?, row.try_get("content")?, row.try_get("is_hashed")?);
    Ok(Queued {
        id: row.try_get("ext_id")?,
        content: content.map_err(load::undecodable)?,
        numbers,
        is_encrypted: row.try_get("is_encrypted")?,
        sim_number: row.try_get("sim_number")?,
        with_delivery_report: row.try_get("with_delivery_report")?,
        priority: row.try_get("priority")?,
        valid_until: row.try_get("valid_until")?,
        schedule_at: row.try_get("schedule_at")?,
        state: load::state(row)?,
        created_at: row.try_get("created_at")?,
    })
}

#[cfg(test)]
mod tests {
    use super::{FIFO, LIFO};
    use crate::testing::plan;

    #[tokio::test]
    async fn each_order_has_an_index_and_needs_no_sorting() {
        for (statement, index) in [(LIFO, "idx_messages_queue_lifo"), (FIFO, "idx_messages_queue_fifo")] {
            let plan = plan(statement).await;
            assert!(plan.contains(&format!("USING INDEX {index} (device_id=?)")), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
}
