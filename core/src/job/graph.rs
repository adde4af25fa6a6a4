//! The graph of a job: its stages, and the edges between them. Wired once, instantiated for every attempt and worker.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::evolution::OperatorProgram;
use crate::job::RunOptions;
use crate::job::plan::{Plan, PlanEdge, PlanStage, PlanStep, Ship, StageKind};
use crate::outbox::EdgeIndex;
use crate::sink::{Delivery, Settle};
use crate::snapshot::entry_state::{EntryState, Scope};
use crate::snapshot::part::OperatorSchema;
use crate::source::{Boundedness, Replay, Source, Split};
use crate::state::Schema;
use crate::task::stage::Stage;

/// A wired job.
pub struct Graph {
    pub(crate) job: String,
    /// In the order of their creation, which is an order of the data's flow: an edge leads from an earlier stage to a later,
    /// but for a [feedback](EdgeNode::is_feedback) edge.
    pub(crate) stages: Vec<StageNode>,
    pub(crate) edges: Vec<EdgeNode>,
    /// The states of operators that belong to no key.
    pub(crate) entry_states: Vec<EntryState>,
    /// What was found to be wrong while it was wired, first.
    pub(crate) mistake: Option<Error>,
}

/// A stage of the graph.
pub(crate) struct StageNode {
    pub name: String,
    pub kind: StageKind,
    pub steps: Vec<PlanStep>,
    /// What the stage begins with.
    pub role: StageRole,
    /// The type of the records that come to it through an exchange, if they do.
    pub receives: Option<Schema>,
    /// The sink that ends its chain, if one does.
    pub sink: Option<SinkNode>,
    /// Builds a subtask; there as soon as the chain has an end.
    pub build: Option<StageBuilder>,
}

pub(crate) type StageBuilder = Box<dyn Fn() -> Box<dyn Stage> + Send + Sync>;

/// What a stage begins with.
pub(crate) enum StageRole {
    Source(Arc<dyn Origin>),
    Keyed(OperatorProgram),
    Local,
}

/// The part of a source that does not depend on what it gives.
pub(crate) trait Origin: Send + Sync {
    fn describe(&self) -> String;
    fn replay(&self) -> Replay;
    fn boundedness(&self) -> Boundedness;
    fn splits(&self) -> Result<Vec<Split>>;
}

impl<S: Source> Origin for S {
    fn describe(&self) -> String {
        Source::describe(self)
    }

    fn replay(&self) -> Replay {
        Source::replay(self)
    }

    fn boundedness(&self) -> Boundedness {
        Source::boundedness(self)
    }

    fn splits(&self) -> Result<Vec<Split>> {
        Source::splits(self)
    }
}

/// A sink of the graph.
pub(crate) struct SinkNode {
    pub name: String,
    pub sink: Arc<dyn Settle>,
    /// Shows readers a transaction that a checkpoint of Flink's names.
    #[cfg(feature = "flink")]
    pub commit: CommitOne,
}

/// Opens a sink's writer for nothing but to commit one transaction, again if it was committed before.
#[cfg(feature = "flink")]
pub(crate) type CommitOne =
    Box<dyn Fn(&crate::sink::SinkContext, &crate::sink::Pending) -> Result<()> + Send + Sync>;

/// An edge of the graph.
pub(crate) struct EdgeNode {
    pub from: usize,
    pub to: usize,
    pub ship: Ship,
    pub label: String,
}

impl EdgeNode {
    /// Whether it closes a loop: it leads back to an earlier stage.
    pub fn is_feedback(&self) -> bool {
        self.to < self.from
    }
}

impl Graph {
    pub(crate) fn new(job: &str) -> Graph {
        Graph {
            job: job.to_string(),
            stages: Vec::new(),
            edges: Vec::new(),
            entry_states: Vec::new(),
            mistake: None,
        }
    }

    /// Adds a stage whose chain has no end yet.
    pub(crate) fn begin_stage(&mut self, name: &str, kind: StageKind, role: StageRole) -> usize {
        let steps = Vec::new();
        let name = name.to_string();
        self.stages.push(StageNode { name, kind, steps, role, receives: None, sink: None, build: None });
        self.stages.len() - 1
    }

    /// A name for a stage that the user does not name, after `base`.
    pub(crate) fn unused_name(&self, base: &str) -> String {
        let taken: BTreeSet<&str> = self.stages.iter().map(|stage| stage.name.as_str()).collect();
        let numbered = (2..).map(|n| format!("{base} {n}"));
        std::iter::once(base.to_string())
            .chain(numbered)
            .find(|name| !taken.contains(name.as_str()))
            .unwrap_or_default()
    }

    pub(crate) fn add_edge(&mut self, from: usize, to: usize, ship: Ship, label: &str) -> EdgeIndex {
        self.edges.push(EdgeNode { from, to, ship, label: label.to_string() });
        EdgeIndex(self.edges.len() as u32 - 1)
    }

    /// The edges that leave a stage.
    pub(crate) fn edges_from(&self, stage: usize) -> impl Iterator<Item = (EdgeIndex, &EdgeNode)> {
        (0..).map(EdgeIndex).zip(&self.edges).filter(move |(_, edge)| edge.from == stage)
    }

    /// The edges that lead to a stage.
    pub(crate) fn edges_to(&self, stage: usize) -> impl Iterator<Item = (EdgeIndex, &EdgeNode)> {
        (0..).map(EdgeIndex).zip(&self.edges).filter(move |(_, edge)| edge.to == stage)
    }

    /// Whether records go round in it.
    pub(crate) fn has_loops(&self) -> bool {
        self.edges.iter().any(EdgeNode::is_feedback)
    }

    /// Whether what comes out of stage `from` can come to stage `to`, without a loop.
    fn leads(&self, from: usize, to: usize) -> bool {
        let mut reached = BTreeSet::from([from]);
        for stage in from..to {
            if reached.contains(&stage) {
                reached.extend(self.edges_from(stage).map(|(_, edge)| edge.to));
            }
        }
        reached.contains(&to)
    }

    /// The sources, each with its stage.
    pub(crate) fn sources(&self) -> impl Iterator<Item = (usize, &str, &dyn Origin)> {
        self.stages.iter().enumerate().filter_map(|(index, stage)| match &stage.role {
            StageRole::Source(source) => Some((index, stage.name.as_str(), &**source)),
            StageRole::Keyed(_) | StageRole::Local => None,
        })
    }

    /// The states of the stateful operators and their schemas.
    pub(crate) fn operators(&self) -> Vec<(String, OperatorSchema)> {
        self.programs().into_iter().map(|(name, program)| (name, program.schema())).collect()
    }

    /// The states of the stateful operators, and what the program knows of them: first those per key.
    pub(crate) fn programs(&self) -> Vec<(String, OperatorProgram)> {
        let keyless = self.entry_states.iter().map(|state| (state.label(), state.program.clone()));
        self.keyed_programs().into_iter().chain(keyless).collect()
    }

    /// The keyed operators, and what the program knows of their state.
    pub(crate) fn keyed_programs(&self) -> Vec<(String, OperatorProgram)> {
        let program = |stage: &StageNode| match &stage.role {
            StageRole::Keyed(program) => Some((stage.name.clone(), program.clone())),
            StageRole::Source(_) | StageRole::Local => None,
        };
        self.stages.iter().filter_map(program).collect()
    }

    pub(crate) fn sinks(&self) -> impl Iterator<Item = &SinkNode> {
        self.stages.iter().filter_map(|stage| stage.sink.as_ref())
    }

    /// Checks what can only be known when everything is wired.
    pub(crate) fn validate(&self) -> Result<()> {
        if self.stages.is_empty() {
            return Err(Error::usage(format!("job {:?} has no source", self.job))
                .hint("begin with `job.source(\"name\", ..)` in the job function"));
        }
        if let Some(open) = self.stages.iter().find(|stage| stage.build.is_none()) {
            return Err(Error::usage(format!(
                "the stream {:?} goes nowhere: its records would be lost",
                open.name
            ))
            .hint("end it with `.sink(\"name\", ..)`, or with `.discard()` if nobody needs them"));
        }
        if let Some(astray) =
            self.edges.iter().find(|edge| edge.is_feedback() && !self.leads(edge.to, edge.from))
        {
            let name = &self.stages[astray.to].name;
            return Err(Error::usage(format!(
                "what is fed back to operator {name:?} does not come from it: this is no loop"
            ))
            .hint("make the stream that `iterate` feeds back of what the operator puts out, or join the two by `.union(..)`"));
        }
        let sources = self.sources().map(|(_, name, _)| name);
        let keyed = self.stages.iter().filter(|stage| matches!(stage.role, StageRole::Keyed(_)));
        let keyed = keyed.map(|stage| stage.name.as_str());
        let unkeyed = self.entry_states.iter().filter(|state| state.scope == Scope::Unkeyed);
        unique("sources", sources)?;
        let labels: Vec<String> = self.entry_states.iter().map(EntryState::label).collect();
        let names = keyed.chain(unkeyed.map(|state| state.operator.as_str()));
        // In reports and in state.lock a state without keys stands under its label, beside the names.
        unique("operators", names.chain(labels.iter().map(String::as_str)))?;
        unique("sinks", self.sinks().map(|sink| sink.name.as_str()))
    }

    /// A batch needs input that ends.
    pub(crate) fn check_bounded(&self) -> Result<()> {
        let endless = self.sources().find(|(_, _, source)| source.boundedness() == Boundedness::Endless);
        match endless {
            None => Ok(()),
            Some((_, name, source)) => {
                let what = source.describe();
                Err(Error::usage(format!(
                    "source {name:?} ({what}) has no end, and --mode batch gives results when the input has ended"
                ))
                .hint("leave --mode out, or give the source an end"))
            }
        }
    }

    /// Exactly-once, which `flag` promises, needs sources that can be read again and sinks that can commit.
    pub(crate) fn check_exactly_once(&self, flag: &str) -> Result<()> {
        for (_, name, source) in self.sources() {
            if source.replay() == Replay::Never {
                let what = source.describe();
                return Err(Error::usage(format!(
                    "source {name:?} ({what}) can't be read again after a failure, and {flag} promises exactly-once"
                ))
                .hint(format!("give the job a file instead, or run it without {flag}")));
            }
        }
        for SinkNode { name, sink, .. } in self.sinks() {
            if sink.delivery() == Delivery::AtLeastOnce {
                let what = sink.describe();
                return Err(Error::usage(format!(
                    "sink {name:?} ({what}) can't take back what it has written, and {flag} promises exactly-once"
                ))
                .hint(format!(
                    "have the job write files instead (a flag like --output DIR), or run it without {flag}"
                )));
            }
        }
        Ok(())
    }

    /// The graph as people look at it.
    pub fn plan(&self, options: &RunOptions) -> Plan {
        let stage = |stage: &StageNode| PlanStage {
            name: stage.name.clone(),
            kind: stage.kind,
            steps: stage.steps.clone(),
        };
        let edge = |edge: &EdgeNode| PlanEdge {
            from: edge.from,
            to: edge.to,
            ship: edge.ship,
            label: edge.label.clone(),
        };
        Plan {
            job: self.job.clone(),
            parallelism: options.parallelism.get(),
            max_parallelism: options.max_parallelism.get(),
            stages: self.stages.iter().map(stage).collect(),
            edges: self.edges.iter().map(edge).collect(),
        }
    }
}

fn unique<'a>(kind: &str, names: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        if name.trim().is_empty() {
            return Err(Error::usage(format!("one of the {kind} has an empty name"))
                .hint("give it a name: it is what a snapshot knows it by"));
        }
        if !seen.insert(name) {
            return Err(Error::usage(format!("two {kind} are called {name:?}"))
                .hint("give each a name of its own: it is what a snapshot knows it by"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::job::{Graph, Job};
    use crate::sink::Collect;
    use crate::source::{Generate, Source};

    fn of<S: Source<Item = u64>>(source: S) -> Graph {
        let job = Job::new("numbers");
        job.source("numbers", source).sink("out", Collect::new());
        job.finish().unwrap()
    }

    #[test]
    fn a_batch_of_what_never_ends_is_refused_and_the_source_named() {
        assert!(of(Generate::new(10, |number| number)).check_bounded().is_ok());
        let error = of(Generate::unbounded(|number| number)).check_bounded().unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("source \"numbers\" (generated records) has no end"), "{error}");
    }
}
