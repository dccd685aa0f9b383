//! Which keys exist? Those that somebody asked for; every other one is a mistake worth telling.

use std::collections::BTreeMap;
use std::fmt::Display;

use gateward_document::{Diagnostic, Node, nearest};

use crate::environment::Environment;

/// A key that somebody asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its dotted path.
    pub path: String,
    /// Its default as it would be written; empty if it has none.
    pub default: String,
    /// Whether it is a secret, so that `path_file` exists too.
    pub secret: bool,
}

/// The keys that exist.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<String, Key>);

impl Known {
    pub(super) fn add(&mut self, path: &str, default: impl Display) {
        self.insert(path, default.to_string(), false);
    }

    pub(super) fn add_secret(&mut self, path: &str) {
        self.insert(path, String::new(), true);
    }

    fn insert(&mut self, path: &str, default: String, secret: bool) {
        let key = Key {
            path: path.to_owned(),
            default,
            secret,
        };
        self.0.entry(path.to_owned()).or_insert(key);
    }

    pub(super) fn is_secret(&self, path: &str) -> bool {
        self.0.get(path).is_some_and(|key| key.secret)
    }

    pub(super) fn keys(&self) -> Vec<Key> {
        self.0.values().cloned().collect()
    }

    /// Every path that may be written, those of secret files among them.
    fn paths(&self) -> impl Iterator<Item = String> {
        self.0.values().flat_map(|key| {
            let file = key.secret.then(|| format!("{}_file", key.path));
            std::iter::once(key.path.clone()).chain(file)
        })
    }

    /// Finds what the document says under keys that do not exist.
    pub(super) fn unknown_keys(&self, file: &str, root: &Node, problems: &mut Vec<Diagnostic>) {
        let paths: Vec<String> = self.paths().collect();
        walk(&paths, file, "", root, problems);
    }

    /// Finds variables that override nothing.
    pub(super) fn unknown_variables(&self, prefix: &str, environment: &Environment, problems: &mut Vec<Diagnostic>) {
        let names: Vec<String> = self
            .paths()
            .map(|path| format!("{prefix}{}", path.to_uppercase().replace('.', "__")))
            .collect();
        for name in environment.names(prefix) {
            if names.iter().any(|known| known == name) {
                continue;
            }
            if let Some(variable) = environment.variable(name) {
                let message = unknown("unknown variable", nearest(name, names.iter().map(String::as_str)));
                problems.push(variable.problem(name, message));
            }
        }
    }
}

fn walk(paths: &[String], file: &str, section: &str, node: &Node, problems: &mut Vec<Diagnostic>) {
    for entry in node.as_map().unwrap_or_default() {
        let path = format!("{section}{}", entry.key);
        let within = format!("{path}.");
        let leaf = paths.contains(&path);
        let branch = paths.iter().any(|known| known.starts_with(&within));
        if branch && entry.value.as_map().is_some() {
            walk(paths, file, &within, &entry.value, problems);
        } else if branch && !leaf && !entry.value.is_null() {
            let message = format!("{}: keys are expected", entry.value.kind());
            let problem = Diagnostic::error(file, path, message).at(entry.value.position);
            problems.push(problem.allowed(names_in(paths, &within).join(", ")));
        } else if !branch && !leaf {
            let message = unknown("unknown key", suggestion(paths, section, &entry.key).as_deref());
            problems.push(Diagnostic::error(file, path, message).at(entry.key_position));
        }
    }
}

/// The names directly in a section.
fn names_in<'p>(paths: &'p [String], section: &str) -> Vec<&'p str> {
    let mut names: Vec<&str> = paths
        .iter()
        .filter_map(|path| path.strip_prefix(section)?.split('.').next())
        .collect();
    names.dedup();
    names
}

/// A name of the same section that looks alike, or else the same name in another section.
fn suggestion(paths: &[String], section: &str, key: &str) -> Option<String> {
    if let Some(name) = nearest(key, names_in(paths, section)) {
        return Some(format!("{section}{name}"));
    }
    let elsewhere = format!(".{key}");
    paths.iter().find(|path| path.ends_with(&elsewhere)).cloned()
}

fn unknown(what: &str, meant: Option<&str>) -> String {
    match meant {
        Some(meant) => format!("{what}: did you mean {meant}?"),
        None => what.to_owned(),
    }
}
