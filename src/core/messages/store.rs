//! How are messages kept? The statements, one file for each thing that is done.
//!
//! It knows no rule of requests and no HTTP.

mod cancel;
mod clean;
mod hash;
mod insert;
mod limits;
mod list;
mod load;
mod pull;
mod report;

pub(crate) use cancel::CancelRefusal;
pub(crate) use insert::Inserted;

use super::states::States;
use super::view::Message;
use crate::db::{Connection, Database, Statement, StoreError};
use crate::users::UserId;

/// The stored messages. A cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Messages {
    database: Database,
    /// Hears of every change once it is stored.
    states: States,
}

impl Messages {
    pub(crate) fn new(database: Database, states: States) -> Self {
        Self { database, states }
    }

    /// What is known of them without asking the database.
    pub(crate) fn states(&self) -> &States {
        &self.states
    }

    /// Ends a change of these messages. A commit that failed may have happened nevertheless, when only its answer was lost:
    /// what is known of them counts no more either way.
    async fn finish(&self, change: Connection, rows: &[i64]) -> Result<(), StoreError> {
        let committed = change.commit().await;
        self.states.changed(rows).heard().await;
        committed
    }

    /// The user's message with this id, with content, and its row. When several devices have one of this id: the latest.
    pub(crate) async fn find(&self, user: &UserId, id: &str) -> Result<Option<(i64, Message)>, StoreError> {
        let mut reading = self.database.reading().await?;
        let Some(latest) = rows_of(&mut reading, user, id).await?.first().copied() else {
            return Ok(None);
        };
        let message = load::by_row(&mut reading, latest).await?;
        Ok(message.map(|message| (latest, message)))
    }
}

// With no LIMIT, for which MySQL may take another index. Hardly ever are there several.
const ROWS_OF: Statement = Statement::same(
    "SELECT id FROM messages WHERE ext_id = ? AND device_id IN (SELECT id FROM devices WHERE user_id = ?) \
     ORDER BY id DESC",
);

/// The rows of the user's messages with this id of a client's, which is unique for a device only; the latest first.
async fn rows_of(connection: &mut Connection, user: &UserId, id: &str) -> Result<Vec<i64>, StoreError> {
    ROWS_OF.bind(id).bind(user.as_str()).fetch_column(connection).await
}

#[cfg(test)]
mod plans;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
