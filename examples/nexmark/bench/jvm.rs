//! A Java program beside us, on the jars of Apache Flink that are there; the benchmarks of the engine have it, too.
//!
//! Flink's jars are not brought along and not fetched. The Python package `apache-flink-libraries` has them: it is a zip, and
//! `pyflink` in it is a home that `--flink-home` takes. Needed besides: `javac` and `java`, 17.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tidegate::prelude::*;

/// A program, compiled.
pub struct Program {
    main: &'static str,
    class_path: String,
    version: Option<String>,
    directory: TempDir,
    /// Those of `java`, with spaces between them: its heap, its garbage collector.
    options: String,
}

/// A process that answers words of its standard input with lines of JSON. It ends with the value: there is nothing to lose.
pub struct Jvm {
    process: Child,
    words: ChildStdin,
    answers: BufReader<ChildStdout>,
}

const DIST: &str = "flink-dist";

/// The jar that says which Flink it is: `flink-dist-2.3.0.jar`.
fn dist(directory: &Path) -> Option<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names = entries.into_iter().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.find(|name| name.starts_with(DIST))
}

/// Where the jars are: in the home itself, or in its `lib`.
fn jars(home: &Path) -> Option<PathBuf> {
    [home.join("lib"), home.to_path_buf()].into_iter().find(|directory| dist(directory).is_some())
}

/// The version of Java: what stands in quotes when it is asked for.
fn java() -> Option<String> {
    let output = Command::new("java").arg("-version").output().ok()?;
    let said = String::from_utf8(output.stderr).ok()?;
    said.split('"').nth(1).map(str::to_string)
}

impl Program {
    /// Compiles sources, of which each is a name and a text. `main` is the class that is started.
    ///
    /// # Errors
    /// If there is no Flink, or no Java.
    pub fn compile(
        main: &'static str,
        sources: &[(&str, &str)],
        home: Option<&Path>,
        options: &str,
    ) -> Result<Program> {
        let hint =
            "unpack the Python package apache-flink-libraries 2.3.0, a zip, and give its directory pyflink";
        let home = home.ok_or_else(|| {
            Error::usage("where Flink is has not been said")
                .hint(format!("--flink-home DIR, with its jars in DIR/lib: {hint}"))
        })?;
        let jars = jars(home).ok_or_else(|| {
            Error::usage(format!("there is no flink-dist*.jar in {} or its lib", home.display())).hint(hint)
        })?;
        let directory = tempfile::Builder::new().prefix("tidegate-flink-").tempdir()?;
        let mut javac = Command::new("javac");
        javac.args(["-nowarn", "-d"]).arg(directory.path()).args(["-cp", &format!("{}/*", jars.display())]);
        for (name, source) in sources {
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
        Ok(Program { main, class_path, version, directory, options: options.to_string() })
    }

    /// What it runs on, by name.
    pub fn versions(&self) -> Vec<(String, String)> {
        let flink = self.version.iter().map(|version| ("flink".to_string(), version.clone()));
        let java = java().map(|version| ("java".to_string(), format!("{version} with {}", self.options)));
        flink.chain(java).collect()
    }

    /// A directory of the program's own, which goes with it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Starts it.
    pub fn start(&self, args: impl IntoIterator<Item = String>) -> Result<Jvm> {
        let mut java = Command::new("java");
        java.args(self.options.split_whitespace());
        for package in ["java.util", "java.lang"] {
            java.arg(format!("--add-opens=java.base/{package}=ALL-UNNAMED"));
        }
        let log = self.directory.path().join("log4j2.properties");
        java.arg(format!("-Dlog4j2.configurationFile={}", log.display()));
        java.args(["-cp", &self.class_path, self.main]).args(args);
        let mut process = java.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(words), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err(Error::failure("the JVM has no input or no output"));
        };
        Ok(Jvm { process, words, answers: BufReader::new(answers) })
    }
}

impl Jvm {
    /// Says a word, and waits for the answer.
    pub fn ask<T: DeserializeOwned>(&mut self, word: &str) -> Result<T> {
        writeln!(self.words, "{word}")?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line)
            .map_err(|error| Error::failure(format!("the JVM has said {line:?}")).caused_by(error))
    }
}

impl Drop for Jvm {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
