//! What all queries say together: a system beside another, in geometric means, and where it is the slowest.

use std::fmt;

use serde_json::{Value, json};

use super::report::{Samples, geometric_mean, rounded};
use super::{System, name_of};
use crate::queries::Query;

/// A system with a number of workers.
pub type Kind = (System, u32);

/// A system beside another, over the queries that both have answered.
pub struct Summary {
    of: Kind,
    beside: Kind,
    /// How many times as fast.
    rates: Vec<(Query, f64)>,
    /// How many times as much memory, where both are known.
    memory: Vec<(Query, f64)>,
}

fn is_ours(system: System) -> bool {
    matches!(system, System::Tidegate | System::TidegateWithSnapshots)
}

/// Whether a query remembers anything: not those that look at one bid alone.
fn is_stateful(query: Query) -> bool {
    use Query::{Q0, Q1, Q2, Q14, Q21, Q22};
    !matches!(query, Q0 | Q1 | Q2 | Q14 | Q21 | Q22)
}

/// Whether one is told beside the other: ours beside all others, and beside itself without snapshots or with one worker; others beside
/// the yardstick. With durability nobody is compared who has it beside one of ours that has not.
fn is_told((of, workers): Kind, (beside, others): Kind, yardstick: Option<System>) -> bool {
    let as_many = workers == others || beside == System::Loop;
    match (is_ours(of), is_ours(beside)) {
        (true, false) => as_many && !(of == System::Tidegate && beside == System::FlinkWithCheckpoints),
        (true, true) if of == beside => workers > 1 && others == 1,
        (true, true) => as_many && of == System::TidegateWithSnapshots,
        (false, _) => as_many && of != beside && Some(beside) == yardstick,
    }
}

impl Summary {
    /// All that can be said of queries that were measured together.
    pub fn of(queries: &[&Vec<Samples>], yardstick: Option<System>) -> Vec<Summary> {
        let cells = queries.iter().flat_map(|samples| samples.iter().map(|sample| sample.cell));
        let mut kinds: Vec<Kind> = cells.map(|cell| (cell.system, cell.parallelism)).collect();
        kinds.sort_unstable();
        kinds.dedup();
        let pairs = kinds.iter().flat_map(|of| kinds.iter().map(move |beside| (*of, *beside)));
        let told = pairs.filter(|(of, beside)| is_told(*of, *beside, yardstick));
        told.map(|(of, beside)| Summary::beside(queries, of, beside)).collect()
    }

    fn beside(queries: &[&Vec<Samples>], of: Kind, beside: Kind) -> Summary {
        let mut summary = Summary { of, beside, rates: Vec::new(), memory: Vec::new() };
        for samples in queries {
            let find = |kind: Kind| {
                samples.iter().find(|sample| (sample.cell.system, sample.cell.parallelism) == kind)
            };
            let (Some(ours), Some(theirs)) = (find(of), find(beside)) else { continue };
            summary.rates.push((ours.cell.query, ours.ratio_to(theirs)));
            if let (Some(ours_mb), Some(theirs_mb)) = (ours.peak_rss_mb(), theirs.peak_rss_mb()) {
                summary.memory.push((ours.cell.query, ours_mb / theirs_mb));
            }
        }
        summary
    }

    fn stateful(&self) -> Vec<(Query, f64)> {
        self.rates.iter().copied().filter(|(query, _)| is_stateful(*query)).collect()
    }

    /// The same for a program.
    pub fn json(&self, generation: &str) -> Value {
        let ratio = |figures: &[(Query, f64)]| mean(figures).map(|mean| rounded(mean, 3));
        let figure = |found: Option<(Query, f64)>| found.map(|(_, figure)| rounded(figure, 3));
        let query = |found: Option<(Query, f64)>| found.map(|(query, _)| name_of(&query));
        let (stateful, (of, workers), (beside, others)) = (self.stateful(), self.of, self.beside);
        json!({
            "summary": of.name(),
            "parallelism": workers,
            "beside": beside.name(),
            "beside_parallelism": others,
            "generation": generation,
            "queries": self.rates.len(),
            "ratio": ratio(&self.rates),
            "ratio_least": figure(least(&self.rates)),
            "query_least": query(least(&self.rates)),
            "ratio_stateful": ratio(&stateful),
            "ratio_stateful_least": figure(least(&stateful)),
            "query_stateful_least": query(least(&stateful)),
            "memory_ratio": ratio(&self.memory),
            "memory_ratio_most": figure(most(&self.memory)),
            "query_memory_most": query(most(&self.memory)),
        })
    }
}

fn mean(figures: &[(Query, f64)]) -> Option<f64> {
    geometric_mean(figures.iter().map(|(_, figure)| *figure))
}

fn least(figures: &[(Query, f64)]) -> Option<(Query, f64)> {
    figures.iter().copied().min_by(|one, other| one.1.total_cmp(&other.1))
}

fn most(figures: &[(Query, f64)]) -> Option<(Query, f64)> {
    figures.iter().copied().max_by(|one, other| one.1.total_cmp(&other.1))
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((of, workers), (beside, others)) = (self.of, self.beside);
        write!(f, "{} at {workers} beside {} at {others}", of.name(), beside.name())?;
        let mut told = |what: &str, worst: &str, figures: &[(Query, f64)], found: Option<(Query, f64)>| {
            let Some((mean, (query, figure))) = mean(figures).zip(found) else { return Ok(()) };
            let (count, query) = (figures.len(), name_of(&query));
            write!(f, "; {what}: {mean:.2} in geometric mean of {count}, {worst} {figure:.2} at {query}")
        };
        let stateful = self.stateful();
        told("rate", "the least", &self.rates, least(&self.rates))?;
        told("stateful", "the least", &stateful, least(&stateful))?;
        told("memory", "the most", &self.memory, most(&self.memory))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::one_run::Measured;
    use super::super::replay::Generation;
    use super::super::report::Cell;
    use super::super::tally::Total;
    use super::*;

    fn measured(query: Query, (system, parallelism): Kind, seconds: f64, mb: f64) -> Samples {
        let cell = Cell { query, system, parallelism, generation: Generation::Before };
        let mut samples = Samples::of(cell, 100);
        let (total, peak_rss_mb) = (Total { rows: 1, sum: 0 }, Some(mb));
        samples.push(Measured { seconds, cpu_seconds: 1.0, peak_rss_mb, total, snapshots: 0 }).unwrap();
        samples
    }

    #[test]
    fn a_summary_names_the_mean_and_the_slowest_query_and_the_slowest_that_is_stateful() {
        let (ours, theirs) = ((System::Tidegate, 2), (System::Flink, 2));
        let queries: Vec<Vec<Samples>> = [(Query::Q0, 2.0), (Query::Q5, 8.0), (Query::Q18, 4.0)]
            .into_iter()
            .map(|(query, seconds)| {
                vec![measured(query, ours, 1.0, 20.0), measured(query, theirs, seconds, 100.0 * seconds)]
            })
            .collect();
        let summaries = Summary::of(&queries.iter().collect::<Vec<_>>(), Some(System::Flink));
        assert_eq!(summaries.len(), 1);
        let said = summaries[0].to_string();
        assert_eq!(
            said,
            "tidegate at 2 beside flink at 2; rate: 4.00 in geometric mean of 3, the least 2.00 at q0; stateful: 5.66 in \
             geometric mean of 2, the least 4.00 at q18; memory: 0.05 in geometric mean of 3, the most 0.10 at q0"
        );
        let json = summaries[0].json("before");
        assert_eq!((&json["ratio"], &json["query_stateful_least"]), (&json!(4.0), &json!("q18")));
    }

    #[test]
    fn ours_without_snapshots_is_not_told_beside_what_has_checkpoints() {
        let told = |of, beside| is_told((of, 1), (beside, 1), Some(System::Loop));
        assert!(!told(System::Tidegate, System::FlinkWithCheckpoints));
        assert!(told(System::TidegateWithSnapshots, System::FlinkWithCheckpoints));
        assert!(told(System::TidegateWithSnapshots, System::Flink));
        assert!(told(System::TidegateWithSnapshots, System::Tidegate));
        assert!(told(System::Flink, System::Loop) && !told(System::Flink, System::Timely));
        assert!(is_told((System::Tidegate, 2), (System::Tidegate, 1), None));
        assert!(is_told((System::Tidegate, 2), (System::Loop, 1), None));
        assert!(!is_told((System::Tidegate, 2), (System::Flink, 1), None));
    }
}
