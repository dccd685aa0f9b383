//! The table of settings: one JSON object per user.

use serde_json::{Map, Value};
use sqlx::Row;

use crate::{
    db::{Database, StoreError},
    users::UserId,
};

/// A user's settings; nothing when he never set any.
pub(super) async fn of(database: &Database, user: &UserId) -> Result<Map<String, Value>, StoreError> {
    let row = sqlx::query("SELECT settings FROM device_settings WHERE user_id = ?")
        .bind(user.as_str())
        .fetch_optional(database.reader())
        .await?;
    let Some(row) = row else {
        return Ok(Map::new());
    };
    let text: String = row.try_get("settings")?;
    Ok(serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(error.into()))?)
}
