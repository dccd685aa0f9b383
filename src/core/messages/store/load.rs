//! How does a message come out of the database? Whole, and many at once: one statement, however many there are.

use std::collections::{BTreeMap, HashMap};

use super::Messages;
use crate::Timestamp;
use crate::db::{Connection, Row, Statement, StoreError};
use crate::messages::content::Content;
use crate::messages::state::State;
use crate::messages::view::{Message, Recipient, by_number};

/// Messages, the second value says whether with their content; their recipients; and their states, whose time is `at`. In no
/// order: to have the database sort them costs as much as to have it find them. With the casts because MySQL makes decimals of
/// its `TINYINT UNSIGNED` in a union; to SQLite `SIGNED` is a number like any other.
pub(super) const WHOLE: Statement = Statement::same(
    "SELECT m.id, 0 AS part, m.ext_id, m.device_id, m.type, CASE WHEN ?2 THEN m.content END AS content, m.state, \
     CAST(m.is_hashed AS SIGNED) AS is_hashed, CAST(m.is_encrypted AS SIGNED) AS is_encrypted, m.created_at AS at, \
     NULL AS phone_number, NULL AS error FROM messages AS m WHERE m.id IN (?1) \
     UNION ALL SELECT message_id, 1, NULL, NULL, NULL, NULL, state, NULL, NULL, NULL, phone_number, error \
     FROM message_recipients WHERE message_id IN (?1) \
     UNION ALL SELECT message_id, 2, NULL, NULL, NULL, NULL, state, NULL, NULL, updated_at, NULL, NULL \
     FROM message_states WHERE message_id IN (?1)",
)
.packed("id, part, ext_id, device_id, type, content, state, is_hashed, is_encrypted, at, phone_number, error");
const MESSAGE: i64 = 0;
const RECIPIENT: i64 = 1;

impl Messages {
    /// The messages of these rows in the same order, without those that are gone.
    pub(crate) async fn load(&self, rows: &[i64], with_content: bool) -> Result<Vec<(i64, Message)>, StoreError> {
        let mut reading = self.database.reading().await?;
        by_rows(&mut reading, rows, with_content).await
    }
}

/// The message of this row, with its content.
pub(super) async fn by_row(connection: &mut Connection, row: i64) -> Result<Option<Message>, StoreError> {
    let messages = by_rows(connection, &[row], true).await?;
    Ok(messages.into_iter().next().map(|(_, message)| message))
}

/// Recipients come in the order of their numbers (WIRE §17).
async fn by_rows(
    connection: &mut Connection,
    rows: &[i64],
    with_content: bool,
) -> Result<Vec<(i64, Message)>, StoreError> {
    let found = WHOLE.bind_list(rows).bind(with_content);
    let found = found.fetch_all(connection).await?;
    let mut messages = HashMap::with_capacity(rows.len());
    let mut details = Vec::with_capacity(found.len());
    for row in &found {
        let (id, part): (i64, i64) = (row.get("id")?, row.get("part")?);
        match part {
            MESSAGE => {
                messages.insert(id, message(row)?);
            }
            part => details.push((id, part, row)),
        }
    }
    for (id, part, row) in details {
        // Else it has gone since.
        if let Some(message) = messages.get_mut(&id) {
            add(message, part, row)?;
        }
    }
    let in_order = rows.iter().filter_map(|row| Some((*row, messages.remove(row)?)));
    Ok(in_order
        .map(|(row, mut message)| {
            message
                .recipients
                .sort_unstable_by(|one, other| by_number(&one.phone_number, &other.phone_number));
            (row, message)
        })
        .collect())
}

/// A message without its recipients and history.
fn message(row: &Row) -> Result<Message, StoreError> {
    let is_hashed: bool = row.get("is_hashed")?;
    let stored: Option<String> = row.get("content")?;
    let content =
        stored.map(|stored| Content::from_stored(row.text("type")?, stored, is_hashed).map_err(StoreError::unreadable));
    let created_at: Timestamp = row.get("at")?;
    Ok(Message {
        id: row.get("ext_id")?,
        device: row.get("device_id")?,
        state: state(row)?,
        is_hashed,
        is_encrypted: row.get("is_encrypted")?,
        recipients: Vec::new(),
        history: BTreeMap::new(),
        content: content.transpose()?,
        created_at,
    })
}

/// Adds one of what a message has several of.
fn add(message: &mut Message, part: i64, row: &Row) -> Result<(), StoreError> {
    let state = state(row)?;
    if part == RECIPIENT {
        message.recipients.push(Recipient {
            phone_number: row.get("phone_number")?,
            state,
            error: row.get("error")?,
        });
    } else {
        message.history.insert(state, row.get("at")?);
    }
    Ok(())
}

/// The column `state`.
pub(super) fn state(row: &Row) -> Result<State, StoreError> {
    State::parse(row.text("state")?).ok_or_else(|| StoreError::unreadable("a stored state is unknown"))
}
