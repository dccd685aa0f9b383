//! Which HTTP statuses does a policy name?

use gateward_document::{Fields, Node, Report, show};

/// A list of HTTP statuses.
pub(crate) fn statuses(fields: &Fields<'_>, name: &str, report: &mut Report<'_>) -> Vec<u16> {
    let Some(node) = fields.required(name, "a list of statuses, such as [200]", report) else {
        return Vec::new();
    };
    let items = node.as_list().unwrap_or(std::slice::from_ref(node));
    if items.is_empty() {
        report.refuse(
            node.position,
            &fields.key(name),
            "empty",
            "a list of statuses, such as [200]",
        );
    }
    items
        .iter()
        .filter_map(|item| status(item, &fields.key(name), report))
        .collect()
}

/// A status from 100 to 599.
pub(crate) fn status(node: &Node, key: &str, report: &mut Report<'_>) -> Option<u16> {
    let found = node
        .as_u64()
        .and_then(|number| u16::try_from(number).ok())
        .filter(|status| (100..600).contains(status));
    if found.is_none() {
        report.refuse(
            node.position,
            key,
            format!("not a status: {}", show(node)),
            "100 to 599",
        );
    }
    found
}
