//! Tests of the header parser: SECURITY §2 and the recorded forms of `auth-header.yaml`.

#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn basic(pair: impl AsRef<[u8]>) -> Result<(String, Vec<u8>), CredentialError> {
    let header = format!("Basic {}", STANDARD.encode(pair));
    match parse(Some(header.as_bytes()))? {
        Credential::Basic(login) => Ok((login.user, login.password.expose().to_vec())),
        other @ (Credential::None | Credential::Bearer(_) | Credential::Other) => unreachable!("{other:?}"),
    }
}

fn form(header: &str) -> &'static str {
    match parse(Some(header.as_bytes())) {
        Ok(Credential::None) => "none",
        Ok(Credential::Basic(_)) => "basic",
        Ok(Credential::Bearer(_)) => "bearer",
        Ok(Credential::Other) => "other",
        Err(error) => error.label(),
    }
}

// SECURITY 23
#[test]
fn the_scheme_is_matched_without_case() {
    for scheme in ["Basic", "basic", "BASIC", "bAsIc"] {
        assert_eq!(form(&format!("{scheme} YTpi")), "basic", "{scheme}");
    }
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        assert_eq!(form(&format!("{scheme} a.b.c")), "bearer", "{scheme}");
    }
}

#[test]
fn blanks_around_the_value_do_not_count() {
    assert_eq!(form("Basic   YTpi"), "basic");
    assert_eq!(form("  Basic YTpi  "), "basic");
    let Credential::Bearer(value) = parse(Some(b"Bearer   a.b.c \t")).unwrap() else {
        unreachable!()
    };
    assert_eq!(value, "a.b.c");
}

#[test]
fn what_is_neither_is_other() {
    assert!(matches!(parse(None), Ok(Credential::None)));
    for header in [
        "",
        " ",
        "Basic",
        "Basic ",
        "Bearer",
        "Bearer ",
        "Basi",
        "BasicYTpi",
        "Bearera.b.c",
        "Basic\tYTpi",
        "Basic:YTpi",
        "Digest YTpi",
        "Code abcdef",
        "YTpi",
        "é",
        "Basi\u{e9} YTpi",
    ] {
        assert_eq!(form(header), "other", "{header:?}");
    }
    assert!(matches!(parse(Some(b"\xff\xfe\x00")), Ok(Credential::Other)));
}

#[test]
fn basic_is_base64_of_the_standard_alphabet_with_padding() {
    for value in [
        "!!!!",
        "YWI6Yw",
        "YWI6Yw=",
        "YWI6Yw===",
        "YWI6Yw== x",
        "YW I6Yw==",
        "a.b.c",
        "_-_-",
        "YWI6Yx==",
    ] {
        assert_eq!(form(&format!("Basic {value}")), "basic_not_base64", "{value}");
    }
    assert_eq!(form("Basic YWI6Yw=="), "basic");
}

// SECURITY 26
#[test]
fn the_first_colon_splits() {
    assert_eq!(basic("ab:c"), Ok(("ab".to_owned(), b"c".to_vec())));
    assert_eq!(basic("ab:c:d::"), Ok(("ab".to_owned(), b"c:d::".to_vec())));
    assert_eq!(basic("nocolon"), Err(CredentialError::NoColon));
    assert_eq!(basic(":c"), Err(CredentialError::EmptyUser));
    assert_eq!(basic(":"), Err(CredentialError::EmptyUser));
    assert_eq!(basic("ab:"), Err(CredentialError::EmptyPassword));
}

// SECURITY 27
#[test]
fn names_and_passwords_are_utf_8() {
    assert_eq!(
        basic("jürgen:pässword"),
        Ok(("jürgen".to_owned(), "pässword".as_bytes().to_vec()))
    );
    assert_eq!(basic(b"j\xfcrgen:password"), Err(CredentialError::NotUtf8));
    assert_eq!(basic(b"jurgen:p\xe4ssword"), Err(CredentialError::NotUtf8));
    assert_eq!(form("Bearer \u{fc}"), "bearer");
    assert!(matches!(parse(Some(b"Bearer \xfc")), Err(CredentialError::NotUtf8)));
}

#[test]
fn control_characters_are_refused() {
    for pair in ["a\0:b", "a:b\n", "a\r\nx:b", "a\u{7f}:b", "a:\u{85}"] {
        assert_eq!(basic(pair), Err(CredentialError::Control), "{pair:?}");
    }
    assert_eq!(form("Bearer a\u{1}b"), "credential_control_character");
}

#[test]
fn another_scheme_can_be_asked_for() {
    assert_eq!(value_of(b"code  k7m2pq ", "Code"), Some(&b"k7m2pq"[..]));
    assert_eq!(value_of(b"Basic k7m2pq", "Code"), None);
    assert_eq!(value_of(b"Code ", "Code"), None);
}

#[test]
fn a_password_is_not_shown() {
    let header = format!("Basic {}", STANDARD.encode("user:hunter2"));
    let shown = format!("{:?}", parse(Some(header.as_bytes())));
    assert!(shown.contains("[secret]") && !shown.contains("hunter2"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_parser_panic(header in any::<Vec<u8>>()) {
        let _answer = parse(Some(&header));
    }

    #[test]
    fn no_basic_value_makes_the_parser_panic(decoded in prop::collection::vec(any::<u8>(), 1..60)) {
        if let Ok((user, password)) = basic(&decoded) {
            prop_assert!(!user.is_empty() && !user.contains(':') && !password.is_empty());
            prop_assert_eq!([user.as_bytes(), b":", &password].concat(), decoded);
        }
    }

    #[test]
    fn no_value_of_a_known_scheme_makes_the_parser_panic(scheme in "([Bb]asic|[Bb]earer) {0,2}", value in any::<Vec<u8>>()) {
        let _answer = parse(Some(&[scheme.as_bytes(), &value].concat()));
    }
}
