//! A layer of rows in memory, which lies over those of a snapshot: what an edit makes of them.
//!
//! What lines ask for is gathered as [`Edits`] and becomes a [`Layer`] when all are there, because they belong together: what
//! belongs to a key that is removed goes with it, and a state says how many entries it has then. For that, the key groups that are
//! touched are read, one at a time.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::iter::Peekable;

use serde_json::Value as Json;

use super::line;
use super::rows::{EntryField, Place, Rows, entries, entry_fields, entry_prefix, miscounts, read, row};
use crate::error::{Error, Result};
use crate::evolution::row::{encode_row, key_of};
use crate::key::{KeyGroup, KeyGroupRange};
use crate::snapshot::Snapshot;
use crate::snapshot::manifest::OperatorState;
use crate::snapshot::part::{Section, StateRow};

/// What is to become of the rows of an operator, and which line says so.
#[derive(Default)]
pub(super) struct Edits {
    groups: BTreeMap<KeyGroup, GroupEdits>,
}

#[derive(Default)]
struct GroupEdits {
    rows: BTreeMap<Place, (usize, Option<Vec<u8>>)>,
    removed: BTreeMap<Vec<u8>, usize>,
}

impl Edits {
    /// Line `number` puts a row, or removes it.
    ///
    /// # Errors
    /// If another line has it already.
    pub fn row(
        &mut self,
        number: usize,
        group: KeyGroup,
        place: Place,
        value: Option<Vec<u8>>,
    ) -> Result<()> {
        let rows = &mut self.groups.entry(group).or_default().rows;
        match rows.insert(place, (number, value)) {
            Some((earlier, _)) => Err(Error::failure(format!("line {earlier} has this row already"))),
            None => Ok(()),
        }
    }

    /// Line `number` removes all that the snapshot has of a key.
    ///
    /// # Errors
    /// If another line does so already.
    pub fn remove_key(&mut self, number: usize, group: KeyGroup, key: Vec<u8>) -> Result<()> {
        match self.groups.entry(group).or_default().removed.insert(key, number) {
            Some(earlier) => Err(Error::failure(format!("line {earlier} removes this key already"))),
            None => Ok(()),
        }
    }

    /// What the rows of `operator` become.
    ///
    /// # Errors
    /// If the snapshot can't be read, something is to be removed that is not there, or entries would have no state; the error
    /// says by which line.
    pub fn layer(self, snapshot: &Snapshot, operator: &OperatorState) -> Result<Layer> {
        let mut layer = Layer::default();
        for (group, edits) in self.groups {
            let before = read(snapshot, &operator.name, group)?;
            let mut after = edits.apply(operator, &before)?;
            for (key, number) in edits.touched(operator) {
                recount(operator, group, &before, &mut after, key)
                    .map_err(|error| error.within(format!("line {number}")))?;
            }
            layer.add(group, before, after);
        }
        Ok(layer)
    }
}

impl GroupEdits {
    /// The rows of the group as they become.
    fn apply(&self, operator: &OperatorState, before: &Rows) -> Result<Rows> {
        let (mut after, mut found) = (Rows::new(), BTreeSet::new());
        for (place, value) in before {
            let key = key_of(&operator.schema.state, place.0, &place.1).unwrap_or_default();
            if self.removed.contains_key(key) {
                found.insert(key);
            } else {
                after.insert(place.clone(), value.clone());
            }
        }
        if let Some((_, number)) = self.removed.iter().find(|(key, _)| !found.contains(&key[..])) {
            return Err(Error::failure(format!("line {number}: there is nothing of this key to remove")));
        }
        for (place, (number, value)) in &self.rows {
            match value {
                Some(value) => drop(after.insert(place.clone(), value.clone())),
                None if after.remove(place).is_some() => {}
                None => return Err(Error::failure(format!("line {number}: there is no such row to remove"))),
            }
        }
        Ok(after)
    }

    /// The keys whose states or entries lines put or remove, each with the first of these lines.
    fn touched<'a>(&'a self, operator: &'a OperatorState) -> BTreeMap<&'a [u8], usize> {
        let mut touched: BTreeMap<&[u8], usize> =
            self.removed.iter().map(|(key, number)| (&key[..], *number)).collect();
        for ((section, row_key), (number, _)) in &self.rows {
            if let (Section::State | Section::Entry, Some(key)) =
                (section, key_of(&operator.schema.state, *section, row_key))
            {
                let first = touched.entry(key).or_insert(*number);
                *first = (*number).min(*first);
            }
        }
        touched
    }
}

/// Has the state of `key` say how many entries it has, in the fields in which some came or went.
fn recount(
    operator: &OperatorState,
    group: KeyGroup,
    before: &Rows,
    after: &mut Rows,
    key: &[u8],
) -> Result<()> {
    let place = (Section::State, key.to_vec());
    let prefixes =
        || entry_fields(&operator.schema.state).map(|field| (field, entry_prefix(field.number, key)));
    let Some(value) = after.get(&place) else {
        return match prefixes().find(|(_, prefix)| entries(after, prefix).next().is_some()) {
            Some((EntryField { field, .. }, _)) => Err(Error::failure(format!(
                "field {} would have entries, and there is no state of their key",
                field.name
            ))
            .hint("put its state, too: a line with \"section\": \"state\"")),
            None => Ok(()),
        };
    };
    let mut json = line::decode(operator, row(group, &place, value))?;
    let mut is_new = false;
    for (field, prefix) in prefixes() {
        if entries(before, &prefix).ne(entries(after, &prefix)) {
            count(field, entries(after, &prefix), &mut json["value"][&field.field.name]);
            is_new = true;
        }
    }
    if let Some(what) = miscounts(operator, after, key, &json).next() {
        return Err(Error::failure(what));
    }
    if is_new {
        let (_, _, value) = encode_row(&operator.schema, &json)?;
        after.insert(place, value);
    }
    Ok(())
}

/// Writes into `said`, what a state says of the entries of a field, that they are these.
fn count<'a>(entry_field: EntryField<'_>, entries: impl Iterator<Item = &'a [u8]>, said: &mut Json) {
    let (mut there, mut ends) = (0u64, None);
    for subkey in entries {
        let index = subkey.try_into().map_or(0, u64::from_be_bytes);
        there += 1;
        ends = Some((ends.map_or(index, |(first, _)| first), index));
    }
    let mut entries = there;
    if let (true, Some((first, last))) = (entry_field.is_list, ends) {
        said["first"] = number(first);
        // Of a list, the indices count, whether or not they have an entry.
        entries = last - first + 1;
    }
    let has_ttl = entry_field.field.ttl.is_some() && there > 0;
    said["entries"] = number(entries);
    said["may_have_gone"] = Json::Bool(entries != there || has_ttl);
}

/// Beyond 2^53, where readers of JSON round, a number is text.
fn number(number: u64) -> Json {
    if number < 1 << 53 { number.into() } else { number.to_string().into() }
}

/// Rows over those of a snapshot: what they are then, or that they are gone.
#[derive(Default)]
pub(super) struct Layer(BTreeMap<LayerPlace, Option<Vec<u8>>>);

type LayerPlace = (KeyGroup, Place);

impl Layer {
    /// How many rows are put, or removed.
    pub fn count(&self, is_put: bool) -> usize {
        self.0.values().filter(|value| value.is_some() == is_put).count()
    }

    /// Takes in what differs.
    fn add(&mut self, group: KeyGroup, before: Rows, after: Rows) {
        for place in before.keys().filter(|place| !after.contains_key(*place)) {
            self.0.insert((group, place.clone()), None);
        }
        for (place, value) in after {
            if before.get(&place) != Some(&value) {
                self.0.insert((group, place), Some(value));
            }
        }
    }

    /// The rows of `groups`, to be laid over others.
    pub fn over(&self, groups: KeyGroupRange) -> Over<'_> {
        let first = (groups.first, (Section::State, Vec::new()));
        Over { rest: self.0.range(first..).peekable(), groups }
    }
}

/// Goes through a layer beside the rows that it lies over.
pub(super) struct Over<'a> {
    rest: Peekable<btree_map::Range<'a, LayerPlace, Option<Vec<u8>>>>,
    groups: KeyGroupRange,
}

impl Over<'_> {
    /// Gives the rows of the layer up to `row` to `each`, or all that are left; whether `row` itself is hidden by one.
    ///
    /// # Errors
    /// Those of `each`.
    pub fn until(
        &mut self,
        row: Option<&StateRow<'_>>,
        each: &mut dyn FnMut(StateRow<'_>) -> Result<()>,
    ) -> Result<bool> {
        while let Some(((group, (section, key)), value)) = self.rest.peek()
            && self.groups.contains(*group)
        {
            let order = row.map_or(Ordering::Less, |row| {
                (*group, *section, &key[..]).cmp(&(row.group, row.section, row.key))
            });
            if order == Ordering::Greater {
                break;
            }
            if let Some(value) = value {
                each(StateRow::put(*group, *section, key, value))?;
            }
            self.rest.next();
            if order == Ordering::Equal {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
