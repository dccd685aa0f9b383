//! Which variables was the process started with? A snapshot: nothing reads the environment after it is taken.

use std::collections::BTreeMap;
use std::fmt;

use gateward_document::{Diagnostic, Position};

/// The variables of a process, and of a `.env` file that was added to them.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, Variable>,
}

/// One variable.
#[derive(Clone)]
pub(crate) struct Variable {
    /// `None` when the value is not UTF-8.
    pub(crate) value: Option<String>,
    /// File and line, when it does not come from the process.
    file: Option<(String, u32)>,
}

impl Environment {
    /// Takes the snapshot. The only place that reads the process environment.
    #[must_use]
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| {
                let value = value.into_string().ok();
                Some((name.into_string().ok()?, Variable { value, file: None }))
            })
            .collect();
        Self { variables }
    }

    /// Adds the variables of a `.env` file; those that are already there win, as in the reference server.
    ///
    /// Lines are `NAME=value`, `export NAME=value`, blank, or comments after `#`. A value may stand in single quotes
    /// (taken as it is) or double quotes (with `\n`, `\"` and `\\`); without quotes ` #` starts a comment. Nothing is
    /// expanded. Lines that say nothing of the kind come back as warnings.
    pub fn add_file(&mut self, file: &str, text: &str) -> Vec<Diagnostic> {
        let mut warnings = Vec::new();
        let mut added = BTreeMap::new();
        for (line, number) in text.lines().zip(1..) {
            match assignment(line) {
                Line::Nothing => {}
                Line::Variable(name, value) => {
                    let variable = Variable {
                        value: Some(value),
                        file: Some((file.to_owned(), number)),
                    };
                    added.insert(name, variable);
                }
                Line::Unreadable => {
                    let position = Position {
                        line: number,
                        column: 1,
                    };
                    warnings.push(
                        Diagnostic::warning(file, "", "not a variable")
                            .at(position)
                            .allowed("NAME=value"),
                    );
                }
            }
        }
        for (name, variable) in added {
            self.variables.entry(name).or_insert(variable);
        }
        warnings
    }

    /// The value of a variable that is set and UTF-8.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        self.variables.get(name)?.value.as_deref()
    }

    pub(crate) fn variable(&self, name: &str) -> Option<&Variable> {
        self.variables.get(name)
    }

    /// The names that start with `prefix`.
    pub(crate) fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.variables
            .keys()
            .map(String::as_str)
            .filter(move |name| name.starts_with(prefix))
    }
}

impl Variable {
    /// A problem with this variable, at its place.
    pub(crate) fn problem(&self, name: &str, message: impl Into<String>) -> Diagnostic {
        match &self.file {
            Some((file, line)) => Diagnostic::error(file, name, message).at(Position { line: *line, column: 1 }),
            None => Diagnostic::error("environment", name, message),
        }
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables
            .into_iter()
            .map(|(name, value)| {
                (
                    name.into(),
                    Variable {
                        value: Some(value.into()),
                        file: None,
                    },
                )
            })
            .collect();
        Self { variables }
    }
}

/// Names only: a value may be a secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

enum Line {
    Nothing,
    Variable(String, String),
    Unreadable,
}

fn assignment(line: &str) -> Line {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Line::Nothing;
    }
    let line = line.strip_prefix("export ").unwrap_or(line);
    let Some((name, value)) = line.split_once('=') else {
        return Line::Unreadable;
    };
    let name = name.trim();
    let named = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    match unquote(value.trim()) {
        Some(value) if named && !name.is_empty() => Line::Variable(name.to_owned(), value),
        _ => Line::Unreadable,
    }
}

fn unquote(value: &str) -> Option<String> {
    if let Some(quoted) = value.strip_prefix('\'') {
        let (text, rest) = quoted.split_once('\'')?;
        return only_comment(rest).then(|| text.to_owned());
    }
    let Some(quoted) = value.strip_prefix('"') else {
        let end = value.find(" #").unwrap_or(value.len());
        return Some(value.get(..end)?.trim_end().to_owned());
    };
    let mut text = String::new();
    let mut letters = quoted.chars();
    loop {
        match letters.next()? {
            '"' => return only_comment(letters.as_str()).then_some(text),
            '\\' => match letters.next()? {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                other => text.push(other),
            },
            letter => text.push(letter),
        }
    }
}

fn only_comment(rest: &str) -> bool {
    let rest = rest.trim_start();
    rest.is_empty() || rest.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_adds_variables_and_replaces_none() {
        let mut environment = Environment::from_iter([("A", "process")]);
        let text = "# c\nA=file\n\nexport B = two words # comment\nC='it is $x'\nD=\"a\\n\\\"b\\\"\" # c\nE=\nF=x#y\nB2=1\nB2=2\r\n";
        assert_eq!(environment.add_file(".env", text), []);
        let expected = [
            ("A", "process"),
            ("B", "two words"),
            ("C", "it is $x"),
            ("D", "a\n\"b\""),
            ("E", ""),
            ("F", "x#y"),
            ("B2", "2"),
        ];
        for (name, value) in expected {
            assert_eq!(environment.value(name), Some(value), "{name}");
        }
    }

    #[test]
    fn lines_that_set_nothing_are_told_without_their_text() {
        let mut environment = Environment::default();
        let warnings = environment.add_file(".env", "A=1\nhunter2\n=x\nB C=1\nD=\"open\n");
        let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [2, 3, 4, 5].map(|line| format!(".env:{line}:1: warning: not a variable (allowed: NAME=value)"))
        );
    }

    #[test]
    fn values_are_not_shown() {
        let environment = Environment::from_iter([("SECRET", "hunter2")]);
        assert_eq!(format!("{environment:?}"), "{\"SECRET\"}");
    }
}
