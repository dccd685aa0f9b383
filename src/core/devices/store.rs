//! The table of devices.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{Device, DeviceId, NewDevice, SimCard};
use crate::{
    Timestamp,
    db::{Database, StoreError},
    users::UserId,
};

const BY_TOKEN: &str = "SELECT * FROM devices WHERE auth_token = ?";
/// Case folded, as the reference lists them (WIRE §3.7).
const BY_USER: &str = "SELECT * FROM devices WHERE user_id = ? ORDER BY LOWER(id), id";

#[derive(Clone, Debug)]
pub(super) struct Store(pub(super) Database);

impl Store {
    pub(super) async fn by_token(&self, token: &str) -> Result<Option<Device>, StoreError> {
        let row = sqlx::query(BY_TOKEN)
            .bind(token)
            .fetch_optional(self.0.reader())
            .await?;
        Ok(row.map(|row| device(&row)).transpose()?)
    }

    pub(super) async fn by_id(&self, user: &UserId, id: &DeviceId) -> Result<Option<Device>, StoreError> {
        let row = sqlx::query("SELECT * FROM devices WHERE id = ? AND user_id = ?")
            .bind(id.as_str())
            .bind(user.as_str())
            .fetch_optional(self.0.reader())
            .await?;
        Ok(row.map(|row| device(&row)).transpose()?)
    }

    /// By id.
    pub(super) async fn list(&self, user: &UserId) -> Result<Vec<Device>, StoreError> {
        let rows = sqlx::query(BY_USER)
            .bind(user.as_str())
            .fetch_all(self.0.reader())
            .await?;
        Ok(rows.iter().map(device).collect::<Result<_, _>>()?)
    }

    pub(super) async fn update(
        &self,
        id: &DeviceId,
        push_token: Option<&str>,
        sim_cards: &[SimCard],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE devices SET push_token = COALESCE(?, push_token), sim_cards = ?, updated_at = ? \
             WHERE id = ?",
        )
        .bind(push_token)
        .bind(as_json(sim_cards)?)
        .bind(now)
        .bind(id.as_str())
        .execute(self.0.writer())
        .await?;
        Ok(())
    }

    /// The token of the device that was deleted, if one was.
    pub(super) async fn delete(&self, user: &UserId, id: &str) -> Result<Option<String>, StoreError> {
        let mut change = self.0.writer().begin().await?;
        let row = sqlx::query("SELECT auth_token FROM devices WHERE id = ? AND user_id = ?")
            .bind(id)
            .bind(user.as_str())
            .fetch_optional(&mut *change)
            .await?;
        let Some(row) = row else {
            return Ok(None);
        };
        // Messages and the device's own webhooks go by cascade.
        sqlx::query("DELETE FROM devices WHERE id = ?")
            .bind(id)
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(Some(row.try_get("auth_token")?))
    }

    /// Moves the time they were last seen, never back.
    pub(super) async fn seen(&self, seen: &[(DeviceId, Timestamp)]) -> Result<(), StoreError> {
        let mut change = self.0.writer().begin().await?;
        for (device, at) in seen {
            sqlx::query("UPDATE devices SET last_seen = ? WHERE id = ? AND last_seen < ?")
                .bind(at)
                .bind(device.as_str())
                .bind(at)
                .execute(&mut *change)
                .await?;
        }
        change.commit().await?;
        Ok(())
    }
}

/// Adds a device within a larger change.
pub(super) async fn insert(
    change: &mut SqliteConnection,
    device: &NewDevice,
    user: &UserId,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO devices \
         (id, name, auth_token, push_token, user_id, last_seen, sim_cards, created_at, updated_at) \
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(device.id.as_str())
    .bind(&device.name)
    .bind(&device.token)
    .bind(&device.push_token)
    .bind(user.as_str())
    .bind(now)
    .bind(as_json(&device.sim_cards)?)
    .bind(now)
    .bind(now)
    .execute(change)
    .await?;
    Ok(())
}

fn device(row: &SqliteRow) -> Result<Device, sqlx::Error> {
    let sim_cards: String = row.try_get("sim_cards")?;
    Ok(Device {
        id: DeviceId::stored(row.try_get("id")?),
        user: UserId::stored(row.try_get("user_id")?),
        name: row.try_get("name")?,
        token: row.try_get("auth_token")?,
        push_token: row.try_get("push_token")?,
        sim_cards: serde_json::from_str(&sim_cards).map_err(|error| sqlx::Error::Decode(error.into()))?,
        last_seen: row.try_get("last_seen")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn as_json(sim_cards: &[SimCard]) -> Result<String, sqlx::Error> {
    serde_json::to_string(sim_cards).map_err(|error| sqlx::Error::Encode(error.into()))
}
