//! Tests of queries: every text that a client may see, and what the values mean.

use std::time::Duration;

use super::{ListQuery, Order, SendQuery, Sort};
use crate::Timestamp;
use crate::messages::state::State;

fn send(raw: &str) -> Result<SendQuery, String> {
    SendQuery::parse(raw).map_err(|error| error.to_string())
}

fn list(raw: &str) -> Result<ListQuery, String> {
    ListQuery::parse(raw).map_err(|error| error.to_string())
}

fn line(structure: &str, field: &str, rule: &str) -> String {
    format!("Key: '{structure}.{field}' Error:Field validation for '{field}' failed on the '{rule}' tag")
}

fn unreadable(name: &str) -> String {
    format!("failed to parse query: failed to decode: schema: error converting value for \"{name}\"")
}

#[test]
fn sending_without_a_query_has_defaults() {
    for raw in ["", "&", "foo=bar", "skipPhoneValidation=&deviceActiveWithin="] {
        assert_eq!(send(raw), Ok(SendQuery::default()), "{raw}");
    }
}

#[test]
fn truth_is_written_in_many_ways() {
    for yes in ["1", "t", "T", "TRUE", "true", "True", "on"] {
        assert_eq!(
            send(&format!("skipPhoneValidation={yes}")).map(|query| query.skip_phone_validation),
            Ok(true)
        );
    }
    for no in ["0", "f", "F", "FALSE", "false", "False"] {
        assert_eq!(
            send(&format!("skipPhoneValidation={no}")).map(|query| query.skip_phone_validation),
            Ok(false)
        );
    }
    for other in ["maybe", "yes", "ON", "off", "tRUE", "2", "%20true"] {
        let raw = format!("skipPhoneValidation={other}");
        assert_eq!(send(&raw), Err(unreadable("skipPhoneValidation")), "{raw}");
    }
}

#[test]
fn the_window_of_devices_is_in_hours() {
    let window = |raw: &str| send(raw).map(|query| query.device_active_within);
    assert_eq!(window("deviceActiveWithin=2"), Ok(Some(Duration::from_secs(7200))));
    assert_eq!(window("DEVICEACTIVEWITHIN=1&deviceactivewithin=0"), Ok(None));
    assert!(window("deviceActiveWithin=9223372036854775807").is_ok());
    let negative = line("thirdPartyPostQueryParams", "DeviceActiveWithin", "min");
    assert_eq!(
        window("deviceActiveWithin=-1"),
        Err(format!("failed to validate: {negative}"))
    );
    for other in ["soon", "1.5", "1e3", "9223372036854775808", "%201"] {
        let raw = format!("deviceActiveWithin={other}");
        assert_eq!(window(&raw), Err(unreadable("deviceActiveWithin")), "{raw}");
    }
}

#[test]
fn further_mistakes_are_counted() {
    let two = send("skipPhoneValidation=maybe&deviceActiveWithin=soon");
    assert_eq!(
        two,
        Err(format!("{} (and 1 other error)", unreadable("skipPhoneValidation")))
    );
    let three = list("limit=x&offset=y&includeContent=z");
    assert_eq!(three, Err(format!("{} (and 2 other errors)", unreadable("limit"))));
}

#[test]
fn a_list_has_defaults() {
    let query = list("").unwrap();
    assert_eq!((query.limit, query.offset), (50, 0));
    assert_eq!(query.sort, Sort::NewestFirst);
    assert!(!query.include_content);
    assert_eq!((query.from, query.to), (None, None));
    assert_eq!((query.state, query.device), (None, None));
}

#[test]
fn a_list_is_asked_for_with_everything() {
    let raw = "from=2026-01-01T00:00:00%2B03:00&to=2026-01-02T00:00:00.5Z&state=Failed&deviceId=000000000000000000000\
               &limit=100&offset=7&sort=created_at&includeContent=1";
    let expected = ListQuery {
        from: Some(Timestamp::from_millis(1_767_214_800_000)),
        to: Some(Timestamp::from_millis(1_767_312_000_500)),
        state: Some(State::Failed),
        device: Some("0".repeat(21)),
        limit: 100,
        offset: 7,
        include_content: true,
        sort: Sort::OldestFirst,
    };
    assert_eq!(list(raw), Ok(expected));
}

#[test]
fn the_last_of_several_counts_and_names_have_any_case() {
    let query = list("limit=1&limit=2&OFFSET=3").unwrap();
    assert_eq!((query.limit, query.offset), (2, 3));
}

#[test]
fn rules_of_a_list_are_named_as_in_the_reference() {
    for (raw, field, rule) in [
        ("limit=0", "Limit", "min"),
        ("limit=", "Limit", "min"),
        ("limit=-1", "Limit", "min"),
        ("limit=101", "Limit", "max"),
        ("offset=-1", "Offset", "min"),
        ("state=Foo", "State", "oneof"),
        ("state=sent", "State", "oneof"),
        ("state=", "State", "oneof"),
        ("deviceId=short", "DeviceID", "len"),
        ("deviceId=", "DeviceID", "len"),
        ("deviceId=dddddddddddddddddddddd", "DeviceID", "len"),
        ("sort=name", "Sort", "oneof"),
        ("sort=created_at,id", "Sort", "oneof"),
        ("sort=", "Sort", "oneof"),
    ] {
        let expected = line("thirdPartyGetQueryParams", field, rule);
        assert_eq!(list(raw), Err(format!("failed to validate: {expected}")), "{raw}");
    }
}

#[test]
fn broken_rules_come_in_the_order_of_the_fields() {
    let lines = [("State", "oneof"), ("Limit", "min"), ("Offset", "min")];
    let lines = lines.map(|(field, rule)| line("thirdPartyGetQueryParams", field, rule));
    assert_eq!(
        list("limit=0&offset=-1&state=Foo"),
        Err(format!("failed to validate: {}", lines.join("\n")))
    );
}

#[test]
fn unreadable_values_of_a_list_are_named() {
    for raw in ["limit=abc", "offset=x", "includeContent=maybe"] {
        let name = raw.split('=').next().unwrap();
        assert_eq!(list(raw), Err(unreadable(name)), "{raw}");
    }
    assert_eq!(
        list("from=yesterday"),
        Err(format!(
            "{}. Details: parsing time \"yesterday\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"yesterday\" as \
             \"2006\"",
            unreadable("from")
        ))
    );
    assert_eq!(
        list("to=2026-01-01"),
        Err(format!(
            "{}. Details: parsing time \"2026-01-01\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"\" as \"T\"",
            unreadable("to")
        ))
    );
    for empty in ["from=", "to="] {
        assert!(list(empty).is_err(), "{empty}");
    }
}

#[test]
fn a_list_of_one_state_wants_no_other() {
    let wanted = |raw: &str| State::ALL.map(|state| list(raw).unwrap().wants(state));
    assert_eq!(wanted(""), [true; 7]);
    assert_eq!(wanted("state=Sent"), State::ALL.map(|state| state == State::Sent));
}

#[test]
fn a_phone_asks_for_one_of_two_orders() {
    let order = |raw: &str| Order::parse(raw).map_err(|error| error.to_string());
    for raw in ["", "order=", "order=lifo", "Order=lifo"] {
        assert_eq!(order(raw), Ok(Order::Lifo), "{raw}");
    }
    assert_eq!(order("order=lifo&order=fifo"), Ok(Order::Fifo));
    for raw in ["order=LIFO", "order=random"] {
        let expected = line("mobileGetQueryParams", "Order", "oneof");
        assert_eq!(order(raw), Err(format!("failed to validate: {expected}")), "{raw}");
    }
}
