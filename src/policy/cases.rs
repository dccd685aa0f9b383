//! Does the policy do what its own `tests:` say? They go the way of live traffic: resolution, then decision.

use std::time::Duration;

use gateward_document::{Fields, Node, Position, Report, show};

use crate::explain::{Caller, Explanation, Verdict};
use crate::policy::Policy;
use crate::statuses::status;

/// One entry of `tests`.
#[derive(Debug)]
pub(crate) struct Case {
    at: Position,
    /// `tests[#n]`, for diagnostics.
    key: String,
    method: String,
    path: String,
    caller: Who,
    outage: Option<Duration>,
    expect: Expect,
    route: Option<String>,
    forwards: Option<String>,
}

#[derive(Clone, Debug)]
enum Who {
    Nobody,
    Basic,
    Jwt(Vec<String>),
    Refresh,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Allow,
    Status(u16),
}

const KEYS: [&str; 6] = ["request", "as", "expect", "route", "forwards", "outage"];
const AS_ALLOWED: &str = "none, basic, refresh, { jwt: [ a scope, … ] }";
const REQUEST_ALLOWED: &str = "METHOD /path as a client sends it";

/// The cases of a table.
pub(crate) fn read(node: &Node, report: &mut Report<'_>) -> Vec<Case> {
    let Some(items) = node.as_list() else {
        report.refuse(
            node.position,
            "tests",
            format!("a list is needed, this is {}", node.kind()),
            "a list of tests",
        );
        return Vec::new();
    };
    items
        .iter()
        .enumerate()
        .filter_map(|(place, item)| case(place, item, report))
        .collect()
}

fn case(place: usize, node: &Node, report: &mut Report<'_>) -> Option<Case> {
    let key = format!("tests[#{}]", place + 1);
    let fields = Fields::open(node, &key, &KEYS, report)?;
    let request = fields
        .required("request", REQUEST_ALLOWED, report)
        .and_then(Node::scalar_text)
        .unwrap_or_default();
    let parts = request.split_once(' ');
    if parts.is_none() && fields.has("request") {
        report.refuse(
            node.position,
            &fields.key("request"),
            format!("not a request: {request:?}"),
            REQUEST_ALLOWED,
        );
    }
    let caller = fields
        .required("as", AS_ALLOWED, report)
        .and_then(|node| who(node, &fields.key("as"), report));
    let expect = fields
        .required("expect", "allow, or a status", report)
        .and_then(|node| expect(node, &fields.key("expect"), report));
    let route = fields
        .text("route", "the id of a route", report)
        .map(|id| id.value.to_owned());
    let forwards = fields
        .text("forwards", "a path", report)
        .map(|path| path.value.to_owned());
    let outage = fields.duration("outage", report);
    let (method, path) = parts?;
    Some(Case {
        at: node.position,
        method: method.to_owned(),
        path: path.to_owned(),
        caller: caller?,
        expect: expect?,
        outage,
        route,
        forwards,
        key,
    })
}

fn who(node: &Node, key: &str, report: &mut Report<'_>) -> Option<Who> {
    match node.scalar_text() {
        Some("none") => return Some(Who::Nobody),
        Some("basic") => return Some(Who::Basic),
        Some("refresh") => return Some(Who::Refresh),
        Some(_) => {}
        None => {
            let mapping = node.as_map().is_some_and(|entries| !entries.is_empty());
            if mapping && let Some(fields) = Fields::open(node, key, &["jwt"], report) {
                let scopes = fields.texts("jwt", AS_ALLOWED, report);
                return Some(Who::Jwt(scopes.iter().map(|scope| scope.value.to_owned()).collect()));
            }
        }
    }
    report.refuse(node.position, key, format!("not a caller: {}", show(node)), AS_ALLOWED);
    None
}

fn expect(node: &Node, key: &str, report: &mut Report<'_>) -> Option<Expect> {
    if node.scalar_text() == Some("allow") {
        Some(Expect::Allow)
    } else {
        status(node, key, report).map(Expect::Status)
    }
}

/// Runs all cases. Reports those that fail, and the routes that none of them reached.
pub(crate) fn run(policy: &Policy, cases: &[Case], at: Position, report: &mut Report<'_>) {
    let mut reached = vec![false; policy.routes().len()];
    for case in cases {
        let told = policy.explain(&case.method, &case.path, case.caller.as_caller(), case.outage);
        if let Some(slot) = policy
            .routes()
            .iter()
            .position(|route| told.route.as_deref() == Some(route.id.as_str()))
        {
            reached.iter_mut().skip(slot).take(1).for_each(|slot| *slot = true);
        }
        if let Some(problem) = case.problem(&told) {
            report.error(
                case.at,
                &case.key,
                format!("{} {} as {}: {problem}", case.method, case.path, case.caller.shown()),
            );
        }
    }
    let missed: Vec<&str> = policy
        .routes()
        .iter()
        .zip(&reached)
        .filter(|(_, reached)| !**reached)
        .map(|(route, _)| route.id.as_str())
        .collect();
    if !missed.is_empty() && !cases.is_empty() {
        report.warn(at, "tests", format!("no test reaches {}", missed.join(", ")));
    }
}

impl Case {
    fn problem(&self, told: &Explanation) -> Option<String> {
        let got = match told.verdict {
            Verdict::Allow => Expect::Allow,
            Verdict::Deny => Expect::Status(told.status.unwrap_or_default()),
        };
        if got != self.expect {
            let by = told
                .route
                .as_deref()
                .map(|id| format!(", route {id}"))
                .unwrap_or_default();
            return Some(format!(
                "expected {}, got {} ({}{by})",
                self.expect.shown(),
                got.shown(),
                told.reason
            ));
        }
        if self.route.is_some() && self.route != told.route {
            return Some(format!(
                "expected route {:?}, got {:?}",
                self.route.as_deref().unwrap_or_default(),
                told.route.as_deref().unwrap_or("none")
            ));
        }
        if self.forwards.is_some() && self.forwards != told.gateway_path {
            return Some(format!(
                "expected {:?} to be forwarded, got {:?}",
                self.forwards.as_deref().unwrap_or_default(),
                told.gateway_path.as_deref().unwrap_or("nothing")
            ));
        }
        None
    }
}

impl Who {
    fn as_caller(&self) -> Caller {
        match self {
            Self::Nobody => Caller::Nobody,
            Self::Basic => Caller::Basic,
            Self::Jwt(scopes) => Caller::Jwt(scopes.clone()),
            Self::Refresh => Caller::Refresh(Vec::new()),
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Nobody => "none".to_owned(),
            Self::Basic => "basic".to_owned(),
            Self::Refresh => "refresh".to_owned(),
            Self::Jwt(scopes) => format!("jwt [{}]", scopes.join(", ")),
        }
    }
}

impl Expect {
    fn shown(self) -> String {
        match self {
            Self::Allow => "allow".to_owned(),
            Self::Status(status) => status.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
