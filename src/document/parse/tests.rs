#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use super::*;

fn read(text: &str) -> Node {
    parse("t.yaml", text).unwrap_or_else(|problem| panic!("{problem}"))
}

fn refused(text: &str) -> String {
    match parse("t.yaml", text) {
        Ok(node) => panic!("accepted: {node:?}"),
        Err(problem) => problem.to_string(),
    }
}

fn at(line: u32, column: u32) -> Position {
    Position { line, column }
}

#[test]
fn keys_and_values_know_their_places() {
    let root =
        read("# head\nlisten: 127.0.0.1:3000\ntokens:\n  ttl: \"15m\"\n  list: [ a,\n    b ]\n  deep:\n    - x: 1\n");
    assert_eq!(root.position, at(2, 1));
    let tokens = root.entry("tokens").unwrap();
    assert_eq!((tokens.key_position, tokens.value.position), (at(3, 1), at(4, 3)));
    let ttl = tokens.value.entry("ttl").unwrap();
    assert_eq!((ttl.key_position, ttl.value.position), (at(4, 3), at(4, 8)));
    let list = &tokens.value.entry("list").unwrap().value;
    assert_eq!(list.position, at(5, 9));
    let places: Vec<Position> = list.as_list().unwrap().iter().map(|item| item.position).collect();
    assert_eq!(places, [at(5, 11), at(6, 5)]);
    let deep = &tokens.value.entry("deep").unwrap().value;
    assert_eq!(deep.position, at(8, 5));
    assert_eq!(deep.as_list().unwrap()[0].position, at(8, 7));
}

#[test]
fn columns_count_characters_not_bytes() {
    assert_eq!(read("ключ: значение\n").entry("ключ").unwrap().value.position, at(1, 7));
}

#[test]
fn a_missing_value_is_placed_at_its_key() {
    let root = read("a:\nb: ~\n\n\nc: 1\n");
    assert_eq!(
        root.entry("a").unwrap().value,
        Node {
            value: Value::Null,
            position: at(1, 1)
        }
    );
    assert!(root.entry("b").unwrap().value.is_null());
}

#[test]
fn plain_scalars_are_resolved_and_quoted_ones_are_strings() {
    let root = read("a: 08\nb: '08'\nc: on\nd: true\ne: \"true\"\nf: 1.10\ng: |\n  12\nh: !!str 12\ni: 15m\n");
    let value = |key: &str| root.entry(key).unwrap().value.value.clone();
    let string = |text: &str| Value::String(text.to_owned());
    assert_eq!(value("a"), Value::Number("08".to_owned()));
    assert_eq!(value("b"), string("08"));
    assert_eq!(value("c"), string("on"));
    assert_eq!(value("d"), Value::Bool(true));
    assert_eq!(value("e"), string("true"));
    assert_eq!(value("f"), Value::Number("1.10".to_owned()));
    assert_eq!(value("g"), string("12\n"));
    assert_eq!(value("h"), string("12"));
    assert_eq!(value("i"), string("15m"));
    assert_eq!(root.entry("a").unwrap().value.scalar_text(), Some("08"));
}

#[test]
fn nothing_at_all_is_null() {
    for text in ["", "\n", "# only a comment\n", "---\n", "---\n...\n", "\u{feff}"] {
        assert!(read(text).is_null(), "{text:?}");
    }
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_are_fine() {
    let root = read("\u{feff}a: 1\r\nb:\r\n  c: x\r\n");
    assert_eq!(
        root.entry("b").unwrap().value.entry("c").unwrap().value.as_str(),
        Some("x")
    );
}

#[test]
fn a_duplicate_key_is_refused_with_both_lines() {
    assert_eq!(
        refused("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n"),
        "t.yaml:5:3: c: written twice, first in line 3"
    );
    assert_eq!(
        refused("{a: 1, \"a\": 2}"),
        "t.yaml:1:8: a: written twice, first in line 1"
    );
}

#[test]
fn the_same_key_in_two_mappings_is_fine() {
    assert_eq!(read("- a: 1\n- a: 2\n").as_list().unwrap().len(), 2);
}

#[test]
fn keys_that_are_not_strings_are_refused() {
    assert_eq!(
        refused("200: ok\n"),
        "t.yaml:1:1: 200: a key must be a string: put it in quotes"
    );
    assert_eq!(
        refused("true: ok\n"),
        "t.yaml:1:1: true: a key must be a string: put it in quotes"
    );
    assert_eq!(refused("? [a]\n: b\n"), "t.yaml:1:3: a key must be a plain string");
    assert_eq!(
        refused("~: b\n"),
        "t.yaml:1:1: ~: a key must be a string: put it in quotes"
    );
    assert_eq!(read("'200': ok\non: 1\n").as_map().unwrap().len(), 2);
}

#[test]
fn merge_keys_tags_and_second_documents_are_refused() {
    assert!(refused("a: &a {x: 1}\nb:\n  <<: *a\n").starts_with("t.yaml:3:3: merge keys are not supported"));
    assert_eq!(refused("a: !env X\n"), "t.yaml:1:9: the tag !env is not supported");
    assert!(refused("a: !!binary aGk=\n").contains("is not supported"));
    assert!(refused("a: !x [1]\n").contains("the tag !x is not supported"));
    assert_eq!(
        refused("a: 1\n---\nb: 2\n"),
        "t.yaml:2:1: a second document: only one is read"
    );
}

#[test]
fn no_problem_of_an_unseen_text_shows_a_word_of_it() {
    for (text, told) in [
        ("a: !hunter2\n", "t.yaml:1:12: a tag (a word after !) is not supported"),
        ("hunter2: 1\nhunter2: 2\n", "t.yaml:2:1: written twice, first in line 1"),
        (
            "a: { 1x: b, 42: c }\n",
            "t.yaml:1:13: a key must be a string: put it in quotes",
        ),
        ("a: *hunter2\n", ""),
        ("a: 'hunter2\n", ""),
        ("a: \"\\hunter2\"\n", ""),
        ("a: %hunter2\n", ""),
        ("a: hunter2: b\n", ""),
        ("{ a: hunter2\n", ""),
    ] {
        let problem = parse_unseen("t.yaml", text).unwrap_err().to_string();
        assert!(
            problem.starts_with(told) && !problem.contains("hunter2"),
            "{text}: {problem}"
        );
    }
    assert_eq!(parse_unseen("t.yaml", "a: 1\n").unwrap(), read("a: 1\n"));
}

#[test]
fn syntax_errors_are_one_line_with_a_place() {
    for (text, line) in [
        ("a: [1, 2\nb: 3\n", 2),
        ("a: b: c\n", 1),
        ("a:\n\t- b\n", 2),
        ("a: 'x\n", 2),
        ("a: *nowhere\n", 1),
        ("a: \"\\q\"\n", 1),
        ("- a\nb: c\n", 2),
        ("a: @b\n", 1),
    ] {
        let problem = parse("t.yaml", text).unwrap_err();
        assert!(problem.message.starts_with("not valid yaml: "), "{text:?} {problem}");
        assert!(!problem.to_string().contains('\n'), "{problem}");
        assert_eq!(problem.position.unwrap().line, line, "{text:?} {problem}");
    }
}

#[test]
fn an_alias_repeats_a_value_at_its_own_place() {
    let root = read("a: &x [1, 2]\nb: *x\n");
    let copy = &root.entry("b").unwrap().value;
    assert_eq!(copy.position, at(2, 4));
    assert_eq!(copy.as_list().unwrap().len(), 2);
}

#[test]
fn an_alias_inside_its_own_value_is_refused() {
    assert_eq!(
        refused("a: &x [ *x ]\n"),
        "t.yaml:1:9: an alias must follow the value that it repeats"
    );
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    assert!(refused(&text).contains("anchors and aliases copy more than 10000 values"));
}

#[test]
fn nested_anchors_around_a_large_value_are_refused() {
    let text = format!("{}[{}]{}", "&a [".repeat(40), "x,".repeat(2_000), "]".repeat(40));
    assert!(refused(&text).contains("anchors and aliases copy more than 10000 values"));
}

#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let fits = format!("{}x{}", open.repeat(MAX_DEPTH), close.repeat(MAX_DEPTH));
        read(&fits);
        let deeper = format!("{}x{}", open.repeat(MAX_DEPTH + 1), close.repeat(MAX_DEPTH + 1));
        assert!(refused(&deeper).contains("nested deeper than 64 levels"));
        refused(&open.repeat(100_000));
    }
    refused(&"- ".repeat(100_000));
}

#[test]
fn a_huge_text_is_refused() {
    assert!(refused(&" ".repeat(MAX_BYTES + 1)).contains("longer than 16 MiB"));
}

#[test]
fn a_hundred_thousand_keys_are_read() {
    let mut text = String::new();
    for number in 0..100_000 {
        text += &format!("key{number}: {number}\n");
    }
    assert_eq!(read(&text).as_map().unwrap().len(), 100_000);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "[-a1 :,\\[\\]{}\"'&*!|>#%@\n\t?~\u{e9}]{0,60}") {
        let _ = parse("t.yaml", &text);
    }

    #[test]
    fn every_problem_has_a_place_and_one_line(text in ".{0,80}") {
        if let Err(problem) = parse("t.yaml", &text) {
            proptest::prop_assert!(problem.position.is_some());
            proptest::prop_assert!(!problem.message.contains('\n'));
        }
    }
}
