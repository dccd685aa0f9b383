//! What is a phone told, and how is it written: for the relay (WIRE §5.5), for FCM (§5.3), and while it waits (§5.2)?
//!
//! Pure: it does not know how any of them gets there.

use std::{collections::BTreeMap, fmt};

use gateward_contract::{
    ParseError, Violations,
    json::{self, Object},
};
use serde::Serialize;

use crate::events::{Event, Kind};

/// Characters of a token that the relay takes: those of FCM have about 160, and whoever asks is a stranger.
const LONGEST_TOKEN: usize = 4096;
/// Bytes of names and values that the relay takes: FCM takes no more in a whole message.
const LARGEST_DATA: usize = 4096;

/// One event for one push token.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Notification {
    /// Where it goes. Who knows it can wake the phone: never logged.
    pub(super) token: String,
    pub(super) kind: Kind,
    /// `None` is `null` on the wire.
    pub(super) data: Option<BTreeMap<String, String>>,
}

/// A notification in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) notification: Notification,
    /// How often it has failed.
    pub(super) failures: u8,
}

/// As the relay has it. While it waits, it also says how often it has failed.
#[derive(Serialize)]
struct Written<'a> {
    token: &'a str,
    event: &'static str,
    data: &'a Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<u8>,
}

/// The body of one FCM send.
#[derive(Serialize)]
struct Envelope<'a> {
    message: FcmMessage<'a>,
}

#[derive(Serialize)]
struct FcmMessage<'a> {
    token: &'a str,
    data: FcmData,
    android: Android,
}

#[derive(Serialize)]
struct FcmData {
    event: &'static str,
    /// JSON as a text: FCM carries texts only.
    data: String,
}

#[derive(Serialize)]
struct Android {
    /// Wakes a phone that dozes.
    priority: &'static str,
}

impl Notification {
    /// An event of ours.
    pub(super) fn of(token: &str, event: &Event) -> Self {
        let data = event.data.iter().map(|(name, value)| (name.to_string(), value.clone()));
        Self {
            token: token.to_owned(),
            kind: event.kind,
            data: (!event.data.is_empty()).then(|| data.collect()),
        }
    }

    /// One that a private gateway asks us to pass on; the outer error is a wrong type, the inner one a broken rule.
    pub(super) fn relayed(fields: &Object<'_>) -> Result<Result<Self, Violations>, ParseError> {
        let token = fields.str("token")?;
        let event = fields.str_named("event", "smsgateway.PushEventType")?;
        let data = fields.opt_string_map("data")?;
        let kind = Kind::named(&event);
        let mut broken = Violations::new();
        if broken.check(!token.is_empty(), "PushNotification.Token", "required") {
            broken.max_chars(Some(&token), LONGEST_TOKEN, "PushNotification.Token");
        }
        broken.check(kind.is_some(), "PushNotification.Event", "oneof");
        let size = data.iter().flatten().map(|(name, value)| name.len() + value.len());
        broken.check(size.sum::<usize>() <= LARGEST_DATA, "PushNotification.Data", "max");
        Ok(match (broken.finish(), kind) {
            (Ok(()), Some(kind)) => Ok(Self {
                token: token.into_owned(),
                kind,
                data,
            }),
            (broken, _) => Err(broken.err().unwrap_or_default()),
        })
    }

    /// A newer notification with the same key takes the place of this one.
    pub(super) fn key(&self) -> String {
        format!("{}:{}", self.token, self.kind.name())
    }

    /// `{"message":{…}}` for FCM's HTTP v1 API.
    pub(super) fn for_fcm(&self) -> Vec<u8> {
        json::to_vec(&Envelope {
            message: FcmMessage {
                token: &self.token,
                data: FcmData {
                    event: self.kind.name(),
                    data: String::from_utf8_lossy(&json::to_vec(&self.data)).into_owned(),
                },
                android: Android { priority: "high" },
            },
        })
    }

    fn written(&self, failures: Option<u8>) -> Written<'_> {
        Written {
            token: &self.token,
            event: self.kind.name(),
            data: &self.data,
            failures,
        }
    }
}

/// A JSON array for the relay.
pub(super) fn for_relay<'a>(batch: impl Iterator<Item = &'a Notification>) -> Vec<u8> {
    let written: Vec<_> = batch.map(|notification| notification.written(None)).collect();
    json::to_vec(&written)
}

impl Waiting {
    /// As it is kept.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        json::to_vec(&self.notification.written(Some(self.failures)))
    }

    /// `None` if another version wrote something that we do not know.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let fields = Object::of(&value, "PushNotification").ok()?;
        Some(Self {
            notification: Notification {
                // The relay refuses all that is in one request with an empty one.
                token: fields.opt_string("token").ok()?.filter(|token| !token.is_empty())?,
                kind: Kind::named(&fields.opt_str("event").ok()??)?,
                data: fields.opt_string_map("data").ok()?,
            },
            failures: fields.opt_uint8("failures").ok()?.unwrap_or_default(),
        })
    }
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    fn cancelled() -> Notification {
        Notification::of("t1", &Event::message_cancelled("a\"b".to_owned()))
    }

    #[test]
    fn fcm_gets_texts_and_a_high_priority() {
        let plain = Notification::of("t1", &Event::plain(Kind::MessageEnqueued));
        assert_eq!(
            text(plain.for_fcm()),
            r#"{"message":{"token":"t1","data":{"event":"MessageEnqueued","data":"null"},"android":{"priority":"high"}}}"#
        );
        assert_eq!(
            text(cancelled().for_fcm()),
            concat!(
                r#"{"message":{"token":"t1","data":{"event":"MessageCancelled","data":"{\"messageId\":\"a\\\"b\"}"},"#,
                r#""android":{"priority":"high"}}}"#
            )
        );
    }

    #[test]
    fn the_relay_gets_a_list() {
        let plain = Notification::of("t2", &Event::plain(Kind::WebhooksUpdated));
        assert_eq!(
            text(for_relay([&cancelled(), &plain].into_iter())),
            concat!(
                r#"[{"token":"t1","event":"MessageCancelled","data":{"messageId":"a\"b"}},"#,
                r#"{"token":"t2","event":"WebhooksUpdated","data":null}]"#
            )
        );
    }

    #[test]
    fn what_waits_is_read_as_it_was_written() {
        let waiting = Waiting {
            notification: cancelled(),
            failures: 2,
        };
        assert_eq!(Waiting::from_bytes(&waiting.to_bytes()), Some(waiting));
        let no_token = r#"{"token":"","event":"MessageEnqueued"}"#;
        for unknown in ["", "[]", r#"{"token":"t","event":"Tomorrow"}"#, no_token] {
            assert_eq!(Waiting::from_bytes(unknown.as_bytes()), None);
        }
    }

    #[test]
    fn the_key_is_the_token_and_the_kind() {
        assert_eq!(cancelled().key(), "t1:MessageCancelled");
    }

    #[test]
    fn a_debug_text_shows_no_token() {
        assert!(!format!("{:?}", cancelled()).contains("t1"));
    }
}
