//! What does this YAML text say, and where does it say it?
//!
//! The one place that parses YAML. It gives a tree in which every key and value has a line and a column, so that a
//! problem found later, by whoever knows what the keys mean, can still be shown at the place where it was written.
//! It refuses to know what any key means, where the text came from, and what an environment variable is.

mod diagnostic;
mod duration;
mod fields;
mod nearest;
mod node;
mod parse;
mod scalar;

pub use diagnostic::{Diagnostic, Severity};
pub use duration::parse_duration;
pub use fields::{Fields, Placed, Report, show};
pub use nearest::nearest;
pub use node::{Entry, Node, Position, Value};
pub use parse::{parse, parse_unseen};
