//! Tests of new messages: every text of a refusal, their order, and what is made of a good body.

use gateward_contract::json;

use super::{Draft, DraftText, NewMessage};
use crate::Timestamp;
use crate::messages::content::{Content, DataMessage, TextMessage};

/// 2026-01-01T00:00:00Z
const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_000);
const HELLO: &str = r#""textMessage":{"text":"hello"}"#;
const NUMBER: &str = r#""phoneNumbers":["+79990001234"]"#;

fn prepare(body: &str, skip_phone_validation: bool) -> Result<NewMessage, String> {
    let value = json::parse(body.as_bytes()).map_err(|error| error.to_string())?;
    let draft = Draft::read(&value).map_err(|error| error.to_string())?;
    let checked = draft.check(NOW).map_err(|refusal| refusal.to_string())?;
    checked
        .prepare(skip_phone_validation, rlibphonenumber::Region::RU, NOW)
        .map_err(|refusal| refusal.to_string())
}

/// The refusal of a body that has these fields beside a text and a number.
fn refusal_with(fields: &str) -> String {
    refusal(&format!("{{{HELLO},{NUMBER},{fields}}}"))
}

fn refusal(body: &str) -> String {
    prepare(body, false).unwrap_err()
}

fn accepted_with(fields: &str) -> NewMessage {
    prepare(&format!("{{{HELLO},{NUMBER},{fields}}}"), false).unwrap()
}

fn line(path: &str, rule: &str) -> String {
    let field = path.rsplit('.').next().unwrap();
    format!("Key: 'Message.{path}' Error:Field validation for '{field}' failed on the '{rule}' tag")
}

fn invalid(path: &str, rule: &str) -> String {
    format!("failed to validate: {}", line(path, rule))
}

#[test]
fn a_field_that_is_given_twice_is_read_as_in_the_reference() {
    let draft = |fields: &str| Draft::read(&json::parse(fields.as_bytes()).unwrap()).unwrap();
    assert_eq!(draft(r#"{"message":"a","message":null}"#).message, "a");
    assert_eq!(draft(r#"{"ttl":9,"ttl":null}"#).ttl, None);
    let text = draft(r#"{"textMessage":{"text":"a"},"textMessage":{}}"#).text_message;
    assert_eq!(text, Some(DraftText { text: "a".to_owned() }));
    assert_eq!(
        draft(r#"{"textMessage":{"text":"a"},"textMessage":null}"#).text_message,
        None
    );
}

#[test]
fn a_text_and_a_number_are_enough() {
    let message = prepare(&format!("{{{HELLO},{NUMBER}}}"), false).unwrap();
    assert_eq!(message.id, None);
    assert_eq!(
        message.content,
        Content::Text(TextMessage {
            text: "hello".to_owned()
        })
    );
    assert_eq!(message.numbers, ["+79990001234"]);
    assert!(message.with_delivery_report && !message.is_encrypted);
    assert_eq!((message.sim_number, message.priority), (None, 0));
    assert_eq!((message.valid_until, message.schedule_at), (None, None));
}

#[test]
fn every_option_is_kept() {
    let message = accepted_with(
        r#""id":"my-id","simNumber":3,"withDeliveryReport":false,"priority":-128,"isEncrypted":false,
           "validUntil":"2026-01-01T03:00:00.678+00:00","scheduleAt":"2026-01-01T03:00:00.678Z""#,
    );
    let end = Timestamp::from_millis(NOW.millis() + 3 * 3_600_000 + 678);
    assert_eq!(message.id.as_deref(), Some("my-id"));
    assert_eq!((message.sim_number, message.priority), (Some(3), -128));
    assert!(!message.with_delivery_report);
    assert_eq!((message.valid_until, message.schedule_at), (Some(end), Some(end)));
}

#[test]
fn null_and_empty_are_absent() {
    let nulls = r#""id":null,"deviceId":null,"message":null,"dataMessage":null,"isEncrypted":null,"simNumber":null,
        "withDeliveryReport":null,"priority":null,"ttl":null,"validUntil":null,"scheduleAt":null"#;
    assert_eq!(
        accepted_with(nulls),
        accepted_with(r#""id":"","deviceId":"","message":"""#)
    );
}

#[test]
fn the_legacy_field_is_a_text() {
    let message = prepare(&format!(r#"{{{NUMBER},"message":"legacy text"}}"#), false).unwrap();
    let text = "legacy text".to_owned();
    assert_eq!(message.content, Content::Text(TextMessage { text }));
}

#[test]
fn data_goes_to_a_port() {
    let message = prepare(
        &format!(r#"{{{NUMBER},"dataMessage":{{"data":"SGVsbG8=","port":65535}}}}"#),
        false,
    );
    let data = DataMessage {
        data: "SGVsbG8=".to_owned(),
        port: 65535,
    };
    assert_eq!(message.unwrap().content, Content::Data(data));
}

#[test]
fn exactly_one_content_is_needed() {
    let none = "failed to validate: validation failed: must specify exactly one of: textMessage or dataMessage";
    let several = "failed to validate: conflict fields: must specify exactly one of: textMessage or dataMessage";
    let data = r#""dataMessage":{"data":"AAAA","port":1}"#;
    for (fields, text) in [
        (NUMBER.to_owned(), none),
        (format!(r#"{NUMBER},"message":"""#), none),
        (format!(r#"{NUMBER},{HELLO},"message":"x""#), several),
        (format!("{NUMBER},{HELLO},{data}"), several),
        (format!(r#"{NUMBER},{data},"message":"x""#), several),
        (format!(r#"{NUMBER},{HELLO},{data},"message":"x""#), several),
    ] {
        assert_eq!(refusal(&format!("{{{fields}}}")), text, "{fields}");
    }
}

#[test]
fn fields_of_the_contents_have_rules() {
    let long = "x".repeat(65_536);
    let data = "A".repeat(65_536);
    for (content, path, rule) in [
        (r#""textMessage":{}"#.to_owned(), "TextMessage.Text", "required"),
        (
            r#""textMessage":{"text":""}"#.to_owned(),
            "TextMessage.Text",
            "required",
        ),
        (
            format!(r#""textMessage":{{"text":"{long}"}}"#),
            "TextMessage.Text",
            "max",
        ),
        (format!(r#""message":"{long}""#), "Message", "max"),
        (r#""dataMessage":{"port":1}"#.to_owned(), "DataMessage.Data", "required"),
        (
            r#""dataMessage":{"data":"AAAA"}"#.to_owned(),
            "DataMessage.Port",
            "required",
        ),
        (
            r#""dataMessage":{"data":"AAAA","port":0}"#.to_owned(),
            "DataMessage.Port",
            "required",
        ),
        (
            r#""dataMessage":{"data":"not base64!","port":1}"#.to_owned(),
            "DataMessage.Data",
            "base64",
        ),
        (
            r#""dataMessage":{"data":"AAAAA","port":1}"#.to_owned(),
            "DataMessage.Data",
            "base64",
        ),
        (
            r#""dataMessage":{"data":"A===","port":1}"#.to_owned(),
            "DataMessage.Data",
            "base64",
        ),
        (
            r#""dataMessage":{"data":"AA=A","port":1}"#.to_owned(),
            "DataMessage.Data",
            "base64",
        ),
        (
            r#""dataMessage":{"data":"AA-_","port":1}"#.to_owned(),
            "DataMessage.Data",
            "base64",
        ),
        (
            format!(r#""dataMessage":{{"data":"{data}","port":1}}"#),
            "DataMessage.Data",
            "max",
        ),
    ] {
        assert_eq!(
            refusal(&format!("{{{NUMBER},{content}}}")),
            invalid(path, rule),
            "{path} {rule}"
        );
    }
}

#[test]
fn numbers_are_between_1_and_100_texts_of_at_most_128_characters() {
    let many: Vec<_> = (0..101).map(|last| format!("\"+7999000{last:04}\"")).collect();
    let with = |numbers: &str| refusal(&format!(r#"{{{HELLO},"phoneNumbers":{numbers}}}"#));
    assert_eq!(refusal(&format!("{{{HELLO}}}")), invalid("PhoneNumbers", "required"));
    assert_eq!(with("null"), invalid("PhoneNumbers", "required"));
    assert_eq!(with("[]"), invalid("PhoneNumbers", "min"));
    assert_eq!(with(&format!("[{}]", many.join(","))), invalid("PhoneNumbers", "max"));
    assert_eq!(with(r#"["+79990001234",""]"#), invalid("PhoneNumbers[1]", "required"));
    assert_eq!(with("[null]"), invalid("PhoneNumbers[0]", "required"));
    let long = format!(r#"["{}"]"#, "1".repeat(129));
    assert_eq!(with(&long), invalid("PhoneNumbers[0]", "max"));
}

#[test]
fn lengths_count_characters() {
    assert_eq!(
        accepted_with(&format!(r#""id":"{}""#, "é".repeat(36))).id,
        Some("é".repeat(36))
    );
    assert_eq!(
        refusal_with(&format!(r#""id":"{}""#, "i".repeat(37))),
        invalid("ID", "max")
    );
    assert_eq!(
        refusal_with(&format!(r#""deviceId":"{}""#, "d".repeat(22))),
        invalid("DeviceID", "max")
    );
}

#[test]
fn options_have_ranges() {
    assert_eq!(refusal_with(r#""simNumber":0"#), invalid("SimNumber", "min"));
    assert_eq!(refusal_with(r#""simNumber":4"#), invalid("SimNumber", "max"));
    assert_eq!(refusal_with(r#""ttl":4"#), invalid("TTL", "min"));
    assert_eq!(refusal_with(r#""ttl":0"#), invalid("TTL", "min"));
}

#[test]
fn values_of_a_wrong_type_cannot_be_parsed() {
    for (fields, text) in [
        (
            r#""simNumber":-1"#,
            "json: cannot unmarshal number -1 into Go struct field Message.simNumber of type uint8",
        ),
        (
            r#""priority":128"#,
            "json: cannot unmarshal number 128 into Go struct field Message.priority of type smsgateway.MessagePriority",
        ),
        (
            r#""ttl":-1"#,
            "json: cannot unmarshal number -1 into Go struct field Message.ttl of type uint64",
        ),
        (
            r#""dataMessage":{"data":"AAAA","port":65536}"#,
            "json: cannot unmarshal number 65536 into Go struct field DataMessage.dataMessage.port of type uint16",
        ),
        (
            r#""validUntil":"2030-01-02""#,
            "parsing time \"2030-01-02\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"\" as \"T\"",
        ),
        (
            r#""validUntil":1700000000"#,
            "Time.UnmarshalJSON: input is not a JSON string",
        ),
    ] {
        assert_eq!(
            refusal_with(fields),
            format!("failed to parse body: {text}"),
            "{fields}"
        );
    }
}

#[test]
fn every_bad_field_has_a_line() {
    let body = format!(
        r#"{{"textMessage":{{"text":""}},"phoneNumbers":[],"id":"{}","ttl":1}}"#,
        "i".repeat(37)
    );
    let lines = [
        line("ID", "max"),
        line("TextMessage.Text", "required"),
        line("PhoneNumbers", "min"),
        line("TTL", "min"),
    ];
    assert_eq!(refusal(&body), format!("failed to validate: {}", lines.join("\n")));
}

#[test]
fn fields_come_before_contents_and_contents_before_numbers() {
    assert_eq!(refusal(&format!(r#"{{{NUMBER},"ttl":1}}"#)), invalid("TTL", "min"));
    assert_eq!(
        refusal(r#"{"phoneNumbers":["abc"]}"#),
        "failed to validate: validation failed: must specify exactly one of: textMessage or dataMessage"
    );
}

#[test]
fn an_end_is_told_in_one_way() {
    assert_eq!(
        refusal_with(r#""ttl":60,"validUntil":"2026-01-01T01:00:00Z""#),
        "failed to validate: conflict fields: ttl and validUntil"
    );
    assert_eq!(
        accepted_with(r#""ttl":5"#).valid_until,
        Some(Timestamp::from_millis(NOW.millis() + 5_000))
    );
    assert_eq!(
        accepted_with(r#""ttl":18446744073709551615"#)
            .valid_until
            .map(|end| end.to_string()),
        Some("9999-12-31T23:59:59.999Z".to_owned())
    );
    assert!(
        accepted_with(r#""validUntil":"2025-01-02T03:04:05.678+03:00""#)
            .valid_until
            .is_some_and(|end| end < NOW)
    );
}

#[test]
fn a_schedule_is_ahead_and_not_after_the_end() {
    let past = "failed to validate: validation failed: scheduleAt must be in the future";
    let late = "scheduleAt must be less than or equal to validUntil";
    assert_eq!(refusal_with(r#""scheduleAt":"2026-01-01T00:00:00Z""#), past);
    assert_eq!(
        refusal_with(r#""scheduleAt":"2026-01-01T02:00:00Z","validUntil":"2026-01-01T01:00:00Z""#),
        late
    );
    assert_eq!(refusal_with(r#""scheduleAt":"2026-01-01T02:00:00Z","ttl":60"#), late);
    let schedule = accepted_with(r#""scheduleAt":"2026-01-01T00:00:00.001Z""#).schedule_at;
    assert_eq!(schedule, Some(Timestamp::from_millis(NOW.millis() + 1)));
}

#[test]
fn numbers_are_unique_in_their_normal_form() {
    let unique = "phone numbers must be unique";
    let body = |numbers: &str| format!(r#"{{{HELLO},"phoneNumbers":{numbers}}}"#);
    let two_forms = body(r#"["+79990001234","8 999 000 12 34"]"#);
    assert_eq!(refusal(&body(r#"["+79990001234","+79990001234"]"#)), unique);
    assert_eq!(refusal(&two_forms), unique);
    assert!(prepare(&two_forms, true).is_ok());
    assert_eq!(prepare(&body(r#"["11111","11111"]"#), true).unwrap_err(), unique);
    let encrypted = format!(r#"{{{HELLO},"isEncrypted":true,"phoneNumbers":["$a","$a"]}}"#);
    assert_eq!(refusal(&encrypted), unique);
    let not_a_number = "failed to parse phone number: the phone number supplied is not a number";
    assert_eq!(refusal(&body(r#"["abc","abc"]"#)), not_a_number);
    assert_eq!(refusal(&body(r#"["+79990001234","abc"]"#)), not_a_number);
}

#[test]
fn numbers_that_are_not_looked_at_stay_as_they_are() {
    let body = format!(r#"{{{HELLO},"phoneNumbers":["7","short","+7 999 000-12-34"]}}"#);
    let message = prepare(&body, true).unwrap();
    assert_eq!(message.numbers, ["7", "short", "+7 999 000-12-34"]);
}

#[test]
fn content_has_to_fit_into_the_column_of_the_reference() {
    let body = |text: &str| format!(r#"{{{NUMBER},"textMessage":{{"text":"{text}"}}}}"#);
    assert!(prepare(&body(&"x".repeat(65_524)), false).is_ok());
    assert_eq!(
        refusal(&body(&"x".repeat(65_525))),
        "message content is too long: 65536 bytes when stored, at most 65535 are possible"
    );
    assert!(refusal(&body(&"<".repeat(11_000))).starts_with("message content is too long: 66011 bytes"));
    assert!(refusal(&body(&"é".repeat(32_763))).starts_with("message content is too long: 65537 bytes"));
}
