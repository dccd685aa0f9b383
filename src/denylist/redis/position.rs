//! How far has the feed been read? Ids of a Redis stream, and what they say about data that was lost. Reads nothing.

use std::fmt;

/// The id of a line in the feed: milliseconds by the clock of Redis, and a number within them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StreamId {
    pub(super) millis: u64,
    number: u64,
}

impl StreamId {
    /// Reads `1526919030474-55`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (millis, number) = text.split_once('-')?;
        Some(Self {
            millis: millis.parse().ok()?,
            number: number.parse().ok()?,
        })
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.millis, self.number)
    }
}

/// What has been read: everything of this generation of data, up to this line of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) generation: String,
    pub(super) cursor: StreamId,
}

/// What must be done before the list is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    /// It is the first time.
    First,
    /// Lines of the feed were dropped before they were read.
    Missed,
    /// Redis has lost data.
    Lost,
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ordered_as_redis_orders_them() {
        let id = |text| StreamId::parse(text).unwrap();
        assert!(id("9-0") < id("10-0"));
        assert!(id("10-9") < id("10-10"));
        assert_eq!(id("1526919030474-55").to_string(), "1526919030474-55");
        for bad in ["", "1", "a-1", "1-", "-1"] {
            assert_eq!(StreamId::parse(bad), None, "{bad:?}");
        }
    }
}
