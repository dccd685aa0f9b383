//! Which states are there? (WIRE §6.1)
//!
//! Messages, recipients and histories share them. Which state follows which is the phone's business: of the
//! transitions the server rules only the one to `Cancelling`.

use std::fmt;

/// The state of a message or of one recipient.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum State {
    /// Waits to be pulled.
    Pending,
    /// Is to be cancelled; the phone has not said yet that it is.
    Cancelling,
    /// Will not be sent.
    Cancelled,
    /// The phone has it.
    Processed,
    /// Handed to the network.
    Sent,
    /// Received.
    Delivered,
    /// Will not arrive.
    Failed,
}

impl State {
    /// All of them.
    pub(crate) const ALL: [Self; 7] = [
        Self::Pending,
        Self::Cancelling,
        Self::Cancelled,
        Self::Processed,
        Self::Sent,
        Self::Delivered,
        Self::Failed,
    ];

    /// Whether the phone has still to be told of the message.
    pub(crate) fn waits(self) -> bool {
        matches!(self, Self::Pending | Self::Cancelling)
    }

    /// The state of this name, which is compared exactly.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "Pending" => Self::Pending,
            "Cancelling" => Self::Cancelling,
            "Cancelled" => Self::Cancelled,
            "Processed" => Self::Processed,
            "Sent" => Self::Sent,
            "Delivered" => Self::Delivered,
            "Failed" => Self::Failed,
            _ => return None,
        })
    }

    /// The name on the wire and in the database.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Cancelling => "Cancelling",
            Self::Cancelled => "Cancelled",
            Self::Processed => "Processed",
            Self::Sent => "Sent",
            Self::Delivered => "Delivered",
            Self::Failed => "Failed",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl serde::Serialize for State {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::State;

    #[test]
    fn every_state_is_read_as_it_is_written() {
        for state in State::ALL {
            assert_eq!(State::parse(state.name()), Some(state));
        }
        for name in ["", "pending", "Flying", "Pending "] {
            assert_eq!(State::parse(name), None);
        }
    }
}
