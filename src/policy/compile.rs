//! YAML text → policy: read, judge as a whole, put together, test. An invalid policy does not exist at run time.

use gateward_auth::{Accepts, Need, OnOutage, Requirement};
use gateward_document::{self as document, Diagnostic, Report};
use sha2::{Digest as _, Sha256};

use crate::pattern::spell;
use crate::policy::{Policy, Protected};
use crate::read::{self, Draft, RouteDraft};
use crate::route::{Route, RouteId};
use crate::router::{Leaf, Router};
use crate::{cases, lint};

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
/// INVARIANT(no policy, no traffic): a text that is empty, has no routes, or fails one of its tests gives no policy;
/// test `tests::an_empty_policy_is_refused`.
///
/// # Errors
///
/// Every problem that was found, warnings included, in the order of the text; at least one is an error. Only a text
/// that is not YAML stops at its first problem. The tests run when everything else is right.
pub fn compile(file: &str, text: &str) -> Result<Compiled, Vec<Diagnostic>> {
    let root = document::parse(file, text).map_err(|problem| vec![problem])?;
    let mut report = Report::new(file);
    let Some(mut draft) = read::table(&root, &mut report) else {
        return Err(report.into_problems());
    };
    let requirements: Vec<Option<Requirement>> = draft.routes.iter().map(|route| requirement(&draft, route)).collect();
    let leaves = leaves(&draft);
    lint::check(&draft, &requirements, &leaves, &mut report);
    if report.has_errors() {
        return Err(report.into_problems());
    }
    let (at, cases) = (draft.at, draft.cases.take());
    let policy = policy(draft, requirements, &leaves, hash(text));
    cases::run(&policy, &cases.unwrap_or_default(), at, &mut report);
    if report.has_errors() {
        return Err(report.into_problems());
    }
    Ok(Compiled {
        policy,
        warnings: report.into_problems(),
    })
}

fn requirement(draft: &Draft, route: &RouteDraft) -> Option<Requirement> {
    let accepts = route.accepts?;
    let need = route.scope.clone().map_or(Need::Nothing, |scope| Need::Scope {
        scope,
        exact: route.exact,
        wildcard: draft.catalogue.wildcard().cloned(),
    });
    Some(Requirement { accepts, need })
}

/// Every pattern of every route under each of its prefixes.
fn leaves(draft: &Draft) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    for (place, route) in draft.routes.iter().enumerate() {
        for pattern in &route.patterns {
            let tail = route
                .forward_as
                .as_ref()
                .map_or(&pattern.value.segments, |target| &target.value);
            let upstream = [route.upstream_prefix.as_slice(), tail].concat();
            leaves.extend(route.prefixes.iter().map(|prefix| Leaf {
                route: place,
                method: pattern.value.method,
                client: [prefix.as_slice(), &pattern.value.segments].concat(),
                upstream: upstream.clone(),
            }));
        }
    }
    leaves
}

fn policy(draft: Draft, requirements: Vec<Option<Requirement>>, leaves: &[Leaf], hash: String) -> Policy {
    let router = Router::new(draft.twin, leaves, draft.protected);
    let protected = Protected {
        requirement: Requirement {
            accepts: accepted_anywhere(&requirements),
            need: Need::Nothing,
        },
        on_outage: OnOutage::Closed,
    };
    let routes = draft.routes.into_iter().zip(requirements).enumerate();
    Policy {
        name: draft.name,
        hash,
        twin: draft.twin,
        upstream_prefix: spell(&draft.upstream_prefix),
        user_names: draft.user_names,
        login_check: draft.login_check,
        refresh_exchange: draft.refresh_exchange,
        catalogue: draft.catalogue,
        protected,
        routes: routes
            .map(|(index, (route, requirement))| finish(index, route, requirement))
            .collect(),
        router,
    }
}

fn accepted_anywhere(requirements: &[Option<Requirement>]) -> Accepts {
    let mut accepts = Accepts {
        basic: false,
        jwt: false,
    };
    for requirement in requirements.iter().flatten() {
        accepts.basic |= requirement.accepts.basic;
        accepts.jwt |= requirement.accepts.jwt;
    }
    accepts
}

fn finish(index: usize, route: RouteDraft, requirement: Option<Requirement>) -> Route {
    Route {
        id: RouteId::new(&route.id, index),
        action: route.action,
        requirement,
        on_outage: route.on_outage,
        credential: route.credential,
        timeout: route.timeout,
        body_limit: route.body_limit,
        streaming: route.streaming,
        password_change: route.password_change,
        patterns: route.patterns.into_iter().map(|pattern| pattern.value.text).collect(),
    }
}

/// The first 12 hexadecimal digits of the text's SHA-256.
fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests;
