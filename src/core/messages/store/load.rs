//! How does a message come out of the database? Whole, and many at once: three statements, however many there are.

use std::collections::{BTreeMap, HashMap};

use crate::Timestamp;
use crate::db::{Connection, Row, Statement, StoreError};
use crate::messages::content::Content;
use crate::messages::state::State;
use crate::messages::view::{Message, Recipient};

pub(super) const MESSAGES: Statement = Statement::same(
    "SELECT id, ext_id, device_id, type, CASE WHEN ? THEN content END AS content, \
     state, is_hashed, is_encrypted, created_at FROM messages WHERE id IN (?)",
);
pub(super) const RECIPIENTS: Statement = Statement::same(
    "SELECT message_id, phone_number, state, error FROM message_recipients \
     WHERE message_id IN (?) ORDER BY message_id, phone_number",
);
pub(super) const HISTORY: Statement =
    Statement::same("SELECT message_id, state, updated_at FROM message_states WHERE message_id IN (?)");

/// The messages of these rows in this order; recipients in the order of their numbers (WIRE §17).
pub(super) async fn messages(
    connection: &mut Connection,
    rows: &[i64],
    with_content: bool,
) -> Result<Vec<Message>, StoreError> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut found: HashMap<i64, Message> = HashMap::with_capacity(rows.len());
    let query = MESSAGES.bind(with_content).bind_list(rows);
    for row in query.fetch_all(&mut *connection).await? {
        found.insert(row.get("id")?, message(&row)?);
    }
    for row in RECIPIENTS.bind_list(rows).fetch_all(&mut *connection).await? {
        if let Some(message) = found.get_mut(&row.get("message_id")?) {
            message.recipients.push(Recipient {
                phone_number: row.get("phone_number")?,
                state: state(&row)?,
                error: row.get("error")?,
            });
        }
    }
    for row in HISTORY.bind_list(rows).fetch_all(&mut *connection).await? {
        if let Some(message) = found.get_mut(&row.get("message_id")?) {
            message.history.insert(state(&row)?, row.get("updated_at")?);
        }
    }
    Ok(rows.iter().filter_map(|row| found.remove(row)).collect())
}

/// A message without its recipients and history.
fn message(row: &Row) -> Result<Message, StoreError> {
    let is_hashed: bool = row.get("is_hashed")?;
    let stored: Option<String> = row.get("content")?;
    let content =
        stored.map(|stored| Content::from_stored(row.text("type")?, stored, is_hashed).map_err(StoreError::unreadable));
    let created_at: Timestamp = row.get("created_at")?;
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

/// The column `state`.
pub(super) fn state(row: &Row) -> Result<State, StoreError> {
    State::parse(row.text("state")?).ok_or_else(|| StoreError::unreadable("a stored state is unknown"))
}
