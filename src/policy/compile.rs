//! YAML text → policy.

use gateward_document::Diagnostic;

use crate::policy::Policy;

/// A policy that is fit for use, and what its author should still look at.
#[derive(Debug)]
pub struct Compiled {
    /// The policy.
    pub policy: Policy,
    /// Problems in spite of which it is used.
    pub warnings: Vec<Diagnostic>,
}

/// Reads a policy, checks it, and runs its own tests. `file` only names the text in diagnostics.
///
/// # Errors
///
/// Every problem that was found, warnings included, in the order of the text; at least one is an error.
pub fn compile(file: &str, text: &str) -> Result<Compiled, Vec<Diagnostic>> {
    let _ = text;
    Err(vec![Diagnostic::error(file, "", "not yet")])
}
