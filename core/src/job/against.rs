//! `--plan --against SNAP`: what would become of a snapshot's state if the job were restored from it.

use crate::error::{Error, Result};
use crate::evolution::Report;
use crate::job::fit::Fit;
use crate::job::plan::PlanFormat;
use crate::job::{Graph, RunOptions};
use crate::snapshot::RestoreTarget;
use crate::snapshot::peek::Place;

/// The report, and whether the snapshot's state could be taken over.
///
/// # Errors
/// If there is no such snapshot, it is broken or of another job, or the format shows no differences.
pub(crate) fn compare(
    graph: &Graph,
    options: &RunOptions,
    target: &str,
    format: PlanFormat,
) -> Result<(String, Result<()>)> {
    let Ok(target) = target.parse::<RestoreTarget>();
    if !matches!(format, PlanFormat::Text | PlanFormat::Json) {
        return Err(Error::usage("--against shows differences, which are no picture")
            .hint("leave the format of --plan out, or make it json"));
    }
    let (path, manifest) = Place::of(options.snapshot_dir.as_deref())?.manifest_of(&target)?;
    if manifest.job != graph.job {
        return Err(Error::failure(format!(
            "snapshot {} in {} is of job \"{}\", this is job \"{}\"",
            manifest.snapshot,
            path.display(),
            manifest.job,
            graph.job
        )));
    }
    let report = Report::of_snapshot(&manifest, &graph.programs());
    let verdict = match report.is_refused() {
        false => Fit::of(&manifest, &report, graph, options).map(drop),
        true => Err(Error::failure(format!(
            "the job could not be restored from snapshot {} in {}",
            manifest.snapshot,
            path.display()
        ))
        .hint(report.fixes().join("\n        "))),
    };
    let text = match format {
        PlanFormat::Json => format!("{:#}\n", report.to_json()),
        _ => report.to_string(),
    };
    Ok((text, verdict))
}
