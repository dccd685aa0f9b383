//! Devices: the phones that send. A device belongs to a user, proves itself by a token, and takes
//! its messages with it when it is deleted.

mod known;
mod model;
mod online;
mod owned;
mod registrant;
mod requests;
mod routes;
mod store;

use std::sync::Arc;

pub(crate) use model::{Device, DeviceId, DeviceView, Elsewhere, NewDevice, PushTarget, SimCard};
use online::Online;
pub(crate) use online::{OnlineMetrics, PERIOD};
pub(crate) use routes::routes;

use crate::{
    Timestamp,
    db::{Database, StoreError},
    shared::{PubSub, Teller, Told, Topic},
    users::{NewUser, UserError, UserId},
};
use known::KnownDevices;
use owned::OwnedDevices;
use store::Store;

/// So many of each are remembered.
const CAPACITY: u64 = 10_000;

/// What can be done with devices.
#[derive(Debug)]
pub(crate) struct Devices {
    store: Store,
    known: KnownDevices,
    owned: OwnedDevices,
    online: Online,
    others: PubSub,
    /// Tells them when a device is changed or deleted.
    teller: Teller<Elsewhere>,
}

impl Devices {
    pub(crate) fn new(database: Database, others: PubSub, online: OnlineMetrics) -> Self {
        Self {
            store: Store(database),
            known: KnownDevices::new(),
            owned: OwnedDevices::new(),
            online: Online::new(online),
            teller: Teller::new(others.clone(), Topic::Devices, known::TTL),
            others,
        }
    }

    /// The device of that token, which is seen now; `None` if there is none.
    pub(crate) async fn authenticate(&self, token: &str, now: Timestamp) -> Result<Option<Arc<Device>>, StoreError> {
        let session = self.others.session();
        let device = match self.known.recall(token, session) {
            Some(device) => Some(device),
            None => {
                let began = self.known.look_up(session);
                let found = self.store.by_token(token).await?.map(Arc::new);
                if let Some(device) = &found {
                    self.known.remember(device, began);
                }
                found
            }
        };
        if let Some(device) = &device {
            self.online.mark(&device.id, now);
        }
        Ok(device)
    }

    /// Stores a device, and its user if that one is new, too: both or neither.
    pub(crate) async fn register(&self, device: &NewDevice, owner: Owner<'_>, now: Timestamp) -> Result<(), UserError> {
        let registered = self.store.register(device, &owner, now).await;
        if let Owner::Known(user) = owner {
            // Also if it failed: the database may have done more than it could say.
            self.owned.forget(user);
            let told = self.teller.tell(Elsewhere {
                device_id: Some(device.id.as_str().to_owned()),
                user_id: Some(user.as_str().to_owned()),
                deleted: Vec::new(),
            });
            told.heard().await;
        }
        registered
    }

    /// The ids of a user's devices, of which messages may be listed or to which they may be given: only this one, or only
    /// those seen since then. None that is being deleted. Most often the database is not asked. A device that another process
    /// has deleted just now may be among them.
    pub(crate) async fn ids_of(
        &self,
        user: &UserId,
        wanted: Option<&str>,
        seen_since: Option<Timestamp>,
    ) -> Result<Arc<[DeviceId]>, StoreError> {
        if seen_since.is_some() {
            return self.store.ids(user, wanted, seen_since).await;
        }
        let session = self.others.session();
        let known = self.owned.recall(user, session);
        match (wanted, known) {
            (None, Some(all)) => Ok(all),
            (None, None) => {
                let began = self.owned.look_up(session);
                let all = self.store.ids(user, None, None).await?;
                self.owned.remember(user, &all, began);
                Ok(all)
            }
            (Some(wanted), known) => match known.iter().flat_map(|all| &**all).find(|id| id.as_str() == wanted) {
                Some(known) => Ok([known.clone()].into()),
                // Which finds it in other spellings, too.
                None => self.store.ids(user, Some(wanted), None).await,
            },
        }
    }

    /// One of the ids that were given out is none any more.
    pub(crate) fn forget_ids_of(&self, user: &UserId) {
        self.owned.forget(user);
    }

    /// What a device says about itself: a push token that is not empty, and all its SIM cards.
    pub(crate) async fn update(
        &self,
        device: &Device,
        push_token: Option<&str>,
        sim_cards: &[SimCard],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let updated = self.store.update(&device.id, push_token, sim_cards, now).await;
        // Also if it failed: the database may have done more than it could say.
        self.known.forget(&device.id);
        let told = self.teller.tell(Elsewhere {
            device_id: Some(device.id.as_str().to_owned()),
            user_id: None,
            deleted: Vec::new(),
        });
        told.heard().await;
        updated
    }

    /// A device of a user, to be told something, if it is known without asking the database.
    pub(crate) fn known_target(&self, user: &str, id: &str) -> Option<PushTarget> {
        let device = self.known.recall_by_id(&DeviceId::stored(id), self.others.session())?;
        (device.user.as_str() == user).then(|| PushTarget::from(&*device))
    }

    /// One device of a user or all of them, to be told something.
    pub(crate) async fn targets(&self, user: &str, id: Option<&str>) -> Result<Vec<PushTarget>, StoreError> {
        let Some(id) = id else {
            let devices = self.store.list(&UserId::stored(user)).await?;
            return Ok(devices.iter().map(PushTarget::from).collect());
        };
        if let Some(target) = self.known_target(user, id) {
            return Ok(vec![target]);
        }
        let began = self.known.look_up(self.others.session());
        let device = self.store.by_id(&UserId::stored(user), &DeviceId::stored(id)).await?;
        let device = device.map(Arc::new);
        if let Some(device) = &device {
            self.known.remember(device, began);
        }
        Ok(device.iter().map(|device| PushTarget::from(&**device)).collect())
    }

    /// Another process changed or deleted a device, or several.
    pub(crate) fn changed_elsewhere(&self, change: &Elsewhere) {
        match &change.device_id {
            Some(id) => self.known.forget(&DeviceId::stored(id)),
            None => return self.forget_all(),
        }
        match &change.user_id {
            Some(user) => self.owned.forget(&UserId::stored(user)),
            None if change.deleted.is_empty() => {}
            None => self.owned.forget_all(),
        }
    }

    /// Other processes changed devices, and nobody knows which.
    pub(crate) fn forget_all(&self) {
        self.known.forget_all();
        self.owned.forget_all();
    }

    /// A user's devices, by id.
    pub(crate) async fn list(&self, user: &UserId) -> Result<Vec<Device>, StoreError> {
        self.store.list(user).await
    }

    /// The user's device of that id in any case, as the database has it.
    pub(crate) async fn stored_id(&self, user: &UserId, id: &str) -> Result<Option<DeviceId>, StoreError> {
        self.store.stored_id(user, id).await
    }

    /// The device is about to be deleted, which takes several steps: from now on nobody is it by its token, and it is given
    /// no messages, here and in other processes, even if the last step never comes. Of `random`, which nobody may know, a
    /// token is made that is none.
    pub(crate) async fn take_out(&self, user: &UserId, id: &DeviceId, random: &str) -> Result<(), StoreError> {
        let taken = self.store.take_out(id, random).await;
        // Also if it failed: the database may have done more than it could say.
        self.gone(id, Some(user)).heard().await;
        taken
    }

    /// Deletes a device with all that is its own, and answers its id as it was stored, if it was there. Nothing
    /// happens if it is not the user's.
    pub(crate) async fn delete(&self, user: &UserId, id: &DeviceId) -> Result<Option<DeviceId>, StoreError> {
        let deleted = self.store.delete(user, id.as_str()).await;
        let gone = match &deleted {
            Ok(None) => return deleted,
            Ok(Some(id)) => id,
            // The database may have done more than it could say.
            Err(_) => id,
        };
        self.gone(gone, Some(user)).heard().await;
        deleted
    }

    /// The device is in the database no more: neither this process nor another may know it.
    pub(crate) fn was_deleted(&self, id: &DeviceId) {
        let _told_by_itself = self.gone(id, None);
    }

    fn gone(&self, id: &DeviceId, user: Option<&UserId>) -> Told {
        self.known.forget(id);
        match user {
            Some(user) => self.owned.forget(user),
            None => self.owned.forget_all(),
        }
        self.teller.tell(Elsewhere {
            device_id: Some(id.as_str().to_owned()),
            user_id: user.map(|user| user.as_str().to_owned()),
            deleted: vec![id.as_str().to_owned()],
        })
    }

    /// Writes down which devices were seen since the last time, and says how many.
    pub(crate) async fn flush_online(&self) -> Result<usize, StoreError> {
        let store = &self.store;
        self.online.flush(|seen| async move { store.seen(&seen).await }).await
    }
}

/// Whose a new device is.
#[derive(Debug)]
pub(crate) enum Owner<'a> {
    /// A user that is there.
    Known(&'a UserId),
    /// A user that comes with it.
    New(&'a NewUser),
}

#[cfg(test)]
mod tests;
