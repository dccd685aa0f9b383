//! Is another process at this task? A lock that ends with its holder, whatever happens to it.
//!
//! SQLite's file is on this machine, so a locked file beside it is enough (the system unlocks it when the process ends). A
//! server has locks by name, which end with their connection; the names are the reference server's, so that a worker of
//! it and ours do not do the same at once.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::Task;
use crate::App;
use crate::config::DatabaseUrl;
use crate::db::{NamedLock, StoreError};

/// Why nobody can say whether another process is at it.
#[derive(Debug, thiserror::Error)]
pub(super) enum LockError {
    /// The file beside the database.
    #[error("the lock file: {0}")]
    File(#[from] io::Error),
    /// The server that has the locks.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// While it lives, no other process does this task.
#[derive(Debug)]
pub(super) enum Lock {
    /// Closing the file unlocks it.
    File {
        /// Only ever closed.
        _file: File,
    },
    /// The server holds it for its connection.
    Named(NamedLock),
    /// A database in memory has one process only.
    Alone,
}

impl Lock {
    /// Lets others do the task.
    pub(super) async fn release(self) {
        match self {
            Self::Named(lock) => lock.release().await,
            Self::File { .. } | Self::Alone => {}
        }
    }
}

/// Takes the lock of this task; `None` if another process has it.
pub(super) async fn take(app: &App, task: Task) -> Result<Option<Lock>, LockError> {
    match &app.config.database.url {
        DatabaseUrl::Sqlite(path) => Ok(lock_file(path, task)?.map(|file| Lock::File { _file: file })),
        DatabaseUrl::SqliteMemory => Ok(Some(Lock::Alone)),
        DatabaseUrl::MySql(_) => {
            let lock = app.database.lock(&format!("worker:{}", task.name())).await?;
            Ok(lock.map(Lock::Named))
        }
    }
}

/// The file stays when the lock is gone: deleting it could take it from someone who has just opened it.
fn lock_file(database: &Path, task: Task) -> io::Result<Option<File>> {
    let mut name = database.as_os_str().to_owned();
    name.push(format!(".{}.lock", task.name().replace(':', "-")));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(name)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_does_a_task_and_others_do_others() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("core.db");
        let first = lock_file(&database, Task::CleanTokens).unwrap();
        assert!(first.is_some());
        assert!(lock_file(&database, Task::CleanTokens).unwrap().is_none());
        assert!(lock_file(&database, Task::CleanDevices).unwrap().is_some());
        drop(first);
        assert!(lock_file(&database, Task::CleanTokens).unwrap().is_some());
    }
}
