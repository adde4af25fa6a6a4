//! What was measured, as lines: medians, and how far the runs lay apart.

use std::fmt;

use serde_json::json;
use tidegate::prelude::*;

use super::machine::Machine;
use super::one_run::Measured;
use super::plot::{Bar, Group, Panel, draw};
use super::replay::Generation;
use super::summary::Summary;
use super::{System, name_of, print};
use crate::queries::Query;

/// What is measured again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    pub query: Query,
    pub system: System,
    pub parallelism: u32,
    pub generation: Generation,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (query, workers) = (name_of(&self.query), self.parallelism);
        write!(f, "{query}: {}, {workers} {}", self.system.name(), worker(workers))
    }
}

fn worker(workers: u32) -> &'static str {
    if workers == 1 { "worker" } else { "workers" }
}

fn told(generation: Generation) -> &'static str {
    match generation {
        Generation::Before => "events replayed from memory: made before the clock starts",
        Generation::Within => "events made within the time",
    }
}

/// The runs of a cell.
pub struct Samples {
    pub cell: Cell,
    events: u64,
    runs: Vec<Measured>,
}

/// The median, or zero of nothing.
pub fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    match figures.len() {
        0 => 0.0,
        count if count % 2 == 1 => figures[count / 2],
        count => (figures[count / 2 - 1] + figures[count / 2]) / 2.0,
    }
}

/// The mean of factors.
pub fn geometric_mean(factors: impl IntoIterator<Item = f64>) -> Option<f64> {
    let logarithms: Vec<f64> = factors.into_iter().map(f64::ln).collect();
    let count = logarithms.len();
    (count > 0).then(|| (logarithms.into_iter().sum::<f64>() / count as f64).exp())
}

impl Samples {
    pub fn of(cell: Cell, events: u64) -> Samples {
        Samples { cell, events, runs: Vec::new() }
    }

    /// Another run.
    ///
    /// # Errors
    /// If it did not answer with as many rows as the one before.
    pub fn push(&mut self, measured: Measured) -> Result<()> {
        if let Some(before) = self.runs.last()
            && before.total != measured.total
        {
            let (rows, before) = (measured.total.rows, before.total.rows);
            return Err(Error::failure(format!(
                "{} has answered with {rows} rows, and before with {before}",
                self.cell
            )));
        }
        self.runs.push(measured);
        Ok(())
    }

    fn rates(&self) -> impl Iterator<Item = f64> {
        self.runs.iter().map(|run| self.events as f64 / run.seconds)
    }

    pub fn events_per_s(&self) -> f64 {
        median(self.rates())
    }

    /// The slowest and the fastest run.
    pub fn spread(&self) -> (f64, f64) {
        self.rates().fold((f64::MAX, f64::MIN), |(least, most), rate| (least.min(rate), most.max(rate)))
    }

    fn cpu_s_per_million(&self) -> f64 {
        median(self.runs.iter().map(|run| run.cpu_seconds / self.events as f64 * 1e6))
    }

    pub fn peak_rss_mb(&self) -> Option<f64> {
        let peaks: Option<Vec<f64>> = self.runs.iter().map(|run| run.peak_rss_mb).collect();
        peaks.map(median)
    }

    /// How much faster than `other`, run by run.
    pub fn ratio_to(&self, other: &Samples) -> f64 {
        median(self.rates().zip(other.rates()).map(|(rate, other)| rate / other))
    }
}

/// Prints what was measured.
pub struct Report {
    yardstick: Option<System>,
    machine: Machine,
    json: bool,
    /// All that was measured.
    queries: Vec<Vec<Samples>>,
}

pub fn rounded(figure: f64, places: i32) -> f64 {
    let unit = 10f64.powi(places);
    (figure * unit).round() / unit
}

impl Report {
    /// Ratios are to the yardstick.
    pub fn new(yardstick: Option<System>, machine: Machine, json: bool) -> Report {
        Report { yardstick, machine, json, queries: Vec::new() }
    }

    pub fn begin(&self, generation: Generation) -> Result<()> {
        if self.json {
            return Ok(());
        }
        if self.queries.is_empty() {
            print(&self.machine.to_string())?;
        }
        print(&format!("\n{}", told(generation)))?;
        print(&format!(
            "{:<5} {:<18} {:>7}  {:>12} {:>15} {:>9} {:>8} {:>6}  snapshots",
            "query", "system", "workers", "events/s", "spread", "CPU s/M", "MB peak", "ratio"
        ))
    }

    /// The systems that answered one query.
    pub fn add(&mut self, samples: Vec<Samples>) -> Result<()> {
        for sample in &samples {
            let ratio = self.ratio(&samples, sample);
            print(&if self.json { sample.json(ratio, &self.machine) } else { sample.row(ratio) })?;
        }
        self.queries.push(samples);
        Ok(())
    }

    fn ratio(&self, samples: &[Samples], sample: &Samples) -> Option<f64> {
        // That of as many workers, or of one: a loop has no more.
        let beside = |workers: u32| {
            samples
                .iter()
                .find(|other| Some(other.cell.system) == self.yardstick && other.cell.parallelism == workers)
        };
        let yardstick = beside(sample.cell.parallelism).or_else(|| beside(1));
        yardstick.map(|yardstick| sample.ratio_to(yardstick))
    }

    /// A picture of all that was measured: a panel for each number of workers, before and within.
    pub fn picture(&self) -> String {
        let all = || self.queries.iter().flatten().map(|samples| samples.cell);
        let mut kinds: Vec<(Generation, u32)> = Vec::new();
        for cell in all().filter(|cell| cell.system != System::Loop) {
            if !kinds.contains(&(cell.generation, cell.parallelism)) {
                kinds.push((cell.generation, cell.parallelism));
            }
        }
        let panels = kinds.into_iter().map(|(generation, workers)| Panel {
            title: format!("{workers} {}, {}", worker(workers), told(generation)),
            groups: self
                .queries
                .iter()
                .filter_map(|samples| self.group(samples, generation, workers))
                .collect(),
        });
        let measured = self.queries.iter().flatten().next();
        let mut notes = measured.map_or(String::new(), |samples| {
            format!("{} events, medians of {}; the axis is logarithmic", samples.events, samples.runs.len())
        });
        if let Some(yardstick) = self.yardstick {
            notes += &format!("; below a query: how many times as fast as {} tidegate is", yardstick.name());
        }
        draw(
            "Nexmark: events a second, by query",
            &self.machine.to_string(),
            &notes,
            &panels.collect::<Vec<_>>(),
        )
    }

    /// The bars of a query. A loop has one worker, and is shown beside any number.
    fn group(&self, samples: &[Samples], generation: Generation, workers: u32) -> Option<Group> {
        let is_shown = |cell: &Cell| {
            cell.generation == generation && (cell.parallelism == workers || cell.system == System::Loop)
        };
        let shown: Vec<&Samples> = samples.iter().filter(|sample| is_shown(&sample.cell)).collect();
        let ours = shown.iter().find(|sample| sample.cell.system == System::Tidegate)?;
        let bar = |sample: &&Samples| {
            let (least, most) = sample.spread();
            Bar { system: sample.cell.system, median: sample.events_per_s(), least, most }
        };
        Some(Group {
            name: name_of(&ours.cell.query),
            bars: shown.iter().map(bar).collect(),
            note: self.ratio(samples, ours).map_or(String::new(), |ratio| format!("{ratio:.2}")),
        })
    }

    /// What the queries of one table say together.
    pub fn end(&self, generation: Generation) -> Result<()> {
        let is_of_it = |samples: &&Vec<Samples>| {
            samples.first().is_some_and(|sample| sample.cell.generation == generation)
        };
        let queries: Vec<&Vec<Samples>> = self.queries.iter().filter(is_of_it).collect();
        for summary in Summary::of(&queries, self.yardstick) {
            print(&if self.json {
                summary.json(&name_of(&generation)).to_string()
            } else {
                summary.to_string()
            })?;
        }
        Ok(())
    }
}

impl Samples {
    fn json(&self, ratio: Option<f64>, machine: &Machine) -> String {
        let (least, most) = self.spread();
        let line = json!({
            "query": name_of(&self.cell.query),
            "system": self.cell.system.name(),
            "parallelism": self.cell.parallelism,
            "generation": name_of(&self.cell.generation),
            "events": self.events,
            "events_per_s": self.events_per_s().round(),
            "events_per_s_least": least.round(),
            "events_per_s_most": most.round(),
            "cpu_s_per_million": rounded(self.cpu_s_per_million(), 4),
            "peak_rss_mb": self.peak_rss_mb().map(f64::round),
            "ratio": ratio.map(|ratio| rounded(ratio, 3)),
            "repetitions": self.runs.len(),
            "rows": self.runs.last().map(|run| run.total.rows),
            "snapshots": median(self.runs.iter().map(|run| run.snapshots as f64)),
            "machine": machine,
        });
        line.to_string()
    }

    fn row(&self, ratio: Option<f64>) -> String {
        let (least, most) = self.spread();
        let millions = |rate: f64| format!("{:.2}", rate / 1e6);
        let or_nothing = |figure: Option<String>| figure.unwrap_or_else(|| "-".to_string());
        format!(
            "{:<5} {:<18} {:>7}  {:>10} M {:>15} {:>9.3} {:>8} {:>6}  {}",
            name_of(&self.cell.query),
            self.cell.system.name(),
            self.cell.parallelism,
            millions(self.events_per_s()),
            format!("{} .. {}", millions(least), millions(most)),
            self.cpu_s_per_million(),
            or_nothing(self.peak_rss_mb().map(|mb| format!("{mb:.0}"))),
            or_nothing(ratio.map(|ratio| format!("{ratio:.2}"))),
            median(self.runs.iter().map(|run| run.snapshots as f64)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::tally::Total;

    fn samples(seconds: &[f64]) -> Samples {
        let cell =
            Cell { query: Query::Q0, system: System::Loop, parallelism: 1, generation: Generation::Before };
        let mut samples = Samples::of(cell, 100);
        for &seconds in seconds {
            let total = Total { rows: 1, sum: 0 };
            let run = Measured { seconds, cpu_seconds: 1.0, peak_rss_mb: None, total, snapshots: 0 };
            samples.push(run).unwrap();
        }
        samples
    }

    #[test]
    fn a_ratio_is_the_median_of_the_ratios_of_pairs() {
        // The machine was slow for the second pair: of both.
        let (ours, others) = (samples(&[1.0, 9.0, 1.1]), samples(&[2.0, 18.0, 2.0]));
        assert_eq!(ours.ratio_to(&others), 2.0);
        assert_eq!(ours.events_per_s(), 100.0 / 1.1);
        assert_eq!(ours.spread(), (100.0 / 9.0, 100.0));
    }

    #[test]
    fn a_run_with_another_answer_is_refused() {
        let mut samples = samples(&[1.0]);
        let total = Total { rows: 2, sum: 0 };
        let other = Measured { seconds: 1.0, cpu_seconds: 1.0, peak_rss_mb: None, total, snapshots: 0 };
        assert!(samples.push(other).is_err());
    }

    #[test]
    fn twice_and_half_as_fast_is_as_fast() {
        assert!((geometric_mean([2.0, 0.5]).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(geometric_mean([]), None);
        assert_eq!((median([3.0, 1.0]), median([])), (2.0, 0.0));
    }
}
