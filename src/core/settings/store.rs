//! The table of settings: one JSON object per user.

use serde_json::Value;

use super::Tree;
use crate::{
    Timestamp,
    db::{Connection, Database, On, Statement, StoreError},
    users::UserId,
};

const OF_USER: Statement = Statement::same("SELECT settings FROM device_settings WHERE user_id = ?");
/// Keeps other changes of the user's settings away. The row of the settings would not do: it may not be there yet.
const LOCK: Statement = Statement::of(
    // The transaction keeps every other away.
    "SELECT id FROM users WHERE id = ?",
    "SELECT id FROM users WHERE id = ? FOR UPDATE",
);
const PUT: Statement = Statement::of(
    "INSERT INTO device_settings (user_id, settings, created_at, updated_at) VALUES (?1, ?2, ?3, ?3) \
     ON CONFLICT (user_id) DO UPDATE SET settings = excluded.settings, updated_at = excluded.updated_at",
    "INSERT INTO device_settings (user_id, settings, created_at, updated_at) VALUES (?1, ?2, ?3, ?3) \
     ON DUPLICATE KEY UPDATE settings = VALUES(settings), updated_at = VALUES(updated_at)",
);

/// What is to happen to a user's settings.
#[derive(Debug)]
pub(super) enum Change {
    /// What is given replaces what is there by that name; the rest stays.
    Merge(Tree),
    /// Only what is given is there afterwards.
    Replace(Tree),
}

/// A user's settings; nothing when he never set any.
pub(super) async fn of(database: &Database, user: &UserId) -> Result<Tree, StoreError> {
    load(database, user).await
}

/// Changes a user's settings, and says what they are then.
///
/// INVARIANT(no lost merge): what is there is read within the transaction that writes, so that of two merges at once none
/// undoes the other. Test: `routes::tests::merges_at_once_are_all_kept`.
pub(super) async fn change(
    database: &Database,
    user: &UserId,
    change: Change,
    now: Timestamp,
) -> Result<Tree, StoreError> {
    let change = &change;
    let write = move |mut writing: Connection| async move {
        LOCK.bind(user.as_str()).fetch_optional(&mut writing).await?;
        let settings = match change {
            Change::Replace(given) => given.clone(),
            Change::Merge(given) => {
                let mut settings = load(&mut writing, user).await?;
                merge(&mut settings, given.clone());
                settings
            }
        };
        let text = Value::Object(settings.clone()).to_string();
        let put = PUT.bind(user.as_str()).bind(text).bind(now);
        put.execute(&mut writing).await?;
        writing.commit().await?;
        Ok(settings)
    };
    database.change(write).await
}

/// Section by section, setting by setting.
fn merge(settings: &mut Tree, given: Tree) {
    for (name, given) in given {
        match (settings.get_mut(&name), given) {
            (Some(Value::Object(section)), Value::Object(given)) => section.extend(given),
            (_, given) => {
                settings.insert(name, given);
            }
        }
    }
}

async fn load(on: impl Into<On<'_>>, user: &UserId) -> Result<Tree, StoreError> {
    let Some(row) = OF_USER.bind(user.as_str()).fetch_optional(on).await? else {
        return Ok(Tree::new());
    };
    serde_json::from_str(row.text("settings")?).map_err(StoreError::unreadable)
}
