//! How does one process tell another of an event? In the reference's words (WIRE §5.1):
//! `{"user_id", "device_id"?, "event": {"event_type", "data"}}`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Event, Kind};

/// An event and whom it is for.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Announcement {
    pub(super) user_id: String,
    /// `None`: for all devices of the user. We name one; the reference may not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) device_id: Option<String>,
    event: Said,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    event_type: String,
    /// `null` when there is none.
    #[serde(default)]
    data: Option<BTreeMap<String, String>>,
}

impl Announcement {
    pub(super) fn new(user: &str, device: &str, event: &Event) -> Self {
        let data = event.data.iter();
        let data: BTreeMap<_, _> = data.map(|(name, text)| (name.to_string(), text.clone())).collect();
        Self {
            user_id: user.to_owned(),
            device_id: Some(device.to_owned()),
            event: Said {
                event_type: event.kind.name().to_owned(),
                data: Some(data).filter(|data| !data.is_empty()),
            },
        }
    }

    /// `None` for a kind that we do not know.
    pub(super) fn event(&self) -> Option<Event> {
        let data = self.event.data.iter().flatten();
        Some(Event {
            kind: Kind::named(&self.event.event_type)?,
            data: data.map(|(name, text)| (name.clone().into(), text.clone())).collect(),
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::Announcement;
    use crate::events::{Event, Kind};

    #[test]
    fn it_is_written_as_the_reference_writes_it_and_read_back() {
        for (event, text) in [
            (
                Event::plain(Kind::MessageEnqueued),
                r#"{"user_id":"U","device_id":"d","event":{"event_type":"MessageEnqueued","data":null}}"#,
            ),
            (
                Event::message_cancelled("m".to_owned()),
                r#"{"user_id":"U","device_id":"d","event":{"event_type":"MessageCancelled","data":{"messageId":"m"}}}"#,
            ),
        ] {
            let announcement = Announcement::new("U", "d", &event);
            assert_eq!(serde_json::to_string(&announcement).unwrap(), text);
            let read: Announcement = serde_json::from_str(text).unwrap();
            assert_eq!(read.event(), Some(event));
            assert_eq!(read, announcement);
        }
    }

    #[test]
    fn it_may_be_for_all_devices_and_of_a_kind_that_comes_later() {
        let text = r#"{"user_id":"U","event":{"event_type":"Newer"},"origin":"x"}"#;
        let read: Announcement = serde_json::from_str(text).unwrap();
        assert_eq!((read.device_id.as_deref(), read.event()), (None, None));
    }
}
