#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

fn respelled(raw: &str) -> Result<String, PathError> {
    normalise(raw.as_bytes()).map(Cow::into_owned)
}

#[test]
fn ordinary_paths_stay_as_they_are() {
    for path in [
        "/",
        "/a",
        "/a/",
        "/.well-known/api-catalog",
        "/api/3rdparty/v1/messages/aBc-_.~9",
        "/a/!$&'()*+,=:@",
        "/a/...",
        "/a/.b",
        "/a/a%20b%26%C3%A9%3F",
        "/a/100%25",
        "/a/%2B+",
        "/a/x%3By",
        "/a/%23",
    ] {
        assert_eq!(respelled(path).as_deref(), Ok(path));
    }
}

#[test]
fn there_is_one_spelling() {
    for (raw, want) in [
        ("/%61%2d%2D%5f%7e%41", "/a--_~A"),
        ("/a%2eb", "/a.b"),
        ("/%c3%a9", "/%C3%A9"),
        ("/%2b", "/%2B"),
        ("/a[0]{x}|^`\"<>", "/a%5B0%5D%7Bx%7D%7C%5E%60%22%3C%3E"),
        ("/50%2520", "/50%2520"),
    ] {
        assert_eq!(respelled(raw).as_deref(), Ok(want), "{raw}");
    }
}

// SECURITY 45 to 51
#[test]
fn what_two_readers_could_understand_differently_is_refused() {
    for (raw, error) in [
        ("", PathError::NotAbsolute),
        ("*", PathError::NotAbsolute),
        ("a/b", PathError::NotAbsolute),
        ("http://host/a", PathError::NotAbsolute),
        ("%2fa", PathError::NotAbsolute),
        ("//", PathError::EmptySegment),
        ("//a", PathError::EmptySegment),
        ("/a//", PathError::EmptySegment),
        ("/a//b", PathError::EmptySegment),
        ("/a%41//", PathError::EmptySegment),
        ("/.", PathError::DotSegment),
        ("/..", PathError::DotSegment),
        ("/a/./b", PathError::DotSegment),
        ("/a/../b", PathError::DotSegment),
        ("/a/..", PathError::DotSegment),
        ("/a/../", PathError::DotSegment),
        ("/a/%2e%2e/b", PathError::DotSegment),
        ("/a/%2E./b", PathError::DotSegment),
        ("/a/%2e", PathError::DotSegment),
        ("/a/..%3Bx/b", PathError::DotSegment),
        ("/a/%252e%252e/b", PathError::DoubleEncoding),
        ("/a/.%252e/b", PathError::DoubleEncoding),
        ("/a%2fb", PathError::EncodedSlash),
        ("/a%2Fb", PathError::EncodedSlash),
        ("/a%252fb", PathError::DoubleEncoding),
        ("/a%25%32%66b", PathError::DoubleEncoding),
        ("/a%25252fb", PathError::DoubleEncoding),
        ("/a\\b", PathError::Backslash),
        ("/a%5cb", PathError::Backslash),
        ("/a%255cb", PathError::DoubleEncoding),
        ("/a%00", PathError::Control),
        ("/a%0d%0ab", PathError::Control),
        ("/a%7f", PathError::Control),
        ("/a%c2%85", PathError::Control),
        ("/a%2500", PathError::DoubleEncoding),
        ("/a\tb", PathError::Control),
        ("/a b", PathError::Control),
        ("/a\u{7f}", PathError::Control),
        ("/\u{e9}", PathError::NonAscii),
        ("/%zz", PathError::BadEscape),
        ("/%", PathError::BadEscape),
        ("/a%4", PathError::BadEscape),
        ("/a%4/1", PathError::BadEscape),
        ("/a%%41", PathError::BadEscape),
        ("/%+1", PathError::BadEscape),
        ("/a;b", PathError::Parameters),
        ("/;", PathError::Parameters),
        ("/a#b", PathError::Fragment),
        ("/a?b", PathError::Fragment),
        ("/%ff", PathError::NotUtf8),
        ("/%c0%af", PathError::NotUtf8),
        ("/%e9", PathError::NotUtf8),
        ("/%ed%a0%80", PathError::NotUtf8),
    ] {
        assert_eq!(respelled(raw), Err(error), "{raw}");
    }
}

#[test]
fn a_percent_sign_may_be_data_but_not_a_third_level() {
    assert!(respelled("/100%25").is_ok());
    assert!(respelled("/%2525").is_ok(), "the text %25, as data");
    assert_eq!(respelled("/%252525"), Err(PathError::DoubleEncoding));
    let nested = format!("/%{}", "25".repeat(4000));
    assert_eq!(respelled(&nested), Err(PathError::DoubleEncoding), "and quickly");
}

#[test]
fn every_label_is_its_own() {
    let all = [
        PathError::NotAbsolute,
        PathError::DotSegment,
        PathError::EmptySegment,
        PathError::EncodedSlash,
        PathError::Backslash,
        PathError::Control,
        PathError::NonAscii,
        PathError::BadEscape,
        PathError::DoubleEncoding,
        PathError::Parameters,
        PathError::Fragment,
        PathError::NotUtf8,
    ];
    let labels: std::collections::HashSet<_> = all.iter().map(|error| error.label()).collect();
    assert_eq!(labels.len(), all.len());
}

/// Pieces that attacks are made of.
fn nasty() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "/", "a", "B", ".", "..", "%2e", "%2E", "%2f", "%5c", "\\", "%25", "25", "2f", "2e", "5c", "00", "%00", ";",
        "%3b", "%3f", "%23", "%", "%c3%a9", "%ff", "é", "+", "%2b", " ", "{", "%7B", "\u{1}", "41", "%41",
    ]);
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn decoded_once_more(path: &[u8]) -> Vec<u8> {
    decode_again(path).unwrap_or_else(|| path.to_vec())
}

fn structure(path: &[u8]) -> (usize, bool) {
    let bad = path.split(|byte| *byte == b'/').any(is_dots) || path.iter().any(|byte| *byte < 32 || *byte == b'\\');
    (path.iter().filter(|byte| **byte == b'/').count(), bad)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn normalising_twice_changes_nothing(raw in nasty()) {
        if let Ok(once) = respelled(&raw) {
            prop_assert_eq!(respelled(&once), Ok(once));
        }
    }

    #[test]
    fn what_passes_has_the_same_structure_however_often_it_is_decoded(raw in nasty()) {
        if let Ok(path) = respelled(&raw) {
            let (slashes, bad) = structure(path.as_bytes());
            prop_assert!(!bad);
            let mut bytes = path.into_bytes();
            for _ in 0..4 {
                bytes = decoded_once_more(&bytes);
                prop_assert_eq!(structure(&bytes), (slashes, false));
            }
        }
    }

    #[test]
    fn a_respelled_path_means_what_the_raw_one_means(raw in nasty()) {
        if let Ok(path) = respelled(&raw) {
            prop_assert_eq!(decoded_once_more(path.as_bytes()), decoded_once_more(raw.as_bytes()));
            prop_assert!(path.bytes().all(|byte| byte == b'/' || byte == b'%' || kind(byte) == Kind::Plain));
        }
    }

    #[test]
    fn any_bytes_get_an_answer(raw in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = normalise(&raw);
        let mut absolute = raw;
        absolute.insert(0, b'/');
        let _ = normalise(&absolute);
    }
}

#[test]
fn decoding_gives_the_text_back() {
    assert_eq!(decode("a%20b%C3%A9"), "a bé");
    assert_eq!(decode("plain"), "plain");
    assert_eq!(std::str::from_utf8(&decoded_once_more(b"%41")).unwrap(), "A");
}

#[test]
fn every_way_to_be_bad_is_on_the_list() {
    // A new one does not compile here until it is added, to both.
    let place = |error: PathError| match error {
        PathError::NotAbsolute => 0,
        PathError::DotSegment => 1,
        PathError::EmptySegment => 2,
        PathError::EncodedSlash => 3,
        PathError::Backslash => 4,
        PathError::Control => 5,
        PathError::NonAscii => 6,
        PathError::BadEscape => 7,
        PathError::DoubleEncoding => 8,
        PathError::Parameters => 9,
        PathError::Fragment => 10,
        PathError::NotUtf8 => 11,
    };
    let places: Vec<usize> = PathError::ALL.into_iter().map(place).collect();
    assert_eq!(places, (0..PathError::ALL.len()).collect::<Vec<_>>());
}
