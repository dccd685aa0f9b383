//! Tests of reading and writing instants.

#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

#[test]
fn an_instant_has_three_fraction_digits_or_none() {
    assert_eq!(rfc3339(datetime!(2026-01-02 03:04:05 UTC)), "2026-01-02T03:04:05Z");
    assert_eq!(
        rfc3339(datetime!(2026-01-02 03:04:05.1 UTC)),
        "2026-01-02T03:04:05.100Z"
    );
    assert_eq!(
        rfc3339(datetime!(2026-01-02 03:04:05.007 UTC)),
        "2026-01-02T03:04:05.007Z"
    );
    assert_eq!(
        rfc3339(datetime!(2026-01-02 03:04:05.000_999 UTC)),
        "2026-01-02T03:04:05Z"
    );
    assert_eq!(
        rfc3339(datetime!(2026-01-02 03:04:05.123_999_999 UTC)),
        "2026-01-02T03:04:05.123Z"
    );
}

#[test]
fn an_instant_is_written_in_utc() {
    assert_eq!(rfc3339(datetime!(2026-01-01 01:30 +02:00)), "2025-12-31T23:30:00Z");
}

#[test]
fn seconds_are_written_too() {
    assert_eq!(rfc3339_from_unix(0), "1970-01-01T00:00:00Z");
    assert_eq!(rfc3339_from_unix(1_767_225_600), "2026-01-01T00:00:00Z");
    assert_eq!(rfc3339_from_unix(i64::MAX), "9999-12-31T23:59:59Z");
    assert_eq!(rfc3339_from_unix(i64::MIN), "0000-01-01T00:00:00Z");
}

#[test]
fn a_time_with_an_offset_is_read() {
    for (text, instant) in [
        ("2030-01-02T03:04:05Z", datetime!(2030-01-02 03:04:05 UTC)),
        ("2030-01-02T03:04:05.5Z", datetime!(2030-01-02 03:04:05.5 UTC)),
        (
            "2030-01-02T03:04:05.123456789123Z",
            datetime!(2030-01-02 03:04:05.123_456_789 UTC),
        ),
        ("2030-01-02T03:04:05+02:30", datetime!(2030-01-02 03:04:05 +02:30)),
        ("2030-01-02T03:04:05.000-11:00", datetime!(2030-01-02 03:04:05 -11:00)),
        ("2028-02-29T23:59:59-00:00", datetime!(2028-02-29 23:59:59 UTC)),
        ("0001-01-01T00:00:00Z", YEAR_ONE),
    ] {
        assert_eq!(parse(text), Ok(instant), "{text}");
    }
    assert_eq!(
        parse("2030-01-02T03:04:05+02:30").unwrap().offset(),
        UtcOffset::from_hms(2, 30, 0).unwrap()
    );
}

#[test]
fn what_is_no_strict_time_is_refused_in_the_words_of_the_reference() {
    for (text, rest, expected) in [
        ("yesterday", "yesterday", "2006"),
        ("", "", "2006"),
        ("2030", "", "-"),
        ("2030-01-02", "", "T"),
        ("2030-01-02 03:04:05Z", " 03:04:05Z", "T"),
        ("2030-01-02t03:04:05Z", "t03:04:05Z", "T"),
        ("2030-1-2T03:04:05Z", "1-2T03:04:05Z", "01"),
        ("2030-01-02T3:04:05Z", "3:04:05Z", "15"),
        ("2030-01-02T03:04Z", "Z", ":"),
        ("2030-01-02T03:04:05", "", "Z07:00"),
        ("2030-01-02T03:04:05z", "z", "Z07:00"),
        ("2030-01-02T03:04:05.Z", ".Z", "Z07:00"),
        ("2030-01-02T03:04:05+0200", "+0200", "Z07:00"),
        ("2030-01-02T03:04:05+02", "+02", "Z07:00"),
        ("2030-01-02T03:04:05 +02:00", " +02:00", "Z07:00"),
    ] {
        let message =
            format!("parsing time {text:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse {rest:?} as {expected:?}");
        assert_eq!(parse(text).unwrap_err().to_string(), message);
    }
    for (text, what) in [
        ("2030-13-02T03:04:05Z", "month"),
        ("2030-00-02T03:04:05Z", "month"),
        ("2030-02-30T03:04:05Z", "day"),
        ("2030-01-00T03:04:05Z", "day"),
        ("2030-01-02T24:04:05Z", "hour"),
        ("2030-01-02T03:60:05Z", "minute"),
        ("2030-01-02T03:04:60Z", "second"),
        ("2030-01-02T03:04:05+24:00", "time zone offset hour"),
        ("2030-01-02T03:04:05+02:60", "time zone offset minute"),
    ] {
        assert_eq!(
            parse(text).unwrap_err().to_string(),
            format!("parsing time {text:?}: {what} out of range")
        );
    }
    for text in [
        "2030-01-02T03:04:05Zx",
        "-030-01-02T03:04:05Z",
        "+030-01-02T03:04:05Z",
        "２030-01-02T03:04:05Z",
        "1700000000",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,40}", end in ".{0,8}") {
        let _answer = parse(&text);
        let _answer = parse(&format!("2030-01-02T03:04:05{end}"));
    }

    #[test]
    fn what_is_written_is_read_back(millis in 0_i64..253_402_300_799_999) {
        let instant = OffsetDateTime::from_unix_timestamp_nanos(i128::from(millis) * 1_000_000).unwrap();
        prop_assert_eq!(parse(&rfc3339(instant)), Ok(instant));
    }
}
