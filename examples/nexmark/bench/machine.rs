//! Where it was measured, and what with: figures say little without.

use std::fmt;
use std::process::Command;

use serde::Serialize;

use super::System;

/// A machine, and the versions of what ran on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub os: String,
    pub rustc: String,
    /// Of the systems that have some, by their names.
    pub versions: Vec<(String, String)>,
}

impl Machine {
    /// This one. `flink` are the versions of Flink and what it needs, where it takes part.
    pub fn here(systems: &[System], flink: Vec<(String, String)>) -> Machine {
        let mut versions = vec![("tidegate".to_string(), env!("CARGO_PKG_VERSION").to_string())];
        if systems.contains(&System::Timely) {
            versions.push(("timely".to_string(), locked("timely").unwrap_or_else(unknown)));
        }
        versions.extend(flink);
        Machine {
            cpu: line_of("/proc/cpuinfo", "model name", ':').unwrap_or_else(unknown),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            os: line_of("/etc/os-release", "PRETTY_NAME", '=')
                .unwrap_or_else(|| std::env::consts::OS.to_string()),
            rustc: rustc().unwrap_or_else(unknown),
            versions,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = if self.cores == 1 { "core" } else { "cores" };
        write!(f, "{}, {} {cores}, {}; rustc {}", self.cpu, self.cores, self.os, self.rustc)?;
        self.versions.iter().try_for_each(|(name, version)| write!(f, ", {name} {version}"))
    }
}

fn unknown() -> String {
    "unknown".to_string()
}

/// What stands behind `name` and a separator in the first line that begins with it.
fn line_of(path: &str, name: &str, separator: char) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let (_, said) = line.split_once(separator)?;
    Some(said.trim().trim_matches('"').to_string())
}

/// That of the toolchain which cargo has just built this with.
fn rustc() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    said.split(' ').nth(1).map(str::to_string)
}

/// The version of a crate that this was built with.
fn locked(package: &str) -> Option<String> {
    let (_, entry) =
        include_str!("../../../Cargo.lock").split_once(&format!("name = \"{package}\"\nversion = \""))?;
    entry.split('"').next().map(str::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_told_with_the_versions_of_those_that_took_part() {
        let machine = Machine::here(&[System::Tidegate, System::Loop], Vec::new());
        assert_eq!(machine.versions, [("tidegate".to_string(), env!("CARGO_PKG_VERSION").to_string())]);
        let machine = Machine {
            cpu: "A CPU".to_string(),
            cores: 2,
            os: "An OS".to_string(),
            rustc: "1.0".to_string(),
            ..Machine::here(&[System::Timely], vec![("flink".to_string(), "2.3.0".to_string())])
        };
        let timely = locked("timely").unwrap();
        assert!(timely.split('.').all(|number| number.parse::<u32>().is_ok()), "{timely}");
        let versions = format!("tidegate {}, timely {timely}, flink 2.3.0", env!("CARGO_PKG_VERSION"));
        assert_eq!(machine.to_string(), format!("A CPU, 2 cores, An OS; rustc 1.0, {versions}"));
    }
}
