//! How a snapshot fits the program that is to start from it: what is taken over, what is dropped, what is new.
//!
//! Enter: the manifest, what becomes of its operators' state, the graph and the options. Leaves: a [`Fit`], or the reason why
//! the snapshot can't be started from. Pure. Absent: the comparison of schemas, which the [`Report`] has made, and the
//! rewriting of rows.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::{Error, Result};
use crate::evolution::report::{Fate, OperatorReport};
use crate::evolution::{RecordPlan, Report};
use crate::job::RunOptions;
use crate::job::graph::Graph;
use crate::key::{MaxParallelism, Parallelism};
use crate::snapshot::{ChannelState, Manifest};
use crate::source::{self, SplitPosition};
use crate::{record::SnapshotId, sink};

/// A snapshot that can be started from.
#[derive(Debug)]
pub(crate) struct Fit {
    /// The options, with the numbers that the snapshot decides.
    pub options: RunOptions,
    /// What the snapshot and the program don't have in common; the user is told.
    pub differences: Vec<Difference>,
    /// What becomes of the records in flight to every operator that has any.
    pub records: BTreeMap<String, RecordPlan>,
}

/// Something that is not the same in the snapshot and in the program. Prints itself as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Difference {
    /// The state of an operator is declared otherwise, and taken over as the sentence says.
    StateTakenOver(String),
    /// Records in flight to an operator have another type, and are taken over as the sentence says.
    RecordsTakenOver(String),
    /// The program lacks the operator; records in flight to it go.
    RecordsDropped { operator: String, records: u64 },
    /// The program lacks the operator; its state goes.
    OperatorDropped { operator: String, state: String },
    /// The program lacks the source; how far it was read is forgotten.
    SourceDropped { source: String },
    /// The program lacks the sink; what it had pre-committed goes.
    SinkDropped { sink: String },
    /// The snapshot lacks the operator.
    OperatorNew { operator: String },
    /// Another number of key groups was asked for: every row is dealt anew.
    KeyGroups { was: MaxParallelism, is: MaxParallelism },
}

impl Difference {
    /// Whether the user is warned: state is lost, or becomes another. The rest is as was asked for.
    pub fn is_warning(&self) -> bool {
        match self {
            Difference::StateTakenOver(_)
            | Difference::RecordsTakenOver(_)
            | Difference::RecordsDropped { .. }
            | Difference::OperatorDropped { .. }
            | Difference::SourceDropped { .. }
            | Difference::SinkDropped { .. } => true,
            Difference::OperatorNew { .. } | Difference::KeyGroups { .. } => false,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Difference::StateTakenOver(sentence) | Difference::RecordsTakenOver(sentence) => {
                f.write_str(sentence)
            }
            Difference::RecordsDropped { operator, records } => write!(
                f,
                "{records} records in flight to operator {operator:?} are dropped: this program has no such operator"
            ),
            Difference::OperatorDropped { operator, state } => {
                write!(
                    f,
                    "state {state:?} of operator {operator:?} is dropped: this program has no such operator"
                )
            }
            Difference::SourceDropped { source } => {
                write!(f, "the positions of source {source:?} are dropped: this program has no such source")
            }
            Difference::SinkDropped { sink } => write!(
                f,
                "results of sink {sink:?} are dropped, unless they were committed after the snapshot: this program has no such sink"
            ),
            Difference::OperatorNew { operator } => {
                write!(f, "operator {operator:?} starts empty: the snapshot does not know it")
            }
            Difference::KeyGroups { was, is } => {
                write!(f, "state is dealt anew, from {} to {} key groups", was.get(), is.get())
            }
        }
    }
}

impl Fit {
    /// How the snapshot fits; `report` is what becomes of the state of its operators and the program's.
    ///
    /// # Errors
    /// If it has something that the program has no place for and that may not be dropped, or can't be shared by as many
    /// workers as are asked for.
    pub fn of(manifest: &Manifest, report: &Report, graph: &Graph, options: &RunOptions) -> Result<Fit> {
        let taken_over = report.sentences().into_iter().map(Difference::StateTakenOver);
        let mut differences: Vec<_> = taken_over.collect();
        differences.extend(operators(manifest.snapshot, report, options)?);
        let records = records(manifest, report, graph, options, &mut differences)?;
        differences.extend(sources(manifest, graph, options)?);
        differences.extend(sinks(manifest, graph, options)?);
        let mut options = options.clone();
        let (was, is) = (manifest.max_parallelism, options.max_parallelism);
        if options.asked.max_parallelism && was != is {
            differences.push(Difference::KeyGroups { was, is });
        } else {
            options.max_parallelism = was;
            options.parallelism = parallelism(manifest.snapshot, was, &options)?;
        }
        Ok(Fit { options, differences, records })
    }
}

/// The number of workers, among whom so many key groups can be dealt.
fn parallelism(snapshot: SnapshotId, groups: MaxParallelism, options: &RunOptions) -> Result<Parallelism> {
    let wanted = options.parallelism.get();
    let most = if options.asked.parallelism { wanted } else { wanted.min(groups.get()) };
    Parallelism::new(most, groups).ok_or_else(|| {
        let groups = groups.get();
        Error::failure(format!(
            "--parallelism {wanted} is more than the {groups} key groups of snapshot {snapshot}"
        ))
        .hint(format!(
            "start with at most {groups} workers, or have the key groups dealt anew with --max-parallelism"
        ))
    })
}

/// Which operators are only in one of the two.
fn operators(snapshot: SnapshotId, report: &Report, options: &RunOptions) -> Result<Vec<Difference>> {
    let mut differences = Vec::new();
    for OperatorReport { name, fate } in report.operators() {
        let operator = name.clone();
        match fate {
            Fate::Kept { .. } => {}
            Fate::New => differences.push(Difference::OperatorNew { operator }),
            Fate::Gone { state } if options.allow_dropped_state => {
                differences.push(Difference::OperatorDropped { operator, state: state.clone() });
            }
            Fate::Gone { state } => {
                return Err(Error::failure(format!(
                    "state {state:?} of operator {operator:?} in snapshot {snapshot} has no place to go: this program has no operator {operator:?}"
                ))
                .hint("an operator is known by its name: call it what it was called, or drop its state with --allow-dropped-state"));
            }
        }
    }
    Ok(differences)
}

/// Records in flight must reach the operator that they were on their way to, as the records that they were. Whose they are is
/// known by the hash of their key: that must be what it was.
fn records(
    manifest: &Manifest,
    report: &Report,
    graph: &Graph,
    options: &RunOptions,
    differences: &mut Vec<Difference>,
) -> Result<BTreeMap<String, RecordPlan>> {
    let mut in_flight = BTreeMap::new();
    for ChannelState { operator, records, record, .. } in &manifest.channels {
        in_flight.entry(operator).or_insert((0, record)).0 += records;
    }
    let (mut plans, mut faults) = (BTreeMap::new(), Vec::new());
    for (operator, (records, was)) in in_flight {
        let what = format!(
            "snapshot {} has {records} records in flight to operator {operator:?}",
            manifest.snapshot
        );
        let mut named = graph.stages.iter().filter(|stage| stage.name == *operator);
        let Some(is) = named.find_map(|stage| stage.receives.as_ref()) else {
            match options.allow_dropped_state {
                true => differences.push(Difference::RecordsDropped { operator: operator.clone(), records }),
                false => faults.push(format!("{what}, and this program has no such operator")),
            }
            continue;
        };
        let plan = RecordPlan::of(was, is);
        for difference in plan.differences() {
            let sentence = format!("{what}; it {difference}");
            match difference.is_refused() {
                true => faults.push(sentence),
                false => differences.push(Difference::RecordsTakenOver(sentence)),
            }
        }
        if report.operators().iter().any(|other| other.name == *operator && other.fate.changes_keys()) {
            faults.push(format!("{what}, and this program has other keys there"));
        }
        plans.insert(operator.clone(), plan);
    }
    if faults.is_empty() {
        return Ok(plans);
    }
    Err(Error::failure(faults.join("\n")).hint(
        "restore it with the program that took it, and stop that (Ctrl-C) or ask it for a savepoint: these have nothing in flight",
    ))
}

/// A source that the program does not have must have been read to its end. One that was only renamed would otherwise be read
/// again from its beginning, into state that has it already.
fn sources(manifest: &Manifest, graph: &Graph, options: &RunOptions) -> Result<Vec<Difference>> {
    let snapshot = manifest.snapshot;
    let owners: Vec<String> = graph.sources().map(|(_, name, _)| source::stage::owner(name)).collect();
    let mut differences = Vec::new();
    for entry in &manifest.entries {
        let Some(name) = entry.owner.strip_prefix(&source::stage::owner("")) else { continue };
        if owners.contains(&entry.owner) {
            continue;
        }
        let SplitPosition::At(offset) = serde_json::from_value(entry.value.clone())? else { continue };
        if !options.allow_dropped_state {
            return Err(Error::failure(format!(
                "snapshot {snapshot} has read {} records of {} of source {name:?}, and this program has no such source",
                offset.records, entry.item
            ))
            .hint("a source is known by its name: call it what it was called, or give it up with --allow-dropped-state"));
        }
        let dropped = Difference::SourceDropped { source: name.to_string() };
        if !differences.contains(&dropped) {
            differences.push(dropped);
        }
    }
    Ok(differences)
}

/// What a snapshot has pending of a sink that the program does not have would never be seen.
fn sinks(manifest: &Manifest, graph: &Graph, options: &RunOptions) -> Result<Vec<Difference>> {
    let snapshot = manifest.snapshot;
    let owners: Vec<String> = graph.sinks().map(|node| sink::step::owner(&node.name)).collect();
    let mut differences = Vec::new();
    for entry in &manifest.entries {
        let Some(name) = entry.owner.strip_prefix(&sink::step::owner("")) else { continue };
        if owners.contains(&entry.owner) {
            continue;
        }
        if !options.allow_dropped_state {
            return Err(Error::failure(format!(
                "snapshot {snapshot} has results of sink {name:?} pending, and this program has no such sink: nobody would ever see them"
            ))
            .hint("a sink is known by its name: call it what it was called, or give its results up with --allow-dropped-state"));
        }
        let dropped = Difference::SinkDropped { sink: name.to_string() };
        if !differences.contains(&dropped) {
            differences.push(dropped);
        }
    }
    Ok(differences)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Job;
    use crate::job::flags::Asked;
    use crate::snapshot::fixture;
    use crate::snapshot::manifest::OperatorState;
    use crate::snapshot::part::Entry;
    use crate::source::Memory;
    use crate::state::Describe;
    use crate::time::EventTime;

    /// Of a job with source `numbers`, sink `out`, and operators that the program does not have.
    fn manifest(operators: &[&str]) -> Manifest {
        let state = |name: &&str| OperatorState {
            name: name.to_string(),
            schema: fixture::schema("Account"),
            files: Vec::new(),
        };
        let entry = |owner: &str, item: &str, value| Entry {
            owner: owner.to_string(),
            item: item.to_string(),
            value,
        };
        Manifest {
            max_parallelism: MaxParallelism::new(4).unwrap(),
            operators: operators.iter().map(state).collect(),
            entries: vec![
                entry("source numbers", "all", serde_json::json!({ "at": { "position": 9, "records": 3 } })),
                entry("sink out", "part", serde_json::json!({ "transaction": "part" })),
            ],
            ..fixture::manifest(SnapshotId(7))
        }
    }

    fn graph(source: &str, sink: &str) -> Graph {
        let job = Job::new("web-visits");
        let out: crate::sink::Collect<u64> = crate::sink::Collect::new();
        job.source(source, Memory::of(vec![1u64])).sink(sink, out);
        job.finish().unwrap()
    }

    fn fit(manifest: &Manifest, graph: &Graph, options: &RunOptions) -> Result<Fit> {
        Fit::of(manifest, &Report::of_snapshot(manifest, &graph.programs()), graph, options)
    }

    fn refusal(manifest: &Manifest, graph: &Graph) -> String {
        let error = fit(manifest, graph, &RunOptions::default()).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        format!("{error:#}")
    }

    #[test]
    fn what_the_program_has_no_place_for_is_refused_by_its_name_unless_it_may_be_dropped() {
        let allowed = RunOptions { allow_dropped_state: true, ..RunOptions::default() };
        let operator = Difference::OperatorDropped { operator: "sum".into(), state: "Account".into() };
        for (manifest, graph, message, difference) in [
            (manifest(&["sum"]), graph("numbers", "out"), "this program has no operator \"sum\"", operator),
            (
                manifest(&[]),
                graph("figures", "out"),
                "has read 3 records of all of source \"numbers\"",
                Difference::SourceDropped { source: "numbers".into() },
            ),
            (
                manifest(&[]),
                graph("numbers", "elsewhere"),
                "results of sink \"out\" pending",
                Difference::SinkDropped { sink: "out".into() },
            ),
        ] {
            let refusal = refusal(&manifest, &graph);
            assert!(refusal.contains(message) && refusal.contains("--allow-dropped-state"), "{refusal}");
            assert!(difference.is_warning());
            assert_eq!(fit(&manifest, &graph, &allowed).unwrap().differences, [difference]);
        }
        let fits = fit(&manifest(&[]), &graph("numbers", "out"), &RunOptions::default()).unwrap();
        assert_eq!(fits.differences, []);
    }

    #[test]
    fn records_in_flight_to_an_operator_that_the_program_lacks_are_refused_unless_they_may_be_dropped() {
        let channel = |records| ChannelState {
            operator: "sum".to_string(),
            record: u64::schema(),
            name: "sum.0.7.channel".to_string(),
            groups: fixture::groups(0, 3),
            watermark: EventTime::MIN,
            records,
            bytes: 90,
            checksum: "00000000".to_string(),
        };
        let manifest = Manifest { channels: vec![channel(2), channel(3)], ..manifest(&[]) };
        let graph = graph("numbers", "out");
        let refusal = refusal(&manifest, &graph);
        let expected =
            "snapshot 7 has 5 records in flight to operator \"sum\", and this program has no such operator";
        assert!(refusal.starts_with(expected), "{refusal}");
        let allowed = RunOptions { allow_dropped_state: true, ..RunOptions::default() };
        let fits = fit(&manifest, &graph, &allowed).unwrap();
        assert!(fits.records.is_empty());
        assert_eq!(
            fits.differences,
            [Difference::RecordsDropped { operator: "sum".to_string(), records: 5 }]
        );
    }

    #[test]
    fn the_number_of_key_groups_is_the_snapshots_unless_another_is_asked_for() {
        let (manifest, graph) = (manifest(&[]), graph("numbers", "out"));
        let options = RunOptions {
            parallelism: Parallelism::new(6, MaxParallelism::DEFAULT).unwrap(),
            ..RunOptions::default()
        };
        let fits = fit(&manifest, &graph, &options).unwrap();
        assert_eq!((fits.options.max_parallelism.get(), fits.options.parallelism.get()), (4, 4));
        let asked =
            RunOptions { asked: Asked { parallelism: true, max_parallelism: false }, ..options.clone() };
        let error = fit(&manifest, &graph, &asked).unwrap_err();
        assert_eq!(error.to_string(), "--parallelism 6 is more than the 4 key groups of snapshot 7");
        let asked = RunOptions { asked: Asked { parallelism: true, max_parallelism: true }, ..options };
        let fits = fit(&manifest, &graph, &asked).unwrap();
        assert_eq!((fits.options.max_parallelism.get(), fits.options.parallelism.get()), (128, 6));
        assert_eq!(fits.differences[0].to_string(), "state is dealt anew, from 4 to 128 key groups");
        let same =
            RunOptions { max_parallelism: manifest.max_parallelism, parallelism: Parallelism::ONE, ..asked };
        assert_eq!(fit(&manifest, &graph, &same).unwrap().differences, []);
    }
}
