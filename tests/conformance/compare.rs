//! Is an answer the expected one? Equal, except where the recording leaves a value open.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Which differences are allowed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Leniency {
    /// Any object may have more keys.
    pub may_add: bool,
    /// The order of the top-level array means nothing.
    pub unordered: bool,
    /// The body is an error: more keys beside `message` are allowed.
    pub error_body: bool,
    /// The path of a token endpoint: its answers may have more keys.
    pub token_body: bool,
}

/// Compares trees; the error names the place.
pub(crate) fn json(expected: &Value, actual: &Value, leniency: Leniency) -> Result<(), String> {
    if leniency.unordered
        && let (Value::Array(expected), Value::Array(actual)) = (expected, actual)
    {
        return unordered(expected, actual, leniency);
    }
    let open = leniency.may_add || leniency.error_body || leniency.token_body;
    tree("", expected, actual, open, leniency.may_add)
}

fn unordered(expected: &[Value], actual: &[Value], leniency: Leniency) -> Result<(), String> {
    let mut left: Vec<&Value> = actual.iter().collect();
    for item in expected {
        let found = left
            .iter()
            .position(|candidate| tree("", item, candidate, false, leniency.may_add).is_ok());
        let Some(found) = found else {
            return Err(format!("missing: {item}\n  among: {actual:?}"));
        };
        left.remove(found);
    }
    if left.is_empty() {
        Ok(())
    } else {
        Err(format!("too many: {left:?}"))
    }
}

/// `open`: this object may have more keys; `open_below`: so may those inside it.
fn tree(place: &str, expected: &Value, actual: &Value, open: bool, open_below: bool) -> Result<(), String> {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => object(place, expected, actual, open, open_below),
        (Value::Array(expected), Value::Array(actual)) => {
            if expected.len() != actual.len() {
                return Err(format!("{place}: {} items instead of {}", actual.len(), expected.len()));
            }
            let mut pairs = expected.iter().zip(actual).enumerate();
            pairs.try_for_each(|(index, (e, a))| tree(&format!("{place}/{index}"), e, a, open_below, open_below))
        }
        (Value::String(pattern), _) if pattern == "${any:int}" => {
            if actual.is_i64() {
                Ok(())
            } else {
                Err(format!("{place}: not an integer: {actual}"))
            }
        }
        (Value::String(pattern), Value::String(text)) => {
            self::text(pattern, text).map_err(|error| format!("{place}: {error}"))
        }
        _ if expected == actual => Ok(()),
        _ => Err(format!("{place}: {actual} instead of {expected}")),
    }
}

fn object(
    place: &str,
    expected: &Map<String, Value>,
    actual: &Map<String, Value>,
    open: bool,
    open_below: bool,
) -> Result<(), String> {
    for (key, value) in expected {
        let Some(found) = actual.get(key) else {
            return Err(format!("{place}/{key} is missing"));
        };
        tree(&format!("{place}/{key}"), value, found, open_below, open_below)?;
    }
    // A message state may also carry the time it was created (`exchanges/README.md`, difference 6).
    let is_state = expected.contains_key("states") && expected.contains_key("recipients");
    let is_added = |key: &str| open || (is_state && key == "createdAt");
    match actual.keys().find(|key| !expected.contains_key(*key) && !is_added(key)) {
        Some(key) => Err(format!("{place}/{key} is too much")),
        None => Ok(()),
    }
}

/// How a refused body is worded is our own matter behind these beginnings (difference 7).
const BEGINNINGS: [&str; 2] = [
    "failed to parse body: ",
    "Invalid settings format: failed to parse body: ",
];

/// Compares texts: `${any:…}` stands for any text of that kind, and instants count, not their spelling.
pub(crate) fn text(pattern: &str, actual: &str) -> Result<(), String> {
    let fail = || Err(format!("{actual:?} instead of {pattern:?}"));
    if let Some(beginning) = BEGINNINGS.iter().find(|beginning| pattern.starts_with(*beginning)) {
        return if actual.starts_with(beginning) { Ok(()) } else { fail() };
    }
    if let (Some(expected), Some(actual)) = (instant(pattern), instant(actual)) {
        return if expected == actual { Ok(()) } else { fail() };
    }
    if matches(pattern, actual) { Ok(()) } else { fail() }
}

fn instant(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

fn matches(pattern: &str, actual: &str) -> bool {
    let Some(start) = pattern.find("${any:") else {
        return pattern == actual;
    };
    let end = start + pattern[start..].find('}').expect("closing brace");
    let (kind, after) = (&pattern[start + "${any:".len()..end], &pattern[end + 1..]);
    let Some(rest) = actual.strip_prefix(&pattern[..start]) else {
        return false;
    };
    let cuts = rest.char_indices().map(|(index, _)| index).chain([rest.len()]);
    let mut cuts = cuts.filter(|cut| is_of_kind(kind, &rest[..*cut]));
    cuts.any(|cut| matches(after, &rest[cut..]))
}

fn is_of_kind(kind: &str, text: &str) -> bool {
    let url_safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    match kind {
        "string" => true,
        "time" => instant(text).is_some(),
        "nanoid" => text.len() == 21 && text.chars().all(url_safe),
        "int" => !text.is_empty() && text.chars().all(|c| c.is_ascii_digit()),
        "uuid" => {
            let groups: Vec<usize> = text.split('-').map(str::len).collect();
            groups == [8, 4, 4, 4, 12] && text.chars().all(|c| c == '-' || c.is_ascii_hexdigit())
        }
        "jwt" => text.split('.').count() == 3 && text.chars().all(|c| c == '.' || url_safe(c)),
        other => panic!("any:{other}"),
    }
}
