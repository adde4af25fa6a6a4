//! `verify`: all that is wrong with a snapshot.
//!
//! Every file is read to its last byte. Of an operator whose files are whole, every row is read by its schema, and must be
//! where its key belongs; a `Map` or `List` must have the entries that its state says. A record in flight must be of the type
//! that the manifest says, and on its way to a subtask that owns its key. What belongs to no key must be of its schema, too.

use std::path::Path;

use super::output::Output;
use super::rows::{Rows, miscounts, read, row};
use super::{keyless, line};
use crate::error::{Error, Result};
use crate::evolution::record::is_record;
use crate::evolution::row::{key_group, key_of};
use crate::exchange::backlog::{Backlog, Queued};
use crate::exchange::codec::Payload;
use crate::key::KeyGroup;
use crate::snapshot::channel_file::read_channel;
use crate::snapshot::layout::{Standing, scan};
use crate::snapshot::manifest::{ChannelState, Manifest, OperatorState};
use crate::snapshot::part::Section;
use crate::snapshot::peek::Place;
use crate::snapshot::restore::{RestoreTarget, Snapshot, state_path, verify};

/// Of one operator, the rows that are wrong are named up to this many.
const NAMED_MAX: usize = 20;

/// Verifies every complete snapshot in a place.
///
/// # Errors
/// If any is broken, or the directory can't be read.
pub(super) fn all(place: &Place, out: &mut Output<'_>) -> Result<()> {
    let directory = place.directory()?;
    let mut found = scan(directory)?;
    found.retain(|(_, standing, _)| *standing == Standing::Complete);
    found.sort_by_key(|(id, ..)| *id);
    let targets: Vec<_> = found.into_iter().map(|(id, ..)| RestoreTarget::Id(id)).collect();
    if targets.is_empty() {
        return Err(Error::failure(format!("there is no complete snapshot in {place}")));
    }
    each(&targets, place, out)
}

/// Verifies these snapshots.
///
/// # Errors
/// If any is broken or not there.
pub(super) fn each(targets: &[RestoreTarget], place: &Place, out: &mut Output<'_>) -> Result<()> {
    let mut broken = 0;
    for target in targets {
        // One that is not there is not broken.
        place.path_of(target)?;
        let brought = place.manifest_of(target).and_then(|(name, manifest)| {
            let path = place.bring(&name, &manifest)?;
            Ok((path, manifest))
        });
        let (id, found) = match brought {
            Ok((path, manifest)) => (manifest.snapshot.to_string(), problems(&path, &manifest)?),
            Err(error) => {
                (target.to_string(), Found { problems: vec![error.to_string()], files: 0, rows: 0 })
            }
        };
        let told = match target {
            RestoreTarget::Path(path) => path.display().to_string(),
            RestoreTarget::Latest | RestoreTarget::Id(_) => format!("snapshot {id}"),
        };
        if found.problems.is_empty() {
            out.line(format_args!("{told} is whole: {} files, {} rows", found.files, found.rows))?;
            continue;
        }
        broken += 1;
        out.line(format_args!("{told} is broken"))?;
        found.problems.iter().try_for_each(|problem| out.line(format_args!("  {problem}")))?;
    }
    match (broken, targets.len()) {
        (0, _) => Ok(()),
        (1, 1) => Err(Error::failure("the snapshot is broken")),
        (broken, of) => Err(Error::failure(format!("{broken} of {of} snapshots are broken"))),
    }
}

#[derive(Default)]
struct Found {
    problems: Vec<String>,
    files: usize,
    rows: u64,
}

fn problems(path: &Path, manifest: &Manifest) -> Result<Found> {
    let directory = state_path(path, manifest);
    let mut found = Found { problems: keyless::problems(manifest), ..Found::default() };
    let keyless = found.problems.len();
    for operator in &manifest.operators {
        let wrong = operator.files.iter().filter_map(|file| verify(&directory, file).err());
        found.problems.extend(wrong.map(|error| error.to_string()));
        found.files += operator.files.len();
    }
    for channel in &manifest.channels {
        found.files += 1;
        match read_channel(&directory, channel) {
            Ok(backlog) => found.problems.extend(wrong_record(manifest, channel, &backlog)),
            Err(error) => found.problems.push(error.to_string()),
        }
    }
    if found.problems.len() > keyless {
        return Ok(found);
    }
    let snapshot = Snapshot::peek(path)?;
    for operator in &manifest.operators {
        let mut wrong = Vec::new();
        for group in manifest.max_parallelism.all().iter() {
            match read(&snapshot, &operator.name, group) {
                Ok(rows) => {
                    found.rows += rows.len() as u64;
                    check_rows(&snapshot, operator, group, &rows, &mut wrong);
                }
                Err(error) => wrong.push(error.to_string()),
            }
        }
        let more = wrong.len().saturating_sub(NAMED_MAX);
        wrong.truncate(NAMED_MAX);
        found.problems.append(&mut wrong);
        if more > 0 {
            found.problems.push(format!("operator {:?}: and {more} more", operator.name));
        }
    }
    Ok(found)
}

/// What is wrong with the first record that is not as the manifest says.
fn wrong_record(manifest: &Manifest, channel: &ChannelState, backlog: &Backlog<Payload>) -> Option<String> {
    let payloads = backlog.elements.iter().filter_map(|queued| match queued {
        Queued::Batch(payload) => Some(payload),
        Queued::Watermark(_) => None,
    });
    let wrong = payloads.flat_map(Payload::frames).find_map(|frame| match frame {
        Err(error) => Some(error.to_string()),
        Ok(frame) if !is_record(&channel.record, frame.record) => {
            Some(format!("a record in flight is no {}", channel.record))
        }
        Ok(frame) => {
            let group = frame.hash.group(manifest.max_parallelism);
            let what =
                || format!("a record in flight belongs into key group {group}, which is not its subtask's");
            (!channel.groups.contains(group)).then(what)
        }
    });
    wrong.map(|what| format!("{}: {what}", channel.name))
}

fn check_rows(
    snapshot: &Snapshot,
    operator: &OperatorState,
    group: KeyGroup,
    rows: &Rows,
    wrong: &mut Vec<String>,
) {
    let state = &operator.schema.state;
    for (place, value) in rows {
        let shown =
            || format!("operator {:?}, key group {group}, key {}", operator.name, line::hex(&place.1));
        let json = match line::decode(operator, row(group, place, value)) {
            Ok(json) => json,
            Err(error) => {
                wrong.push(error.to_string());
                continue;
            }
        };
        let Some(key) = key_of(state, place.0, &place.1) else {
            wrong.push(format!("{}: the row has no key", shown()));
            continue;
        };
        let belongs = key_group(state, key, snapshot.manifest().max_parallelism);
        if belongs != group {
            wrong.push(format!(
                "operator {:?}, key {}: it lies in key group {group} and belongs into {belongs}",
                operator.name, json["key"]
            ));
        }
        match place.0 {
            Section::State => {
                let counts = miscounts(operator, rows, key, &json);
                wrong.extend(counts.map(|what| {
                    format!("operator {:?}, key group {group}, key {}: {what}", operator.name, json["key"])
                }));
            }
            Section::Entry if !rows.contains_key(&(Section::State, key.to_vec())) => {
                wrong.push(format!(
                    "operator {:?}, key group {group}, key {}: field {} has an entry, and there is no state",
                    operator.name, json["key"], json["field"]
                ));
            }
            Section::Entry | Section::EventTimer | Section::ProcessingTimer => {}
        }
    }
}
