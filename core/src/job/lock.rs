//! `--lock check|update`: the file `state.lock` beside the program, which says what the job's state looks like.
//!
//! A change of state is a change of what snapshots hold. With the file checked in, such a change is seen where it is made, by
//! those who review it, and CI says whether snapshots that there are could be restored.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::error::{Error, Result};
use crate::evolution::Report;
use crate::evolution::lock::Lock;
use crate::job::Graph;
use crate::state::kinds::Now;
use crate::time::EventTime;

/// What to do with the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LockAction {
    /// Fail if the program's state is not what the file says
    Check,
    /// Write what the program's state is into the file
    Update,
}

/// Does it; what there is to say.
///
/// # Errors
/// If the file can't be read or written, or, for a check, differs from the program.
pub(crate) fn run(action: LockAction, path: &Path, graph: &Graph) -> Result<String> {
    let there = read(path)?;
    match action {
        LockAction::Check => check(there, path, graph),
        LockAction::Update => update(there, path, graph),
    }
}

/// The file, if it is there.
fn read(path: &Path) -> Result<Option<Lock>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::failure(format!("can't read {}", path.display())).caused_by(error)),
    };
    Lock::from_text(&text).map(Some).map_err(|what| {
        Error::failure(format!("{} can't be understood: {what}", path.display()))
            .hint("mend it, or remove it and write it anew with --lock update")
    })
}

fn compare(lock: &Lock, path: &Path, graph: &Graph) -> Report {
    // A lock file has no rows that could count as refreshed at some time.
    let epoch = EventTime::from_millis(0);
    let never = Now { event: epoch, record: epoch, processing: epoch, uptime: epoch };
    let was = lock.operators.iter().map(|(name, schema)| (name.as_str(), schema, never));
    Report::of(path.display(), was, &graph.programs())
}

fn check(there: Option<Lock>, path: &Path, graph: &Graph) -> Result<String> {
    let shown = path.display();
    let Some(lock) = there else {
        return Err(Error::failure(format!("there is no {shown}"))
            .hint("write it with --lock update, and check it in"));
    };
    if lock.job != graph.job {
        return Err(Error::failure(format!("{shown} is of job {:?}, this is job {:?}", lock.job, graph.job))
            .hint("jobs that live in one directory need a --lock-file each"));
    }
    let report = compare(&lock, path, graph);
    let differences = report.to_string();
    let differences = differences.trim_end();
    if report.is_refused() {
        let mut fixes = report.fixes();
        fixes.push(
            "or, if no snapshot has to be restored any more, take the change in with --lock update"
                .to_string(),
        );
        return Err(Error::failure(format!(
            "the program could not take over the state that {shown} says it had\n{differences}"
        ))
        .hint(fixes.join("\n        ")));
    }
    if report.gone().next().is_some() {
        return Err(Error::failure(format!(
            "the program has no place for state that {shown} says it had\n{differences}"
        ))
        .hint("an operator is known by its name; if it is to be gone, --lock update takes that in"));
    }
    if !report.is_same() {
        return Err(Error::failure(format!(
            "the program's state is not what {shown} says, though it could take that over\n{differences}"
        ))
        .hint("take the change in with --lock update"));
    }
    Ok(format!("{shown} says what the program's state is\n"))
}

fn update(there: Option<Lock>, path: &Path, graph: &Graph) -> Result<String> {
    let shown = path.display();
    let lock = Lock { job: graph.job.clone(), operators: graph.operators() };
    let told = match &there {
        Some(there) if there.to_text() == lock.to_text() => return Ok(format!("{shown} is as it was\n")),
        Some(there) => format!("{shown} is written anew\n{}", compare(there, path, graph)),
        None => format!("{shown} is written; check it in\n"),
    };
    // Whoever reads it meanwhile has the old one or the new one.
    let beside = path.with_extension("lock.new");
    let written = fs::write(&beside, lock.to_text()).and_then(|()| fs::rename(&beside, path));
    written.map_err(|error| Error::failure(format!("can't write {shown}")).caused_by(error))?;
    Ok(told)
}
