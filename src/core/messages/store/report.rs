//! How does a phone's report change what is stored? (WIRE §6.3)
//!
//! The state is what was reported last, a state's time is what was reported first, and recipients that are not mentioned
//! stay as they are.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Messages;
use crate::Timestamp;
use crate::db::{Connection, Query, Statement, StoreError, Value};
use crate::devices::DeviceId;
use crate::messages::report::{Outcome, Report};
use crate::messages::state::State;

/// So many reports share a transaction: enough to make one list cheap, few enough to let others write in between.
const TOGETHER: usize = 100;

/// With all its recipients; one without any is there, too.
pub(super) const FIND: Statement = Statement::same(
    "SELECT m.id, m.is_hashed, r.id AS recipient, r.phone_number FROM messages AS m \
     LEFT JOIN message_recipients AS r ON r.message_id = m.id WHERE m.ext_id = ? AND m.device_id = ?",
)
.packed("id, is_hashed, recipient, phone_number");
pub(super) const STATE: Statement = Statement::same("UPDATE messages SET state = ?, updated_at = ? WHERE id = ?");
const HISTORY: Statement = Statement::of(
    "INSERT INTO message_states (message_id, state, updated_at) VALUES ? ON CONFLICT (message_id, state) DO NOTHING",
    // Not IGNORE, which would ignore any other error, too.
    "INSERT INTO message_states (message_id, state, updated_at) VALUES ? ON DUPLICATE KEY UPDATE id = id",
);
pub(super) const OUTCOME: Statement =
    Statement::same("UPDATE message_recipients SET state = ?, error = ? WHERE id IN (?)");

/// A message that a report has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Applied {
    pub(crate) row: i64,
    /// Its state now.
    pub(crate) state: State,
}

/// One report for a file, in one statement.
const AT_ONCE: Statement =
    Statement::same("INSERT INTO new_reports (message_id, state, updated_at, history, outcomes) VALUES ?");

impl Messages {
    /// Applies a device's reports; those about messages that it does not have are ignored. Gives back what changed.
    pub(crate) async fn apply(
        &self,
        device: &DeviceId,
        reports: &[Report],
        now: Timestamp,
    ) -> Result<Vec<Applied>, StoreError> {
        let mut applied = Vec::new();
        for reports in reports.chunks(TOGETHER) {
            let changed = match self.apply_at_once(device, reports, now).await? {
                Some(changed) => changed,
                None => {
                    let step_by_step = |change| self.step_by_step(change, device, reports, now);
                    self.database.change(step_by_step).await?
                }
            };
            applied.extend(changed);
        }
        Ok(applied)
    }

    /// What is changed; `None`: nothing. What a report is about is looked up before the transaction: its rows are what
    /// they are for ever, or they go, and then the whole does not happen.
    async fn apply_at_once(
        &self,
        device: &DeviceId,
        reports: &[Report],
        now: Timestamp,
    ) -> Result<Option<Vec<Applied>>, StoreError> {
        let Some(mut batch) = self.database.batch() else {
            return match reports {
                [report] => self.apply_one(device, report, now).await,
                _ => Ok(None),
            };
        };
        let mut applied = Vec::new();
        let mut reading = self.database.reading().await?;
        for report in reports {
            if let Some(message) = find(&mut reading, device, report).await? {
                changes(&message, report, now).for_each(|change| batch.add(change));
                applied.push(message.applied(report));
            }
        }
        drop(reading);
        if applied.is_empty() {
            return Ok(Some(applied));
        }
        let written = self.database.write_at_once(batch).await;
        // If it failed, it may have happened nevertheless.
        if !matches!(written, Ok(false)) {
            self.states.changed(&rows(&applied)).heard().await;
        }
        Ok(written?.then_some(applied))
    }

    /// The same for one report, which is what phones send most often, and a file.
    async fn apply_one(
        &self,
        device: &DeviceId,
        report: &Report,
        now: Timestamp,
    ) -> Result<Option<Vec<Applied>>, StoreError> {
        let mut reading = self.database.reading().await?;
        let Some(message) = find(&mut reading, device, report).await? else {
            return Ok(Some(Vec::new()));
        };
        drop(reading);
        let row = at_once(&message, report, now)?;
        let written = self.database.insert_with_others(AT_ONCE, row).await;
        // If it failed, it may have happened nevertheless.
        if !matches!(written, Ok(false)) {
            self.states.changed(&[message.row]).heard().await;
        }
        Ok(written?.then(|| vec![message.applied(report)]))
    }

    async fn step_by_step(
        &self,
        mut change: Connection,
        device: &DeviceId,
        reports: &[Report],
        now: Timestamp,
    ) -> Result<Vec<Applied>, StoreError> {
        let mut applied = Vec::new();
        for report in reports {
            if let Some(message) = find(&mut change, device, report).await? {
                for query in changes(&message, report, now) {
                    query.execute(&mut change).await?;
                }
                applied.push(message.applied(report));
            }
        }
        self.finish(change, &rows(&applied)).await?;
        Ok(applied)
    }
}

fn rows(applied: &[Applied]) -> Vec<i64> {
    applied.iter().map(|applied| applied.row).collect()
}

/// A message that a report is about.
struct Reported {
    row: i64,
    is_hashed: bool,
    /// Rows and numbers.
    recipients: Vec<(i64, String)>,
}

impl Reported {
    fn applied(&self, report: &Report) -> Applied {
        Applied {
            row: self.row,
            state: report.state,
        }
    }
}

/// `None` if the device has no such message.
async fn find(on: &mut Connection, device: &DeviceId, report: &Report) -> Result<Option<Reported>, StoreError> {
    let rows = FIND.bind(&report.id).bind(device.as_str()).fetch_all(on).await?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let mut recipients = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(recipient) = row.get("recipient")? {
            recipients.push((recipient, row.get("phone_number")?));
        }
    }
    Ok(Some(Reported {
        row: first.get("id")?,
        is_hashed: first.get("is_hashed")?,
        recipients,
    }))
}

/// What the report makes of the message.
fn changes<'r>(message: &Reported, report: &'r Report, now: Timestamp) -> impl Iterator<Item = Query<'r>> {
    let row = message.row;
    let state = STATE.bind(report.state.name()).bind(now).bind(row);
    // Not more than there are states.
    let history = report.history.iter();
    let history = history.map(|(state, at)| vec![Value::from(row), state.name().into(), at.into()]);
    let history: Vec<_> = history.collect();
    let history = (!history.is_empty()).then(|| HISTORY.bind_rows(history));
    let outcomes = by_outcome(report.outcomes(&message.recipients, message.is_hashed));
    let outcomes = outcomes.into_iter().map(|(outcome, recipients)| {
        let update = OUTCOME.bind(outcome.state.name()).bind(&outcome.error);
        update.bind_list(recipients)
    });
    std::iter::once(state).chain(history).chain(outcomes)
}

/// The same as one row for [`AT_ONCE`].
fn at_once(message: &Reported, report: &Report, now: Timestamp) -> Result<Vec<Value<'static>>, StoreError> {
    let history = report.history.iter().map(|(state, at)| (state.name(), at.millis()));
    let history: BTreeMap<_, _> = history.collect();
    let outcomes = report.outcomes(&message.recipients, message.is_hashed);
    let outcomes = outcomes
        .iter()
        .map(|(row, outcome)| (row, outcome.state.name(), &outcome.error));
    let outcomes: Vec<_> = outcomes.collect();
    Ok(vec![
        message.row.into(),
        report.state.name().into(),
        now.into(),
        json(&history)?,
        json(&outcomes)?,
    ])
}

fn json(value: &impl Serialize) -> Result<Value<'static>, StoreError> {
    let text = serde_json::to_string(value).map_err(StoreError::unwritable)?;
    Ok(text.into())
}

/// Most often all recipients share one outcome: one statement for them all.
fn by_outcome(outcomes: BTreeMap<i64, &Outcome>) -> BTreeMap<&Outcome, Vec<i64>> {
    let mut recipients: BTreeMap<&Outcome, Vec<i64>> = BTreeMap::new();
    for (row, outcome) in outcomes {
        recipients.entry(outcome).or_default().push(row);
    }
    recipients
}
