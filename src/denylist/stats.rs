//! What is counted, for whoever exports it? Numbers only; knows no metrics library.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::trouble::Trouble;

/// One thing that a store can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// Start a login session.
    OpenFamily,
    /// Exchange a refresh token.
    Rotate,
    /// Revoke a token id.
    RevokeToken,
    /// Revoke everything of a user.
    RevokeUser,
    /// Everything about adopting a refresh token of the gateway's.
    Adoption,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 5] = [
        Self::OpenFamily,
        Self::Rotate,
        Self::RevokeToken,
        Self::RevokeUser,
        Self::Adoption,
    ];

    /// A word from a closed set, for metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::OpenFamily => "open_family",
            Self::Rotate => "rotate",
            Self::RevokeToken => "revoke_token",
            Self::RevokeUser => "revoke_user",
            Self::Adoption => "adoption",
        }
    }
}

/// How often an operation ended in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OperationCount {
    /// What was asked.
    pub operation: Operation,
    /// `None`: the store answered.
    pub trouble: Option<Trouble>,
    /// How often, since the list was opened.
    pub count: u64,
}

impl OperationCount {
    /// `ok`, or the label of the trouble.
    pub fn result(&self) -> &'static str {
        self.trouble.map_or("ok", Trouble::label)
    }
}

/// The counters at one moment. All counts are since the list was opened.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Single token ids on the list.
    pub tokens: usize,
    /// Families on the list.
    pub families: usize,
    /// Users on the list.
    pub users: usize,
    /// Lines that came by the feed.
    pub feed_entries: u64,
    /// From writing the last line of the feed (by the clock of Redis) to applying it here (by ours).
    pub feed_lag: Option<Duration>,
    /// Times that the whole list was compared with the store.
    pub resyncs: u64,
    /// Times that the feed had a gap, so that the whole list had to be loaded again before it counted as fresh.
    pub gaps: u64,
    /// Times that the store had lost data.
    pub alarms: u64,
    /// Lines that were written back into the store because it had lost them.
    pub written_back: u64,
    /// Times that the store became unusable.
    pub outages: u64,
    /// How the store's operations ended; every operation with every result that occurred.
    pub operations: Vec<OperationCount>,
}

/// The counters themselves.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) feed_entries: AtomicU64,
    /// Milliseconds; [`u64::MAX`] until the first line came.
    pub(crate) feed_lag: AtomicU64,
    pub(crate) resyncs: AtomicU64,
    pub(crate) gaps: AtomicU64,
    pub(crate) alarms: AtomicU64,
    pub(crate) written_back: AtomicU64,
    /// For each operation: the answers, then one count for each trouble.
    operations: [[AtomicU64; Trouble::ALL.len() + 1]; Operation::ALL.len()],
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            feed_entries: AtomicU64::new(0),
            feed_lag: AtomicU64::new(u64::MAX),
            resyncs: AtomicU64::new(0),
            gaps: AtomicU64::new(0),
            alarms: AtomicU64::new(0),
            written_back: AtomicU64::new(0),
            operations: Default::default(),
        }
    }
}

impl Counters {
    /// Counts an operation that ended.
    pub(crate) fn ended(&self, operation: Operation, trouble: Option<Trouble>) {
        let column = trouble.map_or(0, |trouble| usize::from(trouble.index()) + 1);
        if let Some(count) = self.operations.get(operation as usize).and_then(|row| row.get(column)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Everything but what the list and the link know.
    pub(crate) fn read(&self) -> Stats {
        let lag = self.feed_lag.load(Ordering::Relaxed);
        Stats {
            feed_entries: self.feed_entries.load(Ordering::Relaxed),
            feed_lag: (lag != u64::MAX).then(|| Duration::from_millis(lag)),
            resyncs: self.resyncs.load(Ordering::Relaxed),
            gaps: self.gaps.load(Ordering::Relaxed),
            alarms: self.alarms.load(Ordering::Relaxed),
            written_back: self.written_back.load(Ordering::Relaxed),
            operations: self.operations(),
            ..Stats::default()
        }
    }

    fn operations(&self) -> Vec<OperationCount> {
        let results = || std::iter::once(None).chain(Trouble::ALL.into_iter().map(Some));
        let mut counts = Vec::new();
        for (operation, row) in Operation::ALL.into_iter().zip(&self.operations) {
            for (trouble, count) in results().zip(row) {
                let count = count.load(Ordering::Relaxed);
                if count != 0 {
                    counts.push(OperationCount {
                        operation,
                        trouble,
                        count,
                    });
                }
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_counted_under_its_own_result() {
        let counters = Counters::default();
        counters.ended(Operation::Rotate, None);
        counters.ended(Operation::Rotate, Some(Trouble::Closed));
        counters.ended(Operation::Rotate, Some(Trouble::Closed));
        let counts: Vec<_> = counters
            .read()
            .operations
            .iter()
            .map(|count| (count.operation, count.result(), count.count))
            .collect();
        assert_eq!(counts, [(Operation::Rotate, "ok", 1), (Operation::Rotate, "closed", 2)]);
    }
}
