//! What does a client see of a message? (WIRE §3.2)
//!
//! The order of the fields is that of the reference. It does not know where a message comes from.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::Serialize;

use super::content::{Content, DataMessage, HashedMessage, TextMessage};
use super::state::State;
use crate::Timestamp;

/// A message as it is now, with all its recipients and its whole history.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Message {
    /// The client's id.
    pub(crate) id: String,
    /// The device that has to send it.
    pub(crate) device: String,
    /// The state of the whole.
    pub(crate) state: State,
    /// Numbers and content are hashes.
    pub(crate) is_hashed: bool,
    /// Numbers and content are the client's and the phone's secret.
    pub(crate) is_encrypted: bool,
    /// Who gets it.
    pub(crate) recipients: Vec<Recipient>,
    /// When each state was reached for the first time.
    pub(crate) history: BTreeMap<State, Timestamp>,
    /// `None`: not asked for.
    pub(crate) content: Option<Content>,
    /// When it was accepted.
    pub(crate) created_at: Timestamp,
}

/// One recipient and what became of the message for him.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recipient {
    pub(crate) phone_number: String,
    pub(crate) state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// The order of numbers, which may be encrypted texts: as the reference's database has it, whose collation compares capital
/// letters, so that `_` is behind them all.
pub(crate) fn by_number(one: &str, other: &str) -> Ordering {
    let capital = |byte: u8| byte.to_ascii_uppercase();
    let without_case = one.bytes().map(capital).cmp(other.bytes().map(capital));
    without_case.then_with(|| one.cmp(other))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View<'a> {
    id: &'a str,
    device_id: &'a str,
    state: State,
    is_hashed: bool,
    is_encrypted: bool,
    recipients: &'a [Recipient],
    /// By name, so that the keys come in alphabetical order.
    states: BTreeMap<&'static str, Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_message: Option<&'a TextMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_message: Option<&'a DataMessage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hashed_message: Option<&'a HashedMessage>,
    /// Not in the reference at this version; newer clients read it.
    created_at: Timestamp,
}

impl Serialize for Message {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (mut text_message, mut data_message, mut hashed_message) = (None, None, None);
        match &self.content {
            Some(Content::Text(text)) => text_message = Some(text),
            Some(Content::Data(data)) => data_message = Some(data),
            Some(Content::Hashed(hashed)) => hashed_message = Some(hashed),
            None => {}
        }
        let history = self.history.iter();
        let view = View {
            id: &self.id,
            device_id: &self.device,
            state: self.state,
            is_hashed: self.is_hashed,
            is_encrypted: self.is_encrypted,
            recipients: &self.recipients,
            states: history.map(|(state, at)| (state.name(), *at)).collect(),
            text_message,
            data_message,
            hashed_message,
            created_at: self.created_at,
        };
        view.serialize(serializer)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use super::{Message, Recipient};
    use crate::Timestamp;
    use crate::messages::content::{Content, DataMessage, HashedMessage, TextMessage};
    use crate::messages::state::State;

    fn message(content: Option<Content>) -> String {
        let at = Timestamp::from_millis(1_767_225_600_123);
        let recipient = |number: &str, error: Option<&str>| Recipient {
            phone_number: number.to_owned(),
            state: State::Failed,
            error: error.map(str::to_owned),
        };
        let message = Message {
            id: "<1>".to_owned(),
            device: "d".to_owned(),
            state: State::Sent,
            is_hashed: false,
            is_encrypted: true,
            recipients: vec![recipient("+1", None), recipient("+2", Some("no signal"))],
            history: BTreeMap::from([
                (State::Sent, Timestamp::from_millis(1_767_225_601_000)),
                (State::Pending, at),
            ]),
            content,
            created_at: at,
        };
        String::from_utf8(gateward_contract::json::to_vec(&message)).unwrap()
    }

    #[test]
    fn the_keys_come_in_the_order_of_the_reference() {
        let text = Content::Text(TextMessage { text: "hi".to_owned() });
        assert_eq!(
            message(Some(text)),
            concat!(
                r#"{"id":"\u003c1\u003e","deviceId":"d","state":"Sent","isHashed":false,"isEncrypted":true,"#,
                r#""recipients":[{"phoneNumber":"+1","state":"Failed"},"#,
                r#"{"phoneNumber":"+2","state":"Failed","error":"no signal"}],"#,
                r#""states":{"Pending":"2026-01-01T00:00:00.123Z","Sent":"2026-01-01T00:00:01Z"},"#,
                r#""textMessage":{"text":"hi"},"createdAt":"2026-01-01T00:00:00.123Z"}"#
            )
        );
    }

    #[test]
    fn content_is_one_object_or_none() {
        let data = Content::Data(DataMessage {
            data: "AAAA".to_owned(),
            port: 7,
        });
        let hashed = Content::Hashed(HashedMessage { hash: "ab".to_owned() });
        assert!(message(Some(data)).contains(r#"},"dataMessage":{"data":"AAAA","port":7},"createdAt""#));
        assert!(message(Some(hashed)).contains(r#"},"hashedMessage":{"hash":"ab"},"createdAt""#));
        assert!(message(None).contains(r#""Sent":"2026-01-01T00:00:01Z"},"createdAt""#));
    }
}
