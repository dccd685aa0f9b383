//! Which known name was meant by a mistyped one.

/// The longest name worth comparing: the work grows with the square of the length.
const LONGEST: usize = 64;

/// The candidate closest to `word`, if one is close enough to be what was meant (a third of the letters may differ).
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let tolerance = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= tolerance)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance, without regard to case.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.chars().flat_map(char::to_lowercase).enumerate() {
        let mut next = vec![above + 1];
        for ((diagonal, up), other) in row.iter().zip(row.iter().skip(1)).zip(&right) {
            let beside = next.last().copied().unwrap_or(usize::MAX - 1);
            next.push((diagonal + usize::from(letter != *other)).min(up + 1).min(beside + 1));
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        let known = ["listen", "tokens", "policy", "data_dir"];
        assert_eq!(nearest("lsiten", known), Some("listen"));
        assert_eq!(nearest("Tokens", known), Some("tokens"));
        assert_eq!(nearest("datadir", known), Some("data_dir"));
    }

    #[test]
    fn another_word_is_not_taken_for_a_known_one() {
        assert_eq!(nearest("upstream", ["listen", "tokens"]), None);
        assert_eq!(nearest(&"x".repeat(100), ["listen"]), None);
        assert_eq!(nearest("listen", []), None);
    }

    #[test]
    fn the_distance_counts_single_changes() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }
}
