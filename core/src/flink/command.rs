//! `JOB flink ..`: the same job on a Flink cluster, by the job's own executable.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::fragment::{FragmentKind, Fragments};
use super::guest::{self, Wiring};
use super::{import, local, package, run, sinks};
use crate::error::Result;
use crate::job::graph::{Graph, StageRole};
use crate::job::signals::Signals;
use crate::job::{RunOptions, logging};
use crate::source::Boundedness;

/// Run the job on an Apache Flink cluster
#[derive(Args, Debug)]
pub(crate) struct Flink {
    #[command(subcommand)]
    command: FlinkCommand,
}

#[derive(Subcommand, Debug)]
enum FlinkCommand {
    /// Make a jar of this executable that a Flink cluster can run
    Package {
        /// Where it is to be
        #[arg(long, value_name = "FILE.jar")]
        out: PathBuf,
        #[command(flatten)]
        distribution: package::Distribution,
    },
    /// Submit the job to a cluster and follow it: `JOB flink run --jobmanager HOST:PORT -- <the job's own arguments>`
    Run(run::Run),
    /// Start a JobManager and TaskManagers on this machine, until Ctrl-C
    Local(local::Local),
    /// Make a savepoint of Flink's one of the job's own: `JOB flink import-savepoint SAVEPOINT --out DIR -- <the job's own arguments>`
    ///
    /// The job goes on from it without Flink, by --restore DIR. The way back is `JOB snapshots export --flink SAVEPOINT`.
    ImportSavepoint(import::Import),
    /// Be a subtask of a job in a TaskManager
    #[command(hide = true)]
    Serve { socket: PathBuf },
    /// Say what the job is
    #[command(hide = true)]
    Describe {
        #[arg(last = true)]
        args: Vec<String>,
    },
    /// Prepare what the job writes to: it begins anew
    #[command(hide = true)]
    Settle {
        #[arg(last = true)]
        args: Vec<String>,
    },
}

impl Flink {
    /// Does what is asked for. What is to be printed, if anything.
    ///
    /// # Errors
    /// If it can't be done.
    pub fn answer(self, log: &str, wiring: Wiring<'_>) -> Result<Option<String>> {
        logging::init(log)?;
        match self.command {
            FlinkCommand::Package { out, distribution } => {
                package::package(&out, &distribution)?;
                Ok(Some(format!("{}\n", out.display())))
            }
            FlinkCommand::Run(run) => run.run(wiring, &Signals::install()?).map(|()| None),
            FlinkCommand::Local(local) => local.run(&Signals::install()?).map(|()| None),
            FlinkCommand::ImportSavepoint(import) => import.run(wiring).map(Some),
            FlinkCommand::Serve { socket } => guest::serve(&socket, wiring).map(|()| None),
            FlinkCommand::Describe { args } => {
                let (graph, options) = wiring(&args)?;
                Ok(Some(format!("{}\n", describe(&graph, &options)?)))
            }
            FlinkCommand::Settle { args } => sinks::settle(&wiring(&args)?.0).map(|()| None),
        }
    }
}

/// What the classes in the jar build the job from.
fn describe(graph: &Graph, options: &RunOptions) -> Result<serde_json::Value> {
    graph.check_exactly_once("flink")?;
    let Fragments { fragments, crossings } = Fragments::of(graph)?;
    let mut described = Vec::new();
    for fragment in &fragments {
        let (mut splits, mut endless) = (serde_json::Map::new(), false);
        for stage in fragment.stages.iter().map(|stage| &graph.stages[*stage]) {
            if let StageRole::Source(source) = &stage.role {
                let ids: Vec<_> = source.splits()?.into_iter().map(|split| split.id).collect();
                splits.insert(stage.name.clone(), json!(ids));
                endless |= source.boundedness() == Boundedness::Endless;
            }
        }
        let kind = match fragment.kind {
            FragmentKind::Source => "source",
            FragmentKind::Keyed => "keyed",
        };
        described.push(json!({ "name": fragment.name, "kind": kind, "splits": splits, "endless": endless }));
    }
    Ok(json!({
        "job": graph.job,
        "max_parallelism": options.max_parallelism.get(),
        "snapshot_interval_millis": options.snapshot_interval.as_millis() as u64,
        "fragments": described,
        "crossings": crossings,
    }))
}
