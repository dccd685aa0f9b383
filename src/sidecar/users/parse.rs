//! What does the users file say, and what is wrong with it? Every problem is collected with its place; none shows a hash.

use std::collections::HashMap;
use std::sync::Arc;

use gateward_auth::{Scope, UserId};
use gateward_document::{Diagnostic, Node, Position, nearest};
use gateward_policy::{Catalogue, Policy};

use super::User;
use super::hash::{self, Hash};

/// The keys of the file, and of one user in it.
const FILE_KEYS: [&str; 1] = ["users"];
const USER_KEYS: [&str; 4] = ["name", "hash", "disabled", "scopes"];

/// The users of the tree, and the problems: with any, the users are not all of them.
pub(super) fn users(file: &str, root: &Node, policy: &Policy) -> (HashMap<Box<str>, User>, Vec<Diagnostic>) {
    let mut reader = Reader {
        file,
        policy,
        problems: Vec::new(),
        names: HashMap::new(),
    };
    let users = reader.file(root);
    (users, reader.problems)
}

/// Reads the tree and collects what is wrong with it.
struct Reader<'a> {
    file: &'a str,
    policy: &'a Policy,
    problems: Vec<Diagnostic>,
    /// Canonical name → where it stands first.
    names: HashMap<String, Position>,
}

impl Reader<'_> {
    fn file(&mut self, root: &Node) -> HashMap<Box<str>, User> {
        self.known_keys(root, "", &FILE_KEYS);
        let mut users = HashMap::new();
        let Some(list) = self.required(root, "", "users") else {
            return users;
        };
        let Some(items) = list.as_list() else {
            self.wrong(
                list.position,
                "users",
                format!("is {}", list.kind()),
                "a list of users; [] for none",
            );
            return users;
        };
        for (index, item) in items.iter().enumerate() {
            let path = format!("users[{index}]");
            if let Some((name, user)) = self.user(item, &path) {
                users.insert(name, user);
            }
        }
        users
    }

    fn user(&mut self, item: &Node, path: &str) -> Option<(Box<str>, User)> {
        if item.as_map().is_none() {
            self.wrong(
                item.position,
                path,
                format!("is {}", item.kind()),
                "a mapping with name and hash",
            );
            return None;
        }
        self.known_keys(item, path, &USER_KEYS);
        let name = self
            .required(item, path, "name")
            .and_then(|node| self.name(node, &format!("{path}.name")));
        let hash = self
            .required(item, path, "hash")
            .and_then(|node| self.hash(node, &format!("{path}.hash")));
        let disabled = item.entry("disabled").map_or(Some(false), |entry| {
            let disabled = entry.value.as_bool();
            if disabled.is_none() {
                let key = format!("{path}.disabled");
                self.wrong(
                    entry.value.position,
                    &key,
                    format!("is {}", entry.value.kind()),
                    "true or false",
                );
            }
            disabled
        });
        let scopes = match item.entry("scopes") {
            None => Some(None),
            Some(entry) => self.scopes(&entry.value, &format!("{path}.scopes")).map(Some),
        };
        let user = User {
            hash: hash?,
            disabled: disabled?,
            scopes: scopes?,
        };
        Some((name?, user))
    }

    /// A name that a Basic credential can carry, and that is no other user's under the policy's `user_names`.
    fn name(&mut self, node: &Node, key: &str) -> Option<Box<str>> {
        let allowed = "1 to 128 characters, no colon, no control characters";
        let Some(name) = node.scalar_text() else {
            self.wrong(node.position, key, format!("is {}", node.kind()), allowed);
            return None;
        };
        let canonical = self.policy.user_names().canonical(name).into_owned();
        if name.contains(':') {
            self.wrong(node.position, key, format!("{name:?} holds a colon"), allowed);
        } else if let Err(error) = UserId::parse(name).and_then(|_name| UserId::parse(&canonical)) {
            self.wrong(node.position, key, format!("{name:?}: {error}"), allowed);
        } else if let Some(first) = self.names.get(&canonical) {
            let message = format!("{name:?} is the same user as in line {}", first.line);
            self.wrong(node.position, key, message, "every user once");
        } else {
            self.names.insert(canonical, node.position);
            return Some(name.into());
        }
        None
    }

    fn hash(&mut self, node: &Node, key: &str) -> Option<Hash> {
        let Some(text) = node.as_str() else {
            self.wrong(node.position, key, format!("is {}", node.kind()), hash::ALLOWED);
            return None;
        };
        match Hash::parse(text) {
            Ok(hash) => Some(hash),
            Err(error) => {
                self.wrong(node.position, key, error.to_string(), hash::ALLOWED);
                None
            }
        }
    }

    fn scopes(&mut self, node: &Node, key: &str) -> Option<Arc<[Scope]>> {
        let Some(items) = node.as_list() else {
            self.wrong(
                node.position,
                key,
                format!("is {}", node.kind()),
                "a list of the policy's scopes",
            );
            return None;
        };
        let scopes: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(n, item)| self.scope(item, &format!("{key}[{n}]")))
            .collect();
        scopes.into_iter().collect()
    }

    /// A scope that a client could ask for: a Basic login must not stand in for a refresh token.
    fn scope(&mut self, node: &Node, key: &str) -> Option<Scope> {
        let policy = self.policy;
        let catalogue: &Catalogue = policy.catalogue();
        let name = node.scalar_text().unwrap_or_default();
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
            self.wrong(
                node.position,
                key,
                format!("{name:?} is no scope that a user can have"),
                &allowed,
            );
        }
        found
    }

    fn known_keys(&mut self, node: &Node, path: &str, known: &[&str]) {
        for entry in node.as_map().unwrap_or_default() {
            if !known.contains(&entry.key.as_str()) {
                let key = if path.is_empty() {
                    entry.key.clone()
                } else {
                    format!("{path}.{}", entry.key)
                };
                let allowed = known.join(", ");
                self.wrong(
                    entry.key_position,
                    &key,
                    "is no key that is known here".to_owned(),
                    &allowed,
                );
            }
        }
    }

    fn required<'n>(&mut self, node: &'n Node, path: &str, key: &str) -> Option<&'n Node> {
        let found = node.entry(key).map(|entry| &entry.value);
        if found.is_none() {
            let path = if path.is_empty() {
                key.to_owned()
            } else {
                format!("{path}.{key}")
            };
            self.problems
                .push(Diagnostic::error(self.file, path, "is missing").at(node.position));
        }
        found
    }

    fn wrong(&mut self, position: Position, key: &str, message: String, allowed: &str) {
        self.problems
            .push(Diagnostic::error(self.file, key, message).at(position).allowed(allowed));
    }
}
