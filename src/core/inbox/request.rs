//! Which received messages are to be reported again, and how (WIRE §3.8)? The rules in the order of the reference. It knows
//! no device.

use std::collections::BTreeMap;

use gateward_contract::{Object, RequestError, Value, Violations, time::YEAR_ONE};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::events::{Event, Kind};

const MAX_DEVICE_ID: usize = 21;
/// So many types are read: there are two. The reference has no limit; the next one of a hundred is left out.
const MOST_TYPES: usize = 100;
const TYPES: [&str; 2] = ["SMS", "MMS"];
const DELIVERIES: [&str; 3] = [DISABLED, INDIVIDUAL, "Batch"];
const DISABLED: &str = "Disabled";
const INDIVIDUAL: &str = "Individual";

/// A body that keeps all rules.
#[derive(Debug)]
pub(super) struct InboxRequest {
    /// `None`: all of the user's.
    pub(super) device_id: Option<String>,
    since: OffsetDateTime,
    until: OffsetDateTime,
    types: Option<Vec<String>>,
    delivery: String,
}

impl InboxRequest {
    pub(super) fn read(body: &Value<'_>) -> Result<Self, RequestError> {
        let body = Object::of(body, "InboxRefreshRequest")?;
        let device_id = body.opt_string("deviceId")?;
        let since = body.time("since")?;
        let until = body.time("until")?;
        let types = body.opt_string_list("messageTypes", MOST_TYPES)?;
        let trigger = body.bool("triggerWebhooks")?;
        let delivery = body.opt_string("webhookDelivery")?;

        let mut broken = Violations::new();
        broken.max_chars(device_id.as_deref(), MAX_DEVICE_ID, "InboxRefreshRequest.DeviceID");
        // The year 1 counts as missing (WIRE §17), for both rules.
        let _passed = broken.check(since != YEAR_ONE, "InboxRefreshRequest.Since", "required")
            && broken.check(since <= until, "InboxRefreshRequest.Since", "ltefield");
        let _passed = broken.check(until != YEAR_ONE, "InboxRefreshRequest.Until", "required")
            && broken.check(until >= since, "InboxRefreshRequest.Until", "gtefield");
        check_types(types.as_deref(), &mut broken);
        let known = delivery
            .as_deref()
            .is_none_or(|delivery| DELIVERIES.contains(&delivery));
        broken.check(known, "InboxRefreshRequest.WebhookDelivery", "oneof");
        broken.finish()?;
        let default = if trigger { INDIVIDUAL } else { DISABLED };
        Ok(Self {
            device_id,
            since,
            until,
            types,
            delivery: delivery.unwrap_or_else(|| default.to_owned()),
        })
    }

    /// What a phone is told.
    pub(super) fn refresh(&self) -> Event {
        self.event(self.types.as_ref().map(|types| types.join(",")), &self.delivery)
    }

    /// What a phone is told by the deprecated route, which knows text messages only and always reports them.
    pub(super) fn export(&self) -> Event {
        self.event(Some("SMS".to_owned()), INDIVIDUAL)
    }

    fn event(&self, types: Option<String>, delivery: &str) -> Event {
        let triggers = delivery != DISABLED;
        let mut data = BTreeMap::from([
            ("since".into(), written(self.since)),
            ("until".into(), written(self.until)),
            ("webhookDelivery".into(), delivery.to_owned()),
            ("triggerWebhooks".into(), triggers.to_string()),
        ]);
        data.extend(types.map(|types| ("messageTypes".into(), types)));
        Event {
            kind: Kind::MessagesExportRequested,
            data,
        }
    }
}

fn check_types(types: Option<&[String]>, broken: &mut Violations) {
    let Some(types) = types else { return };
    broken.check(!types.is_empty(), "InboxRefreshRequest.MessageTypes", "min");
    for (index, kind) in types.iter().enumerate() {
        let key = format!("InboxRefreshRequest.MessageTypes[{index}]");
        broken.check(TYPES.contains(&kind.as_str()), key, "oneof");
    }
}

/// Whole seconds, at the offset that the client wrote.
fn written(time: OffsetDateTime) -> String {
    let whole = time.truncate_to_second();
    // Only an offset with seconds has no form, and none was read.
    whole.format(&Rfc3339).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use gateward_contract::json;
    use serde_json::json;

    use super::*;

    fn read(body: &serde_json::Value) -> Result<InboxRequest, String> {
        let body = body.to_string();
        let body = json::parse(body.as_bytes()).unwrap();
        InboxRequest::read(&body).map_err(|refusal| refusal.to_string())
    }

    fn with(field: &str, value: serde_json::Value) -> Result<InboxRequest, String> {
        let mut body = json!({"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"});
        body.as_object_mut().unwrap().insert(field.to_owned(), value);
        read(&body)
    }

    fn told(event: Event) -> serde_json::Value {
        assert_eq!(event.kind, Kind::MessagesExportRequested);
        json!(event.data)
    }

    fn violations(lines: &[(&str, &str)]) -> String {
        let lines = lines.iter().map(|(field, rule)| {
            format!(
                "Key: 'InboxRefreshRequest.{field}' Error:Field validation for '{field}' failed on the '{rule}' tag"
            )
        });
        format!("failed to validate: {}", lines.collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn every_broken_rule_has_the_text_of_the_reference() {
        let day = "2026-01-01T00:00:00Z";
        for (body, lines) in [
            (json!({}), vec![("Since", "required"), ("Until", "required")]),
            (json!({"until": day}), vec![("Since", "required")]),
            (
                json!({"since": day}),
                vec![("Since", "ltefield"), ("Until", "required")],
            ),
            (
                json!({"since": "0001-01-01T00:00:00Z", "until": day}),
                vec![("Since", "required")],
            ),
            (
                json!({"since": "2026-01-02T00:00:00Z", "until": day}),
                vec![("Since", "ltefield"), ("Until", "gtefield")],
            ),
        ] {
            assert_eq!(read(&body).unwrap_err(), violations(&lines), "{body}");
        }
        for (field, value, line) in [
            ("deviceId", json!("d".repeat(22)), ("DeviceID", "max")),
            ("messageTypes", json!([]), ("MessageTypes", "min")),
            ("messageTypes", json!(["SMS", "FAX"]), ("MessageTypes[1]", "oneof")),
            ("messageTypes", json!(["sms"]), ("MessageTypes[0]", "oneof")),
            ("messageTypes", json!([null]), ("MessageTypes[0]", "oneof")),
            ("webhookDelivery", json!("Never"), ("WebhookDelivery", "oneof")),
            ("webhookDelivery", json!("batch"), ("WebhookDelivery", "oneof")),
        ] {
            assert_eq!(with(field, value).unwrap_err(), violations(&[line]));
        }
        for (field, value) in [
            ("since", json!("yesterday")),
            ("since", json!("2026-01-01")),
            ("until", json!("2026-01-01T00:00:00")),
            ("until", json!(1)),
            ("messageTypes", json!("SMS")),
            ("triggerWebhooks", json!("yes")),
            ("webhookDelivery", json!(1)),
            ("deviceId", json!(1)),
        ] {
            let text = with(field, value).unwrap_err();
            assert!(text.starts_with("failed to parse body: "), "{text}");
        }
    }

    #[test]
    fn the_delivery_is_the_one_that_is_named_or_follows_from_the_old_field() {
        for (body, delivery, triggers) in [
            (json!({}), "Disabled", "false"),
            (json!({"triggerWebhooks": false}), "Disabled", "false"),
            (json!({"triggerWebhooks": true}), "Individual", "true"),
            (
                json!({"webhookDelivery": null, "triggerWebhooks": true}),
                "Individual",
                "true",
            ),
            (json!({"webhookDelivery": "Individual"}), "Individual", "true"),
            (
                json!({"webhookDelivery": "Batch", "triggerWebhooks": false}),
                "Batch",
                "true",
            ),
            (
                json!({"webhookDelivery": "Disabled", "triggerWebhooks": true}),
                "Disabled",
                "false",
            ),
        ] {
            let mut whole = json!({"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"});
            whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
            let request = read(&whole).unwrap();
            assert_eq!(
                told(request.refresh()),
                json!({
                    "since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z",
                    "webhookDelivery": delivery, "triggerWebhooks": triggers,
                })
            );
        }
    }

    #[test]
    fn times_are_told_in_whole_seconds_at_their_offset() {
        let body = json!({
            "since": "2026-01-01T00:00:00.999+03:30", "until": "2026-01-01T00:00:01+00:00",
            "messageTypes": ["SMS", "MMS"],
        });
        let told = told(read(&body).unwrap().refresh());
        assert_eq!(told["since"], "2026-01-01T00:00:00+03:30");
        assert_eq!(told["until"], "2026-01-01T00:00:01Z");
        assert_eq!(told["messageTypes"], "SMS,MMS");
    }

    #[test]
    fn an_export_is_of_text_messages_one_by_one() {
        let request = with("webhookDelivery", json!("Disabled")).unwrap();
        assert_eq!(
            told(request.export()),
            json!({
                "since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z",
                "messageTypes": "SMS", "webhookDelivery": "Individual", "triggerWebhooks": "true",
            })
        );
    }
}
