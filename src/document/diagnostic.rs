//! One problem, where it is, and what would be right.

use std::fmt;

use crate::Position;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth a line in the log; the document is used.
    Warning,
    /// The document is not used.
    Error,
}

/// One problem of a document or of the environment, for the person who wrote it. Never holds a secret's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file as it was named, or `environment`.
    pub source: String,
    /// The place in the file, if it has one.
    pub position: Option<Position>,
    /// The dotted path of the key, or the name of the variable; empty when the whole document is meant.
    pub key: String,
    /// What is wrong: one line, lower-case, no full stop.
    pub message: String,
    /// What would have been accepted.
    pub allowed: Option<String>,
}

impl Diagnostic {
    /// A problem because of which the document is not used.
    #[must_use]
    pub fn error(source: impl Into<String>, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            source: source.into(),
            position: None,
            key: key.into(),
            message: message.into(),
            allowed: None,
        }
    }

    /// A problem in spite of which the document is used.
    #[must_use]
    pub fn warning(source: impl Into<String>, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(source, key, message)
        }
    }

    /// The same problem with its place.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    /// The same problem with what would have been accepted.
    #[must_use]
    pub fn allowed(mut self, allowed: impl Into<String>) -> Self {
        self.allowed = Some(allowed.into());
        self
    }

    /// Whether this keeps the document from being used.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `config/gateward.yaml:12:3: tokens.access_ttl: not a duration: "15 minutes" (allowed: …)`
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(position) = self.position {
            write!(f, ":{}:{}", position.line, position.column)?;
        }
        f.write_str(": ")?;
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        if let Some(allowed) = &self.allowed {
            write!(f, " (allowed: {allowed})")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostic {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_reads_as_one_line_with_its_place_its_key_and_what_is_allowed() {
        let problem = Diagnostic::error(
            "config/gateward.yaml",
            "tokens.access_ttl",
            "not a duration: \"15 minutes\"",
        )
        .at(Position { line: 12, column: 3 })
        .allowed("a number and s, m or h, such as 15m");
        assert_eq!(
            problem.to_string(),
            "config/gateward.yaml:12:3: tokens.access_ttl: not a duration: \"15 minutes\" \
             (allowed: a number and s, m or h, such as 15m)"
        );
    }

    #[test]
    fn a_warning_without_a_place_or_a_key_says_so() {
        assert_eq!(
            Diagnostic::warning("environment", "", "is odd").to_string(),
            "environment: warning: is odd"
        );
    }
}
