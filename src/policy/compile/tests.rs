#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use crate::{Area, Resolution};

/// Every problem of a text as it is printed.
fn lines(text: &str) -> Vec<String> {
    let problems = match compile("p.yaml", text) {
        Ok(compiled) => compiled.warnings,
        Err(problems) => problems,
    };
    problems.iter().map(ToString::to_string).collect()
}

/// A table with these routes (and whatever other keys) that is right as far as they are.
fn table(more: &str) -> String {
    format!(
        "policy: p\nrouter: fiber\nlogin_check: {{ request: GET /me, good: [200], bad: [401] }}\n\
         scopes: {{ all:any: {{ wildcard: true }}, a:read: Read, a:write: Write, tokens:refresh: }}\n{more}"
    )
}

const GOOD: &str = "routes:\n  - { id: me, match: [ GET /me ], with: [ basic, jwt ], scope: a:read }\n\
                    tests:\n  - { request: GET /me, as: basic, expect: allow }\n";

fn assert_says(text: &str, expected: &[&str]) {
    let lines = lines(text);
    for want in expected {
        assert!(
            lines.iter().any(|line| line.contains(want)),
            "no {want:?} in\n{}\nof\n{text}",
            lines.join("\n")
        );
    }
}

fn assert_refused(text: &str, expected: &[&str]) {
    assert!(compile("p.yaml", text).is_err(), "accepted:\n{text}");
    assert_says(text, expected);
}

fn assert_warned(text: &str, expected: &[&str]) {
    assert!(compile("p.yaml", text).is_ok(), "refused: {}", lines(text).join("\n"));
    assert_says(text, expected);
}

#[test]
fn the_shipped_policies_compile_without_a_warning() {
    for (file, text) in [
        ("smsgate.yaml", crate::SMSGATE),
        ("smsgate-local.yaml", crate::SMSGATE_LOCAL),
    ] {
        assert!(compile(file, text).is_ok(), "{file}: {}", lines(text).join("\n"));
        assert_eq!(lines(text), Vec::<String>::new(), "{file}");
    }
}

#[test]
fn a_good_table_has_no_problems() {
    assert_eq!(lines(&table(GOOD)), Vec::<String>::new());
}

// SECURITY 86
#[test]
fn an_empty_policy_is_refused() {
    for text in [
        "",
        "# nothing\n",
        "[]",
        "policy",
        "policy: p\nrouter: fiber\nroutes: []\n",
        "policy: p\nrouter: fiber\n",
    ] {
        assert!(compile("p.yaml", text).is_err(), "{text:?}");
    }
    assert_refused("policy: p\nrouter: fiber\nroutes: []\n", &["p.yaml:3:9: routes: empty"]);
    assert_refused("policy: p\nrouter: fiber\n", &["p.yaml:1:1: routes: missing"]);
    assert_refused("a: [", &["p.yaml:"]);
}

#[test]
fn every_problem_is_reported_at_once_with_its_place_and_what_is_allowed() {
    let text = "policy: P p\nrooter: fiber\nrouter: express\nprefixes: [ api ]\nuser_names: lower\nroutes:\n\
                \x20 - id: a\n    match: [ FETCH /x, \"GET /x/\" ]\n    with: [ cookie ]\n    scope: x:y\n    on_outage: maybe\n\
                \x20 - match: GET /y\n    timeout: soon\n    body_limit: big\n    exact: 7\n";
    assert_refused(
        text,
        &[
            "p.yaml:1:9: policy: not a name: \"P p\" (allowed: 1 to 64 letters",
            "p.yaml:2:1: rooter: unknown key: is router meant? (allowed: policy, router,",
            "p.yaml:3:9: router: not known: \"express\" (allowed: fiber, ktor, strict)",
            "p.yaml:4:13: prefixes: does not start with a slash: \"api\"",
            "p.yaml:5:13: user_names: not known: \"lower\" (allowed: upper, as_written)",
            "p.yaml:8:14: routes[a].match: not a method: \"FETCH\"",
            "p.yaml:8:24: routes[a].match: has an empty segment or a slash at its end: \"/x/\"",
            "p.yaml:9:13: routes[a].with: not a kind of credential: \"cookie\" (allowed: a list of basic and jwt, or none)",
            "p.yaml:10:12: routes[a].scope: not declared in scopes: \"x:y\"",
            "p.yaml:11:16: routes[a].on_outage: not known: \"maybe\" (allowed: closed, stale(60s), open)",
            "p.yaml:12:5: routes[#2].id: missing",
            "p.yaml:13:14: routes[#2].timeout: not a duration: \"soon\"",
            "p.yaml:14:17: routes[#2].body_limit: not a size: \"big\"",
            "p.yaml:15:12: routes[#2].exact: a boolean is needed, this is a number",
        ],
    );
    let places: Vec<_> = compile("p.yaml", text)
        .unwrap_err()
        .iter()
        .map(|problem| problem.position)
        .collect();
    assert!(places.is_sorted(), "in the order of the text");
}

// SECURITY 85
#[test]
fn a_typo_in_a_scope_is_refused() {
    let text = table("routes:\n  - { id: me, match: [ GET /me ], with: [ jwt ], scope: a:raed }\n");
    assert_refused(
        &text,
        &["routes[me].scope: not declared in scopes: \"a:raed\": is a:read meant? (allowed: all:any, a:read"],
    );
}

#[test]
fn the_catalogue_is_checked() {
    let routes = "routes:\n  - { id: me, match: [ GET /me ], with: [ jwt ], scope: all:any }\n";
    assert_refused(&table(routes), &["routes[me].scope: all:any is the wildcard"]);
    let text = format!(
        "policy: p\nrouter: fiber\nscopes:\n  a: {{ wildcard: true }}\n  b: {{ wildcard: true }}\n  C d: x\n  e: [ ]\n  f: {{ wildcard: true, system: true, tite: x }}\n{GOOD}"
    );
    assert_refused(
        &text,
        &[
            "p.yaml:5:3: scopes.b: a second wildcard: a is one already",
            "p.yaml:6:3: scopes.C d: not the name of a scope",
            "p.yaml:7:6: scopes.e: not a text",
            "scopes.f: a wildcard that nobody may hold",
            "scopes.f.tite: unknown key: is title meant?",
        ],
    );
    assert_refused(
        &format!("policy: p\nrouter: fiber\nscopes: []\n{GOOD}"),
        &["scopes: a mapping is needed"],
    );
}

#[test]
fn what_may_be_granted_is_declared_and_not_the_systems() {
    let policy = compile("smsgate.yaml", crate::SMSGATE).unwrap().policy;
    let catalogue = policy.catalogue();
    assert!(catalogue.contains("tokens:refresh") && !catalogue.grantable("tokens:refresh"));
    for scope in ["all:any", "inbox:read", "devices:write", "messages:send"] {
        assert!(catalogue.grantable(scope), "{scope}");
    }
    for scope in ["", "ALL:ANY", "messages", "nope"] {
        assert!(!catalogue.contains(scope) && !catalogue.grantable(scope), "{scope}");
    }
    assert_eq!(catalogue.wildcard().unwrap().as_str(), "all:any");
    assert_eq!(catalogue.iter().count(), 20);
    let text = table(&GOOD.replace("scope: a:read", "scope: a:write"));
    let policy = compile("p.yaml", &text).unwrap().policy;
    assert!(
        !policy.catalogue().grantable("tokens:refresh"),
        "whether or not it says system"
    );
}

#[test]
fn keys_of_a_route_that_contradict_each_other_are_refused() {
    for (route, expected) in [
        (
            "match: [ GET /a ], scope: a:read",
            "routes[x].scope: a scope is asked of nobody",
        ),
        (
            "match: [ GET /a ], with: [ jwt ], exact: true",
            "routes[x].exact: there is no scope to be exact about",
        ),
        (
            "match: [ GET /a ], with: [ jwt ], scope: none, exact: true",
            "routes[x].exact: there is no scope",
        ),
        (
            "match: [ GET /a ], action: passthrough, with: [ jwt ]",
            "routes[x].with: the gateway checks the credential",
        ),
        (
            "match: [ GET /a ], action: passthrough, scope: a:read",
            "routes[x].scope: the gateway checks",
        ),
        (
            "match: [ GET /a ], action: passthrough, credential: basic",
            "routes[x].credential: the gateway checks",
        ),
        (
            "match: [ GET /a ], action: passthrough, on_outage: open",
            "routes[x].on_outage: the gateway checks",
        ),
        (
            "match: [ GET /a ], with: none, credential: mint",
            "routes[x].credential: nobody is asked for a credential, so none of ours is sent (allowed: passthrough)",
        ),
        (
            "match: [ POST /a ], action: token_issue",
            "routes[x].scope: a token endpoint needs with and a scope",
        ),
        (
            "match: [ POST /a ], action: token_issue, with: [ jwt ], scope: none",
            "routes[x].scope: a token endpoint needs",
        ),
        (
            "match: [ POST /a ], action: token_issue, with: [ jwt ], scope: a:read, timeout: 1s",
            "routes[x].timeout: a token endpoint is answered here",
        ),
        (
            "match: [ POST /a ], action: token_refresh, with: [ jwt ], scope: tokens:refresh",
            "routes[x].scope: refreshing needs the scope tokens:refresh, exact",
        ),
        (
            "match: [ POST /a ], action: token_refresh, with: [ jwt ], scope: a:read, exact: true",
            "routes[x].scope: refreshing needs the scope tokens:refresh, exact",
        ),
        (
            "match: [ POST /a ], action: token_refresh, with: [ basic ], scope: tokens:refresh, exact: true",
            "routes[x].with: a refresh token is a jwt",
        ),
        (
            "match: [ GET /a ], with: [ jwt ], scope: tokens:refresh",
            "routes[x].scope: tokens:refresh is what refresh tokens hold",
        ),
        (
            "match: [ \"DELETE /a/{id}\" ], action: token_revoke, with: [ jwt ], scope: a:write",
            "routes[x].match: \"DELETE /a/{id}\" has no {jti}",
        ),
        (
            "match: [ \"GET /a/{id}\" ], with: [ jwt ], scope: a:read, forward_as: \"/a/{other}\"",
            "routes[x].forward_as: its names are not those of \"GET /a/{id}\"",
        ),
        ("match: [ ], with: none", "routes[x].match: empty"),
        (
            "match: [ HEAD /a ], with: none",
            "\"HEAD /a\": fiber answers HEAD wherever it answers GET",
        ),
        (
            "match: [ GET /a ], with: none, overrides: [ nope ]",
            "routes[x].overrides: no other route has this id: \"nope\"",
        ),
        (
            "match: [ GET /a ], with: none, prefixes: [ ]",
            "routes[x].prefixes: empty",
        ),
        (
            "match: [ GET /a ], with: none, prefixes: [ /b, /b ]",
            "routes[x].prefixes: listed twice",
        ),
        (
            "match: [ GET /a ], with: none, prefixes: [ \"/{b}\" ]",
            "routes[x].prefixes: a prefix has no names",
        ),
        (
            "match: [ [ GET /a ] ], with: none",
            "routes[x].match: a text is needed, this is a list",
        ),
    ] {
        assert_refused(&table(&format!("routes:\n  - {{ id: x, {route} }}\n")), &[expected]);
    }
}

#[test]
fn the_login_check_is_a_question_with_two_answers() {
    for (check, expected) in [
        (
            "{ request: POST /a, good: [200], bad: [401] }",
            "login_check.request: a question must not change anything",
        ),
        (
            "{ request: GET a, good: [200], bad: [401] }",
            "login_check.request: does not start with a slash",
        ),
        (
            "{ request: \"GET /{a}\", good: [200], bad: [401] }",
            "login_check.request: a prefix has no names",
        ),
        ("{ good: [200], bad: [401] }", "login_check.request: missing"),
        (
            "{ request: GET /a, good: [200], bad: [200] }",
            "login_check: 200 cannot be both good and bad",
        ),
        ("{ request: GET /a, good: [ ], bad: [401] }", "login_check.good: empty"),
        ("{ request: GET /a, good: [200] }", "login_check.bad: missing"),
        (
            "{ request: GET /a, good: [2000], bad: [0o1] }",
            "login_check.good: not a status: \"2000\" (allowed: 100 to 599)",
        ),
    ] {
        assert_refused(
            &format!("policy: p\nrouter: fiber\nlogin_check: {check}\nscopes: {{ a:read: }}\n{GOOD}"),
            &[expected],
        );
    }
}

#[test]
fn what_a_reviewer_should_look_at_is_a_warning() {
    for (routes, expected) in [
        (
            "{ id: x, match: [ POST /a ], with: none }",
            "routes[x].with: x is a public write route",
        ),
        (
            "{ id: x, match: [ POST /a ] }",
            "routes[x].with: x is a public write route",
        ),
        (
            "{ id: x, match: [ GET /a ] }",
            "routes[x].with: x is public: say with: none if it should be",
        ),
        (
            "{ id: x, match: [ GET /a ], with: [ jwt ] }",
            "routes[x].scope: x needs no scope: say scope: none",
        ),
        (
            "{ id: x, match: [ PUT /a ], with: [ jwt ], scope: a:write, on_outage: open }",
            "routes[x].on_outage: x writes with tokens that may be revoked",
        ),
        (
            "{ id: x, match: [ GET /a ], with: none, on_outage: open }",
            "routes[x].on_outage: has no effect",
        ),
        (
            "{ id: x, match: [ GET /b/a ], with: none, prefixes: [ /b ] }",
            "\"GET /b/a\" starts with /b, which is put before it",
        ),
    ] {
        assert_warned(
            &table(&format!("routes:\n  - {routes}\n")),
            &[expected, "tests: missing"],
        );
    }
    assert_warned(
        &table("routes:\n  - { id: x, match: [ GET /a ], with: none }\ntests: []\n"),
        &["tests: empty"],
    );
    let unchecked = format!("policy: p\nrouter: fiber\nscopes: {{ a:read: }}\n{GOOD}");
    assert_warned(
        &unchecked,
        &["p.yaml:1:1: warning: login_check: missing although routes accept basic"],
    );
}

#[test]
fn a_route_keeps_what_the_table_says() {
    let text = table(
        "upstream_prefix: /g\ncredential: header\nrefresh_exchange: POST /t/r\nroutes:\n\
         \x20 - { id: x, match: [ \"GET /a/{id}\", POST /b ], with: [ jwt ], scope: a:read, exact: true, \
         on_outage: stale(90s), timeout: 1m, body_limit: 64KiB, stream: true, password_change: true }\n\
         \x20 - { id: y, match: GET /c, with: none }\n\
         \x20 - { id: z, match: GET /d, action: passthrough }\n\
         \x20 - { id: w, match: GET /e, with: [ basic ], scope: none, credential: basic, body_limit: 7 }\n",
    );
    let policy = compile("p.yaml", &text).unwrap().policy;
    let [x, y, z, w] = policy.routes() else {
        panic!("four routes")
    };
    assert_eq!((x.id.as_str(), x.id.index(), w.id.index()), ("x", 0, 3));
    assert_eq!(x.patterns, ["GET /a/{id}", "POST /b"]);
    assert_eq!(x.on_outage, OnOutage::Stale(std::time::Duration::from_secs(90)));
    assert_eq!(x.timeout, Some(std::time::Duration::from_secs(60)));
    assert_eq!((x.body_limit, w.body_limit, y.body_limit), (Some(65536), Some(7), None));
    assert!(x.streaming && x.password_change && !y.streaming);
    let needs = x.requirement.as_ref().unwrap();
    assert!(needs.accepts.jwt && !needs.accepts.basic);
    assert!(
        matches!(&needs.need, Need::Scope { scope, exact: true, wildcard: Some(any) } if scope.as_str() == "a:read" && any.as_str() == "all:any")
    );
    assert_eq!(x.credential, Some(crate::UpstreamCredential::Header));
    assert_eq!(
        (y.credential, z.credential),
        (None, None),
        "the policy's credential is not spent on nobody"
    );
    assert_eq!(w.credential, Some(crate::UpstreamCredential::Basic));
    assert_eq!(w.requirement.as_ref().unwrap().need, Need::Nothing);
    assert!(y.requirement.is_none() && z.requirement.is_none());
    assert_eq!(z.action, crate::Action::Passthrough);
    let check = policy.login_check().unwrap();
    assert_eq!(
        (check.method, check.path.as_str(), &*check.good, &*check.bad),
        (crate::Method::Get, "/g/me", &[200][..], &[401][..])
    );
    assert_eq!(policy.refresh_exchange().unwrap().path, "/g/t/r");
    assert_eq!(policy.upstream_prefix(), "/g");
    assert_eq!(
        (
            policy.protected().requirement.accepts.basic,
            policy.protected().requirement.accepts.jwt
        ),
        (true, true)
    );
}

#[test]
fn a_table_may_be_as_short_as_this() {
    let text = "policy: smsgate\nrouter: fiber\nprefixes: [ /api, / ]\nupstream_prefix: /api\nuser_names: upper\n\
                login_check: { request: GET /3rdparty/v1/settings, good: [200], bad: [401] }\n\
                scopes:\n  all:any: { wildcard: true }\n  messages:send: Send messages\nroutes:\n\
                \x20 - id: messages.send\n    match: [ POST /3rdparty/v1/messages, POST /3rdparty/v1/message ]\n\
                \x20   with: [ basic, jwt ]\n    scope: messages:send\n    action: forward\n    on_outage: closed\n\
                \x20 - id: mobile.events\n    match: [ GET /mobile/v1/events ]\n    action: passthrough\ntests:\n\
                \x20 - { request: POST /api/3rdparty/v1/messages, as: { jwt: [ messages:send ] }, expect: allow }\n\
                \x20 - { request: POST /api/3rdparty/v1/messages, as: { jwt: [ messages:read ] }, expect: 403 }\n\
                \x20 - { request: POST /api/3rdparty/v1/messages, as: none, expect: 401 }\n";
    assert_warned(text, &["no test reaches mobile.events"]);
    assert_eq!(lines(text).len(), 1);
}

#[test]
fn the_user_api_of_a_fiber_gateway_is_protected_unless_the_table_says_otherwise() {
    for (router, protected, area) in [
        ("fiber", "", Area::Protected),
        ("fiber", "protected: [ ]\n", Area::Open),
        ("fiber", "protected: [ /other ]\n", Area::Open),
        ("strict", "", Area::Open),
        ("strict", "protected: [ /3rdparty/v1 ]\n", Area::Protected),
    ] {
        let text = format!(
            "policy: p\nrouter: {router}\nprefixes: [ /api, / ]\n{protected}routes:\n\
             \x20 - {{ id: a, match: GET /mobile/v1/events, action: passthrough }}\n"
        );
        let policy = compile("p.yaml", &text).unwrap().policy;
        for path in ["/api/3rdparty/v1/nope", "/3rdparty/v1"] {
            match policy.resolve("GET", path.as_bytes()) {
                Resolution::Unmatched { area: found, .. } => assert_eq!(found, area, "{router} {protected} {path}"),
                Resolution::Route { .. } | Resolution::Ambiguous { .. } => panic!("{path} is no route"),
            }
        }
    }
}

#[test]
fn the_hash_is_that_of_the_text() {
    let hash = |text: &str| compile("p.yaml", text).unwrap().policy.hash().to_owned();
    let (one, other) = (table(GOOD), format!("{}\n# changed\n", table(GOOD)));
    assert_eq!(hash(&one), hash(&one));
    assert_ne!(hash(&one), hash(&other));
    assert!(hash(&one).len() == 12 && hash(&one).bytes().all(|byte| byte.is_ascii_hexdigit()));
}

#[test]
fn names_are_the_same_in_capitals_and_without_last_spaces() {
    use crate::UserNames;
    for (name, upper) in [
        ("abc123", "ABC123"),
        ("ABC123", "ABC123"),
        ("a-_B  ", "A-_B"),
        ("é", "É"),
        ("", ""),
    ] {
        assert_eq!(UserNames::Upper.canonical(name), upper);
        assert_eq!(UserNames::Upper.canonical(&UserNames::Upper.canonical(name)), upper);
        assert_eq!(UserNames::AsWritten.canonical(name), name);
    }
}

proptest::proptest! {
    #[test]
    fn any_text_gets_an_answer(text in "[ a-z:{}\\[\\]\\n-]{0,200}") {
        let _ = compile("p.yaml", &text);
        let _ = compile("p.yaml", &table(&format!("routes:\n  - {text}")));
    }
}
