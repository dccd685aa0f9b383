//! How does an answer about many messages come together? What is known of them, and the rest as it is stored.

use axum::body::Bytes;

use super::state::State;
use super::states::{Form, Shown, States};
use crate::db::StoreError;

/// What was looked up of a message.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) shown: Shown,
    /// Whether it will be the same until the message changes.
    pub(crate) lasts: bool,
}

/// A JSON array of what is shown of these rows, in this order. Those that are not known are looked up; what is gone by then
/// is left out, and so is what is in a state by then that was not asked for: nobody gets a message to send that is sent.
pub(crate) async fn array(
    states: &States,
    form: Form,
    rows: &[(i64, State)],
    is_wanted: impl Fn(State) -> bool,
    look_up: impl AsyncFnOnce(&[i64]) -> Result<Vec<Found>, StoreError>,
) -> Result<Bytes, StoreError> {
    let mut pieces = states.recall_rows(rows, form);
    let is_unknown = |(_, piece): &(&(i64, State), &Option<Bytes>)| piece.is_none();
    let unknown: Vec<i64> = rows
        .iter()
        .zip(&pieces)
        .filter(is_unknown)
        .map(|((row, _), _)| *row)
        .collect();
    if !unknown.is_empty() {
        let began = states.look_up();
        let mut found = look_up(&unknown).await?.into_iter().peekable();
        let places = rows.iter().zip(&mut pieces).filter(|(_, piece)| piece.is_none());
        for ((row, _), piece) in places {
            // They come in the same order.
            if let Some(Found { shown, lasts }) = found.next_if(|found| found.shown.row == *row) {
                if is_wanted(shown.state) {
                    *piece = Some(shown.body.clone());
                }
                if lasts {
                    states.remember_row(form, shown, began);
                }
            }
        }
    }
    Ok(joined(&pieces))
}

fn joined(pieces: &[Option<Bytes>]) -> Bytes {
    let length: usize = pieces.iter().flatten().map(|piece| piece.len() + 1).sum();
    let mut array = Vec::with_capacity(length + 2);
    array.push(b'[');
    for (index, piece) in pieces.iter().flatten().enumerate() {
        if index > 0 {
            array.push(b',');
        }
        array.extend_from_slice(piece);
    }
    array.push(b']');
    array.into()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::states;

    fn found(row: i64, state: State, text: &str) -> Found {
        Found {
            shown: Shown::new(row, state, &text),
            lasts: true,
        }
    }

    async fn known() -> States {
        states(Duration::from_secs(300)).await
    }

    async fn shows(states: &States, rows: &[(i64, State)], unknown: &[i64], found: Vec<Found>) -> String {
        let look_up = async |rows: &[i64]| {
            assert_eq!(rows, unknown);
            Ok(found)
        };
        let array = array(states, Form::Listed, rows, |_| true, look_up).await.unwrap();
        String::from_utf8(array.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn only_what_is_not_known_is_looked_up() {
        let states = known().await;
        let [one, two, three] = [1, 2, 3].map(|row| (row, State::Pending));
        assert_eq!(
            shows(&states, &[], &[1], vec![]).await,
            "[]",
            "nobody looks anything up"
        );
        let first = vec![found(2, State::Pending, "b")];
        assert_eq!(shows(&states, &[two], &[2], first).await, r#"["b"]"#);
        let others = vec![found(3, State::Pending, "c"), found(1, State::Pending, "a")];
        let all = shows(&states, &[three, two, one], &[3, 1], others).await;
        assert_eq!(all, r#"["c","b","a"]"#);
        assert_eq!(shows(&states, &[one, three], &[], vec![]).await, r#"["a","c"]"#);
        let changed = vec![found(2, State::Sent, "B")];
        let rows = [one, (2, State::Sent)];
        assert_eq!(shows(&states, &rows, &[2], changed).await, r#"["a","B"]"#);
    }

    #[tokio::test]
    async fn what_is_in_another_state_by_then_is_shown_only_to_whoever_asked_for_any() {
        let states = known().await;
        let rows = [1, 2, 3, 4].map(|row| (row, State::Pending));
        let look_up = async |_: &[i64]| {
            let by_then = [State::Pending, State::Processed, State::Cancelling, State::Cancelled];
            let now = (1..).zip(by_then).zip(["a", "b", "c", "d"]);
            Ok(now.map(|((row, state), text)| found(row, state, text)).collect())
        };
        let queue = array(&states, Form::Queued, &rows, State::waits, look_up)
            .await
            .unwrap();
        assert_eq!(queue, r#"["a","c"]"#);
        let is_pending = |state| state == State::Pending;
        let list = array(&states, Form::Listed, &rows, is_pending, look_up).await.unwrap();
        assert_eq!(list, r#"["a"]"#);
        let all = array(&states, Form::ListedWithContent, &rows, |_| true, look_up)
            .await
            .unwrap();
        assert_eq!(all, r#"["a","b","c","d"]"#);
    }

    #[tokio::test]
    async fn what_is_gone_is_left_out_and_what_does_not_last_is_not_kept() {
        let states = known().await;
        let rows = [1, 2, 3].map(|row| (row, State::Pending));
        for _ in 0..2 {
            let found = ["a", "c"].iter().zip([1, 3]).map(|(text, row)| Found {
                lasts: false,
                ..found(row, State::Pending, text)
            });
            let shown = shows(&states, &rows, &[1, 2, 3], found.collect()).await;
            assert_eq!(shown, r#"["a","c"]"#);
        }
    }
}
