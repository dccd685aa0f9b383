//! The table of users.

use sqlx::{Row, SqliteConnection};

use super::{Account, NewUser, UserId};
use crate::{
    Timestamp,
    db::{Database, StoreError},
};

#[derive(Clone, Debug)]
pub(super) struct Store(pub(super) Database);

impl Store {
    /// The user of that login in any case.
    pub(super) async fn find(&self, login: &str) -> Result<Option<Account>, StoreError> {
        let row = sqlx::query("SELECT id, password_hash FROM users WHERE id = ?")
            .bind(login)
            .fetch_optional(self.0.reader())
            .await?;
        row.map(|row| {
            Ok(Account {
                id: UserId::stored(row.try_get("id")?),
                password_hash: row.try_get("password_hash")?,
            })
        })
        .transpose()
    }

    /// Another password; every token that the reference server may have issued ends with it.
    pub(super) async fn change_password(&self, user: &UserId, hash: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut change = self.0.writer().begin().await?;
        sqlx::query("UPDATE tokens SET revoked_at = ?, updated_at = ? WHERE user_id = ? AND revoked_at IS NULL")
            .bind(now)
            .bind(now)
            .bind(user.as_str())
            .execute(&mut *change)
            .await?;
        sqlx::query("UPDATE users SET password_hash = ?, updated_at = ? WHERE id = ?")
            .bind(hash)
            .bind(now)
            .bind(user.as_str())
            .execute(&mut *change)
            .await?;
        change.commit().await?;
        Ok(())
    }
}

/// Adds a user within a larger change; `false` if the login is taken.
pub(super) async fn insert(change: &mut SqliteConnection, user: &NewUser, now: Timestamp) -> Result<bool, StoreError> {
    let inserted = sqlx::query("INSERT INTO users (id, password_hash, created_at, updated_at) VALUES (?, ?, ?, ?)")
        .bind(user.id.as_str())
        .bind(&user.password_hash)
        .bind(now)
        .bind(now)
        .execute(change)
        .await;
    match inserted {
        Ok(_) => Ok(true),
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(false),
        Err(error) => Err(error.into()),
    }
}
