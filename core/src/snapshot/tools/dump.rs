//! `dump` and `get`: rows as they are.

use super::output::Output;
use super::rows::operator;
use super::{keyless, line};
use crate::error::{Error, Result};
use crate::evolution::row::{encode_key, key_group, key_of};
use crate::key::{KeyGroup, KeyGroupRange};
use crate::snapshot::Snapshot;
use crate::snapshot::manifest::OperatorState;
use crate::snapshot::part::RestoredState;

/// Prints every row, or those of one operator or key group; and what belongs to no key, which is in no key group.
///
/// # Errors
/// If there is no such operator or key group, or a row can't be read or written.
pub(super) fn dump(
    snapshot: &Snapshot,
    name: Option<&str>,
    group: Option<u16>,
    out: &mut Output<'_>,
) -> Result<()> {
    let all = snapshot.manifest().max_parallelism.all();
    let groups = match group.map(KeyGroup) {
        None => all,
        Some(group) if all.contains(group) => KeyGroupRange::one(group),
        Some(group) => {
            return Err(Error::failure(format!("snapshot {} has no key group {group}", snapshot.id()))
                .hint(format!("it has {} to {}", all.first, all.last)));
        }
    };
    let has_keyless = group.is_none() && name.is_some_and(|name| keyless::has(snapshot, name));
    let operators = match named(snapshot, name) {
        Err(_) if has_keyless => Vec::new(),
        operators => operators?,
    };
    for operator in operators {
        snapshot.rows(&operator.name, groups, &mut |row| {
            out.line(line::text(operator, row, None, &line::decode(operator, row)?))
        })?;
    }
    if group.is_none() { keyless::dump(snapshot, name, out) } else { Ok(()) }
}

/// Prints the rows of a key, which a person has written. Only its key group is read.
///
/// # Errors
/// If it is no key of these operators, or they have nothing of it.
pub(super) fn get(
    snapshot: &Snapshot,
    written: &str,
    name: Option<&str>,
    out: &mut Output<'_>,
) -> Result<()> {
    let operators = named(snapshot, name)?;
    let (mut found, mut unfit) = (false, Vec::new());
    for operator in &operators {
        let state = &operator.schema.state;
        let key = match encode_key(&state.key, written) {
            Ok(key) => key,
            Err(error) => {
                unfit.push(error.within(format!("operator {:?}", operator.name)));
                continue;
            }
        };
        let group = key_group(state, &key, snapshot.manifest().max_parallelism);
        snapshot.rows(&operator.name, KeyGroupRange::one(group), &mut |row| {
            if key_of(state, row.section, row.key) != Some(&key) {
                return Ok(());
            }
            found = true;
            out.line(line::text(operator, row, None, &line::decode(operator, row)?))
        })?;
    }
    let unfit_all = unfit.len() == operators.len();
    match (found, unfit.into_iter().next()) {
        (true, _) => Ok(()),
        (false, Some(error)) if unfit_all => {
            Err(error.hint("write the key as dump prints it: '[\"ann\",7]', or plain text"))
        }
        (false, _) => {
            Err(Error::failure(format!("snapshot {} has nothing of the key {written}", snapshot.id())))
        }
    }
}

fn named<'a>(snapshot: &'a Snapshot, name: Option<&str>) -> Result<Vec<&'a OperatorState>> {
    match name {
        Some(name) => Ok(vec![operator(snapshot, name)?]),
        None => Ok(snapshot.manifest().operators.iter().collect()),
    }
}
