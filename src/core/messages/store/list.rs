//! Which of a user's messages are on this page? Count and page are found in one index, rows are read for the page only.

use sqlx::SqliteConnection;

use super::{Messages, load};
use crate::Timestamp;
use crate::db::StoreError;
use crate::messages::query::{ListQuery, Sort};
use crate::messages::state::State;
use crate::messages::view::Message;
use crate::users::UserId;

/// A page, and how many there are in all.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) total: i64,
    pub(crate) messages: Vec<Message>,
}

/// Devices (one, or a JSON list of several), created from, created before, state.
macro_rules! select {
    ($what:literal, $devices:literal $(, $order:literal)?) => {
        concat!(
            "SELECT ", $what, " FROM messages WHERE device_id ", $devices,
            " AND created_at >= ?2 AND created_at < ?3 AND (?4 IS NULL OR state = ?4)",
            $(" ORDER BY ", $order, " LIMIT ?5 OFFSET ?6")?
        )
    };
}

const COUNT: &str = select!("count(*)", "IN (SELECT value FROM json_each(?1))");
// Of one device, the index has them in order; of several, the best of each are sorted, without looking at rows.
const NEWEST_OF_ONE: &str = select!("id", "= ?1", "created_at DESC, id DESC");
const OLDEST_OF_ONE: &str = select!("id", "= ?1", "created_at, id");
const NEWEST_OF_MANY: &str = select!("id", "IN (SELECT value FROM json_each(?1))", "created_at DESC, id DESC");
const OLDEST_OF_MANY: &str = select!("id", "IN (SELECT value FROM json_each(?1))", "created_at, id");

impl Messages {
    /// The user's messages that the query asks for. Count and page are of the same moment.
    pub(crate) async fn list(&self, user: &UserId, query: &ListQuery) -> Result<Page, StoreError> {
        let mut reading = self.0.reader().begin().await?;
        let devices = super::device_ids(&mut reading, user, query.device.as_deref(), None).await?;
        let filter = Filter {
            devices: super::json(&devices),
            from: query.from.map_or(i64::MIN, Timestamp::millis),
            to: query.to.map_or(i64::MAX, Timestamp::millis),
            state: query.state.map(State::name),
        };
        let total = filter.count(&mut reading).await?;
        let rows = match devices.as_slice() {
            [] => Vec::new(),
            [device] => filter.page(&mut reading, device, query, true).await?,
            _ => filter.page(&mut reading, &filter.devices, query, false).await?,
        };
        let messages = load::messages(&mut reading, &rows, query.include_content).await?;
        Ok(Page { total, messages })
    }
}

struct Filter {
    devices: String,
    from: i64,
    to: i64,
    state: Option<&'static str>,
}

impl Filter {
    async fn count(&self, connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
        sqlx::query_scalar(COUNT)
            .bind(&self.devices)
            .bind(self.from)
            .bind(self.to)
            .bind(self.state)
            .fetch_one(connection)
            .await
    }

    async fn page(
        &self,
        connection: &mut SqliteConnection,
        devices: &str,
        query: &ListQuery,
        of_one: bool,
    ) -> Result<Vec<i64>, sqlx::Error> {
        let statement = match (query.sort, of_one) {
            (Sort::NewestFirst, true) => NEWEST_OF_ONE,
            (Sort::OldestFirst, true) => OLDEST_OF_ONE,
            (Sort::NewestFirst, false) => NEWEST_OF_MANY,
            (Sort::OldestFirst, false) => OLDEST_OF_MANY,
        };
        sqlx::query_scalar(statement)
            .bind(devices)
            .bind(self.from)
            .bind(self.to)
            .bind(self.state)
            .bind(query.limit)
            .bind(i64::try_from(query.offset).unwrap_or(i64::MAX))
            .fetch_all(connection)
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::{COUNT, NEWEST_OF_MANY, NEWEST_OF_ONE, OLDEST_OF_MANY, OLDEST_OF_ONE};
    use crate::testing::plan;

    const ALONE: &str =
        "USING COVERING INDEX idx_messages_device_created (device_id=? AND created_at>? AND created_at<?)";

    #[tokio::test]
    async fn count_and_page_are_read_from_one_index_alone() {
        for statement in [COUNT, NEWEST_OF_ONE, OLDEST_OF_ONE, NEWEST_OF_MANY, OLDEST_OF_MANY] {
            let plan = plan(statement).await;
            assert!(plan.contains(ALONE), "{statement}: {plan}");
        }
    }

    #[tokio::test]
    async fn the_messages_of_one_device_need_no_sorting() {
        for statement in [NEWEST_OF_ONE, OLDEST_OF_ONE] {
            let plan = plan(statement).await;
            assert!(!plan.contains("TEMP B-TREE"), "{statement}: {plan}");
        }
    }
}
