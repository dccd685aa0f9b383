#![expect(clippy::unwrap_used, reason = "tests")]

use crate::compile;

fn problems(tests: &str) -> Vec<String> {
    let text = format!(
        "policy: p\nrouter: fiber\nscopes: {{ a:read: }}\nroutes:\n\
         \x20 - {{ id: a, match: [ GET /a, GET /b ], with: [ jwt ], scope: a:read, on_outage: stale(60s) }}\n\
         \x20 - {{ id: c, match: [ GET /c ], with: none, forward_as: /d }}\ntests:\n{tests}"
    );
    let problems = match compile("p.yaml", &text) {
        Ok(compiled) => compiled.warnings,
        Err(problems) => problems,
    };
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_test_that_fails_is_an_error_with_its_line() {
    let found = problems(
        "  - { request: GET /a, as: { jwt: [ a:read ] }, expect: allow }\n\
         \x20 - { request: GET /a, as: { jwt: [ ] }, expect: allow }\n\
         \x20 - { request: GET /a, as: none, expect: 403 }\n\
         \x20 - { request: GET /c, as: none, expect: 404 }\n\
         \x20 - { request: GET /c, as: none, expect: allow, route: a }\n\
         \x20 - { request: GET /c, as: none, expect: allow, forwards: /c }\n\
         \x20 - { request: GET //c, as: none, expect: allow }\n",
    );
    assert_eq!(
        found,
        [
            "p.yaml:9:5: tests[#2]: GET /a as jwt []: expected allow, got 403 (scope_missing, route a)",
            "p.yaml:10:5: tests[#3]: GET /a as none: expected 403, got 401 (no_credential, route a)",
            "p.yaml:11:5: tests[#4]: GET /c as none: expected 404, got allow (public, route c)",
            "p.yaml:12:5: tests[#5]: GET /c as none: expected route \"a\", got \"c\"",
            "p.yaml:13:5: tests[#6]: GET /c as none: expected \"/c\" to be forwarded, got \"/d\"",
            "p.yaml:14:5: tests[#7]: GET //c as none: expected allow, got 400 (path_empty_segment)",
        ]
    );
}

#[test]
fn a_test_that_cannot_be_read_is_an_error_with_what_is_allowed() {
    let found = problems(
        "  - { request: GET, as: none, expect: allow }\n\
         \x20 - { request: GET /a, as: root, expect: allow }\n\
         \x20 - { request: GET /a, as: { jwtt: [ ] }, expect: allow }\n\
         \x20 - { request: GET /a, as: { }, expect: allow }\n\
         \x20 - { request: GET /a, as: none, expect: deny }\n\
         \x20 - { request: GET /a, as: none, expect: 1000 }\n\
         \x20 - { as: none }\n\
         \x20 - GET /a\n\
         \x20 - { request: GET /a, as: none, expect: 401, outage: long }\n",
    );
    for want in [
        "tests[#1].request: not a request: \"GET\" (allowed: METHOD /path as a client sends it)",
        "tests[#2].as: not a caller: \"root\" (allowed: none, basic, refresh, { jwt: [ a scope, … ] })",
        "tests[#3].as.jwtt: unknown key: is jwt meant?",
        "tests[#4].as: not a caller: a mapping",
        "tests[#5].expect: not a status: \"deny\"",
        "tests[#6].expect: not a status: \"1000\"",
        "tests[#7].request: missing",
        "tests[#7].expect: missing",
        "tests[#8]: a mapping is needed, this is a string",
        "tests[#9].outage: not a duration: \"long\"",
    ] {
        assert!(
            found.iter().any(|line| line.contains(want)),
            "no {want:?} in\n{}",
            found.join("\n")
        );
    }
}

#[test]
fn a_route_that_no_test_reaches_is_a_warning() {
    let found = problems("  - { request: GET /b, as: none, expect: 401 }\n");
    assert_eq!(found, ["p.yaml:1:1: warning: tests: no test reaches c"]);
}

#[test]
fn tests_know_refresh_tokens_and_outages() {
    let found = problems(
        "  - { request: GET /a, as: refresh, expect: 403 }\n\
         \x20 - { request: GET /a, as: { jwt: [ a:read ] }, outage: 60s, expect: allow }\n\
         \x20 - { request: GET /a, as: { jwt: [ a:read ] }, outage: 61s, expect: 503 }\n\
         \x20 - { request: GET /a, as: basic, expect: 401 }\n\
         \x20 - { request: GET /c?x=//, as: none, expect: allow }\n",
    );
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn tests_must_be_a_list() {
    let text = "policy: p\nrouter: fiber\nroutes:\n  - { id: a, match: [ GET /a ], with: none }\ntests: all\n";
    let problems = compile("p.yaml", text).unwrap_err();
    let expected = "p.yaml:5:8: tests: a list is needed, this is a string (allowed: a list of tests)";
    assert!(
        problems.iter().any(|problem| problem.to_string() == expected),
        "{problems:?}"
    );
}
