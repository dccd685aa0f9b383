//! Settings: what a user wants all his phones to do (WIRE §3.11). One table says which there are (`schema`); clients
//! replace or merge them, phones read all of them, clients only what is no secret (`view`).
//!
//! They are asked for much more often than they change, by every phone and with every check of a login: what was answered
//! is remembered for a while. Other processes say when they change a user's settings.

mod draft;
mod routes;
mod schema;
mod store;
mod view;

use std::time::Duration;

pub(crate) use routes::routes;
use serde::{Deserialize, Serialize};

use crate::{
    Timestamp,
    db::{Database, StoreError},
    shared::{PubSub, Remembered, Teller, Topic, Word},
    users::UserId,
};
use store::Change;
use view::Views;

/// How long, should somebody change the table who tells nobody.
const TTL: Duration = Duration::from_secs(60);
/// How many bytes of answers are remembered, and what an entry costs beside its answers.
const MOST_BYTES: u64 = 8 << 20;
const ENTRY_BYTES: usize = 256;

/// Settings by section and name, as they are stored: every value is null, true, false, an integer or a text.
type Tree = serde_json::Map<String, serde_json::Value>;

/// What can be done with settings.
#[derive(Debug)]
pub(crate) struct Settings {
    database: Database,
    /// Also of users who never set any.
    known: Remembered<UserId, Views>,
    others: PubSub,
    teller: Teller<Changed>,
}

/// What processes tell each other of settings that were changed.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Changed {
    /// Whose, or without: of whomever.
    user_id: Option<String>,
}

impl Word for Changed {
    fn join(self, other: Self) -> Self {
        Self {
            user_id: self.user_id.filter(|user| other.user_id.as_ref() == Some(user)),
        }
    }
}

impl Settings {
    pub(crate) fn new(database: Database, others: PubSub) -> Self {
        let size = |user: &UserId, views: &Views| user.as_str().len() + views.len() + ENTRY_BYTES;
        Self {
            database,
            known: Remembered::bytes(TTL, MOST_BYTES, size),
            teller: Teller::new(others.clone(), Topic::Settings, TTL),
            others,
        }
    }

    /// A user's settings. Most often the database is not asked.
    async fn of(&self, user: &UserId) -> Result<Views, StoreError> {
        let session = self.others.session();
        if let Some(known) = self.known.recall(user, session) {
            return Ok(known);
        }
        let began = self.known.look_up(session);
        let views = Views::of(&store::of(&self.database, user).await?);
        self.known.remember(user, views.clone(), began);
        Ok(views)
    }

    /// Changes a user's settings, and says what they are then. Nobody knows others any more when it returns, as far as other
    /// processes could be told.
    async fn change(&self, user: &UserId, change: Change, now: Timestamp) -> Result<Views, StoreError> {
        let changed = store::change(&self.database, user, change, now).await;
        // Also if it failed: the database may have done more than it could say.
        self.known.forget(user);
        let user_id = Some(user.as_str().to_owned());
        self.teller.tell(Changed { user_id }).heard().await;
        Ok(Views::of(&changed?))
    }

    /// Another process changed settings.
    pub(crate) fn changed_elsewhere(&self, change: &Changed) {
        match &change.user_id {
            Some(user) => self.changed_of(user),
            None => self.forget_all(),
        }
    }

    /// The settings of this user are others than before.
    pub(crate) fn changed_of(&self, user: &str) {
        self.known.forget(&UserId::stored(user));
    }

    /// Other processes changed settings, and nobody knows whose.
    pub(crate) fn forget_all(&self) {
        self.known.forget_all();
    }
}

#[cfg(test)]
mod tests;
