//! The jar: this executable, and the few classes that join it to Flink, compiled by the JDK when it is made.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use crate::error::{Error, Result};

/// The classes.
const SOURCES: [(&str, &str); 11] = [
    ("Beginning.java", include_str!("java/Beginning.java")),
    ("Executable.java", include_str!("java/Executable.java")),
    ("Figures.java", include_str!("java/Figures.java")),
    ("FragmentSource.java", include_str!("java/FragmentSource.java")),
    ("FrameFilter.java", include_str!("java/FrameFilter.java")),
    ("FramePartitioner.java", include_str!("java/FramePartitioner.java")),
    ("Guest.java", include_str!("java/Guest.java")),
    ("KeyedFragment.java", include_str!("java/KeyedFragment.java")),
    ("Main.java", include_str!("java/Main.java")),
    ("Savepoint.java", include_str!("java/Savepoint.java")),
    ("Settling.java", include_str!("java/Settling.java")),
];

/// Where Flink is.
#[derive(Args, Clone, Debug)]
pub(crate) struct Distribution {
    /// A Flink distribution, 2.0 to 2.3: the directory that has lib/*.jar in it
    #[arg(long, env = "FLINK_HOME", value_name = "DIR")]
    pub flink_home: PathBuf,
}

impl Distribution {
    /// Its jars, as a class path.
    ///
    /// # Errors
    /// If there are none.
    pub fn class_path(&self) -> Result<OsString> {
        let lib = self.flink_home.join("lib");
        let none = || {
            Error::usage(format!("{} is no Flink distribution: it has no lib/flink-dist-*.jar", self.flink_home.display()))
                .hint("unpack one from flink.apache.org, or the Python package apache-flink-libraries, and name its directory by --flink-home or FLINK_HOME")
        };
        let mut jars: Vec<PathBuf> = fs::read_dir(&lib)
            .map_err(|error| none().caused_by(error))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "jar"))
            .collect();
        jars.sort();
        let is_flink = |jar: &PathBuf| {
            jar.file_name().is_some_and(|name| name.to_string_lossy().starts_with("flink-dist"))
        };
        if !jars.iter().any(is_flink) {
            return Err(none());
        }
        std::env::join_paths(jars).map_err(|error| none().caused_by(error))
    }
}

/// The key and the value of a line of Flink's configuration.
///
/// # Errors
/// If it is none.
pub(crate) fn setting(line: &str) -> Result<(&str, &str)> {
    line.split_once('=')
        .ok_or_else(|| Error::usage(format!("--set {line} is no setting")).hint("write --set key=value"))
}

/// Makes a jar of the executable that runs this.
///
/// # Errors
/// If there is no JDK or no Flink, or files can't be written.
pub(crate) fn package(out: &Path, distribution: &Distribution) -> Result<()> {
    let building = std::env::temp_dir().join(format!("tidegate-package-{}", std::process::id()));
    let made = build(&building, out, distribution);
    // What is left behind there is rubbish, and no failure.
    let _ = fs::remove_dir_all(&building);
    made
}

fn build(building: &Path, out: &Path, distribution: &Distribution) -> Result<()> {
    let sources = building.join("java");
    let content = building.join("content");
    let native = content.join(format!("native/{}-{}", std::env::consts::OS, std::env::consts::ARCH));
    let cannot = |error: std::io::Error| {
        Error::failure(format!("can't write {}", building.display())).caused_by(error)
    };
    fs::create_dir_all(&native).map_err(cannot)?;
    let executable = std::env::current_exe()
        .map_err(|error| Error::failure("can't find the executable that runs").caused_by(error))?;
    fs::copy(&executable, native.join("job")).map_err(cannot)?;
    compile(distribution, &sources, &content)?;
    let mut archive = Command::new("jar");
    archive.args(["--create", "--main-class", "io.tidegate.flink.Main", "--file"]).arg(out);
    archive.arg("-C").arg(&content).arg(".");
    jdk(archive)
}

/// Compiles the classes, by way of their sources in a directory.
///
/// # Errors
/// If there is no JDK or no Flink, or files can't be written.
pub(super) fn compile(distribution: &Distribution, sources: &Path, classes: &Path) -> Result<()> {
    let mut compile = Command::new("javac");
    compile
        .args(["--release", "17", "-nowarn", "-cp"])
        .arg(distribution.class_path()?)
        .arg("-d")
        .arg(classes);
    let cannot =
        |error: std::io::Error| Error::failure(format!("can't write {}", sources.display())).caused_by(error);
    fs::create_dir_all(sources).map_err(cannot)?;
    for (name, source) in SOURCES {
        let path = sources.join(name);
        fs::write(&path, source).map_err(cannot)?;
        compile.arg(path);
    }
    jdk(compile)
}

/// Runs a tool of the JDK.
fn jdk(mut tool: Command) -> Result<()> {
    let name = tool.get_program().to_string_lossy().into_owned();
    let ran = tool.output().map_err(|error| {
        Error::failure(format!("can't run {name}"))
            .caused_by(error)
            .hint("install a JDK, version 17 or 21; a JRE has no compiler")
    })?;
    if ran.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    Err(Error::failure(format!("{name} failed: {}", said.trim())))
}
