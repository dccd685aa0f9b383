#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "tests")]

use proptest::collection::vec;
use proptest::prelude::{any, prop_assert_eq, proptest};
use proptest::sample::Index;

use super::*;

fn end_of(body: &[u8]) -> Result<Option<usize>, Malformed> {
    Chunks::default().advance(body)
}

#[test]
fn a_body_ends_with_its_last_empty_line() {
    for body in [
        "0\r\n\r\n",
        "000\r\n\r\n",
        "2\r\n{}\r\n0\r\n\r\n",
        "a\r\n0123456789\r\nA\r\n0123456789\r\n00000000000001\r\n\n\r\n0\r\n\r\n",
        "2\r\n\r\n\r\n0\r\n\r\n",
        "1;name=\"a value\";other\r\nx\r\n0;last\r\n\r\n",
        "0\r\nX-A: b\r\nX-Empty:\r\nX-Tab:\ta\r\n\r\n",
    ] {
        assert_eq!(end_of(body.as_bytes()), Ok(Some(body.len())), "{body:?}");
        let with_next = format!("{body}GET / HTTP/1.1\r\n\r\n");
        assert_eq!(end_of(with_next.as_bytes()), Ok(Some(body.len())), "{body:?}");
        for cut in 0..body.len() {
            assert_eq!(end_of(&body.as_bytes()[..cut]), Ok(None), "{body:?} up to {cut}");
        }
    }
}

#[test]
fn what_two_parsers_could_read_differently_is_no_chunk() {
    for body in [
        "\r\n\r\n",
        ";a\r\n\r\n",
        "\n",
        "0\n",
        "0\r\r",
        "0\r\n\n",
        "0 \r\n",
        " 0\r\n",
        "0\t\r\n",
        "1 ;a\r\n",
        "0x1\r\n",
        "-1\r\n",
        "+1\r\n",
        "1_0\r\n",
        "g\r\n",
        "1,0\r\n",
        "fffffffffffffffff\r\n",
        "0000000000000001\r\n",
        "1;a\nb\r\n",
        "1;a\rb\r\n",
        "1;a\0\r\n",
        "1;\u{e9}\r\n",
        "1\r\nab\r\n",
        "1\r\na\n",
        "1\r\na\rb",
        "2\r\na\r\n0\r\n",
        "0\r\nno colon\r\n",
        "0\r\n: no name\r\n",
        "0\r\nblank : a\r\n",
        "0\r\nX: a\r\n folded\r\n",
        "0\r\nX: a\nY: b\r\n",
        "0\r\nX: a\rb\r\n",
        "0\r\nX: \u{e9}\r\n",
        "0\r\nGET / HTTP/1.1\r\n",
    ] {
        assert_eq!(end_of(body.as_bytes()), Err(Malformed), "{body:?}");
    }
}

#[test]
fn what_surrounds_a_body_has_a_limit() {
    let extension = |length: u16| format!("0;{}\r\n\r\n", "a".repeat(usize::from(length)));
    assert!(end_of(extension(MAX_EXTENSION).as_bytes()).is_ok_and(|end| end.is_some()));
    assert_eq!(end_of(extension(MAX_EXTENSION + 1).as_bytes()), Err(Malformed));
    let trailers = |count: usize| format!("0\r\n{}\r\n", "X:abcdef\r\n".repeat(count));
    assert!(end_of(trailers(100).as_bytes()).is_ok_and(|end| end.is_some()));
    assert_eq!(end_of(trailers(1000).as_bytes()), Err(Malformed));
    let mut endless = Chunks::default();
    assert_eq!(endless.advance(b"fffffffffffffff\r\n"), Ok(None));
    assert_eq!(endless.advance(&[b'\n'; 4096]), Ok(None));
}

proptest! {
    #[test]
    fn any_chunks_end_where_they_end_however_they_arrive(
        chunks in vec(vec(any::<u8>(), 1..40), 0..5),
        behind in vec(any::<u8>(), 0..20),
        cuts in vec(any::<Index>(), 0..4),
    ) {
        let mut bytes = Vec::new();
        for chunk in &chunks {
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        let length = bytes.len();
        bytes.extend_from_slice(&behind);
        prop_assert_eq!(piecewise(&bytes, &cuts), Ok(Some(length)));
    }

    #[test]
    fn any_bytes_mean_the_same_however_they_arrive(
        bytes in vec(proptest::sample::select(&b"01a;:\r\n \nX"[..]), 0..30),
        cuts in vec(any::<Index>(), 0..4),
    ) {
        prop_assert_eq!(piecewise(&bytes, &cuts), end_of(&bytes));
    }
}

/// What comes of these bytes when they arrive in pieces; the end counts from the first of all.
fn piecewise(bytes: &[u8], cuts: &[Index]) -> Result<Option<usize>, Malformed> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    let mut chunks = Chunks::default();
    for (from, to) in cuts.iter().zip(cuts.get(1..).unwrap()) {
        if let Some(end) = chunks.advance(&bytes[*from..*to])? {
            return Ok(Some(from + end));
        }
    }
    Ok(None)
}
