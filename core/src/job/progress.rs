//! What a running job says of itself: a display on the terminal while it runs, one line when it ends.
//!
//! Enter: a [`ProgressReport`] a few times a second, and a [`Summary`]. Leave: lines on standard error, and only if that is
//! a terminal; the summary is printed by whoever made it. There is one display in a process, as there is one standard error:
//! who writes to the terminal while it is shown does so [`beside`] it, or the two would tear each other's lines.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::job::figures::{
    CompleteSnapshot, EventTimeFigures, OperatorEventTime, SnapshotFigures, SourceEventTime,
};
use crate::record::WatermarkStatus;
use crate::time::{millis, minutes};

/// How a job stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgressReport {
    /// Records that the sources have read in this run.
    pub records: u64,
    /// Bytes that the sources have read, those before a restored offset included.
    pub bytes_read: u64,
    /// Bytes that there are, if every split is bounded.
    pub bytes_total: Option<u64>,
    /// How far event time has come.
    pub event_time: EventTimeFigures,
    /// The last snapshot that was completed, and how long ago.
    pub last_snapshot: Option<(CompleteSnapshot, Duration)>,
    /// How many snapshots have failed since.
    pub failed_snapshots: u32,
    /// The savepoint that is being written.
    pub savepoint: Option<PathBuf>,
    /// How long the job has been running.
    pub elapsed: Duration,
}

/// The display of a running job. Dropping it clears it away.
pub struct Progress {
    /// Nothing if nobody looks.
    bar: Option<ProgressBar>,
    bounded: bool,
    rate: Rate,
}

impl Progress {
    /// How often it is worth giving a report: 8 times a second.
    pub const PERIOD: Duration = millis(125);

    /// A display, if standard error is a terminal and the user has not asked for quiet. It appears with the first report.
    pub fn new(quiet: bool, total_bytes: Option<u64>) -> Progress {
        let shown = !quiet && io::stderr().is_terminal();
        let bar = shown.then(|| {
            let bar = display().add(ProgressBar::no_length());
            bar.set_style(style(total_bytes.is_some()));
            bar
        });
        Progress { bar, bounded: total_bytes.is_some(), rate: Rate::default() }
    }

    /// Whether anybody sees it: if not, no report need be made.
    pub fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    /// Shows how the job stands now.
    pub fn update(&mut self, report: &ProgressReport) {
        let Some(bar) = &self.bar else { return };
        if self.bounded != report.bytes_total.is_some() {
            self.bounded = report.bytes_total.is_some();
            bar.set_style(style(self.bounded));
        }
        let rate = self.rate.update(report.records, report.elapsed);
        bar.set_message(status(report, rate));
        if let Some(total) = report.bytes_total {
            let first = bar.length().is_none();
            bar.set_length(total);
            bar.set_position(report.bytes_read.min(total));
            if first {
                // What an earlier run had read was not read at this run's speed.
                bar.reset_eta();
            }
        }
        bar.tick();
    }

    /// Clears the display away.
    pub fn finish(self) {
        drop(self);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
            display().remove(&bar);
        }
    }
}

/// Writes something to the terminal with the display out of the way.
pub fn beside<R>(write: impl FnOnce() -> R) -> R {
    display().suspend(write)
}

/// Prints what is good to know; a run does not fail because nobody can be told.
pub(crate) fn say(text: &str) {
    let _ = beside(|| writeln!(io::stderr(), "{}", text.trim_end()));
}

fn display() -> &'static MultiProgress {
    static DISPLAY: OnceLock<MultiProgress> = OnceLock::new();
    DISPLAY.get_or_init(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8)))
}

fn style(bounded: bool) -> ProgressStyle {
    let template = if bounded {
        "{wide_bar} {percent:>3}%  {binary_bytes} of {binary_total_bytes}, {eta} left\n{wide_msg}"
    } else {
        "{spinner} {wide_msg}"
    };
    ProgressStyle::with_template(template).expect("both templates are well-formed").progress_chars("━╸─")
}

/// The line that is shown of a report.
fn status(report: &ProgressReport, rate: f64) -> String {
    let mut line = format!("{} records · {}/s", HumanCount(report.records), rounded(rate));
    if let Some(event_time) = event_time(&report.event_time) {
        line += &format!(" · watermark {event_time}");
    }
    let dropped = report.event_time.dropped();
    if dropped > 0 {
        line += &format!(" · {} dropped", counted(dropped, "late record"));
    }
    let failed = report.failed_snapshots;
    match report.last_snapshot {
        Some((CompleteSnapshot { id, bytes, duration }, age)) => {
            let (bytes, duration) = (HumanBytes(bytes), Seconds(duration));
            line += &format!(" · snapshot {id}, {} s ago, {bytes} in {duration}", age.as_secs());
            if failed > 0 {
                line += &format!(", {failed} failed since");
            }
        }
        None if failed > 0 => line += &format!(" · {} failed", counted(failed.into(), "snapshot")),
        None => {}
    }
    if let Some(path) = &report.savepoint {
        line += &format!(" · writing {}", path.display());
    }
    line
}

/// The watermark, and how far it is behind the clock if the stream is of these days.
fn event_time(figures: &EventTimeFigures) -> Option<String> {
    let EventTimeFigures { watermark, lag, status, .. } = figures;
    let watermark = (*watermark)?.to_string();
    // To the second: the milliseconds would only flicker, and a narrow terminal has better use for the room.
    let mut text = watermark.split_once('.').map_or(watermark.clone(), |(seconds, _)| format!("{seconds}Z"));
    if let Some(lag) = lag.filter(|lag| *lag < LAG_MAX) {
        text += &match lag.as_secs() {
            seconds @ 0..60 => format!(", {seconds} s behind"),
            _ => format!(", {} behind", Seconds(lag)),
        };
    }
    if *status == WatermarkStatus::Idle {
        text += ", idle";
    }
    if let Some(SourceEventTime { source, .. }) = figures.slowest() {
        text += &format!(" (by {source:?})");
    }
    Some(text)
}

/// What is further behind is history that is read again, and not late.
const LAG_MAX: Duration = minutes(24 * 60);

/// Records per second, just now: smoothed over the last few seconds.
#[derive(Default)]
struct Rate {
    at: Duration,
    records: u64,
    smoothed: Option<f64>,
}

impl Rate {
    /// Over less than this, the batches in which records come would make the figure jump.
    const SPAN_MIN: Duration = millis(500);
    /// What a new figure counts against all before.
    const WEIGHT: f64 = 0.3;

    fn update(&mut self, records: u64, elapsed: Duration) -> f64 {
        if records < self.records {
            // The job went back to a snapshot: what it reads again is not progress, and not a negative rate either.
            (self.at, self.records) = (elapsed, records);
        }
        let span = elapsed.saturating_sub(self.at);
        if span >= Self::SPAN_MIN {
            let rate = (records - self.records) as f64 / span.as_secs_f64();
            let smoothed = self.smoothed.map_or(rate, |before| before + Self::WEIGHT * (rate - before));
            *self = Rate { at: elapsed, records, smoothed: Some(smoothed) };
        }
        self.smoothed.unwrap_or(0.0)
    }
}

/// How a job ended, if it did not fail. Prints itself as the line that the user sees last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The job's name.
    pub job: String,
    /// What ended it.
    pub outcome: Outcome,
    /// Records that the sources have read in this run.
    pub records: u64,
    /// How long the run took, restarts included.
    pub elapsed: Duration,
    /// What the snapshots of this run came to.
    pub snapshots: SnapshotFigures,
    /// How far event time has come.
    pub event_time: EventTimeFigures,
    /// The bytes of keyed state that lay on disk in the end, because they had not all been let into memory.
    pub state_disk_bytes: u64,
    /// The savepoint that was left when the job ended, if one was asked for.
    pub savepoint: Option<PathBuf>,
    /// How often the job was started again.
    pub restarts: u32,
}

/// What ended a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its input has ended.
    Finished,
    /// It was told to stop.
    Stopped,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Finished => "finished",
            Outcome::Stopped => "stopped",
        };
        write!(
            f,
            "{}: {outcome}; {} in {}",
            self.job,
            counted(self.records, "record"),
            Seconds(self.elapsed)
        )?;
        if self.records > 0 && !self.elapsed.is_zero() {
            let rate = self.records as f64 / self.elapsed.as_secs_f64();
            write!(f, " ({} records/s)", rounded(rate))?;
        }
        let SnapshotFigures { completed, failed, last, .. } = &self.snapshots;
        if let Some(CompleteSnapshot { id, bytes, duration }) = last {
            write!(f, ", {}", counted(*completed, "snapshot"))?;
            if *failed > 0 {
                write!(f, " and {} that failed", HumanCount(*failed))?;
            }
            write!(f, ", the last is {id} ({} in {})", HumanBytes(*bytes), Seconds(*duration))?;
        }
        if self.outcome == Outcome::Stopped
            && let Some(watermark) = event_time(&self.event_time)
        {
            write!(f, ", watermark {watermark}")?;
        }
        if self.event_time.uncounted > 0 {
            let records = counted(self.event_time.uncounted, "record");
            write!(f, ", {records} with an event time that does not count")?;
        }
        let dropping = self.event_time.operators.iter().filter(|operator| operator.dropped > 0);
        for OperatorEventTime { operator, dropped, .. } in dropping {
            write!(f, ", {} dropped by {operator:?}", counted(*dropped, "late record"))?;
        }
        if self.restarts > 0 {
            write!(f, ", {}", counted(self.restarts.into(), "restart"))?;
        }
        match (self.outcome, last, &self.savepoint) {
            (Outcome::Finished, _, None) => Ok(()),
            (Outcome::Finished | Outcome::Stopped, _, Some(path)) => {
                write!(f, "\n  to go on from there: --restore {}", path.display())
            }
            (Outcome::Stopped, Some(_), None) => write!(f, "\n  to go on from there: --restore latest"),
            (Outcome::Stopped, None, None) => {
                write!(
                    f,
                    "\n  no snapshot is kept, the job can only start anew: with --snapshot-dir it could go on"
                )
            }
        }
    }
}

/// `1 record`, `10,000 records`.
fn counted(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", HumanCount(n), if n == 1 { "" } else { "s" })
}

/// A rate to three digits, which is all that can be said of it.
fn rounded(rate: f64) -> String {
    if rate < 100.0 {
        let text = format!("{rate:.1}");
        return text.strip_suffix(".0").map_or(text.clone(), str::to_string);
    }
    let unit = 10f64.powi(rate.log10().floor() as i32 - 2);
    HumanCount(((rate / unit).round() * unit) as u64).to_string()
}

/// A duration as one says it: `0.42 s`, `12.3 s`, `3 min 5 s`, `2 h 10 min`.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.as_secs();
        match whole {
            0..10 => write!(f, "{:.2} s", self.0.as_secs_f64()),
            10..60 => write!(f, "{:.1} s", self.0.as_secs_f64()),
            60..3600 => write!(f, "{} min {} s", whole / 60, whole % 60),
            _ => write!(f, "{} h {} min", HumanCount(whole / 3600), whole % 3600 / 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SnapshotId;
    use crate::time::{EventTime, secs};

    const LAST: CompleteSnapshot =
        CompleteSnapshot { id: SnapshotId(3), bytes: 1_234_567, duration: millis(214) };

    fn figures(completed: u64) -> SnapshotFigures {
        SnapshotFigures { completed, last: Some(LAST), ..SnapshotFigures::default() }
    }

    fn summary() -> Summary {
        Summary {
            job: "web-visits".to_string(),
            outcome: Outcome::Finished,
            records: 10_000,
            elapsed: millis(420),
            snapshots: figures(3),
            event_time: EventTimeFigures::default(),
            savepoint: None,
            state_disk_bytes: 0,
            restarts: 0,
        }
    }

    #[test]
    fn the_summary_says_in_one_line_what_the_job_did() {
        assert_eq!(
            summary().to_string(),
            "web-visits: finished; 10,000 records in 0.42 s (23,800 records/s), 3 snapshots, the last is 3 \
             (1.18 MiB in 0.21 s)"
        );
        let failed = SnapshotFigures { failed: 2, ..figures(1) };
        let failed = Summary { snapshots: failed, ..summary() }.to_string();
        assert!(failed.contains("1 snapshot and 2 that failed, the last is 3"), "{failed}");
        let none = SnapshotFigures::default();
        let restarted = Summary { restarts: 2, snapshots: none.clone(), records: 1, ..summary() };
        assert_eq!(
            restarted.to_string(),
            "web-visits: finished; 1 record in 0.42 s (2.4 records/s), 2 restarts"
        );
        let empty = Summary { records: 0, snapshots: none, elapsed: Duration::ZERO, ..summary() };
        assert_eq!(empty.to_string(), "web-visits: finished; 0 records in 0.00 s");
    }

    #[test]
    fn the_summary_of_a_stopped_job_says_how_to_go_on() {
        let stopped = Summary { outcome: Outcome::Stopped, elapsed: secs(7_510), ..summary() };
        assert_eq!(
            stopped.to_string(),
            "web-visits: stopped; 10,000 records in 2 h 5 min (1.3 records/s), 3 snapshots, the last is 3 (1.18 MiB in 0.21 s)\n  \
             to go on from there: --restore latest"
        );
        let savepoint = Summary { savepoint: Some("sp/1".into()), ..stopped.clone() };
        assert!(savepoint.to_string().ends_with("\n  to go on from there: --restore sp/1"));
        let lost = Summary { snapshots: SnapshotFigures::default(), ..stopped };
        assert!(lost.to_string().ends_with("with --snapshot-dir it could go on"));
    }

    #[test]
    fn the_status_leaves_out_what_is_not_known_yet() {
        let report = ProgressReport {
            records: 1_234_567,
            bytes_read: 0,
            bytes_total: None,
            event_time: EventTimeFigures::default(),
            last_snapshot: None,
            failed_snapshots: 0,
            savepoint: None,
            elapsed: secs(1),
        };
        assert_eq!(status(&report, 123_456.0), "1,234,567 records · 123,000/s");
        let later = ProgressReport {
            event_time: EventTimeFigures {
                watermark: Some(EventTime::from_millis(1_431_857_103_000)),
                lag: Some(minutes(60 * 24 * 365)),
                ..EventTimeFigures::default()
            },
            last_snapshot: Some((LAST, millis(4_900))),
            ..report.clone()
        };
        assert_eq!(
            status(&later, 0.0),
            "1,234,567 records · 0/s · watermark 2015-05-17T10:05:03Z · snapshot 3, 4 s ago, 1.18 MiB in 0.21 s"
        );
        let failing = ProgressReport { failed_snapshots: 2, ..later };
        assert!(status(&failing, 0.0).ends_with("in 0.21 s, 2 failed since"));
        let report = ProgressReport { failed_snapshots: 1, savepoint: Some("sp/1".into()), ..report };
        assert_eq!(status(&report, 0.0), "1,234,567 records · 0/s · 1 snapshot failed · writing sp/1");
    }

    #[test]
    fn the_watermark_is_said_with_its_lag_if_the_stream_is_of_these_days() {
        let figures = |lag, status| EventTimeFigures {
            watermark: Some(EventTime::from_millis(1_431_857_103_999)),
            lag: Some(lag),
            status,
            ..EventTimeFigures::default()
        };
        let text = |lag, status| event_time(&figures(lag, status)).unwrap();
        let active = WatermarkStatus::Active;
        assert_eq!(text(millis(4_900), active), "2015-05-17T10:05:03Z, 4 s behind");
        assert_eq!(text(minutes(90), WatermarkStatus::Idle), "2015-05-17T10:05:03Z, 1 h 30 min behind, idle");
        assert_eq!(text(minutes(1440), active), "2015-05-17T10:05:03Z");
        assert_eq!(event_time(&EventTimeFigures::default()), None);
        let stopped = Summary {
            outcome: Outcome::Stopped,
            event_time: EventTimeFigures { uncounted: 2, ..figures(secs(61), active) },
            ..summary()
        };
        let says = ", watermark 2015-05-17T10:05:03Z, 1 min 1 s behind, 2 records with an event time that does not count\n";
        assert!(stopped.to_string().contains(says), "{stopped}");
    }

    #[test]
    fn late_records_that_are_dropped_are_said_by_operator_and_the_slowest_of_several_sources_by_name() {
        let operator = |name: &str, late, dropped| OperatorEventTime {
            operator: name.to_string(),
            watermark: None,
            lag: None,
            late,
            dropped,
        };
        let source = |name: &str, millis| SourceEventTime {
            source: name.to_string(),
            watermark: Some(EventTime::from_millis(millis)),
            lag: None,
            status: WatermarkStatus::Active,
            uncounted: 0,
        };
        let figures = EventTimeFigures {
            watermark: Some(EventTime::from_millis(1_431_857_103_999)),
            sources: vec![source("clicks", 1_431_857_109_999), source("orders", 1_431_857_103_999)],
            operators: vec![operator("count", 3, 1), operator("join", 9, 0), operator("theft", 1_200, 1_200)],
            ..EventTimeFigures::default()
        };
        assert_eq!(event_time(&figures).unwrap(), "2015-05-17T10:05:03Z (by \"orders\")");
        let summary = Summary { event_time: figures, ..summary() }.to_string();
        let says = ", 1 late record dropped by \"count\", 1,200 late records dropped by \"theft\"";
        assert!(summary.ends_with(says), "{summary}");
    }

    #[test]
    fn rates_are_rounded_to_three_digits() {
        let rates = [0.0, 3.25, 99.0, 100.4, 999.6, 23_809.5, 8_764_321.0];
        assert_eq!(rates.map(rounded), ["0", "3.2", "99", "100", "1,000", "23,800", "8,760,000"]);
    }

    #[test]
    fn the_rate_follows_the_records_smoothly_and_survives_a_restart() {
        let mut rate = Rate::default();
        assert_eq!(rate.update(10, millis(125)), 0.0);
        assert_eq!(rate.update(1_000, secs(1)), 1_000.0);
        assert_eq!(rate.update(4_000, secs(2)), 1_600.0);
        assert_eq!(rate.update(500, secs(3)), 1_600.0);
        assert_eq!(rate.update(2_100, secs(4)), 1_600.0);
    }

    #[test]
    fn a_quiet_display_takes_reports_and_shows_nothing() {
        let mut progress = Progress::new(true, Some(100));
        progress.update(&ProgressReport {
            records: 1,
            bytes_read: 200,
            bytes_total: Some(100),
            event_time: EventTimeFigures::default(),
            last_snapshot: None,
            failed_snapshots: 0,
            savepoint: None,
            elapsed: secs(1),
        });
        assert!(!progress.is_shown());
        progress.finish();
    }
}
