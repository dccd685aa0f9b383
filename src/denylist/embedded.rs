//! The store for one node: a file of this process alone. Durable on disk before it answers, and whole after `kill -9`.

mod adoption;
mod tables;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use gateward_auth::{FamilyId, TokenId, UnixSeconds, UserId};
use redb::WriteTransaction;
use tokio::sync::oneshot;

use self::adoption::{Look, adoption_key};
use self::tables::Purge;
use self::writer::{Message, Reply, Writer};
use crate::adoption::{Adopt, Adoption, Claim, ForeignToken};
use crate::clock::{self, Clock};
use crate::entry::{Entry, Line};
use crate::family::Record;
use crate::ids::family_of;
use crate::link::Link;
use crate::options::{OpenError, Retention};
use crate::replica::Replica;
use crate::store::{NewFamily, Refused, RevokeOutcome, Rotated, Rotation, Store, StoreError, next_epoch};
use crate::trouble::Trouble;

/// The embedded store: sends its jobs to the one thread that writes.
pub(crate) struct Embedded {
    writer: Sender<Message>,
    closed: AtomicBool,
    retention: Retention,
    clock: Clock,
}

/// An answer, and the lines that it adds to the list.
struct Done<T> {
    answer: T,
    lines: Vec<Line>,
}

impl<T> Done<T> {
    fn quiet(answer: T) -> Self {
        Self {
            answer,
            lines: Vec::new(),
        }
    }
}

impl Embedded {
    /// Opens the file, loads the list, and starts the thread.
    pub(crate) async fn open(
        path: PathBuf,
        replica: Arc<Replica>,
        link: Arc<Link>,
        clock: Clock,
        retention: Retention,
    ) -> Result<Self, OpenError> {
        let (sender, inbox) = channel();
        let (opened, outcome) = oneshot::channel();
        let work = {
            let path = path.clone();
            move || match Writer::open(path, replica, link) {
                Ok(writer) => {
                    let _ = opened.send(Ok(()));
                    writer.run(&inbox);
                }
                Err(error) => {
                    let _ = opened.send(Err(error));
                }
            }
        };
        let ended = |cause: String| OpenError::File {
            path: path.clone(),
            cause,
        };
        std::thread::Builder::new()
            .name("denylist".to_owned())
            .spawn(work)
            .map_err(|cause| ended(cause.to_string()))?;
        outcome
            .await
            .map_err(|_| ended("the writing thread ended".to_owned()))??;
        Ok(Self {
            writer: sender,
            closed: AtomicBool::new(false),
            retention,
            clock,
        })
    }

    /// Has something done within a transaction, and waits until it is durable.
    ///
    /// The list in memory is changed by the writing thread: it happens even if nobody waits any more.
    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<Done<T>, redb::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(unavailable(Trouble::Closed));
        }
        let (sender, receiver) = oneshot::channel();
        let job = move |transaction: &WriteTransaction| {
            let done = work(transaction)?;
            let reply: Reply = Box::new(move |replica| {
                for line in &done.lines {
                    replica.merge(line);
                }
                let _ = sender.send(done.answer);
            });
            Ok(reply)
        };
        self.writer
            .send(Message::Job(Box::new(job)))
            .map_err(|_| unavailable(Trouble::Closed))?;
        receiver.await.map_err(|_| unavailable(Trouble::Disk))
    }

    fn look(&self, token: &ForeignToken, grace: Duration) -> Look {
        Look {
            token: token.clone(),
            grace,
            at_millis: self.now_millis(),
            retention: self.retention,
        }
    }

    fn now_millis(&self) -> i64 {
        i64::try_from(clock::since_1970(&self.clock).as_millis()).unwrap_or(i64::MAX)
    }
}

fn unavailable(reason: Trouble) -> StoreError {
    StoreError::Unavailable { reason }
}

#[async_trait::async_trait]
impl Store for Embedded {
    async fn open_family(&self, family: &NewFamily, known_epoch: u64) -> Result<u64, StoreError> {
        let (family, retention) = (family.clone(), self.retention);
        self.ask(move |transaction| {
            let record = Record::new(&family);
            tables::keep_family(transaction, &family.family, &record, record.ends_at(&retention))?;
            Ok(Done::quiet(epoch(transaction, &family.user, known_epoch)?))
        })
        .await
    }

    async fn rotate(&self, rotation: &Rotation, known_epoch: u64) -> Result<Rotated, StoreError> {
        let (rotation, retention, at_millis) = (rotation.clone(), self.retention, self.now_millis());
        self.ask(move |transaction| rotate(transaction, &rotation, known_epoch, at_millis, &retention))
            .await
    }

    async fn revoke_token(
        &self,
        caller: &UserId,
        id: &TokenId,
        may_list: bool,
        now: UnixSeconds,
    ) -> Result<RevokeOutcome, StoreError> {
        let (caller, id, retention) = (caller.clone(), id.clone(), self.retention);
        let line = Line {
            entry: Entry::Token {
                user: caller.clone(),
                id: id.clone(),
            },
            expires_at: retention.longest(now),
        };
        self.ask(move |transaction| revoke_token(transaction, &caller, &id, line, may_list, &retention))
            .await
    }

    async fn revoke_user(&self, user: &UserId, now: UnixSeconds, known_epoch: u64) -> Result<u64, StoreError> {
        let (user, expires_at) = (user.clone(), self.retention.longest(now));
        self.ask(move |transaction| revoke_user(transaction, user, now, known_epoch, expires_at))
            .await
    }

    async fn adoption(&self, token: &ForeignToken, grace: Duration) -> Result<Option<Adoption>, StoreError> {
        let look = self.look(token, grace);
        self.ask(move |transaction| adoption::look(transaction, &look)).await
    }

    async fn claim_adoption(&self, claim: &Claim) -> Result<Adoption, StoreError> {
        let (look, claim) = (self.look(&claim.token, claim.grace), claim.clone());
        self.ask(move |transaction| adoption::claim(transaction, &look, &claim))
            .await
    }

    async fn adopt(&self, adopt: &Adopt, known_epoch: u64) -> Result<Adoption, StoreError> {
        let (look, adopt) = (self.look(&adopt.token, adopt.grace), adopt.clone());
        self.ask(move |transaction| adoption::adopt(transaction, &look, &adopt, known_epoch))
            .await
    }

    async fn release_adoption(
        &self,
        token: &ForeignToken,
        owner: &str,
        grace: Duration,
    ) -> Result<Option<Adoption>, StoreError> {
        let (look, owner) = (self.look(token, grace), owner.to_owned());
        self.ask(move |transaction| adoption::release(transaction, &look, &owner))
            .await
    }

    async fn purge(&self, now: UnixSeconds) -> Result<(), StoreError> {
        let mut purge = Some(Purge::begin());
        while let Some(at) = purge {
            purge = self
                .ask(move |transaction| Ok(Done::quiet(at.step(transaction, now)?)))
                .await?;
        }
        Ok(())
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let (sender, receiver) = oneshot::channel();
        if self.writer.send(Message::Close(sender)).is_ok() {
            let _ = receiver.await;
        }
    }
}

fn rotate(
    transaction: &WriteTransaction,
    rotation: &Rotation,
    known_epoch: u64,
    at_millis: i64,
    retention: &Retention,
) -> Result<Done<Rotated>, redb::Error> {
    let family = Entry::Family(rotation.family.clone());
    let token = Entry::Token {
        user: rotation.user.clone(),
        id: rotation.presented.clone(),
    };
    if tables::listed(transaction, &family)? || tables::listed(transaction, &token)? {
        return Ok(Done::quiet(Rotated::Refused(Refused::Revoked)));
    }
    let Some(mut record) = tables::family(transaction, &rotation.family)? else {
        return Ok(Done::quiet(Rotated::Refused(Refused::Unknown)));
    };
    let epoch = epoch(transaction, &rotation.user, known_epoch)?;
    let answer = record.rotate(rotation, epoch, at_millis, retention);
    match answer {
        Rotated::Fresh(_) => {
            tables::keep_family(transaction, &rotation.family, &record, record.ends_at(retention))?;
            Ok(Done::quiet(answer))
        }
        Rotated::Reused => {
            let line = end_family(transaction, rotation.family.clone(), record, retention)?;
            Ok(Done {
                answer,
                lines: vec![line],
            })
        }
        Rotated::Replayed(..) | Rotated::Refused(_) => Ok(Done::quiet(answer)),
    }
}

fn revoke_token(
    transaction: &WriteTransaction,
    caller: &UserId,
    id: &TokenId,
    line: Line,
    may_list: bool,
    retention: &Retention,
) -> Result<Done<RevokeOutcome>, redb::Error> {
    let mut answer = RevokeOutcome::TokenListed;
    if let Some(family) = family_of(id.as_str())
        && let Some(record) = tables::family(transaction, &family)?
    {
        if record.user == caller.as_str() {
            let line = end_family(transaction, family.clone(), record, retention)?;
            return Ok(Done {
                answer: RevokeOutcome::Family(family),
                lines: vec![line],
            });
        }
        answer = RevokeOutcome::Foreign;
    }
    let adopted = tables::adoption(transaction, &adoption_key(caller, id))?;
    // The gateway's own token may have become a family, which it still names.
    let family = adopted.and_then(|adopted| adopted.family());
    let record = family
        .as_ref()
        .map(|family| tables::family(transaction, family))
        .transpose()?;
    let ended = match (family, record) {
        (Some(family), Some(Some(record))) => {
            answer = RevokeOutcome::Family(family.clone());
            Some(end_family(transaction, family, record, retention)?)
        }
        _ if may_list => None,
        _ => return Ok(Done::quiet(RevokeOutcome::TooMany)),
    };
    tables::list(transaction, &line)?;
    let lines = [line].into_iter().chain(ended).collect();
    Ok(Done { answer, lines })
}

fn revoke_user(
    transaction: &WriteTransaction,
    user: UserId,
    now: UnixSeconds,
    known_epoch: u64,
    expires_at: UnixSeconds,
) -> Result<Done<u64>, redb::Error> {
    let (mut until, mut expires_at) = (now, expires_at);
    if let Some(Line {
        entry: Entry::User { issued_until, .. },
        expires_at: known,
    }) = tables::user(transaction, &user)?
    {
        until = until.max(issued_until);
        expires_at = expires_at.max(known);
    }
    let epoch = next_epoch(epoch(transaction, &user, known_epoch)?, now);
    let line = Line {
        entry: Entry::User {
            user,
            epoch,
            issued_until: until,
        },
        expires_at,
    };
    tables::list(transaction, &line)?;
    Ok(Done {
        answer: epoch,
        lines: vec![line],
    })
}

fn end_family(
    transaction: &WriteTransaction,
    family: FamilyId,
    mut record: Record,
    retention: &Retention,
) -> Result<Line, redb::Error> {
    record.revoke();
    let expires_at = record.ends_at(retention);
    tables::keep_family(transaction, &family, &record, expires_at)?;
    let line = Line {
        entry: Entry::Family(family),
        expires_at,
    };
    tables::list(transaction, &line)?;
    Ok(line)
}

fn epoch(transaction: &WriteTransaction, user: &UserId, known_epoch: u64) -> Result<u64, redb::Error> {
    Ok(match tables::user(transaction, user)? {
        Some(Line {
            entry: Entry::User { epoch, .. },
            ..
        }) => epoch.max(known_epoch),
        Some(_) | None => known_epoch,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::replica::Subject;

    #[tokio::test]
    async fn after_a_failure_of_the_disk_the_file_is_opened_again() {
        let folder = tempfile::tempdir().unwrap();
        let (replica, link) = (Arc::new(Replica::default()), Arc::new(Link::local()));
        let hour = std::time::Duration::from_secs(3600);
        let retention = Retention {
            max_lifetime: hour,
            refresh_ttl: hour,
            leeway: hour,
        };
        let clock: Clock = Arc::new(|| std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000));
        let path = folder.path().join("denylist.redb");
        let store = Embedded::open(path, replica.clone(), link.clone(), clock, retention)
            .await
            .unwrap();
        let (ann, id, now) = (
            UserId::parse("ann").unwrap(),
            TokenId::parse("id").unwrap(),
            UnixSeconds(1_000_000),
        );
        let subject = Subject {
            user: &ann,
            id: &id,
            family: None,
            epoch: None,
            issued_at: now,
        };
        let listed = Line {
            entry: Entry::Token {
                user: ann.clone(),
                id: id.clone(),
            },
            expires_at: now.plus(9),
        };

        let broken = store.ask(move |transaction| -> Result<Done<()>, redb::Error> {
            tables::list(transaction, &listed)?;
            Err(redb::Error::Io(std::io::ErrorKind::StorageFull.into()))
        });
        assert_eq!(broken.await, Err(unavailable(Trouble::Disk)));
        assert_eq!(
            replica.find(subject, now),
            None,
            "what was not acknowledged did not happen"
        );

        store.revoke_token(&ann, &id, true, now).await.unwrap();
        assert_eq!((link.reason(), link.outages()), (None, 1));
        assert!(replica.find(subject, now).is_some());
    }
}
