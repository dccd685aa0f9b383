//! How does a secret stay out of logs, comparisons and answers? By being a type that can do none of these. Knows nothing
//! of where secrets come from.

use std::fmt;

/// Bytes that must not be shown: it has no `Display`, no `Serialize`, no `==`.
///
/// INVARIANT(secrets are not printed): `Debug` shows `[secret]` only; test
/// `tests::debug_output_does_not_show_a_secret`.
#[derive(Clone)]
pub struct Secret(Box<[u8]>);

impl Secret {
    /// Wraps the bytes.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into().into_boxed_slice())
    }

    /// The bytes themselves, for the one place that needs them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_does_not_show_a_secret() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {secret:#?}"), "[secret] [secret]");
        assert_eq!(secret.expose(), b"hunter2");
    }
}
