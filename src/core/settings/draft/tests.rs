//! Tests of the rules: every text that a refused body is answered with (WIRE §3.11).

use gateward_contract::json;
use serde_json::json;

use super::super::schema::{Fate, Rule, SECTIONS};
use super::read;

fn stored(body: &str) -> Result<serde_json::Value, String> {
    let tree = read(&json::parse(body.as_bytes()).unwrap());
    tree.map(Into::into).map_err(|refusal| {
        let text = refusal.to_string();
        text.strip_prefix("Invalid settings format: failed to ")
            .unwrap()
            .to_owned()
    })
}

fn line(section: &str, field: &str, rule: &str) -> String {
    format!("Key: 'DeviceSettings.{section}.{field}' Error:Field validation for '{field}' failed on the '{rule}' tag")
}

#[test]
fn every_setting_refuses_what_breaks_its_rule() {
    let mut checked = 0;
    for section in &SECTIONS {
        for setting in section.settings {
            let (good, bad, rule) = match setting.rule {
                Rule::Positive => (vec!["1", "9223372036854775807"], vec!["0", "-1"], "min"),
                Rule::OneOf(texts) => {
                    let good = texts.iter().map(|text| &*format!("\"{text}\"").leak());
                    (good.collect(), vec![r#""""#, r#""nonsense""#], "oneof")
                }
                Rule::Flag => (vec!["true", "false"], vec![], ""),
                Rule::Text => (vec![r#""""#, r#""x""#], vec![], ""),
                Rule::Unset => (vec![], vec![r#""""#, r#""x""#], "isdefault"),
            };
            let body = |value: &str| format!(r#"{{"{}":{{"{}":{value}}}}}"#, section.name, setting.name);
            let kept = setting.fate != Fate::Dropped;
            // Switched on alone, work hours lack their times.
            for value in good
                .iter()
                .filter(|_| setting.name != "work_hours_enabled")
                .chain(&["null"])
            {
                let inside = if kept {
                    body(value)
                } else {
                    format!(r#"{{"{}":{{}}}}"#, section.name)
                };
                assert_eq!(stored(&body(value)).unwrap().to_string(), inside);
            }
            for value in &bad {
                let expected = format!("validate: {}", line(section.field, setting.field, rule));
                assert_eq!(stored(&body(value)), Err(expected), "{}", body(value));
            }
            let type_error = stored(&body("[]")).unwrap_err();
            let expected = format!(
                "parse body: json: cannot unmarshal array into Go struct field {}.{}.{} of type ",
                section.kind, section.name, setting.name
            );
            assert!(type_error.starts_with(&expected), "{type_error}");
            checked += 1;
        }
    }
    assert_eq!(checked, 20);
}

#[test]
fn several_broken_rules_are_several_lines_in_the_order_of_the_sections() {
    let refused = stored(r#"{"logs":{"lifetime_days":0},"ping":{"interval_seconds":0}}"#);
    let expected = [
        line("Ping", "IntervalSeconds", "min"),
        line("Logs", "LifetimeDays", "min"),
    ];
    assert_eq!(refused, Err(format!("validate: {}", expected.join("\n"))));
}

#[test]
fn an_interval_does_not_end_before_it_begins() {
    let of = |messages: serde_json::Value| stored(&json!({ "messages": messages }).to_string());
    let refused = "validate: validation failed: sendIntervalMax must be greater than or equal to sendIntervalMin";
    assert_eq!(
        of(json!({"send_interval_min": 5, "send_interval_max": 4})),
        Err(refused.to_owned())
    );
    for good in [
        json!({"send_interval_min": 5, "send_interval_max": 5}),
        json!({"send_interval_min": 5}),
        json!({"send_interval_min": null, "send_interval_max": 1}),
    ] {
        assert!(of(good).is_ok());
    }
}

#[test]
fn work_hours_that_are_on_say_when() {
    let hours = |on: bool, start: &str, end: &str| {
        let messages = json!({"work_hours_enabled": on, "work_hours_start": start, "work_hours_end": end});
        stored(&json!({ "messages": messages }).to_string()).map(|_| ())
    };
    for (start, end, expected) in [
        ("", "18:00", "workHoursStart is required when work hours are enabled"),
        ("09:00", "", "workHoursEnd is required when work hours are enabled"),
        ("9am", "", "workHoursEnd is required when work hours are enabled"),
        ("9am", "18:00", r#"workHoursStart must be in HH:mm format, got "9am""#),
        ("09:00", "9:00", r#"workHoursEnd must be in HH:mm format, got "9:00""#),
        (
            "09:00:00",
            "18:00",
            r#"workHoursStart must be in HH:mm format, got "09:00:00""#,
        ),
        (
            "0a:00",
            "18:00",
            r#"workHoursStart must be in HH:mm format, got "0a:00""#,
        ),
        (
            "24:00",
            "18:00",
            r#"workHoursStart "24:00" contains invalid time values"#,
        ),
        (
            "09:60",
            "18:00",
            r#"workHoursStart "09:60" contains invalid time values"#,
        ),
        ("09:00", "99:99", r#"workHoursEnd "99:99" contains invalid time values"#),
    ] {
        let expected = format!("validate: validation failed: {expected}");
        assert_eq!(hours(true, start, end), Err(expected), "{start:?} to {end:?}");
        assert_eq!(hours(false, start, end), Ok(()), "off: {start:?} to {end:?}");
    }
    for (start, end) in [("09:00", "18:30"), ("22:00", "06:00"), ("00:00", "23:59")] {
        assert_eq!(hours(true, start, end), Ok(()));
    }
    let alone = r#"{"messages":{"work_hours_enabled":true}}"#;
    let expected = "validate: validation failed: workHoursStart is required when work hours are enabled";
    assert_eq!(stored(alone), Err(expected.to_owned()));
}

#[test]
fn what_is_stored_has_exactly_the_names_that_there_are() {
    for (body, expected) in [
        ("null", "{}"),
        ("{}", "{}"),
        (r#"{"ping":null}"#, "{}"),
        (r#"{"ping":{}}"#, r#"{"ping":{}}"#),
        (r#"{"Ping":{"interval_seconds":5}}"#, "{}"),
        (r#"{"ping":{"Interval_seconds":5}}"#, r#"{"ping":{}}"#),
        (r#"{"foo":1,"ping":{"bar":{}}}"#, r#"{"ping":{}}"#),
        (
            r#"{"ping":{"interval_seconds":5,"interval_seconds":6}}"#,
            r#"{"ping":{"interval_seconds":6}}"#,
        ),
    ] {
        assert_eq!(stored(body).unwrap().to_string(), expected, "{body}");
    }
}

#[test]
fn a_second_spelling_hides_nothing() {
    let refused = stored(r#"{"ping":{"interval_seconds":0},"PING":{"interval_seconds":5}}"#);
    assert_eq!(
        refused,
        Err(format!("validate: {}", line("Ping", "IntervalSeconds", "min")))
    );
    let refused = stored(r#"{"encryption":{"passphrase":"mine","Passphrase":null}}"#);
    assert_eq!(
        refused,
        Err(format!("validate: {}", line("Encryption", "Passphrase", "isdefault")))
    );
    let refused = stored(r#"{"ping":{"interval_seconds":[]},"PING":{}}"#);
    assert!(
        refused
            .unwrap_err()
            .starts_with("parse body: json: cannot unmarshal array ")
    );
    let refused = stored(r#"{"PING":{"interval_seconds":0}}"#);
    assert_eq!(
        refused,
        Err(format!("validate: {}", line("Ping", "IntervalSeconds", "min")))
    );
}

#[test]
fn what_is_no_object_is_refused() {
    for (body, kind) in [("[]", "array"), ("1", "number"), (r#""x""#, "string")] {
        let expected =
            format!("parse body: json: cannot unmarshal {kind} into Go value of type smsgateway.DeviceSettings");
        assert_eq!(stored(body), Err(expected));
    }
    let refused = stored(r#"{"ping":5}"#).unwrap_err();
    let expected = "parse body: json: cannot unmarshal number into Go struct field DeviceSettings.ping of type ";
    assert!(refused.starts_with(expected), "{refused}");
}
