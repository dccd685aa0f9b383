//! What does an error of Redis mean for us? One closed word for each. Decides nothing about what follows.

use redis::{ErrorKind, RedisError};

use crate::trouble::Trouble;

/// What is wrong, and the words of the library or the server for the log.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) trouble: Trouble,
    pub(super) cause: String,
}

impl Failure {
    pub(super) fn timeout() -> Self {
        Self {
            trouble: Trouble::Timeout,
            cause: "no answer in time".to_owned(),
        }
    }

    /// Was it the command rather than the connection? Then everybody else need not be told.
    pub(super) fn is_ours(&self) -> bool {
        self.trouble == Trouble::Refused
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        Self {
            trouble: classify(&error),
            cause: error.to_string(),
        }
    }
}

fn classify(error: &RedisError) -> Trouble {
    if error.is_timeout() {
        return Trouble::Timeout;
    }
    if error.kind() == ErrorKind::AuthenticationFailed {
        return Trouble::Auth;
    }
    // Of a pipeline, the first refusal tells enough.
    if let Some(refusals) = error.clone().into_server_errors() {
        return refusals
            .first()
            .map_or(Trouble::Refused, |(_, refusal)| by_code(refusal.code()));
    }
    if error.is_unrecoverable_error() || error.is_io_error() || error.is_connection_dropped() {
        return Trouble::Unreachable;
    }
    Trouble::Refused
}

fn by_code(code: &str) -> Trouble {
    match code {
        "NOAUTH" | "WRONGPASS" => Trouble::Auth,
        "NOPERM" => Trouble::Permission,
        "READONLY" | "MASTERDOWN" | "UNBLOCKED" => Trouble::ReadOnly,
        "LOADING" => Trouble::Loading,
        "OOM" => Trouble::OutOfMemory,
        "CLUSTERDOWN" | "MOVED" | "ASK" | "TRYAGAIN" => Trouble::ClusterDown,
        "BUSY" => Trouble::Busy,
        // The server cannot save: what it acknowledged would not be durable.
        "MISCONF" | "NOREPLICAS" => Trouble::Disk,
        _ => Trouble::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_server_has_its_own_word() {
        for (code, trouble) in [
            ("NOAUTH", Trouble::Auth),
            ("WRONGPASS", Trouble::Auth),
            ("NOPERM", Trouble::Permission),
            ("READONLY", Trouble::ReadOnly),
            ("LOADING", Trouble::Loading),
            ("OOM", Trouble::OutOfMemory),
            ("CLUSTERDOWN", Trouble::ClusterDown),
            ("BUSY", Trouble::Busy),
            ("MISCONF", Trouble::Disk),
            ("WRONGTYPE", Trouble::Refused),
        ] {
            let error = redis::make_extension_error(code.to_owned(), None);
            assert_eq!(Failure::from(error).trouble, trouble, "{code}");
        }
    }

    #[test]
    fn a_connection_that_fails_is_unreachable_or_too_slow() {
        let io = |kind| RedisError::from(std::io::Error::from(kind));
        assert_eq!(
            Failure::from(io(std::io::ErrorKind::ConnectionRefused)).trouble,
            Trouble::Unreachable
        );
        assert_eq!(
            Failure::from(io(std::io::ErrorKind::UnexpectedEof)).trouble,
            Trouble::Unreachable
        );
        assert_eq!(
            Failure::from(io(std::io::ErrorKind::TimedOut)).trouble,
            Trouble::Timeout
        );
    }
}
