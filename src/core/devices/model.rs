//! What is a device, and how is it shown (WIRE §3.7)? It knows neither tables nor routes.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{Timestamp, shared::Word, users::UserId};

/// A device's id: 21 characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DeviceId(Arc<str>);

impl DeviceId {
    /// Takes an id as the database has it.
    pub(crate) fn stored(id: &str) -> Self {
        Self(id.into())
    }

    /// The id.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stored device.
pub(crate) struct Device {
    pub(crate) id: DeviceId,
    pub(crate) user: UserId,
    pub(crate) name: Option<String>,
    /// What it proves itself by.
    pub(crate) token: String,
    /// Where pushes for it go; `None`: it listens to events instead.
    pub(crate) push_token: Option<String>,
    pub(crate) sim_cards: Vec<SimCard>,
    pub(crate) last_seen: Timestamp,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// A device that is to hear of something.
pub(crate) struct PushTarget {
    pub(crate) device: DeviceId,
    /// `None`: it listens to events.
    pub(crate) push_token: Option<String>,
}

impl From<&Device> for PushTarget {
    fn from(device: &Device) -> Self {
        Self {
            device: device.id.clone(),
            push_token: device.push_token.clone(),
        }
    }
}

/// What one process tells the others of its devices.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Elsewhere {
    /// Without: some devices, and nobody knows which.
    pub(crate) device_id: Option<String>,
    /// Who has other devices now. Without: nobody has, or if any are gone, nobody knows who.
    #[serde(default)]
    pub(crate) user_id: Option<String>,
    /// Those that are gone: the latest [`MOST_GONE`], which is far more than anybody deletes by hand.
    pub(crate) deleted: Vec<String>,
}

/// A stream of a device that nobody speaks of ends by its age.
const MOST_GONE: usize = 1_000;

impl Word for Elsewhere {
    fn join(mut self, later: Self) -> Self {
        self.deleted.extend(later.deleted);
        let surplus = self.deleted.len().saturating_sub(MOST_GONE);
        self.deleted.drain(..surplus);
        Self {
            device_id: self.device_id.filter(|id| later.device_id.as_ref() == Some(id)),
            user_id: self.user_id.or(later.user_id),
            deleted: self.deleted,
        }
    }
}

/// A device that does not exist yet.
pub(crate) struct NewDevice {
    pub(crate) id: DeviceId,
    pub(crate) token: String,
    pub(crate) name: Option<String>,
    /// Where pushes for it go; `None`: it listens to events instead.
    pub(crate) push_token: Option<String>,
    pub(crate) sim_cards: Vec<SimCard>,
}

/// A SIM card, as the device tells; stored in the same form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SimCard {
    #[serde(default)]
    pub(crate) slot_index: i64,
    #[serde(default)]
    pub(crate) sim_number: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) phone_number: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) carrier_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) iccid: Option<String>,
}

/// A device as clients see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeviceView<'a> {
    id: &'a str,
    name: &'a str,
    created_at: Timestamp,
    updated_at: Timestamp,
    last_seen: Timestamp,
    #[serde(skip_serializing_if = "<[SimCard]>::is_empty")]
    sim_cards: &'a [SimCard],
}

impl<'a> From<&'a Device> for DeviceView<'a> {
    fn from(device: &'a Device) -> Self {
        Self {
            id: device.id.as_str(),
            name: device.name.as_deref().unwrap_or_default(),
            created_at: device.created_at,
            updated_at: device.updated_at,
            last_seen: device.last_seen,
            sim_cards: &device.sim_cards,
        }
    }
}

impl DeviceView<'_> {
    /// The same, seen at another time.
    pub(crate) fn seen(self, now: Timestamp) -> Self {
        Self { last_seen: now, ..self }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("id", &self.id)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for NewDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewDevice")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_several_devices_names_those_that_are_gone_and_stays_small() {
        let change = |id: &str, deleted: &[&str]| Elsewhere {
            device_id: Some(id.to_owned()),
            user_id: None,
            deleted: deleted.iter().map(|id| (*id).to_owned()).collect(),
        };
        let same = change("a", &[]).join(change("a", &["a"]));
        assert_eq!(same.device_id.as_deref(), Some("a"));
        let mut several = same.join(change("b", &[]));
        assert_eq!((several.device_id.as_deref(), several.deleted.len()), (None, 1));
        for _ in 0..2 * MOST_GONE {
            several = several.join(change("c", &["c"]));
        }
        assert_eq!((several.device_id, several.deleted.len()), (None, MOST_GONE));
    }
}
