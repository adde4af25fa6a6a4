//! Jobs on a real Flink cluster: a JobManager and two TaskManagers that the test starts. They commit what they do without Flink,
//! whoever is killed; and when they fail, Flink says why, in the job's words.
//!
//! `FLINK_HOME` names the distribution; without it the tests have nothing to do.

mod answers;
mod billed;
mod failures;
mod handover;
mod kills;
mod restarts;
mod settling;

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
        self.words().into_iter().fold(submitted, Program::arg)
    }

    /// The job's own arguments.
    fn words(&self) -> Vec<String> {
        let [first, second, third] = self.input.each_ref().map(|path| path.display().to_string());
        let [sessions, rejects] = [self.sessions(), self.rejects()].map(|path| path.display().to_string());
        ["--input", &first, &second, &third, "--output", &sessions, "--rejects", &rejects]
            .map(String::from)
            .to_vec()
    }

    /// The same, which takes about so many seconds.
    fn slow_job(&self, submitted: Program, seconds: usize) -> Program {
        self.job(submitted).args(&format!("--max-rate {}", self.log.lines.len() / seconds))
    }

    fn sessions(&self) -> PathBuf {
        self.dir.path().join("sessions")
    }

    fn rejects(&self) -> PathBuf {
        self.dir.path().join("rejects")
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
        let rejects = reader::results(&self.rejects());
        let mut rejects: Vec<String> =
            rejects.iter().map(|reject| reject["text"].as_str().unwrap().to_string()).collect();
        rejects.sort();
        assert_eq!(rejects, self.log.bad_lines());
    }

    fn committed_sessions(&self) -> usize {
        reader::results(&self.sessions()).len()
    }

    /// What is pre-committed and not committed.
    fn pending(&self) -> Vec<PathBuf> {
        let dirs = [self.sessions(), self.rejects()];
        let entries = dirs.iter().flat_map(|dir| dir.read_dir().unwrap()).map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "pending")).collect()
    }

    /// How many files readers see.
    fn committed(&self) -> usize {
        let is_visible = |path: &Path| !path.file_name().unwrap().to_string_lossy().starts_with('.');
        let Ok(entries) = self.sessions().read_dir() else { return 0 };
        entries.filter(|entry| is_visible(&entry.as_ref().unwrap().path())).count()
    }
}

/// Hides what a sink has committed with this checkpoint again: so it is if a cluster is lost before any of its sinks has heard that the
/// checkpoint is complete. What is hidden.
fn uncommit(dir: &Path, checkpoint: u64) -> Vec<PathBuf> {
    let parts = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let of_it = parts.filter(|name| name.contains(&format!("-s{checkpoint:010}-")));
    let hide = |name: String| {
        let hidden = dir.join(format!(".{}.pending", name.strip_suffix(".jsonl").unwrap()));
        fs::rename(dir.join(name), &hidden).unwrap();
        hidden
    };
    of_it.map(hide).collect()
}
