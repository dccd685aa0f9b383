//! Who gets to see which of a user's settings? What is shown is ready to be sent. It does not know where they come from.

use axum::body::Bytes;
use gateward_contract::json;
use serde_json::Value;

use super::{
    Tree,
    schema::{Fate, SECTIONS},
};

/// A user's settings as JSON. A cheap handle.
#[derive(Clone, Debug)]
pub(super) struct Views {
    /// Without secrets.
    pub(super) for_clients: Bytes,
    /// Everything, nulls and secrets included.
    pub(super) for_phones: Bytes,
}

impl Views {
    pub(super) fn of(settings: &Tree) -> Self {
        Self {
            for_clients: json::to_vec(&public(settings)).into(),
            for_phones: json::to_vec(settings).into(),
        }
    }

    /// In bytes.
    pub(super) fn len(&self) -> usize {
        self.for_clients.len() + self.for_phones.len()
    }
}

/// What clients may see; a section of which they may see nothing stays, empty.
///
/// INVARIANT(secrets are write-only): only settings that are named as shown are copied. Test:
/// `tests::clients_see_no_secret_and_nothing_unknown`.
fn public(settings: &Tree) -> Tree {
    let mut shown = Tree::new();
    for section in &SECTIONS {
        let Some(Value::Object(stored)) = settings.get(section.name) else {
            continue;
        };
        let visible = section.settings.iter().filter(|setting| setting.fate == Fate::Shown);
        let copied = visible.filter_map(|setting| Some((setting.name.to_owned(), stored.get(setting.name)?.clone())));
        shown.insert(section.name.to_owned(), Value::Object(copied.collect()));
    }
    shown
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn clients_see_no_secret_and_nothing_unknown() {
        let stored = json!({
            "encryption": {"passphrase": "p"},
            "webhooks": {"retry_count": 3, "signing_key": "k", "newer": 1},
            "messages": {"processing_order": "LIFO"},
            "gateway": {"private_token": "t"},
            "ping": null,
            "newer": {"x": 1},
        });
        let Value::Object(stored) = stored else { unreachable!() };
        let views = Views::of(&stored);
        let shown: Value = serde_json::from_slice(&views.for_clients).unwrap();
        assert_eq!(
            shown,
            json!({"encryption": {}, "webhooks": {"retry_count": 3}, "messages": {}, "gateway": {}})
        );
        let all: Value = serde_json::from_slice(&views.for_phones).unwrap();
        assert_eq!(all, Value::Object(stored));
    }
}
