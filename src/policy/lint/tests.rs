#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::overlap::{Overlap, overlap};
use crate::compile;
use crate::path::RouterTwin;
use crate::pattern::parse_path;

fn problems(routes: &[&str]) -> Vec<String> {
    let mut text = "policy: p\nrouter: fiber\nscopes: { s:one: , s:two: , tokens:refresh: }\nroutes:\n".to_owned();
    for route in routes {
        text.push_str(&format!("  - {{ {route} }}\n"));
    }
    let problems = compile("p.yaml", &text).err().unwrap_or_default();
    problems
        .iter()
        .filter(|problem| problem.is_error())
        .map(ToString::to_string)
        .collect()
}

fn assert_refused(routes: &[&str], expected: &str) {
    let problems = problems(routes);
    assert!(
        problems.iter().any(|line| line.contains(expected)),
        "no {expected:?} in\n{}",
        problems.join("\n")
    );
}

#[test]
fn two_patterns_stand_to_each_other_in_one_of_five_ways() {
    for (first, second, expected) in [
        ("/", "/", Overlap::Same),
        ("/a", "/a", Overlap::Same),
        ("/a", "/A", Overlap::Same),
        ("/{x}", "/{y}", Overlap::Same),
        ("/a/{*x}", "/a/{*y}", Overlap::Same),
        ("/a", "/b", Overlap::None),
        ("/a", "/", Overlap::None),
        ("/a", "/a/b", Overlap::None),
        ("/a/b", "/{x}", Overlap::None),
        ("/{*x}", "/", Overlap::None),
        ("/a/{*x}", "/a", Overlap::None),
        ("/a/{*x}", "/b/c", Overlap::None),
        ("/a", "/{x}", Overlap::First),
        ("/a/{x}", "/a/{*x}", Overlap::First),
        ("/a/b/c", "/a/{*x}", Overlap::First),
        ("/{x}/b", "/{x}/{y}", Overlap::First),
        ("/{x}", "/{*y}", Overlap::First),
        ("/a/{*x}", "/{*y}", Overlap::First),
        ("/a/{x}", "/{x}/b", Overlap::Crossing),
        ("/{x}/b", "/a/{*y}", Overlap::Crossing),
        ("/a/{x}/c", "/a/b/{*y}", Overlap::Crossing),
    ] {
        let (first, second) = (parse_path(first).unwrap(), parse_path(second).unwrap());
        let mirrored = match expected {
            Overlap::First => Overlap::Second,
            same @ (Overlap::None | Overlap::Same | Overlap::Second | Overlap::Crossing) => same,
        };
        assert_eq!(
            overlap(RouterTwin::Fiber, &first, &second),
            expected,
            "{first:?} {second:?}"
        );
        assert_eq!(
            overlap(RouterTwin::Fiber, &second, &first),
            mirrored,
            "{second:?} {first:?}"
        );
    }
    let (lower, upper) = (parse_path("/a").unwrap(), parse_path("/A").unwrap());
    assert_eq!(overlap(RouterTwin::Ktor, &lower, &upper), Overlap::None);
}

// SECURITY 85
#[test]
fn routes_that_tie_are_refused_with_both_ids() {
    assert_refused(
        &[
            "id: one, match: [ \"GET /a/{x}\" ], with: none",
            "id: two, match: [ \"GET /A/{y}\" ], with: none",
        ],
        "routes[two].match: two and one tie: GET /A/{y} and GET /a/{x} match the same requests",
    );
    assert_refused(
        &[
            "id: one, match: [ GET /api/a ], with: none",
            "id: two, match: [ GET /a ], prefixes: [ /, /api ], with: none",
        ],
        "two and one tie",
    );
    assert_refused(
        &["id: one, match: [ GET /a, GET /A ], with: none"],
        "GET /A is listed twice",
    );
    assert_refused(
        &[
            "id: one, match: [ GET /a ], with: none",
            "id: one, match: [ GET /b ], with: none",
        ],
        "p.yaml:6:5: routes[one]: two routes have this id: the other is in line 5",
    );
}

#[test]
fn routes_that_cross_are_refused_with_both_ids() {
    assert_refused(
        &[
            "id: one, match: [ \"GET /a/{x}\" ], with: none",
            "id: two, match: [ \"GET /{x}/b\" ], with: none",
        ],
        "routes[two].match: two and one overlap, and neither is more specific: GET /{x}/b and GET /a/{x}",
    );
    assert_eq!(
        problems(&["id: one, match: [ \"GET /a/{x}\", \"GET /{x}/b\" ], with: none"]),
        Vec::<String>::new()
    );
    assert_eq!(
        problems(&[
            "id: one, match: [ \"GET /a/{x}\" ], with: none",
            "id: two, match: [ \"PUT /{x}/b\" ], with: none"
        ]),
        Vec::<String>::new(),
        "of different methods"
    );
}

#[test]
fn a_route_that_shadows_a_stricter_one_is_refused_with_both_ids() {
    let strict = "id: strict, match: [ \"GET /a/{x}\" ], with: [ jwt ], scope: s:one, exact: true";
    for weak in [
        "with: none",
        "action: passthrough",
        "with: [ basic, jwt ], scope: s:one, exact: true",
        "with: [ basic ], scope: s:one, exact: true",
        "with: [ jwt ], scope: none",
        "with: [ jwt ], scope: s:one",
    ] {
        let weak = format!("id: weak, match: [ GET /a/b ], {weak}");
        let expected =
            "routes[weak].match: weak shadows the stricter strict: GET /a/b takes requests away from GET /a/{x}";
        assert_refused(&[strict, &weak], expected);
        assert_refused(&[&weak, strict], expected);
        let meant = format!("{weak}, overrides: [ strict ]");
        assert_eq!(problems(&[strict, &meant]), Vec::<String>::new());
    }
    for as_strict in [
        "with: [ jwt ], scope: s:one, exact: true",
        "with: [ jwt ], scope: s:two",
    ] {
        assert_eq!(
            problems(&[strict, &format!("id: b, match: [ GET /a/b ], {as_strict}")]),
            Vec::<String>::new()
        );
    }
    let public = "id: public, match: [ \"GET /a/{*x}\" ], with: none";
    assert_eq!(
        problems(&[strict, public]),
        Vec::<String>::new(),
        "what loses takes nothing away"
    );
}

#[test]
fn a_route_that_is_never_reached_is_refused() {
    assert_refused(
        &[
            "id: all, match: [ \"GET /a/{*r}\" ], with: none",
            "id: one, match: [ \"GET /a/{x}\" ], with: none",
            "id: more, match: [ \"GET /a/{x}/{*r}\" ], with: none",
        ],
        "routes[all].match: all is never reached by GET /a/{*r}: one and more take all of its requests",
    );
    let deeper = [
        "id: all, match: [ \"GET /a/{*r}\" ], with: none",
        "id: one, match: [ \"GET /a/{x}\", \"GET /a/{x}/{y}\", \"GET /a/{x}/{y}/{*r}\" ], with: none",
    ];
    assert_refused(&deeper, "all is never reached");
    assert_eq!(
        problems(&[
            "id: all, match: [ \"GET /a/{*r}\" ], with: none",
            "id: more, match: [ \"GET /a/{x}/{*r}\" ], with: none",
        ]),
        Vec::<String>::new(),
        "GET /a/b is left"
    );
}

proptest! {
    #[test]
    fn how_two_patterns_stand_is_symmetric(first in "(/[ab]|/[{]x[}]){0,3}(/[{][*]r[}])?", second in "(/[ab]|/[{]x[}]){0,3}(/[{][*]r[}])?") {
        let parse = |text: &str| parse_path(if text.is_empty() { "/" } else { text });
        // Two names alike in one pattern do not parse.
        if let (Ok(first), Ok(second)) = (parse(&first), parse(&second)) {
            let swapped = match overlap(RouterTwin::Strict, &first, &second) {
                Overlap::First => Overlap::Second,
                Overlap::Second => Overlap::First,
                same @ (Overlap::None | Overlap::Same | Overlap::Crossing) => same,
            };
            prop_assert_eq!(overlap(RouterTwin::Strict, &second, &first), swapped);
            prop_assert_eq!(overlap(RouterTwin::Strict, &first, &first), Overlap::Same);
        }
    }
}
