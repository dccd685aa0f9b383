//! Which settings does a client send, and are they good? The rules in the order of the reference (WIRE §3.11). It knows
//! nothing of what is stored: a body has to make sense by itself.

use gateward_contract::{Object, ParseError, Value, Violations, json};

use super::{
    Tree,
    schema::{Fate, Rule, SECTIONS, Setting},
};

/// Why settings were refused. `Display` is the text for the client.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Refusal {
    /// No JSON, or not of these types.
    #[error("Invalid settings format: {0}")]
    Unreadable(#[from] ParseError),
    /// Settings that break a rule of their own.
    #[error("Invalid settings format: {0}")]
    Fields(#[from] Violations),
    /// An interval that ends before it begins.
    #[error(
        "Invalid settings format: failed to validate: validation failed: sendIntervalMax must be greater than or equal \
         to sendIntervalMin"
    )]
    Interval,
    /// Hours that are switched on without saying which.
    #[error(
        "Invalid settings format: failed to validate: validation failed: {0} is required when work hours are enabled"
    )]
    NoHour(&'static str),
    /// Not five characters as in `09:00`.
    #[error("Invalid settings format: failed to validate: validation failed: {0} must be in HH:mm format, got {1:?}")]
    HourFormat(&'static str, String),
    /// No clock shows it.
    #[error("Invalid settings format: failed to validate: validation failed: {0} {1:?} contains invalid time values")]
    HourValue(&'static str, String),
}

/// What is to be stored of a body: of the settings that there are, those whose names are spelled exactly (WIRE §17). All
/// others are checked too, because the reference does.
pub(super) fn read(body: &Value<'_>) -> Result<Tree, Refusal> {
    check(body)?;
    let kept = exact(*body);
    let kept = json::parse(&kept)?;
    // INVARIANT(what is stored was checked): names are compared without case above, so `{"ping":…,"PING":…}` had only its
    // last one checked. Test: `tests::a_second_spelling_hides_nothing`.
    check(&kept)?;
    match kept.to_serde() {
        Some(serde_json::Value::Object(tree)) => Ok(tree),
        // Numbers that are too big for serde were refused as no integers.
        _ => Ok(Tree::new()),
    }
}

fn check(body: &Value<'_>) -> Result<(), Refusal> {
    let body = Object::of(body, "DeviceSettings")?;
    let mut broken = Violations::new();
    for section in &SECTIONS {
        let Some(given) = body.opt_object(section.name, section.kind)? else {
            continue;
        };
        for setting in section.settings {
            if let Some(rule) = broken_rule(&given, setting)? {
                broken.add(format!("DeviceSettings.{}.{}", section.field, setting.field), rule);
            }
        }
    }
    broken.finish()?;
    match body.opt_object("messages", "SettingsMessages")? {
        None => Ok(()),
        Some(messages) => check_together(&messages),
    }
}

fn broken_rule(section: &Object<'_>, setting: &Setting) -> Result<Option<&'static str>, ParseError> {
    let name = setting.name;
    Ok(match setting.rule {
        Rule::Positive => section.opt_int(name)?.filter(|number| *number < 1).map(|_| "min"),
        Rule::OneOf(texts) => section
            .opt_str(name)?
            .filter(|text| !texts.contains(&&**text))
            .map(|_| "oneof"),
        Rule::Flag => section.opt_bool(name)?.and(None),
        Rule::Text => section.opt_str(name)?.and(None),
        Rule::Unset => section.opt_str(name)?.map(|_| "isdefault"),
    })
}

/// What settings of messages say about each other.
fn check_together(messages: &Object<'_>) -> Result<(), Refusal> {
    let least = messages.opt_int("send_interval_min")?;
    let most = messages.opt_int("send_interval_max")?;
    if least.zip(most).is_some_and(|(least, most)| most < least) {
        return Err(Refusal::Interval);
    }
    if messages.opt_bool("work_hours_enabled")? != Some(true) {
        return Ok(());
    }
    let hour = |name, field| {
        let text = messages.opt_str(name)?.filter(|text| !text.is_empty());
        text.ok_or(Refusal::NoHour(field))
    };
    let start = hour("work_hours_start", "workHoursStart")?;
    let end = hour("work_hours_end", "workHoursEnd")?;
    check_hour("workHoursStart", &start)?;
    check_hour("workHoursEnd", &end)
}

fn check_hour(field: &'static str, text: &str) -> Result<(), Refusal> {
    let digits = |(tens, ones): (u8, u8)| {
        let both = tens.is_ascii_digit() && ones.is_ascii_digit();
        both.then(|| (tens - b'0') * 10 + (ones - b'0'))
    };
    let &[h, hh, b':', m, mm] = text.as_bytes() else {
        return Err(Refusal::HourFormat(field, text.to_owned()));
    };
    match (digits((h, hh)), digits((m, mm))) {
        (Some(0..=23), Some(0..=59)) => Ok(()),
        (Some(_), Some(_)) => Err(Refusal::HourValue(field, text.to_owned())),
        (None, _) | (_, None) => Err(Refusal::HourFormat(field, text.to_owned())),
    }
}

/// The settings with exactly these names that are to be stored, as they were written.
fn exact(body: Value<'_>) -> Vec<u8> {
    let sections = SECTIONS.iter().filter_map(|section| {
        let given = named(body, section.name).filter(|given| given.entries().is_some())?;
        let stored = section.settings.iter().filter(|setting| setting.fate != Fate::Dropped);
        let stored = stored.filter_map(|setting| Some((setting.name, named(given, setting.name)?.written().to_vec())));
        Some((section.name, object(stored)))
    });
    object(sections)
}

/// A JSON object. The names are ours: none needs escapes.
fn object(entries: impl Iterator<Item = (&'static str, Vec<u8>)>) -> Vec<u8> {
    let mut text = vec![b'{'];
    for (name, value) in entries {
        if text.len() > 1 {
            text.push(b',');
        }
        text.extend(format!("\"{name}\":").bytes());
        text.extend(value);
    }
    text.push(b'}');
    text
}

/// The last value of exactly that name.
fn named<'a>(object: Value<'a>, name: &str) -> Option<Value<'a>> {
    let mut entries = object
        .entries()?
        .filter(|(given, _)| given.text().as_deref() == Some(name));
    // From the front: entries are found one after the other.
    let first = entries.next()?;
    Some(entries.last().unwrap_or(first).1)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
