//! How do the routes of a table stand to each other, and what would a reviewer ask about? Knows no YAML and no request.

mod overlap;

use std::collections::HashMap;

use gateward_auth::{OnOutage, Requirement};

use crate::method::Method;
use crate::pattern::spell;
use crate::read::{Draft, RouteDraft};
use crate::route::Action;
use crate::router::Leaf;
use gateward_document::Report;
use overlap::{Overlap, overlap};

/// Everything about the table as a whole. `requirements` and `leaves` belong to the draft's routes.
pub(crate) fn check(draft: &Draft, requirements: &[Option<Requirement>], leaves: &[Leaf], report: &mut Report<'_>) {
    duplicates(draft, report);
    overlap::check(draft, requirements, leaves, report);
    overlap::unreachable(draft, leaves, report);
    overrides(draft, report);
    for route in &draft.routes {
        openness(route, report);
        spelling(draft, route, report);
    }
    whole(draft, report);
}

fn duplicates(draft: &Draft, report: &mut Report<'_>) {
    let mut known: HashMap<&str, &RouteDraft> = HashMap::new();
    for route in draft.routes.iter().filter(|route| !route.id.is_empty()) {
        if let Some(first) = known.get(route.id.as_str()) {
            report.error(
                route.at,
                &route.key,
                format!("two routes have this id: the other is in line {}", first.at.line),
            );
        } else {
            known.insert(&route.id, route);
        }
    }
}

fn overrides(draft: &Draft, report: &mut Report<'_>) {
    for route in &draft.routes {
        for id in &route.overrides {
            if id.value == route.id || !draft.routes.iter().any(|other| other.id == id.value) {
                report.error(id.at, &id.key, format!("no other route has this id: {:?}", id.value));
            }
        }
    }
}

/// What a reviewer should look at twice.
fn openness(route: &RouteDraft, report: &mut Report<'_>) {
    let writes = route.patterns.iter().any(|pattern| !pattern.value.method.is_safe());
    let key = |name: &str| format!("{}.{name}", route.key);
    if route.action == Action::Forward && route.accepts.is_none() {
        if writes {
            report.warn(
                route.at,
                &key("with"),
                format!("{} is a public write route: nobody is asked for a credential", route.id),
            );
        } else if !route.says_with {
            report.warn(
                route.at,
                &key("with"),
                format!("{} is public: say with: none if it should be", route.id),
            );
        }
    }
    if route.accepts.is_some() && !route.says_scope && !route.action.is_token_endpoint() {
        report.warn(
            route.at,
            &key("scope"),
            format!(
                "{} needs no scope: say scope: none if every token may call it",
                route.id
            ),
        );
    }
    if route.on_outage == OnOutage::Open && (writes || route.action.is_token_endpoint()) {
        report.warn(
            route.at,
            &key("on_outage"),
            format!("{} writes with tokens that may be revoked", route.id),
        );
    }
    if route.on_outage != OnOutage::Closed && !route.accepts.is_some_and(|accepts| accepts.jwt) {
        report.warn(route.at, &key("on_outage"), "has no effect: no token is asked for");
    }
}

/// Patterns that are right but cannot mean what they say.
fn spelling(draft: &Draft, route: &RouteDraft, report: &mut Report<'_>) {
    for pattern in &route.patterns {
        let text = &pattern.value.text;
        if draft.twin.heads_are_gets() && pattern.value.method == Method::Head {
            report.error(
                pattern.at,
                &pattern.key,
                format!("{text:?}: fiber answers HEAD wherever it answers GET, so write GET"),
            );
        }
        let doubled = route.prefixes.iter().find(|prefix| {
            !prefix.is_empty()
                && overlap(
                    draft.twin,
                    prefix,
                    pattern.value.segments.get(..prefix.len()).unwrap_or_default(),
                ) == Overlap::Same
        });
        if let Some(prefix) = doubled {
            report.warn(
                pattern.at,
                &pattern.key,
                format!("{text:?} starts with {}, which is put before it anyway", spell(prefix)),
            );
        }
    }
}

fn whole(draft: &Draft, report: &mut Report<'_>) {
    if draft.login_check.is_none()
        && draft
            .routes
            .iter()
            .any(|route| route.accepts.is_some_and(|accepts| accepts.basic))
    {
        let message = "missing although routes accept basic: only a users file can then check passwords";
        report.warn(draft.at, "login_check", message);
    }
    let Some(cases) = &draft.cases else {
        report.warn(
            draft.at,
            "tests",
            "missing: nothing shows that the policy does what it should",
        );
        return;
    };
    if cases.is_empty() {
        report.warn(
            draft.at,
            "tests",
            "empty: nothing shows that the policy does what it should",
        );
    }
}

#[cfg(test)]
mod tests;
