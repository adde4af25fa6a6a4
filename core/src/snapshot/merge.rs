//! Merging layers of rows: sorted rows of several layers enter, one sorted layer leaves.
//!
//! Of the rows of one key, that of the newest layer counts. A removal hides what older layers have of its key; a removal by
//! prefix hides what they have of every key that begins with its own. What always holds: the layer that leaves, laid over
//! whatever is older than all that entered, shows what these would have shown. Over nothing, removals have nothing to hide and
//! can be dropped. One row of every layer is in memory at a time; nothing here knows a file.

use crate::error::Result;
use crate::key::KeyGroup;
use crate::snapshot::part::{RowChange, Section, StateRow};

/// Goes through the rows of one layer in ascending order of (key group, section, key), a removal by prefix before a row of
/// the same key.
pub trait RowCursor {
    /// The row at which it stands; `None` behind the last.
    fn row(&self) -> Option<StateRow<'_>>;

    /// Goes on to the next row.
    ///
    /// # Errors
    /// If it can't be read.
    fn advance(&mut self) -> Result<()>;
}

impl<C: RowCursor + ?Sized> RowCursor for Box<C> {
    fn row(&self) -> Option<StateRow<'_>> {
        (**self).row()
    }

    fn advance(&mut self) -> Result<()> {
        (**self).advance()
    }
}

/// What becomes of removals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removals {
    /// Something may be below the layers that are merged, and removals must go on hiding it.
    Keep,
    /// Nothing is below.
    Drop,
}

/// Merges `layers`, oldest first, and gives every row that is left to `each`, in order. Of the rows that are there, only
/// those that `keep` wants are kept; the others count as removed.
///
/// # Errors
/// If a layer can't be read, or `each` fails.
pub fn merge<C: RowCursor>(
    layers: Vec<C>,
    removals: Removals,
    keep: &mut dyn FnMut(&StateRow<'_>) -> bool,
    each: &mut dyn FnMut(StateRow<'_>) -> Result<()>,
) -> Result<()> {
    let several = layers.len() > 1;
    let mut queue = Queue::new(layers);
    let mut prefixes = Prefixes::default();
    let mut last = LastKey::default();
    while let Some((layer, row)) = queue.first() {
        prefixes.leave(&row);
        // Under a prefix that is removed, a removal in the layer that leaves would hide nothing more.
        let says_removals = removals == Removals::Keep && prefixes.is_empty();
        if row.change == RowChange::RemovePrefix {
            if says_removals {
                each(row)?;
            }
            prefixes.enter(&row, layer);
        } else if !several || last.is_new(&row) {
            // The first of its key is of the newest layer that has the key.
            let shown = row.value().is_some() && !prefixes.hide(layer) && keep(&row);
            if shown {
                each(row)?;
            } else if says_removals {
                each(StateRow { change: RowChange::Remove, ..row })?;
            }
        }
        queue.advance()?;
    }
    Ok(())
}

/// The layers that have rows left, as a binary heap: the first is the one whose row is next. A layer that stays the first,
/// as a base does between two changes, costs two comparisons.
struct Queue<C> {
    layers: Vec<C>,
    heap: Vec<Waiting>,
}

/// A layer that waits with its row.
#[derive(Clone, Copy)]
struct Waiting {
    /// The beginning of the row's place in the order, as a number: decides most comparisons without looking at the row.
    head: u64,
    layer: usize,
}

impl<C: RowCursor> Queue<C> {
    fn new(layers: Vec<C>) -> Queue<C> {
        let waiting = layers
            .iter()
            .enumerate()
            .filter_map(|(layer, cursor)| cursor.row().map(|row| Waiting { head: head(&row), layer }));
        let mut queue = Queue { heap: waiting.collect(), layers };
        for index in (0..queue.heap.len() / 2).rev() {
            queue.sink(index);
        }
        queue
    }

    /// The next row and its layer.
    fn first(&self) -> Option<(usize, StateRow<'_>)> {
        let &Waiting { layer, .. } = self.heap.first()?;
        Some((layer, self.row(layer)))
    }

    fn row(&self, layer: usize) -> StateRow<'_> {
        self.layers[layer].row().expect("a layer without a row has left the heap")
    }

    fn advance(&mut self) -> Result<()> {
        let Some(first) = self.heap.first_mut() else { return Ok(()) };
        let cursor = &mut self.layers[first.layer];
        cursor.advance()?;
        match cursor.row() {
            Some(row) => first.head = head(&row),
            None => drop(self.heap.swap_remove(0)),
        }
        self.sink(0);
        Ok(())
    }

    /// Lets a layer sink to its place among those below it.
    fn sink(&mut self, mut index: usize) {
        loop {
            let children =
                [2 * index + 1, 2 * index + 2].into_iter().filter(|&child| child < self.heap.len());
            let next =
                children.fold(index, |next, child| if self.is_before(child, next) { child } else { next });
            if next == index {
                return;
            }
            self.heap.swap(index, next);
            index = next;
        }
    }

    /// Ascending by place; of one place, removals by prefix first, and then the newest layer first.
    fn is_before(&self, a: usize, b: usize) -> bool {
        let (a, b) = (self.heap[a], self.heap[b]);
        if a.head != b.head {
            return a.head < b.head;
        }
        let place = |layer| {
            let row = self.row(layer);
            (row.group, row.section, row.key, row.change != RowChange::RemovePrefix)
        };
        place(a.layer).cmp(&place(b.layer)).then(b.layer.cmp(&a.layer)).is_lt()
    }
}

/// Key group, section and five bytes of the key: ascending with the order of rows, but equal for rows that are not.
fn head(row: &StateRow<'_>) -> u64 {
    let mut bytes = [0; 8];
    bytes[..2].copy_from_slice(&row.group.0.to_be_bytes());
    bytes[2] = row.section as u8;
    let length = row.key.len().min(5);
    bytes[3..3 + length].copy_from_slice(&row.key[..length]);
    u64::from_be_bytes(bytes)
}

/// The removed prefixes with which the key of the row begins that is being looked at: each begins with the one before.
#[derive(Default)]
struct Prefixes {
    bytes: Vec<u8>,
    open: Vec<Prefix>,
    place: Option<(KeyGroup, Section)>,
}

/// A prefix that is removed from all layers below `layer`.
struct Prefix {
    length: usize,
    /// The newest layer that removes this prefix or a shorter one.
    layer: usize,
}

impl Prefixes {
    fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Closes the prefixes with which `row` does not begin. In ascending order no later row will.
    fn leave(&mut self, row: &StateRow<'_>) {
        if self.open.is_empty() {
            return;
        }
        if self.place != Some((row.group, row.section)) {
            self.open.clear();
        }
        while let Some(prefix) = self.open.last()
            && !row.key.starts_with(&self.bytes[..prefix.length])
        {
            self.open.pop();
        }
    }

    /// Opens the prefix that `row` removes.
    fn enter(&mut self, row: &StateRow<'_>, layer: usize) {
        self.place = Some((row.group, row.section));
        self.bytes.clear();
        self.bytes.extend_from_slice(row.key);
        let layer = self.open.last().map_or(layer, |outer| outer.layer.max(layer));
        self.open.push(Prefix { length: row.key.len(), layer });
    }

    /// Whether a row of `layer` under the open prefixes is hidden.
    fn hide(&self, layer: usize) -> bool {
        self.open.last().is_some_and(|prefix| prefix.layer > layer)
    }
}

/// The key that was seen last, by which its rows in older layers are known.
#[derive(Default)]
struct LastKey {
    place: Option<(KeyGroup, Section)>,
    key: Vec<u8>,
}

impl LastKey {
    /// Whether the row's key is another than the last.
    fn is_new(&mut self, row: &StateRow<'_>) -> bool {
        let place = Some((row.group, row.section));
        if self.place == place && self.key == row.key {
            return false;
        }
        self.place = place;
        self.key.clear();
        self.key.extend_from_slice(row.key);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::error::Error;
    use crate::snapshot::fixture::OwnedChange::{self, Put};
    use crate::snapshot::fixture::{OwnedRow, removal, row};
    use crate::snapshot::part::Section::{Entry, State};

    /// A layer in memory.
    struct Run<'a>(&'a [OwnedRow]);

    impl RowCursor for Run<'_> {
        fn row(&self) -> Option<StateRow<'_>> {
            self.0.first().map(OwnedRow::borrow)
        }

        fn advance(&mut self) -> Result<()> {
            self.0 = &self.0[1..];
            Ok(())
        }
    }

    fn merged(
        layers: &[Vec<OwnedRow>],
        removals: Removals,
        keep: fn(&StateRow<'_>) -> bool,
    ) -> Vec<OwnedRow> {
        let mut rows = Vec::new();
        let runs = layers.iter().map(|layer| Run(layer)).collect();
        let mut each = |row: StateRow<'_>| {
            rows.push(OwnedRow::from(row));
            Ok(())
        };
        merge(runs, removals, &mut |row| keep(row), &mut each).unwrap();
        rows
    }

    fn put(key: &str, value: &str) -> OwnedRow {
        row(0, Entry, key.as_bytes(), value.as_bytes())
    }

    fn remove(key: &str) -> OwnedRow {
        removal(0, Entry, key.as_bytes(), OwnedChange::Remove)
    }

    fn remove_prefix(key: &str) -> OwnedRow {
        removal(0, Entry, key.as_bytes(), OwnedChange::RemovePrefix)
    }

    fn all(_: &StateRow<'_>) -> bool {
        true
    }

    #[test]
    fn the_newest_layer_that_has_a_key_decides_what_becomes_of_it() {
        let layers = [
            vec![put("a", "old"), put("b", "old"), put("c", "old")],
            vec![put("a", "new"), remove("b"), remove("never was")],
            vec![put("d", "newest")],
        ];
        assert_eq!(
            merged(&layers, Removals::Drop, all),
            [put("a", "new"), put("c", "old"), put("d", "newest")]
        );
        assert_eq!(
            merged(&layers[1..], Removals::Keep, all),
            [put("a", "new"), remove("b"), put("d", "newest"), remove("never was")]
        );
    }

    #[test]
    fn a_removed_prefix_hides_older_layers_and_not_its_own_nor_newer_ones() {
        let layers = [
            vec![put("m", "map itself"), put("ma", "1"), put("mb", "1"), put("n", "1")],
            vec![remove_prefix("m"), put("m", "of its own layer"), put("mb", "2")],
            vec![put("mc", "3")],
        ];
        let expected = [put("m", "of its own layer"), put("mb", "2"), put("mc", "3"), put("n", "1")];
        assert_eq!(merged(&layers, Removals::Drop, all), expected);
    }

    #[test]
    fn a_prefix_in_a_prefix_says_nothing_more_to_what_is_below() {
        let layers = [
            vec![remove_prefix("ma"), put("mab", "1")],
            vec![remove_prefix("m"), remove("max"), put("maz", "2")],
        ];
        assert_eq!(merged(&layers, Removals::Keep, all), [remove_prefix("m"), put("maz", "2")]);
        let layers = [vec![remove_prefix("m"), put("mab", "1"), put("mb", "1")], vec![remove_prefix("ma")]];
        assert_eq!(merged(&layers, Removals::Keep, all), [remove_prefix("m"), put("mb", "1")]);
    }

    #[test]
    fn the_same_prefix_in_another_section_or_key_group_is_another() {
        let layers = [
            vec![row(0, State, b"ma", b"1"), row(0, Entry, b"ma", b"1"), row(1, Entry, b"ma", b"1")],
            vec![remove_prefix("m"), removal(1, State, b"", OwnedChange::RemovePrefix)],
        ];
        assert_eq!(
            merged(&layers, Removals::Drop, all),
            [row(0, State, b"ma", b"1"), row(1, Entry, b"ma", b"1")]
        );
    }

    #[test]
    fn what_has_expired_is_removed_and_nothing_older_comes_to_light() {
        let keep = |row: &StateRow<'_>| row.value() != Some(b"expired");
        let layers =
            [vec![put("a", "older"), put("b", "older")], vec![put("a", "expired"), put("c", "expired")]];
        assert_eq!(merged(&layers, Removals::Drop, keep), [put("b", "older")]);
        assert_eq!(merged(&layers[1..], Removals::Keep, keep), [remove("a"), remove("c")]);
    }

    #[test]
    fn no_layers_and_empty_layers_make_an_empty_one() {
        assert_eq!(merged(&[], Removals::Keep, all), []);
        assert_eq!(merged(&[vec![], vec![]], Removals::Keep, all), []);
    }

    #[test]
    fn an_error_of_the_visitor_ends_the_merge() {
        let layers = [put("a", "1")];
        let mut each = |_: StateRow<'_>| Err(Error::failure("enough"));
        let error = merge(vec![Run(&layers)], Removals::Drop, &mut |_| true, &mut each).unwrap_err();
        assert_eq!(error.to_string(), "enough");
    }

    /// The order of rows in a layer, with what became of them.
    type Layer = BTreeMap<(u16, u8, Vec<u8>, bool), OwnedChange>;

    /// What layers show, one laid over the other row by row.
    fn model<'a>(layers: impl IntoIterator<Item = &'a Vec<OwnedRow>>) -> Vec<OwnedRow> {
        let mut shown: BTreeMap<(u16, u8, Vec<u8>), OwnedRow> = BTreeMap::new();
        for layer in layers {
            for row in layer {
                let place = (row.group.0, row.section as u8, row.key.clone());
                match row.change {
                    Put(_) => drop(shown.insert(place, row.clone())),
                    OwnedChange::Remove => drop(shown.remove(&place)),
                    OwnedChange::RemovePrefix => shown.retain(|(group, section, key), _| {
                        (*group, *section) != (place.0, place.1) || !key.starts_with(&row.key)
                    }),
                }
            }
        }
        shown.into_values().collect()
    }

    /// Short keys of few letters, so that many are the same or begin with another; some longer than what decides most
    /// comparisons.
    fn any_layer() -> impl Strategy<Value = Vec<OwnedRow>> {
        let letters = prop::collection::vec(0u8..3, 0..4);
        let key = (letters, any::<bool>()).prop_map(|(key, long)| {
            let head: &[u8] = if long { b"same head" } else { b"" };
            [head, &key].concat()
        });
        let place = (0u16..2, prop::sample::select(vec![0u8, 3]), key, prop::bool::weighted(0.8));
        let change =
            prop_oneof![3 => any::<u8>().prop_map(|value| Put(vec![value])), 1 => Just(OwnedChange::Remove)];
        prop::collection::btree_map(place, change, 0..40).prop_map(|layer: Layer| {
            let row =
                |((group, section, key, of_one_key), change): ((u16, u8, Vec<u8>, bool), OwnedChange)| {
                    let change = if of_one_key { change } else { OwnedChange::RemovePrefix };
                    removal(group, Section::from_byte(section).unwrap(), &key, change)
                };
            layer.into_iter().map(row).collect()
        })
    }

    fn is_even(row: &StateRow<'_>) -> bool {
        row.value().is_some_and(|value| value[0] % 2 == 0)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn merged_layers_show_what_the_layers_show(layers in prop::collection::vec(any_layer(), 0..7)) {
            prop_assert_eq!(merged(&layers, Removals::Drop, all), model(&layers));
        }

        #[test]
        fn any_run_of_layers_can_be_merged_in_the_midst_of_others(
            layers in prop::collection::vec(any_layer(), 1..7), a in 0usize..7, b in 0usize..7,
        ) {
            let (from, to) = (a.min(b).min(layers.len()), a.max(b).min(layers.len()));
            let middle = merged(&layers[from..to], Removals::Keep, all);
            let places = |row: &OwnedRow| (row.group, row.section, row.key.clone(), row.change != OwnedChange::RemovePrefix);
            prop_assert!(middle.is_sorted_by(|a, b| places(a) < places(b)));
            let shown = model(layers[..from].iter().chain([&middle]).chain(&layers[to..]));
            prop_assert_eq!(shown, model(&layers));
        }

        #[test]
        fn what_is_not_kept_is_as_if_it_had_been_removed(below in any_layer(), layers in prop::collection::vec(any_layer(), 1..5)) {
            let kept = merged(&layers, Removals::Keep, is_even);
            let mut layers = layers;
            let shown = model(&layers);
            let expired: Vec<OwnedRow> = shown.iter().filter(|row| !is_even(&row.borrow())).map(|row| {
                OwnedRow { change: OwnedChange::Remove, ..row.clone() }
            }).collect();
            layers.push(expired);
            prop_assert_eq!(model([&below, &kept]), model([&below].into_iter().chain(&layers)));
        }
    }
}
