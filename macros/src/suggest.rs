//! "Did you mean": the known word nearest to an unknown one.

/// The word of `known` that `written` most likely stands for, if one is near enough.
pub fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let bound = (written.len() / 3).max(1);
    known
        .into_iter()
        .map(|word| (distance(written, word), word))
        .filter(|(distance, _)| *distance <= bound)
        .min()
        .map(|(_, word)| word)
}

/// The edit distance in which two letters changing places count as one edit (optimal string alignment).
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![vec![0; to.len() + 1]; from.len() + 1];
    for i in 0..=from.len() {
        for j in 0..=to.len() {
            rows[i][j] = match (i, j) {
                (_, 0) => i,
                (0, _) => j,
                _ => {
                    let changed = usize::from(from[i - 1] != to[j - 1]);
                    let mut least =
                        (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + changed);
                    if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                        least = least.min(rows[i - 2][j - 2] + 1);
                    }
                    least
                }
            };
        }
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["on_event", "on_timer"];
        assert_eq!(nearest("on_evnet", known), Some("on_event"));
        assert_eq!(nearest("on_timers", known), Some("on_timer"));
        assert_eq!(nearest("onTimer", known), Some("on_timer"));
        assert_eq!(nearest("visits", known), None);
        assert_eq!(nearest("kye", ["key", "name"]), Some("key"));
    }
}
