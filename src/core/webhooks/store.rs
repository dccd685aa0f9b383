//! The table of webhooks.

use sqlx::{Row, sqlite::SqliteRow};

use super::Webhook;
use crate::{
    Timestamp,
    db::{Database, StoreError},
    users::UserId,
};

/// Case folded, as the reference lists them (WIRE §3.10).
const OF_USER: &str =
    "SELECT ext_id, device_id, url, event FROM webhooks WHERE user_id = ? ORDER BY LOWER(ext_id), ext_id";
const OF_DEVICE: &str = "SELECT ext_id, device_id, url, event FROM webhooks \
     WHERE user_id = ? AND (device_id IS NULL OR device_id = ?) ORDER BY LOWER(ext_id), ext_id";
const HAS_DEVICE: &str = "SELECT 1 FROM devices WHERE id = ? AND user_id = ?";
const PUT: &str = "INSERT INTO webhooks (ext_id, user_id, device_id, url, event, created_at, updated_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (user_id, ext_id) DO UPDATE SET \
     device_id = excluded.device_id, url = excluded.url, event = excluded.event, updated_at = excluded.updated_at";
const DELETE: &str = "DELETE FROM webhooks WHERE user_id = ? AND ext_id = ?";

/// The stored webhooks. A cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Webhooks(Database);

impl Webhooks {
    pub(crate) fn new(database: Database) -> Self {
        Self(database)
    }

    /// All of a user's, by id.
    pub(super) async fn of_user(&self, user: &UserId) -> Result<Vec<Webhook>, StoreError> {
        let found = sqlx::query(OF_USER).bind(user.as_str());
        let rows = found.fetch_all(self.0.reader()).await?;
        Ok(rows.iter().map(webhook).collect::<Result<_, _>>()?)
    }

    /// Those that one of the user's devices calls, by id.
    pub(super) async fn of_device(&self, user: &UserId, device: &str) -> Result<Vec<Webhook>, StoreError> {
        let found = sqlx::query(OF_DEVICE).bind(user.as_str()).bind(device);
        let rows = found.fetch_all(self.0.reader()).await?;
        Ok(rows.iter().map(webhook).collect::<Result<_, _>>()?)
    }

    /// Adds a webhook, or replaces the user's of that id. Nothing happens, and it is `false`, when the device is not the
    /// user's.
    pub(super) async fn put(&self, user: &UserId, webhook: &Webhook, now: Timestamp) -> Result<bool, StoreError> {
        let mut change = self.0.writer().begin_with("BEGIN IMMEDIATE").await?;
        if let Some(device) = &webhook.device_id {
            let found = sqlx::query(HAS_DEVICE).bind(device).bind(user.as_str());
            if found.fetch_optional(&mut *change).await?.is_none() {
                return Ok(false);
            }
        }
        sqlx::query(PUT)
            .bind(&webhook.id)
            .bind(user.as_str())
            .bind(&webhook.device_id)
            .bind(&webhook.url)
            .bind(&webhook.event)
            .bind(now)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(true)
    }

    /// Nothing happens if there is none.
    pub(super) async fn delete(&self, user: &UserId, id: &str) -> Result<(), StoreError> {
        let gone = sqlx::query(DELETE).bind(user.as_str()).bind(id);
        gone.execute(self.0.writer()).await?;
        Ok(())
    }
}

fn webhook(row: &SqliteRow) -> Result<Webhook, sqlx::Error> {
    Ok(Webhook {
        id: row.try_get("ext_id")?,
        device_id: row.try_get("device_id")?,
        url: row.try_get("url")?,
        event: row.try_get("event")?,
    })
}
