//! What a plain scalar is: the core schema of YAML 1.2 (§10.3.2), without its capital spellings of true and false.

use crate::Value;

/// Resolves an unquoted scalar.
pub(crate) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::String(text.to_owned()),
    }
}

/// Whole numbers in plain decimal digits without leading zeros.
pub(crate) fn plain_decimal(text: &str) -> Option<u64> {
    let leading_zero = text.len() > 1 && text.starts_with('0');
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if digits && !leading_zero {
        text.parse().ok()
    } else {
        None
    }
}

fn is_number(text: &str) -> bool {
    if let Some(octal) = text.strip_prefix("0o") {
        return all(octal, |byte| matches!(byte, b'0'..=b'7'));
    }
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        return all(hexadecimal, |byte| byte.is_ascii_hexdigit());
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let digit = |byte: u8| byte.is_ascii_digit();
    let mantissa_ok = match mantissa.split_once('.') {
        Some(("", fraction)) => all(fraction, digit),
        Some((whole, fraction)) => all(whole, digit) && (fraction.is_empty() || all(fraction, digit)),
        None => all(mantissa, digit),
    };
    mantissa_ok && exponent.is_none_or(|exponent| all(exponent, digit))
}

fn all(text: &str, accept: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(accept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_true_and_false_are_booleans() {
        for text in ["yes", "no", "on", "off", "y", "n", "True", "FALSE", "Yes"] {
            assert_eq!(resolve(text), Value::String(text.to_owned()));
        }
        assert_eq!(resolve("true"), Value::Bool(true));
        assert_eq!(resolve("false"), Value::Bool(false));
    }

    #[test]
    fn numbers_keep_the_text_they_were_written_with() {
        for text in [
            "0",
            "08",
            "-1",
            "+1",
            "0x10",
            "0o17",
            "1e3",
            "1.10",
            "1.",
            ".5",
            "-.5E-2",
            ".inf",
            "-.inf",
            ".nan",
            "99999999999999999999999",
        ] {
            assert_eq!(resolve(text), Value::Number(text.to_owned()));
        }
    }

    #[test]
    fn what_only_looks_like_a_number_is_a_string() {
        for text in [
            "15m",
            "1.2.3",
            "127.0.0.1:3000",
            "0x",
            "0o8",
            "1_000",
            "1e",
            "e3",
            ".",
            "-",
            "+",
            "0b1",
            "-0x10",
            "-.nan",
            "12e3.4",
            "2026-01-01",
        ] {
            assert_eq!(resolve(text), Value::String(text.to_owned()));
        }
    }

    #[test]
    fn plain_decimals_have_no_sign_and_no_leading_zero() {
        assert_eq!(plain_decimal("0"), Some(0));
        assert_eq!(plain_decimal("18446744073709551615"), Some(u64::MAX));
        for text in ["", "08", "00", "+5", "-5", "0x10", "1e3", "18446744073709551616"] {
            assert_eq!(plain_decimal(text), None, "{text}");
        }
    }
}
