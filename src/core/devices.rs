//! Devices: the phones that send. A device belongs to a user, proves itself by a token, and takes
//! its messages with it when it is deleted.

mod known;
mod model;
mod online;
mod registrant;
mod requests;
mod routes;
mod store;

use std::sync::Arc;

pub(crate) use model::DeviceId;
pub(crate) use model::{Device, DeviceView, NewDevice, SimCard};
use online::Online;
pub(crate) use online::PERIOD;
pub(crate) use routes::routes;

use crate::{
    Timestamp,
    db::{Database, StoreError},
    users::{NewUser, UserError, UserId, Users},
};
use known::KnownDevices;
use store::Store;

/// What can be done with devices.
#[derive(Debug)]
pub(crate) struct Devices {
    store: Store,
    known: KnownDevices,
    online: Online,
}

impl Devices {
    pub(crate) fn new(database: Database) -> Self {
        Self {
            store: Store(database),
            known: KnownDevices::new(),
            online: Online::default(),
        }
    }

    /// The device of that token, which is seen now; `None` if there is none.
    pub(crate) async fn authenticate(&self, token: &str, now: Timestamp) -> Result<Option<Arc<Device>>, StoreError> {
        let device = match self.known.recall(token) {
            Some(device) => Some(device),
            None => {
                let changes = self.known.changes();
                let found = self.store.by_token(token).await?.map(Arc::new);
                if let Some(device) = &found {
                    self.known.remember(Arc::clone(device), changes);
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
        let mut change = self.store.0.writer().begin().await.map_err(StoreError::from)?;
        let user = match owner {
            Owner::Known(user) => user,
            Owner::New(user) => {
                Users::insert(&mut change, user, now).await?;
                &user.id
            }
        };
        store::insert(&mut change, device, user, now).await?;
        change.commit().await.map_err(StoreError::from)?;
        Ok(())
    }

    /// What a device says about itself: a push token that is not empty, and all its SIM cards.
    pub(crate) async fn update(
        &self,
        device: &Device,
        push_token: Option<&str>,
        sim_cards: &[SimCard],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.store.update(&device.id, push_token, sim_cards, now).await?;
        self.known.forget(&device.token);
        Ok(())
    }

    /// A user's devices, by id.
    pub(crate) async fn list(&self, user: &UserId) -> Result<Vec<Device>, StoreError> {
        self.store.list(user).await
    }

    /// Deletes a device with all that is its own. Nothing happens if it is not the user's.
    pub(crate) async fn delete(&self, user: &UserId, id: &str) -> Result<(), StoreError> {
        if let Some(token) = self.store.delete(user, id).await? {
            self.known.forget(&token);
        }
        Ok(())
    }

    /// Writes down which devices were seen since the last time, and says how many.
    pub(crate) async fn flush_online(&self) -> Result<usize, StoreError> {
        let seen = self.online.take();
        if seen.is_empty() {
            return Ok(0);
        }
        match self.store.seen(&seen).await {
            Ok(()) => Ok(seen.len()),
            Err(error) => {
                self.online.put_back(seen);
                Err(error)
            }
        }
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
