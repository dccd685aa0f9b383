//! What is a webhook (WIRE §3.10)?

use serde::Serialize;

/// Everything that a webhook can be for. Phones compare these exactly.
pub(super) const EVENTS: [&str; 14] = [
    "sms:received",
    "sms:data-received",
    "sms:sent",
    "sms:delivered",
    "sms:failed",
    "sms:cancelled",
    "system:ping",
    "mms:received",
    "mms:downloaded",
    "app:started",
    "sms:batch:received",
    "sms:batch:data-received",
    "mms:batch:received",
    "mms:batch:downloaded",
];

/// An address to call, as clients and phones read it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Webhook {
    /// Unique among the user's; chosen by the client or made by us.
    pub(crate) id: String,
    /// The only device that calls it; `None`: all of the user's.
    pub(crate) device_id: Option<String>,
    /// Begins with `https://`.
    pub(crate) url: String,
    /// One of [`EVENTS`], unless another server wrote it.
    pub(crate) event: String,
}
