//! Traffic on network links: bytes per link and ten seconds, and an alert for every link that carries too much.
//!
//! Reads transfers as JSON lines, such as `{"link":"ams-fra","bytes":48200,"at":1741770000000}`, out of order by up to
//! two seconds. Writes the sum of every link and ten seconds of event time in which something was transferred, and an alert
//! beside every sum above `--threshold`.
//!
//! ```text
//! cargo run --release --example traffic -- --threshold 2000000
//! cargo run --release --example traffic -- --input transfers.jsonl --output out --snapshot-dir snapshots
//! ```

use std::path::PathBuf;

use tidegate::prelude::*;

/// Sums up the bytes that links carry in ten seconds, and raises an alert where they are too many
#[job]
fn traffic(job: &Job, args: Args) -> Result<()> {
    let (transfers, bad_lines) =
        job.source("transfers", Lines::open(args.input)).try_map(from_json::<Transfer>);
    let (sums, alerts) = transfers
        .watermarks(Watermarks::bounded(secs(2)))
        .key_by_ref(|transfer| &transfer.link)
        .process_with_side("sums", SumBytes { threshold: args.threshold });
    match args.output {
        Some(dir) => {
            sums.sink("sums", JsonLines::write(&dir));
            alerts.sink("alerts", JsonLines::write(&dir));
            bad_lines.sink("rejects", JsonLines::write(&dir));
        }
        None => {
            sums.sink("sums", Stdout::json());
            alerts.sink("alerts", Stderr::json());
            bad_lines.sink("rejects", Stderr::json());
        }
    }
    Ok(())
}

#[derive(clap::Args)]
struct Args {
    /// Transfers, a JSON object a line: files, patterns, .gz, or - [default: those beside this example]
    #[arg(long, value_name = "PATH", num_args = 1.., default_value = SAMPLE, hide_default_value = true)]
    input: Vec<PathBuf>,
    /// Directory for sums, alerts and rejects, as JSON lines [default: sums on the standard output, the rest on the error]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Bytes in ten seconds above which a link is reported
    #[arg(long, value_name = "BYTES", default_value_t = 1_000_000)]
    threshold: u64,
}

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/traffic/transfers.jsonl");

/// Bytes that a link has carried.
#[event(time = at)]
struct Transfer {
    link: String,
    bytes: u64,
    at: EventTime,
}

/// What a link has carried in the ten seconds from `from` on.
#[event]
#[derive(Debug, PartialEq)]
struct Sum {
    link: String,
    from: EventTime,
    bytes: u64,
}

/// A sum that is above the threshold.
#[event]
#[derive(Debug, PartialEq)]
struct Alert {
    link: String,
    from: EventTime,
    bytes: u64,
    threshold: u64,
}

/// What is remembered of a link: the sums of the ten seconds that are not over yet, by when they begin.
#[state(key = String)]
#[derive(Default)]
struct Sums {
    open: Vec<(EventTime, u64)>,
}

/// The ten seconds from `from` on are over.
#[event]
struct Over {
    from: EventTime,
}

/// Sums up transfers. One that comes after its ten seconds were closed makes another sum of them, so that no byte is lost.
struct SumBytes {
    threshold: u64,
}

#[operator]
impl SumBytes {
    fn on_event(&self, transfer: Transfer, sums: &mut Sums, cx: &mut Context<Self>) {
        let from = transfer.at - millis(transfer.at.as_millis().rem_euclid(10_000) as u64);
        match sums.open.iter_mut().find(|(open, _)| *open == from) {
            Some((_, bytes)) => *bytes += transfer.bytes,
            None => {
                sums.open.push((from, transfer.bytes));
                cx.set_timer(from + secs(10), Over { from });
            }
        }
    }

    fn on_timer(
        &self,
        over: Over,
        sums: &mut Sums,
        cx: &mut Context<Self>,
        out: &mut impl Emit<Sum>,
        alerts: &mut impl Emit<Alert>,
    ) {
        let link = cx.key();
        for (from, bytes) in sums.open.extract_if(.., |(from, _)| *from == over.from) {
            if bytes > self.threshold {
                alerts.emit(Alert { link: link.clone(), from, bytes, threshold: self.threshold });
            }
            out.emit(Sum { link: link.clone(), from, bytes });
        }
        if sums.open.is_empty() {
            cx.clear_state();
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate::testing::Harness;

    use super::*;

    fn at(millis: i64) -> EventTime {
        EventTime::from_millis(millis)
    }

    /// When ten seconds began, and the bytes in them.
    type Sums = Vec<(i64, u64)>;

    /// What comes of transfers of one link, `(millisecond, bytes)`, and a last watermark: sums and alerts.
    fn run(transfers: &[(i64, u64)], watermark: EventTime) -> (Sums, Sums) {
        let operator = SumBytes { threshold: 100 };
        let mut harness = Harness::new(operator, |transfer: &Transfer| transfer.link.clone()).unwrap();
        for &(millis, bytes) in transfers {
            let transfer = Transfer { link: "ams-fra".to_string(), bytes, at: at(millis) };
            harness.push(transfer, at(millis)).unwrap();
        }
        harness.restore().unwrap();
        harness.advance_watermark(watermark).unwrap();
        let sums = harness.take_output().into_iter().map(|sum| (sum.from.as_millis(), sum.bytes));
        let sums = sums.collect();
        let alerts =
            harness.take_side_output().into_iter().map(|alert| (alert.from.as_millis(), alert.bytes));
        (sums, alerts.collect())
    }

    #[test]
    fn bytes_are_summed_per_ten_seconds_in_whatever_order_they_come() {
        let (sums, alerts) = run(&[(0, 1), (10_000, 4), (9_999, 2), (19_999, 8), (-1, 16)], EventTime::MAX);
        assert_eq!(sums, [(-10_000, 16), (0, 3), (10_000, 12)]);
        assert_eq!(alerts, []);
    }

    #[test]
    fn a_sum_is_emitted_when_its_ten_seconds_are_over_and_not_before() {
        assert_eq!(run(&[(0, 1), (10_000, 4)], at(9_999)).0, []);
        assert_eq!(run(&[(0, 1), (10_000, 4)], at(10_000)).0, [(0, 1)]);
    }

    #[test]
    fn only_a_sum_above_the_threshold_raises_an_alert() {
        let (sums, alerts) = run(&[(0, 60), (5_000, 40), (10_000, 60), (15_000, 41)], EventTime::MAX);
        assert_eq!(sums, [(0, 100), (10_000, 101)]);
        assert_eq!(alerts, [(10_000, 101)]);
    }
}
