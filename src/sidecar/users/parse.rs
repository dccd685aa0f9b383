//! What does the users file say, and what is wrong with it? Every problem is collected with its place; none shows a hash.

use std::collections::HashMap;
use std::sync::Arc;

use gateward_auth::{Scope, UserId};
use gateward_document::{Diagnostic, Fields, Node, Placed, Position, Report, nearest};
use gateward_policy::{Catalogue, Policy, UserNames};

use super::User;
use super::hash::{self, Hash};

/// The keys of the file, and of one user in it; and what they may hold.
const FILE_KEYS: [&str; 1] = ["users"];
const USER_KEYS: [&str; 4] = ["name", "hash", "disabled", "scopes"];
const USERS: &str = "a list of users; [] for none";
const NAME: &str = "1 to 128 characters, no colon, no control characters";
const SCOPES: &str = "a list of the policy's scopes";

/// The users of the tree, and the problems: with any, the users are not all of them. Without a policy names are compared
/// as they are written, and a scope is whatever could be one.
pub(super) fn users(file: &str, root: &Node, policy: Option<&Policy>) -> (HashMap<Box<str>, User>, Vec<Diagnostic>) {
    let mut reader = Reader {
        policy,
        report: Report::unseen(file),
        names: HashMap::new(),
    };
    let users = reader.file(root).unwrap_or_default();
    (users, reader.report.into_problems())
}

/// Reads the tree and collects what is wrong with it.
struct Reader<'a> {
    policy: Option<&'a Policy>,
    report: Report<'a>,
    /// Canonical name → where it stands first.
    names: HashMap<String, Position>,
}

impl Reader<'_> {
    fn file(&mut self, root: &Node) -> Option<HashMap<Box<str>, User>> {
        let top = Fields::open(root, "", &FILE_KEYS, &mut self.report)?;
        top.required("users", USERS, &mut self.report)?;
        let items = top.items("users", USERS, &mut self.report)?;
        let users = items.iter().enumerate();
        Some(
            users
                .filter_map(|(index, item)| self.user(item, &format!("users[{index}]")))
                .collect(),
        )
    }

    fn user(&mut self, item: &Node, path: &str) -> Option<(Box<str>, User)> {
        let fields = Fields::open(item, path, &USER_KEYS, &mut self.report)?;
        let name = self.text(&fields, "name", NAME).and_then(|name| self.name(&name));
        let hash = self
            .text(&fields, "hash", hash::ALLOWED)
            .and_then(|hash| self.hash(&hash));
        let disabled = fields.flag("disabled", &mut self.report);
        let scopes = match fields.has("scopes") {
            false => Some(None),
            true => self.scopes(&fields).map(Some),
        };
        let user = User {
            hash: hash?,
            disabled,
            scopes: scopes?,
        };
        Some((name?, user))
    }

    fn text<'n>(&mut self, fields: &Fields<'n>, name: &str, allowed: &str) -> Option<Placed<&'n str>> {
        fields.required(name, allowed, &mut self.report)?;
        fields.text(name, allowed, &mut self.report)
    }

    /// A name that a Basic credential can carry, and that is no other user's under the policy's `user_names`.
    fn name(&mut self, name: &Placed<&str>) -> Option<Box<str>> {
        let Placed { value: name, at, key } = name;
        let names = self.policy.map_or(UserNames::AsWritten, Policy::user_names);
        let canonical = names.canonical(name).into_owned();
        if name.contains(':') {
            // Not shown: a password may stand after it.
            self.report.refuse(*at, key, "holds a colon", NAME);
        } else if let Err(error) = UserId::parse(name).and_then(|_name| UserId::parse(&canonical)) {
            self.report.refuse(*at, key, format!("{name:?}: {error}"), NAME);
        } else if let Some(first) = self.names.get(&canonical) {
            let message = format!("{name:?} is the same user as in line {}", first.line);
            self.report.refuse(*at, key, message, "every user once");
        } else {
            self.names.insert(canonical, *at);
            return Some((*name).into());
        }
        None
    }

    fn hash(&mut self, hash: &Placed<&str>) -> Option<Hash> {
        match Hash::parse(hash.value) {
            Ok(hash) => Some(hash),
            Err(error) => {
                self.report.refuse(hash.at, &hash.key, error.to_string(), hash::ALLOWED);
                None
            }
        }
    }

    fn scopes(&mut self, fields: &Fields<'_>) -> Option<Arc<[Scope]>> {
        let items = fields.items("scopes", SCOPES, &mut self.report)?;
        let key = fields.key("scopes");
        let scopes: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(n, item)| self.scope(item, &format!("{key}[{n}]")))
            .collect();
        scopes.into_iter().collect()
    }

    /// A scope that a client could ask for: a Basic login must not stand in for a refresh token.
    fn scope(&mut self, node: &Node, key: &str) -> Option<Scope> {
        let name = node.scalar_text().unwrap_or_default();
        let Some(policy) = self.policy else {
            let scope = Scope::parse(name);
            if let Err(error) = &scope {
                self.report
                    .refuse(node.position, key, format!("{name:?} {error}"), SCOPES);
            }
            return scope.ok();
        };
        let catalogue: &Catalogue = policy.catalogue();
        let found = catalogue
            .scope(name)
            .filter(|_scope| catalogue.grantable(name))
            .cloned();
        if found.is_none() {
            let names = || {
                catalogue
                    .iter()
                    .map(|(scope, _title)| scope.as_str())
                    .filter(|name| catalogue.grantable(name))
            };
            let allowed = match nearest(name, names()) {
                Some(meant) => format!("a scope of the policy, such as {meant}"),
                None => names().collect::<Vec<_>>().join(", "),
            };
            let message = format!("{name:?} is no scope that a user can have");
            self.report.refuse(node.position, key, message, allowed);
        }
        found
    }
}
