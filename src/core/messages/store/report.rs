//! How does a phone's report change what is stored? (WIRE §6.3)
//!
//! The state is what was reported last, a state's time is what was reported first, and recipients that are not mentioned
//! stay as they are.

use std::collections::BTreeMap;

use sqlx::{Row, SqliteConnection};

use super::Messages;
use crate::Timestamp;
use crate::db::StoreError;
use crate::devices::DeviceId;
use crate::messages::report::{Outcome, Report};
use crate::messages::state::State;

/// So many reports share a transaction: enough to make one list cheap, few enough to let others write in between.
const AT_ONCE: usize = 100;

const FIND: &str = "SELECT id, is_hashed FROM messages WHERE ext_id = ?1 AND device_id = ?2";
const NUMBERS: &str = "SELECT id, phone_number FROM message_recipients WHERE message_id = ?1";
const STATE: &str = "UPDATE messages SET state = ?2, updated_at = ?3 WHERE id = ?1";
// `WHERE true` keeps the parser from taking ON for a join (sqlite.org/lang_upsert.html).
const HISTORY: &str = "INSERT INTO message_states (message_id, state, updated_at) \
     SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2) WHERE true ON CONFLICT (message_id, state) DO NOTHING";
const OUTCOME: &str = "UPDATE message_recipients SET state = ?2, error = ?3 \
     WHERE id IN (SELECT value FROM json_each(?1))";

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
            let mut change = self.0.writer().begin_with("BEGIN IMMEDIATE").await?;
            for report in reports {
                let row = apply(&mut change, device, report, now).await?;
                applied.extend(row.map(|row| Applied {
                    row,
                    state: report.state,
                }));
            }
            change.commit().await?;
        }
        Ok(applied)
    }
}

/// The row of the message that it is about; `None` if there is none.
/// The row of the message that it is about; `None` if there is none.
async fn apply(
    change: &mut SqliteConnection,
    device: &DeviceId,
    report: &Report,
    now: Timestamp,
) -> Result<Option<i64>, sqlx::Error> {
    let message = sqlx::query(FIND).bind(&report.id).bind(device.as_str());
    let Some(message) = message.fetch_optional(&mut *change).await? else {
        return Ok(None);
    };
    let (row, is_hashed): (i64, bool) = (message.try_get("id")?, message.try_get("is_hashed")?);

    let update = sqlx::query(STATE).bind(row).bind(report.state.name()).bind(now);
    update.execute(&mut *change).await?;

    let history = report.history.iter().map(|(state, at)| (state.name(), at.millis()));
    let history = super::json(&history.collect::<Vec<_>>());
    sqlx::query(HISTORY)
        .bind(row)
        .bind(history)
        .execute(&mut *change)
        .await?;

    let stored: Vec<(i64, String)> = sqlx::query_as(NUMBERS).bind(row).fetch_all(&mut *change).await?;
    for (outcome, recipients) in by_outcome(report.outcomes(&stored, is_hashed)) {
        sqlx::query(OUTCOME)
            .bind(super::json(&recipients))
            .bind(outcome.state.name())
            .bind(&outcome.error)
            .execute(&mut *change)
            .await?;
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

#[cfg(test)]
mod tests {
    use super::{FIND, NUMBERS, OUTCOME, STATE};
    use crate::testing::plan;

    #[tokio::test]
    async fn a_report_finds_its_rows_by_index() {
        for statement in [FIND, NUMBERS, OUTCOME, STATE] {
            let plan = plan(statement).await;
            assert!(plan.starts_with("SEARCH message"), "{statement}: {plan}");
            assert!(!plan.contains("SCAN message"), "{statement}: {plan}");
        }
    }
}
