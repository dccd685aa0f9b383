//! How is JSON written (WIRE §1.9)? Compact, with `<`, `>`, `&`, U+2028 and U+2029 escaped as the reference does, so that
//! an answer is harmless within HTML and JavaScript too.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// The bytes of a body. Values whose serialisation fails (a map with names that are no texts) give `null`: none of ours do.
pub fn to_vec(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    let mut output = Serializer::with_formatter(&mut bytes, Escaping);
    if value.serialize(&mut output).is_err() {
        bytes.clear();
        bytes.extend_from_slice(b"null");
    }
    bytes
}

struct Escaping;

impl Formatter for Escaping {
    fn write_string_fragment<W: io::Write + ?Sized>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let special = |character: char| matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}');
        let mut rest = fragment;
        while let Some(at) = rest.find(special) {
            let (plain, tail) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut characters = tail.chars();
            if let Some(character) = characters.next() {
                write!(writer, "\\u{:04x}", u32::from(character))?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}
