#![expect(clippy::indexing_slicing, clippy::panic, reason = "tests")]

use super::*;

const MAX_HEAD: usize = 16 * 1024;

fn head(lines: &[&str]) -> Vec<u8> {
    let mut bytes = lines.join("\r\n").into_bytes();
    bytes.extend_from_slice(b"\r\n\r\n");
    bytes
}

fn verdict(lines: &[&str]) -> Result<BodyLength, FramingError> {
    let bytes = head(lines);
    let head = Scanner::new(MAX_HEAD).advance(&bytes)?;
    let head = head.unwrap_or_else(|| panic!("no end in {lines:?}"));
    assert_eq!(head.length, bytes.len(), "{lines:?}");
    Ok(head.body)
}

const GET: &str = "GET /a HTTP/1.1";
const POST: &str = "POST /a HTTP/1.1";
const HOST: &str = "Host: a";

#[test]
fn ordinary_requests_pass() {
    let cases: &[(&[&str], BodyLength)] = &[
        (&[GET, HOST], BodyLength::None),
        (&["GET /a?b=c&d=%20 HTTP/1.1", HOST], BodyLength::None),
        (&[POST, HOST, "Content-Length: 5"], BodyLength::Fixed(5)),
        (&[POST, HOST, "content-length:\t5 "], BodyLength::Fixed(5)),
        (&[POST, HOST, "Content-Length: 0"], BodyLength::None),
        (&[POST, HOST, "Transfer-Encoding: Chunked"], BodyLength::Chunked),
        (&["GET /a HTTP/1.0"], BodyLength::None),
        (&[GET, "Host: [::1]:3000", "X-Empty:", "X-Tab: a\tb"], BodyLength::None),
        (&[GET, "Host:"], BodyLength::None),
    ];
    for (lines, body) in cases {
        assert_eq!(verdict(lines), Ok(*body), "{lines:?}");
    }
}

#[test]
fn what_two_parsers_could_read_differently_is_refused() {
    use FramingError::*;
    let cases: &[(&[&str], FramingError)] = &[
        (
            &[POST, HOST, "Content-Length: 5", "Transfer-Encoding: chunked"],
            LengthAndEncoding,
        ),
        (
            &[POST, HOST, "TRANSFER-encoding: chunked", "content-LENGTH: 5"],
            LengthAndEncoding,
        ),
        (
            &[POST, HOST, "Content-Length: 0", "Transfer-Encoding: chunked"],
            LengthAndEncoding,
        ),
        (&[POST, HOST, "Content-Length: 5", "Content-Length: 5"], LengthRepeated),
        (&[POST, HOST, "Content-Length: 5", "content-length: 6"], LengthRepeated),
        (&[POST, HOST, "Content-Length: 5, 5"], LengthMalformed),
        (&[POST, HOST, "Content-Length: +5"], LengthMalformed),
        (&[POST, HOST, "Content-Length: -5"], LengthMalformed),
        (&[POST, HOST, "Content-Length: 0x5"], LengthMalformed),
        (&[POST, HOST, "Content-Length: 5 5"], LengthMalformed),
        (&[POST, HOST, "Content-Length:"], LengthMalformed),
        (&[POST, HOST, "Content-Length: 99999999999999999999"], LengthMalformed),
        (&[POST, HOST, "Content_Length: 5"], Disguised),
        (&[POST, HOST, "TRANSFER_ENCODING: chunked"], Disguised),
        (&[POST, HOST, "Transfer-Encoding: gzip, chunked"], EncodingUnknown),
        (&[POST, HOST, "Transfer-Encoding: chunked, chunked"], EncodingUnknown),
        (&[POST, HOST, "Transfer-Encoding: xchunked"], EncodingUnknown),
        (&[POST, HOST, "Transfer-Encoding: identity"], EncodingUnknown),
        (&[POST, HOST, "Transfer-Encoding: \"chunked\""], EncodingUnknown),
        (&[POST, HOST, "Transfer-Encoding:"], EncodingUnknown),
        (
            &[POST, HOST, "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
            EncodingRepeated,
        ),
        (
            &["POST /a HTTP/1.0", HOST, "Transfer-Encoding: chunked"],
            EncodingInHttp10,
        ),
        (&[POST, HOST, "Transfer-Encoding : chunked"], HeaderName),
        (&[POST, HOST, "Content-Length : 5"], HeaderName),
        (&[GET, HOST, "X-A: b", " folded"], Fold),
        (&[GET, HOST, "X-A: b", "\tfolded"], Fold),
        (&[GET, " Host: a"], Fold),
        (&[GET, HOST, ": nameless"], HeaderName),
        (&[GET, HOST, "no colon"], HeaderLine),
        (&[GET, HOST, "X(A): b"], HeaderName),
        (&[GET, HOST, "X-A: \u{0}"], ControlByte),
        (&[GET, HOST, "X-A: \u{7f}"], ControlByte),
        (&[GET, HOST, "X-A: \u{b}"], ControlByte),
        (&[GET, HOST, "X-A: é"], NonAscii),
        (&[GET, HOST, "X-A: a\rb"], BareCarriageReturn),
        (&[GET, HOST, "X-A: a\nX-B: c"], BareLineFeed),
        (&[GET], HostMissing),
        (&[GET, HOST, HOST], HostRepeated),
        (&[GET, "Host: user@a"], HostMalformed),
        (&[GET, "Host: a/b"], HostMalformed),
        (&[GET, "Host: a b"], HostMalformed),
    ];
    for (lines, error) in cases {
        assert_eq!(verdict(lines), Err(*error), "{lines:?}");
    }
}

#[test]
fn request_lines_are_exact() {
    use FramingError::*;
    let cases = [
        ("GET /a", RequestLine),
        ("GET", RequestLine),
        ("GET  /a HTTP/1.1", RequestLine),
        ("GET /a HTTP/1.1 ", RequestLine),
        ("GET /a b HTTP/1.1", RequestLine),
        (" GET /a HTTP/1.1", Method),
        ("G@T /a HTTP/1.1", Method),
        ("GET /a HTTP/0.9", Version),
        ("GET /a HTTP/2.0", Version),
        ("GET /a http/1.1", Version),
        ("GET /a HTTP/1.11", Version),
        ("CONNECT a:443 HTTP/1.1", Connect),
        ("CONNECT /a HTTP/1.1", Connect),
        ("GET http://a/b HTTP/1.1", TargetForm),
        ("OPTIONS * HTTP/1.1", TargetForm),
        ("GET a HTTP/1.1", TargetForm),
        ("GET /a#b HTTP/1.1", TargetByte),
        ("GET /a\u{0} HTTP/1.1", TargetByte),
        ("GET /a\u{7f} HTTP/1.1", TargetByte),
        ("GET /a\tb HTTP/1.1", TargetByte),
        ("GET /é HTTP/1.1", TargetByte),
        ("GET /a<b HTTP/1.1", TargetByte),
        ("GET /a?b=\"c\" HTTP/1.1", TargetByte),
        ("GET /`a` HTTP/1.1", TargetByte),
    ];
    for (line, error) in cases {
        assert_eq!(verdict(&[line, HOST]), Err(error), "{line:?}");
    }
    let method = format!("{} /a HTTP/1.1", "A".repeat(1024));
    assert_eq!(verdict(&[&method, HOST]), Err(Method));
}

#[test]
fn limits_have_their_own_answers() {
    let target = format!("GET /{} HTTP/1.1", "a".repeat(MAX_TARGET));
    assert_eq!(verdict(&[&target, HOST]).map_err(FramingError::status), Err(414));
    let of = |path: usize, query: usize| format!("GET /{}?{} HTTP/1.1", "a".repeat(path - 1), "a".repeat(query));
    for (target, answer) in [
        (of(MAX_PATH, 0), None),
        (of(MAX_PATH + 1, 0), Some(414)),
        (of(1, MAX_TARGET - 2), None),
        (of(1, MAX_TARGET - 1), Some(414)),
    ] {
        assert_eq!(verdict(&[&target, HOST]).err().map(FramingError::status), answer);
    }
    let mut many = vec![GET, HOST];
    many.extend(std::iter::repeat_n("X-A: b", MAX_FIELDS));
    assert_eq!(verdict(&many).map_err(FramingError::status), Err(431));
}

#[test]
fn scanner_finds_the_same_end_however_the_bytes_are_cut() {
    let whole = head(&[POST, HOST, "Content-Length: 3"]);
    let mut sent = whole.clone();
    sent.extend_from_slice(b"abc");
    for cut in 1..=sent.len() {
        let mut scanner = Scanner::new(MAX_HEAD);
        let first = scanner.advance(&sent[..cut]);
        let end = match first {
            Ok(Some(end)) => Some(end),
            Ok(None) => scanner.advance(&sent).ok().flatten(),
            Err(error) => panic!("{error} at {cut}"),
        };
        let (length, body) = (whole.len(), BodyLength::Fixed(3));
        assert_eq!(end, Some(Head { length, body }), "cut at {cut}");
    }
}

#[test]
fn scanner_gives_up_as_soon_as_no_head_can_come() {
    let verdict = |bytes: &[u8]| Scanner::new(MAX_HEAD).advance(bytes);
    assert_eq!(verdict(b"GET / HTTP/1.1\nHost: a\n\n"), Err(FramingError::BareLineFeed));
    assert_eq!(verdict(b"GET /\r\n"), Err(FramingError::RequestLine));
    assert_eq!(verdict(b"GET / HTTP/1.1\r"), Ok(None));
    assert_eq!(verdict(b"GET / HTTP/1.1\r\r"), Err(FramingError::BareCarriageReturn));
    assert_eq!(
        verdict(b"GET / HTTP/1.1\r\nno colon\r\nX"),
        Err(FramingError::HeaderLine)
    );
    assert_eq!(verdict(b"\x16\x03\x01\x02"), Err(FramingError::Method));
    assert_eq!(verdict(b"PRI * HTTP/2.0\r\n"), Err(FramingError::Version));
    assert_eq!(verdict(&vec![b'a'; MAX_TARGET + 100]), Err(FramingError::TargetTooLong));
    for line in [
        "GET / HTTP/1.0\r\n".to_owned(),
        format!("GET /{} HTTP/1.0\r\n", "a".repeat(4000)),
    ] {
        let mut long = format!("{line}X-A: ").into_bytes();
        long.resize(line.len() + MAX_HEAD + 3, b'a');
        assert_eq!(verdict(&long), Err(FramingError::HeadTooLarge));
        long.resize(line.len() + MAX_HEAD - 2, b'a');
        assert_eq!(verdict(&long), Ok(None));
        long.extend_from_slice(b"\r\n\r\n");
        let length = verdict(&long).map(|head| head.map(|head| head.length));
        assert_eq!(length, Ok(Some(long.len())), "the fields may have that much");
        let end = long.len() - 4;
        long.insert(end, b'a');
        assert_eq!(verdict(&long), Err(FramingError::HeadTooLarge));
    }
}

#[test]
fn whatever_is_wrong_is_wrong_however_the_bytes_are_cut() {
    for lines in [
        &[GET, HOST, "X-A: a\rb"][..],
        &[GET, HOST, "X-A: a\nb"],
        &[POST, HOST, "Content-Length: 5", "Content-Length: 5"],
        &[POST, HOST, "Content-Length: 5", "Transfer-Encoding: chunked"],
        &[GET, HOST, "X-A: b", " folded"],
        &[GET],
    ] {
        let bytes = head(lines);
        let whole = Scanner::new(MAX_HEAD).advance(&bytes);
        assert!(whole.is_err(), "{lines:?}");
        for cut in 0..bytes.len() {
            let mut scanner = Scanner::new(MAX_HEAD);
            let first = scanner.advance(&bytes[..cut]);
            assert_eq!(
                first.and_then(|_| scanner.advance(&bytes)),
                whole,
                "{lines:?} cut at {cut}"
            );
        }
    }
}

#[test]
fn no_bytes_whatsoever_make_it_panic() {
    // A small deterministic generator: every prefix and every one-byte change of a good head.
    let good = head(&[POST, HOST, "Content-Length: 3", "Expect: 100-continue"]);
    for end in 0..good.len() {
        let _ = Scanner::new(MAX_HEAD).advance(&good[..end]);
        for byte in [0u8, b'\r', b'\n', b' ', b':', 0x80, 0xff] {
            let mut changed = good.clone();
            changed[end] = byte;
            let _ = Scanner::new(MAX_HEAD).advance(&changed);
        }
    }
}

#[test]
fn every_way_to_be_bad_is_on_the_list() {
    // A new one does not compile here until it is added, to both.
    let place = |error: FramingError| match error {
        FramingError::HeadTooLarge => 0,
        FramingError::TooManyFields => 1,
        FramingError::TargetTooLong => 2,
        FramingError::BareLineFeed => 3,
        FramingError::BareCarriageReturn => 4,
        FramingError::RequestLine => 5,
        FramingError::Method => 6,
        FramingError::Connect => 7,
        FramingError::Version => 8,
        FramingError::TargetForm => 9,
        FramingError::TargetByte => 10,
        FramingError::HeaderLine => 11,
        FramingError::HeaderName => 12,
        FramingError::Fold => 13,
        FramingError::ControlByte => 14,
        FramingError::NonAscii => 15,
        FramingError::HostMissing => 16,
        FramingError::HostRepeated => 17,
        FramingError::HostMalformed => 18,
        FramingError::LengthRepeated => 19,
        FramingError::LengthMalformed => 20,
        FramingError::LengthAndEncoding => 21,
        FramingError::EncodingRepeated => 22,
        FramingError::EncodingUnknown => 23,
        FramingError::EncodingInHttp10 => 24,
        FramingError::Disguised => 25,
    };
    let places: Vec<usize> = FramingError::ALL.into_iter().map(place).collect();
    assert_eq!(places, (0..FramingError::ALL.len()).collect::<Vec<_>>());
}
