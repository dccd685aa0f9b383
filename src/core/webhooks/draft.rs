//! What may a client send as a webhook? The rules in the order of the reference (WIRE §3.10). It knows no database: whose
//! the device is, is asked later.

use gateward_contract::{Object, ParseError, Value, Violations};

use super::{Webhook, address::is_http_url, model::EVENTS};

const MAX_ID: usize = 36;
const MAX_DEVICE_ID: usize = 21;
/// The column takes no more. The reference finds out from its database and answers 500.
const MAX_URL: usize = 256;

/// Why a webhook was refused. `Display` is the text for the client.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    /// No JSON, or not of these types.
    #[error("{0}")]
    Unreadable(#[from] ParseError),
    /// Fields that break a rule of their own.
    #[error("{0}")]
    Fields(#[from] Violations),
    /// Nothing that happens to a phone.
    #[error("failed to validate: validation failed: invalid event type")]
    UnknownEvent,
    /// Texts of people do not travel in the clear.
    #[error("failed to validate: validation failed: url must start with https://")]
    NotHttps,
}

/// A body that keeps all rules.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Draft {
    /// `None`: one has to be made.
    pub(super) id: Option<String>,
    /// An empty text is a device that does not exist (WIRE §17).
    pub(super) device_id: Option<String>,
    pub(super) url: String,
    pub(super) event: String,
}

impl Draft {
    pub(super) fn read(body: &Value<'_>) -> Result<Self, Refusal> {
        let body = Object::of(body, "Webhook")?;
        let draft = Self {
            id: Some(body.string("id")?).filter(|id| !id.is_empty()),
            device_id: body.opt_string("deviceId")?,
            url: body.string("url")?,
            event: body.string("event")?,
        };
        draft.violations().finish()?;
        if !EVENTS.contains(&draft.event.as_str()) {
            return Err(Refusal::UnknownEvent);
        }
        if !draft.url.starts_with("https://") {
            return Err(Refusal::NotHttps);
        }
        Ok(draft)
    }

    fn violations(&self) -> Violations {
        let mut broken = Violations::new();
        broken.max_chars(self.id.as_deref(), MAX_ID, "Webhook.ID");
        broken.max_chars(self.device_id.as_deref(), MAX_DEVICE_ID, "Webhook.DeviceID");
        let _passed = broken.check(!self.url.is_empty(), "Webhook.URL", "required")
            && broken.check(is_http_url(&self.url), "Webhook.URL", "http_url")
            && broken.max_chars(Some(&self.url), MAX_URL, "Webhook.URL");
        broken.check(!self.event.is_empty(), "Webhook.Event", "required");
        broken
    }

    /// The webhook, under its own id or this one.
    pub(super) fn into_webhook(self, new_id: impl FnOnce() -> String) -> Webhook {
        Webhook {
            id: self.id.unwrap_or_else(new_id),
            device_id: self.device_id,
            url: self.url,
            event: self.event,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use gateward_contract::json;

    use super::*;

    fn read(body: &str) -> Result<Draft, String> {
        let body = json::parse(body.as_bytes()).unwrap();
        Draft::read(&body).map_err(|refusal| refusal.to_string())
    }

    fn with(field: &str, value: &str) -> Result<Draft, String> {
        let mut body = serde_json::json!({"url": "https://example.com/hook", "event": "sms:sent"});
        body.as_object_mut().unwrap().insert(field.to_owned(), value.into());
        read(&body.to_string())
    }

    fn violation(field: &str, rule: &str) -> String {
        format!(
            "failed to validate: Key: 'Webhook.{field}' Error:Field validation for '{field}' failed on the '{rule}' tag"
        )
    }

    #[test]
    fn every_broken_rule_has_the_text_of_the_reference() {
        for (field, value, expected) in [
            ("url", "", violation("URL", "required")),
            ("url", "example.com", violation("URL", "http_url")),
            ("url", "invalid-url", violation("URL", "http_url")),
            ("url", "ftp://example.com", violation("URL", "http_url")),
            ("url", &format!("https://{}", "h".repeat(249)), violation("URL", "max")),
            ("event", "", violation("Event", "required")),
            ("id", &"i".repeat(37), violation("ID", "max")),
            ("deviceId", &"d".repeat(22), violation("DeviceID", "max")),
            ("event", "sms:lost", Refusal::UnknownEvent.to_string()),
            ("event", "SMS:SENT", Refusal::UnknownEvent.to_string()),
            ("url", "http://127.0.0.1/", Refusal::NotHttps.to_string()),
            ("url", "HTTPS://example.com", Refusal::NotHttps.to_string()),
        ] {
            assert_eq!(with(field, value), Err(expected), "{field}: {value}");
        }
        let both = format!("{}\n{}", violation("URL", "required"), violation("Event", "required"));
        let both = both.replacen("\nfailed to validate: ", "\n", 1);
        assert_eq!(read("{}"), Err(both.clone()));
        assert_eq!(read("null"), Err(both));
        assert_eq!(
            read(r#"{"url":1}"#),
            Err(
                "failed to parse body: json: cannot unmarshal number into Go struct field Webhook.url of type string"
                    .into()
            )
        );
    }

    #[test]
    fn the_longest_values_are_good() {
        let url = format!("https://{}", "h".repeat(30)) + &"/é".repeat(109);
        assert_eq!(url.chars().count(), 256);
        let draft = with("url", &url).unwrap();
        assert_eq!(draft.url, url, "kept as written");
        let id = "é".repeat(36);
        assert_eq!(with("id", &id).unwrap().id, Some(id));
    }

    #[test]
    fn an_empty_id_is_none_but_an_empty_device_is_one() {
        assert_eq!(with("id", "").unwrap().id, None);
        assert_eq!(with("deviceId", "").unwrap().device_id.as_deref(), Some(""));
        let null = r#"{"id":null,"deviceId":null,"url":"https://a.example","event":"system:ping"}"#;
        let draft = read(null).unwrap();
        assert_eq!((&draft.id, &draft.device_id), (&None, &None));
        assert_eq!(draft.into_webhook(|| "made".to_owned()).id, "made");
    }

    #[test]
    fn there_is_a_webhook_for_every_event() {
        for event in EVENTS {
            assert_eq!(with("event", event).unwrap().event, event);
        }
    }
}
