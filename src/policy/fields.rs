//! How are the keys of a mapping read so that every problem is reported, not only the first?
//!
//! Knows how values are written. Refuses to know what any key means.

use std::time::Duration;

use gateward_document::{Diagnostic, Node, Position, nearest, parse_duration};

/// The problems found so far.
#[derive(Debug)]
pub(crate) struct Report<'f> {
    file: &'f str,
    problems: Vec<Diagnostic>,
}

impl<'f> Report<'f> {
    pub(crate) fn new(file: &'f str) -> Self {
        Self {
            file,
            problems: Vec::new(),
        }
    }

    pub(crate) fn error(&mut self, at: Position, key: &str, message: impl Into<String>) {
        self.problems.push(Diagnostic::error(self.file, key, message).at(at));
    }

    pub(crate) fn refuse(&mut self, at: Position, key: &str, message: impl Into<String>, allowed: impl Into<String>) {
        self.problems
            .push(Diagnostic::error(self.file, key, message).at(at).allowed(allowed));
    }

    pub(crate) fn warn(&mut self, at: Position, key: &str, message: impl Into<String>) {
        self.problems.push(Diagnostic::warning(self.file, key, message).at(at));
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.problems.iter().any(Diagnostic::is_error)
    }

    /// All problems, in the order of the text.
    pub(crate) fn into_problems(mut self) -> Vec<Diagnostic> {
        self.problems.sort_by_key(|problem| problem.position);
        self.problems
    }
}

/// A scalar and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) at: Position,
    /// The dotted path of its key.
    pub(crate) key: String,
}

/// One mapping with known keys.
#[derive(Debug)]
pub(crate) struct Fields<'n> {
    node: &'n Node,
    path: String,
}

impl<'n> Fields<'n> {
    /// Nothing if this is no mapping. Keys that are not known are reported.
    pub(crate) fn open(node: &'n Node, path: &str, known: &[&str], report: &mut Report<'_>) -> Option<Self> {
        let fields = Self {
            node,
            path: path.to_owned(),
        };
        let Some(entries) = node.as_map() else {
            report.refuse(
                node.position,
                path,
                format!("a mapping is needed, this is {}", node.kind()),
                known.join(", "),
            );
            return None;
        };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let hint = nearest(&entry.key, known.iter().copied());
            let hint = hint.map(|name| format!(": is {name} meant?")).unwrap_or_default();
            let key = fields.key(&entry.key);
            report.refuse(entry.key_position, &key, format!("unknown key{hint}"), known.join(", "));
        }
        Some(fields)
    }

    pub(crate) fn position(&self) -> Position {
        self.node.position
    }

    pub(crate) fn key(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.node.entry(name).is_some()
    }

    /// Where this key stands, or the mapping if it does not.
    pub(crate) fn at(&self, name: &str) -> Position {
        self.node
            .entry(name)
            .map_or(self.node.position, |entry| entry.key_position)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'n Node> {
        self.node.entry(name).map(|entry| &entry.value)
    }

    /// The value, or a complaint that there is none.
    pub(crate) fn required(&self, name: &str, allowed: &str, report: &mut Report<'_>) -> Option<&'n Node> {
        let found = self.get(name);
        if found.is_none() {
            report.refuse(self.position(), &self.key(name), "missing", allowed);
        }
        found
    }

    pub(crate) fn text(&self, name: &str, allowed: &str, report: &mut Report<'_>) -> Option<Placed<&'n str>> {
        let node = self.get(name)?;
        placed_text(node, self.key(name), allowed, report)
    }

    /// One text, or a list of them.
    pub(crate) fn texts(&self, name: &str, allowed: &str, report: &mut Report<'_>) -> Vec<Placed<&'n str>> {
        let Some(node) = self.get(name) else { return Vec::new() };
        let key = self.key(name);
        match node.as_list() {
            Some(items) => items
                .iter()
                .filter_map(|item| placed_text(item, key.clone(), allowed, report))
                .collect(),
            None => placed_text(node, key, allowed, report).into_iter().collect(),
        }
    }

    /// `true` or `false`; `false` where nothing is written.
    pub(crate) fn flag(&self, name: &str, report: &mut Report<'_>) -> bool {
        let Some(node) = self.get(name) else { return false };
        node.as_bool().unwrap_or_else(|| {
            report.refuse(
                node.position,
                &self.key(name),
                format!("not a boolean: {}", show(node)),
                "true, false",
            );
            false
        })
    }

    /// One word of a closed set.
    pub(crate) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)], report: &mut Report<'_>) -> Option<T> {
        let node = self.get(name)?;
        let found = node
            .scalar_text()
            .and_then(|text| words.iter().find(|(word, _)| *word == text));
        if found.is_none() {
            let allowed = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
            report.refuse(
                node.position,
                &self.key(name),
                format!("not known: {}", show(node)),
                allowed,
            );
        }
        found.map(|(_, value)| *value)
    }

    pub(crate) fn duration(&self, name: &str, report: &mut Report<'_>) -> Option<Duration> {
        let node = self.get(name)?;
        let found = node.scalar_text().and_then(parse_duration);
        if found.is_none() {
            let allowed = "a number and ms, s, m or h, such as 60s";
            report.refuse(
                node.position,
                &self.key(name),
                format!("not a duration: {}", show(node)),
                allowed,
            );
        }
        found
    }

    /// A list of HTTP statuses.
    pub(crate) fn statuses(&self, name: &str, report: &mut Report<'_>) -> Vec<u16> {
        let Some(node) = self.required(name, "a list of statuses, such as [200]", report) else {
            return Vec::new();
        };
        let items = node.as_list().unwrap_or(std::slice::from_ref(node));
        if items.is_empty() {
            report.refuse(
                node.position,
                &self.key(name),
                "empty",
                "a list of statuses, such as [200]",
            );
        }
        items
            .iter()
            .filter_map(|item| status(item, &self.key(name), report))
            .collect()
    }
}

/// A status from 100 to 599.
pub(crate) fn status(node: &Node, key: &str, report: &mut Report<'_>) -> Option<u16> {
    let found = node
        .as_u64()
        .and_then(|number| u16::try_from(number).ok())
        .filter(|status| (100..600).contains(status));
    if found.is_none() {
        report.refuse(
            node.position,
            key,
            format!("not a status: {}", show(node)),
            "100 to 599",
        );
    }
    found
}

fn placed_text<'n>(node: &'n Node, key: String, allowed: &str, report: &mut Report<'_>) -> Option<Placed<&'n str>> {
    let Some(value) = node.scalar_text() else {
        report.refuse(
            node.position,
            &key,
            format!("a text is needed, this is {}", node.kind()),
            allowed,
        );
        return None;
    };
    Some(Placed {
        value,
        at: node.position,
        key,
    })
}

/// The value for a message.
pub(crate) fn show(node: &Node) -> String {
    node.scalar_text()
        .map_or_else(|| node.kind().to_owned(), |text| format!("{text:?}"))
}
