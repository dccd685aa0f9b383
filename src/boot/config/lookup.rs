//! Where does a key have its value?

use gateward_document::{Diagnostic, Node, Value};

use super::{Manner, Reader};

/// A value with its place, ready to be read or complained about.
#[derive(Debug)]
pub(super) struct Found {
    /// What was written.
    pub(super) raw: Raw,
    /// A problem with it, lacking only the message.
    problem: Diagnostic,
}

/// What was written.
#[derive(Debug)]
pub(super) enum Raw {
    /// In a variable.
    Variable(String),
    /// In the document.
    Node(Node),
}

impl Found {
    /// A problem with this value.
    pub(super) fn problem(&self, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            message: message.into(),
            ..self.problem.clone()
        }
    }

    /// One item of this list.
    pub(super) fn part(&self, raw: Raw) -> Self {
        let mut problem = self.problem.clone();
        if let Raw::Node(node) = &raw {
            problem.position = Some(node.position);
        }
        Self { raw, problem }
    }

    /// The text of a scalar, as written.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.raw {
            Raw::Variable(text) => Some(text),
            Raw::Node(node) => node.scalar_text(),
        }
    }

    /// What this is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match &self.raw {
            Raw::Variable(_) => "a string",
            Raw::Node(node) => node.kind(),
        }
    }
}

impl Reader<'_> {
    /// The name of the variable that overrides a key.
    pub(super) fn variable_name(&self, key: &str) -> String {
        format!("{}{}", self.sources.prefix, key.to_uppercase().replace('.', "__"))
    }

    /// Whether a key, or one in it, has a value anywhere.
    #[must_use]
    pub fn is_given(&self, key: &str) -> bool {
        let name = self.variable_name(key);
        let within = format!("{name}__");
        self.sources.environment.variable(&name).is_some()
            || self.sources.environment.names(&within).next().is_some()
            || self.node(key).is_some_and(|node| !node.is_null())
    }

    /// Whether the environment has a value for a key.
    #[must_use]
    pub fn is_overridden(&self, key: &str) -> bool {
        self.sources.environment.variable(&self.variable_name(key)).is_some()
    }

    /// Makes a key known without reading it.
    pub fn declare(&mut self, key: &str, default: &str) {
        self.known.add(key, default);
    }

    /// Finds a scalar or a list.
    pub(super) fn find(&mut self, key: &str) -> Option<Found> {
        let found = self.find_variable(key);
        if found.is_some() { found } else { self.find_node(key) }
    }

    pub(super) fn find_variable(&mut self, key: &str) -> Option<Found> {
        let name = self.variable_name(key);
        let variable = self.sources.environment.variable(&name)?;
        let problem = variable.problem(&name, "");
        match &variable.value {
            Some(text) if text.is_empty() && self.manner == Manner::Lenient => None,
            Some(text) => Some(Found {
                raw: Raw::Variable(text.clone()),
                problem,
            }),
            None => {
                self.problems.push(Diagnostic {
                    message: "not utf-8".to_owned(),
                    ..problem
                });
                None
            }
        }
    }

    pub(super) fn find_node(&mut self, key: &str) -> Option<Found> {
        let node = self.node(key)?.clone();
        let problem = Diagnostic::error(self.document_name(), key, "").at(node.position);
        if node.is_null() {
            if self.manner == Manner::Strict {
                let message = "nothing is written here: leave the key out for its default".to_owned();
                self.problems.push(Diagnostic { message, ..problem });
            }
            return None;
        }
        Some(Found {
            raw: Raw::Node(node),
            problem,
        })
    }

    /// What the document has for a key.
    fn node(&self, key: &str) -> Option<&Node> {
        let mut node = self.root.as_ref()?;
        for name in key.split('.') {
            node = &node.entry(name)?.value;
        }
        Some(node)
    }

    /// Whether the document has a mapping for a key.
    #[must_use]
    pub fn is_mapping(&self, key: &str) -> bool {
        self.node(key).is_some_and(|node| matches!(node.value, Value::Map(_)))
    }
}
