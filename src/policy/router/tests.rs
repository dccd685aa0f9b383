#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::path::PathError;
use crate::pattern::{parse_path, parse_prefix};
use crate::{Policy, compile};

fn smsgate() -> Policy {
    compile("smsgate.yaml", crate::SMSGATE).unwrap().policy
}

fn policy(router: &str, routes: &[&str]) -> Policy {
    let mut text = format!("policy: p\nrouter: {router}\nprotected: [ /v1 ]\nroutes:\n");
    for (place, route) in routes.iter().enumerate() {
        text.push_str(&format!("  - {{ id: r{place}, match: [ \"{route}\" ], with: none }}\n"));
    }
    compile("p.yaml", &text)
        .unwrap_or_else(|problems| panic!("{problems:?}"))
        .policy
}

/// `r0 /path`, `protected`, `open`, or the error's label.
fn told(policy: &Policy, method: &str, path: &str) -> String {
    match policy.resolve(method, path.as_bytes()) {
        Resolution::Route { route, path } => format!("{} {path}", route.id),
        Resolution::Unmatched {
            area: Area::Protected, ..
        } => "protected".to_owned(),
        Resolution::Unmatched { area: Area::Open, .. } => "open".to_owned(),
        Resolution::Ambiguous { error, .. } => error.label().to_owned(),
    }
}

#[test]
fn a_literal_beats_a_name_and_a_name_beats_a_rest() {
    let policy = policy(
        "strict",
        &["GET /a/b", "GET /a/{x}", "GET /a/{*y}", "POST /a/{x}", "GET /a/b/c/{z}"],
    );
    assert_eq!(told(&policy, "GET", "/a/b"), "r0 /a/b");
    assert_eq!(told(&policy, "GET", "/a/c"), "r1 /a/c");
    assert_eq!(
        told(&policy, "GET", "/a/b/d"),
        "r2 /a/b/d",
        "back from a literal that leads nowhere"
    );
    assert_eq!(told(&policy, "GET", "/a/c/d/e"), "r2 /a/c/d/e");
    assert_eq!(
        told(&policy, "POST", "/a/b"),
        "r3 /a/b",
        "back from a literal without that method"
    );
    assert_eq!(told(&policy, "GET", "/a/b/c/d"), "r4 /a/b/c/d");
    assert_eq!(told(&policy, "GET", "/a"), "open");
}

#[test]
fn fiber_folds_case_ignores_a_last_slash_and_answers_head() {
    let policy = policy("fiber", &["GET /A/{x}", "POST /b"]);
    for path in ["/a/Xy", "/A/Xy", "/a/Xy/", "/%41/Xy", "/%61/Xy/"] {
        assert_eq!(told(&policy, "GET", path), "r0 /A/Xy", "{path}");
        assert_eq!(told(&policy, "HEAD", path), "r0 /A/Xy", "{path}");
    }
    assert_eq!(told(&policy, "HEAD", "/b"), "open", "there is no GET");
    assert_eq!(told(&policy, "GET", "/V1/"), "protected");
}

#[test]
fn ktor_and_strict_tell_case_and_a_last_slash_apart() {
    for router in ["ktor", "strict"] {
        let policy = policy(router, &["GET /a/{x}", "GET /d/{*file}", "GET /"]);
        assert_eq!(told(&policy, "GET", "/a/X"), "r0 /a/X");
        assert_eq!(told(&policy, "GET", "/%61/X"), "r0 /a/X");
        assert_eq!(told(&policy, "GET", "/A/X"), "open");
        assert_eq!(told(&policy, "GET", "/a/X/"), "open");
        assert_eq!(told(&policy, "GET", "/a/"), "open", "a name is never empty");
        assert_eq!(told(&policy, "HEAD", "/a/X"), "open");
        assert_eq!(told(&policy, "GET", "/d/x/"), "r1 /d/x/");
        assert_eq!(told(&policy, "GET", "/d/"), "open", "a rest is never empty");
        assert_eq!(told(&policy, "GET", "/"), "r2 /");
        assert_eq!(told(&policy, "GET", "/V1"), "open");
        assert_eq!(told(&policy, "GET", "/v1/"), "protected");
    }
}

#[test]
fn methods_are_case_sensitive_tokens() {
    let policy = policy("fiber", &["GET /a"]);
    let long = "A".repeat(1024);
    for method in [
        "get", "GeT", "", "TRACE", "CONNECT", "PROPFIND", "OPTIONS", "GET ", &long,
    ] {
        assert_eq!(told(&policy, method, "/a"), "open", "{method}");
    }
    assert_eq!(told(&policy, "get", "/v1"), "protected");
    assert_eq!(told(&policy, "get", "/a//b"), PathError::EmptySegment.label());
}

#[test]
fn segments_are_never_matched_in_part() {
    let policy = policy("fiber", &["GET /health"]);
    for path in [
        "/healthz",
        "/health.json",
        "/healthM",
        "/health%3Fx",
        "/health%23",
        "/v10",
        "/v",
    ] {
        assert_eq!(told(&policy, "GET", path), "open", "{path}");
    }
}

#[test]
fn an_encoded_question_mark_is_data() {
    let policy = smsgate();
    let Resolution::Route { route, path } = policy.resolve("GET", b"/3rdparty/v1/message/a%20b%26%c3%a9%3F") else {
        panic!("no route");
    };
    assert_eq!(route.id.as_str(), "messages.read");
    assert_eq!(path.as_str(), "/api/3rdparty/v1/message/a%20b%26%C3%A9%3F");
    assert_eq!(path.param("id").unwrap(), "a bé?".replace("bé", "b&é"));
    assert_eq!(path.param("nope"), None);
    assert!(path.is_user_api());
}

#[test]
fn names_are_found_in_the_forwarded_path() {
    let text = "policy: p\nrouter: fiber\nprefixes: [ /c ]\nupstream_prefix: /g/h\nroutes:\n\
                \x20 - { id: r, with: none, match: \"GET /x/{a}/{b}/{*c}\", forward_as: \"/{b}/y/{a}/{*c}\" }\n";
    let policy = compile("p.yaml", text).unwrap().policy;
    let Resolution::Route { path, .. } = policy.resolve("GET", b"/C/X/1/%32/3/%34/") else {
        panic!("no route")
    };
    assert_eq!(path.as_str(), "/g/h/2/y/1/3/4");
    let params: Vec<_> = path.params().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(params, ["b=2", "a=1", "c=3/4"]);
}

#[test]
fn the_user_api_is_what_is_below_a_protected_prefix() {
    let policy = smsgate();
    for (path, user_api) in [
        ("/api/3rdparty/v1", true),
        ("/3rdparty/v1/", true),
        ("/API/3rdparty/V1/nope", true),
        ("/api/3rdparty/v1/health", true),
        ("/api/%33rdparty/v1/x", true),
        ("/health", false),
        ("/api/3rdparty", false),
        ("/api/api/3rdparty/v1", false),
        ("/api/mobile/v1/device", false),
        ("//3rdparty/v1", false),
        ("/api/3rdparty/v1/a/../b", true),
        ("/3RDPARTY/v1//", true),
        ("/3rdparty/v1/%zz", true),
        ("/health/../3rdparty/v1", false),
        ("/api/3rdparty/../v1", false),
        ("3rdparty/v1", false),
        ("", false),
    ] {
        assert_eq!(policy.resolve("GET", path.as_bytes()).is_user_api(), user_api, "{path}");
    }
}

// SECURITY 58
#[test]
fn a_path_of_ten_thousand_segments_takes_linear_time() {
    let policy = policy("fiber", &["GET /a/{b}/{c}/{d}/x", "GET /a/{b}/{c}/y", "GET /a/{*rest}"]);
    for path in [
        "/a".repeat(10_000),
        "/%61".repeat(10_000),
        format!("{}/x", "/a".repeat(10_000)),
    ] {
        let started = Instant::now();
        let Resolution::Route { route, path: forwarded } = policy.resolve("GET", path.as_bytes()) else {
            panic!("no route");
        };
        assert_eq!(
            (route.id.as_str(), forwarded.as_str().len()),
            ("r2", path.replace("%61", "a").len())
        );
        assert!(started.elapsed() < Duration::from_secs(1));
    }
    assert_eq!(told(&policy, "GET", &"/b".repeat(10_000)), "open");
    assert_eq!(told(&policy, "POST", &format!("/{}", "b".repeat(5_000))), "open");
}

/// Few different pieces, so that patterns and paths meet.
fn segment() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["a", "b", "A", "c"])
}

fn pattern() -> impl Strategy<Value = String> {
    let piece = prop_oneof![3 => segment().prop_map(str::to_owned), 2 => Just("{}".to_owned())];
    let rest = prop_oneof![3 => Just(false), 1 => Just(true)];
    (prop::collection::vec(piece, 0..4), rest).prop_map(|(pieces, rest)| {
        let mut text = String::new();
        for (place, piece) in pieces.iter().enumerate() {
            text.push('/');
            text.push_str(&piece.replace("{}", &format!("{{n{place}}}")));
        }
        if rest {
            text.push_str("/{*rest}");
        }
        if text.is_empty() { "/".to_owned() } else { text }
    })
}

fn path_text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec!["a", "b", "A", "c", "%61", "%41", "d", "a%20", "%63"]);
    let ending = prop::sample::select(vec!["", "", "/"]);
    (prop::collection::vec(piece, 0..6), ending).prop_map(|(pieces, ending)| {
        let text: String = pieces.iter().map(|piece| format!("/{piece}")).collect();
        if text.is_empty() { "/".to_owned() } else { text + ending }
    })
}

fn method() -> impl Strategy<Value = Method> {
    prop::sample::select(vec![Method::Get, Method::Head, Method::Post])
}

fn twin() -> impl Strategy<Value = RouterTwin> {
    prop::sample::select(vec![RouterTwin::Fiber, RouterTwin::Ktor, RouterTwin::Strict])
}

/// Says of one pattern whether it matches and how specific it is, without a trie.
fn naive(twin: RouterTwin, pattern: &[Segment], segments: &[&str], trailing_slash: bool) -> Option<Vec<u8>> {
    let mut ranks = Vec::new();
    let mut have = segments.iter();
    for wanted in pattern {
        ranks.push(wanted.rank());
        match (wanted, have.next()) {
            (_, None) => return None,
            (Segment::Rest(_), Some(_)) => return Some(ranks),
            (Segment::Name(_), Some(_)) => {}
            (Segment::Literal(literal), Some(segment)) => {
                let same = if twin == RouterTwin::Fiber {
                    literal.to_lowercase() == segment.to_lowercase()
                } else {
                    **literal == **segment
                };
                if !same {
                    return None;
                }
            }
        }
    }
    (have.next().is_none() && !(trailing_slash && twin != RouterTwin::Fiber)).then_some(ranks)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn the_router_equals_a_naive_matcher(
        twin in twin(),
        patterns in prop::collection::vec((method(), pattern()), 1..10),
        asked in method(),
        path in path_text(),
    ) {
        let leaves: Vec<Leaf> = patterns.iter().enumerate().map(|(route, (method, pattern))| {
            let segments = parse_path(pattern).unwrap();
            Leaf { route, method: *method, client: segments.clone(), upstream: segments }
        }).collect();
        let router = Router::new(twin, &leaves, vec![parse_prefix("/a/b").unwrap()]);

        let text = path::normalise(path.as_bytes()).unwrap().into_owned();
        let bare = text.strip_suffix('/').unwrap_or(&text);
        let segments: Vec<&str> = bare.split('/').skip(1).collect();
        let trailing_slash = text.len() > 1 && text.ends_with('/');
        let looked_up = if asked == Method::Head && twin == RouterTwin::Fiber { Method::Get } else { asked };
        let mut best: Option<(Vec<u8>, usize)> = None;
        for leaf in leaves.iter().filter(|leaf| leaf.method == looked_up) {
            if let Some(ranks) = naive(twin, &leaf.client, &segments, trailing_slash)
                && best.as_ref().is_none_or(|(known, _)| ranks > *known)
            {
                best = Some((ranks, leaf.route));
            }
        }

        let request = Request::new(&text, twin);
        let found = router.find(0, 0, looked_up, &request);
        prop_assert_eq!(found.map(|end| end.route), best.map(|(_, route)| route));
        if let Some(end) = found {
            let forwarded = end.forwarded(&request).text;
            let again = Request::new(&forwarded, twin);
            prop_assert_eq!(router.find(0, 0, looked_up, &again).map(|end| end.route), Some(end.route));
            prop_assert_eq!(path::normalise(forwarded.as_bytes()).map(|text| text.into_owned()), Ok(forwarded.clone()));
        }
        prop_assert_eq!(router.is_protected(&request), segments.len() >= 2 && naive(twin, &parse_path("/a/b").unwrap(), segments.get(..2).unwrap(), false).is_some());
    }
}

#[test]
fn what_is_forwarded_resolves_to_itself() {
    let policy = smsgate();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(2048));
    let pieces = prop::sample::select(vec![
        "api",
        "API",
        "3rdparty",
        "3RDparty",
        "v1",
        "messages",
        "message",
        "Devices",
        "auth",
        "token",
        "refresh",
        "inbox",
        "export",
        "mobile",
        "health",
        "live",
        "docs",
        "x%20y",
        "%41b",
        "A",
        ".well-known",
        "api-catalog",
        "device",
    ]);
    let method = prop::sample::select(vec!["GET", "POST", "DELETE", "PATCH", "HEAD"]);
    let strategy = (method, prop::collection::vec(pieces, 1..6));
    runner
        .run(&strategy, |(method, pieces)| {
            let path = format!("/{}", pieces.join("/"));
            if let Resolution::Route { route, path } = policy.resolve(method, path.as_bytes()) {
                let again = policy.resolve(method, path.as_str().as_bytes());
                let Resolution::Route {
                    route: second,
                    path: same,
                } = again
                else {
                    return Err(TestCaseError::fail(format!(
                        "{path} is not itself a path of {}",
                        route.id
                    )));
                };
                prop_assert_eq!(same.as_str(), path.as_str());
                prop_assert_eq!(&second.id, &route.id);
            }
            Ok(())
        })
        .unwrap();
}

proptest! {
    #[test]
    fn any_bytes_get_an_answer(method in ".{0,8}", raw in prop::collection::vec(any::<u8>(), 0..128)) {
        thread_local!(static POLICY: Policy = smsgate());
        POLICY.with(|policy| {
            let _ = policy.resolve(&method, &raw);
            let mut absolute = b"/api/3rdparty/v1/messages/".to_vec();
            absolute.extend(raw);
            let _ = policy.resolve("GET", &absolute);
        });
    }
}
