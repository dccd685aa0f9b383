//! Which events are there, and what do they carry? (WIRE §5.4)
//!
//! It does not know who gets them nor how they travel.

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
    pub(crate) data: BTreeMap<&'static str, String>,
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
            data: BTreeMap::from([("messageId", message_id)]),
        }
    }
}
