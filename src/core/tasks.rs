//! What is tidied up in the background, and when? The four tasks of the reference's worker (WIRE §7.1).
//!
//! Read [`Task`] for what they do, [`executor`] for when; [`lock`] keeps two processes from doing it at the same time.
//! Everything is done in small batches, each of which leaves the database in order: a task may end between any two.
//!
//! With SQLite the serving process runs them; with MySQL, which may have many serving processes, `gateward-core worker`
//! does, as in the reference.

mod executor;
mod lock;
mod regularly;
mod store;

use std::time::Duration;

pub(crate) use executor::{TaskMetrics, run_all};
pub(crate) use regularly::{Stopping, every, stopped};

use crate::config::{DatabaseUrl, Tasks};
use crate::db::StoreError;
use crate::devices::DeviceId;
use crate::{App, Timestamp};
use store::Store;

/// What is done regularly. The name is also that of the lock and the label in metrics.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Task {
    /// Hashes what may be hashed and was not right after its report.
    HashMessages,
    /// Deletes old messages, other than those that still have to be sent.
    CleanMessages,
    /// Deletes devices that were not seen for long, with all that is theirs.
    CleanDevices,
    /// Deletes tokens that have long expired. Only the reference server makes any.
    CleanTokens,
}

impl Task {
    pub(crate) const ALL: [Self; 4] = [
        Self::HashMessages,
        Self::CleanMessages,
        Self::CleanDevices,
        Self::CleanTokens,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HashMessages => "messages:hashing",
            Self::CleanMessages => "messages:cleanup",
            Self::CleanDevices => "devices:cleanup",
            Self::CleanTokens => "tokens:cleanup",
        }
    }

    /// The pause between two runs; zero: it does not run.
    fn interval(self, config: &Tasks) -> Duration {
        match self {
            Self::HashMessages => config.messages_hashing_interval,
            Self::CleanMessages => config.messages_cleanup.interval,
            Self::CleanDevices => config.devices_cleanup.interval,
            Self::CleanTokens => config.tokens_cleanup.interval,
        }
    }

    /// Does it once, and says how many rows it was about. Ends early when it is time to stop.
    async fn run(self, app: &App, stopping: &Stopping) -> Result<u64, StoreError> {
        let config = &app.config.tasks;
        let now = app.now();
        match self {
            Self::HashMessages => hash_messages(app, stopping).await,
            Self::CleanMessages => {
                let mut gone = false;
                let before = now.minus(config.messages_cleanup.max_age);
                let done = clean_messages(app, before, stopping, &mut gone).await;
                forget_messages(app, gone).await;
                done
            }
            Self::CleanDevices => {
                let mut gone = false;
                let before = now.minus(config.devices_cleanup.max_age);
                let done = clean_devices(app, before, stopping, &mut gone).await;
                forget_messages(app, gone).await;
                done
            }
            Self::CleanTokens => clean_tokens(app, now.minus(config.tokens_cleanup.max_age), stopping).await,
        }
    }
}

/// Whether the process that serves requests runs the tasks, too.
pub(crate) fn run_beside_requests(url: &DatabaseUrl) -> bool {
    match url {
        DatabaseUrl::Sqlite(_) | DatabaseUrl::SqliteMemory => true,
        // As with the reference: whoever has a server has a worker.
        DatabaseUrl::MySql(_) => false,
    }
}

/// If messages are gone, what is known of them counts no more, here and elsewhere. Said once for a whole run, however it
/// ended, because a run may delete a million of them; until then an old one may still be read.
async fn forget_messages(app: &App, gone: bool) {
    if gone {
        app.messages.states().deleted().heard().await;
    }
}

async fn hash_messages(app: &App, stopping: &Stopping) -> Result<u64, StoreError> {
    let (mut after, mut done) = (0, 0);
    loop {
        let rows = app.messages.waiting_to_be_hashed(after).await?;
        let Some(last) = rows.last().filter(|_| !*stopping.borrow()) else {
            return Ok(done);
        };
        after = *last;
        done += count(app.messages.hash(&rows, app.now()).await?.len());
    }
}

async fn clean_messages(app: &App, before: Timestamp, stopping: &Stopping, gone: &mut bool) -> Result<u64, StoreError> {
    let store = Store(&app.database);
    let (mut after, mut done) = (String::new(), 0);
    // Device by device, because that is how messages are found by their age.
    loop {
        let devices = store.devices_after(&after).await?;
        let Some(last) = devices.last() else {
            return Ok(done);
        };
        after.clone_from(last);
        for device in &devices {
            let device = DeviceId::stored(device);
            loop {
                if *stopping.borrow() {
                    return Ok(done);
                }
                let cleaned = app.messages.clean(&device, before).await;
                // Also if it failed: the database may have done more than it could say.
                *gone |= !matches!(cleaned, Ok(0));
                match cleaned? {
                    0 => break,
                    deleted => done += deleted,
                }
            }
        }
    }
}

async fn clean_devices(app: &App, before: Timestamp, stopping: &Stopping, gone: &mut bool) -> Result<u64, StoreError> {
    // Who was seen a moment ago may not be written down yet.
    app.devices.flush_online().await?;
    let store = Store(&app.database);
    let mut done = 0;
    loop {
        let devices = store.devices_not_seen_since(before).await?;
        if devices.is_empty() {
            return Ok(done);
        }
        for id in devices {
            // The messages first: with many of them one statement would keep everybody waiting. Each time only if the device
            // has not come back.
            let id = DeviceId::stored(&id);
            loop {
                if *stopping.borrow() {
                    return Ok(done);
                }
                let emptied = app.messages.empty(&id, before).await;
                *gone |= !matches!(emptied, Ok(0));
                if emptied? == 0 {
                    break;
                }
            }
            if store.delete_device(id.as_str(), before).await? {
                app.devices.was_deleted(&id);
                app.events.end(id.as_str());
                done += 1;
            }
        }
    }
}

async fn clean_tokens(app: &App, before: Timestamp, stopping: &Stopping) -> Result<u64, StoreError> {
    let store = Store(&app.database);
    let mut done = 0;
    while !*stopping.borrow() {
        match store.delete_tokens(before).await? {
            0 => break,
            deleted => done += deleted,
        }
    }
    Ok(done)
}

fn count(rows: usize) -> u64 {
    u64::try_from(rows).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
