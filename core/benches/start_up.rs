//! From the start of a process to its first record, seen by who started it.
//!
//! ```text
//! cargo bench -p tidegate --bench start_up
//! ```
//!
//! The process is a job with one keyed operator, with `main`, flags and all, that prints its first record as soon as it comes.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use support::{median, say};
use tidegate::job::{NoArgs, Program};
use tidegate::prelude::*;
use tidegate::time::Clock;

mod support;

const RUNS: usize = 21;
/// Set for the process that is the job.
const JOB: &str = "TIDEGATE_BENCH_JOB";

#[state(key = u64)]
#[derive(Default)]
struct Tally {
    count: u64,
}

#[operator]
fn count(_number: u64, tally: &mut Tally) -> u64 {
    tally.count += 1;
    tally.count
}

fn numbers(job: &Job, _: NoArgs) -> Result<()> {
    let numbers = job.source("numbers", Generate::new(1, |number| number));
    numbers.key_by(|number: &u64| *number).process("count", Count).sink("counts", Stdout::text());
    Ok(())
}

fn first_record_ms() -> Result<f64> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--quiet").env(JOB, "1").stdout(Stdio::piped()).stderr(Stdio::inherit());
    let clock = Clock::system();
    let began = clock.monotonic();
    let mut process = command.spawn()?;
    let mut line = String::new();
    if let Some(stdout) = process.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    let took = clock.monotonic() - began;
    let status = process.wait()?;
    if line != "1\n" || !status.success() {
        return Err(Error::failure(format!("the job printed {line:?} and ended with {status}")));
    }
    Ok(took.as_secs_f64() * 1e3)
}

fn main() -> ExitCode {
    if std::env::var_os(JOB).is_some() {
        let program = Program { name: "numbers", version: "1.0.0", about: "Counts" };
        return tidegate::job::main(program, numbers);
    }
    support::end(measure())
}

fn measure() -> Result<()> {
    let took = (0..RUNS).map(|_| first_record_ms()).collect::<Result<Vec<f64>>>()?;
    let (least, most) = took.iter().fold((f64::MAX, 0f64), |(a, b), &ms| (a.min(ms), b.max(ms)));
    say(&format!("first record after {:.1} ms; {least:.1} to {most:.1} in {RUNS} runs", median(took)));
    Ok(())
}
