//! Is the whole list in Redis the same as ours? One page at a time, both ways: what Redis has is added here, what Redis has
//! lost is written back. Nothing is ever taken away.

use gateward_auth::UnixSeconds;
use redis::aio::MultiplexedConnection;

use super::Shared;
use super::failure::Failure;
use crate::entry::{Entry, Line};
use crate::replica::SLACK_SECONDS;
use crate::trouble::Trouble;

/// Lines that are written back at once.
const BATCH: usize = 500;

/// A comparison under way.
pub(super) enum Scan {
    /// Going on at this cursor of ZSCAN.
    Reading { cursor: String },
    /// Everything was read; these lines of ours were not there.
    Writing { lost: Vec<Line>, written: u64 },
}

/// What a step came to.
pub(super) enum Step {
    /// There is more to do.
    More,
    /// Everything that Redis has was read.
    Read,
    /// Done; so many lines were missing in Redis and are there again.
    Done { written: u64 },
}

impl Scan {
    /// Begins. What is added to the list from now on is known to be in Redis.
    pub(super) fn begin(shared: &Shared) -> Self {
        shared.replica.begin_scan();
        Self::Reading { cursor: "0".to_owned() }
    }

    /// Does a little.
    pub(super) async fn step(
        &mut self,
        shared: &Shared,
        connection: &mut MultiplexedConnection,
    ) -> Result<Step, Failure> {
        match self {
            Self::Reading { cursor } => {
                *cursor = read_page(shared, connection, cursor).await?;
                if cursor != "0" {
                    return Ok(Step::More);
                }
                let (replica, now) = (shared.replica.clone(), shared.now());
                // Looking through a long list takes longer than an async thread should be kept.
                let lost = tokio::task::spawn_blocking(move || replica.unseen(now)).await;
                let failed = |error: tokio::task::JoinError| Failure {
                    trouble: Trouble::Refused,
                    cause: error.to_string(),
                };
                *self = Self::Writing {
                    lost: lost.map_err(failed)?,
                    written: 0,
                };
                Ok(Step::Read)
            }
            Self::Writing { lost, written } => {
                let batch = lost.split_off(lost.len().saturating_sub(BATCH));
                if !batch.is_empty() {
                    *written += write_back(shared, connection, &batch).await?;
                    return Ok(Step::More);
                }
                Ok(Step::Done { written: *written })
            }
        }
    }
}

/// Merges a page and answers the cursor of the next one. ZSCAN meets every entry that is there from beginning to end;
/// those that are added meanwhile come by the feed.
async fn read_page(shared: &Shared, connection: &mut MultiplexedConnection, cursor: &str) -> Result<String, Failure> {
    let mut command = redis::cmd("ZSCAN");
    command
        .arg(&shared.keys.revoked)
        .arg(cursor)
        .arg("COUNT")
        .arg(shared.options.page);
    let (next, page): (String, Vec<(Vec<u8>, f64)>) = command.query_async(connection).await?;
    let old = shared.now().minus(SLACK_SECONDS);
    for (entry, expires_at) in page {
        // Scores are whole seconds, far below 2^53.
        let expires_at = UnixSeconds(expires_at as i64);
        match std::str::from_utf8(&entry).ok().and_then(Entry::decode) {
            Some(entry) if old < expires_at => shared.replica.merge_seen(&Line { entry, expires_at }),
            Some(_) => {}
            None => tracing::error!("an entry of the denylist in redis cannot be read"),
        }
    }
    Ok(next)
}

/// Puts lines back; answers how many were really missing (another replica may have been faster).
async fn write_back(shared: &Shared, connection: &mut MultiplexedConnection, lines: &[Line]) -> Result<u64, Failure> {
    let mut invocation = shared.script(&shared.scripts.write_back);
    for line in lines {
        match &line.entry {
            Entry::User {
                user,
                epoch,
                issued_until,
            } => {
                invocation.key(shared.keys.epoch(user));
                invocation
                    .arg("user")
                    .arg(user.as_str())
                    .arg(*epoch)
                    .arg(issued_until.0)
                    .arg(line.expires_at.0);
            }
            entry @ (Entry::Token { .. } | Entry::Family(_)) => {
                invocation.arg("line").arg(entry.encode()).arg(line.expires_at.0);
            }
        }
    }
    Ok(invocation.invoke_async(connection).await?)
}
