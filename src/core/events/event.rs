//! Which events are there, and what do they carry? (WIRE §5.4)
//!
//! It does not know who gets them nor how they travel.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// What happened. Phones compare the names exactly (WIRE §12.17).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A message waits to be pulled.
    MessageEnqueued,
    /// A message is to be cancelled.
    MessageCancelled,
    /// The list of webhooks changed.
    WebhooksUpdated,
    /// The settings changed.
    SettingsUpdated,
    /// Received messages are to be reported again.
    MessagesExportRequested,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::MessageEnqueued,
        Self::MessageCancelled,
        Self::WebhooksUpdated,
        Self::SettingsUpdated,
        Self::MessagesExportRequested,
    ];

    /// The kind with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name on the wire, and the label of metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MessageEnqueued => "MessageEnqueued",
            Self::MessageCancelled => "MessageCancelled",
            Self::WebhooksUpdated => "WebhooksUpdated",
            Self::SettingsUpdated => "SettingsUpdated",
            Self::MessagesExportRequested => "MessagesExportRequested",
        }
    }
}

/// One event with its data, which is texts by name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Event {
    /// What happened.
    pub(crate) kind: Kind,
    /// Empty for most kinds.
    pub(crate) data: BTreeMap<Cow<'static, str>, String>,
}

impl Event {
    /// An event that carries nothing but its name.
    pub(crate) fn plain(kind: Kind) -> Self {
        Self {
            kind,
            data: BTreeMap::new(),
        }
    }

    /// The message with this id of a client's is to be cancelled.
    pub(crate) fn message_cancelled(message_id: String) -> Self {
        Self {
            kind: Kind::MessageCancelled,
            data: BTreeMap::from([("messageId".into(), message_id)]),
        }
    }

    /// The data as JSON: an object of texts, or `null` when there are none.
    pub(crate) fn data_json(&self) -> Vec<u8> {
        if self.data.is_empty() {
            b"null".to_vec()
        } else {
            gateward_contract::json::to_vec(&self.data)
        }
    }
}
