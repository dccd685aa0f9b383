//! How does a message come out of the database? Whole, and many at once: three statements, however many there are.

use std::collections::{BTreeMap, HashMap};

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use crate::Timestamp;
use crate::messages::content::Content;
use crate::messages::state::State;
use crate::messages::view::{Message, Recipient};

const MESSAGES: &str = "SELECT id, ext_id, device_id, type, CASE WHEN ?2 THEN content END AS content, \
     state, is_hashed, is_encrypted, created_at \
     FROM messages WHERE id IN (SELECT value FROM json_each(?1))";
const RECIPIENTS: &str = "SELECT message_id, phone_number, state, error FROM message_recipients \
     WHERE message_id IN (SELECT value FROM json_each(?1)) ORDER BY message_id, phone_number";
const HISTORY: &str = "SELECT message_id, state, updated_at FROM message_states \
     WHERE message_id IN (SELECT value FROM json_each(?1))";

/// The messages of these rows in this order; recipients in the order of their numbers (WIRE §17).
pub(super) async fn messages(
    connection: &mut SqliteConnection,
    rows: &[i64],
    with_content: bool,
) -> Result<Vec<Message>, sqlx::Error> {
    let ids = super::json(&rows);
    let mut found: HashMap<i64, Message> = HashMap::with_capacity(rows.len());
    let query = sqlx::query(MESSAGES).bind(&ids).bind(with_content);
    for row in query.fetch_all(&mut *connection).await? {
        found.insert(row.try_get("id")?, message(&row)?);
    }
    for row in sqlx::query(RECIPIENTS).bind(&ids).fetch_all(&mut *connection).await? {
        if let Some(message) = found.get_mut(&row.try_get("message_id")?) {
            message.recipients.push(Recipient {
                phone_number: row.try_get("phone_number")?,
                state: state(&row)?,
                error: row.try_get("error")?,
            });
        }
    }
    for row in sqlx::query(HISTORY).bind(&ids).fetch_all(&mut *connection).await? {
        if let Some(message) = found.get_mut(&row.try_get("message_id")?) {
            message.history.insert(state(&row)?, row.try_get("updated_at")?);
        }
    }
    Ok(rows.iter().filter_map(|row| found.remove(row)).collect())
}

/// A message without its recipients and history.
fn message(row: &SqliteRow) -> Result<Message, sqlx::Error> {
    let is_hashed: bool = row.try_get("is_hashed")?;
    let stored: Option<String> = row.try_get("content")?;
    let kind: &str = row.try_get("type")?;
    let content = stored.map(|stored| Content::from_stored(kind, stored, is_hashed));
    let created_at: Timestamp = row.try_get("created_at")?;
    Ok(Message {
        id: row.try_get("ext_id")?,
        device: row.try_get("device_id")?,
        state: state(row)?,
        is_hashed,
        is_encrypted: row.try_get("is_encrypted")?,
        recipients: Vec::new(),
        history: BTreeMap::new(),
        content: content.transpose().map_err(undecodable)?,
        created_at,
    })
}

/// The column `state`.
pub(super) fn state(row: &SqliteRow) -> Result<State, sqlx::Error> {
    let name: &str = row.try_get("state")?;
    State::parse(name).ok_or_else(|| sqlx::Error::Decode("a stored state is unknown".into()))
}

/// What is stored makes no sense.
pub(super) fn undecodable(error: crate::messages::content::Unreadable) -> sqlx::Error {
    sqlx::Error::Decode(error.into())
}

#[cfg(test)]
mod tests {
    use super::{HISTORY, MESSAGES, RECIPIENTS};
    use crate::testing::plan;

    #[tokio::test]
    async fn a_page_is_loaded_by_index_whatever_else_is_stored() {
        for (statement, search) in [
            (MESSAGES, "SEARCH messages USING INTEGER PRIMARY KEY (rowid=?)"),
            (
                RECIPIENTS,
                "SEARCH message_recipients USING INDEX unq_message_recipients_message_id_phone_number (message_id=?)",
            ),
            (
                HISTORY,
                "SEARCH message_states USING INDEX unq_message_states_message_id_state (message_id=?)",
            ),
        ] {
            let plan = plan(statement).await;
            assert!(plan.contains(search), "{statement}: {plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{statement}: {plan}");
        }
    }
}
