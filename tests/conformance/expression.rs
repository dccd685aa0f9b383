//! `${…}`: values that a recording leaves open.

use std::collections::BTreeMap;

use base64::Engine as _;
use serde_json::Value;
use time::OffsetDateTime;
use time::macros::format_description;

/// What has been captured so far, and when the scenario began.
#[derive(Debug)]
pub(crate) struct Names {
    values: BTreeMap<String, String>,
    start: OffsetDateTime,
}

impl Names {
    pub(crate) fn new(private_token: &str, start: OffsetDateTime) -> Self {
        let values = BTreeMap::from([("private_token".to_owned(), private_token.to_owned())]);
        Self { values, start }
    }

    pub(crate) fn capture(&mut self, name: &str, value: String) {
        self.values.insert(name.to_owned(), value);
    }

    /// The text with every expression replaced, the innermost first; `${any:…}` stays for the comparison.
    pub(crate) fn expand(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            out.push_str(&rest[..start]);
            let end = start + closing(&rest[start..]).unwrap_or_else(|| panic!("unclosed expression in {text}"));
            out.push_str(&self.value(&rest[start + 2..end]));
            rest = &rest[end + 1..];
        }
        out.push_str(rest);
        out
    }

    /// [`Self::expand`] for every text and key in a tree.
    pub(crate) fn expand_all(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.expand(text)),
            Value::Array(items) => items.iter().map(|item| self.expand_all(item)).collect(),
            Value::Object(fields) => {
                let pairs = fields
                    .iter()
                    .map(|(key, value)| (self.expand(key), self.expand_all(value)));
                Value::Object(pairs.collect())
            }
            other => other.clone(),
        }
    }

    fn value(&self, expression: &str) -> String {
        if expression.starts_with("any:") {
            return format!("${{{expression}}}");
        }
        if let Some(value) = self.values.get(expression) {
            return value.clone();
        }
        if let Some(offset) = expression.strip_prefix("now") {
            return self.moment(offset);
        }
        let inner = |text: &str| self.expand(text);
        if let Some((function, argument)) = expression.split_once(':') {
            match function {
                "base64" => return base64::engine::general_purpose::STANDARD.encode(inner(argument)),
                "upper" => return inner(argument).to_uppercase(),
                "lower" => return inner(argument).to_lowercase(),
                _ => {}
            }
        }
        if let Some((text, times)) = expression.rsplit_once('*')
            && let Ok(times) = times.parse()
        {
            return inner(text).repeat(times);
        }
        panic!("what is ${{{expression}}}?")
    }

    fn moment(&self, offset: &str) -> String {
        let sign = if offset.starts_with('-') { -1 } else { 1 };
        let moment: OffsetDateTime = self.start + duration(&offset[1..]) * sign;
        let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
        moment.format(&format).expect("time")
    }
}

/// `2100ms`, `10s`, `5m`, `1h`, `2d`.
pub(crate) fn duration(text: &str) -> time::Duration {
    let digits = text.find(|c: char| !c.is_ascii_digit()).expect("unit");
    let number: i64 = text[..digits].parse().expect("number");
    match &text[digits..] {
        "ms" => time::Duration::milliseconds(number),
        "s" => time::Duration::seconds(number),
        "m" => time::Duration::minutes(number),
        "h" => time::Duration::hours(number),
        "d" => time::Duration::days(number),
        unit => panic!("unit {unit}"),
    }
}

/// Where the brace closes that `text` opens with, nested expressions taken into account.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    let bytes = text.as_bytes();
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if index > 0 && bytes[index - 1] == b'$' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}
