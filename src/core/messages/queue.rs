//! What does a phone get to see of a message that it has to send? (WIRE §4.6)
//!
//! Which messages and in which order is the business of the store; whether a message has expired or its time has come
//! is the phone's.

use serde::Serialize;

use super::content::{Content, DataMessage, TextMessage};
use super::state::State;
use crate::Timestamp;

/// A message in a phone's queue.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Queued {
    pub(crate) id: String,
    pub(crate) content: Content,
    pub(crate) numbers: Vec<String>,
    pub(crate) is_encrypted: bool,
    pub(crate) sim_number: Option<u8>,
    pub(crate) with_delivery_report: bool,
    pub(crate) priority: i8,
    pub(crate) valid_until: Option<Timestamp>,
    pub(crate) schedule_at: Option<Timestamp>,
    /// Pending or Cancelling.
    pub(crate) state: State,
    pub(crate) created_at: Timestamp,
}

/// The fields in the order of the reference; what says nothing is left out.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct View<'a> {
    id: &'a str,
    /// The text once more, for old phones.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_message: Option<&'a TextMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_message: Option<&'a DataMessage>,
    phone_numbers: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    is_encrypted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sim_number: Option<u8>,
    with_delivery_report: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    priority: Option<i8>,
    /// Whole seconds that are left, never less than none.
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_at: Option<Timestamp>,
    state: State,
    created_at: Timestamp,
}

impl Queued {
    /// As the phone sees it at this moment.
    pub(crate) fn view(&self, now: Timestamp) -> View<'_> {
        let (text_message, data_message) = match &self.content {
            Content::Text(text) => (Some(text), None),
            Content::Data(data) => (None, Some(data)),
            // Only what has been reported is ever hashed, and that is no longer in the queue.
            Content::Hashed(_) => (None, None),
        };
        let seconds_left = |end: Timestamp| end.millis().saturating_sub(now.millis()).max(0) / 1000;
        View {
            id: &self.id,
            message: text_message.map(|text| text.text.as_str()),
            text_message,
            data_message,
            phone_numbers: &self.numbers,
            is_encrypted: self.is_encrypted.then_some(true),
            sim_number: self.sim_number,
            with_delivery_report: self.with_delivery_report,
            priority: Some(self.priority).filter(|priority| *priority != 0),
            ttl: self.valid_until.map(seconds_left),
            valid_until: self.valid_until,
            schedule_at: self.schedule_at,
            state: self.state,
            created_at: self.created_at,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::Queued;
    use crate::Timestamp;
    use crate::messages::content::{Content, DataMessage, TextMessage};
    use crate::messages::state::State;

    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    fn plain() -> Queued {
        Queued {
            id: "plain".to_owned(),
            content: Content::Text(TextMessage {
                text: "hello".to_owned(),
            }),
            numbers: vec!["+79990001234".to_owned()],
            is_encrypted: false,
            sim_number: None,
            with_delivery_report: true,
            priority: 0,
            valid_until: None,
            schedule_at: None,
            state: State::Pending,
            created_at: NOW,
        }
    }

    fn json(queued: &Queued) -> String {
        String::from_utf8(gateward_contract::json::to_vec(&queued.view(NOW))).unwrap()
    }

    #[test]
    fn a_plain_text_has_no_key_too_many() {
        assert_eq!(
            json(&plain()),
            concat!(
                r#"{"id":"plain","message":"hello","textMessage":{"text":"hello"},"#,
                r#""phoneNumbers":["+79990001234"],"withDeliveryReport":true,"state":"Pending","#,
                r#""createdAt":"2026-01-01T00:00:00Z"}"#
            )
        );
    }

    #[test]
    fn every_option_shows() {
        let full = Queued {
            content: Content::Data(DataMessage {
                data: "AAAA".to_owned(),
                port: 9,
            }),
            is_encrypted: true,
            sim_number: Some(2),
            with_delivery_report: false,
            priority: -1,
            valid_until: Some(Timestamp::from_millis(NOW.millis() + 5_999)),
            schedule_at: Some(Timestamp::from_millis(NOW.millis() + 1_000)),
            state: State::Cancelling,
            ..plain()
        };
        assert_eq!(
            json(&full),
            concat!(
                r#"{"id":"plain","dataMessage":{"data":"AAAA","port":9},"phoneNumbers":["+79990001234"],"#,
                r#""isEncrypted":true,"simNumber":2,"withDeliveryReport":false,"priority":-1,"ttl":5,"#,
                r#""validUntil":"2026-01-01T00:00:05.999Z","scheduleAt":"2026-01-01T00:00:01Z","#,
                r#""state":"Cancelling","createdAt":"2026-01-01T00:00:00Z"}"#
            )
        );
    }

    #[test]
    fn what_has_expired_has_no_seconds_left() {
        let expired = Queued {
            valid_until: Some(Timestamp::from_millis(NOW.millis() - 1)),
            ..plain()
        };
        assert!(json(&expired).contains(r#""ttl":0,"validUntil":"2025-12-31T23:59:59.999Z""#));
    }
}
