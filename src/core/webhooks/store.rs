//! The table of webhooks.

use super::Webhook;
use crate::{
    Timestamp,
    db::{Connection, Database, Row, Statement, StoreError},
    users::UserId,
};

/// In capital letters, as the reference's collation compares them: `_` comes last (WIRE §3.10).
const OF_USER: Statement = Statement::same(
    "SELECT ext_id, device_id, url, event FROM webhooks WHERE user_id = ? ORDER BY UPPER(ext_id), ext_id",
);
const OF_DEVICE: Statement = Statement::same(
    "SELECT ext_id, device_id, url, event FROM webhooks \
     WHERE user_id = ? AND (device_id IS NULL OR device_id = ?) ORDER BY UPPER(ext_id), ext_id",
);
const DEVICE: Statement = Statement::of(
    "SELECT id FROM devices WHERE id = ? COLLATE NOCASE AND user_id = ?",
    "SELECT id FROM devices WHERE id = ? AND user_id = ?",
);
const PUT: Statement = Statement::of(
    "INSERT INTO webhooks (ext_id, user_id, device_id, url, event, created_at, updated_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (user_id, ext_id) DO UPDATE SET \
     device_id = excluded.device_id, url = excluded.url, event = excluded.event, updated_at = excluded.updated_at",
    "INSERT INTO webhooks (ext_id, user_id, device_id, url, event, created_at, updated_at) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON DUPLICATE KEY UPDATE \
     device_id = VALUES(device_id), url = VALUES(url), event = VALUES(event), updated_at = VALUES(updated_at)",
);
const DELETE: Statement = Statement::same("DELETE FROM webhooks WHERE user_id = ? AND ext_id = ?");

/// The stored webhooks. A cheap handle.
#[derive(Clone, Debug)]
pub(crate) struct Webhooks(Database);

impl Webhooks {
    pub(crate) fn new(database: Database) -> Self {
        Self(database)
    }

    /// All of a user's, by id.
    pub(super) async fn of_user(&self, user: &UserId) -> Result<Vec<Webhook>, StoreError> {
        let rows = OF_USER.bind(user.as_str()).fetch_all(&self.0).await?;
        rows.iter().map(webhook).collect()
    }

    /// Those that one of the user's devices calls, by id.
    pub(super) async fn of_device(&self, user: &UserId, device: &str) -> Result<Vec<Webhook>, StoreError> {
        let found = OF_DEVICE.bind(user.as_str()).bind(device);
        let rows = found.fetch_all(&self.0).await?;
        rows.iter().map(webhook).collect()
    }

    /// Adds a webhook, or replaces the user's of that id; as it is stored then. Nothing happens, and it is `None`, when the
    /// device is not the user's.
    pub(super) async fn put(
        &self,
        user: &UserId,
        webhook: Webhook,
        now: Timestamp,
    ) -> Result<Option<Webhook>, StoreError> {
        let given = &webhook;
        let put = move |mut change: Connection| async move {
            let mut device_id = None;
            if let Some(device) = &given.device_id {
                let found = DEVICE.bind(device).bind(user.as_str());
                let Some(row) = found.fetch_optional(&mut change).await? else {
                    return Ok(None);
                };
                // Ids are found in another case, too; the phone to tell is known by its own spelling.
                device_id = row.get("id")?;
            }
            PUT.bind(&given.id)
                .bind(user.as_str())
                .bind(&device_id)
                .bind(&given.url)
                .bind(&given.event)
                .bind(now)
                .execute(&mut change)
                .await?;
            change.commit().await?;
            Ok(Some(device_id))
        };
        let stored = self.0.change(put).await?;
        Ok(stored.map(|device_id| Webhook { device_id, ..webhook }))
    }

    /// Nothing happens if there is none.
    pub(super) async fn delete(&self, user: &UserId, id: &str) -> Result<(), StoreError> {
        let gone = DELETE.bind(user.as_str()).bind(id);
        gone.execute(&self.0).await?;
        Ok(())
    }
}

fn webhook(row: &Row) -> Result<Webhook, StoreError> {
    Ok(Webhook {
        id: row.get("ext_id")?,
        device_id: row.get("device_id")?,
        url: row.get("url")?,
        event: row.get("event")?,
    })
}
