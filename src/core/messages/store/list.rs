//! Which of a user's messages are on this page? Count and page are found in one index, rows are read for the page only.

use super::{Messages, load};
use crate::Timestamp;
use crate::db::{Connection, Query, Statement, StoreError};
use crate::messages::query::{ListQuery, Sort};
use crate::messages::state::State;
use crate::messages::totals::{Counting, Totals};
use crate::messages::view::Message;
use crate::users::UserId;

/// A page, and how many there are in all.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) total: i64,
    pub(crate) messages: Vec<Message>,
}

/// One device or several, created from, created before, state.
macro_rules! select {
    ($what:literal, $devices:literal $(, $order:literal)?) => {
        Statement::same(concat!(
            "SELECT ", $what, " FROM messages WHERE device_id ", $devices,
            " AND created_at >= ?2 AND created_at < ?3 AND (?4 IS NULL OR state = ?4)",
            $(" ORDER BY ", $order, " LIMIT ?5 OFFSET ?6")?
        ))
    };
}

pub(super) const COUNT: Statement = select!("count(*)", "IN (?1)");
// Of one device, the index has them in order; of several, the best of each are sorted, without looking at rows.
pub(super) const NEWEST_OF_ONE: Statement = select!("id", "= ?1", "created_at DESC, id DESC");
pub(super) const OLDEST_OF_ONE: Statement = select!("id", "= ?1", "created_at, id");
pub(super) const NEWEST_OF_MANY: Statement = select!("id", "IN (?1)", "created_at DESC, id DESC");
pub(super) const OLDEST_OF_MANY: Statement = select!("id", "IN (?1)", "created_at, id");

impl Messages {
    /// The user's messages that the query asks for. Count and page are of the same moment.
    pub(crate) async fn list(&self, user: &UserId, query: &ListQuery, now: Timestamp) -> Result<Page, StoreError> {
        // Before the first look into the database: what is stored from now on is noticed.
        let counting = self.states.totals().count(now);
        let mut reading = self.database.reading().await?;
        let filter = Filter {
            devices: super::device_ids(&mut reading, user, query.device.as_deref(), None).await?,
            from: query.from.unwrap_or(Timestamp::FIRST),
            to: query.to.unwrap_or(Timestamp::LAST),
            state: query.state.map(State::name),
        };
        if filter.devices.is_empty() {
            return Ok(Page {
                total: 0,
                messages: Vec::new(),
            });
        }
        let is_whole = query.from.is_none() && query.to.is_none() && query.state.is_none();
        let total = if is_whole {
            self.count_all(&filter, counting, &mut reading).await?
        } else {
            filter.count(&mut reading).await?
        };
        let rows = filter.page(&mut reading, query).await?;
        let messages = load::messages(&mut reading, &rows, query.include_content).await?;
        Ok(Page { total, messages })
    }

    /// How many messages the devices have, of which most were counted before.
    async fn count_all(&self, all: &Filter, counting: Counting, reading: &mut Connection) -> Result<i64, StoreError> {
        let totals = self.states.totals();
        if let Some(known) = totals.recall(&all.devices) {
            let later = all.within(known.before, Timestamp::LAST).count(reading).await?;
            if !Totals::is_far_behind(later) {
                return Ok(known.messages + later);
            }
        }
        let earlier = all.within(Timestamp::FIRST, counting.before).count(reading).await?;
        let later = all.within(counting.before, Timestamp::LAST).count(reading).await?;
        totals.remember(&all.devices, earlier, counting);
        Ok(earlier + later)
    }
}

struct Filter {
    devices: Vec<String>,
    from: Timestamp,
    to: Timestamp,
    state: Option<&'static str>,
}

impl Filter {
    /// The same in another time.
    fn within(&self, from: Timestamp, to: Timestamp) -> Self {
        Self {
            devices: self.devices.clone(),
            from,
            to,
            ..*self
        }
    }

    async fn count(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        self.on(COUNT).fetch_value(connection).await
    }

    async fn page(&self, connection: &mut Connection, query: &ListQuery) -> Result<Vec<i64>, StoreError> {
        let statement = match (query.sort, self.devices.len()) {
            (Sort::NewestFirst, 1) => NEWEST_OF_ONE,
            (Sort::OldestFirst, 1) => OLDEST_OF_ONE,
            (Sort::NewestFirst, _) => NEWEST_OF_MANY,
            (Sort::OldestFirst, _) => OLDEST_OF_MANY,
        };
        let offset = i64::try_from(query.offset).unwrap_or(i64::MAX);
        let page = self.on(statement).bind(query.limit).bind(offset);
        page.fetch_column(connection).await
    }

    fn on(&self, statement: Statement) -> Query<'_> {
        let devices = statement.bind_list(&self.devices);
        devices.bind(self.from).bind(self.to).bind(self.state)
    }
}
