//! What does one entry of `routes` say?

use gateward_auth::{Accepts, OnOutage, Scope};
use gateward_document::{Fields, Node, Placed, Report, nearest, parse_duration};

use super::{CREDENTIALS, Defaults, ID_ALLOWED, Pattern, RouteDraft, is_id, one_prefix, prefixes, together};
use crate::method::Method;
use crate::pattern::{self, PATH_ALLOWED, Segment};
use crate::policy::Catalogue;
use crate::route::Action;

const ROUTE: [&str; 16] = [
    "id",
    "match",
    "with",
    "scope",
    "exact",
    "action",
    "on_outage",
    "credential",
    "timeout",
    "body_limit",
    "stream",
    "password_change",
    "prefixes",
    "upstream_prefix",
    "forward_as",
    "overrides",
];
const ACTIONS: [(&str, Action); 5] = [
    ("forward", Action::Forward),
    ("passthrough", Action::Passthrough),
    ("token_issue", Action::TokenIssue),
    ("token_refresh", Action::TokenRefresh),
    ("token_revoke", Action::TokenRevoke),
];
/// Written where nothing is asked for on purpose.
pub(super) const NONE: &str = "none";
const WITH_ALLOWED: &str = "a list of basic and jwt, or none";

/// All entries that can be read.
pub(super) fn routes(
    top: &Fields<'_>,
    defaults: &Defaults<'_>,
    catalogue: &Catalogue,
    report: &mut Report<'_>,
) -> Vec<RouteDraft> {
    let Some(node) = top.required("routes", "a list of routes", report) else {
        return Vec::new();
    };
    let Some(items) = node.as_list() else {
        report.refuse(
            node.position,
            "routes",
            format!("a list is needed, this is {}", node.kind()),
            "a list of routes",
        );
        return Vec::new();
    };
    if items.is_empty() {
        report.refuse(
            node.position,
            "routes",
            "empty: nothing would ever be allowed",
            "a list of routes",
        );
    }
    items
        .iter()
        .enumerate()
        .filter_map(|(place, item)| route(place, item, defaults, catalogue, report))
        .collect()
}

fn route(
    place: usize,
    node: &Node,
    defaults: &Defaults<'_>,
    catalogue: &Catalogue,
    report: &mut Report<'_>,
) -> Option<RouteDraft> {
    let id = node.entry("id").and_then(|entry| entry.value.scalar_text());
    let key = id.map_or_else(|| format!("routes[#{}]", place + 1), |id| format!("routes[{id}]"));
    let fields = Fields::open(node, &key, &ROUTE, report)?;
    fields.required("id", ID_ALLOWED, report);
    if let Some(id) = fields.text("id", ID_ALLOWED, report).filter(|id| !is_id(id.value)) {
        report.refuse(id.at, &id.key, format!("not an id: {:?}", id.value), ID_ALLOWED);
    }
    let action = fields.word("action", &ACTIONS, report).unwrap_or(Action::Forward);
    let says_credential = fields.word("credential", &CREDENTIALS, report);
    let accepts = accepts(&fields, report);
    // What a public route forwards is nobody's: the policy's credential is not spent on it.
    let inherited = if action == Action::Forward && accepts.is_some() {
        defaults.credential
    } else {
        None
    };
    let draft = RouteDraft {
        id: id.unwrap_or_default().to_owned(),
        at: node.position,
        patterns: patterns(&fields, report),
        accepts,
        says_with: fields.has("with"),
        scope: scope(&fields, catalogue, report),
        says_scope: fields.has("scope"),
        exact: fields.flag("exact", report),
        action,
        on_outage: on_outage(&fields, report),
        credential: says_credential.or(inherited),
        timeout: fields.duration("timeout", report),
        body_limit: body_limit(&fields, report),
        streaming: fields.flag("stream", report),
        password_change: fields.flag("password_change", report),
        prefixes: prefixes(&fields, report).unwrap_or_else(|| defaults.prefixes.to_vec()),
        upstream_prefix: one_prefix(&fields, "upstream_prefix", report)
            .unwrap_or_else(|| defaults.upstream_prefix.to_vec()),
        forward_as: forward_as(&fields, report),
        overrides: overrides(&fields, report),
        key,
    };
    together::check(&draft, &fields, report);
    Some(draft)
}

fn overrides(fields: &Fields<'_>, report: &mut Report<'_>) -> Vec<Placed<String>> {
    let texts = fields.texts("overrides", "ids of routes", report);
    texts
        .into_iter()
        .map(|id| Placed {
            value: id.value.to_owned(),
            at: id.at,
            key: id.key,
        })
        .collect()
}

fn patterns(fields: &Fields<'_>, report: &mut Report<'_>) -> Vec<Placed<Pattern>> {
    let allowed = "METHOD /path, or a list of them";
    let written = fields.required("match", allowed, report);
    if written.is_some_and(|node| node.as_list().is_some_and(<[Node]>::is_empty)) {
        report.refuse(
            fields.position(),
            &fields.key("match"),
            "empty: no request would match",
            allowed,
        );
    }
    let mut found = Vec::new();
    for text in fields.texts("match", allowed, report) {
        let (method, path) = match pattern::parse_request(text.value) {
            Ok(parts) => parts,
            Err(problem) => {
                report.refuse(
                    text.at,
                    &text.key,
                    problem,
                    format!("METHOD /path, with METHOD of {}", Method::ALLOWED),
                );
                continue;
            }
        };
        match pattern::parse_path(path) {
            Ok(segments) => {
                let value = Pattern {
                    text: text.value.to_owned(),
                    method,
                    segments,
                };
                found.push(Placed {
                    value,
                    at: text.at,
                    key: text.key,
                });
            }
            Err(problem) => report.refuse(text.at, &text.key, problem, PATH_ALLOWED),
        }
    }
    found
}

fn accepts(fields: &Fields<'_>, report: &mut Report<'_>) -> Option<Accepts> {
    let mut accepts = Accepts {
        basic: false,
        jwt: false,
    };
    let kinds = fields.texts("with", WITH_ALLOWED, report);
    if let [only] = kinds.as_slice()
        && only.value == NONE
    {
        return None;
    }
    for kind in &kinds {
        match kind.value {
            "basic" => accepts.basic = true,
            "jwt" => accepts.jwt = true,
            other => report.refuse(
                kind.at,
                &kind.key,
                format!("not a kind of credential: {other:?}"),
                WITH_ALLOWED,
            ),
        }
    }
    (accepts.basic || accepts.jwt).then_some(accepts)
}

fn scope(fields: &Fields<'_>, catalogue: &Catalogue, report: &mut Report<'_>) -> Option<Scope> {
    let name = fields.text("scope", "a declared scope, or none", report)?;
    if name.value == NONE {
        return None;
    }
    let Some(scope) = catalogue.scope(name.value) else {
        let known: Vec<&str> = catalogue.iter().map(|(scope, _)| scope.as_str()).collect();
        let hint = nearest(name.value, known.iter().copied());
        let hint = hint.map(|near| format!(": is {near} meant?")).unwrap_or_default();
        report.refuse(
            name.at,
            &name.key,
            format!("not declared in scopes: {:?}{hint}", name.value),
            known.join(", "),
        );
        return None;
    };
    if catalogue.wildcard() == Some(scope) {
        report.error(
            name.at,
            &name.key,
            format!("{scope} is the wildcard: a route names the one scope that it is about"),
        );
    }
    Some(scope.clone())
}

fn on_outage(fields: &Fields<'_>, report: &mut Report<'_>) -> OnOutage {
    let Some(text) = fields.text("on_outage", "closed, stale(60s), open", report) else {
        return OnOutage::Closed;
    };
    let stale = text
        .value
        .strip_prefix("stale(")
        .and_then(|rest| rest.strip_suffix(')'))
        .and_then(parse_duration);
    match (text.value, stale) {
        ("closed", _) => OnOutage::Closed,
        ("open", _) => OnOutage::Open,
        (_, Some(limit)) => OnOutage::Stale(limit),
        (other, None) => {
            report.refuse(
                text.at,
                &text.key,
                format!("not known: {other:?}"),
                "closed, stale(60s), open",
            );
            OnOutage::Closed
        }
    }
}

/// Bytes: a number, or one with KiB or MiB.
fn body_limit(fields: &Fields<'_>, report: &mut Report<'_>) -> Option<u64> {
    let allowed = "a number of bytes, such as 65536, 64KiB or 4MiB";
    let text = fields.text("body_limit", allowed, report)?;
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("", 1)];
    let found = units.iter().find_map(|(unit, bytes)| {
        let number = text.value.strip_suffix(unit)?.trim_end_matches(' ');
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        number.parse::<u64>().ok()?.checked_mul(*bytes)
    });
    if found.is_none() {
        report.refuse(text.at, &text.key, format!("not a size: {:?}", text.value), allowed);
    }
    found
}

fn forward_as(fields: &Fields<'_>, report: &mut Report<'_>) -> Option<Placed<Vec<Segment>>> {
    let text = fields.text("forward_as", PATH_ALLOWED, report)?;
    match pattern::parse_path(text.value) {
        Ok(value) => Some(Placed {
            value,
            at: text.at,
            key: text.key,
        }),
        Err(problem) => {
            report.refuse(text.at, &text.key, problem, PATH_ALLOWED);
            None
        }
    }
}
