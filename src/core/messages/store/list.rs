//! Which of a user's messages are on this page? Count and page are found in one index, by one statement that reads no row.

use super::{Messages, load};
use crate::Timestamp;
use crate::db::{Connection, Query, Row, Statement, StoreError};
use crate::devices::DeviceId;
use crate::messages::query::{ListQuery, Sort};
use crate::messages::state::State;
use crate::messages::totals::{Counting, Totals};

/// A page, and how many there are in all.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) total: i64,
    /// In the order that was asked for, each with its message's state.
    pub(crate) rows: Vec<(i64, State)>,
}

/// The devices, created from, created before, state.
macro_rules! filter {
    ($devices:literal, $from:literal) => {
        concat!(
            " FROM messages WHERE device_id ",
            $devices,
            " AND created_at >= ",
            $from,
            " AND created_at < ?3 AND (?4 IS NULL OR state = ?4)"
        )
    };
}

/// Of one device, the index has them in order; of several, the best of each are sorted.
macro_rules! page {
    ($devices:literal, $order:literal, $limit:literal) => {
        concat!(
            "SELECT (SELECT count(*)",
            filter!($devices, "?7"),
            ") AS total, id, state, created_at",
            filter!($devices, "?2"),
            " ORDER BY ",
            $order,
            $limit
        )
    };
    ($devices:literal, $order:literal) => {
        // SQLite would prepare a statement anew for every `LIMIT ?`.
        Statement::of(
            page!($devices, $order, " LIMIT ?5 + 0 OFFSET ?6 + 0"),
            page!($devices, $order, " LIMIT ?5 OFFSET ?6"),
        )
        .packed("total, id, state, created_at")
    };
}

pub(super) const COUNT: Statement = Statement::same(concat!("SELECT count(*)", filter!("IN (?1)", "?2")));
/// In any state. MySQL 8 would take an index without the times, and look at each row for them.
pub(super) const COUNT_ALL: Statement = Statement::of(
    concat!("SELECT count(*)", filter!("IN (?1)", "?2")),
    "SELECT count(*) FROM messages FORCE INDEX (gateward_messages_created) \
     WHERE device_id IN (?1) AND created_at >= ?2 AND created_at < ?3 AND (?4 IS NULL OR state = ?4)",
);
pub(super) const NEWEST_OF_ONE: Statement = page!("= ?1", "created_at DESC, id DESC");
pub(super) const OLDEST_OF_ONE: Statement = page!("= ?1", "created_at, id");
pub(super) const NEWEST_OF_MANY: Statement = page!("IN (?1)", "created_at DESC, id DESC");
pub(super) const OLDEST_OF_MANY: Statement = page!("IN (?1)", "created_at, id");

impl Messages {
    /// Which messages of these devices the query asks for. The page and the count of what is new are of the same
    /// moment.
    pub(crate) async fn page(
        &self,
        devices: &[DeviceId],
        query: &ListQuery,
        now: Timestamp,
    ) -> Result<Page, StoreError> {
        if devices.is_empty() {
            return Ok(Page {
                total: 0,
                rows: Vec::new(),
            });
        }
        // Before the first look into the database: what is stored from now on is noticed.
        let counting = self.states.totals().count(now);
        let filter = Filter {
            devices,
            from: query.from.unwrap_or(Timestamp::FIRST),
            to: query.to.unwrap_or(Timestamp::LAST),
            state: query.state.map(State::name),
        };
        let mut reading = self.database.reading().await?;
        let is_whole = query.from.is_none() && query.to.is_none() && query.state.is_none();
        let (counted, since) = if is_whole {
            self.counted(&filter, counting, &mut reading).await?
        } else {
            (0, filter.from)
        };
        let rows = filter.page(&mut reading, query, since).await?;
        let later = match rows.first() {
            Some(row) => row.get("total")?,
            // Nothing is there to say it.
            None => filter.within(since, filter.to).count(&mut reading).await?,
        };
        // Unless that is what was done just now.
        if is_whole && since < counting.before && Totals::is_far_behind(later) {
            self.count_anew(&filter, counting, &mut reading).await?;
        }
        Ok(Page {
            total: counted + later,
            rows: in_order(&rows, query.sort)?,
        })
    }

    /// How many messages the devices have that were created before some moment, most often counted before, and when
    /// that is.
    async fn counted(
        &self,
        all: &Filter<'_>,
        counting: Counting,
        reading: &mut Connection,
    ) -> Result<(i64, Timestamp), StoreError> {
        if let Some(known) = self.states.totals().recall(all.devices) {
            return Ok((known.messages, known.before));
        }
        let earlier = self.count_anew(all, counting, reading).await?;
        Ok((earlier, counting.before))
    }

    async fn count_anew(
        &self,
        all: &Filter<'_>,
        counting: Counting,
        reading: &mut Connection,
    ) -> Result<i64, StoreError> {
        let earlier = all.within(Timestamp::FIRST, counting.before).count(reading).await?;
        self.states.totals().remember(all.devices, earlier, counting);
        Ok(earlier)
    }
}

/// The rows of a page, and the states of their messages.
fn in_order(found: &[Row], sort: Sort) -> Result<Vec<(i64, State)>, StoreError> {
    let rows = found.iter();
    let rows = rows.map(|row| Ok((row.get("created_at")?, row.get("id")?, load::state(row)?)));
    let mut rows: Vec<(Timestamp, i64, State)> = rows.collect::<Result<_, StoreError>>()?;
    rows.sort_by_key(|(created_at, row, _)| (*created_at, *row));
    match sort {
        Sort::NewestFirst => rows.reverse(),
        Sort::OldestFirst => {}
    }
    Ok(rows.into_iter().map(|(_, row, state)| (row, state)).collect())
}

#[derive(Clone, Copy)]
struct Filter<'a> {
    devices: &'a [DeviceId],
    from: Timestamp,
    to: Timestamp,
    state: Option<&'static str>,
}

impl Filter<'_> {
    /// The same in another time.
    fn within(&self, from: Timestamp, to: Timestamp) -> Self {
        Self { from, to, ..*self }
    }

    async fn count(&self, connection: &mut Connection) -> Result<i64, StoreError> {
        let statement = if self.state.is_none() { COUNT_ALL } else { COUNT };
        self.on(statement).fetch_value(connection).await
    }

    /// The page, each row with the total of what was created since then.
    async fn page(
        &self,
        connection: &mut Connection,
        query: &ListQuery,
        since: Timestamp,
    ) -> Result<Vec<Row>, StoreError> {
        let statement = match (query.sort, self.devices.len()) {
            (Sort::NewestFirst, 1) => NEWEST_OF_ONE,
            (Sort::OldestFirst, 1) => OLDEST_OF_ONE,
            (Sort::NewestFirst, _) => NEWEST_OF_MANY,
            (Sort::OldestFirst, _) => OLDEST_OF_MANY,
        };
        let offset = i64::try_from(query.offset).unwrap_or(i64::MAX);
        let page = self.on(statement).bind(query.limit).bind(offset);
        page.bind(since).fetch_all(connection).await
    }

    fn on(&self, statement: Statement) -> Query<'_> {
        let devices = statement.bind_list(self.devices.iter().map(DeviceId::as_str));
        devices.bind(self.from).bind(self.to).bind(self.state)
    }
}
