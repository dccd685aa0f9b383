//! What may a client send? Every rule about a new message, in the order in which they are checked (WIRE §3.1).
//!
//! First the fields of the body, then their combinations ([`Draft::check`]); after a device is found, the numbers and
//! the schedule ([`Draft::prepare`]). It knows no database; the time is told.

use std::collections::HashSet;
use std::time::Duration;

use gateward_contract::{Object, ParseError, Value, Violations};
use rlibphonenumber::Region;

use super::content::{Content, DataMessage, Stored, TextMessage};
use super::phone;
use crate::Timestamp;

/// A body as it was read; no rule is checked yet.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Draft {
    pub(crate) id: String,
    pub(crate) device_id: String,
    /// Text in the deprecated field; empty means absent.
    pub(crate) message: String,
    pub(crate) text_message: Option<DraftText>,
    pub(crate) data_message: Option<DraftData>,
    /// `None` and empty are different mistakes.
    pub(crate) phone_numbers: Option<Vec<String>>,
    pub(crate) is_encrypted: bool,
    pub(crate) sim_number: Option<u8>,
    pub(crate) with_delivery_report: Option<bool>,
    pub(crate) priority: i8,
    /// Seconds.
    pub(crate) ttl: Option<u64>,
    pub(crate) valid_until: Option<Timestamp>,
    pub(crate) schedule_at: Option<Timestamp>,
}

/// `textMessage` as it was read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct DraftText {
    pub(crate) text: String,
}

/// `dataMessage` as it was read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct DraftData {
    pub(crate) data: String,
    pub(crate) port: u16,
}

/// Why a body was refused. `Display` is the text for the client.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Fields that break a rule of their own.
    #[error("{0}")]
    Fields(#[from] Violations),
    /// No content.
    #[error("failed to validate: validation failed: must specify exactly one of: textMessage or dataMessage")]
    NoContent,
    /// More than one content.
    #[error("failed to validate: conflict fields: must specify exactly one of: textMessage or dataMessage")]
    SeveralContents,
    /// Two ways to say when it expires.
    #[error("failed to validate: conflict fields: ttl and validUntil")]
    TtlAndValidUntil,
    /// A schedule must be ahead.
    #[error("failed to validate: validation failed: scheduleAt must be in the future")]
    ScheduleNotAhead,
    /// A number that no text message can be sent to.
    #[error("{0}")]
    Number(#[from] phone::Refusal),
    /// Two recipients are the same.
    #[error("phone numbers must be unique")]
    NumbersNotUnique,
    /// It would expire before it is sent.
    #[error("scheduleAt must be less than or equal to validUntil")]
    ScheduleAfterEnd,
    /// The column of the reference's database takes no more; it answers 500 there (WIRE §17).
    #[error("message content is too long: {0} bytes when stored, at most 65535 are possible")]
    ContentTooLong(usize),
}

const MAX_ID: usize = 36;
const MAX_DEVICE_ID: usize = 21;
const MAX_TEXT: usize = 65_535;
const MIN_DATA: usize = 4;
const MAX_NUMBERS: usize = 100;
/// The longest number, also in reports.
pub(crate) const MAX_NUMBER: usize = 128;
const MAX_SIM: u8 = 3;
const MIN_TTL_SECS: u64 = 5;
/// Bytes of a content with its braces (MySQL's TEXT).
const MAX_STORED: usize = 65_535;

/// A body that keeps all rules which need no device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Checked {
    draft: Draft,
    content: Content,
}

/// A message that may be stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct NewMessage {
    /// The client's id; `None`: one has to be made.
    pub(crate) id: Option<String>,
    pub(crate) content: Content,
    /// The columns of the content.
    pub(crate) stored: Stored,
    /// Unique.
    pub(crate) numbers: Vec<String>,
    pub(crate) is_encrypted: bool,
    pub(crate) sim_number: Option<u8>,
    pub(crate) with_delivery_report: bool,
    pub(crate) priority: i8,
    pub(crate) valid_until: Option<Timestamp>,
    pub(crate) schedule_at: Option<Timestamp>,
}

impl Draft {
    /// The fields of a body, as far as they have the right types.
    pub(crate) fn read(body: &Value<'_>) -> Result<Self, ParseError> {
        let body = Object::of(body, "Message")?;
        let time = |field| body.opt_time(field).map(|time| time.map(Timestamp::from));
        Ok(Self {
            id: body.string("id")?,
            device_id: body.string("deviceId")?,
            message: body.string("message")?,
            text_message: match body.opt_object("textMessage", "TextMessage")? {
                None => None,
                Some(object) => Some(DraftText {
                    text: object.string("text")?,
                }),
            },
            data_message: match body.opt_object("dataMessage", "DataMessage")? {
                None => None,
                Some(object) => Some(DraftData {
                    data: object.string("data")?,
                    port: object.uint16("port")?,
                }),
            },
            phone_numbers: body.opt_string_list("phoneNumbers", MAX_NUMBERS)?,
            is_encrypted: body.bool("isEncrypted")?,
            sim_number: body.opt_uint8("simNumber")?,
            with_delivery_report: body.opt_bool("withDeliveryReport")?,
            priority: body.int8_named("priority", "smsgateway.MessagePriority")?,
            ttl: body.opt_uint64("ttl")?,
            valid_until: time("validUntil")?,
            schedule_at: time("scheduleAt")?,
        })
    }

    /// The rules of the fields, then those of their combinations.
    pub(crate) fn check(self, now: Timestamp) -> Result<Checked, Refusal> {
        self.violations().finish()?;
        let content = self.content()?;
        if self.ttl.is_some() && self.valid_until.is_some() {
            return Err(Refusal::TtlAndValidUntil);
        }
        if self.schedule_at.is_some_and(|at| at <= now) {
            return Err(Refusal::ScheduleNotAhead);
        }
        Ok(Checked { draft: self, content })
    }

    /// One line for each field, in the order of the fields; the first broken rule of a field counts.
    fn violations(&self) -> Violations {
        let mut found = Violations::default();
        let mut check = |path: &str, rule: Option<&'static str>| {
            if let Some(rule) = rule {
                found.add(format!("Message.{path}"), rule);
            }
        };
        check("ID", longest(&self.id, MAX_ID));
        check("DeviceID", longest(&self.device_id, MAX_DEVICE_ID));
        check("Message", longest(&self.message, MAX_TEXT));
        if let Some(DraftText { text }) = &self.text_message {
            check("TextMessage.Text", required(text).or(longest(text, MAX_TEXT)));
        }
        if let Some(DraftData { data, port }) = &self.data_message {
            check("DataMessage.Data", data_rule(data));
            check("DataMessage.Port", (*port == 0).then_some("required"));
        }
        check("PhoneNumbers", numbers_rule(self.phone_numbers.as_deref()));
        if numbers_rule(self.phone_numbers.as_deref()).is_none() {
            for (index, number) in self.phone_numbers.iter().flatten().enumerate() {
                let rule = required(number).or(longest(number, MAX_NUMBER));
                check(&format!("PhoneNumbers[{index}]"), rule);
            }
        }
        check("SimNumber", self.sim_number.and_then(sim_rule));
        let too_short = self.ttl.is_some_and(|ttl| ttl < MIN_TTL_SECS);
        check("TTL", too_short.then_some("min"));
        found
    }

    fn content(&self) -> Result<Content, Refusal> {
        let legacy = Some(&self.message).filter(|message| !message.is_empty());
        match (legacy, &self.text_message, &self.data_message) {
            (None, None, None) => Err(Refusal::NoContent),
            (Some(text), None, None) | (None, Some(DraftText { text }), None) => {
                Ok(Content::Text(TextMessage { text: text.clone() }))
            }
            (None, None, Some(DraftData { data, port })) => Ok(Content::Data(DataMessage {
                data: data.clone(),
                port: *port,
            })),
            _ => Err(Refusal::SeveralContents),
        }
    }
}

impl Checked {
    /// The device that the client named.
    pub(crate) fn device_id(&self) -> Option<&str> {
        Some(self.draft.device_id.as_str()).filter(|id| !id.is_empty())
    }

    /// The rules of numbers and schedule. The numbers of an encrypted message cannot be looked at; `home` is the country
    /// of those that name none.
    pub(crate) fn prepare(
        self,
        skip_phone_validation: bool,
        home: Region,
        now: Timestamp,
    ) -> Result<NewMessage, Refusal> {
        let Self { draft, content } = self;
        let given = draft.phone_numbers.unwrap_or_default();
        let numbers = if draft.is_encrypted || skip_phone_validation {
            given
        } else {
            let normal = given.iter().map(|number| phone::normalize(number, home));
            normal.collect::<Result<_, _>>()?
        };
        let mut seen = HashSet::new();
        if !numbers.iter().all(|number| seen.insert(number)) {
            return Err(Refusal::NumbersNotUnique);
        }

        let end_of_ttl = |secs| now.plus(Duration::from_secs(secs)).min(Timestamp::LAST);
        let valid_until = draft.valid_until.or(draft.ttl.map(end_of_ttl));
        if let (Some(schedule_at), Some(valid_until)) = (draft.schedule_at, valid_until)
            && schedule_at > valid_until
        {
            return Err(Refusal::ScheduleAfterEnd);
        }

        let stored = content.to_stored();
        if stored.content.len() > MAX_STORED {
            return Err(Refusal::ContentTooLong(stored.content.len()));
        }
        Ok(NewMessage {
            id: Some(draft.id).filter(|id| !id.is_empty()),
            content,
            stored,
            numbers,
            is_encrypted: draft.is_encrypted,
            sim_number: draft.sim_number,
            with_delivery_report: draft.with_delivery_report.unwrap_or(true),
            priority: draft.priority,
            valid_until,
            schedule_at: draft.schedule_at,
        })
    }
}

fn required(text: &str) -> Option<&'static str> {
    text.is_empty().then_some("required")
}

/// Lengths count characters, not bytes (WIRE §1.8).
fn longest(text: &str, characters: usize) -> Option<&'static str> {
    (text.len() > characters && text.chars().count() > characters).then_some("max")
}

fn data_rule(data: &str) -> Option<&'static str> {
    if data.is_empty() {
        Some("required")
    } else if !is_base64(data) {
        Some("base64")
    } else if data.len() < MIN_DATA {
        Some("min")
    } else {
        longest(data, MAX_TEXT)
    }
}

/// The standard alphabet with padding; as in the reference, the unused bits of the last character may be anything.
fn is_base64(data: &str) -> bool {
    let digits = data.trim_end_matches('=');
    let padding = data.len() - digits.len();
    let standard = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    data.len().is_multiple_of(4) && padding <= 2 && digits.bytes().all(standard)
}

fn numbers_rule(numbers: Option<&[String]>) -> Option<&'static str> {
    match numbers {
        None => Some("required"),
        Some([]) => Some("min"),
        Some(numbers) => (numbers.len() > MAX_NUMBERS).then_some("max"),
    }
}

fn sim_rule(sim: u8) -> Option<&'static str> {
    match sim {
        0 => Some("min"),
        sim => (sim > MAX_SIM).then_some("max"),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
