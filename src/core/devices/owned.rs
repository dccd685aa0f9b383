//! Which devices has a user? Remembered for a moment, because every message and every list begin with it. A user without
//! devices is not remembered.
//!
//! Other processes say when a user's devices are others than before.

use std::{sync::Arc, time::Duration};

use super::{CAPACITY, DeviceId};
use crate::{
    shared::{LookUp, Remembered, Session},
    users::UserId,
};

/// How long, should somebody change the table who tells nobody.
const TTL: Duration = Duration::from_secs(60);

/// Ids of devices by their user.
#[derive(Debug)]
pub(super) struct OwnedDevices(Remembered<UserId, Arc<[DeviceId]>>);

impl OwnedDevices {
    pub(super) fn new() -> Self {
        Self(Remembered::new(TTL, CAPACITY))
    }

    /// All of the user's; `now` is the session that we are in.
    pub(super) fn recall(&self, user: &UserId, now: Option<Session>) -> Option<Arc<[DeviceId]>> {
        self.0.recall(user, now)
    }

    /// To be taken before devices are looked up, and given back to [`Self::remember`].
    pub(super) fn look_up(&self, session: Option<Session>) -> LookUp {
        self.0.look_up(session)
    }

    /// Keeps all of the user's, unless anything was changed since the look-up began, or nobody could have told us.
    pub(super) fn remember(&self, user: &UserId, devices: &Arc<[DeviceId]>, began: LookUp) {
        if !devices.is_empty() {
            self.0.remember(user, Arc::clone(devices), began);
        }
    }

    /// Drops those of a user who has others now.
    pub(super) fn forget(&self, user: &UserId) {
        self.0.forget(user);
    }

    /// Drops all.
    pub(super) fn forget_all(&self) {
        self.0.forget_all();
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
