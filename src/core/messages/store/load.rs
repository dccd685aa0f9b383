//! How does a message come out of the database? Whole, and many at once: two statements, however many there are.

use std::collections::{BTreeMap, HashMap};

use crate::Timestamp;
use crate::db::{Connection, Row, Statement, StoreError};
use crate::messages::content::Content;
use crate::messages::state::State;
use crate::messages::view::{Message, Recipient, by_number};

/// What [`message`] reads; `m` is the message, and the value says whether with its content.
macro_rules! columns {
    ($with_content:literal) => {
        concat!(
            "m.id, m.ext_id, m.device_id, m.type, CASE WHEN ",
            $with_content,
            " THEN m.content END AS content, m.state, m.is_hashed, m.is_encrypted, m.created_at"
        )
    };
}
pub(super) use columns;

pub(super) const MESSAGE: Statement =
    Statement::same(concat!("SELECT ", columns!("1"), " FROM messages AS m WHERE m.id = ?"));
/// Recipients, which have a number, and states, which have a time. In no order: to have the database sort them costs as
/// much as to have it find them.
pub(super) const DETAILS: Statement = Statement::same(
    "SELECT message_id, phone_number, state, error, NULL AS updated_at FROM message_recipients WHERE message_id IN (?1) \
     UNION ALL SELECT message_id, NULL, state, NULL, updated_at FROM message_states WHERE message_id IN (?1)",
);

/// The message of this row.
pub(super) async fn by_row(connection: &mut Connection, row: i64) -> Result<Option<Message>, StoreError> {
    let found = MESSAGE.bind(row).fetch_optional(&mut *connection).await?;
    let Some(found) = found else {
        return Ok(None);
    };
    let messages = whole(connection, vec![(row, message(&found)?)]).await?;
    Ok(messages.into_iter().next())
}

/// Adds to the messages of these rows what each has several of; recipients in the order of their numbers (WIRE §17).
pub(super) async fn whole(
    connection: &mut Connection,
    mut messages: Vec<(i64, Message)>,
) -> Result<Vec<Message>, StoreError> {
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let places = messages.iter().enumerate().map(|(place, (row, _))| (*row, place));
    let places: HashMap<i64, usize> = places.collect();
    let query = DETAILS.bind_list(messages.iter().map(|(row, _)| row));
    for row in query.fetch_all(connection).await? {
        let place = places.get(&row.get("message_id")?);
        let Some((_, message)) = place.and_then(|place| messages.get_mut(*place)) else {
            continue;
        };
        let state = state(&row)?;
        match row.get("phone_number")? {
            Some(phone_number) => message.recipients.push(Recipient {
                phone_number,
                state,
                error: row.get("error")?,
            }),
            None => {
                message.history.insert(state, row.get("updated_at")?);
            }
        }
    }
    Ok(messages
        .into_iter()
        .map(|(_, mut message)| {
            message
                .recipients
                .sort_unstable_by(|one, other| by_number(&one.phone_number, &other.phone_number));
            message
        })
        .collect())
}

/// A message without its recipients and history.
pub(super) fn message(row: &Row) -> Result<Message, StoreError> {
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
