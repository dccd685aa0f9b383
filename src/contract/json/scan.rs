//! Is this JSON (RFC 8259), and where does it stop being so? The texts of its refusals are those that clients of the
//! reference have seen. It keeps nothing of what it reads: a body may hold a million values that nobody asks for.

use super::value::Value;

/// How deep lists and objects may be nested. Far more than any body here has, and little enough for the stack.
pub const MAX_DEPTH: usize = 128;

/// Finds the one value that has nothing but blanks around it.
pub(super) fn scan(text: &[u8]) -> Result<Value<'_>, String> {
    let mut scanner = Scanner { rest: text };
    scanner.next_token();
    let start = scanner.rest;
    scanner.value(0)?;
    let value = start.split_at_checked(start.len() - scanner.rest.len());
    match scanner.next_token() {
        None => Ok(Value::found(value.unwrap_or_default().0)),
        Some(byte) => Err(unexpected(byte, "after top-level value")),
    }
}

/// How many bytes has the value that this text begins with? The text is a part of one that was found to be JSON.
pub(super) fn length(text: &[u8]) -> usize {
    let end = |is_end: fn(&u8) -> bool| text.iter().position(is_end).unwrap_or(text.len());
    match text.first() {
        Some(b'"') => string_length(text),
        Some(b'{' | b'[') => {
            let mut depth = 0_usize;
            let mut at = 0;
            while let Some(byte) = text.get(at) {
                match byte {
                    b'"' => at += string_length(text.get(at..).unwrap_or_default()) - 1,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    break;
                }
            }
            at
        }
        Some(_) | None => end(|byte| matches!(byte, b',' | b':' | b']' | b'}' | b' ' | b'\t' | b'\r' | b'\n')),
    }
}

/// With both quotes.
fn string_length(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => return at,
            b'\\' => at += 1,
            _ => {}
        }
    }
    text.len().max(1)
}

/// The text within quotes. What is not UTF-8 is replaced, and so is half of a surrogate pair, as in the reference.
pub(super) fn unescape(quoted: &[u8]) -> String {
    let mut text = String::with_capacity(quoted.len());
    // A text that was found to be JSON is not refused.
    let _found = Scanner { rest: quoted }.string(Some(&mut text));
    text
}

struct Scanner<'a> {
    rest: &'a [u8],
}

fn unexpected(byte: u8, context: &str) -> String {
    let shown = match byte {
        b'\'' => r"\'".to_owned(),
        b'"' => "\"".to_owned(),
        b'\\' => r"\\".to_owned(),
        b'\t' => r"\t".to_owned(),
        b'\n' => r"\n".to_owned(),
        b'\r' => r"\r".to_owned(),
        0x07 => r"\a".to_owned(),
        0x08 => r"\b".to_owned(),
        0x0b => r"\v".to_owned(),
        0x0c => r"\f".to_owned(),
        0..0x20 | 0x7f => format!(r"\x{byte:02x}"),
        0x80..=0xa0 | 0xad => format!(r"\u{byte:04x}"),
        // One byte is shown as the character of that number.
        0x20.. => char::from(byte).to_string(),
    };
    format!("invalid character '{shown}' {context}")
}

fn unexpected_end() -> String {
    "unexpected end of JSON input".to_owned()
}

impl<'a> Scanner<'a> {
    /// The next byte that is no blank, without taking it.
    fn next_token(&mut self) -> Option<u8> {
        let blanks = self
            .rest
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
            .count();
        self.advance(blanks);
        self.rest.first().copied()
    }

    fn advance(&mut self, count: usize) {
        self.rest = self.rest.get(count..).unwrap_or_default();
    }

    /// Takes the next byte if it is this one.
    fn take(&mut self, byte: u8) -> bool {
        let taken = self.rest.first() == Some(&byte);
        if taken {
            self.advance(1);
        }
        taken
    }

    fn refuse<T>(&self, context: &str) -> Result<T, String> {
        Err(self
            .rest
            .first()
            .map_or_else(unexpected_end, |&byte| unexpected(byte, context)))
    }

    fn value(&mut self, depth: usize) -> Result<(), String> {
        match self.next_token() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string(None),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            Some(_) | None => self.refuse("looking for beginning of value"),
        }
    }

    /// INVARIANT(nesting is bounded): test `json::tests::deep_nesting_is_refused_and_does_not_overflow`.
    fn enter(&mut self, depth: usize) -> Result<usize, String> {
        if depth == MAX_DEPTH {
            return self.refuse("exceeded max depth");
        }
        self.advance(1);
        Ok(depth + 1)
    }

    fn object(&mut self, depth: usize) -> Result<(), String> {
        let depth = self.enter(depth)?;
        if self.next_token() == Some(b'}') {
            self.advance(1);
            return Ok(());
        }
        loop {
            if self.next_token() != Some(b'"') {
                return self.refuse("looking for beginning of object key string");
            }
            self.string(None)?;
            if self.next_token() != Some(b':') {
                return self.refuse("after object key");
            }
            self.advance(1);
            self.value(depth)?;
            match self.next_token() {
                Some(b',') => self.advance(1),
                Some(b'}') => break,
                Some(_) | None => return self.refuse("after object key:value pair"),
            }
        }
        self.advance(1);
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Result<(), String> {
        let depth = self.enter(depth)?;
        if self.next_token() == Some(b']') {
            self.advance(1);
            return Ok(());
        }
        loop {
            self.value(depth)?;
            match self.next_token() {
                Some(b',') => self.advance(1),
                Some(b']') => break,
                Some(_) | None => return self.refuse("after array element"),
            }
        }
        self.advance(1);
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Result<(), String> {
        for expected in word.bytes() {
            if !self.take(expected) {
                return self.refuse(&format!("in literal {word} (expecting '{}')", char::from(expected)));
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), String> {
        self.take(b'-');
        if !self.take(b'0') && self.digits() == 0 {
            return self.refuse("in numeric literal");
        }
        if self.take(b'.') && self.digits() == 0 {
            return self.refuse("after decimal point in numeric literal");
        }
        if self.take(b'e') || self.take(b'E') {
            let _signed = self.take(b'+') || self.take(b'-');
            if self.digits() == 0 {
                return self.refuse("in exponent of numeric literal");
            }
        }
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.advance(count);
        count
    }

    /// Goes past a text, and writes it down for whoever wants it.
    fn string(&mut self, mut text: Option<&mut String>) -> Result<(), String> {
        self.advance(1);
        loop {
            let plain = self
                .rest
                .iter()
                .take_while(|&&byte| byte >= 0x20 && byte != b'"' && byte != b'\\')
                .count();
            let (piece, rest) = self.rest.split_at_checked(plain).unwrap_or_default();
            if let Some(text) = &mut text {
                text.push_str(&String::from_utf8_lossy(piece));
            }
            self.rest = rest;
            if self.take(b'"') {
                return Ok(());
            }
            if !self.take(b'\\') {
                return self.refuse("in string literal");
            }
            let character = self.escape()?;
            if let Some(text) = &mut text {
                text.push(character);
            }
        }
    }

    fn escape(&mut self) -> Result<char, String> {
        let character = match self.rest.first() {
            Some(&byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.advance(1);
                return self.unicode();
            }
            Some(_) | None => return self.refuse("in string escape code"),
        };
        self.advance(1);
        Ok(character)
    }

    /// Behind `\u`. Half of a surrogate pair is replaced, as in the reference.
    fn unicode(&mut self) -> Result<char, String> {
        let first = self.hex4()?;
        if let Some(character) = char::from_u32(first) {
            return Ok(character);
        }
        let before = self.rest;
        if (0xd800..0xdc00).contains(&first) && self.take(b'\\') && self.take(b'u') {
            let second = self.hex4()?;
            if (0xdc00..0xe000).contains(&second) {
                let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Ok(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
        }
        self.rest = before;
        Ok(char::REPLACEMENT_CHARACTER)
    }

    fn hex4(&mut self) -> Result<u32, String> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.rest.first().and_then(|&byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return self.refuse(r"in \u hexadecimal character escape");
            };
            code = code * 16 + digit;
            self.advance(1);
        }
        Ok(code)
    }
}
