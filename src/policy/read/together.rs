//! Which keys of one route do not go together?

use gateward_auth::{Scope, TOKENS_REFRESH};
use gateward_document::{Fields, Node, Report};

use super::RouteDraft;
use super::route::NONE;
use crate::pattern::Segment;
use crate::route::{Action, UpstreamCredential};

const NOT_PASSED_THROUGH: [&str; 5] = ["with", "scope", "exact", "on_outage", "credential"];
const NOT_ANSWERED_HERE: [&str; 6] = [
    "credential",
    "timeout",
    "stream",
    "password_change",
    "upstream_prefix",
    "forward_as",
];

/// Reports every pair of keys that contradict each other.
pub(super) fn check(draft: &RouteDraft, fields: &Fields<'_>, report: &mut Report<'_>) {
    check_asking(draft, fields, report);
    check_action(draft, fields, report);
    check_token_endpoint(draft, fields, report);
    check_forward_as(draft, report);
}

/// Whether the route names a scope, declared or not.
fn names_scope(fields: &Fields<'_>) -> bool {
    fields
        .get("scope")
        .and_then(Node::scalar_text)
        .is_some_and(|scope| scope != NONE)
}

fn check_asking(draft: &RouteDraft, fields: &Fields<'_>, report: &mut Report<'_>) {
    if names_scope(fields) && draft.accepts.is_none() && draft.action != Action::Passthrough {
        report.error(
            fields.at("scope"),
            &fields.key("scope"),
            "a scope is asked of nobody: with says whose credential",
        );
    }
    if draft.exact && !names_scope(fields) {
        report.error(
            fields.at("exact"),
            &fields.key("exact"),
            "there is no scope to be exact about",
        );
    }
    let ours = draft
        .credential
        .is_some_and(|credential| credential != UpstreamCredential::Passthrough);
    if draft.accepts.is_none() && ours && draft.action == Action::Forward {
        let message = "nobody is asked for a credential, so none of ours is sent";
        report.refuse(
            fields.at("credential"),
            &fields.key("credential"),
            message,
            "passthrough",
        );
    }
}

fn check_action(draft: &RouteDraft, fields: &Fields<'_>, report: &mut Report<'_>) {
    let (names, why): (&[&str], _) = match draft.action {
        Action::Forward => return,
        Action::Passthrough => (
            &NOT_PASSED_THROUGH,
            "the gateway checks the credential of what is passed through",
        ),
        Action::TokenIssue | Action::TokenRefresh | Action::TokenRevoke => {
            if draft.accepts.is_none() || !names_scope(fields) {
                report.error(
                    draft.at,
                    &fields.key("scope"),
                    "a token endpoint needs with and a scope",
                );
            }
            (
                &NOT_ANSWERED_HERE,
                "a token endpoint is answered here, nothing is forwarded",
            )
        }
    };
    for name in names.iter().filter(|name| fields.has(name)) {
        if *name == "with" && draft.accepts.is_none() {
            continue;
        }
        report.error(fields.at(name), &fields.key(name), why);
    }
}

fn check_token_endpoint(draft: &RouteDraft, fields: &Fields<'_>, report: &mut Report<'_>) {
    let scope = draft.scope.as_ref().map(Scope::as_str);
    if draft.action == Action::TokenRefresh {
        if !draft.accepts.is_some_and(|accepts| accepts.jwt) {
            report.error(fields.at("with"), &fields.key("with"), "a refresh token is a jwt");
        }
        if scope.is_some_and(|scope| scope != TOKENS_REFRESH) || !draft.exact {
            let message = format!("refreshing needs the scope {TOKENS_REFRESH}, exact");
            report.error(fields.at("scope"), &fields.key("scope"), message);
        }
    } else if scope == Some(TOKENS_REFRESH) {
        let message = format!("{TOKENS_REFRESH} is what refresh tokens hold: only token_refresh needs it");
        report.error(fields.at("scope"), &fields.key("scope"), message);
    }
    if draft.action == Action::TokenRevoke {
        for pattern in draft
            .patterns
            .iter()
            .filter(|pattern| !names(&pattern.value.segments).contains(&"jti"))
        {
            report.error(
                pattern.at,
                &pattern.key,
                format!("{:?} has no {{jti}}: which token?", pattern.value.text),
            );
        }
    }
}

/// The forwarded path is made of the names of the matched one.
fn check_forward_as(draft: &RouteDraft, report: &mut Report<'_>) {
    let Some(target) = &draft.forward_as else { return };
    for pattern in &draft.patterns {
        let mut have = shape(&pattern.value.segments);
        let mut want = shape(&target.value);
        have.sort_unstable();
        want.sort_unstable();
        if have != want {
            let message = format!("its names are not those of {:?}", pattern.value.text);
            report.error(target.at, &target.key, message);
        }
    }
}

fn names(segments: &[Segment]) -> Vec<&str> {
    segments.iter().filter_map(Segment::name).collect()
}

fn shape(segments: &[Segment]) -> Vec<(&str, u8)> {
    segments
        .iter()
        .filter_map(|segment| Some((segment.name()?, segment.rank())))
        .collect()
}
