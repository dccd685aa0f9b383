//! What is in a JSON text? A value is the piece of the text where it stands, known to be JSON and read when it is asked
//! for: what nobody asks for costs nothing, however much of it a body holds.

use std::borrow::Cow;
use std::fmt;

use super::scan;

/// A JSON value, as it was written. Made by [`parse`](super::parse) alone, so that it is one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Value<'a>(&'a [u8]);

/// The kinds of values; [`Kind::name`] is what error texts call them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Bool,
    Number,
    String,
    Array,
    Object,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

impl<'a> Value<'a> {
    /// From a text that is one value, without blanks around it.
    pub(super) fn found(text: &'a [u8]) -> Self {
        Self(text)
    }

    /// As it was written.
    pub fn written(self) -> &'a [u8] {
        self.0
    }

    pub(super) fn kind(self) -> Kind {
        match self.0.first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// Is it `null`?
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// `true` or `false`.
    pub(super) fn truth(self) -> Option<bool> {
        (self.kind() == Kind::Bool).then(|| self.0 == b"true")
    }

    /// A number's digits: `1.50` and `1e400` stay what they are.
    pub(super) fn digits(self) -> Option<&'a str> {
        (self.kind() == Kind::Number).then(|| std::str::from_utf8(self.0).unwrap_or_default())
    }

    /// A text, unescaped. What is not UTF-8 has become U+FFFD, as in the reference.
    pub fn text(self) -> Option<Cow<'a, str>> {
        match self.0 {
            [b'"', inner @ .., b'"'] if inner.contains(&b'\\') => Some(Cow::Owned(scan::unescape(self.0))),
            [b'"', inner @ .., b'"'] => Some(String::from_utf8_lossy(inner)),
            _ => None,
        }
    }

    /// The values of a list, of which there may be as many as half of the text's bytes.
    pub fn items(self) -> Option<Items<'a>> {
        (self.kind() == Kind::Array).then(|| Items { rest: inside(self.0) })
    }

    /// Names and values of an object, in the order written, with duplicates. A name is a text.
    pub fn entries(self) -> Option<Entries<'a>> {
        let items = Items { rest: inside(self.0) };
        (self.kind() == Kind::Object).then_some(Entries(items))
    }

    /// The same value for serde: the last of equal names stays, numbers keep their form (an integer stays one). `None`
    /// when a number is too big to be kept.
    pub fn to_serde(self) -> Option<serde_json::Value> {
        Some(match self.kind() {
            Kind::Null => serde_json::Value::Null,
            Kind::Bool => serde_json::Value::Bool(self.truth()?),
            Kind::Number => serde_json::Value::Number(number(self.digits()?)?),
            Kind::String => serde_json::Value::String(self.text()?.into_owned()),
            Kind::Array => serde_json::Value::Array(self.items()?.map(Self::to_serde).collect::<Option<_>>()?),
            Kind::Object => {
                let entries = self.entries()?;
                let entries = entries.map(|(name, value)| Some((name.text()?.into_owned(), value.to_serde()?)));
                serde_json::Value::Object(entries.collect::<Option<_>>()?)
            }
        })
    }
}

/// May hold what no log should: the length has to do.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes", self.kind().name(), self.0.len())
    }
}

/// The text of a list or an object without its brackets.
fn inside(text: &[u8]) -> &[u8] {
    match text {
        [_, inner @ .., _] => inner,
        _ => &[],
    }
}

/// The values of a list; see [`Value::items`].
#[derive(Clone, Debug)]
pub struct Items<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        // What stands between values was looked at when the text was found to be JSON.
        let between = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b',' | b':');
        let skipped = self.rest.iter().take_while(|byte| between(byte)).count();
        let rest = self.rest.get(skipped..).filter(|rest| !rest.is_empty())?;
        let (value, rest) = rest.split_at_checked(scan::length(rest))?;
        self.rest = rest;
        Some(Value(value))
    }
}

/// The names and values of an object; see [`Value::entries`].
#[derive(Clone, Debug)]
pub struct Entries<'a>(Items<'a>);

impl<'a> Iterator for Entries<'a> {
    type Item = (Value<'a>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
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
