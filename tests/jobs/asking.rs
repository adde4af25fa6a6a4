//! A job that asks about every number: a server that takes its time and refuses some at first, and a table with a cache, which
//! is asked in threads that wait. What was asked about a number comes out once, whatever happens to the job.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidegate::async_io::{LookupCache, Retry, blocking};
use tidegate::prelude::*;

/// Asks about numbers
#[job]
fn asking(job: &Job, args: Args) -> Result<()> {
    let numbers = job
        .source("numbers", Lines::open(args.input))
        .map(|line| line.text_lossy().parse().expect("a number a line"));
    let asking = numbers
        .async_map("square", square)
        .capacity(64)
        .timeout(secs(60))
        .retry(Retry::exponential(9, millis(1)).longest(millis(4)));
    let squares = if args.ordered { asking.ordered() } else { asking.unordered() }.or_fail();
    let (squares, odd) = squares
        .lookup_join("names", |(number, _)| number % 1000, blocking(8, name))
        .cache(LookupCache::of(500).expire_after_write(secs(1)))
        .inner()
        .capacity(16)
        .timeout(secs(60))
        .or_reject();
    odd.map(|((number, _), failure)| (number, failure.to_string())).sink("odd", JsonLines::write(args.odd));
    squares
        .key_by(|((number, _), _)| *number)
        .process("once", Once)
        .sink("squares", JsonLines::write(args.output));
    Ok(())
}

#[derive(clap::Args)]
struct Args {
    /// Files with a number a line
    #[arg(long, num_args = 1.., required = true)]
    input: Vec<PathBuf>,
    /// Directory for the results
    #[arg(long)]
    output: PathBuf,
    /// Directory for the numbers that have no name
    #[arg(long)]
    odd: PathBuf,
    /// Hand squares on in the order of their numbers
    #[arg(long)]
    ordered: bool,
}

async fn square(number: u64) -> Result<(u64, u64), String> {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let asked = ASKED.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(asked * 7 % 11)).await;
    if asked.is_multiple_of(13) {
        Err("too many requests".to_string())
    } else {
        Ok((number, number * number))
    }
}

fn name(key: &u64) -> Result<Option<String>, String> {
    std::thread::sleep(Duration::from_millis(1));
    match key % 10 {
        8 => Ok(None),
        9 => Err("no such name".to_string()),
        _ => Ok(Some(format!("number {key}"))),
    }
}

#[state(key = u64)]
#[derive(Default)]
struct Seen {
    times: u64,
}

#[operator]
fn once(named: ((u64, u64), String), seen: &mut Seen) -> (u64, u64, String, u64) {
    seen.times += 1;
    let ((number, square), name) = named;
    (number, square, name, seen.times)
}
