//! What is counted, for whoever exports it? Numbers only; knows no metrics library.

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
    /// Claim or release an adopted refresh token.
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
