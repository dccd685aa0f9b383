//! How are broken field rules reported (WIRE §1.8)? One line per field, in the words of the reference's validator. Knows no
//! rule of any field: the readers of bodies bring theirs.

use std::fmt;

/// So many are told. The reference tells all, which are some hundred megabytes for a body of four that is a list of
/// empty objects; nobody reads on after a hundred.
const MOST: usize = 100;

/// The rules that a body breaks, in the order of its fields; not more than the first 100.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Violation {
    key: String,
    rule: &'static str,
}

impl Violations {
    /// None so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that the field `key` (with its struct: `Message.PhoneNumbers[0]`, `[0].ID`) breaks `rule` (`required`,
    /// `min`, `max`, `oneof`, …). The validator reports one rule per field: the caller stops at the first.
    pub fn add(&mut self, key: impl Into<String>, rule: &'static str) {
        if self.0.len() < MOST {
            self.0.push(Violation { key: key.into(), rule });
        }
    }

    /// [`add`](Self::add) unless `holds`; gives `holds` back, so that later rules of the field can be skipped.
    pub fn check(&mut self, holds: bool, key: impl Into<String>, rule: &'static str) -> bool {
        if !holds {
            self.add(key, rule);
        }
        holds
    }

    /// `max` for an optional text: at most so many Unicode code points.
    pub fn max_chars(&mut self, text: Option<&str>, max: usize, key: impl Into<String>) -> bool {
        // A character has one byte at least: most texts need no counting.
        let holds = text.is_none_or(|text| text.len() <= max || text.chars().nth(max).is_none());
        self.check(holds, key, "max")
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `Err` with all of them when there is any.
    pub fn finish(self) -> Result<(), Self> {
        if self.is_empty() { Ok(()) } else { Err(self) }
    }
}

/// The whole message: `failed to validate: ` and one line per field.
impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed to validate: ")?;
        for (index, Violation { key, rule }) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            let field = key.rsplit_once('.').map_or(key.as_str(), |(_, field)| field);
            write!(
                f,
                "Key: '{key}' Error:Field validation for '{field}' failed on the '{rule}' tag"
            )?;
        }
        Ok(())
    }
}

impl std::error::Error for Violations {}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(key: &str, rule: &'static str) -> String {
        let mut violations = Violations::new();
        violations.add(key, rule);
        violations.to_string()
    }

    #[test]
    fn a_line_names_key_field_and_rule() {
        assert_eq!(
            text("TokenRequest.Scopes[0]", "required"),
            "failed to validate: Key: 'TokenRequest.Scopes[0]' Error:Field validation for 'Scopes[0]' failed on the \
             'required' tag"
        );
        assert!(
            text("Message.TextMessage.Text", "max")
                .contains("'Message.TextMessage.Text' Error:Field validation for 'Text' ")
        );
        assert!(text("[0].ID", "required").contains("Key: '[0].ID' Error:Field validation for 'ID' "));
        assert!(text("", "required").contains("Key: '' Error:Field validation for '' failed"));
    }

    #[test]
    fn several_fields_are_several_lines() {
        let mut violations = Violations::new();
        assert!(violations.is_empty());
        assert!(!violations.check(false, "Webhook.URL", "required"));
        assert!(violations.check(true, "Webhook.ID", "max"));
        violations.add("Webhook.Event", "required");
        let lines = violations.finish().map_err(|violations| violations.to_string());
        assert_eq!(
            lines,
            Err("failed to validate: Key: 'Webhook.URL' Error:Field validation for 'URL' failed on the 'required' tag\n\
                 Key: 'Webhook.Event' Error:Field validation for 'Event' failed on the 'required' tag"
                .to_owned())
        );
        assert_eq!(Violations::new().finish(), Ok(()));
    }

    #[test]
    fn only_the_first_hundred_are_told() {
        let mut violations = Violations::new();
        for index in 0..1_000 {
            violations.add(format!("[{index}].ID"), "required");
        }
        let text = violations.to_string();
        assert_eq!(text.lines().count(), 100);
        assert!(
            text.lines()
                .last()
                .is_some_and(|last| last.starts_with("Key: '[99].ID' "))
        );
    }

    #[test]
    fn lengths_count_characters() {
        let mut violations = Violations::new();
        assert!(violations.max_chars(Some("ééé"), 3, "A.B"));
        assert!(violations.max_chars(None, 3, "A.B"));
        assert!(!violations.max_chars(Some("éééé"), 3, "A.B"));
        assert!(!violations.max_chars(Some("a"), 0, "A.B"));
    }
}
