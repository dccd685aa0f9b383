//! What does the query of a request ask for? (WIRE §1.8, §3.1, §3.3, §4.6)
//!
//! Names in any case, the last of several wins, unknown ones do not matter; an empty value is the zero of its type.
//! Every parameter that cannot be read counts as one error, the first is named. It knows no database and no body.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use gateward_contract::Violations;

use super::state::State;
use crate::Timestamp;

/// Why a query was refused. `Display` is the text for the client.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum QueryError {
    /// Values that cannot be read.
    #[error("failed to parse query: failed to decode: {0}")]
    Unreadable(Unreadable),
    /// Values that break a rule.
    #[error("{0}")]
    Invalid(#[source] Violations),
}

/// The first value that could not be read, and how many more there are.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Unreadable {
    name: &'static str,
    detail: Option<String>,
    others: usize,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "schema: error converting value for \"{}\"", self.name)?;
        if let Some(detail) = &self.detail {
            write!(formatter, ". Details: {detail}")?;
        }
        match self.others {
            0 => Ok(()),
            1 => formatter.write_str(" (and 1 other error)"),
            many => write!(formatter, " (and {many} other errors)"),
        }
    }
}

/// `POST /messages`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct SendQuery {
    /// Numbers are taken as they are.
    pub(crate) skip_phone_validation: bool,
    /// Only devices seen so lately may be chosen.
    pub(crate) device_active_within: Option<Duration>,
}

impl SendQuery {
    pub(crate) fn parse(raw: &str) -> Result<Self, QueryError> {
        let mut query = Query::new(raw);
        let skip_phone_validation = query.bool("skipPhoneValidation");
        let hours = query.integer("deviceActiveWithin").unwrap_or_default();
        query.finish()?;

        let mut rules = Rules::of("thirdPartyPostQueryParams");
        rules.check("DeviceActiveWithin", "min", hours >= 0);
        rules.finish()?;
        let window = |hours: u64| Duration::from_secs(hours.saturating_mul(3600));
        Ok(Self {
            skip_phone_validation: skip_phone_validation.unwrap_or_default(),
            device_active_within: u64::try_from(hours).ok().filter(|hours| *hours > 0).map(window),
        })
    }
}

/// `GET /messages`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ListQuery {
    /// Created then or later.
    pub(crate) from: Option<Timestamp>,
    /// Created before.
    pub(crate) to: Option<Timestamp>,
    /// In this state now.
    pub(crate) state: Option<State>,
    /// Given to this device.
    pub(crate) device: Option<String>,
    /// How many at most.
    pub(crate) limit: u32,
    /// How many to skip first.
    pub(crate) offset: u64,
    /// With texts and data.
    pub(crate) include_content: bool,
    /// By the moment of creation.
    pub(crate) sort: Sort,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sort {
    /// `-created_at`
    NewestFirst,
    /// `created_at`
    OldestFirst,
}

const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: i64 = 100;
/// Ids of devices have this many characters.
const DEVICE_ID_LENGTH: usize = 21;

impl ListQuery {
    pub(crate) fn parse(raw: &str) -> Result<Self, QueryError> {
        let mut query = Query::new(raw);
        let from = query.moment("from");
        let to = query.moment("to");
        let state = query.text("state");
        let device = query.text("deviceId");
        let limit = query.integer("limit");
        let offset = query.integer("offset");
        let include_content = query.bool("includeContent");
        let sort = query.text("sort");
        query.finish()?;

        let mut rules = Rules::of("thirdPartyGetQueryParams");
        let state = rules.choice("State", state, State::parse);
        if let Some(device) = &device {
            rules.check("DeviceID", "len", device.chars().count() == DEVICE_ID_LENGTH);
        }
        if let Some(limit) = limit {
            rules.check("Limit", "min", limit >= 1);
            rules.check("Limit", "max", limit <= MAX_LIMIT);
        }
        rules.check("Offset", "min", offset.is_none_or(|offset| offset >= 0));
        let sort = rules.choice("Sort", sort, Sort::parse);
        rules.finish()?;
        Ok(Self {
            from,
            to,
            state,
            device: device.map(Cow::into_owned),
            limit: limit.and_then(|limit| limit.try_into().ok()).unwrap_or(DEFAULT_LIMIT),
            offset: offset.and_then(|offset| offset.try_into().ok()).unwrap_or_default(),
            include_content: include_content.unwrap_or_default(),
            sort: sort.unwrap_or(Sort::NewestFirst),
        })
    }

    /// Whether messages in this state may be on the page.
    pub(crate) fn wants(&self, state: State) -> bool {
        self.state.is_none_or(|wanted| wanted == state)
    }
}

impl Sort {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "-created_at" => Some(Self::NewestFirst),
            "created_at" => Some(Self::OldestFirst),
            _ => None,
        }
    }
}

/// `GET /message` of a phone: which of equally urgent messages comes first.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Order {
    /// The newest.
    Lifo,
    /// The oldest.
    Fifo,
}

impl Order {
    /// The `order` of a query; an empty one is the default (WIRE §17).
    pub(crate) fn parse(raw: &str) -> Result<Self, QueryError> {
        let query = Query::new(raw);
        let order = query.text("order").filter(|order| !order.is_empty());
        let mut rules = Rules::of("mobileGetQueryParams");
        let order = rules.choice("Order", order, |order| match order {
            "lifo" => Some(Self::Lifo),
            "fifo" => Some(Self::Fifo),
            _ => None,
        });
        rules.finish()?;
        Ok(order.unwrap_or(Self::Lifo))
    }
}

/// The parameters of a query, and what could not be read so far.
struct Query<'a> {
    parameters: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    unreadable: Vec<(&'static str, Option<String>)>,
}

impl<'a> Query<'a> {
    fn new(raw: &'a str) -> Self {
        Self {
            parameters: form_urlencoded::parse(raw.as_bytes()).collect(),
            unreadable: Vec::new(),
        }
    }

    fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        let mut latest = self.parameters.iter().rev();
        latest
            .find(|(given, _)| given.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
    }

    fn bool(&mut self, name: &'static str) -> Option<bool> {
        let text = self.text(name)?;
        match &*text {
            "1" | "t" | "T" | "TRUE" | "true" | "True" | "on" => Some(true),
            "0" | "f" | "F" | "FALSE" | "false" | "False" | "" => Some(false),
            _ => self.refuse(name, None),
        }
    }

    fn integer(&mut self, name: &'static str) -> Option<i64> {
        let text = self.text(name)?;
        if text.is_empty() {
            return Some(0);
        }
        match text.parse() {
            Ok(number) => Some(number),
            Err(_) => self.refuse(name, None),
        }
    }

    /// A moment has no zero: an empty value is unreadable (WIRE §17).
    fn moment(&mut self, name: &'static str) -> Option<Timestamp> {
        let text = self.text(name)?;
        match gateward_contract::time::parse(&text) {
            Ok(moment) => Some(moment.into()),
            Err(error) => self.refuse(name, Some(error.to_string())),
        }
    }

    fn refuse<T>(&mut self, name: &'static str, detail: Option<String>) -> Option<T> {
        self.unreadable.push((name, detail));
        None
    }

    fn finish(self) -> Result<(), QueryError> {
        let others = self.unreadable.len().saturating_sub(1);
        match self.unreadable.into_iter().next() {
            None => Ok(()),
            Some((name, detail)) => Err(QueryError::Unreadable(Unreadable { name, detail, others })),
        }
    }
}

/// The rules that a query breaks.
struct Rules {
    structure: &'static str,
    violations: Violations,
}

impl Rules {
    fn of(structure: &'static str) -> Self {
        Self {
            structure,
            violations: Violations::default(),
        }
    }

    fn check(&mut self, field: &str, rule: &'static str, holds: bool) {
        self.violations
            .check(holds, format!("{}.{field}", self.structure), rule);
    }

    fn choice<T>(&mut self, field: &str, text: Option<Cow<'_, str>>, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = text?;
        let choice = parse(&text);
        self.check(field, "oneof", choice.is_some());
        choice
    }

    fn finish(self) -> Result<(), QueryError> {
        self.violations.finish().map_err(QueryError::Invalid)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
