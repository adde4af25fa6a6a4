//! A job and a loop, or another system, in turn, and what one is beside the other.

use std::time::Duration;

use tidegate::prelude::*;

use super::{median, say};

/// How long it took, and what came out of it.
pub type Ran = (Duration, u64);

/// Runs of a job, each beside one of a loop, or another system, that does the same: what else the machine does concerns both.
pub struct Pairs {
    /// Seconds of the job, seconds of what is beside it.
    taken: Vec<(f64, f64)>,
}

/// What stands above the rows.
pub fn heading(what: &str, figure: &str) {
    say(&format!("{what:<34} {figure:>12} {:>10} {:>6}  spread", "beside", "ratio"));
}

impl Pairs {
    /// Runs both so many times; who comes first changes.
    ///
    /// # Errors
    /// If a run fails, or both do not come to the same.
    pub fn run(
        repetitions: usize,
        mut job: impl FnMut() -> Result<Ran>,
        mut by_hand: impl FnMut() -> Result<Ran>,
    ) -> Result<Pairs> {
        let mut taken = Vec::new();
        for repetition in 0..repetitions {
            let (ours, theirs) = if repetition % 2 == 0 {
                let ours = job()?;
                (ours, by_hand()?)
            } else {
                let theirs = by_hand()?;
                (job()?, theirs)
            };
            if ours.1 != theirs.1 {
                return Err(Error::failure(format!(
                    "the job comes to {}, what is beside it to {}",
                    ours.1, theirs.1
                )));
            }
            taken.push((ours.0.as_secs_f64(), theirs.0.as_secs_f64()));
        }
        Ok(Pairs { taken })
    }

    /// A row: what `figure` makes of the medians of the seconds, and how many times as fast the job is, by pairs: the median,
    /// the least, the most.
    pub fn show(&self, what: &str, figure: impl Fn(f64) -> f64) {
        let ours = figure(median(self.taken.iter().map(|(ours, _)| *ours)));
        let theirs = figure(median(self.taken.iter().map(|(_, theirs)| *theirs)));
        let ratios: Vec<f64> = self.taken.iter().map(|(ours, theirs)| theirs / ours).collect();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratios.iter().copied().fold(0.0, f64::max);
        let ratio = median(ratios);
        say(&format!("{what:<34} {ours:>12.1} {theirs:>10.1} {ratio:>6.2}  {least:.2} .. {most:.2}"));
    }
}

/// Nanoseconds of one of so many records.
pub fn nanos_of(records: u64) -> impl Fn(f64) -> f64 {
    move |seconds| seconds * 1e9 / records as f64
}

/// Megabytes a second.
pub fn megabytes_of(bytes: u64) -> impl Fn(f64) -> f64 {
    move |seconds| bytes as f64 / 1e6 / seconds
}
