//! Which devices and tokens have grown old? The statements; those about messages are in `messages/store`.

use crate::Timestamp;
use crate::db::{Database, Statement, StoreError};

/// How many rows are looked at, or deleted, at once.
const AT_ONCE: i64 = 100;

const DEVICES: Statement = Statement::same("SELECT id FROM devices WHERE id > ? ORDER BY id LIMIT ?");
const NOT_SEEN: Statement = Statement::same("SELECT id FROM devices WHERE last_seen < ? ORDER BY last_seen LIMIT ?");
const DELETE_DEVICE: Statement = Statement::same("DELETE FROM devices WHERE id = ? AND last_seen < ?");
// SQLite deletes no limited number, and MySQL would go through all tokens for each that the inner query finds.
const DELETE_TOKENS: Statement = Statement::of(
    "DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE expires_at < ? LIMIT ?)",
    "DELETE FROM tokens WHERE expires_at < ? LIMIT ?",
);

/// The tables of devices and tokens, as the tasks use them.
#[derive(Debug)]
pub(super) struct Store<'a>(pub(super) &'a Database);

impl Store<'_> {
    /// The next ids after this one.
    pub(super) async fn devices_after(&self, id: &str) -> Result<Vec<String>, StoreError> {
        DEVICES.bind(id).bind(AT_ONCE).fetch_column(self.0).await
    }

    /// The ids of some of the devices that were not seen since, the longest first.
    pub(super) async fn devices_not_seen_since(&self, moment: Timestamp) -> Result<Vec<String>, StoreError> {
        NOT_SEEN.bind(moment).bind(AT_ONCE).fetch_column(self.0).await
    }

    /// Deletes the device with all that is its own, unless it was seen meanwhile. Says whether it did.
    pub(super) async fn delete_device(&self, id: &str, not_seen_since: Timestamp) -> Result<bool, StoreError> {
        let delete = DELETE_DEVICE.bind(id).bind(not_seen_since);
        Ok(delete.execute(self.0).await?.rows > 0)
    }

    /// Deletes some of the tokens that expired before, and says how many: none when all are gone.
    pub(super) async fn delete_tokens(&self, before: Timestamp) -> Result<u64, StoreError> {
        let delete = DELETE_TOKENS.bind(before).bind(AT_ONCE);
        Ok(delete.execute(self.0).await?.rows)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::{DELETE_DEVICE, DELETE_TOKENS, DEVICES, NOT_SEEN};
    use crate::Timestamp;
    use crate::db::Statement;
    use crate::db::testing::{Kind, Place, on_both_databases, plan};

    async fn what_is_old_is_found_by_index(kind: Kind) {
        let place = Place::new(kind).await;
        let database = place.open().await;
        let now = Timestamp::from_millis(1_000);
        let user = "INSERT INTO users (id, password_hash, created_at, updated_at) VALUES ('U', '', ?1, ?1)";
        Statement::same(user).bind(now).execute(&database).await.unwrap();
        let device = |number: i64| {
            let (id, token) = (format!("d{number}"), format!("t{number}"));
            vec![
                id.into(),
                token.into(),
                "U".into(),
                Timestamp::from_millis(1_000 * number).into(),
                now.into(),
                now.into(),
            ]
        };
        let devices = Statement::same(
            "INSERT INTO devices (id, auth_token, user_id, last_seen, created_at, updated_at) VALUES ?",
        );
        let mut change = database.begin().await.unwrap();
        devices
            .insert_rows((0..500).map(device).collect(), &mut change)
            .await
            .unwrap();
        change.commit().await.unwrap();
        for (query, sqlite, mariadb) in [
            (
                DEVICES.bind("d").bind(100),
                "INDEX sqlite_autoindex_devices_1 (id>?)",
                "devices/range/PRIMARY/",
            ),
            (
                NOT_SEEN.bind(now).bind(100),
                "INDEX idx_devices_last_seen (last_seen<?)",
                "devices/range/idx_devices_last_seen/",
            ),
            (
                DELETE_DEVICE.bind("d1").bind(now),
                "INDEX sqlite_autoindex_devices_1 (id=?)",
                "devices/range/",
            ),
            (
                DELETE_TOKENS.bind(now).bind(100),
                "INDEX idx_tokens_expires_at (expires_at<?)",
                "tokens/",
            ),
        ] {
            let statement = query.statement();
            let plan = plan(query, &database).await;
            let expected = match kind {
                Kind::Sqlite => sqlite,
                Kind::MariaDb => mariadb,
            };
            assert!(plan.contains(expected), "{statement:?}: {plan}");
            assert!(
                !plan.contains("SCAN devices") && !plan.contains("devices/ALL"),
                "{plan}"
            );
        }
    }

    on_both_databases!(what_is_old_is_found_by_index);
}
