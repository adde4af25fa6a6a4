//! `JOB snapshots export --flink`: a snapshot of the job's becomes a savepoint of Flink's, from which it goes on on a cluster.
//!
//! What enters: a snapshot, and the job that is to go on from it. What leaves: a savepoint directory, as
//! `flink run --from-savepoint` takes it, whose number is that of the snapshot: so no number of a result is used twice. *Always:* the
//! same is refused that a restore would refuse; state whose schema has changed, or that is to have another number of key groups, is
//! rewritten as a restore would. Nothing is committed here: what is pending goes along, and is when the job goes on.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use clap::Args;

use super::checkpoint::{self, schemas};
use super::fragment::{Fragment, FragmentKind, Fragments};
use super::guest::Wiring;
use super::package::Distribution;
use super::savepoint::{Java, KeptSplit, Message, Operator, split_id, uid};
use super::sinks;
use crate::error::{Error, Result};
use crate::job::graph::{Graph, StageRole};
use crate::job::savepoints::check_unused;
use crate::job::start::FirstStart;
use crate::snapshot::part::Entry;
use crate::snapshot::peek::Place;
use crate::snapshot::{Manifest, RestoreTarget, Snapshot};
use crate::state::fjall::StateDirectory;

/// What `snapshots export` takes for Flink.
#[derive(Args, Clone, Debug)]
pub(crate) struct ExportFlags {
    /// Write a savepoint of Flink's, from which `flink run --from-savepoint` goes on, into this directory, which must be new;
    /// what the job is goes behind `--`: its own arguments
    #[arg(long = "flink", value_name = "SAVEPOINT", conflicts_with_all = ["out", "format"])]
    savepoint: Option<PathBuf>,
    /// A Flink distribution, 2.0 to 2.3, for --flink: the directory that has lib/*.jar in it
    #[arg(long, env = "FLINK_HOME", value_name = "DIR", requires = "savepoint")]
    flink_home: Option<PathBuf>,
    /// The job's own arguments, for --flink
    #[arg(last = true, requires = "savepoint")]
    args: Vec<String>,
}

impl ExportFlags {
    /// Whether it is for Flink.
    pub fn is_asked(&self) -> bool {
        self.savepoint.is_some()
    }

    /// Writes the snapshot that `target` asks for, among those in `directory`. What is to be printed.
    ///
    /// # Errors
    /// If there is no such snapshot, the job can't go on from it or can't run on Flink, or the savepoint can't be written; then
    /// there is none.
    pub fn write(
        &self,
        directory: Option<&Path>,
        target: &RestoreTarget,
        wiring: Wiring<'_>,
    ) -> Result<String> {
        let path = self.savepoint.as_deref().ok_or_else(|| Error::usage("--flink SAVEPOINT is missing"))?;
        let flink_home = self.flink_home.clone().ok_or_else(|| {
            Error::usage("there is no Flink to write a savepoint with").hint(
                "set FLINK_HOME or give --flink-home: the directory of a Flink distribution, 2.0 to 2.3",
            )
        })?;
        let (graph, asked) = wiring(&self.args)?;
        graph.check_exactly_once("flink")?;
        let cut = Fragments::of(&graph)?;
        check_unused(path)?;
        let place = Place::of(directory.or(asked.snapshot_dir.as_deref()))?;
        let (name, manifest) = place.manifest_of(target)?;
        let snapshot = Snapshot::open(&place.bring(&name, &manifest)?)?;
        refuse_in_flight(&manifest)?;
        let start = FirstStart::at(snapshot, &graph, &asked)?;
        sinks::check(&graph, manifest.snapshot)?;
        for difference in &start.differences {
            if difference.is_warning() {
                tracing::warn!("{difference}")
            } else {
                tracing::info!("{difference}")
            }
        }
        let groups = start.options.max_parallelism;
        let scratch = StateDirectory::temporary()?;
        let java = Java::prepare(&Distribution { flink_home }, scratch.path())?;
        let (snapshot, _) = start.fitted(&scratch)?.expect("it starts at a snapshot");
        appear(path, |pending| {
            java.write(pending, |tell| {
                tell(Message::Savepoint(snapshot.id()))?;
                for fragment in &cut.fragments {
                    tell_fragment(fragment, &graph, &snapshot, tell)?;
                }
                Ok(())
            })
        })
        .map_err(|error| error.within(format!("no Flink savepoint was written at {}", path.display())))?;
        let shown = path.display();
        let mut said = format!(
            "snapshot {} is a Flink savepoint in {shown}: go on with flink run --from-savepoint {shown}",
            snapshot.id()
        );
        if groups != asked.max_parallelism {
            said.push_str(&format!(", and --max-parallelism {} behind its `--`", groups.get()));
        }
        Ok(said + "\n")
    }
}

/// Flink has no place for records between two stages: a frame of theirs is of no key group.
fn refuse_in_flight(manifest: &Manifest) -> Result<()> {
    let records: u64 = manifest.channels.iter().map(|channel| channel.records).sum();
    if records == 0 {
        return Ok(());
    }
    Err(Error::failure(format!(
        "snapshot {} has {records} records in flight, and Flink has no place for them",
        manifest.snapshot
    ))
    .hint("ask the job for a savepoint, or stop it (Ctrl-C): these have nothing in flight"))
}

fn tell_fragment(
    fragment: &Fragment,
    graph: &Graph,
    snapshot: &Snapshot,
    tell: &mut dyn FnMut(Message) -> Result<()>,
) -> Result<()> {
    let manifest = snapshot.manifest();
    tell(Message::Operator(Operator {
        uid: uid(fragment),
        parallelism: 1,
        max_parallelism: manifest.max_parallelism.get(),
        finished: false,
    }))?;
    let said = schemas(graph)?;
    match fragment.kind {
        FragmentKind::Source => {
            let (splits, dealt) = splits(fragment, graph, manifest, said)?;
            for split in splits {
                tell(Message::Item(serde_json::to_vec(&split)?))?;
            }
            tell(Message::Dealt(dealt))
        }
        FragmentKind::Keyed => {
            let kept: Vec<Entry> = own(fragment, graph, manifest).cloned().chain(said).collect();
            tell(Message::Item(serde_json::to_vec(&kept)?))?;
            let names = fragment.stages.iter().map(|stage| &graph.stages[*stage].name);
            let operators =
                names.filter_map(|name| manifest.operators.iter().find(|operator| operator.name == *name));
            let rows = checkpoint::Snapshot::of(snapshot.state_path(), operators)?;
            rows.blocks(manifest.max_parallelism.all(), &mut |group, block| {
                tell(Message::Block(group, block.to_vec()))
            })
        }
    }
}

/// What the fragment itself has kept: what others have is not its to give back, when that has become another.
fn own<'a>(fragment: &Fragment, graph: &Graph, manifest: &'a Manifest) -> impl Iterator<Item = &'a Entry> {
    let owners = fragment.owners(graph);
    manifest.entries.iter().filter(move |entry| owners.contains(&entry.owner))
}

/// The splits of a fragment's sources that have been read, each with what is kept of it; and one that is none, with the rest.
fn splits(
    fragment: &Fragment,
    graph: &Graph,
    manifest: &Manifest,
    said: Vec<Entry>,
) -> Result<(Vec<KeptSplit>, Vec<String>)> {
    let of_source = crate::source::stage::owner("");
    let (positions, others): (Vec<&Entry>, Vec<&Entry>) =
        own(fragment, graph, manifest).partition(|entry| entry.owner.starts_with(&of_source));
    let checkpoint = i64::try_from(manifest.snapshot.0).map_err(|_| {
        Error::failure(format!("snapshot {} has a number that Flink can't have", manifest.snapshot))
    })?;
    let mut taken = vec![false; others.len()];
    let mut splits = Vec::new();
    for stage in fragment.stages.iter().map(|stage| &graph.stages[*stage]) {
        let StageRole::Source(_) = stage.role else { continue };
        let owner = crate::source::stage::owner(&stage.name);
        for position in positions.iter().filter(|entry| entry.owner == owner) {
            let mut kept = vec![*position];
            for (other, taken) in
                others.iter().zip(&mut taken).filter(|(other, _)| other.item == position.item)
            {
                kept.push(other);
                *taken = true;
            }
            let given = serde_json::json!({ "id": position.item, "from": position.value });
            splits.push(KeptSplit {
                id: split_id(&stage.name, &position.item),
                source: Some(stage.name.clone()),
                given: Some(given.to_string()),
                kept: Some(serde_json::to_string(&kept)?),
                checkpoint,
            });
        }
    }
    let dealt = splits.iter().map(|split| split.id.clone()).collect();
    let rest = others.iter().zip(&taken).filter(|(_, taken)| !**taken).map(|(other, _)| *other);
    let rest: Vec<&Entry> = rest.chain(&said).collect();
    splits.push(KeptSplit {
        id: "kept/0".to_string(),
        source: None,
        given: None,
        kept: Some(serde_json::to_string(&rest)?),
        checkpoint,
    });
    Ok((splits, dealt))
}

/// Has `write` fill a directory, which gets its name `path` when all of it is durable.
fn appear(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let cannot =
        |error: std::io::Error| Error::failure(format!("can't write {}", path.display())).caused_by(error);
    let path = std::path::absolute(path).map_err(cannot)?;
    let mut pending = OsString::from(&path);
    pending.push(".pending");
    let pending = PathBuf::from(pending);
    if pending.exists() {
        return Err(Error::failure(format!("{} is in the way", pending.display()))
            .hint("an export that was killed may have left it: remove it, or give another path"));
    }
    fs::create_dir_all(&pending).map_err(cannot)?;
    let sync = |path: &Path| File::open(path).and_then(|file| file.sync_all());
    let written = write(&pending).and_then(|()| {
        let files =
            fs::read_dir(&pending).and_then(|mut files| files.try_for_each(|file| sync(&file?.path())));
        files
            .and_then(|()| sync(&pending))
            .and_then(|()| fs::rename(&pending, &path))
            .and_then(|()| path.parent().map_or(Ok(()), sync))
            .map_err(cannot)
    });
    if written.is_err() {
        // The first failure is the one to tell.
        let _ = fs::remove_dir_all(&pending);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Job;
    use crate::record::SnapshotId;
    use crate::sink::Collect;
    use crate::snapshot::fixture;
    use crate::source::{Memory, Watermarks};
    use crate::time::{EventTime, millis};
    use crate::window::Tumbling;

    fn owners<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<&'a str> {
        entries.into_iter().map(|entry| entry.owner.as_str()).collect()
    }

    /// An entry of another fragment went along with a split of this one, and came back with it when it was old.
    #[test]
    fn a_fragment_is_given_what_it_has_kept_itself_and_a_split_what_is_of_it() {
        let job = Job::new("sums");
        let numbers = job.source("numbers", Memory::of(vec![1u64]).splits(2));
        let timed = numbers.event_time(|n| EventTime::from_millis(*n as i64), Watermarks::bounded(millis(1)));
        let (read, summed) = timed.tee();
        read.sink("read", Collect::new());
        let sums = summed.key_by(|n| *n).window(Tumbling::count(2));
        sums.aggregate("sums", crate::aggregate::Sum::of(|n: &u64| *n)).sink("sums", Collect::new());
        let graph = job.finish().unwrap();
        let cut = Fragments::of(&graph).unwrap();
        let entry = |(owner, item): (&str, &str)| Entry {
            owner: owner.to_string(),
            item: item.to_string(),
            value: serde_json::json!({ "at": { "position": 9, "records": 3 } }),
        };
        let entries = [
            ("source numbers", "a"),
            ("source numbers", "b"),
            ("watermarks numbers", "a"),
            ("watermarks numbers", "b"),
            ("sink read", "part"),
            // Its item is called as a split is.
            ("operator sums", "a"),
            ("sink sums", "b"),
            ("sink dropped", "part"),
        ];
        let entries = entries.map(entry).to_vec();
        let manifest = Manifest { entries, ..fixture::manifest(SnapshotId(41)) };

        let (splits, dealt) = splits(&cut.fragments[0], &graph, &manifest, Vec::new()).unwrap();
        assert_eq!(dealt, ["numbers/a", "numbers/b"]);
        let splits: Vec<_> = splits.iter().map(|split| (&*split.id, split.entries().unwrap())).collect();
        let shown: Vec<_> = splits.iter().map(|(id, entries)| (*id, owners(entries))).collect();
        assert_eq!(
            shown,
            [
                ("numbers/a", vec!["source numbers", "watermarks numbers"]),
                ("numbers/b", vec!["source numbers", "watermarks numbers"]),
                ("kept/0", vec!["sink read"]),
            ]
        );
        assert!(splits[..2].iter().all(|(id, kept)| kept.iter().all(|entry| id.ends_with(&entry.item))));
        let keyed = owners(own(&cut.fragments[1], &graph, &manifest));
        assert_eq!(keyed, ["operator sums", "sink sums"]);
    }
}
