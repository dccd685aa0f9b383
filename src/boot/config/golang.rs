//! Booleans and durations as programs written in Go read them.

use std::time::Duration;

/// As `strconv.ParseBool`.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// As `time.ParseDuration`, without negative ones: numbers with a fraction and a unit in any order, or a bare `0`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut nanos: u64 = 0;
    while !rest.is_empty() {
        let number_end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail
            .find(|letter: char| letter.is_ascii_digit() || letter == '.')
            .unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        nanos = nanos.checked_add(part(number, unit)?)?;
        rest = next;
    }
    // Go counts in signed nanoseconds.
    let fits = !text.is_empty() && i64::try_from(nanos).is_ok();
    fits.then(|| Duration::from_nanos(nanos))
}

fn part(number: &str, unit: &str) -> Option<u64> {
    let length: u64 = match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = if whole.is_empty() {
        0
    } else {
        whole.parse::<u64>().ok()?
    };
    let mut total = whole.checked_mul(length)?;
    let mut scale = length;
    for digit in fraction.bytes() {
        if !digit.is_ascii_digit() {
            return None;
        }
        scale /= 10;
        total = total.checked_add(scale * u64::from(digit - b'0'))?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_go() {
        for (text, millis) in [
            ("15m", 900_000),
            ("720h", 2_592_000_000),
            ("1h30m", 5_400_000),
            ("0s", 0),
            ("0", 0),
            ("1.5h", 5_400_000),
            ("30m1h", 5_400_000),
            (".5s", 500),
            ("1.s", 1_000),
            ("+2s", 2_000),
            ("1500000us", 1_500),
            ("2000000000ns", 2_000),
        ] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "15", "m", ".s", "1..5s", "-1s", "1d", "15 m", "99999999999h", "1h2"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn booleans_are_those_of_go() {
        assert_eq!(
            (boolean("T"), boolean("0"), boolean("yes")),
            (Some(true), Some(false), None)
        );
    }
}
