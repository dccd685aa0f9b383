//! What does the table say? The YAML tree, key by key, as a [`Draft`]. Each value is judged by itself; how the routes
//! stand to each other is `lint.rs`'s business.

mod route;
mod scopes;
mod together;

use gateward_auth::{Accepts, OnOutage, Scope};
use gateward_document::{Fields, Node, Placed, Position, Report};

use crate::cases::{self, Case};
use crate::method::Method;
use crate::path::RouterTwin;
use crate::pattern::{self, PREFIX_ALLOWED, Segment};
use crate::policy::{Catalogue, GatewayRequest, LoginCheck, UserNames};
use crate::route::{Action, UpstreamCredential};
use crate::statuses::statuses;

/// A table as read. Where something could not be read the report says so, and a harmless value stands here.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) twin: RouterTwin,
    pub(crate) upstream_prefix: Vec<Segment>,
    pub(crate) user_names: UserNames,
    pub(crate) login_check: Option<LoginCheck>,
    pub(crate) refresh_exchange: Option<GatewayRequest>,
    pub(crate) catalogue: Catalogue,
    pub(crate) protected: Vec<Vec<Segment>>,
    pub(crate) routes: Vec<RouteDraft>,
    /// Nothing when the table has no `tests`.
    pub(crate) cases: Option<Vec<Case>>,
    /// Where the table starts.
    pub(crate) at: Position,
}

/// One entry of `routes`.
#[derive(Debug)]
pub(crate) struct RouteDraft {
    pub(crate) id: String,
    pub(crate) at: Position,
    /// `routes[id]`, for diagnostics.
    pub(crate) key: String,
    pub(crate) patterns: Vec<Placed<Pattern>>,
    pub(crate) accepts: Option<Accepts>,
    /// Whether `with` was written, be it as `none`.
    pub(crate) says_with: bool,
    pub(crate) scope: Option<Scope>,
    /// Whether `scope` was written, be it as `none`.
    pub(crate) says_scope: bool,
    pub(crate) exact: bool,
    pub(crate) action: Action,
    pub(crate) on_outage: OnOutage,
    pub(crate) credential: Option<UpstreamCredential>,
    pub(crate) timeout: Option<std::time::Duration>,
    pub(crate) body_limit: Option<u64>,
    pub(crate) streaming: bool,
    pub(crate) password_change: bool,
    /// Where clients find this route.
    pub(crate) prefixes: Vec<Vec<Segment>>,
    pub(crate) upstream_prefix: Vec<Segment>,
    pub(crate) forward_as: Option<Placed<Vec<Segment>>>,
    pub(crate) overrides: Vec<Placed<String>>,
}

/// One `METHOD /path`.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    pub(crate) text: String,
    pub(crate) method: Method,
    pub(crate) segments: Vec<Segment>,
}

const TOP: [&str; 12] = [
    "policy",
    "router",
    "prefixes",
    "upstream_prefix",
    "protected",
    "user_names",
    "credential",
    "login_check",
    "refresh_exchange",
    "scopes",
    "routes",
    "tests",
];
const TWINS: [(&str, RouterTwin); 3] = [
    ("fiber", RouterTwin::Fiber),
    ("ktor", RouterTwin::Ktor),
    ("strict", RouterTwin::Strict),
];
const USER_NAMES: [(&str, UserNames); 2] = [("upper", UserNames::Upper), ("as_written", UserNames::AsWritten)];
const CREDENTIALS: [(&str, UpstreamCredential); 4] = [
    ("mint", UpstreamCredential::Mint),
    ("basic", UpstreamCredential::Basic),
    ("passthrough", UpstreamCredential::Passthrough),
    ("header", UpstreamCredential::Header),
];
/// What the reference protects.
const USER_API: &str = "/3rdparty/v1";
const ID_ALLOWED: &str = "1 to 64 letters, digits, . _ -, starting with a letter";

/// The whole table, or nothing if there is none.
pub(crate) fn table(root: &Node, report: &mut Report<'_>) -> Option<Draft> {
    let top = Fields::open(root, "", &TOP, report)?;
    let name = name(&top, report);
    let twin = top
        .required("router", "fiber, ktor, strict", report)
        .and_then(|_| top.word("router", &TWINS, report));
    let prefixes = prefixes(&top, report).unwrap_or_else(|| vec![Vec::new()]);
    let upstream_prefix = one_prefix(&top, "upstream_prefix", report).unwrap_or_default();
    let catalogue = scopes::catalogue(&top, report);
    let defaults = Defaults {
        prefixes: &prefixes,
        upstream_prefix: &upstream_prefix,
        credential: top.word("credential", &CREDENTIALS, report),
    };
    let routes = route::routes(&top, &defaults, &catalogue, report);
    Some(Draft {
        name,
        twin: twin.unwrap_or(RouterTwin::Strict),
        user_names: top
            .word("user_names", &USER_NAMES, report)
            .unwrap_or(UserNames::AsWritten),
        login_check: login_check(&top, &upstream_prefix, report),
        refresh_exchange: gateway_request(&top, "refresh_exchange", &upstream_prefix, report),
        protected: protected(&top, twin, &prefixes, report),
        cases: top.get("tests").map(|node| cases::read(node, report)),
        at: root.position,
        upstream_prefix,
        catalogue,
        routes,
    })
}

/// What the table says for all routes.
struct Defaults<'d> {
    prefixes: &'d [Vec<Segment>],
    upstream_prefix: &'d [Segment],
    credential: Option<UpstreamCredential>,
}

fn name(top: &Fields<'_>, report: &mut Report<'_>) -> String {
    top.required("policy", ID_ALLOWED, report);
    let Some(name) = top.text("policy", ID_ALLOWED, report) else {
        return String::new();
    };
    if !is_id(name.value) {
        report.refuse(name.at, &name.key, format!("not a name: {:?}", name.value), ID_ALLOWED);
    }
    name.value.to_owned()
}

/// Ids become metric labels and log words.
fn is_id(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

fn prefixes(fields: &Fields<'_>, report: &mut Report<'_>) -> Option<Vec<Vec<Segment>>> {
    let node = fields.get("prefixes")?;
    let texts = fields.texts("prefixes", PREFIX_ALLOWED, report);
    let mut found: Vec<Vec<Segment>> = Vec::new();
    for text in &texts {
        match pattern::parse_prefix(text.value) {
            Ok(prefix) if found.contains(&prefix) => {
                report.error(text.at, &text.key, format!("listed twice: {:?}", text.value))
            }
            Ok(prefix) => found.push(prefix),
            Err(problem) => report.refuse(text.at, &text.key, problem, PREFIX_ALLOWED),
        }
    }
    if node.as_list().is_some_and(<[Node]>::is_empty) {
        report.refuse(
            node.position,
            &fields.key("prefixes"),
            "empty: no client would find anything",
            PREFIX_ALLOWED,
        );
    }
    Some(found)
}

fn one_prefix(fields: &Fields<'_>, name: &str, report: &mut Report<'_>) -> Option<Vec<Segment>> {
    let text = fields.text(name, PREFIX_ALLOWED, report)?;
    pattern::parse_prefix(text.value)
        .map_err(|problem| report.refuse(text.at, &text.key, problem, PREFIX_ALLOWED))
        .ok()
}

/// The protected prefixes as clients see them: under each of the policy's prefixes. Where the table does not say, a fiber
/// gateway is taken for the reference, whose user API asks who one is before it looks for a path.
fn protected(
    top: &Fields<'_>,
    twin: Option<RouterTwin>,
    prefixes: &[Vec<Segment>],
    report: &mut Report<'_>,
) -> Vec<Vec<Segment>> {
    let mut tails = Vec::new();
    for text in top.texts("protected", PREFIX_ALLOWED, report) {
        match pattern::parse_prefix(text.value) {
            Ok(tail) => tails.push(tail),
            Err(problem) => report.refuse(text.at, &text.key, problem, PREFIX_ALLOWED),
        }
    }
    if top.get("protected").is_none() && twin == Some(RouterTwin::Fiber) {
        tails.extend(pattern::parse_prefix(USER_API));
    }
    let under = |tail: &Vec<Segment>| {
        prefixes
            .iter()
            .map(|prefix| [prefix, tail.as_slice()].concat())
            .collect::<Vec<_>>()
    };
    tails.iter().flat_map(under).collect()
}

/// `GET /path` in the gateway's tree, as the gateway sees it.
fn gateway_request(
    fields: &Fields<'_>,
    name: &str,
    upstream_prefix: &[Segment],
    report: &mut Report<'_>,
) -> Option<GatewayRequest> {
    let text = fields.text(name, "METHOD /path", report)?;
    let parsed = pattern::parse_request(text.value)
        .and_then(|(method, path)| Ok((method, pattern::parse_prefix(path)?)))
        .map_err(|problem| report.refuse(text.at, &text.key, problem, "METHOD /path"));
    let (method, path) = parsed.ok()?;
    let path = pattern::spell(&[upstream_prefix, &path].concat());
    Some(GatewayRequest {
        method,
        path: if path.is_empty() { "/".to_owned() } else { path },
    })
}

fn login_check(top: &Fields<'_>, upstream_prefix: &[Segment], report: &mut Report<'_>) -> Option<LoginCheck> {
    let node = top.get("login_check")?;
    let fields = Fields::open(node, "login_check", &["request", "good", "bad"], report)?;
    fields.required("request", "GET /path", report);
    let (good, bad) = (statuses(&fields, "good", report), statuses(&fields, "bad", report));
    if let Some(both) = good.iter().find(|status| bad.contains(status)) {
        report.error(
            node.position,
            "login_check",
            format!("{both} cannot be both good and bad"),
        );
    }
    let request = gateway_request(&fields, "request", upstream_prefix, report)?;
    if !matches!(request.method, Method::Get | Method::Head) {
        report.refuse(
            node.position,
            "login_check.request",
            "a question must not change anything",
            "GET /path, HEAD /path",
        );
    }
    Some(LoginCheck {
        method: request.method,
        path: request.path,
        good,
        bad,
    })
}
