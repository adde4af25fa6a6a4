//! What the kernels took when somebody last said that it was right, and where: `baseline.json` beside this file.
//!
//! *Enters:* counts. *Leaves:* which of them are too many. *Always:* counts are compared only with those of the same compiler, processor
//! features and C library: with others they differ, and nobody has made anything slower.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use serde::{Deserialize, Serialize};
use tidegate::prelude::*;

/// What counts depend on, besides the code.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    rustc: String,
    /// Those that libraries look for before they choose one of several ways.
    processor: String,
    /// It has `malloc` and `memcpy`.
    libc: String,
}

impl Surroundings {
    pub fn here() -> Surroundings {
        let said = |program: &str, word: &str| {
            let said = Command::new(program).arg(word).output().ok().filter(|output| output.status.success());
            said.map_or("unknown".to_string(), |output| {
                String::from_utf8_lossy(&output.stdout).trim().to_string()
            })
        };
        Surroundings {
            rustc: said("rustc", "--version"),
            processor: processor(),
            libc: said("getconf", "GNU_LIBC_VERSION"),
        }
    }
}

#[cfg(target_arch = "x86_64")]
fn processor() -> String {
    let avx2 = if std::arch::is_x86_feature_detected!("avx2") { "with" } else { "without" };
    format!("x86_64 {avx2} avx2")
}

#[cfg(not(target_arch = "x86_64"))]
fn processor() -> String {
    std::env::consts::ARCH.to_string()
}

impl fmt::Display for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.rustc, self.processor, self.libc)
    }
}

/// Instructions a record by kernel.
#[derive(Serialize, Deserialize)]
pub struct Baseline {
    pub surroundings: Surroundings,
    pub instructions_per_record: BTreeMap<String, f64>,
}

impl Baseline {
    fn path() -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/baseline.json")
    }

    pub fn read() -> Result<Baseline> {
        let path = Baseline::path();
        let text = std::fs::read(&path)?;
        serde_json::from_slice(&text)
            .map_err(|error| Error::failure(format!("{} is no baseline", path.display())).caused_by(error))
    }

    pub fn write(&self) -> Result<()> {
        let json = serde_json::to_string_pretty(self);
        let json = json.map_err(|error| Error::failure("not written as JSON").caused_by(error))?;
        Ok(std::fs::write(Baseline::path(), json + "\n")?)
    }
}

/// How a count compares with the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// There was none.
    New,
    Same,
    /// By so many percent.
    Fewer(f64),
    /// By so many percent.
    More(f64),
}

impl Verdict {
    pub fn of(count: f64, before: Option<f64>, tolerance_percent: f64) -> Verdict {
        let Some(before) = before else { return Verdict::New };
        let percent = (count / before - 1.0) * 100.0;
        if percent.abs() <= tolerance_percent {
            Verdict::Same
        } else if percent < 0.0 {
            Verdict::Fewer(-percent)
        } else {
            Verdict::More(percent)
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::New | Verdict::Same => Ok(()),
            Verdict::Fewer(percent) => write!(f, "{percent:.1} % fewer"),
            Verdict::More(percent) => write!(f, "{percent:.1} % MORE"),
        }
    }
}
