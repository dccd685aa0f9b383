//! Durations as people write them: `15m`, `720h`, `1h30m`, `250ms`.

use std::time::Duration;

/// Units from long to short, with their length in milliseconds.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads whole numbers, each with its unit (`h`, `m`, `s`, `ms`), from the longest unit to the shortest, each at most
/// once: `15m`, `1h30m`, `250ms`, `0s`. No sign, no fraction, no spaces, no bare number; `None` for anything else.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let (digits, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let name = tail.split(|c: char| c.is_ascii_digit()).next()?;
        let (_, length) = units.find(|(unit, _)| *unit == name)?;
        total = total.checked_add(digits.parse::<u64>().ok()?.checked_mul(*length)?)?;
        rest = tail.get(name.len()..)?;
    }
    if text.is_empty() {
        None
    } else {
        Some(Duration::from_millis(total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_numbers_with_units_from_long_to_short() {
        for (text, millis) in [
            ("15m", 900_000),
            ("720h", 2_592_000_000),
            ("60s", 60_000),
            ("1h30m", 5_400_000),
            ("1h0m5s10ms", 3_605_010),
            ("250ms", 250),
            ("0s", 0),
            ("007s", 7_000),
        ] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_not_a_duration() {
        for text in [
            "",
            "0",
            "15",
            "m",
            "15 m",
            " 15m",
            "15m ",
            "-15m",
            "+15m",
            "1.5h",
            "15M",
            "15min",
            "30m1h",
            "1m1m",
            "1d",
            "1us",
            "15m5",
            "99999999999999999999h",
            "9999999999999999h",
            "१५m",
            "1h\u{00a0}",
        ] {
            assert_eq!(parse_duration(text), None, "{text:?}");
        }
    }
}
