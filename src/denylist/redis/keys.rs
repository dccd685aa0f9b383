//! What are our keys in Redis called? All start with one prefix that holds one hash tag: a script may touch any of them
//! together, on a cluster too.

use gateward_auth::{TokenId, UserId};

/// Names of keys.
#[derive(Debug)]
pub(super) struct Keys {
    prefix: String,
    /// Sorted set: entries of the list, scored by expiry.
    pub(super) revoked: String,
    /// Stream: each new line of the list.
    pub(super) feed: String,
    /// A word that is made once; another one means that the data is not what it was.
    pub(super) generation: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
            revoked: format!("{prefix}revoked"),
            feed: format!("{prefix}feed"),
            generation: format!("{prefix}generation"),
        }
    }

    /// Hash: user, live refresh id, expiries, recent exchanges of a family.
    pub(super) fn family(&self, family: &str) -> String {
        format!("{}family:{family}", self.prefix)
    }

    /// Text: a user's epoch and the last bad `iat`.
    pub(super) fn epoch(&self, user: &UserId) -> String {
        format!("{}epoch:{user}", self.prefix)
    }

    /// What the key of every family begins with.
    pub(super) fn family_prefix(&self) -> String {
        self.family("")
    }

    /// Hash: who has the gateway exchange this refresh token of its, or what has become of it. A tab is in no id, so
    /// different pairs have different keys.
    pub(super) fn adoption(&self, user: &UserId, id: &TokenId) -> String {
        format!("{}adoption:{user}\t{id}", self.prefix)
    }
}
