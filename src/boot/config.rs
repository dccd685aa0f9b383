//! What was this process told? A reader over a document and the environment.
//!
//! Callers name keys (`tokens.access_ttl`) and say what they must look like; the reader finds them in the environment
//! (`PREFIX` + the key in capitals joined by `__`) or else in the document, and collects every problem instead of
//! stopping at the first. It refuses to know what any key means, and it never shows a secret.

mod golang;
mod known;
mod lists;
mod lookup;
mod secret;
mod values;

use std::path::Path;

use gateward_document::{self as document, Diagnostic, Node, Position, Value};

use crate::environment::Environment;
use crate::failure::reason;
use crate::secrets;
pub use known::Key;
use known::Known;
pub use secret::SecretRules;
pub use values::duration_text;

/// A text with the name that diagnostics give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// As the operator named it.
    pub name: String,
    /// Its contents.
    pub text: String,
}

impl File {
    /// Reads a configuration file.
    ///
    /// # Errors
    ///
    /// When it cannot be read or is not UTF-8.
    pub fn read(path: &Path) -> Result<Self, Diagnostic> {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Self { name, text }),
            Err(error) => Err(Diagnostic::error(
                name,
                "",
                format!("cannot be read: {}", reason(&error)),
            )),
        }
    }

    /// Reads a file that others must not be able to read (see [`secrets::read_private`]), of at most `longest` bytes.
    ///
    /// # Errors
    ///
    /// When it cannot be read, others can read it, it is too long, or it is not UTF-8.
    pub fn read_private(path: &Path, longest: u64) -> Result<Self, Diagnostic> {
        let name = path.display().to_string();
        let problem = |message: &str| Diagnostic::error(&name, "", message);
        let bytes = secrets::read_private(path, longest).map_err(|error| problem(&error.to_string()))?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { name, text }),
            Err(_error) => Err(problem("is not UTF-8")),
        }
    }

    /// Reads a configuration file that need not be there.
    ///
    /// # Errors
    ///
    /// When it is there and cannot be read.
    pub fn read_if_present(path: &Path) -> Result<Option<Self>, Diagnostic> {
        if path.try_exists().unwrap_or(true) {
            Self::read(path).map(Some)
        } else {
            Ok(None)
        }
    }
}

/// How strictly a reader reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Unknown keys and variables are errors, and secrets are refused in the document itself.
    Strict,
    /// As programs written in Go read their configuration: unknown keys are warnings, a key or variable without a value
    /// is as good as none, booleans and durations are written as `strconv` and `time` read them, and a list may be one
    /// string with commas.
    Lenient,
}

/// Where a reader looks.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'s> {
    /// The document, if there is one.
    pub file: Option<&'s File>,
    /// The variables.
    pub environment: &'s Environment,
    /// What the names of variables start with; empty if they have no prefix.
    pub prefix: &'s str,
    /// Where relative paths start.
    pub directory: &'s Path,
}

/// Reads keys and collects problems. Every key that a caller asks for becomes a known one, so ask for all of them,
/// whatever the others say; then ask [`Reader::finish`].
#[derive(Debug)]
pub struct Reader<'s> {
    sources: Sources<'s>,
    manner: Manner,
    root: Option<Node>,
    /// The document could not be read at all: what it lacks is no news.
    broken: bool,
    inline_secrets: bool,
    example_secrets: bool,
    known: Known,
    problems: Vec<Diagnostic>,
}

impl<'s> Reader<'s> {
    /// Parses the document. That it cannot be parsed is one of the problems.
    #[must_use]
    pub fn open(sources: Sources<'s>, manner: Manner) -> Self {
        let mut reader = Self {
            sources,
            manner,
            root: None,
            broken: false,
            inline_secrets: manner == Manner::Lenient,
            example_secrets: false,
            known: Known::default(),
            problems: Vec::new(),
        };
        if let Some(file) = sources.file {
            match document::parse(&file.name, &file.text) {
                Ok(node) if matches!(node.value, Value::Map(_) | Value::Null) => reader.root = Some(node),
                Ok(node) => reader.refuse_document(file, &node),
                Err(problem) => {
                    reader.broken = true;
                    reader.problems.push(problem);
                }
            }
        }
        reader
    }

    fn refuse_document(&mut self, file: &File, node: &Node) {
        self.broken = true;
        let message = format!("{}: keys are expected", node.kind());
        self.problems
            .push(Diagnostic::error(&file.name, "", message).at(node.position));
    }

    /// From now on, secrets may stand in the document itself.
    pub fn allow_inline_secrets(&mut self, allow: bool) {
        self.inline_secrets = allow;
    }

    /// From now on, secrets that everybody knows are accepted, with a warning.
    pub fn allow_example_secrets(&mut self, allow: bool) {
        self.example_secrets = allow;
    }

    /// Records that a rule between keys is broken, at the place of `key`.
    pub fn problem(&mut self, key: &str, message: impl Into<String>) {
        let problem = self.diagnostic(key, message);
        self.problems.push(problem);
    }

    /// Records something worth saying about `key`.
    pub fn warning(&mut self, key: &str, message: impl Into<String>) {
        let problem = self.diagnostic(key, message);
        self.problems.push(Diagnostic {
            severity: document::Severity::Warning,
            ..problem
        });
    }

    /// Records that `key` is needed and not there. `why` may say what needs it.
    pub fn required(&mut self, key: &str, why: &str) {
        let allowed = self.ways_to_say(key);
        self.required_as(key, why, allowed);
    }

    /// The same where there is more than one way to give what is needed: `allowed` says which.
    pub fn required_as(&mut self, key: &str, why: &str, allowed: impl Into<String>) {
        if self.broken {
            return;
        }
        let message = if why.is_empty() {
            "required".to_owned()
        } else {
            format!("required {why}")
        };
        let problem = self.diagnostic(key, message).allowed(allowed);
        self.problems.push(problem);
    }

    /// How many problems there are so far.
    #[must_use]
    pub fn problem_count(&self) -> usize {
        self.problems.len()
    }

    /// Where relative paths start.
    #[must_use]
    pub fn directory(&self) -> &'s Path {
        self.sources.directory
    }

    fn ways_to_say(&self, key: &str) -> String {
        let variable = self.variable_name(key);
        if self.known.is_secret(key) {
            format!("{key}_file, or {variable}_FILE or {variable} in the environment")
        } else {
            format!("{key}, or {variable} in the environment")
        }
    }

    /// A problem at the place of `key`: its variable, its line, the line of what it would be in, or the document.
    fn diagnostic(&self, key: &str, message: impl Into<String>) -> Diagnostic {
        let name = self.variable_name(key);
        if let Some(variable) = self.sources.environment.variable(&name) {
            return variable.problem(&name, message);
        }
        let problem = Diagnostic::error(self.document_name(), key, message);
        match self.place(key) {
            Some(position) => problem.at(position),
            None => problem,
        }
    }

    fn document_name(&self) -> &'s str {
        self.sources.file.map_or("configuration", |file| file.name.as_str())
    }

    /// Where a key, or what it would be in, starts.
    fn place(&self, key: &str) -> Option<Position> {
        let mut node = self.root.as_ref()?;
        let mut place = None;
        for name in key.split('.') {
            let Some(entry) = node.entry(name) else { break };
            place = Some(entry.key_position);
            node = &entry.value;
        }
        place
    }

    /// Every key asked for so far, in order, secrets once.
    #[must_use]
    pub fn keys(&self) -> Vec<Key> {
        self.known.keys()
    }

    /// Ends the reading: unknown keys and variables become problems, and all problems come back in the order of their
    /// places.
    ///
    /// # Errors
    ///
    /// All problems, if one is an error; else they are warnings.
    pub fn finish(mut self) -> Result<Vec<Diagnostic>, Vec<Diagnostic>> {
        let severity = match self.manner {
            Manner::Strict => document::Severity::Error,
            Manner::Lenient => document::Severity::Warning,
        };
        let mut unknown = Vec::new();
        if let (Some(root), Some(file)) = (&self.root, self.sources.file) {
            self.known.unknown_keys(&file.name, root, &mut unknown);
        }
        if !self.sources.prefix.is_empty() {
            self.known
                .unknown_variables(self.sources.prefix, self.sources.environment, &mut unknown);
        }
        self.problems
            .extend(unknown.into_iter().map(|problem| Diagnostic { severity, ..problem }));
        self.problems.sort_by(|left, right| place(left).cmp(&place(right)));
        if self.problems.iter().any(Diagnostic::is_error) {
            Err(self.problems)
        } else {
            Ok(self.problems)
        }
    }
}

fn place(problem: &Diagnostic) -> (&str, Option<Position>, &str) {
    (&problem.source, problem.position, &problem.key)
}

#[cfg(test)]
mod tests;
