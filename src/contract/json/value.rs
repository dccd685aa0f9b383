//! What is in a JSON text? Everything as it was written: numbers keep their digits, objects their order and duplicates.

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, as written: `1.50` and `1e400` stay what they are.
    Number(String),
    /// A text, unescaped. What is not UTF-8 has become U+FFFD.
    String(String),
    /// A list.
    Array(Vec<Value>),
    /// Names and values, in the order written, with duplicates.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// What error texts call it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// The same value for serde: the last of equal names stays, numbers keep their form (an integer stays one). `None`
    /// when a number is too big to be kept.
    pub fn to_serde(&self) -> Option<serde_json::Value> {
        Some(match self {
            Self::Null => serde_json::Value::Null,
            Self::Bool(value) => serde_json::Value::Bool(*value),
            Self::Number(digits) => serde_json::Value::Number(number(digits)?),
            Self::String(text) => serde_json::Value::String(text.clone()),
            Self::Array(items) => serde_json::Value::Array(items.iter().map(Self::to_serde).collect::<Option<_>>()?),
            Self::Object(entries) => {
                let entries = entries
                    .iter()
                    .map(|(name, value)| Some((name.clone(), value.to_serde()?)));
                serde_json::Value::Object(entries.collect::<Option<_>>()?)
            }
        })
    }
}

/// An integer stays one; the rest is the nearest `f64`, which serde's own reader misses by one digit at times.
fn number(digits: &str) -> Option<serde_json::Number> {
    if digits != "-0" {
        if let Ok(integer) = digits.parse::<i64>() {
            return Some(integer.into());
        }
        if let Ok(integer) = digits.parse::<u64>() {
            return Some(integer.into());
        }
    }
    serde_json::Number::from_f64(digits.parse().ok()?)
}
