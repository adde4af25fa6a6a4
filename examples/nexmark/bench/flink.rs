//! Apache Flink beside us: a Java program of ours, compiled against the jars that are there.
//!
//! Flink's jars are not brought along and not fetched. The Python package `apache-flink-libraries` has them: it is a zip, and
//! `pyflink` in it is a home that `--flink-home` takes. Needed besides: `javac` and `java`, 17.
//!
//! A JVM answers one query at one parallelism. It is warm before it counts, and lives, idle, while the others run in turn.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use tempfile::TempDir;
use tidegate::prelude::*;

use super::super::queries::Query;
use super::name_of;
use super::one_run::Measured;
use super::replay::Script;
use super::report::Cell;
use super::tally::Check;

const PROGRAM: &str = "NexmarkBench";
const SOURCES: [(&str, &str); 4] = [
    ("Events.java", include_str!("flink/Events.java")),
    ("Replay.java", include_str!("flink/Replay.java")),
    ("Tally.java", include_str!("flink/Tally.java")),
    ("NexmarkBench.java", include_str!("flink/NexmarkBench.java")),
];

/// How often a JVM answers before it counts: the first answers are several times slower.
const WARM_UPS: usize = 4;

/// Whether the Java program has the query.
pub fn answers(query: Query) -> bool {
    use Query::{Q0, Q1, Q2, Q3, Q5, Q8, Q11};
    matches!(query, Q0 | Q1 | Q2 | Q3 | Q5 | Q8 | Q11)
}

/// Flink, ready to be started.
pub struct Flink {
    class_path: String,
    version: Option<String>,
    directory: TempDir,
    /// Of one query: a JVM for each parallelism.
    running: RefCell<Vec<(Cell, Jvm)>>,
}

struct Jvm {
    process: Child,
    words: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Drop for Jvm {
    fn drop(&mut self) {
        // It has nothing that could be lost.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The jar that says which Flink it is: `flink-dist-2.3.0.jar`.
fn dist(directory: &Path) -> Option<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names = entries.into_iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.find(|name| name.starts_with(DIST))
}

const DIST: &str = "flink-dist";

/// Where the jars are: in the home itself, or in its `lib`.
fn jars(home: &Path) -> Option<PathBuf> {
    [home.join("lib"), home.to_path_buf()].into_iter().find(|directory| dist(directory).is_some())
}

impl Flink {
    /// Compiles the program.
    ///
    /// # Errors
    /// If there is no Flink, or no Java.
    pub fn at(home: Option<&Path>) -> Result<Flink> {
        let hint =
            "unpack the Python package apache-flink-libraries 2.3.0, a zip, and give its directory pyflink";
        let home = home.ok_or_else(|| {
            Error::usage("where Flink is has not been said")
                .hint(format!("--flink-home DIR, with its jars in DIR/lib: {hint}"))
        })?;
        let jars = jars(home).ok_or_else(|| {
            Error::usage(format!("there is no flink-dist*.jar in {} or its lib", home.display())).hint(hint)
        })?;
        let directory = tempfile::Builder::new().prefix("tidegate-nexmark-flink-").tempdir()?;
        let mut javac = Command::new("javac");
        javac.args(["-nowarn", "-d"]).arg(directory.path()).args(["-cp", &format!("{}/*", jars.display())]);
        for (name, source) in SOURCES {
            let path = directory.path().join(name);
            std::fs::write(&path, source)?;
            javac.arg(path);
        }
        // Its log would be among our lines.
        std::fs::write(directory.path().join("log4j2.properties"), "rootLogger.level = OFF\n")?;
        let output = javac.output().map_err(|error| {
            Error::usage("javac can't be started").hint("Flink's side needs a JDK, 17").caused_by(error)
        })?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Error::failure(format!("javac does not take the program for Flink:\n{said}")));
        }
        let class_path = format!("{}:{}/*", directory.path().display(), jars.display());
        let version = dist(&jars).and_then(|name| {
            let version = name.strip_prefix(DIST)?.strip_prefix('-')?.strip_suffix(".jar")?;
            Some(version.to_string())
        });
        Ok(Flink { class_path, version, directory, running: RefCell::default() })
    }

    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    fn start(&self, cell: &Cell, script: Script) -> Result<Jvm> {
        let mut java = Command::new("java");
        for package in ["java.util", "java.lang"] {
            java.arg(format!("--add-opens=java.base/{package}=ALL-UNNAMED"));
        }
        let log = self.directory.path().join("log4j2.properties");
        java.arg(format!("-Dlog4j2.configurationFile={}", log.display()));
        java.args(["-cp", &self.class_path, PROGRAM, &name_of(&cell.query)]);
        let numbers =
            [u64::from(cell.parallelism), script.count, script.generator.rate, script.generator.seed];
        java.args(numbers.map(|number| number.to_string())).arg(name_of(&cell.generation));
        let mut process = java.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(words), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Error::failure("the JVM has no input or no output"));
        };
        Ok(Jvm { process, words, answers: BufReader::new(answers) })
    }

    /// One answer of the JVM of this cell, which is started if another one runs.
    pub fn measure(&self, cell: &Cell, script: Script, check: Check) -> Result<Measured> {
        let mut running = self.running.borrow_mut();
        // Those of the query before go first: they would take the memory.
        running.retain(|(other, _)| (other.query, other.generation) == (cell.query, cell.generation));
        let place = match running.iter().position(|(other, _)| other == cell) {
            Some(place) => place,
            None => {
                running.push((*cell, self.start(cell, script)?));
                running.len() - 1
            }
        };
        running[place].1.answer(cell, check)
    }

    /// Has the JVM of this cell answer until it is warm.
    pub fn warm_up(&self, cell: &Cell, script: Script) -> Result<()> {
        (0..WARM_UPS).try_for_each(|_| self.measure(cell, script, Check::Count).map(drop))
    }
}

impl Jvm {
    fn answer(&mut self, cell: &Cell, check: Check) -> Result<Measured> {
        writeln!(self.words, "{}", name_of(&check))?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line)
            .map_err(|error| Error::failure(format!("{cell} has said {line:?}")).caused_by(error))
    }
}
