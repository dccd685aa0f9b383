//! What is in this field? A reader over a parsed value whose refusals name struct, path and type as the reference does.
//! Knows the names of no fields: its callers bring them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use time::OffsetDateTime;

use super::ParseError;
use super::value::{Items, Kind, Value};

/// So many entries of an object are noted down when it is read, far more than any of ours has fields. One that has more
/// is gone through again for every field: slow, but nothing of it is kept.
const MOST_NOTED: usize = 64;

/// A JSON object as the value of a struct of the reference. Names are found without case; of several the last counts;
/// `null` is absent; what nobody asks for is ignored.
///
/// A field whose type is a pointer or a list (`opt_…`) is absent again after a later `null`; any other keeps what it was
/// given before. An object that is given twice is one, with the fields of both; so is a map.
#[derive(Debug, Clone)]
pub struct Object<'a> {
    entries: Entries<'a>,
    /// The struct's name, without its package: `Message`.
    name: &'static str,
    /// Where the object is within the body: empty, or ending with a point: `textMessage.`.
    path: String,
}

#[derive(Debug, Clone)]
enum Entries<'a> {
    /// Names and values, as written.
    Noted(Vec<(Value<'a>, Value<'a>)>),
    /// The objects that have them.
    Many(Vec<Value<'a>>),
}

/// What a `null` does to what the field was given before.
#[derive(Clone, Copy)]
enum Null {
    Keeps,
    Clears,
}

impl<'a> Object<'a> {
    /// A whole body. `null` is an object without fields.
    pub fn of(value: &Value<'a>, name: &'static str) -> Result<Self, ParseError> {
        match value.kind() {
            Kind::Object => Ok(Self::new(vec![*value], name, String::new())),
            Kind::Null => Ok(Self::new(Vec::new(), name, String::new())),
            kind @ (Kind::Bool | Kind::Number | Kind::String | Kind::Array) => Err(mismatch_at_root(kind, name)),
        }
    }

    /// A whole body that is a list of objects, each read when its turn comes. The list's type has a name of its own
    /// (`MobilePatchMessageRequest`) or none. `null` is `None` (a required rule decides about it).
    pub fn list_of(
        value: &Value<'a>,
        list: Option<&'static str>,
        name: &'static str,
    ) -> Result<Option<impl Iterator<Item = Result<Self, ParseError>> + Clone + use<'a>>, ParseError> {
        match (value.kind(), value.items()) {
            (Kind::Null, _) => Ok(None),
            (_, Some(items)) => Ok(Some(items.map(move |item| Self::of(&item, name)))),
            (kind, None) => Err(match list {
                Some(list) => mismatch_at_root(kind, list),
                None => ParseError::new(format!(
                    "json: cannot unmarshal {} into Go value of type []smsgateway.{name}",
                    kind.name()
                )),
            }),
        }
    }

    fn new(objects: Vec<Value<'a>>, name: &'static str, path: String) -> Self {
        let mut noted = Vec::new();
        for entry in objects.iter().filter_map(|object| object.entries()).flatten() {
            if noted.len() == MOST_NOTED {
                let entries = Entries::Many(objects);
                return Self { entries, name, path };
            }
            noted.push(entry);
        }
        Self {
            entries: Entries::Noted(noted),
            name,
            path,
        }
    }

    /// Each value that the field is given, in the order written.
    fn given(&self, field: &str) -> impl Iterator<Item = Value<'a>> {
        let (noted, many) = match &self.entries {
            Entries::Noted(entries) => (entries.as_slice(), [].as_slice()),
            Entries::Many(objects) => ([].as_slice(), objects.as_slice()),
        };
        let many = many.iter().filter_map(|object| object.entries()).flatten();
        let all = noted.iter().copied().chain(many);
        all.filter(move |(name, _)| same_name(*name, field))
            .map(|(_, value)| value)
    }

    /// What the last value of the field is read as. Earlier ones have to be of the right type, too.
    fn last<T>(
        &self,
        field: &str,
        null: Null,
        read: impl Fn(Value<'a>) -> Result<T, ParseError>,
    ) -> Result<Option<T>, ParseError> {
        let mut last = None;
        for value in self.given(field) {
            match (value.kind(), null) {
                (Kind::Null, Null::Keeps) => {}
                (Kind::Null, Null::Clears) => last = None,
                _ => last = Some(read(value)?),
            }
        }
        Ok(last)
    }

    /// `string`; empty if it is absent.
    pub fn str(&self, field: &str) -> Result<Cow<'a, str>, ParseError> {
        self.str_named(field, "string")
    }

    /// A `string` of one's own.
    pub fn string(&self, field: &str) -> Result<String, ParseError> {
        self.str(field).map(Cow::into_owned)
    }

    /// A `string` whose type has a name of its own, such as `smsgateway.ProcessingState`.
    pub fn str_named(&self, field: &str, go_type: &str) -> Result<Cow<'a, str>, ParseError> {
        let text = self.last(field, Null::Keeps, |value| self.text(field, value, go_type))?;
        Ok(text.unwrap_or_default())
    }

    /// `*string`
    pub fn opt_str(&self, field: &str) -> Result<Option<Cow<'a, str>>, ParseError> {
        self.last(field, Null::Clears, |value| self.text(field, value, "string"))
    }

    /// A `*string` of one's own.
    pub fn opt_string(&self, field: &str) -> Result<Option<String>, ParseError> {
        Ok(self.opt_str(field)?.map(Cow::into_owned))
    }

    /// `bool`; `false` if it is absent.
    pub fn bool(&self, field: &str) -> Result<bool, ParseError> {
        let truth = self.last(field, Null::Keeps, |value| self.truth(field, value))?;
        Ok(truth.unwrap_or_default())
    }

    /// `*bool`
    pub fn opt_bool(&self, field: &str) -> Result<Option<bool>, ParseError> {
        self.last(field, Null::Clears, |value| self.truth(field, value))
    }

    /// `int`: 64 bits with a sign; 0 if it is absent.
    pub fn int(&self, field: &str) -> Result<i64, ParseError> {
        self.integer(field, "int")
    }

    /// `*int`
    pub fn opt_int(&self, field: &str) -> Result<Option<i64>, ParseError> {
        self.opt_integer(field, Null::Clears, "int")
    }

    /// An `int8` (−128 to 127) whose type has a name of its own, such as `smsgateway.MessagePriority`.
    pub fn int8_named(&self, field: &str, go_type: &str) -> Result<i8, ParseError> {
        self.integer(field, go_type)
    }

    /// `*uint8`: 0 to 255.
    pub fn opt_uint8(&self, field: &str) -> Result<Option<u8>, ParseError> {
        self.opt_integer(field, Null::Clears, "uint8")
    }

    /// `uint16`: 0 to 65535.
    pub fn uint16(&self, field: &str) -> Result<u16, ParseError> {
        self.integer(field, "uint16")
    }

    /// `uint64`; 0 if it is absent.
    pub fn uint64(&self, field: &str) -> Result<u64, ParseError> {
        self.integer(field, "uint64")
    }

    /// `*uint64`
    pub fn opt_uint64(&self, field: &str) -> Result<Option<u64>, ParseError> {
        self.opt_integer(field, Null::Clears, "uint64")
    }

    /// A list of texts, of which the caller takes `most`: one more is kept, as a sign that there are too many. A `null`
    /// within is an empty text.
    pub fn opt_string_list(&self, field: &str, most: usize) -> Result<Option<Vec<String>>, ParseError> {
        self.last(field, Null::Clears, |value| {
            let mut texts = Vec::new();
            for item in self.items(field, value, "[]string")? {
                let text = if item.is_null() {
                    Cow::default()
                } else {
                    self.text(field, item, "string")?
                };
                if texts.len() <= most {
                    texts.push(text.into_owned());
                }
            }
            Ok(texts)
        })
    }

    /// An object within, as a pointer to the struct `name`.
    pub fn opt_object(&self, field: &str, name: &'static str) -> Result<Option<Object<'a>>, ParseError> {
        let objects = self.objects(field, &format!("smsgateway.{name}"))?;
        Ok(objects.map(|objects| Object::new(objects, name, format!("{}{field}.", self.path))))
    }

    /// A list of objects, each as the struct `name`, read when its turn comes.
    pub fn opt_object_list(
        &self,
        field: &str,
        name: &'static str,
    ) -> Result<Option<impl Iterator<Item = Result<Object<'a>, ParseError>>>, ParseError> {
        let list = format!("[]smsgateway.{name}");
        let items = self.last(field, Null::Clears, |value| self.items(field, value, &list))?;
        let path = format!("{}{field}.", self.path);
        let mismatch = move |kind: &str| self.mismatch(field, kind, &format!("smsgateway.{name}"));
        Ok(items.map(|items| {
            items.map(move |item| match item.kind() {
                Kind::Object => Ok(Object::new(vec![item], name, path.clone())),
                Kind::Null => Ok(Object::new(Vec::new(), name, path.clone())),
                kind @ (Kind::Bool | Kind::Number | Kind::String | Kind::Array) => Err(mismatch(kind.name())),
            })
        }))
    }

    /// `time.Time`: an RFC 3339 time, with its offset; the year 1 if it is absent.
    pub fn time(&self, field: &str) -> Result<OffsetDateTime, ParseError> {
        let time = self.last(field, Null::Keeps, read_time)?;
        Ok(time.unwrap_or(crate::time::YEAR_ONE))
    }

    /// `*time.Time`
    pub fn opt_time(&self, field: &str) -> Result<Option<OffsetDateTime>, ParseError> {
        self.last(field, Null::Clears, read_time)
    }

    /// An object of RFC 3339 times by name. Here names count with case; a `null` within is the year 1.
    pub fn opt_time_map(&self, field: &str) -> Result<Option<BTreeMap<String, OffsetDateTime>>, ParseError> {
        self.map(field, "map[string]time.Time", |value| {
            if value.is_null() {
                Ok(crate::time::YEAR_ONE)
            } else {
                read_time(value)
            }
        })
    }

    /// An object of texts by name. Here names count with case; a `null` within is an empty text.
    pub fn opt_string_map(&self, field: &str) -> Result<Option<BTreeMap<String, String>>, ParseError> {
        self.map(field, "map[string]string", |value| {
            if value.is_null() {
                Ok(String::new())
            } else {
                self.text(field, value, "string").map(Cow::into_owned)
            }
        })
    }

    fn map<T>(
        &self,
        field: &str,
        go_type: &str,
        read: impl Fn(Value<'a>) -> Result<T, ParseError>,
    ) -> Result<Option<BTreeMap<String, T>>, ParseError> {
        let Some(objects) = self.objects(field, go_type)? else {
            return Ok(None);
        };
        let entries = objects.iter().filter_map(|object| object.entries()).flatten();
        let entries = entries.map(|(name, value)| Ok((name.text().unwrap_or_default().into_owned(), read(value)?)));
        entries.collect::<Result<_, _>>().map(Some)
    }

    /// The objects that the field is given since its last `null`.
    fn objects(&self, field: &str, go_type: &str) -> Result<Option<Vec<Value<'a>>>, ParseError> {
        let mut objects: Option<Vec<_>> = None;
        for value in self.given(field) {
            match value.kind() {
                Kind::Object => objects.get_or_insert_default().push(value),
                Kind::Null => objects = None,
                kind @ (Kind::Bool | Kind::Number | Kind::String | Kind::Array) => {
                    return Err(self.mismatch(field, kind.name(), go_type));
                }
            }
        }
        Ok(objects)
    }

    fn text(&self, field: &str, value: Value<'a>, go_type: &str) -> Result<Cow<'a, str>, ParseError> {
        value
            .text()
            .ok_or_else(|| self.mismatch(field, value.kind().name(), go_type))
    }

    fn truth(&self, field: &str, value: Value<'a>) -> Result<bool, ParseError> {
        value
            .truth()
            .ok_or_else(|| self.mismatch(field, value.kind().name(), "bool"))
    }

    fn integer<T: FromStr + Default>(&self, field: &str, go_type: &str) -> Result<T, ParseError> {
        let number = self.opt_integer(field, Null::Keeps, go_type)?;
        Ok(number.unwrap_or_default())
    }

    /// A number counts when its digits are those of an integer in range: `1.0` and `1e3` do not.
    fn opt_integer<T: FromStr>(&self, field: &str, null: Null, go_type: &str) -> Result<Option<T>, ParseError> {
        self.last(field, null, |value: Value<'a>| match value.digits() {
            None => Err(self.mismatch(field, value.kind().name(), go_type)),
            Some(digits) => digits
                .parse()
                .map_err(|_| self.mismatch(field, &format!("number {digits}"), go_type)),
        })
    }

    fn items(&self, field: &str, value: Value<'a>, go_type: &str) -> Result<Items<'a>, ParseError> {
        value
            .items()
            .ok_or_else(|| self.mismatch(field, value.kind().name(), go_type))
    }

    /// Names the innermost struct and the whole path (WIRE §17).
    fn mismatch(&self, field: &str, kind: &str, go_type: &str) -> ParseError {
        let Self { name, path, .. } = self;
        ParseError::new(format!(
            "json: cannot unmarshal {kind} into Go struct field {name}.{path}{field} of type {go_type}"
        ))
    }
}

fn mismatch_at_root(kind: Kind, go_type: &str) -> ParseError {
    ParseError::new(format!(
        "json: cannot unmarshal {} into Go value of type smsgateway.{go_type}",
        kind.name()
    ))
}

fn read_time(value: Value<'_>) -> Result<OffsetDateTime, ParseError> {
    match value.text() {
        Some(text) => crate::time::parse(&text).map_err(|error| ParseError::new(error.to_string())),
        None => Err(ParseError::new("Time.UnmarshalJSON: input is not a JSON string")),
    }
}

/// Without case as Unicode folds it: besides ASCII, two characters fold onto an ASCII letter.
fn same_name(given: Value<'_>, field: &str) -> bool {
    if let [b'"', plain @ .., b'"'] = given.written()
        && plain.is_ascii()
        && !plain.contains(&b'\\')
    {
        return plain.eq_ignore_ascii_case(field.as_bytes());
    }
    let fold = |character: char| match character {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    let given = given.text().unwrap_or_default();
    given.chars().map(fold).eq(field.chars().map(fold))
}
