//! Who writes the file? One thread, so that no request waits for a disk on an async thread, and so that requests that come
//! together share one commit. Knows nothing of what the jobs do.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use redb::{Database, DatabaseError, WriteTransaction};
use tokio::sync::oneshot;

use super::tables;
use crate::link::Link;
use crate::options::OpenError;
use crate::replica::Replica;
use crate::trouble::Trouble;

/// Jobs that share one commit at most.
const BATCH: usize = 256;
/// The list is in memory, so the file's pages need little cache.
const CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Something to do within a transaction.
pub(super) type Job = Box<dyn FnOnce(&WriteTransaction) -> Result<Reply, redb::Error> + Send>;
/// What follows when the transaction is durable. Dropped when it is not: the asker sees that.
pub(super) type Reply = Box<dyn FnOnce(&Replica) + Send>;

/// What the thread is sent.
pub(super) enum Message {
    Job(Job),
    Close(oneshot::Sender<()>),
}

/// The thread's state.
pub(super) struct Writer {
    path: PathBuf,
    /// `None` after a failure, until it could be opened again.
    database: Option<Database>,
    replica: Arc<Replica>,
    link: Arc<Link>,
}

impl Writer {
    /// Opens the file and loads the list.
    pub(super) fn open(path: PathBuf, replica: Arc<Replica>, link: Arc<Link>) -> Result<Self, OpenError> {
        let database = open(&path)?;
        // A file that was just made is there after a power cut only if its folder says so.
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty())
            && let Err(cause) = std::fs::File::open(folder).and_then(|folder| folder.sync_all())
        {
            return Err(OpenError::File {
                path,
                cause: cause.to_string(),
            });
        }
        let failed = |cause: redb::Error| OpenError::File {
            path: path.clone(),
            cause: cause.to_string(),
        };
        prepare(&database, &replica).map_err(failed)?;
        link.heard();
        Ok(Self {
            path,
            database: Some(database),
            replica,
            link,
        })
    }

    /// Works until told to close, or until nobody can send any more.
    pub(super) fn run(mut self, inbox: &Receiver<Message>) {
        while let Ok(first) = inbox.recv() {
            let mut jobs = Vec::new();
            let mut closing = None;
            for message in std::iter::once(first).chain(inbox.try_iter()) {
                match message {
                    Message::Job(job) => jobs.push(job),
                    Message::Close(done) => closing = Some(done),
                }
                if closing.is_some() || jobs.len() == BATCH {
                    break;
                }
            }
            if !jobs.is_empty() {
                self.work(jobs);
            }
            if let Some(done) = closing {
                drop(self);
                // Nobody waits for it when the asker was cancelled.
                let _ = done.send(());
                return;
            }
        }
    }

    /// INVARIANT(durable before Ok): replies go out after the commit only; test
    /// `tests::durability::what_was_acknowledged_survives_kill_9`.
    fn work(&mut self, jobs: Vec<Job>) {
        match self.commit(jobs) {
            Ok(replies) => {
                self.link.heard();
                for reply in replies {
                    reply(&self.replica);
                }
            }
            Err(cause) => {
                // The library refuses everything after an I/O error until the file is opened again.
                self.database = None;
                self.link.failed(Trouble::Disk, &cause);
            }
        }
    }

    fn commit(&mut self, jobs: Vec<Job>) -> Result<Vec<Reply>, String> {
        let database = match &self.database {
            Some(database) => database,
            None => {
                let database = open(&self.path).map_err(|cause| cause.to_string())?;
                // What failed may have reached the disk all the same.
                prepare(&database, &self.replica).map_err(|cause| cause.to_string())?;
                self.database.insert(database)
            }
        };
        let attempt = || -> Result<Vec<Reply>, redb::Error> {
            let transaction = database.begin_write()?;
            let replies = jobs
                .into_iter()
                .map(|job| job(&transaction))
                .collect::<Result<_, _>>()?;
            transaction.commit()?;
            Ok(replies)
        };
        attempt().map_err(|cause| cause.to_string())
    }
}

fn prepare(database: &Database, replica: &Replica) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    tables::create(&transaction)?;
    transaction.commit()?;
    tables::load(database, replica)
}

fn open(path: &Path) -> Result<Database, OpenError> {
    let failed = |cause: String| OpenError::File {
        path: path.to_owned(),
        cause,
    };
    let file = private_file(path).map_err(|cause| failed(cause.to_string()))?;
    let opened = redb::Builder::new().set_cache_size(CACHE_BYTES).create_file(file);
    opened.map_err(|cause| {
        if matches!(cause, DatabaseError::DatabaseAlreadyOpen) {
            OpenError::InUse { path: path.to_owned() }
        } else {
            failed(cause.to_string())
        }
    })
}

/// Opens or makes the file, for its owner alone.
fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    if file.metadata()?.permissions().mode() & 0o077 != 0 {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(file)
}
