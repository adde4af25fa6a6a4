//! What becomes of the state of a whole job: every operator that the snapshot or the program has, with its plan.

use std::fmt::{self, Display};

use serde_json::json;

use super::difference::{Difference, Verdict};
use super::plan::{OperatorProgram, Plan};
use crate::error::{Error, Result};
use crate::operator::keyed;
use crate::snapshot::part::OperatorSchema;
use crate::snapshot::{Manifest, entry_state};
use crate::state::kinds::Now;
use crate::time::EventTime;

/// What a snapshot (or a lock file) has beside what the program has.
#[derive(Debug)]
pub struct Report {
    /// What the program is compared with: `snapshot 41`.
    against: String,
    /// In order of their names.
    operators: Vec<OperatorReport>,
}

/// An operator that either of the two has.
#[derive(Debug)]
pub struct OperatorReport {
    /// Its name.
    pub name: String,
    /// What becomes of its state.
    pub fate: Fate,
}

/// What becomes of the state of an operator.
#[derive(Debug)]
pub enum Fate {
    /// Both have it.
    Kept {
        /// The name of the state that the snapshot has.
        state: String,
        /// What differs, and the way of its rows.
        plan: Box<Plan>,
    },
    /// The program has it, the snapshot does not: it starts empty.
    New,
    /// The snapshot has it, the program does not.
    Gone {
        /// The name of the state that the snapshot has.
        state: String,
    },
}

impl Fate {
    /// Whether the keys of the state become others.
    pub(crate) fn changes_keys(&self) -> bool {
        match self {
            Fate::Kept { plan, .. } => !plan.keeps_keys(),
            Fate::New | Fate::Gone { .. } => false,
        }
    }
}

impl Report {
    /// Compares what `against` (`snapshot 41`) has with what the program has; of each operator is known when the snapshot was
    /// taken.
    pub fn of<'a>(
        against: impl Display,
        was: impl IntoIterator<Item = (&'a str, &'a OperatorSchema, Now)>,
        is: &[(String, OperatorProgram)],
    ) -> Report {
        let mut operators = Vec::new();
        for (name, was, taken_at) in was {
            let state = was.state.name.clone();
            let fate = match is.iter().find(|(other, _)| other == name) {
                Some((_, program)) => Fate::Kept { state, plan: Box::new(Plan::of(was, program, taken_at)) },
                None => Fate::Gone { state },
            };
            operators.push(OperatorReport { name: name.to_string(), fate });
        }
        for (name, _) in is {
            if operators.iter().all(|operator| operator.name != *name) {
                operators.push(OperatorReport { name: name.clone(), fate: Fate::New });
            }
        }
        operators.sort_by(|a, b| a.name.cmp(&b.name));
        Report { against: against.to_string(), operators }
    }

    /// Compares what a snapshot has with what the program has.
    pub fn of_snapshot(manifest: &Manifest, is: &[(String, OperatorProgram)]) -> Report {
        let was = manifest
            .operators
            .iter()
            .map(|operator| (operator.name.as_str(), &operator.schema, taken_at(manifest, &operator.name)));
        let keyless = entry_state::recorded(manifest);
        let was =
            was.chain(keyless.iter().map(|(name, schema)| (name.as_str(), schema, entry_state::NO_TIME)));
        Report::of(format_args!("snapshot {}", manifest.snapshot), was, is)
    }

    /// Every operator, in order of their names.
    pub fn operators(&self) -> &[OperatorReport] {
        &self.operators
    }

    /// Those whose rows change.
    pub fn changed(&self) -> impl Iterator<Item = (&str, &Plan)> {
        self.operators.iter().filter_map(|operator| match &operator.fate {
            Fate::Kept { plan, .. } if !plan.is_identity() => Some((operator.name.as_str(), &**plan)),
            _ => None,
        })
    }

    /// The operators that the program does not have, each with the name of its state.
    pub fn gone(&self) -> impl Iterator<Item = (&str, &str)> {
        self.operators.iter().filter_map(|operator| match &operator.fate {
            Fate::Gone { state } => Some((operator.name.as_str(), state.as_str())),
            Fate::Kept { .. } | Fate::New => None,
        })
    }

    /// Whether everything is as it was: no operator is new or gone, and no schema differs.
    pub fn is_same(&self) -> bool {
        self.operators.iter().all(|operator| match &operator.fate {
            Fate::Kept { plan, .. } => plan.differences().is_empty(),
            Fate::New | Fate::Gone { .. } => false,
        })
    }

    /// Whether the state of an operator that both have can't be taken over.
    pub fn is_refused(&self) -> bool {
        let refused = |operator: &OperatorReport| matches!(&operator.fate, Fate::Kept { plan, .. } if plan.is_refused());
        self.operators.iter().any(refused)
    }

    /// What is carried or migrated, or starts empty: a sentence each, for the log.
    pub fn sentences(&self) -> Vec<String> {
        self.tell(|difference| !difference.is_refused())
    }

    /// Refuses what can't be taken over: the error names every difference that stands in the way, and what to write.
    ///
    /// # Errors
    /// If there is one.
    pub fn check(&self) -> Result<()> {
        if !self.is_refused() {
            return Ok(());
        }
        let refused = self.tell(Difference::is_refused);
        Err(Error::failure(refused.join("\n")).hint(self.fixes().join("\n        ")))
    }

    /// What to write, so that all can be taken over; each once.
    pub fn fixes(&self) -> Vec<String> {
        let plans = self.operators.iter().filter_map(|operator| match &operator.fate {
            Fate::Kept { plan, .. } => Some(&**plan),
            Fate::New | Fate::Gone { .. } => None,
        });
        let mut fixes: Vec<String> = Vec::new();
        for fix in plans.flat_map(Plan::differences).filter_map(Difference::fix) {
            if fixes.iter().all(|other| other != fix) {
                fixes.push(fix.to_string());
            }
        }
        fixes
    }

    /// For programs that read it.
    pub fn to_json(&self) -> serde_json::Value {
        let difference = |difference: &Difference| {
            let (verdict, how) = match &difference.verdict {
                Verdict::Carried(how) => ("carried", how),
                Verdict::Migrated(how) => ("migrated", how),
                Verdict::Refused { why, .. } => ("refused", why),
            };
            json!({ "change": difference.change.to_string(), "verdict": verdict, "how": how, "fix": difference.fix() })
        };
        let operator = |OperatorReport { name, fate }: &OperatorReport| match fate {
            Fate::New => json!({ "operator": name, "verdict": "new" }),
            Fate::Gone { state } => json!({ "operator": name, "state": state, "verdict": "gone" }),
            Fate::Kept { state, plan } => json!({
                "operator": name,
                "state": state,
                "verdict": verdict(plan),
                "differences": plan.differences().iter().map(difference).collect::<Vec<_>>(),
            }),
        };
        let operators: Vec<_> = self.operators.iter().map(operator).collect();
        json!({ "against": self.against, "refused": self.is_refused(), "operators": operators })
    }

    fn tell(&self, wanted: impl Fn(&Difference) -> bool) -> Vec<String> {
        let mut sentences = Vec::new();
        for operator in &self.operators {
            if let Fate::Kept { state, plan } = &operator.fate {
                let subject =
                    format!("state \"{state}\" of operator \"{}\" in {}", operator.name, self.against);
                let wanted = plan.differences().iter().filter(|difference| wanted(difference));
                sentences.extend(wanted.map(|difference| format!("{subject} {difference}")));
            }
        }
        sentences
    }
}

impl Display for Report {
    /// Every operator in a few lines, for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for OperatorReport { name, fate } in &self.operators {
            match fate {
                Fate::New => writeln!(f, "operator \"{name}\" is new: it starts empty")?,
                Fate::Gone { state } => {
                    writeln!(f, "operator \"{name}\" is gone: its state \"{state}\" has no place to go")?;
                }
                Fate::Kept { state, plan } => {
                    writeln!(f, "operator \"{name}\", state \"{state}\": {}", verdict(plan))?;
                    for difference in plan.differences() {
                        writeln!(f, "  {} {difference}", self.against)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// What time it was for an operator when the snapshot was taken.
pub(super) fn taken_at(manifest: &Manifest, operator: &str) -> Now {
    let owner = keyed::owner(operator);
    let earliest = |item: &str| {
        let own = manifest.entries.iter().filter(|entry| entry.owner == owner && entry.item == item);
        own.filter_map(|entry| serde_json::from_value::<EventTime>(entry.value.clone()).ok()).min()
    };
    let event = earliest("watermark").unwrap_or(EventTime::MIN);
    let uptime = earliest("uptime").unwrap_or(EventTime::from_millis(0));
    Now { event, record: EventTime::MIN, processing: manifest.taken_at, uptime }
}

fn verdict(plan: &Plan) -> &'static str {
    let migrated = |difference: &Difference| matches!(difference.verdict, Verdict::Migrated(_));
    match plan.differences() {
        _ if plan.is_refused() => "refused",
        [] => "as it was",
        differences if differences.iter().any(migrated) => "migrated",
        _ => "carried",
    }
}
