//! What is in the file of the embedded store, and how is it read back? Knows nothing of who asks.

use gateward_auth::{FamilyId, UnixSeconds, UserId};
use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition, WriteTransaction};

use crate::adoption;
use crate::entry::{Entry, Line};
use crate::family::Record;
use crate::replica::{Replica, SLACK_SECONDS};

/// Token and family entries, as [`Entry::encode`] writes them → expiry.
const REVOKED: TableDefinition<'_, &str, i64> = TableDefinition::new("revoked");
/// User → epoch, last bad `iat`, expiry.
const EPOCHS: TableDefinition<'_, &str, (u64, i64, i64)> = TableDefinition::new("epochs");
/// Family → expiry, record as JSON.
const FAMILIES: TableDefinition<'_, &str, (i64, &[u8])> = TableDefinition::new("families");
/// User, tab, token id → expiry, record as JSON.
const ADOPTIONS: TableDefinition<'_, &str, (i64, &[u8])> = TableDefinition::new("adoptions");

/// Rows that one step of a purge looks at, so that nobody waits long for the writer.
const PURGE_STEP: usize = 2000;

/// Makes the tables that are not there, so that reading finds them.
pub(super) fn create(transaction: &WriteTransaction) -> Result<(), redb::Error> {
    transaction.open_table(REVOKED)?;
    transaction.open_table(EPOCHS)?;
    transaction.open_table(FAMILIES)?;
    transaction.open_table(ADOPTIONS)?;
    Ok(())
}

/// Puts the whole list into memory.
pub(super) fn load(database: &redb::Database, replica: &Replica) -> Result<(), redb::Error> {
    let transaction = database.begin_read()?;
    for row in transaction.open_table(REVOKED)?.iter()? {
        let (key, expires_at) = row?;
        let entry = Entry::decode(key.value()).ok_or_else(|| unreadable("revoked"))?;
        replica.merge(&Line {
            entry,
            expires_at: UnixSeconds(expires_at.value()),
        });
    }
    for row in transaction.open_table(EPOCHS)?.iter()? {
        let (key, value) = row?;
        let user = UserId::parse(key.value()).map_err(|_| unreadable("epochs"))?;
        replica.merge(&user_line(user, value.value()));
    }
    Ok(())
}

/// Puts a line on the list, unless it is there for as long. The list only grows: nothing is lowered.
pub(super) fn list(transaction: &WriteTransaction, line: &Line) -> Result<(), redb::Error> {
    match &line.entry {
        Entry::User {
            user,
            epoch,
            issued_until,
        } => {
            let mut table = transaction.open_table(EPOCHS)?;
            table.insert(user.as_str(), (*epoch, issued_until.0, line.expires_at.0))?;
        }
        Entry::Token { .. } | Entry::Family(_) => {
            let mut table = transaction.open_table(REVOKED)?;
            let key = line.entry.encode();
            let known = table.get(key.as_str())?.map(|expiry| expiry.value());
            if known.is_none_or(|expiry| expiry < line.expires_at.0) {
                table.insert(key.as_str(), line.expires_at.0)?;
            }
        }
    }
    Ok(())
}

/// Is this token or family on the list?
pub(super) fn listed(transaction: &WriteTransaction, entry: &Entry) -> Result<bool, redb::Error> {
    Ok(transaction.open_table(REVOKED)?.get(entry.encode().as_str())?.is_some())
}

/// A user's line, if the user has one.
pub(super) fn user(transaction: &WriteTransaction, user: &UserId) -> Result<Option<Line>, redb::Error> {
    let table = transaction.open_table(EPOCHS)?;
    let value = table.get(user.as_str())?.map(|value| value.value());
    Ok(value.map(|value| user_line(user.clone(), value)))
}

fn user_line(user: UserId, (epoch, issued_until, expires_at): (u64, i64, i64)) -> Line {
    let issued_until = UnixSeconds(issued_until);
    Line {
        entry: Entry::User {
            user,
            epoch,
            issued_until,
        },
        expires_at: UnixSeconds(expires_at),
    }
}

/// A family's record, if there is one.
pub(super) fn family(transaction: &WriteTransaction, family: &FamilyId) -> Result<Option<Record>, redb::Error> {
    let table = transaction.open_table(FAMILIES)?;
    let Some(row) = table.get(family.as_str())? else {
        return Ok(None);
    };
    serde_json::from_slice(row.value().1)
        .map(Some)
        .map_err(|_| unreadable("families"))
}

/// Keeps a family's record.
pub(super) fn keep_family(
    transaction: &WriteTransaction,
    family: &FamilyId,
    record: &Record,
    ends_at: UnixSeconds,
) -> Result<(), redb::Error> {
    let json = serde_json::to_vec(record).map_err(|_| unreadable("families"))?;
    transaction
        .open_table(FAMILIES)?
        .insert(family.as_str(), (ends_at.0, json.as_slice()))?;
    Ok(())
}

/// What is kept about a token of the gateway's, if anything is.
pub(super) fn adoption(transaction: &WriteTransaction, key: &str) -> Result<Option<adoption::Record>, redb::Error> {
    let table = transaction.open_table(ADOPTIONS)?;
    let Some(row) = table.get(key)? else {
        return Ok(None);
    };
    serde_json::from_slice(row.value().1)
        .map(Some)
        .map_err(|_| unreadable("adoptions"))
}

/// Keeps what is known about a token of the gateway's.
pub(super) fn keep_adoption(
    transaction: &WriteTransaction,
    key: &str,
    record: &adoption::Record,
    until: UnixSeconds,
) -> Result<(), redb::Error> {
    let json = serde_json::to_vec(record).map_err(|_| unreadable("adoptions"))?;
    transaction
        .open_table(ADOPTIONS)?
        .insert(key, (until.0, json.as_slice()))?;
    Ok(())
}

/// Forgets a token of the gateway's.
pub(super) fn drop_adoption(transaction: &WriteTransaction, key: &str) -> Result<(), redb::Error> {
    transaction.open_table(ADOPTIONS)?.remove(key)?;
    Ok(())
}

/// Where a purge stands: the table, and the key at which to go on.
#[derive(Debug, Clone)]
pub(super) struct Purge {
    table: usize,
    from: String,
}

impl Purge {
    pub(super) fn begin() -> Self {
        Self {
            table: 0,
            from: String::new(),
        }
    }

    /// Drops what expired long enough ago among the next rows; `None` when there are no more.
    pub(super) fn step(self, transaction: &WriteTransaction, now: UnixSeconds) -> Result<Option<Self>, redb::Error> {
        let old = now.0.saturating_sub(SLACK_SECONDS);
        let next = match self.table {
            0 => purge(transaction, REVOKED, &self.from, |expiry| expiry <= old)?,
            1 => purge(transaction, EPOCHS, &self.from, |(_, _, expiry)| expiry <= old)?,
            2 => purge(transaction, FAMILIES, &self.from, |(expiry, _)| expiry <= old)?,
            3 => purge(transaction, ADOPTIONS, &self.from, |(expiry, _)| expiry <= old)?,
            _ => return Ok(None),
        };
        Ok(Some(match next {
            Some(from) => Self {
                table: self.table,
                from,
            },
            None => Self {
                table: self.table + 1,
                from: String::new(),
            },
        }))
    }
}

fn purge<V: redb::Value + 'static>(
    transaction: &WriteTransaction,
    definition: TableDefinition<'_, &str, V>,
    from: &str,
    over: impl for<'a> Fn(V::SelfType<'a>) -> bool,
) -> Result<Option<String>, redb::Error> {
    let mut table = transaction.open_table(definition)?;
    let mut old = Vec::new();
    let mut next = None;
    for (seen, row) in table.range::<&str>(from..)?.enumerate() {
        let (key, value) = row?;
        if seen == PURGE_STEP {
            next = Some(key.value().to_owned());
            break;
        }
        if over(value.value()) {
            old.push(key.value().to_owned());
        }
    }
    for key in &old {
        table.remove(key.as_str())?;
    }
    Ok(next)
}

fn unreadable(table: &str) -> redb::Error {
    redb::Error::Corrupted(format!("a row of table {table} cannot be read"))
}
