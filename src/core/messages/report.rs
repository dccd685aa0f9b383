//! What does a phone report, and to which recipients does it apply? (WIRE §4.7, §6.3)
//!
//! A list of reports is refused as a whole when a field is missing; after that each report counts on its own, and one
//! that makes no sense is ignored: old phones must not be stopped by what they do not know. It knows no database.

use std::collections::BTreeMap;

use gateward_contract::{Object, ParseError, Value, Violations};

use super::draft::MAX_NUMBER;
use super::hashing::number_hash;
use super::state::State;
use crate::Timestamp;

/// One report as it was read; no rule is checked yet.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct RawReport {
    pub(crate) id: String,
    pub(crate) state: String,
    /// `None` and empty are different mistakes.
    pub(crate) recipients: Option<Vec<RawRecipient>>,
    pub(crate) states: BTreeMap<String, Timestamp>,
}

/// One recipient of a report as it was read.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct RawRecipient {
    pub(crate) phone_number: String,
    pub(crate) state: String,
    pub(crate) error: Option<String>,
}

/// A report that can be applied.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Report {
    /// The client's id of the message.
    pub(crate) id: String,
    pub(crate) state: State,
    pub(crate) recipients: Vec<RecipientReport>,
    /// When states were reached; of several reports the first counts.
    pub(crate) history: BTreeMap<State, Timestamp>,
}

/// What became of the message for one recipient.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RecipientReport {
    pub(crate) phone_number: String,
    pub(crate) outcome: Outcome,
}

/// State and error, as they are stored.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Outcome {
    pub(crate) state: State,
    pub(crate) error: Option<String>,
}

const MAX_ID: usize = 36;
/// What the reference calls the type of a state.
const STATE_TYPE: &str = "smsgateway.ProcessingState";
/// Characters of an error that the reference's column takes.
const MAX_ERROR: usize = 256;

/// Why a list of reports was refused. `Display` is the text for the client.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    /// Not a list of reports.
    #[error("{0}")]
    Unreadable(#[from] ParseError),
    /// Fields that are missing or too long.
    #[error("{0}")]
    Fields(#[from] Violations),
}

/// The reports of a body.
pub(crate) fn read(body: &Value<'_>) -> Result<Vec<RawReport>, Refusal> {
    let Some(items) = Object::list_of(body, Some("MobilePatchMessageRequest"), "MobilePatchMessageItem")? else {
        let mut missing = Violations::new();
        missing.add("", "required");
        return Err(missing.into());
    };
    let mut found = Violations::new();
    let mut reports = Vec::new();
    // All are read, because a wrong type anywhere comes first, but nothing is kept that is of no use any more: a body of
    // 4 MiB may be a million empty reports.
    for (index, item) in items.enumerate() {
        let report = RawReport::read(&item?, index, &mut found)?;
        if found.is_empty() {
            reports.push(report);
        }
    }
    found.finish()?;
    Ok(reports)
}

impl RawReport {
    /// The report at `index` of the list, and the fields that it must not lack, one line each.
    fn read(item: &Object<'_>, index: usize, found: &mut Violations) -> Result<Self, ParseError> {
        let mut check = |path: &str, rule: Option<&'static str>| {
            if let Some(rule) = rule {
                found.add(format!("[{index}].{path}"), rule);
            }
        };
        let id = item.string("id")?;
        check("ID", text_rule(&id, MAX_ID));
        let state = item.str_named("state", STATE_TYPE)?.into_owned();
        check("State", text_rule(&state, usize::MAX));
        let mut kept = None;
        match item.opt_object_list("recipients", "RecipientState")? {
            None => check("Recipients", Some("required")),
            Some(recipients) => {
                let kept = kept.insert(Vec::new());
                let mut given = 0_usize;
                for recipient in recipients {
                    let recipient = RawRecipient::read(&recipient?)?;
                    let number = text_rule(&recipient.phone_number, MAX_NUMBER);
                    check(&format!("Recipients[{given}].PhoneNumber"), number);
                    let state = text_rule(&recipient.state, usize::MAX);
                    check(&format!("Recipients[{given}].State"), state);
                    // Of a million empty ones none is kept.
                    if number.or(state).is_none() {
                        kept.push(recipient);
                    }
                    given += 1;
                }
                check("Recipients", (given == 0).then_some("min"));
            }
        }
        let times = item.opt_time_map("states")?.unwrap_or_default();
        Ok(Self {
            id,
            state,
            recipients: kept,
            states: times.into_iter().map(|(state, at)| (state, at.into())).collect(),
        })
    }
}

impl RawRecipient {
    fn read(item: &Object<'_>) -> Result<Self, ParseError> {
        Ok(Self {
            phone_number: item.string("phoneNumber")?,
            state: item.str_named("state", STATE_TYPE)?.into_owned(),
            error: item.opt_string("error")?,
        })
    }
}

fn text_rule(text: &str, longest: usize) -> Option<&'static str> {
    if text.is_empty() {
        Some("required")
    } else {
        (text.chars().count() > longest).then_some("max")
    }
}

impl Report {
    /// `None` when a state is unknown or an error does not fit: the report is to be ignored.
    pub(crate) fn read(raw: RawReport) -> Option<Self> {
        let recipients = raw.recipients.unwrap_or_default().into_iter();
        let history = raw.states.iter();
        Some(Self {
            id: raw.id,
            state: reported(&raw.state)?,
            recipients: recipients.map(RecipientReport::read).collect::<Option<_>>()?,
            history: history
                .map(|(state, at)| State::parse(state).map(|state| (state, *at)))
                .collect::<Option<_>>()?,
        })
    }

    /// What is to be written to which of the stored recipients, which are given as row and number.
    pub(crate) fn outcomes(&self, stored: &[(i64, String)], is_hashed: bool) -> BTreeMap<i64, &Outcome> {
        let mut outcomes = BTreeMap::new();
        for recipient in &self.recipients {
            if let Some(row) = find(&recipient.phone_number, stored, is_hashed) {
                outcomes.insert(row, &recipient.outcome);
            }
        }
        outcomes
    }
}

impl RecipientReport {
    fn read(raw: RawRecipient) -> Option<Self> {
        let state = reported(&raw.state)?;
        let fits = |error: &String| error.chars().count() <= MAX_ERROR;
        if !raw.error.as_ref().is_none_or(fits) {
            return None;
        }
        Some(Self {
            phone_number: raw.phone_number,
            outcome: Outcome {
                state,
                error: raw.error,
            },
        })
    }
}

/// A phone that reports a message has it: what it calls pending is processed here.
fn reported(name: &str) -> Option<State> {
    State::parse(name).map(|state| match state {
        State::Pending => State::Processed,
        State::Cancelling | State::Cancelled | State::Processed | State::Sent | State::Delivered | State::Failed => {
            state
        }
    })
}

/// The row of the recipient with this number: as it stands, or with the plus that old phones leave out.
///
/// The reference always adds the plus, and so never finds encrypted numbers and short codes (WIRE §12.15).
fn find(number: &str, stored: &[(i64, String)], is_hashed: bool) -> Option<i64> {
    let row = |number: &str| {
        let wanted = if is_hashed {
            number_hash(number)
        } else {
            number.to_owned()
        };
        let mut rows = stored.iter();
        rows.find(|(_, stored)| *stored == wanted).map(|(row, _)| *row)
    };
    row(number).or_else(|| row(&format!("+{number}")))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
