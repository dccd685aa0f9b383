//! What is in this field? A reader over a parsed value whose refusals name struct, path and type as the reference does.
//! Knows the names of no fields: its callers bring them.

use std::collections::BTreeMap;
use std::str::FromStr;

use time::OffsetDateTime;

use super::ParseError;
use super::value::Value;

/// A JSON object as the value of a struct of the reference. Names are found without case; of several the last counts;
/// `null` is absent; what nobody asks for is ignored.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    entries: &'a [(String, Value)],
    /// The struct's name, without its package: `Message`.
    name: &'static str,
    /// Where the object is within the body: empty, or ending with a point: `textMessage.`.
    path: String,
}

impl<'a> Object<'a> {
    /// A whole body. `null` is an object without fields.
    pub fn of(value: &'a Value, name: &'static str) -> Result<Self, ParseError> {
        Self::element(value, name, String::new()).map_err(|kind| mismatch_at_root(kind, "", name))
    }

    /// A whole body that is a list of objects. `null` is `None` (a required rule decides about it).
    pub fn list_of(value: &'a Value, name: &'static str) -> Result<Option<Vec<Self>>, ParseError> {
        match value {
            Value::Null => Ok(None),
            Value::Array(items) => {
                let items = items.iter().map(|item| Self::of(item, name));
                items.collect::<Result<_, _>>().map(Some)
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                Err(mismatch_at_root(value.kind(), "[]", name))
            }
        }
    }

    fn element(value: &'a Value, name: &'static str, path: String) -> Result<Self, &'static str> {
        match value {
            Value::Object(entries) => Ok(Self { entries, name, path }),
            Value::Null => Ok(Self {
                entries: &[],
                name,
                path,
            }),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Err(value.kind()),
        }
    }

    /// All names and values as they were written, for what is not a struct.
    pub fn entries(&self) -> &'a [(String, Value)] {
        self.entries
    }

    /// The value of a field; `None` when it is absent or `null`.
    pub fn value(&self, field: &str) -> Option<&'a Value> {
        self.given(field).filter(|value| **value != Value::Null)
    }

    /// The value of a field, where `null` means something else than absent.
    pub fn given(&self, field: &str) -> Option<&'a Value> {
        self.entries
            .iter()
            .rev()
            .find(|(name, _)| same_name(name, field))
            .map(|(_, value)| value)
    }

    /// A text.
    pub fn opt_str(&self, field: &str) -> Result<Option<&'a str>, ParseError> {
        self.value(field).map(|value| self.text(field, value)).transpose()
    }

    /// A text of one's own.
    pub fn opt_string(&self, field: &str) -> Result<Option<String>, ParseError> {
        Ok(self.opt_str(field)?.map(str::to_owned))
    }

    /// `true` or `false`.
    pub fn opt_bool(&self, field: &str) -> Result<Option<bool>, ParseError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(*value)),
            Some(other) => Err(self.mismatch(field, other.kind(), "bool")),
        }
    }

    /// `int`: 64 bits with a sign.
    pub fn opt_int(&self, field: &str) -> Result<Option<i64>, ParseError> {
        self.integer(field, "int")
    }

    /// An `int8` (−128 to 127) whose type has a name of its own, such as `smsgateway.MessagePriority`.
    pub fn opt_int8_named(&self, field: &str, go_type: &str) -> Result<Option<i8>, ParseError> {
        self.integer(field, go_type)
    }

    /// `uint8`: 0 to 255.
    pub fn opt_uint8(&self, field: &str) -> Result<Option<u8>, ParseError> {
        self.integer(field, "uint8")
    }

    /// `uint16`: 0 to 65535.
    pub fn opt_uint16(&self, field: &str) -> Result<Option<u16>, ParseError> {
        self.integer(field, "uint16")
    }

    /// `uint64`.
    pub fn opt_uint64(&self, field: &str) -> Result<Option<u64>, ParseError> {
        self.integer(field, "uint64")
    }

    /// A list of texts; a `null` within is an empty text.
    pub fn opt_string_list(&self, field: &str) -> Result<Option<Vec<String>>, ParseError> {
        let Some(items) = self.list(field, "[]string")? else {
            return Ok(None);
        };
        let texts = items.iter().map(|item| match item {
            Value::Null => Ok(String::new()),
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                self.text(field, item).map(str::to_owned)
            }
        });
        texts.collect::<Result<_, _>>().map(Some)
    }

    /// An object within, as the struct `name`.
    pub fn opt_object(&self, field: &str, name: &'static str) -> Result<Option<Object<'a>>, ParseError> {
        self.value(field)
            .map(|value| self.object(field, name, value))
            .transpose()
    }

    /// A list of objects, each as the struct `name`.
    pub fn opt_object_list(&self, field: &str, name: &'static str) -> Result<Option<Vec<Object<'a>>>, ParseError> {
        let Some(items) = self.list(field, &format!("[]smsgateway.{name}"))? else {
            return Ok(None);
        };
        items
            .iter()
            .map(|item| self.object(field, name, item))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// An RFC 3339 time, with its offset.
    pub fn opt_time(&self, field: &str) -> Result<Option<OffsetDateTime>, ParseError> {
        self.value(field).map(read_time).transpose()
    }

    /// An object of RFC 3339 times by name. Here names count with case; a `null` within is the year 1.
    pub fn opt_time_map(&self, field: &str) -> Result<Option<BTreeMap<String, OffsetDateTime>>, ParseError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Object(entries)) => {
                let times = entries
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), read_time(value)?)));
                times.collect::<Result<_, _>>().map(Some)
            }
            Some(other) => Err(self.mismatch(field, other.kind(), "map[string]time.Time")),
        }
    }

    /// An object of texts by name. Here names count with case; a `null` within is an empty text.
    pub fn opt_string_map(&self, field: &str) -> Result<Option<BTreeMap<String, String>>, ParseError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Object(entries)) => {
                let texts = entries.iter().map(|(name, value)| match value {
                    Value::Null => Ok((name.clone(), String::new())),
                    Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                        Ok((name.clone(), self.text(field, value)?.to_owned()))
                    }
                });
                texts.collect::<Result<_, _>>().map(Some)
            }
            Some(other) => Err(self.mismatch(field, other.kind(), "map[string]string")),
        }
    }

    fn text(&self, field: &str, value: &'a Value) -> Result<&'a str, ParseError> {
        match value {
            Value::String(text) => Ok(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                Err(self.mismatch(field, value.kind(), "string"))
            }
        }
    }

    /// A number counts when its digits are those of an integer in range: `1.0` and `1e3` do not.
    fn integer<T: FromStr>(&self, field: &str, go_type: &str) -> Result<Option<T>, ParseError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Number(digits)) => match digits.parse() {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.mismatch(field, &format!("number {digits}"), go_type)),
            },
            Some(other) => Err(self.mismatch(field, other.kind(), go_type)),
        }
    }

    fn list(&self, field: &str, go_type: &str) -> Result<Option<&'a [Value]>, ParseError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(self.mismatch(field, other.kind(), go_type)),
        }
    }

    fn object(&self, field: &str, name: &'static str, value: &'a Value) -> Result<Object<'a>, ParseError> {
        Object::element(value, name, format!("{}{field}.", self.path))
            .map_err(|kind| self.mismatch(field, kind, &format!("smsgateway.{name}")))
    }

    /// Names the innermost struct and the whole path (WIRE §17).
    fn mismatch(&self, field: &str, kind: &str, go_type: &str) -> ParseError {
        let Self { name, path, .. } = self;
        ParseError::new(format!(
            "json: cannot unmarshal {kind} into Go struct field {name}.{path}{field} of type {go_type}"
        ))
    }
}

fn mismatch_at_root(kind: &str, list: &str, name: &str) -> ParseError {
    ParseError::new(format!(
        "json: cannot unmarshal {kind} into Go value of type {list}smsgateway.{name}"
    ))
}

fn read_time(value: &Value) -> Result<OffsetDateTime, ParseError> {
    match value {
        Value::String(text) => crate::time::parse(text).map_err(|error| ParseError::new(error.to_string())),
        Value::Null => Ok(crate::time::YEAR_ONE),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(ParseError::new("Time.UnmarshalJSON: input is not a JSON string"))
        }
    }
}

/// Without case as Unicode folds it: besides ASCII, two characters fold onto an ASCII letter.
fn same_name(given: &str, field: &str) -> bool {
    if given.is_ascii() {
        return given.eq_ignore_ascii_case(field);
    }
    let fold = |character: char| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    given.chars().map(fold).eq(field.chars().map(fold))
}
