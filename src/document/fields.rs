//! How are the keys of a mapping read so that every problem is reported, not only the first?
//!
//! Knows how values are written. Refuses to know what any key means.

use std::time::Duration;

use crate::{Diagnostic, Node, Position, nearest, parse_duration};

/// The problems found so far.
#[derive(Debug)]
pub struct Report<'f> {
    file: &'f str,
    unseen: bool,
    problems: Vec<Diagnostic>,
}

impl<'f> Report<'f> {
    /// No problems yet, in a document of this name.
    #[must_use]
    pub fn new(file: &'f str) -> Self {
        Self {
            file,
            unseen: false,
            problems: Vec::new(),
        }
    }

    /// The same for a document that holds secrets: unknown keys are not shown, because with a comma or without a space a
    /// secret becomes one.
    #[must_use]
    pub fn unseen(file: &'f str) -> Self {
        Self {
            unseen: true,
            ..Self::new(file)
        }
    }

    /// Something is wrong, and nothing helps but to write something else.
    pub fn error(&mut self, at: Position, key: &str, message: impl Into<String>) {
        self.problems.push(Diagnostic::error(self.file, key, message).at(at));
    }

    /// Something is wrong, and this is what would be accepted.
    pub fn refuse(&mut self, at: Position, key: &str, message: impl Into<String>, allowed: impl Into<String>) {
        self.problems
            .push(Diagnostic::error(self.file, key, message).at(at).allowed(allowed));
    }

    /// Something is odd; the document is used.
    pub fn warn(&mut self, at: Position, key: &str, message: impl Into<String>) {
        self.problems.push(Diagnostic::warning(self.file, key, message).at(at));
    }

    /// Whether the document cannot be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(Diagnostic::is_error)
    }

    /// All problems, in the order of the text.
    #[must_use]
    pub fn into_problems(mut self) -> Vec<Diagnostic> {
        self.problems.sort_by_key(|problem| problem.position);
        self.problems
    }
}

/// A scalar and where it stands.
#[derive(Clone, Debug)]
pub struct Placed<T> {
    /// What was written.
    pub value: T,
    /// Where it was written.
    pub at: Position,
    /// The dotted path of its key.
    pub key: String,
}

/// One mapping with known keys.
#[derive(Debug)]
pub struct Fields<'n> {
    node: &'n Node,
    path: String,
}

impl<'n> Fields<'n> {
    /// Nothing if this is no mapping. Keys that are not known are reported.
    pub fn open(node: &'n Node, path: &str, known: &[&str], report: &mut Report<'_>) -> Option<Self> {
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
            let key = if report.unseen {
                path.to_owned()
            } else {
                fields.key(&entry.key)
            };
            report.refuse(entry.key_position, &key, format!("unknown key{hint}"), known.join(", "));
        }
        Some(fields)
    }

    /// Where the mapping begins.
    #[must_use]
    pub fn position(&self) -> Position {
        self.node.position
    }

    /// The dotted path of one of its keys.
    #[must_use]
    pub fn key(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// Whether this key is written.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.node.entry(name).is_some()
    }

    /// Where this key stands, or the mapping if it does not.
    #[must_use]
    pub fn at(&self, name: &str) -> Position {
        self.node
            .entry(name)
            .map_or(self.node.position, |entry| entry.key_position)
    }

    /// The value of this key.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'n Node> {
        self.node.entry(name).map(|entry| &entry.value)
    }

    /// The value, or a complaint that there is none.
    pub fn required(&self, name: &str, allowed: &str, report: &mut Report<'_>) -> Option<&'n Node> {
        let found = self.get(name);
        if found.is_none() {
            report.refuse(self.position(), &self.key(name), "missing", allowed);
        }
        found
    }

    /// A text; a number or a boolean is one, as it is written.
    pub fn text(&self, name: &str, allowed: &str, report: &mut Report<'_>) -> Option<Placed<&'n str>> {
        let node = self.get(name)?;
        placed_text(node, self.key(name), allowed, report)
    }

    /// A list, and nothing shorter.
    pub fn items(&self, name: &str, allowed: &str, report: &mut Report<'_>) -> Option<&'n [Node]> {
        let node = self.get(name)?;
        let items = node.as_list();
        if items.is_none() {
            let message = format!("a list is needed, this is {}", node.kind());
            report.refuse(node.position, &self.key(name), message, allowed);
        }
        items
    }

    /// One text, or a list of them.
    pub fn texts(&self, name: &str, allowed: &str, report: &mut Report<'_>) -> Vec<Placed<&'n str>> {
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
    pub fn flag(&self, name: &str, report: &mut Report<'_>) -> bool {
        let Some(node) = self.get(name) else { return false };
        node.as_bool().unwrap_or_else(|| {
            let message = format!("a boolean is needed, this is {}", node.kind());
            report.refuse(node.position, &self.key(name), message, "true, false");
            false
        })
    }

    /// One word of a closed set.
    pub fn word<T: Copy>(&self, name: &str, words: &[(&str, T)], report: &mut Report<'_>) -> Option<T> {
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

    /// A duration, such as `60s`.
    pub fn duration(&self, name: &str, report: &mut Report<'_>) -> Option<Duration> {
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

/// The value for a message. Not for one that may be a secret.
#[must_use]
pub fn show(node: &Node) -> String {
    node.scalar_text()
        .map_or_else(|| node.kind().to_owned(), |text| format!("{text:?}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::parse;

    #[test]
    fn every_problem_of_a_mapping_is_told_in_the_order_of_the_text() {
        let text = "name: [a]\nflag: 1\nwait: long\nkind: x\nitems: a\nmany: [b, []]\nnam: a\n";
        let root = parse("d.yaml", text).unwrap();
        let mut report = Report::new("d.yaml");
        let known = ["name", "flag", "wait", "kind", "items", "many", "needed"];
        let fields = Fields::open(&root, "top", &known, &mut report).unwrap();
        assert!(fields.required("needed", "a text", &mut report).is_none());
        assert_eq!(fields.texts("many", "texts", &mut report).len(), 1);
        assert!(fields.items("items", "a list of a", &mut report).is_none());
        assert_eq!(fields.word("kind", &[("y", 1), ("z", 2)], &mut report), None);
        assert_eq!(fields.duration("wait", &mut report), None);
        assert!(!fields.flag("flag", &mut report));
        assert!(fields.text("name", "a name", &mut report).is_none());
        assert!(report.has_errors());
        let told: Vec<String> = report.into_problems().iter().map(Diagnostic::to_string).collect();
        assert_eq!(
            told,
            [
                "d.yaml:1:1: top.needed: missing (allowed: a text)",
                "d.yaml:1:7: top.name: a text is needed, this is a list (allowed: a name)",
                "d.yaml:2:7: top.flag: a boolean is needed, this is a number (allowed: true, false)",
                "d.yaml:3:7: top.wait: not a duration: \"long\" (allowed: a number and ms, s, m or h, such as 60s)",
                "d.yaml:4:7: top.kind: not known: \"x\" (allowed: y, z)",
                "d.yaml:5:8: top.items: a list is needed, this is a string (allowed: a list of a)",
                "d.yaml:6:11: top.many: a text is needed, this is a list (allowed: texts)",
                "d.yaml:7:1: top.nam: unknown key: is name meant? (allowed: name, flag, wait, kind, items, many, needed)",
            ]
        );
    }

    #[test]
    fn an_unknown_key_that_may_be_a_secret_is_not_shown() {
        let root = parse("d.yaml", "{ password: a,hunter2, user:hunter2, passwort: a }\n").unwrap();
        let mut report = Report::unseen("d.yaml");
        assert!(Fields::open(&root, "top", &["user", "password"], &mut report).is_some());
        let told: Vec<String> = report.into_problems().iter().map(Diagnostic::to_string).collect();
        assert_eq!(
            told,
            [
                "d.yaml:1:15: top: unknown key (allowed: user, password)",
                "d.yaml:1:24: top: unknown key (allowed: user, password)",
                "d.yaml:1:38: top: unknown key: is password meant? (allowed: user, password)",
            ]
        );
    }

    #[test]
    fn what_is_written_well_is_read_and_what_is_absent_is_no_problem() {
        let text = "name: 7\nflag: true\nwait: 2s\nkind: z\nitems: [a, b]\nmany: c\n";
        let root = parse("d.yaml", text).unwrap();
        let mut report = Report::new("d.yaml");
        let known = ["name", "flag", "wait", "kind", "items", "many", "else"];
        let fields = Fields::open(&root, "", &known, &mut report).unwrap();
        let name = fields.text("name", "", &mut report).unwrap();
        assert_eq!((name.value, &*name.key, name.at.line), ("7", "name", 1));
        assert!(fields.flag("flag", &mut report) && !fields.flag("else", &mut report));
        assert_eq!(fields.duration("wait", &mut report), Some(Duration::from_secs(2)));
        assert_eq!(fields.word("kind", &[("z", 2)], &mut report), Some(2));
        assert_eq!(fields.items("items", "", &mut report).map(<[Node]>::len), Some(2));
        assert!(fields.items("else", "", &mut report).is_none());
        assert_eq!(fields.texts("many", "", &mut report).len(), 1);
        assert!(fields.text("else", "", &mut report).is_none());
        report.warn(fields.at("else"), &fields.key("else"), "is odd");
        assert!(!report.has_errors());
        assert_eq!(report.into_problems().len(), 1);
    }

    #[test]
    fn what_is_no_mapping_is_told() {
        let root = parse("d.yaml", "- a\n").unwrap();
        let mut report = Report::new("d.yaml");
        assert!(Fields::open(&root, "", &["a"], &mut report).is_none());
        assert_eq!(
            report.into_problems().pop().unwrap().to_string(),
            "d.yaml:1:1: a mapping is needed, this is a list (allowed: a)"
        );
    }
}
