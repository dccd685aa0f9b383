#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

#[test]
fn a_pattern_is_literals_names_and_a_last_rest() {
    assert_eq!(parse_path("/").unwrap(), Vec::new());
    assert_eq!(
        parse_path("/v1/.well-known/{id}/{*rest}").unwrap(),
        [
            Segment::Literal("v1".into()),
            Segment::Literal(".well-known".into()),
            Segment::Name("id".into()),
            Segment::Rest("rest".into()),
        ]
    );
    assert_eq!(spell(&parse_path("/a/{id}/{*rest}").unwrap()), "/a/{id}/{*rest}");
}

#[test]
fn what_could_be_spelled_in_two_ways_is_no_literal() {
    for bad in [
        "",
        "a",
        "//",
        "/a/",
        "/a//b",
        "/.",
        "/..",
        "/a b",
        "/a%20b",
        "/a:b",
        "/a+b",
        "/é",
        "/a*",
        "/{}",
        "/{*}",
        "/{a",
        "/a}",
        "/x{a}",
        "/{a-b}",
        "/{*a}/b",
        "/{a}/{a}",
        "/{a}/{*a}",
        "/a?b",
        "/a;b",
    ] {
        assert!(parse_path(bad).is_err(), "{bad}");
    }
    assert!(parse_path(&"/a".repeat(16)).is_ok());
    assert!(parse_path(&"/a".repeat(17)).is_err());
}

#[test]
fn a_prefix_has_no_names() {
    assert_eq!(parse_prefix("/").unwrap(), Vec::new());
    assert_eq!(parse_prefix("/api").unwrap().len(), 1);
    assert!(parse_prefix("/{tenant}").is_err());
    assert!(parse_prefix("/api/").is_err());
}

#[test]
fn a_request_is_a_method_and_a_path() {
    assert_eq!(parse_request("GET /a").unwrap(), (Method::Get, "/a"));
    assert_eq!(parse_request("PATCH   /a").unwrap(), (Method::Patch, "/a"));
    for bad in ["", "GET", "get /a", "TRACE /a", "CONNECT /a", "/a GET"] {
        assert!(parse_request(bad).is_err(), "{bad}");
    }
}
