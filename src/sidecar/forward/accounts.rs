//! Which account of the gateway stands for a user, where passwords say who is asking (DESIGN §8, `basic`)? The user's own
//! in the accounts file, or else the one of the configuration.
//!
//! An account belongs to a user, whatever credential the user shows here. Knows neither routes nor when a file changes.

mod parse;

use std::collections::HashMap;
use std::sync::Arc;

use gateward_auth::UserId;
use gateward_boot::config::File;
use gateward_document::Diagnostic;
use gateward_policy::UserNames;
use http::HeaderValue;

use crate::authorization;
use crate::config::{AccountsFile, UpstreamAccount, UpstreamBasic};

/// The longest accounts file, in bytes: tens of thousands of users.
const LONGEST_FILE: u64 = 8 * 1024 * 1024;

/// Who is named to the gateway with which account. The empty one stands for nobody.
#[derive(Debug, Default)]
pub struct Accounts {
    written: Arc<Written>,
    /// By the user's canonical name: those of the file, and the configuration's if it is one user's.
    own: HashMap<Box<str>, HeaderValue>,
    /// The configuration's, if it is everybody's.
    shared: Option<HeaderValue>,
}

/// The accounts as they were given, whatever names a policy takes for one user's.
#[derive(Debug, Default)]
struct Written {
    /// The name of the file, for diagnostics.
    file: String,
    listed: Vec<Account>,
    configured: Option<Configured>,
}

/// Somebody's account.
#[derive(Debug)]
struct Account {
    /// The user's name here.
    name: Box<str>,
    /// `Authorization` with name and password at the gateway.
    value: HeaderValue,
}

/// The account of the configuration.
#[derive(Clone, Debug)]
struct Configured {
    user: Box<str>,
    value: HeaderValue,
    shared: bool,
}

impl Accounts {
    /// The accounts of a configuration. `names`: when two names are one user's.
    ///
    /// # Errors
    ///
    /// Every problem of the accounts file. None of them shows a password.
    pub(crate) fn load(basic: Option<&UpstreamBasic>, names: UserNames) -> Result<Self, Vec<Diagnostic>> {
        let configured = basic.and_then(|basic| basic.account.as_ref()).map(Configured::new);
        let configured = configured.transpose().map_err(|problem| vec![problem])?;
        match basic.and_then(|basic| basic.accounts.as_ref()) {
            Some(file) => Self::read(file, configured, names),
            None => Ok(Self::of_names(
                Written {
                    configured,
                    ..Written::default()
                },
                names,
            )),
        }
    }

    /// The same with the file as it is now.
    ///
    /// # Errors
    ///
    /// As [`Accounts::load`].
    pub(crate) fn reread(&self, file: &AccountsFile, names: UserNames) -> Result<Self, Vec<Diagnostic>> {
        Self::read(file, self.written.configured.clone(), names)
    }

    fn read(file: &AccountsFile, configured: Option<Configured>, names: UserNames) -> Result<Self, Vec<Diagnostic>> {
        let File { name, text } = File::read_private(&file.path, LONGEST_FILE).map_err(|problem| vec![problem])?;
        let written = Written {
            listed: parse::accounts(&name, &text, &file.directory, names)?,
            file: name,
            configured,
        };
        Ok(Self::of_names(written, names))
    }

    /// The same accounts under another policy.
    ///
    /// # Errors
    ///
    /// When it takes two names of the file for one user's.
    pub(crate) fn under(&self, names: UserNames) -> Result<Self, Diagnostic> {
        let mut seen = HashMap::new();
        for account in &self.written.listed {
            if let Some(other) = seen.insert(names.canonical(&account.name), &account.name) {
                let message = format!(
                    "{other:?} and {:?} are one user under the policy's user_names",
                    account.name
                );
                return Err(Diagnostic::error(&self.written.file, "accounts", message));
            }
        }
        Ok(Self::of_names(Arc::clone(&self.written), names))
    }

    fn of_names(written: impl Into<Arc<Written>>, names: UserNames) -> Self {
        let written = written.into();
        let mut own = HashMap::new();
        let mut shared = None;
        match &written.configured {
            Some(account) if account.shared => shared = Some(account.value.clone()),
            Some(account) => {
                own.insert(names.canonical(&account.user).into(), account.value.clone());
            }
            None => {}
        }
        // After the configuration's, in whose place they come.
        let listed = written.listed.iter();
        own.extend(listed.map(|account| (names.canonical(&account.name).into(), account.value.clone())));
        Self { written, own, shared }
    }

    /// The account that stands for a user; `None`: nobody may speak for that user.
    ///
    /// INVARIANT(own account): a user of the gateway never acts with somebody else's account there, whatever credential
    /// that user shows; held by `tests::an_account_of_the_gateway_stands_for_its_own_user_only`.
    pub(super) fn of(&self, user: &UserId) -> Option<&HeaderValue> {
        self.own.get(user.as_str()).or(self.shared.as_ref())
    }
}

impl Configured {
    fn new(account: &UpstreamAccount) -> Result<Self, Diagnostic> {
        let value = authorization::basic(&account.user, &account.password);
        let unfit = |_error| Diagnostic::error("configuration", "upstream.basic", "cannot be sent in a header");
        Ok(Self {
            user: account.user.as_str().into(),
            value: value.map_err(unfit)?,
            shared: account.shared,
        })
    }
}

#[cfg(test)]
mod tests;
