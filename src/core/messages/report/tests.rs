//! Tests of reports: every text of a refusal, and which reports apply to whom.

use gateward_contract::json;

use super::{RawReport, Report, number_hash, read};
use crate::Timestamp;
use crate::messages::state::State;

fn reports(body: &str) -> Result<Vec<RawReport>, String> {
    let value = json::parse(body.as_bytes()).map_err(|error| error.to_string())?;
    read(&value).map_err(|refusal| refusal.to_string())
}

/// The only report of a list, if it makes sense.
fn report(body: &str) -> Option<Report> {
    Report::read(reports(body).unwrap().remove(0))
}

fn invalid(path: &str, rule: &str) -> String {
    let field = path.rsplit('.').next().unwrap();
    format!("failed to validate: Key: '{path}' Error:Field validation for '{field}' failed on the '{rule}' tag")
}

#[test]
fn a_list_may_be_empty_but_not_missing() {
    assert_eq!(reports("[]"), Ok(Vec::new()));
    assert_eq!(reports("null"), Err(invalid("", "required")));
    assert!(reports("{}").unwrap_err().starts_with("failed to parse body: "));
}

#[test]
fn a_wrong_type_is_named_as_in_the_reference() {
    for (body, expected) in [
        (
            "{}",
            "object into Go value of type smsgateway.MobilePatchMessageRequest",
        ),
        ("[1]", "number into Go value of type smsgateway.MobilePatchMessageItem"),
        (
            r#"[{"id":1}]"#,
            "number into Go struct field MobilePatchMessageItem.id of type string",
        ),
        (
            r#"[{"state":1}]"#,
            "number into Go struct field MobilePatchMessageItem.state of type smsgateway.ProcessingState",
        ),
        (
            r#"[{"recipients":[{"state":1}]}]"#,
            "number into Go struct field RecipientState.recipients.state of type smsgateway.ProcessingState",
        ),
    ] {
        let expected = format!("failed to parse body: json: cannot unmarshal {expected}");
        assert_eq!(reports(body), Err(expected), "{body}");
    }
}

#[test]
fn missing_fields_are_named() {
    let recipient = r#"{"phoneNumber":"+79990001234","state":"Failed"}"#;
    let long_id = "i".repeat(37);
    let long_number = "1".repeat(129);
    for (item, path, rule) in [
        (
            format!(r#"{{"id":"","state":"Failed","recipients":[{recipient}]}}"#),
            "[0].ID",
            "required",
        ),
        (
            format!(r#"{{"id":"{long_id}","state":"Failed","recipients":[{recipient}]}}"#),
            "[0].ID",
            "max",
        ),
        (
            format!(r#"{{"id":"r1","state":"","recipients":[{recipient}]}}"#),
            "[0].State",
            "required",
        ),
        (
            r#"{"id":"r1","state":"Failed","recipients":null}"#.to_owned(),
            "[0].Recipients",
            "required",
        ),
        (
            r#"{"id":"r1","state":"Failed","recipients":[]}"#.to_owned(),
            "[0].Recipients",
            "min",
        ),
        (
            r#"{"id":"r1","state":"Failed","recipients":[{"state":"Sent"}]}"#.to_owned(),
            "[0].Recipients[0].PhoneNumber",
            "required",
        ),
        (
            format!(
                r#"{{"id":"r1","state":"Failed","recipients":[{{"phoneNumber":"{long_number}","state":"Sent"}}]}}"#
            ),
            "[0].Recipients[0].PhoneNumber",
            "max",
        ),
        (
            r#"{"id":"r1","state":"Failed","recipients":[{"phoneNumber":"+79990001234"}]}"#.to_owned(),
            "[0].Recipients[0].State",
            "required",
        ),
    ] {
        assert_eq!(reports(&format!("[{item}]")), Err(invalid(path, rule)), "{item}");
    }
    let good = format!(r#"{{"id":"r1","state":"Failed","recipients":[{recipient}]}}"#);
    let bad = format!(r#"{{"id":"","state":"Failed","recipients":[{recipient}]}}"#);
    assert_eq!(reports(&format!("[{good},{bad}]")), Err(invalid("[1].ID", "required")));
}

#[test]
fn a_bad_time_cannot_be_parsed() {
    let body = r#"[{"id":"r1","state":"Failed","recipients":[{"phoneNumber":"1","state":"Failed"}],
        "states":{"Sent":"yesterday"}}]"#;
    assert_eq!(
        reports(body).unwrap_err(),
        "failed to parse body: parsing time \"yesterday\" as \"2006-01-02T15:04:05Z07:00\": \
         cannot parse \"yesterday\" as \"2006\""
    );
}

#[test]
fn what_the_phone_calls_pending_is_processed() {
    let report = report(
        r#"[{"id":"r1","state":"Pending","recipients":[{"phoneNumber":"+1","state":"Pending"}],
            "states":{"Pending":"2026-01-01T00:00:00.5Z"}}]"#,
    );
    let report = report.unwrap();
    assert_eq!(report.state, State::Processed);
    let states = report.recipients.iter().map(|recipient| recipient.outcome.state);
    assert_eq!(states.collect::<Vec<_>>(), [State::Processed]);
    let at = Timestamp::from_millis(1_767_225_600_500);
    assert_eq!(report.history, [(State::Pending, at)].into());
}

#[test]
fn a_list_of_nothing_but_mistakes_is_told_a_hundred_of_them() {
    let body = format!("[{}{{}}]", "{},".repeat(999));
    let refused = reports(&body).unwrap_err();
    assert_eq!(refused.lines().count(), 100);
    assert!(
        refused.lines().last().unwrap().starts_with("Key: '[33].ID' "),
        "{refused}"
    );
    let wrong_type = format!("[{}{{\"id\":1}}]", "{},".repeat(999));
    let refused = reports(&wrong_type).unwrap_err();
    assert!(refused.starts_with("failed to parse body: "), "{refused}");
}

#[test]
fn reports_that_make_no_sense_are_ignored() {
    let with = |state: &str, of_recipient: &str, error: &str, states: &str| {
        format!(
            r#"[{{"id":"r1","state":"{state}","recipients":[{{"phoneNumber":"+1","state":"{of_recipient}",
            "error":{error}}}],"states":{{{states}}}}}]"#
        )
    };
    let long = |characters| format!("\"{}\"", "é".repeat(characters));
    assert!(report(&with("Failed", "Failed", &long(256), "")).is_some());
    assert_eq!(report(&with("Flying", "Failed", "null", "")), None);
    assert_eq!(report(&with("Failed", "failed", "null", "")), None);
    assert_eq!(report(&with("Failed", "Failed", &long(257), "")), None);
    let unknown = r#""Flying":"2026-01-01T00:00:00Z""#;
    assert_eq!(report(&with("Failed", "Failed", "null", unknown)), None);
}

/// The rows that a report about this number reaches.
fn reached(number: &str, stored: &[&str], is_hashed: bool) -> Vec<i64> {
    let body = format!(r#"[{{"id":"r1","state":"Sent","recipients":[{{"phoneNumber":"{number}","state":"Sent"}}]}}]"#);
    let stored: Vec<_> = (1..).zip(stored.iter().map(|&number| number.to_owned())).collect();
    let report = report(&body).unwrap();
    report.outcomes(&stored, is_hashed).into_keys().collect()
}

#[test]
fn a_number_is_found_as_it_stands_or_with_a_plus() {
    assert_eq!(reached("+79990001234", &["+79990001234", "+79990001235"], false), [1]);
    assert_eq!(reached("79990001235", &["+79990001234", "+79990001235"], false), [2]);
    assert_eq!(reached("900", &["+900", "900"], false), [2]);
    assert_eq!(reached("$aes$y", &["$aes$y"], false), [1]);
    assert!(reached("+79990001236", &["+79990001234"], false).is_empty());
    assert!(reached("+900", &["900"], false).is_empty());
}

#[test]
fn a_hashed_number_is_found_by_its_hash() {
    // printf '%s' +79990001234 | sha256sum | cut -c1-16
    let stored = number_hash("+79990001234");
    assert_eq!(stored, "62d17792b45c5307");
    assert_eq!(reached("+79990001234", &[&stored], true), [1]);
    assert_eq!(reached("79990001234", &[&stored], true), [1]);
    assert!(reached(&stored, &[&stored], true).is_empty());
}

#[test]
fn the_last_word_about_a_recipient_counts() {
    let report = report(
        r#"[{"id":"r1","state":"Sent","recipients":[{"phoneNumber":"+1","state":"Sent"},
            {"phoneNumber":"1","state":"Failed","error":"no signal"}]}]"#,
    );
    let report = report.unwrap();
    let stored = [(7, "+1".to_owned())];
    let outcomes = report.outcomes(&stored, false);
    let outcomes = outcomes.iter().map(|(row, outcome)| (*row, outcome.state));
    assert_eq!(outcomes.collect::<Vec<_>>(), [(7, State::Failed)]);
}
