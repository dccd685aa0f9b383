//! The table of devices.

use std::sync::Arc;

use super::{Device, DeviceId, NewDevice, Owner, SimCard};
use crate::{
    Timestamp,
    db::{Connection, Database, Row, Statement, StoreError},
    users::{UserError, UserId, Users},
};

const BY_TOKEN: Statement = Statement::same("SELECT * FROM devices WHERE auth_token = ?");
/// Clients may write ids in any case, as the reference's collation compares them.
const BY_ID: Statement = Statement::of(
    "SELECT * FROM devices WHERE id = ? COLLATE NOCASE AND user_id = ?",
    "SELECT * FROM devices WHERE id = ? AND user_id = ?",
);
/// In capital letters, as the reference's collation compares them: `_` comes last (WIRE §3.7).
const BY_USER: Statement = Statement::same("SELECT * FROM devices WHERE user_id = ? ORDER BY UPPER(id), id");
/// Without those that are taken out ([`taken_out`]).
const IDS: Statement = Statement::of(
    "SELECT id FROM devices WHERE user_id = ?1 AND (?2 IS NULL OR id = ?2 COLLATE NOCASE) \
     AND (?3 IS NULL OR last_seen >= ?3) AND auth_token NOT LIKE '!%'",
    "SELECT id FROM devices WHERE user_id = ?1 AND (?2 IS NULL OR id = ?2) \
     AND (?3 IS NULL OR last_seen >= ?3) AND auth_token NOT LIKE '!%'",
);
const STORED_ID: Statement = Statement::of(
    "SELECT id FROM devices WHERE id = ? COLLATE NOCASE AND user_id = ?",
    "SELECT id FROM devices WHERE id = ? AND user_id = ?",
);
const INSERT: Statement = Statement::same(
    "INSERT INTO devices (id, name, auth_token, push_token, user_id, last_seen, sim_cards, created_at, updated_at) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
);
const UPDATE: Statement = Statement::same(
    "UPDATE devices SET push_token = COALESCE(?, push_token), sim_cards = ?, updated_at = ? WHERE id = ?",
);
/// With `updated_at`, which MySQL would set to a time of its own.
const SEEN: Statement = Statement::of(
    "UPDATE devices SET last_seen = CASE id ?1 END, updated_at = updated_at \
     WHERE id IN (?2) AND last_seen < CASE id ?1 END",
    // Of cases with nothing but values MySQL takes the type from elsewhere since 8.0.22: times must be compared as times.
    "UPDATE devices SET last_seen = CAST(CASE id ?1 END AS DATETIME(3)), updated_at = updated_at \
     WHERE id IN (?2) AND last_seen < CAST(CASE id ?1 END AS DATETIME(3))",
);
const TAKE_OUT: Statement = Statement::same("UPDATE devices SET auth_token = ?, push_token = NULL WHERE id = ?");
/// Characters of a token; MySQL has no room for more.
const TOKEN_LENGTH: usize = 21;
/// How many devices are written in one statement.
const SEEN_AT_ONCE: usize = 64;
const DELETE: Statement = Statement::same("DELETE FROM devices WHERE id = ?");

#[derive(Clone, Debug)]
pub(super) struct Store(pub(super) Database);

impl Store {
    pub(super) async fn by_token(&self, token: &str) -> Result<Option<Device>, StoreError> {
        let row = BY_TOKEN.bind(token).fetch_optional(&self.0).await?;
        let device = row.as_ref().map(device).transpose()?;
        // MySQL compares without case; a secret is nothing but itself.
        Ok(device.filter(|device| device.token == token))
    }

    pub(super) async fn by_id(&self, user: &UserId, id: &DeviceId) -> Result<Option<Device>, StoreError> {
        let find = BY_ID.bind(id.as_str()).bind(user.as_str());
        let row = find.fetch_optional(&self.0).await?;
        row.as_ref().map(device).transpose()
    }

    /// By id.
    pub(super) async fn list(&self, user: &UserId) -> Result<Vec<Device>, StoreError> {
        let rows = BY_USER.bind(user.as_str()).fetch_all(&self.0).await?;
        rows.iter().map(device).collect()
    }

    /// Only this one, or only those seen since then.
    pub(super) async fn ids(
        &self,
        user: &UserId,
        wanted: Option<&str>,
        seen_since: Option<Timestamp>,
    ) -> Result<Arc<[DeviceId]>, StoreError> {
        let find = IDS.bind(user.as_str()).bind(wanted).bind(seen_since);
        let rows = find.fetch_all(&self.0).await?;
        rows.iter().map(|row| Ok(DeviceId::stored(row.text("id")?))).collect()
    }

    /// Adds a device, and its user if that one is new, too: both or neither.
    pub(super) async fn register(
        &self,
        device: &NewDevice,
        owner: &Owner<'_>,
        now: Timestamp,
    ) -> Result<(), UserError> {
        let add = move |mut change: Connection| async move {
            let user = match owner {
                Owner::Known(user) => user,
                Owner::New(user) => {
                    if !Users::insert(&mut change, user, now).await? {
                        return Ok(Err(UserError::Taken(user.id.clone())));
                    }
                    &user.id
                }
            };
            insert(&mut change, device, user, now).await?;
            change.commit().await?;
            Ok(Ok(()))
        };
        self.0.change(add).await?
    }

    pub(super) async fn update(
        &self,
        id: &DeviceId,
        push_token: Option<&str>,
        sim_cards: &[SimCard],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = UPDATE.bind(push_token).bind(as_json(sim_cards)?).bind(now);
        update.bind(id.as_str()).execute(&self.0).await?;
        Ok(())
    }

    /// The id of the user's device as it is written here: it is found by any spelling.
    pub(super) async fn stored_id(&self, user: &UserId, id: &str) -> Result<Option<DeviceId>, StoreError> {
        let find = STORED_ID.bind(id).bind(user.as_str());
        let row = find.fetch_optional(&self.0).await?;
        row.map(|row| Ok(DeviceId::stored(row.text("id")?))).transpose()
    }

    /// From now on the device is nobody's, pushed to no more, and not among [`Self::ids`].
    pub(super) async fn take_out(&self, id: &DeviceId, random: &str) -> Result<(), StoreError> {
        let token = taken_out(random);
        TAKE_OUT.bind(token).bind(id.as_str()).execute(&self.0).await?;
        Ok(())
    }

    /// The id of the device that was deleted, if one was: it is found by any spelling of its id.
    pub(super) async fn delete(&self, user: &UserId, id: &str) -> Result<Option<DeviceId>, StoreError> {
        let delete = move |mut change: Connection| async move {
            let find = STORED_ID.bind(id).bind(user.as_str());
            let Some(row) = find.fetch_optional(&mut change).await? else {
                return Ok(None);
            };
            // Messages and the device's own webhooks go by cascade.
            let id = DeviceId::stored(row.text("id")?);
            DELETE.bind(id.as_str()).execute(&mut change).await?;
            change.commit().await?;
            Ok(Some(id))
        };
        self.0.change(delete).await
    }

    /// Moves the time they were last seen, never back.
    pub(super) async fn seen(&self, seen: &[(DeviceId, Timestamp)]) -> Result<(), StoreError> {
        let write = move |mut change: Connection| async move {
            for seen in seen.chunks(SEEN_AT_ONCE) {
                let update = SEEN.bind_cases(seen.iter().map(|(device, at)| (device.as_str(), at)));
                let update = update.bind_list(seen.iter().map(|(device, _)| device.as_str()));
                update.execute(&mut change).await?;
            }
            change.commit().await
        };
        self.0.change(write).await
    }
}

/// What stands in the place of a token until the device is deleted: no token that was ever given out begins so, neither here
/// nor by the reference.
fn taken_out(random: &str) -> String {
    std::iter::once('!').chain(random.chars()).take(TOKEN_LENGTH).collect()
}

/// Adds a device within a larger change.
async fn insert(change: &mut Connection, device: &NewDevice, user: &UserId, now: Timestamp) -> Result<(), StoreError> {
    INSERT
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

fn device(row: &Row) -> Result<Device, StoreError> {
    Ok(Device {
        id: DeviceId::stored(row.text("id")?),
        user: UserId::stored(row.text("user_id")?),
        name: row.get("name")?,
        token: row.get("auth_token")?,
        push_token: row.get("push_token")?,
        sim_cards: serde_json::from_str(row.text("sim_cards")?).map_err(StoreError::unreadable)?,
        last_seen: row.get("last_seen")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

fn as_json(sim_cards: &[SimCard]) -> Result<String, StoreError> {
    serde_json::to_string(sim_cards).map_err(StoreError::unwritable)
}
