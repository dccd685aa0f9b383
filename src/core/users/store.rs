//! The table of users.

use super::{Account, NewUser, UserId};
use crate::{
    Timestamp,
    db::{Connection, Database, Statement, StoreError},
};

const FIND: Statement = Statement::same("SELECT id, password_hash FROM users WHERE id = ?");
const INSERT: Statement =
    Statement::same("INSERT INTO users (id, password_hash, created_at, updated_at) VALUES (?, ?, ?, ?)");
const PASSWORD: Statement = Statement::same("UPDATE users SET password_hash = ?, updated_at = ? WHERE id = ?");
const END_TOKENS: Statement =
    Statement::same("UPDATE tokens SET revoked_at = ?, updated_at = ? WHERE user_id = ? AND revoked_at IS NULL");

#[derive(Clone, Debug)]
pub(super) struct Store(pub(super) Database);

impl Store {
    /// The user of that login in any case.
    pub(super) async fn find(&self, login: &str) -> Result<Option<Account>, StoreError> {
        let row = FIND.bind(login).fetch_optional(&self.0).await?;
        row.map(|row| {
            Ok(Account {
                id: UserId::stored(row.text("id")?),
                password_hash: row.get("password_hash")?,
            })
        })
        .transpose()
    }

    /// Another password; every token that the reference server may have issued ends with it.
    pub(super) async fn change_password(&self, user: &UserId, hash: &str, now: Timestamp) -> Result<(), StoreError> {
        let replace = move |mut change: Connection| async move {
            let end = END_TOKENS.bind(now).bind(now).bind(user.as_str());
            end.execute(&mut change).await?;
            let replace = PASSWORD.bind(hash).bind(now).bind(user.as_str());
            replace.execute(&mut change).await?;
            change.commit().await
        };
        self.0.change(replace).await
    }
}

/// Adds a user within a larger change; `false` if the login is taken.
pub(super) async fn insert(change: &mut Connection, user: &NewUser, now: Timestamp) -> Result<bool, StoreError> {
    let insert = INSERT
        .bind(user.id.as_str())
        .bind(&user.password_hash)
        .bind(now)
        .bind(now);
    match insert.execute(change).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_unique_violation() => Ok(false),
        Err(error) => Err(error),
    }
}
