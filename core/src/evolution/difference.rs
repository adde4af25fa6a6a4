//! What differs between the state in a snapshot and that of the program, and what becomes of it.

use std::fmt;

/// One thing that is not as it was, and the verdict on it. Its `Display` goes on from "state .. in snapshot ..".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What differs.
    pub change: Change,
    /// What becomes of the state.
    pub verdict: Verdict,
}

/// What is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Something is of another type, or has another version, name or time to live.
    Type {
        /// What it is: `field`, `key`, `timer`, `name`, `version`.
        part: &'static str,
        /// What the snapshot has.
        was: String,
        /// What the program has.
        is: String,
    },
    /// The program lacks it.
    Removed {
        /// What it is: `field`, `variant`.
        part: &'static str,
        /// What the snapshot has.
        was: String,
    },
    /// The snapshot lacks it.
    Added {
        /// What it is: `field`, `variant`.
        part: &'static str,
        /// What the program has.
        is: String,
    },
    /// The program calls it otherwise.
    Renamed {
        /// What it is: `field`, `variant`.
        part: &'static str,
        /// What the snapshot has.
        was: String,
        /// Its name in the program.
        is: String,
    },
    /// The parts are the same, in another order.
    Order {
        /// What they are: `fields`, `variants`.
        parts: &'static str,
        /// In the snapshot.
        was: String,
        /// In the program.
        is: String,
    },
}

/// What becomes of the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes over by itself, in this way.
    Carried(String),
    /// The program's own code takes it over, in this way.
    Migrated(String),
    /// The program can't take it over.
    Refused {
        /// Why not.
        why: String,
        /// What to write, so that it can.
        fix: String,
    },
}

impl Difference {
    /// Whether the program can't take the state over because of it.
    pub fn is_refused(&self) -> bool {
        matches!(self.verdict, Verdict::Refused { .. })
    }

    /// What to write, so that the program can take the state over.
    pub fn fix(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Refused { fix, .. } => Some(fix),
            Verdict::Carried(_) | Verdict::Migrated(_) => None,
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.change, self.verdict)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Type { part, was, is } => write!(f, "has {part} \"{was}\", this program has \"{is}\""),
            Change::Removed { part, was } => write!(f, "has {part} \"{was}\", this program has none"),
            Change::Added { part, is } => write!(f, "has no {part} \"{is}\", this program has one"),
            Change::Renamed { part, was, is } => {
                write!(f, "has {part} \"{was}\", this program calls it \"{is}\"")
            }
            Change::Order { parts, was, is } => {
                write!(f, "has {parts} in order {was}; this program has {is}")
            }
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Carried(how) => write!(f, "carried, {how}"),
            Verdict::Migrated(how) => write!(f, "migrated, {how}"),
            Verdict::Refused { why, .. } => write!(f, "refused, {why}"),
        }
    }
}
