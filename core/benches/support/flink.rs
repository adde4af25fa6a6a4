//! Counts by key on Apache Flink, where there is one: the same updates as ours, in a JVM of their own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde::Deserialize;
use tidegate::prelude::*;

use super::java;
use super::jvm::{Jvm, Program};
use super::pairs::Ran;
use super::updates::Distribution;

/// A program for Flink.
pub struct Java {
    main: &'static str,
    sources: &'static [(&'static str, &'static str)],
}

/// Counts by key.
pub const COUNT: Java =
    Java { main: "CountBench", sources: &[("CountBench.java", include_str!("flink/CountBench.java"))] };

/// Answers queries of Nexmark.
pub const NEXMARK: Java = Java { main: java::MAIN, sources: &java::SOURCES };

/// The program, compiled.
pub struct Flink(Program);

/// What is counted.
pub struct Counted {
    pub workers: u32,
    pub keys: u64,
    pub updates: u64,
    pub distribution: Distribution,
    /// A value that every key carries, on RocksDB; none: a count, on the heap.
    pub value: Option<Value>,
}

/// A value, and what is done for it.
pub struct Value {
    pub bytes: usize,
    /// Managed memory: RocksDB has its cache and what it writes in it.
    pub memory_bytes: u64,
    /// Between incremental checkpoints.
    pub interval: Duration,
}

/// A JVM that counts that again and again.
pub struct Counting(Jvm);

/// What it says.
#[derive(Deserialize)]
struct Said {
    seconds: f64,
    sum: u64,
}

impl Flink {
    /// Compiles the program, where a home is given.
    ///
    /// # Errors
    /// If it has no jars, or if there is no Java.
    pub fn at(home: Option<&Path>, jvm: &str) -> Result<Option<Flink>> {
        let compile = |home| Program::compile(COUNT.main, COUNT.sources, Some(home), jvm).map(Flink);
        home.map(compile).transpose()
    }

    /// Starts a JVM. What it keeps lies in `directory`.
    ///
    /// # Errors
    /// If it can't be started.
    pub fn start(&self, counted: &Counted, directory: &Path) -> Result<Counting> {
        let distribution = match counted.distribution {
            Distribution::Uniform => "uniform",
            Distribution::Zipf => "zipf",
            Distribution::Hundredth => {
                return Err(Error::usage("Flink has no updates of every hundredth key"));
            }
        };
        let none = Value { bytes: 0, memory_bytes: 0, interval: Duration::ZERO };
        let Value { bytes, memory_bytes, interval } = counted.value.as_ref().unwrap_or(&none);
        let words = [
            counted.workers.to_string(),
            counted.keys.to_string(),
            counted.updates.to_string(),
            distribution.to_string(),
            bytes.to_string(),
            memory_bytes.to_string(),
            interval.as_millis().to_string(),
            directory.display().to_string(),
        ];
        self.0.start(words).map(Counting)
    }
}

/// A program as a jar that a cluster takes.
pub struct Jar;

impl Jar {
    /// Compiles it and puts it into `jar`, whose path is given back.
    ///
    /// # Errors
    /// As [`Flink::at`].
    pub fn make(java: &Java, home: &Path, jar: &Path) -> Result<PathBuf> {
        let program = Program::compile(java.main, java.sources, Some(home), "")?;
        let mut archive = Command::new("jar");
        archive.args(["--create", "--main-class", java.main, "--file"]).arg(jar);
        archive.arg("-C").arg(program.directory()).arg(".");
        match archive.status()?.success() {
            true => Ok(jar.to_path_buf()),
            false => Err(Error::failure("the JDK's jar has failed")),
        }
    }
}

impl Counting {
    /// How long the updates take, and what was emitted in all.
    ///
    /// # Errors
    /// If the JVM does not answer.
    pub fn run(&mut self) -> Result<Ran> {
        let Said { seconds, sum } = self.0.ask("run")?;
        Ok((Duration::from_secs_f64(seconds), sum))
    }
}
