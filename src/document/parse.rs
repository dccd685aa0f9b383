//! YAML text → tree.
//!
//! Built on the event stream of the YAML crate, not on its serde side: events keep the exact place of every key and
//! the exact text of every scalar, which typed deserialisation loses.

use std::collections::HashMap;

use serde_yaml::granit_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};

use crate::{Diagnostic, Entry, Node, Position, Value, scalar};

/// Longest accepted text.
const MAX_BYTES: usize = 16 << 20;
/// Deepest accepted nesting.
const MAX_DEPTH: usize = 64;
/// Most values in one document.
const MAX_NODES: usize = 1 << 20;
/// Most values that anchors and aliases may copy: enough for repeated blocks, too few for a bomb.
const MAX_COPIED_NODES: usize = 10_000;

/// Reads one document. `file` only names the text in diagnostics.
///
/// An empty text is [`Value::Null`]. Anchors and aliases may copy 10,000 values at most.
///
/// # Errors
///
/// The first problem, with its place: a syntax error, a duplicate key, a key that is not a string, a merge key, a tag
/// other than `!!str`, a second document, or a text beyond the limits of this module.
pub fn parse(file: &str, text: &str) -> Result<Node, Diagnostic> {
    Builder::new(file, false).document(text)
}

/// As [`parse`], for a text that holds secrets: no problem shows a word of it. One that stands without quotes can end up
/// anywhere, as a tag (`!secret`) or as a key (`{ password: a,secret }`).
///
/// # Errors
///
/// As [`parse`].
pub fn parse_unseen(file: &str, text: &str) -> Result<Node, Diagnostic> {
    Builder::new(file, true).document(text)
}

type Spanned<'t> = (Event<'t>, Span);
type Events<'t> = Parser<'t, StrInput<'t>>;

struct Builder<'f> {
    file: &'f str,
    /// Problems show no word of the text.
    unseen: bool,
    /// Anchored nodes with the number of values in each.
    anchors: HashMap<usize, (Node, usize)>,
    nodes: usize,
    copied: usize,
}

impl<'f> Builder<'f> {
    fn new(file: &'f str, unseen: bool) -> Self {
        Self {
            file,
            unseen,
            anchors: HashMap::new(),
            nodes: 0,
            copied: 0,
        }
    }

    fn document(mut self, text: &str) -> Result<Node, Diagnostic> {
        if text.len() > MAX_BYTES {
            return Err(self.problem(Position::START, "longer than 16 MiB"));
        }
        let mut events = Parser::new_from_str(text);
        let mut document = None;
        while let Some((event, span)) = self.next(&mut events)? {
            if matches!(event, Event::DocumentStart(..)) && document.is_some() {
                return Err(self.problem(place(span.start), "a second document: only one is read"));
            }
            if !matches!(
                event,
                Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd
            ) {
                document = Some(self.node(&mut events, (event, span), 0)?);
            }
        }
        Ok(document.unwrap_or(Node {
            value: Value::Null,
            position: Position::START,
        }))
    }

    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "the parser's enum is open, and only these are values"
    )]
    fn node<'t>(&mut self, events: &mut Events<'t>, start: Spanned<'t>, depth: usize) -> Result<Node, Diagnostic> {
        let (event, span) = start;
        let position = place(span.start);
        // INVARIANT(bounded-documents): nesting, size and alias copies are all bounded, so no document can exhaust the
        // stack or the memory. Held by parse::tests::{deep_nesting, an_alias_bomb}_is_refused.
        if depth > MAX_DEPTH {
            return Err(self.problem(position, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.count(position, 1)?;
        let before = self.nodes;
        let (value, anchor) = match event {
            Event::Scalar(text, style, anchor, tag) => (self.scalar(&text, style, tag.as_deref(), position)?, anchor),
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), position)?;
                (Value::List(self.list(events, depth)?), anchor)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), position)?;
                (Value::Map(self.map(events, depth)?), anchor)
            }
            Event::Alias(id) => return self.alias(id, position),
            _ => return Err(self.problem(position, "not a value")),
        };
        let node = Node { value, position };
        if anchor != 0 {
            let size = self.nodes - before + 1;
            self.count_copies(position, size)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    fn list<'t>(&mut self, events: &mut Events<'t>, depth: usize) -> Result<Vec<Node>, Diagnostic> {
        let mut items = Vec::new();
        loop {
            match self.must(events)? {
                (Event::SequenceEnd, _) => return Ok(items),
                start => items.push(self.node(events, start, depth + 1)?),
            }
        }
    }

    fn map<'t>(&mut self, events: &mut Events<'t>, depth: usize) -> Result<Vec<Entry>, Diagnostic> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, u32> = HashMap::new();
        loop {
            let (event, span) = self.must(events)?;
            if matches!(event, Event::MappingEnd) {
                return Ok(entries);
            }
            let key_position = place(span.start);
            let key = self.key(event, key_position)?;
            if let Some(line) = lines.insert(key.clone(), key_position.line) {
                return Err(self.problem_of(&key, key_position, format!("written twice, first in line {line}")));
            }
            let start = self.must(events)?;
            let mut value = self.node(events, start, depth + 1)?;
            if value.is_null() {
                // The parser places a missing value wherever the next token is.
                value.position = key_position;
            }
            entries.push(Entry {
                key,
                key_position,
                value,
            });
        }
    }

    fn key(&self, event: Event<'_>, position: Position) -> Result<String, Diagnostic> {
        let Event::Scalar(text, style, _, tag) = event else {
            return Err(self.problem(position, "a key must be a plain string"));
        };
        if style == ScalarStyle::Plain && text == "<<" {
            return Err(self.problem(position, "merge keys are not supported: write the keys out"));
        }
        match self.scalar(&text, style, tag.as_deref(), position)? {
            Value::String(key) => Ok(key),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => {
                Err(self.problem_of(&text, position, "a key must be a string: put it in quotes"))
            }
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Position) -> Result<Value, Diagnostic> {
        let string = match tag {
            Some(tag) if is_string_tag(tag) => true,
            other => {
                self.refuse_tag(other, at)?;
                style != ScalarStyle::Plain
            }
        };
        Ok(if string {
            Value::String(text.to_owned())
        } else {
            scalar::resolve(text)
        })
    }

    fn alias(&mut self, id: usize, position: Position) -> Result<Node, Diagnostic> {
        // An alias inside the value that it names finds nothing: that value is not complete yet.
        let size = self.anchors.get(&id).map_or(0, |(_, size)| *size);
        self.count_copies(position, size)?;
        self.count(position, size)?;
        match self.anchors.get(&id) {
            Some((node, _)) => Ok(Node {
                value: node.value.clone(),
                position,
            }),
            None => Err(self.problem(position, "an alias must follow the value that it repeats")),
        }
    }

    fn refuse_tag(&self, tag: Option<&Tag>, position: Position) -> Result<(), Diagnostic> {
        match tag {
            Some(_) if self.unseen => Err(self.problem(position, "a tag (a word after !) is not supported")),
            Some(tag) => Err(self.problem(position, format!("the tag {tag} is not supported"))),
            None => Ok(()),
        }
    }

    fn count(&mut self, position: Position, nodes: usize) -> Result<(), Diagnostic> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(self.problem(position, format!("more than {MAX_NODES} values")));
        }
        Ok(())
    }

    fn count_copies(&mut self, position: Position, nodes: usize) -> Result<(), Diagnostic> {
        self.copied += nodes;
        if self.copied > MAX_COPIED_NODES {
            return Err(self.problem(
                position,
                format!("anchors and aliases copy more than {MAX_COPIED_NODES} values"),
            ));
        }
        Ok(())
    }

    fn next<'t>(&self, events: &mut Events<'t>) -> Result<Option<Spanned<'t>>, Diagnostic> {
        events.next_event().transpose().map_err(|error| self.syntax(&error))
    }

    fn must<'t>(&self, events: &mut Events<'t>) -> Result<Spanned<'t>, Diagnostic> {
        match self.next(events)? {
            Some(next) => Ok(next),
            None => Err(self.problem(Position::START, "ends too early")),
        }
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        self.problem(place(*error.marker()), format!("not valid yaml: {}", error.kind()))
    }

    fn problem(&self, position: Position, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.file, "", message).at(position)
    }

    fn problem_of(&self, key: &str, position: Position, message: impl Into<String>) -> Diagnostic {
        let key = if self.unseen { "" } else { key };
        Diagnostic::error(self.file, key, message).at(position)
    }
}

fn is_string_tag(tag: &Tag) -> bool {
    tag.is_yaml_core_schema() && tag.suffix() == "str"
}

fn place(marker: Marker) -> Position {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Position {
        line: count(marker.line()),
        column: count(marker.col().saturating_add(1)),
    }
}

#[cfg(test)]
mod tests;
