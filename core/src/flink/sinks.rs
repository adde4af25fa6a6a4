//! What becomes of a job's sinks when it begins, and when it goes on from a checkpoint.
//!
//! A job that begins anew has its sinks [settled](settle), by the JobManager, before there is a subtask. One that goes on from a
//! checkpoint never has: each of its subtasks [looks](check) whether it may, and [commits](commit) a share of what is pending.
//! *Absent:* pre-commits and commits while the job runs, which are a [step](crate::sink::step)'s.

use super::fragment::{Fragment, FragmentKind};
use crate::error::Result;
use crate::job::graph::Graph;
use crate::key::{Parallelism, SubtaskIndex};
use crate::record::SnapshotId;
use crate::sink::{SettleContext, SinkContext};
use crate::snapshot::part::Entry;

/// Has the sinks of a job that begins anew do away with what an earlier run left unfinished.
///
/// # Errors
/// If one can't, or shows results that this run would show a second time.
pub(super) fn settle(graph: &Graph) -> Result<()> {
    let (job, restored) = (graph.job.as_str(), None);
    graph.sinks().try_for_each(|node| {
        node.sink.settle(&SettleContext { job, sink: &node.name, restored, pending: &[] })
    })
}

/// Where later results are seen than those of the restored checkpoint, what comes now would take their names or come twice.
///
/// # Errors
/// If any sink of the job shows such results.
pub(super) fn check(graph: &Graph, restored: SnapshotId) -> Result<()> {
    let (job, restored) = (graph.job.as_str(), Some(restored));
    graph.sinks().try_for_each(|node| {
        node.sink.check(&SettleContext { job, sink: &node.name, restored, pending: &[] })
    })
}

/// What the restored checkpoint has pre-committed becomes visible, again if it was before. Every subtask does a share.
///
/// # Errors
/// If something can't be shown.
pub(super) fn commit(
    graph: &Graph,
    fragment: &Fragment,
    (subtask, parallelism): (SubtaskIndex, Parallelism),
    restored: SnapshotId,
    entries: &[Entry],
) -> Result<()> {
    for sink in fragment.stages.iter().filter_map(|stage| graph.stages[*stage].sink.as_ref()) {
        let owner = crate::sink::step::owner(&sink.name);
        // The parts of a source's fragment come to one of its subtasks each, others to all.
        let all = entries.iter().filter(|entry| entry.owner == owner);
        let share = all.enumerate().filter(|(place, _)| match fragment.kind {
            FragmentKind::Source => true,
            FragmentKind::Keyed => *place as u32 % parallelism.get() == subtask.0,
        });
        for (_, entry) in share {
            let cx = SinkContext {
                job: graph.job.clone(),
                sink: sink.name.clone(),
                subtask,
                restored: Some(restored),
            };
            (sink.commit)(&cx, &serde_json::from_value(entry.value.clone())?)?;
        }
    }
    Ok(())
}
