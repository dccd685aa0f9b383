//! What does the accounts file say, and what is wrong with it? `accounts: [ { name, user?, password | password_file } ]`,
//! every problem with its place; none shows a password.

use std::collections::HashMap;
use std::path::Path;

use gateward_auth::{Secret, UserId};
use gateward_boot::secrets;
use gateward_document::{Diagnostic, Fields, Node, Placed, Position, Report};
use gateward_policy::UserNames;

use super::Account;
use crate::authorization;
use crate::config::{LOGIN_ALLOWED, is_login};

/// The keys of the file, and of one account in it; and what they may hold.
const FILE_KEYS: [&str; 1] = ["accounts"];
const ACCOUNT_KEYS: [&str; 4] = ["name", "user", "password", "password_file"];
const ACCOUNTS: &str = "a list of accounts; [] for none";
const NAME: &str = "1 to 128 characters, no control characters";
const PASSWORD: &str = "password, or password_file";
const PASSWORD_FILE: &str = "the path of a file";

/// The accounts of a text. `file` is its name, for diagnostics; relative paths in it start at `directory`; `names` says
/// when two names are one user's.
pub(super) fn accounts(
    file: &str,
    text: &str,
    directory: &Path,
    names: UserNames,
) -> Result<Vec<Account>, Vec<Diagnostic>> {
    let root = gateward_document::parse_unseen(file, text).map_err(|problem| vec![problem])?;
    let mut reader = Reader {
        directory,
        names,
        report: Report::unseen(file),
        seen: HashMap::new(),
    };
    let accounts = reader.file(&root).unwrap_or_default();
    if reader.report.has_errors() {
        Err(reader.report.into_problems())
    } else {
        Ok(accounts)
    }
}

/// Reads the tree and collects what is wrong with it.
struct Reader<'a> {
    directory: &'a Path,
    names: UserNames,
    report: Report<'a>,
    /// Canonical name → where it stands first.
    seen: HashMap<String, Position>,
}

impl Reader<'_> {
    fn file(&mut self, root: &Node) -> Option<Vec<Account>> {
        let top = Fields::open(root, "", &FILE_KEYS, &mut self.report)?;
        top.required("accounts", ACCOUNTS, &mut self.report)?;
        let items = top.items("accounts", ACCOUNTS, &mut self.report)?;
        let accounts = items.iter().enumerate();
        Some(
            accounts
                .filter_map(|(index, item)| self.account(item, &format!("accounts[{index}]")))
                .collect(),
        )
    }

    fn account(&mut self, item: &Node, path: &str) -> Option<Account> {
        let fields = Fields::open(item, path, &ACCOUNT_KEYS, &mut self.report)?;
        let name = fields.required("name", NAME, &mut self.report).is_some();
        let name = name.then(|| fields.text("name", NAME, &mut self.report)).flatten();
        let known = name.as_ref().and_then(|name| self.name(name));
        let login = if fields.has("user") {
            let user = fields.text("user", LOGIN_ALLOWED, &mut self.report);
            user.and_then(|user| self.login(&user, LOGIN_ALLOWED))
        } else {
            // What is wrong with a name that is none was told.
            let name = name.filter(|_name| known.is_some());
            name.and_then(|name| self.login(&name, "no colon, or user: the name at the gateway"))
        };
        let password = self.password(&fields);
        let (name, login, password) = (known?, login?, password?);
        match authorization::basic(login, &password) {
            Ok(value) => Some(Account { name, value }),
            Err(_error) => {
                self.report.error(fields.position(), path, "cannot be sent in a header");
                None
            }
        }
    }

    /// A name that a caller can have, and that is no other account's under the policy's `user_names`.
    fn name(&mut self, name: &Placed<&str>) -> Option<Box<str>> {
        let Placed { value: name, at, key } = name;
        let canonical = self.names.canonical(name).into_owned();
        if let Err(error) = UserId::parse(name).and_then(|_name| UserId::parse(&canonical)) {
            self.report.refuse(*at, key, format!("{name:?}: {error}"), NAME);
        } else if let Some(first) = self.seen.get(&canonical) {
            let message = format!("{name:?} is the same user as in line {}", first.line);
            self.report.refuse(*at, key, message, "every user once");
        } else {
            self.seen.insert(canonical, *at);
            return Some((*name).into());
        }
        None
    }

    fn login<'n>(&mut self, name: &Placed<&'n str>, allowed: &str) -> Option<&'n str> {
        let Placed { value: name, at, key } = name;
        if is_login(name) {
            return Some(name);
        }
        // Not shown: behind a colon may stand a password.
        self.report.refuse(*at, key, "is no name at the gateway", allowed);
        None
    }

    fn password(&mut self, fields: &Fields<'_>) -> Option<Secret> {
        let (at, key, bytes) = match (fields.has("password"), fields.has("password_file")) {
            (false, false) => {
                fields.required("password", PASSWORD, &mut self.report);
                return None;
            }
            (true, true) => {
                let (at, key) = (fields.at("password_file"), fields.key("password_file"));
                let message = "given twice: as a value and as a file";
                self.report.refuse(at, &key, message, PASSWORD);
                return None;
            }
            (true, false) => {
                let Placed { value, at, key } = fields.text("password", "a text", &mut self.report)?;
                (at, key, value.as_bytes().to_vec())
            }
            (false, true) => {
                let Placed { value, at, key } = fields.text("password_file", PASSWORD_FILE, &mut self.report)?;
                if value.is_empty() || value.contains('\0') {
                    self.report.refuse(at, &key, "not a file name", PASSWORD_FILE);
                    return None;
                }
                match secrets::read(&self.directory.join(value)) {
                    Ok(secret) => (at, key, secret.into_bytes()),
                    Err(error) => {
                        self.report.error(at, &key, error.to_string());
                        return None;
                    }
                }
            }
        };
        if bytes.is_empty() {
            self.report.error(at, &key, "the secret is empty");
            return None;
        }
        Some(Secret::new(bytes))
    }
}
