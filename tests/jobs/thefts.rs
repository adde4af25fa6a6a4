//! A job that looks for a pattern, of which every match and every partial match whose time is up can be proved from its input.
//!
//! A payment is a line: `number card at kind amount`.

use std::path::PathBuf;

use tidegate::prelude::*;

/// Looks for cards that are tried out and then emptied
#[job]
fn thefts(job: &Job, args: Args) -> Result<()> {
    let (thefts, attempts) = job
        .source("payments", Lines::open(args.input))
        .map(parse)
        .watermarks(Watermarks::bounded(millis(200)))
        .key_by(|payment| payment.card)
        .pattern(CardTheft)
        .side_output_timeouts()
        .matches("thefts");
    thefts.sink("thefts", JsonLines::write(args.output));
    attempts
        .map(|attempt| Payments { numbers: attempt.iter().map(|(_, payment)| payment.number).collect() })
        .sink("attempts", JsonLines::write(args.attempts));
    Ok(())
}

#[derive(clap::Args)]
struct Args {
    /// Files with a payment a line
    #[arg(long, num_args = 1.., required = true)]
    input: Vec<PathBuf>,
    /// Directory for the thefts
    #[arg(long)]
    output: PathBuf,
    /// Directory for what began like one and was not completed in time
    #[arg(long)]
    attempts: PathBuf,
}

#[event(time = at)]
#[derive(Clone)]
struct Payment {
    number: u64,
    card: u64,
    at: EventTime,
    kind: u64,
    amount: u64,
}

/// The payments of a match, by their numbers.
#[event]
struct Payments {
    numbers: Vec<u64>,
}

fn parse(line: Line) -> Payment {
    let text = line.text_lossy();
    let numbers: Vec<u64> = text.split(' ').map(|number| number.parse().unwrap_or_default()).collect();
    let [number, card, at, kind, amount] = numbers[..] else { panic!("{text:?} is not a payment") };
    Payment { number, card, at: EventTime::from_millis(at as i64), kind, amount }
}

#[pattern(within = "3s")]
fn card_theft(
    #[begin(|payment| payment.kind == 0)] tried: Payment,
    #[not_followed_by(|payment| payment.kind == 2)] _: (),
    #[followed_by_any(|payment| payment.kind == 1 && payment.amount > tried.amount)] emptied: Payment,
    #[followed_by(|payment| payment.kind == 3)] closed: Payment,
) -> Payments {
    Payments { numbers: vec![tried.number, emptied.number, closed.number] }
}
