//! Which devices has a user? Remembered for a moment, because every message and every list begin with it. A user without
//! devices is not remembered.
//!
//! Other processes say when a user's devices are others than before. What was remembered before a gap in what we hear of
//! them counts no more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use moka::sync::Cache;

use super::DeviceId;
use crate::{shared::Session, users::UserId};

/// How long, should somebody change the table who tells nobody.
pub(super) const TTL: Duration = Duration::from_secs(60);
/// So many users at once.
const CAPACITY: u64 = 10_000;

/// Ids of devices by their user.
#[derive(Debug)]
pub(super) struct OwnedDevices {
    lists: Cache<UserId, (Session, Arc<[DeviceId]>)>,
    changes: AtomicU64,
}

/// When a look-up began.
#[derive(Clone, Copy, Debug)]
pub(super) struct LookUp {
    changes: u64,
    session: Option<Session>,
}

impl OwnedDevices {
    pub(super) fn new() -> Self {
        Self {
            lists: Cache::builder().time_to_live(TTL).max_capacity(CAPACITY).build(),
            changes: AtomicU64::new(0),
        }
    }

    /// All of the user's; `now` is the session that we are in.
    pub(super) fn recall(&self, user: &UserId, now: Option<Session>) -> Option<Arc<[DeviceId]>> {
        let (session, devices) = self.lists.get(user)?;
        (now == Some(session)).then_some(devices)
    }

    /// To be taken before devices are looked up, and given back to [`Self::remember`].
    pub(super) fn look_up(&self, session: Option<Session>) -> LookUp {
        LookUp {
            changes: self.changes.load(Ordering::SeqCst),
            session,
        }
    }

    /// Keeps all of the user's, unless anything was changed since the look-up began, or nobody could have told us.
    ///
    /// INVARIANT(no device is overlooked): a look-up that began before a device was added leaves nothing behind after it.
    /// Test: `tests::a_look_up_that_overlaps_a_change_is_not_kept`.
    pub(super) fn remember(&self, user: &UserId, devices: &Arc<[DeviceId]>, began: LookUp) {
        let Some(session) = began.session.filter(|_| !devices.is_empty()) else {
            return;
        };
        self.lists.insert(user.clone(), (session, Arc::clone(devices)));
        if self.changes.load(Ordering::SeqCst) != began.changes {
            self.lists.invalidate(user);
        }
    }

    /// Drops those of a user who has others now.
    pub(super) fn forget(&self, user: &UserId) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.lists.invalidate(user);
    }

    /// Drops all.
    pub(super) fn forget_all(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.lists.invalidate_all();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn user() -> UserId {
        UserId::stored("U")
    }

    fn devices() -> Arc<[DeviceId]> {
        [DeviceId::stored("d")].into()
    }

    /// The only session of a process that is alone.
    async fn session() -> Option<Session> {
        crate::testing::alone().await.session()
    }

    #[tokio::test]
    async fn devices_are_known_until_there_are_others() {
        let (owned, now) = (OwnedDevices::new(), session().await);
        let forget: [&dyn Fn(); 2] = [&|| owned.forget(&user()), &|| owned.forget_all()];
        for forget in forget {
            owned.remember(&user(), &devices(), owned.look_up(now));
            assert_eq!(owned.recall(&user(), now).unwrap().len(), 1);
            assert!(owned.recall(&UserId::stored("V"), now).is_none());
            forget();
            assert!(owned.recall(&user(), now).is_none());
        }
    }

    #[tokio::test]
    async fn a_look_up_that_overlaps_a_change_is_not_kept() {
        let (owned, now) = (OwnedDevices::new(), session().await);
        let forget: [&dyn Fn(); 2] = [&|| owned.forget(&user()), &|| owned.forget_all()];
        for forget in forget {
            let began = owned.look_up(now);
            forget();
            owned.remember(&user(), &devices(), began);
            assert!(owned.recall(&user(), now).is_none());
        }
    }

    #[tokio::test]
    async fn nothing_is_known_while_the_others_cannot_be_heard_nor_of_a_user_without_devices() {
        let (owned, now) = (OwnedDevices::new(), session().await);
        owned.remember(&user(), &devices(), owned.look_up(None));
        assert!(owned.recall(&user(), now).is_none());
        owned.remember(&user(), &Arc::default(), owned.look_up(now));
        assert!(owned.recall(&user(), now).is_none());
        owned.remember(&user(), &devices(), owned.look_up(now));
        assert!(owned.recall(&user(), None).is_none());
        assert!(owned.recall(&user(), now).is_some());
    }
}
