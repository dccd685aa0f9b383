//! Where does a secret come from, and is it one?

use std::path::Path;

use gateward_document::Diagnostic;

use super::lookup::Found;
use super::{Manner, Reader};
use crate::secrets::{self, Sealed};

/// What a secret must be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretRules {
    /// Fewest bytes.
    pub shortest: usize,
    /// Whether one that everybody knows (see [`secrets::is_example`]) is refused.
    pub refuse_examples: bool,
}

impl SecretRules {
    /// A key of at least `shortest` bytes, not from an example.
    #[must_use]
    pub const fn key(shortest: usize) -> Self {
        Self {
            shortest,
            refuse_examples: true,
        }
    }

    /// Something that others chose and that is only passed on.
    pub const PASSED_ON: Self = Self {
        shortest: 1,
        refuse_examples: false,
    };
}

/// The two ways to give a secret in one place.
struct Pair {
    value: Option<Found>,
    file: Option<Found>,
}

impl Reader<'_> {
    /// A secret: from the variable of `key`, from a file named by `key_file` or its variable, or, where that is
    /// allowed, from the document itself. What the environment says wins over the document, as for every key.
    ///
    /// INVARIANT(secrets-are-not-shown): no message made here holds a part of a value. Held by
    /// `config::tests::no_problem_shows_a_secret`.
    pub fn secret(&mut self, key: &str, rules: SecretRules) -> Option<Sealed> {
        self.known.add_secret(key);
        let file_key = format!("{key}_file");
        let environment = Pair {
            value: self.find_variable(key),
            file: self.find_variable(&file_key),
        };
        let pair = if environment.value.is_some() || environment.file.is_some() {
            environment
        } else {
            Pair {
                value: self.find_inline(key),
                file: self.find_node(&file_key),
            }
        };
        let (found, secret) = match pair {
            Pair {
                value: Some(value),
                file: Some(_),
            } => {
                self.problems
                    .push(value.problem("given twice: as a value and as a file"));
                return None;
            }
            Pair {
                value: Some(value),
                file: None,
            } => {
                let secret = value.text().map(|text| Sealed::new(text.as_bytes()));
                if secret.is_none() {
                    self.problems
                        .push(value.problem(format!("not a string: {}", value.kind())));
                }
                (value, secret?)
            }
            Pair {
                value: None,
                file: Some(file),
            } => {
                let secret = self.read_secret(&file)?;
                (file, secret)
            }
            Pair {
                value: None,
                file: None,
            } => return None,
        };
        self.judge(&found, secret, rules)
    }

    fn find_inline(&mut self, key: &str) -> Option<Found> {
        let found = self.find_node(key)?;
        if self.inline_secrets {
            return Some(found);
        }
        let problem = found.problem("a secret must not stand in this file, unless allow_inline_secrets is true");
        let variable = self.variable_name(key);
        self.problems.push(problem.allowed(format!(
            "{key}_file, or {variable}_FILE or {variable} in the environment"
        )));
        None
    }

    fn read_secret(&mut self, file: &Found) -> Option<Sealed> {
        let Some(name) = file.text().filter(|name| !name.is_empty()) else {
            if !(self.manner == Manner::Lenient && file.text() == Some("")) {
                self.problems
                    .push(file.problem("not a file name").allowed("the path of a file"));
            }
            return None;
        };
        match secrets::read(&self.resolve(Path::new(name))) {
            Ok(secret) => Some(secret),
            Err(error) => {
                self.problems.push(file.problem(error.to_string()));
                None
            }
        }
    }

    fn judge(&mut self, found: &Found, secret: Sealed, rules: SecretRules) -> Option<Sealed> {
        let length = secret.as_bytes().len();
        if length == 0 {
            if self.manner == Manner::Strict {
                self.problems.push(found.problem("the secret is empty"));
            }
            return None;
        }
        if length < rules.shortest {
            let problem = found.problem(format!("the secret is too short: {length} bytes"));
            self.problems
                .push(problem.allowed(format!("at least {} bytes", rules.shortest)));
            return None;
        }
        if rules.refuse_examples && secrets::is_example(secret.as_bytes()) {
            let problem = self.example(found);
            let refused = problem.is_error();
            self.problems.push(problem);
            if refused {
                return None;
            }
        }
        Some(secret)
    }

    fn example(&self, found: &Found) -> Diagnostic {
        let problem = found.problem("the secret is a known example: anybody can make tokens with it");
        if self.example_secrets {
            Diagnostic {
                severity: gateward_document::Severity::Warning,
                ..problem
            }
        } else {
            problem.allowed("random bytes, such as those of `openssl rand -hex 32`, or allow_example_secrets: true")
        }
    }
}
