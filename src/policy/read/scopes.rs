//! Which scopes are there? The `scopes` of a table.

use gateward_auth::{Scope, TOKENS_REFRESH};
use gateward_document::{Fields, Node, Report, Value, show};

use crate::policy::{Catalogue, CatalogueEntry};

const SCOPE_ALLOWED: &str = "1 to 64 of a-z, 0-9, : . _ -";

pub(super) fn catalogue(top: &Fields<'_>, report: &mut Report<'_>) -> Catalogue {
    let mut catalogue = Catalogue::default();
    let Some(node) = top.get("scopes") else {
        return catalogue;
    };
    let Some(entries) = node.as_map() else {
        report.refuse(
            node.position,
            "scopes",
            format!("a mapping is needed, this is {}", node.kind()),
            "name: what a person reads",
        );
        return catalogue;
    };
    for entry in entries {
        let key = format!("scopes.{}", entry.key);
        let Ok(scope) = Scope::parse(&entry.key) else {
            report.refuse(entry.key_position, &key, "not the name of a scope", SCOPE_ALLOWED);
            continue;
        };
        let (title, wildcard, system) = scope_value(&entry.value, &key, report);
        if wildcard && let Some(other) = catalogue.wildcard.replace(scope.clone()) {
            report.error(
                entry.key_position,
                &key,
                format!("a second wildcard: {other} is one already"),
            );
        }
        let grantable = !system && scope.as_str() != TOKENS_REFRESH;
        catalogue.entries.push(CatalogueEntry {
            scope,
            title,
            grantable,
        });
    }
    catalogue
}

fn scope_value(node: &Node, key: &str, report: &mut Report<'_>) -> (Option<String>, bool, bool) {
    match &node.value {
        Value::Null => (None, false, false),
        Value::Map(_) => {
            let Some(fields) = Fields::open(node, key, &["title", "wildcard", "system"], report) else {
                return (None, false, false);
            };
            let title = fields
                .text("title", "a text", report)
                .map(|title| title.value.to_owned());
            let (wildcard, system) = (fields.flag("wildcard", report), fields.flag("system", report));
            if wildcard && system {
                report.error(node.position, key, "a wildcard that nobody may hold");
            }
            (title, wildcard, system)
        }
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::List(_) => {
            if node.as_str().is_none() {
                report.refuse(
                    node.position,
                    key,
                    format!("not a text: {}", show(node)),
                    "what a person reads, or { title, wildcard, system }",
                );
            }
            (node.as_str().map(str::to_owned), false, false)
        }
    }
}
