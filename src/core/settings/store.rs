//! The table of settings: one JSON object per user.

use serde_json::Value;
use sqlx::{Row, SqliteConnection};

use super::Tree;
use crate::{
    Timestamp,
    db::{Database, StoreError},
    users::UserId,
};

const OF_USER: &str = "SELECT settings FROM device_settings WHERE user_id = ?";
const PUT: &str = "INSERT INTO device_settings (user_id, settings, created_at, updated_at) VALUES (?1, ?2, ?3, ?3) \
     ON CONFLICT (user_id) DO UPDATE SET settings = excluded.settings, updated_at = excluded.updated_at";

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
    let mut connection = database.reader().acquire().await?;
    Ok(load(&mut connection, user).await?)
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
    let mut writing = database.writer().begin_with("BEGIN IMMEDIATE").await?;
    let settings = match change {
        Change::Replace(given) => given,
        Change::Merge(given) => {
            let mut settings = load(&mut writing, user).await?;
            merge(&mut settings, given);
            settings
        }
    };
    let text = Value::Object(settings.clone()).to_string();
    let put = sqlx::query(PUT).bind(user.as_str()).bind(text).bind(now);
    put.execute(&mut *writing).await?;
    writing.commit().await?;
    Ok(settings)
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

async fn load(connection: &mut SqliteConnection, user: &UserId) -> Result<Tree, sqlx::Error> {
    let found = sqlx::query(OF_USER).bind(user.as_str());
    let Some(row) = found.fetch_optional(connection).await? else {
        return Ok(Tree::new());
    };
    let text: String = row.try_get("settings")?;
    serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(error.into()))
}
