//! Stacks: which files make up the state of which key groups. Pure.
//!
//! The files of one operator enter, oldest first; they may cover any key groups, because a file keeps those of the subtask
//! that wrote it. Stacks leave, in order of their key groups: in each, the files that count there, oldest first. What always
//! holds: a base is at the bottom or nowhere in a stack, because below it nothing counts; no two stacks share a key group.

use std::borrow::Borrow;

use crate::key::{KeyGroup, KeyGroupRange};
use crate::snapshot::manifest::StateFile;
use crate::snapshot::part::LayerKind;

/// The files that make up the state of a range of key groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stack {
    /// The key groups.
    pub groups: KeyGroupRange,
    /// The places of the files in the operator's list, oldest first.
    pub files: Vec<usize>,
}

/// The stacks of an operator's files, which come oldest first. Key groups of which no file has anything have none.
pub fn stacks<F: Borrow<StateFile>>(files: &[F]) -> Vec<Stack> {
    let mut starts: Vec<u32> = Vec::with_capacity(2 * files.len());
    for file in files.iter().map(F::borrow) {
        starts.extend([u32::from(file.groups.first.0), u32::from(file.groups.last.0) + 1]);
    }
    starts.sort_unstable();
    starts.dedup();
    let mut stacks: Vec<Stack> = Vec::new();
    for pair in starts.windows(2) {
        let groups = KeyGroupRange { first: KeyGroup(pair[0] as u16), last: KeyGroup((pair[1] - 1) as u16) };
        let files = at(files, groups.first);
        match stacks.last_mut() {
            _ if files.is_empty() => {}
            // A file covers its key groups without a gap, so these follow on the last.
            Some(last) if last.files == files => last.groups.last = groups.last,
            _ => stacks.push(Stack { groups, files }),
        }
    }
    stacks
}

/// The files that count for one key group: those from the newest base on.
fn at<F: Borrow<StateFile>>(files: &[F], group: KeyGroup) -> Vec<usize> {
    let there = (0..files.len()).filter(|&file| files[file].borrow().groups.contains(group));
    let mut there: Vec<usize> = there.collect();
    if let Some(base) = there.iter().rposition(|&file| files[file].borrow().layer == LayerKind::Base) {
        there.drain(..base);
    }
    there
}

/// Cuts key groups, which hold `bytes`, into ranges of about [`PIECE_BYTES`], each for a file that can be written beside the
/// others.
pub(super) fn pieces(groups: KeyGroupRange, bytes: u64) -> Vec<KeyGroupRange> {
    let (first, count) = (u64::from(groups.first.0), groups.iter().count() as u64);
    let pieces = bytes.div_ceil(PIECE_BYTES).clamp(1, count);
    // As key groups are dealt to subtasks: the pieces of a subtask stay its own.
    let start = |piece: u64| (first + (piece * count).div_ceil(pieces)) as u16;
    let piece = |piece| KeyGroupRange { first: KeyGroup(start(piece)), last: KeyGroup(start(piece + 1) - 1) };
    (0..pieces).map(piece).collect()
}

/// Large enough that a file is worth its fsync, small enough that several threads have something to do.
const PIECE_BYTES: u64 = 128 << 20;

/// The part of `groups` that is in `within` too.
pub(super) fn overlap(groups: KeyGroupRange, within: KeyGroupRange) -> Option<KeyGroupRange> {
    let range = KeyGroupRange { first: groups.first.max(within.first), last: groups.last.min(within.last) };
    (range.first <= range.last).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::fixture::{file, groups};
    use crate::snapshot::part::LayerKind::{Base, Delta};

    fn shown(files: &[StateFile]) -> Vec<(u16, u16, Vec<usize>)> {
        stacks(files)
            .into_iter()
            .map(|stack| (stack.groups.first.0, stack.groups.last.0, stack.files))
            .collect()
    }

    #[test]
    fn deltas_lie_over_their_base_and_other_key_groups_are_another_stack() {
        let files = [
            file(1, Base, groups(0, 63)),
            file(1, Base, groups(64, 127)),
            file(2, Delta, groups(64, 127)),
            file(3, Delta, groups(64, 127)),
        ];
        assert_eq!(shown(&files), [(0, 63, vec![0]), (64, 127, vec![1, 2, 3])]);
    }

    #[test]
    fn after_a_rescale_every_range_has_the_old_files_and_the_new_that_cover_it() {
        let files = [
            file(1, Base, groups(0, 63)),
            file(1, Base, groups(64, 127)),
            file(2, Delta, groups(0, 42)),
            file(2, Delta, groups(43, 85)),
            file(2, Delta, groups(86, 127)),
        ];
        let expected =
            [(0, 42, vec![0, 2]), (43, 63, vec![0, 3]), (64, 85, vec![1, 3]), (86, 127, vec![1, 4])];
        assert_eq!(shown(&files), expected);
    }

    #[test]
    fn nothing_below_a_base_counts() {
        let files = [
            file(1, Base, groups(0, 127)),
            file(2, Delta, groups(0, 127)),
            file(3, Base, groups(32, 63)),
            file(4, Delta, groups(0, 63)),
        ];
        let expected = [(0, 31, vec![0, 1, 3]), (32, 63, vec![2, 3]), (64, 127, vec![0, 1])];
        assert_eq!(shown(&files), expected);
    }

    #[test]
    fn key_groups_without_a_file_have_no_stack_and_part_their_neighbours() {
        assert_eq!(shown(&[]), []);
        let files =
            [file(1, Delta, groups(0, 3)), file(1, Delta, groups(5, 6)), file(2, Delta, groups(9, 32_767))];
        assert_eq!(shown(&files), [(0, 3, vec![0]), (5, 6, vec![1]), (9, 32_767, vec![2])]);
    }

    #[test]
    fn pieces_are_as_many_as_the_bytes_ask_for_and_leave_no_key_group_out() {
        let whole = groups(43, 85);
        assert_eq!(pieces(whole, 0), [whole]);
        assert_eq!(pieces(whole, PIECE_BYTES), [whole]);
        assert_eq!(pieces(whole, PIECE_BYTES + 1), [groups(43, 64), groups(65, 85)]);
        for bytes in [3, 7, 42, 43, 44, 1000].map(|pieces| pieces * PIECE_BYTES) {
            let pieces = pieces(whole, bytes);
            assert_eq!(pieces.len() as u64, (bytes / PIECE_BYTES).min(43));
            assert!(pieces.iter().flat_map(|piece| piece.iter()).eq(whole.iter()));
        }
    }
}
