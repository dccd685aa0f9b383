//! Who may log in when the gateway is not asked: the users file.
//!
//! `users: [ { name, hash, disabled?, scopes? } ]`, checked as a whole and with every problem reported. Hashes are
//! computed outside the threads that serve requests, a bounded number at once. It does not know what was found good
//! before: that is remembered in `authenticate`.

mod hash;
mod parse;
mod stand_in;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use gateward_auth::{Login, Scope, Secret};
use gateward_boot::config::File;
use gateward_document::Diagnostic;
use gateward_policy::Policy;

use self::hash::Hash;
use self::stand_in::{Marks, StandIns};
use crate::config;
use crate::pool::{Full, Pool};

/// The longest users file, in bytes: tens of thousands of users.
const LONGEST_FILE: u64 = 8 * 1024 * 1024;

/// A users file. One that others can read is refused: it can be attacked at leisure.
///
/// # Errors
///
/// What is wrong with the file.
pub(crate) fn read(path: &Path) -> Result<File, Diagnostic> {
    File::read_private(path, LONGEST_FILE)
}

/// What is wrong with a users file. Without a policy, which knows the scopes and when two names are one user's, as much as
/// can be said.
pub(crate) fn problems(file: &str, text: &str, policy: Option<&Policy>) -> Vec<Diagnostic> {
    match gateward_document::parse_unseen(file, text) {
        Ok(root) => parse::users(file, &root, policy).1,
        Err(problem) => vec![problem],
    }
}

/// The users of one file, parsed and valid. Only [`Users::parse`] makes one.
#[derive(Debug)]
pub struct Users {
    by_name: HashMap<Box<str>, User>,
    /// What names that nobody has are checked against, so that they take as long as some that somebody has.
    stand_ins: StandIns,
}

#[derive(Clone, Debug)]
struct User {
    hash: Hash,
    disabled: bool,
    scopes: Option<Arc<[Scope]>>,
}

/// What a user with the right password may do at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// `None` is everything.
    pub(crate) scopes: Option<Arc<[Scope]>>,
}

impl Users {
    /// Reads a users file. `file` is its name, for diagnostics; `policy` says which scopes there are and when two names
    /// are one user's.
    ///
    /// # Errors
    ///
    /// Every problem of the file. None of them shows a hash, nor a piece of one that stands without quotes.
    pub fn parse(file: &str, text: &str, policy: &Policy) -> Result<Self, Vec<Diagnostic>> {
        let root = gateward_document::parse_unseen(file, text).map_err(|problem| vec![problem])?;
        let (users, problems) = parse::users(file, &root, Some(policy));
        match (Hash::nobody(), problems.is_empty()) {
            (Ok(default), true) => {
                let stand_ins = StandIns::new(users.values().map(|user| &user.hash), default);
                Ok(Self {
                    by_name: users,
                    stand_ins,
                })
            }
            (_, _) => Err(problems),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether nobody can log in.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Whether this name has this password, and may log in. Takes as long as one hash, whatever the answer.
    ///
    /// INVARIANT(no enumeration): unknown and disabled names cost a hash like any other. Held by
    /// `unknown_names_cost_what_users_cost_each_always_the_same`.
    fn verify(&self, marks: &Marks, name: &str, password: &Secret) -> Option<Allowed> {
        // Nobody's password is compared with a stand-in for real: the answer for an unknown name is no in any case.
        let stand_in = self.stand_ins.for_name(marks.of(name));
        let user = self.by_name.get(name);
        let right = user.map_or(stand_in, |user| &user.hash).verify(password.expose());
        let user = user.filter(|user| right && !user.disabled)?;
        Some(Allowed {
            scopes: user.scopes.clone(),
        })
    }

    /// The names whose tokens end when `next` takes the place of this file: those that are gone or disabled, or that
    /// have another password or fewer scopes.
    fn ended_by(&self, next: &Self) -> Vec<String> {
        let ended = self.by_name.iter().filter(|(name, before)| {
            !before.disabled
                && next
                    .by_name
                    .get(*name)
                    .is_none_or(|after| after.disabled || !after.hash.same(&before.hash) || lowered(before, after))
        });
        ended.map(|(name, _user)| name.to_string()).collect()
    }
}

/// Whether something that was allowed before no longer is.
fn lowered(before: &User, after: &User) -> bool {
    match (&before.scopes, &after.scopes) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(before), Some(after)) => before.iter().any(|scope| !after.contains(scope)),
    }
}

/// The users file of a running process: what it says now, and the threads that compute its hashes.
pub struct UserFile {
    users: ArcSwap<Users>,
    marks: Arc<Marks>,
    pool: Pool,
}

/// Why a login could not be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CheckError {
    /// Too many are waiting already.
    Busy,
    /// The computation ended without a result.
    Failed,
}

impl UserFile {
    /// `settings` say how many hashes are computed at once, and how many logins may wait for it; `secret` is what all
    /// replicas have and nobody else.
    pub fn new(users: Users, settings: &config::Users, secret: &Secret) -> Self {
        let pool = Pool::new(settings.max_concurrent_hashes, settings.max_waiting_hashes);
        Self {
            users: ArcSwap::from_pointee(users),
            marks: Arc::new(Marks::new(secret)),
            pool,
        }
    }

    /// Whether a login is good. The hash is computed to its end even if nobody waits for it any more, and holds its
    /// slot until then.
    pub(crate) async fn check(&self, login: Login) -> Result<Option<Allowed>, CheckError> {
        let slot = self.pool.enter().await.map_err(|Full| CheckError::Busy)?;
        let users = self.users.load_full();
        let marks = Arc::clone(&self.marks);
        let work = move || {
            let allowed = users.verify(&marks, &login.user, &login.password);
            drop(slot);
            allowed
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_panicked| CheckError::Failed)
    }

    /// Takes over a new file and answers the names whose tokens end by it.
    pub(crate) fn replace(&self, users: Users) -> Vec<String> {
        let next = Arc::new(users);
        let before = self.users.swap(Arc::clone(&next));
        before.ended_by(&next)
    }
}

#[cfg(test)]
mod tests;
