//! Jobs on a real Flink cluster: a JobManager and two TaskManagers that the test starts. They commit what they do without Flink,
//! whoever is killed; and when they fail, Flink says why, in the job's words.
//!
//! `FLINK_HOME` names the distribution; without it the tests have nothing to do.

mod answers;
mod failures;
mod handover;
mod kills;
mod restarts;

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Log, Program, reader};

/// A log, whose sessions a job is to find.
struct Visits<'a> {
    log: &'a Log,
    input: [PathBuf; 3],
    dir: tempfile::TempDir,
}

impl<'a> Visits<'a> {
    fn of(log: &'a Log) -> Visits<'a> {
        let dir = tempfile::tempdir().unwrap();
        Visits { log, input: log.write(dir.path()), dir }
    }

    fn job(&self, submitted: Program) -> Program {
        let job = self.input.iter().fold(submitted.arg("--input"), Program::arg);
        job.path("--output", &self.sessions()).path("--rejects", &self.dir.path().join("rejects"))
    }

    /// The same, which takes about so many seconds.
    fn slow_job(&self, submitted: Program, seconds: usize) -> Program {
        self.job(submitted).args(&format!("--max-rate {}", self.log.lines.len() / seconds))
    }

    fn sessions(&self) -> PathBuf {
        self.dir.path().join("sessions")
    }

    /// All that is to be found is committed, once.
    #[track_caller]
    fn assert_exact(&self) {
        let sessions = reader::sessions(&reader::results(&self.sessions()));
        assert!(
            sessions == self.log.sessions,
            "{} sessions, not {}",
            sessions.len(),
            self.log.sessions.len()
        );
        let rejects = reader::results(&self.dir.path().join("rejects"));
        let mut rejects: Vec<String> =
            rejects.iter().map(|reject| reject["text"].as_str().unwrap().to_string()).collect();
        rejects.sort();
        assert_eq!(rejects, self.log.bad_lines());
    }

    fn committed_sessions(&self) -> usize {
        reader::results(&self.sessions()).len()
    }

    /// How many files readers see.
    fn committed(&self) -> usize {
        let is_visible = |path: &Path| !path.file_name().unwrap().to_string_lossy().starts_with('.');
        let Ok(entries) = self.sessions().read_dir() else { return 0 };
        entries.filter(|entry| is_visible(&entry.as_ref().unwrap().path())).count()
    }
}

/// Hides a part of the results of the last checkpoint again: so it is if a cluster is lost before all of its sinks have heard that the
/// checkpoint is complete. What it is called then.
fn uncommit_one(dir: &Path) -> PathBuf {
    let parts = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let last = parts.filter(|name| name.ends_with(".jsonl")).max().unwrap();
    let hidden = dir.join(format!(".{}.pending", last.strip_suffix(".jsonl").unwrap()));
    fs::rename(dir.join(last), &hidden).unwrap();
    hidden
}
