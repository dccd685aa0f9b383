//! Why can the store not be used just now? A closed set, so that it can be a metric label. Knows nothing of how each
//! store tells.

use std::fmt;

/// What is wrong with the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// Not connected yet: the first attempt is under way.
    Starting,
    /// It is there, and the list is being loaded (again).
    CatchingUp,
    /// No connection: refused, reset, or no such host.
    Unreachable,
    /// It accepted and did not answer in time.
    Timeout,
    /// It refuses our user or password, or wants one.
    Auth,
    /// Our user may not run a command that we need.
    Permission,
    /// It is a read-only replica.
    ReadOnly,
    /// It is still loading its data.
    Loading,
    /// It is out of memory and refuses writes.
    OutOfMemory,
    /// It is part of a cluster that is down.
    ClusterDown,
    /// It is busy with somebody's script.
    Busy,
    /// It answered something that we did not expect.
    Refused,
    /// The disk failed: that of the embedded store, or that of Redis (it cannot save what it would acknowledge).
    Disk,
    /// It was closed: the process is stopping.
    Closed,
}

impl Trouble {
    /// Every kind, in the order of the numbers by which an atomic holds them.
    pub const ALL: [Self; 14] = [
        Self::Starting,
        Self::CatchingUp,
        Self::Unreachable,
        Self::Timeout,
        Self::Auth,
        Self::Permission,
        Self::ReadOnly,
        Self::Loading,
        Self::OutOfMemory,
        Self::ClusterDown,
        Self::Busy,
        Self::Refused,
        Self::Disk,
        Self::Closed,
    ];

    /// A word from a closed set, for logs and metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::CatchingUp => "catching_up",
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::Auth => "auth",
            Self::Permission => "permission",
            Self::ReadOnly => "read_only",
            Self::Loading => "loading",
            Self::OutOfMemory => "out_of_memory",
            Self::ClusterDown => "cluster_down",
            Self::Busy => "busy",
            Self::Refused => "refused",
            Self::Disk => "disk",
            Self::Closed => "closed",
        }
    }

    /// The trouble with this number, if there is one; so that it fits into an atomic.
    pub(crate) fn from_index(index: u8) -> Option<Self> {
        Self::ALL.get(usize::from(index)).copied()
    }

    /// The number of this trouble in [`Trouble::ALL`].
    pub(crate) fn index(self) -> u8 {
        self as u8
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_has_its_own_number_and_word() {
        let mut words = std::collections::HashSet::new();
        for trouble in Trouble::ALL {
            assert_eq!(Trouble::from_index(trouble.index()), Some(trouble));
            assert!(words.insert(trouble.label()));
        }
        assert_eq!(Trouble::from_index(u8::MAX), None);
    }
}
