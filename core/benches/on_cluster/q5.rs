//! Nexmark's q5: the job of the example `nexmark`, and the query of the program that `nexmark bench` measures beside it.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tidegate::prelude::*;

use super::cluster::{Cluster, Taken};
use super::{Args, Beside, difference, support};

/// The example, as cargo builds it for a cluster.
///
/// # Errors
/// If it can't be built.
pub fn executable() -> Result<PathBuf> {
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--release", "--package", "tidegate", "--package", "tidegate-examples"]);
    build.args(["--example", "nexmark", "--features", "tidegate/flink", "--message-format", "json"]);
    let built = build.current_dir(env!("CARGO_MANIFEST_DIR")).stderr(Stdio::inherit()).output()?;
    let said = String::from_utf8_lossy(&built.stdout);
    let messages = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut executables = messages.filter(|message| message["target"]["name"] == "nexmark");
    let path = executables.find_map(|message| message["executable"].as_str().map(PathBuf::from));
    path.ok_or_else(|| Error::failure("the example nexmark could not be built"))
}

/// Both sides, on a cluster.
pub struct HotItems<'a> {
    pub args: &'a Args,
    pub cluster: &'a Cluster,
}

impl HotItems<'_> {
    /// Runs both in turn, and says what they took.
    ///
    /// # Errors
    /// If a job fails, or the rows are not the same.
    pub fn compare(&self, ours: &Path, java: &Path) -> Result<()> {
        let Args { events, rate, parallelism, repetitions, .. } = self.args;
        let our_words = |events: u64, out: &Path| {
            let out = out.display();
            words(&format!("q5 --events {events} --rate {rate} --seed 0 --output {out}"))
        };
        let java_words = |events: u64, out: &Path| {
            let out = out.display();
            words(&format!("q5 {parallelism} {events} {rate} 0 within 1000 {out}/checkpoints {out}"))
        };
        Beside::run(*repetitions, || self.run(ours, our_words), || self.run(java, java_words))?
            .show(&format!("q5, {events} events"));
        Ok(())
    }

    /// What the events take, and what the rows come to.
    fn run(&self, jar: &Path, words: impl Fn(u64, &Path) -> Vec<String>) -> Result<(Taken, u64)> {
        let mut answers = DefaultHasher::new();
        let taken = difference(self.args.events, |events| {
            let out = support::scratch("rows", None)?;
            let taken = self.cluster.run(jar, self.args.parallelism, &words(events, out.path()))?;
            rows(out.path())?.hash(&mut answers);
            Ok(taken)
        })?;
        Ok((taken, answers.finish()))
    }
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(String::from).collect()
}

/// How often each row is in the files that readers see.
fn rows(directory: &Path) -> Result<BTreeMap<String, u64>> {
    let mut rows = BTreeMap::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with('.') && name.ends_with(".jsonl") && !name.starts_with("rejects") {
            for row in fs::read_to_string(&path)?.lines() {
                *rows.entry(row.to_string()).or_default() += 1;
            }
        }
    }
    match rows.is_empty() {
        true => Err(Error::failure(format!("{} has no rows", directory.display()))),
        false => Ok(rows),
    }
}
