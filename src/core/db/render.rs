//! How do a statement and its values become what a database prepares? Lists are spelled out, and where the database does
//! not know `?2`, values are put in the order in which they are used. Pure.

use std::borrow::Cow;

use super::value::{Bound, Value};

/// A text with nothing but plain `?` or, if it was left as it is, with `?1` too; and its values in order.
#[derive(Debug)]
pub(super) struct Rendered<'q> {
    pub(super) text: Cow<'static, str>,
    pub(super) values: Vec<Value<'q>>,
}

/// `numbers`: whether the database knows `?2`.
pub(super) fn render<'q>(text: &'static str, bound: Vec<Bound<'q>>, numbers: bool) -> Rendered<'q> {
    let plain = bound.iter().all(|bound| matches!(bound, Bound::One(_)));
    if plain && (numbers || !has_numbers(text)) {
        let one = |bound| match bound {
            Bound::One(value) => Some(value),
            Bound::List(_) | Bound::Rows(_) | Bound::Cases(_) => None,
        };
        return Rendered {
            text: Cow::Borrowed(text),
            values: bound.into_iter().filter_map(one).collect(),
        };
    }
    spell_out(text, &bound)
}

fn has_numbers(text: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'?' && bytes.clone().next().is_some_and(|next| next.is_ascii_digit()) {
            return true;
        }
    }
    false
}

fn spell_out<'q>(text: &'static str, bound: &[Bound<'q>]) -> Rendered<'q> {
    let mut rendered = String::with_capacity(text.len() * 2);
    let mut values = Vec::with_capacity(bound.len());
    let mut next = 0;
    let mut pieces = text.split('?');
    rendered.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let rest = piece.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let number = piece.strip_suffix(rest).and_then(|digits| digits.parse::<usize>().ok());
        let place = number.map_or(next, |number| number.saturating_sub(1));
        next = place + 1;
        match bound.get(place) {
            Some(Bound::One(value)) => {
                rendered.push('?');
                values.push(value.clone());
            }
            Some(Bound::List(list)) => push_list(&mut rendered, &mut values, list),
            Some(Bound::Rows(rows)) => push_rows(&mut rendered, &mut values, rows),
            Some(Bound::Cases(cases)) => push_cases(&mut rendered, &mut values, cases),
            // The database will say that a value is missing.
            None => rendered.push('?'),
        }
        rendered.push_str(rest);
    }
    Rendered {
        text: Cow::Owned(rendered),
        values,
    }
}

fn push_list<'q>(text: &mut String, values: &mut Vec<Value<'q>>, list: &[Value<'q>]) {
    let Some(last) = list.last() else {
        text.push_str("NULL");
        return;
    };
    let length = list.len().next_power_of_two();
    push_marks(text, length);
    values.extend_from_slice(list);
    values.extend(std::iter::repeat_n(last.clone(), length - list.len()));
}

fn push_rows<'q>(text: &mut String, values: &mut Vec<Value<'q>>, rows: &[Vec<Value<'q>>]) {
    for (index, row) in rows.iter().enumerate() {
        text.push_str(if index == 0 { "(" } else { ", (" });
        push_marks(text, row.len());
        text.push(')');
        values.extend_from_slice(row);
    }
}

fn push_cases<'q>(text: &mut String, values: &mut Vec<Value<'q>>, cases: &[[Value<'q>; 2]]) {
    let Some(last) = cases.last() else {
        text.push_str("WHEN NULL THEN NULL");
        return;
    };
    let length = cases.len().next_power_of_two();
    for _ in 0..length {
        text.push_str(" WHEN ? THEN ?");
    }
    values.extend(cases.iter().flatten().cloned());
    for _ in cases.len()..length {
        values.extend_from_slice(last);
    }
}

fn push_marks(text: &mut String, count: usize) {
    for index in 0..count {
        text.push_str(if index == 0 { "?" } else { ", ?" });
    }
}
