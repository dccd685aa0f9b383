//! How does a phone's report change what is stored? (WIRE §6.3)
//!
//! The state is what was reported last, a state's time is what was reported first, and recipients that are not mentioned
//! stay as they are.

use std::collections::BTreeMap;

use super::Messages;
use crate::Timestamp;
use crate::db::{Connection, Statement, StoreError, Value};
use crate::devices::DeviceId;
use crate::messages::report::{Outcome, Report};
use crate::messages::state::State;

/// So many reports share a transaction: enough to make one list cheap, few enough to let others write in between.
const AT_ONCE: usize = 100;

pub(super) const FIND: Statement =
    Statement::same("SELECT id, is_hashed FROM messages WHERE ext_id = ? AND device_id = ?");
pub(super) const NUMBERS: Statement =
    Statement::same("SELECT id, phone_number FROM message_recipients WHERE message_id = ?");
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

impl Messages {
    /// Applies a device's reports; those about messages that it does not have are ignored. Gives back what changed.
    pub(crate) async fn apply(
        &self,
        device: &DeviceId,
        reports: &[Report],
        now: Timestamp,
    ) -> Result<Vec<Applied>, StoreError> {
        let mut applied = Vec::new();
        for reports in reports.chunks(AT_ONCE) {
            let mut change = self.database.begin().await?;
            let before = applied.len();
            for report in reports {
                let row = apply(&mut change, device, report, now).await?;
                applied.extend(row.map(|row| Applied {
                    row,
                    state: report.state,
                }));
            }
            change.commit().await?;
            let changed = applied.iter().skip(before).map(|applied: &Applied| applied.row);
            self.states.changed(&changed.collect::<Vec<_>>());
        }
        Ok(applied)
    }
}

/// The row of the message that it is about; `None` if there is none.
async fn apply(
    change: &mut Connection,
    device: &DeviceId,
    report: &Report,
    now: Timestamp,
) -> Result<Option<i64>, StoreError> {
    let message = FIND.bind(&report.id).bind(device.as_str());
    let Some(message) = message.fetch_optional(&mut *change).await? else {
        return Ok(None);
    };
    let (row, is_hashed): (i64, bool) = (message.get("id")?, message.get("is_hashed")?);

    let update = STATE.bind(report.state.name()).bind(now).bind(row);
    update.execute(&mut *change).await?;

    let history = report.history.iter();
    let history = history.map(|(state, at)| vec![Value::from(row), state.name().into(), at.into()]);
    HISTORY.insert_rows(history.collect(), change).await?;

    let stored = NUMBERS.bind(row).fetch_all(&mut *change).await?;
    let stored = stored.iter().map(|row| Ok((row.get("id")?, row.get("phone_number")?)));
    let stored: Vec<(i64, String)> = stored.collect::<Result<_, StoreError>>()?;
    for (outcome, recipients) in by_outcome(report.outcomes(&stored, is_hashed)) {
        let update = OUTCOME.bind(outcome.state.name()).bind(&outcome.error);
        update.bind_list(recipients).execute(&mut *change).await?;
    }
    Ok(Some(row))
}

/// Most often all recipients share one outcome: one statement for them all.
fn by_outcome(outcomes: BTreeMap<i64, &Outcome>) -> BTreeMap<&Outcome, Vec<i64>> {
    let mut recipients: BTreeMap<&Outcome, Vec<i64>> = BTreeMap::new();
    for (row, outcome) in outcomes {
        recipients.entry(outcome).or_default().push(row);
    }
    recipients
}
