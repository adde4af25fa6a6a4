//! How a job is cut for Flink: into fragments, each of which becomes one Flink operator.
//!
//! A *fragment* is what must stay in one process: a source's stage or a keyed stage, and all stages that local edges join to it,
//! because records on a local edge need not be serialisable. Edges by key, and those that are broadcast, lead from fragment to
//! fragment: these are Flink's. Pure. What Flink can't run, or can't yet, is refused here with the reason, before anything is submitted.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::job::graph::{Graph, StageRole};
use crate::job::plan::Ship;
use crate::snapshot::entry_state::EntryState;
use crate::{chain, operator, sink, source};

/// The number of a fragment.
pub(crate) type FragmentIndex = usize;

/// Stages that local edges join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fragment {
    /// What people know it by: the names of its sources, or of its keyed operators.
    pub name: String,
    /// What it begins with.
    pub kind: FragmentKind,
    /// The places of its stages in the graph, ascending: in the order of the data's flow.
    pub stages: Vec<usize>,
}

/// What a fragment begins with, and so which kind of Flink operator it becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FragmentKind {
    /// One source or several: a source of Flink's.
    Source,
    /// Records of other fragments, by their keys, and maybe such as all subtasks are sent: a keyed operator of Flink's.
    Keyed,
}

/// An edge between two fragments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Crossing {
    /// The edge of the graph.
    pub edge: u32,
    /// Where it begins.
    pub from: FragmentIndex,
    /// Where it leads.
    pub to: FragmentIndex,
}

/// A job that has been cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fragments {
    pub fragments: Vec<Fragment>,
    pub crossings: Vec<Crossing>,
}

impl Fragment {
    /// Whose entries in a snapshot are of its stages and sinks.
    pub fn owners(&self, graph: &Graph) -> BTreeSet<String> {
        let mut owners = BTreeSet::new();
        for stage in self.stages.iter().map(|stage| &graph.stages[*stage]) {
            owners.extend(match stage.role {
                StageRole::Source(_) => Some(source::stage::owner(&stage.name)),
                StageRole::Keyed(_) => Some(operator::keyed::owner(&stage.name)),
                StageRole::Local => None,
            });
            let timed = stage.steps.iter().filter(|step| step.kind == "event_time").enumerate();
            owners.extend(timed.map(|(earlier, _)| chain::event_time::owner(&stage.name, earlier)));
            let has = |name: &str| stage.name == name || stage.steps.iter().any(|step| step.detail == name);
            let keyless = graph.entry_states.iter().filter(|state| has(&state.operator));
            owners.extend(keyless.map(EntryState::owner));
            owners.extend(stage.sink.as_ref().map(|node| sink::step::owner(&node.name)));
        }
        owners
    }
}

impl Fragments {
    /// Cuts `graph`.
    ///
    /// # Errors
    /// If Flink can't run it.
    pub fn of(graph: &Graph) -> Result<Fragments> {
        refuse(graph)?;
        let mut owners: Vec<usize> = (0..graph.stages.len()).collect();
        for edge in graph.edges.iter().filter(|edge| edge.ship == Ship::Local) {
            let (kept, joined) =
                (owners[edge.from].min(owners[edge.to]), owners[edge.from].max(owners[edge.to]));
            owners.iter_mut().filter(|owner| **owner == joined).for_each(|owner| *owner = kept);
        }
        let mut joined = BTreeMap::<usize, Vec<usize>>::new();
        for (stage, owner) in owners.iter().enumerate() {
            joined.entry(*owner).or_default().push(stage);
        }
        let fragments: Vec<Fragment> =
            joined.into_values().map(|stages| fragment(graph, stages)).collect::<Result<_>>()?;
        fragments.iter().try_for_each(|fragment| refuse_keyless(graph, fragment))?;
        let place = |stage: usize| {
            fragments
                .iter()
                .position(|fragment| fragment.stages.contains(&stage))
                .expect("every stage is in one")
        };
        let crossings = (0..).zip(&graph.edges).filter(|(_, edge)| edge.ship != Ship::Local);
        let crossings = crossings
            .map(|(number, edge)| Crossing { edge: number, from: place(edge.from), to: place(edge.to) })
            .collect();
        Ok(Fragments { fragments, crossings })
    }
}

fn fragment(graph: &Graph, stages: Vec<usize>) -> Result<Fragment> {
    let of_role = |wanted: fn(&StageRole) -> bool| {
        let stages = stages.iter().map(|stage| &graph.stages[*stage]);
        stages.filter(|stage| wanted(&stage.role)).map(|stage| stage.name.as_str()).collect::<Vec<_>>()
    };
    let sources = of_role(|role| matches!(role, StageRole::Source(_)));
    let keyed = of_role(|role| matches!(role, StageRole::Keyed(_)));
    let (kind, names) = match (&sources[..], &keyed[..]) {
        ([source, ..], [operator, ..]) => {
            return Err(unsupported(format!(
                "source {source:?} and what operator {operator:?} emits come together in a union"
            ))
            .hint("key both streams and connect them"));
        }
        (_, []) => (FragmentKind::Source, sources),
        ([], _) => (FragmentKind::Keyed, keyed),
    };
    Ok(Fragment { name: names.join(" + "), kind, stages })
}

/// Refuses what does not run on Flink yet.
fn refuse(graph: &Graph) -> Result<()> {
    if graph.has_loops() {
        return Err(unsupported("a loop (`iterate`) goes round".to_string())
            .hint("Flink has no loops: run the job as it is, without `flink`"));
    }
    Ok(())
}

/// Of state that belongs to no key, that of an operator behind an exchange by key runs on Flink: every subtask is given what all
/// have kept, and takes its share. A source's subtask is given what its splits have kept, and Flink deals these one by one.
fn refuse_keyless(graph: &Graph, fragment: &Fragment) -> Result<()> {
    for step in fragment.stages.iter().flat_map(|stage| &graph.stages[*stage].steps) {
        let name = &step.detail;
        if !graph.entry_states.iter().any(|state| state.operator == *name) {
            continue;
        }
        match (step.kind.as_str(), fragment.kind) {
            (kind @ ("async_map" | "lookup_join"), _) => {
                return Err(unsupported(format!(
                    "{kind} {name:?} waits for answers while nothing else comes"
                ))
                .hint("run the job as it is, without `flink`"));
            }
            ("process", FragmentKind::Source) => {
                return Err(unsupported(format!(
                    "operator {name:?} has state that belongs to no key, in front of the first exchange by key"
                ))
                .hint("put it behind a keyed operator, or keep its state per key"));
            }
            _ => {}
        }
    }
    Ok(())
}

fn unsupported(what: String) -> Error {
    Error::usage(format!("{what}, and that does not run on Flink"))
}
