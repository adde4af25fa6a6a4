//! Alerts for stolen cards: someone tries a card with a small charge, and within a minute takes all there is.
//!
//! Reads charges as JSON lines, such as `{"card":"4000-0007","cents":95,"at":1741770000000}`, and writes an alert for every
//! charge below 1.00 that is followed within a minute by one above 500.00 on the same card. The charges of one card come in
//! order; those of different cards need not.
//!
//! ```text
//! cargo run --release --example fraud
//! cargo run --release --example fraud -- --input charges.jsonl --output alerts --rejects rejects --snapshot-dir snapshots
//! ```

use std::path::PathBuf;
use std::time::Duration;

use tidegate::prelude::*;

/// Raises an alert when a small charge is followed at once by a large one on the same card
#[job]
fn fraud(job: &Job, args: Args) -> Result<()> {
    let (charges, bad_lines) = job.source("charges", Lines::open(args.input)).try_map(from_json::<Charge>);
    let alerts = charges
        .watermarks(Watermarks::bounded(secs(5)))
        .key_by_ref(|charge| &charge.card)
        .process("tried-cards", FindFraud { small_cents: 100, large_cents: 50_000, within: minutes(1) });
    match args.output {
        Some(dir) => alerts.sink("alerts", JsonLines::write(dir)),
        None => alerts.sink("alerts", Stdout::json()),
    }
    match args.rejects {
        Some(dir) => bad_lines.sink("rejects", JsonLines::write(dir)),
        None => bad_lines.sink("rejects", Stderr::json()),
    }
    Ok(())
}

#[derive(clap::Args)]
struct Args {
    /// Charges, a JSON object a line: files, patterns, .gz, or - [default: those beside this example]
    #[arg(long, value_name = "PATH", num_args = 1.., default_value = SAMPLE, hide_default_value = true)]
    input: Vec<PathBuf>,
    /// Directory for the alerts, as JSON lines [default: the standard output]
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Directory for the lines that are no charges, as JSON lines [default: the standard error]
    #[arg(long, value_name = "DIR")]
    rejects: Option<PathBuf>,
}

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fraud/charges.jsonl");

/// A charge to a card. Money is counted in cents: a sum of floats would depend on their order.
#[event(time = at)]
struct Charge {
    card: String,
    cents: u64,
    at: EventTime,
}

/// Somebody may have tried a card before emptying it.
#[event]
#[derive(Debug, PartialEq)]
struct Alert {
    card: String,
    small_cents: u64,
    small_at: EventTime,
    large_cents: u64,
    large_at: EventTime,
}

/// What is remembered of a card: its last small charge, as long as a large one would be suspicious.
#[state(key = String)]
#[derive(Default)]
struct TriedCard {
    small: Option<SmallCharge>,
}

#[event]
struct SmallCharge {
    cents: u64,
    at: EventTime,
    forgotten: TimerId,
}

/// A minute has passed since the small charge, and nothing has happened.
#[event]
struct Forget;

struct FindFraud {
    small_cents: u64,
    large_cents: u64,
    within: Duration,
}

#[operator]
impl FindFraud {
    fn on_event(&self, charge: Charge, tried: &mut TriedCard, cx: &mut Context<Self>) -> Option<Alert> {
        if charge.cents < self.small_cents {
            let forgotten = cx.set_timer(charge.at + self.within, Forget);
            let small = SmallCharge { cents: charge.cents, at: charge.at, forgotten };
            if let Some(earlier) = tried.small.replace(small) {
                cx.cancel_timer(earlier.forgotten);
            }
            return None;
        }
        if charge.cents <= self.large_cents {
            return None;
        }
        // The timer waits for the watermark: it may not have fired although the minute is over.
        let in_time = |small: &mut SmallCharge| small.at <= charge.at && charge.at <= small.at + self.within;
        let small = tried.small.take_if(in_time)?;
        cx.cancel_timer(small.forgotten);
        cx.clear_state();
        Some(Alert {
            card: charge.card,
            small_cents: small.cents,
            small_at: small.at,
            large_cents: charge.cents,
            large_at: charge.at,
        })
    }

    fn on_timer(&self, _: Forget, _: &mut TriedCard, cx: &mut Context<Self>) {
        cx.clear_state();
    }
}

#[cfg(test)]
mod tests {
    use tidegate::testing::Harness;

    use super::*;

    fn at(second: i64) -> EventTime {
        EventTime::from_millis(second * 1000)
    }

    const FIND: FindFraud = FindFraud { small_cents: 100, large_cents: 50_000, within: minutes(1) };

    /// The alerts that come of charges to one card, `(second, cents)`: what was small and what was large.
    fn alerts(charges: &[(i64, u64)]) -> Vec<(u64, u64)> {
        let mut harness = Harness::new(FIND, |charge: &Charge| charge.card.clone()).unwrap();
        for &(second, cents) in charges {
            let charge = Charge { card: "4000-0007".to_string(), cents, at: at(second) };
            harness.push(charge, at(second)).unwrap();
            harness.advance_watermark(at(second - 5)).unwrap();
        }
        harness.take_output().into_iter().map(|alert| (alert.small_cents, alert.large_cents)).collect()
    }

    #[test]
    fn a_small_charge_and_a_large_one_within_a_minute_raise_an_alert() {
        assert_eq!(alerts(&[(0, 99), (60, 50_001)]), [(99, 50_001)]);
        assert_eq!(alerts(&[(0, 99), (10, 2500), (30, 60_000)]), [(99, 60_000)]);
    }

    #[test]
    fn what_is_not_small_or_not_large_or_not_in_time_raises_none() {
        assert_eq!(alerts(&[(0, 100), (10, 50_001)]), []);
        assert_eq!(alerts(&[(0, 99), (10, 50_000)]), []);
        assert_eq!(alerts(&[(0, 99), (61, 50_001)]), []);
        assert_eq!(alerts(&[(0, 99), (300, 50_001)]), []);
        assert_eq!(alerts(&[(0, 50_001), (10, 99)]), []);
    }

    #[test]
    fn the_last_small_charge_counts_and_each_only_once() {
        assert_eq!(alerts(&[(0, 1), (40, 2), (90, 50_001), (91, 50_001)]), [(2, 50_001)]);
        assert_eq!(alerts(&[(0, 1), (10, 50_001), (20, 3), (30, 50_002)]), [(1, 50_001), (3, 50_002)]);
    }

    #[test]
    fn the_timer_of_an_earlier_small_charge_does_not_forget_a_later_one() {
        assert_eq!(alerts(&[(0, 1), (59, 2), (70, 100), (110, 50_001)]), [(2, 50_001)]);
    }

    #[test]
    fn an_alert_is_raised_across_a_restore() {
        let mut harness = Harness::new(FIND, |charge: &Charge| charge.card.clone()).unwrap();
        let charge =
            |second, cents| (Charge { card: "4000-0007".to_string(), cents, at: at(second) }, at(second));
        for (charge, at) in [charge(0, 7), charge(1, 2500), charge(30, 60_000)] {
            harness.push(charge, at).unwrap();
            harness.restore().unwrap();
        }
        let [alert] = &harness.take_output()[..] else { panic!("one alert") };
        assert_eq!((alert.small_at, alert.small_cents, alert.large_at), (at(0), 7, at(30)));
    }
}
