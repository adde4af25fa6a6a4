//! How many instructions a record costs, by kind of work, and whether it has become more.
//!
//! ```text
//! cargo bench -p tidegate --bench instructions                                   # compares, and fails where there are more
//! cargo bench -p tidegate --bench instructions -- --kernels lines,tumbling-window
//! cargo bench -p tidegate --bench instructions -- --bless                        # what there is now is the new baseline
//! ```
//!
//! Each kernel runs under valgrind in a process of its own, once with N records and once with 2 N; the difference, divided by N,
//! is what a record costs: start and end of the process are in both. Instructions are the same whoever else uses the machine, so
//! a few percent more are a finding. They are no time: what waits for memory is not seen here, but in the benchmarks beside, and
//! with `--time`.

use std::collections::BTreeMap;
use std::process::{Command, ExitCode, Stdio};

use baseline::{Baseline, Surroundings, Verdict};
use clap::Parser;
use clap::builder::PossibleValuesParser;
use kernels::{KERNELS, Kernel};
use support::{median, say, thread_cpu};
use tidegate::prelude::*;

mod baseline;
mod kernels;
#[path = "../support/mod.rs"]
mod support;

/// Counts instructions a record, and compares them with a baseline
#[derive(Parser, Debug)]
struct Args {
    /// Kernels; all, if nothing is said
    #[arg(long, value_delimiter = ',', value_name = "NAME,..", value_parser = PossibleValuesParser::new(KERNELS.map(|kernel| kernel.name)))]
    kernels: Vec<String>,

    /// How many percent more are too many
    #[arg(long, default_value_t = 5.0, value_name = "PERCENT")]
    tolerance: f64,

    /// Say how long a record takes instead: nanoseconds of CPU, without valgrind
    #[arg(long)]
    time: bool,

    /// Make what is counted the baseline
    #[arg(long)]
    bless: bool,

    /// Run one kernel with so many records in this process
    #[arg(long, hide = true)]
    records: Option<u64>,

    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

/// Instructions of a process that runs a kernel.
fn count(kernel: &Kernel, records: u64) -> Result<u64> {
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe()?);
    valgrind.args(["--kernels", kernel.name, "--records", &records.to_string()]).stdin(Stdio::null());
    let output = valgrind.output().map_err(|error| {
        Error::failure("instructions are counted by valgrind, and it can't be started")
            .hint("apt-get install valgrind")
            .caused_by(error)
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    // The line is `==4711== Collected : 123456`.
    let collected = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    collected
        .filter(|_| output.status.success())
        .ok_or_else(|| Error::failure(format!("{} under valgrind: {}\n{said}", kernel.name, output.status)))
}

fn per_record(kernel: &Kernel) -> Result<f64> {
    let (once, twice) = (count(kernel, kernel.records)?, count(kernel, 2 * kernel.records)?);
    let per_record = twice.saturating_sub(once) as f64 / kernel.records as f64;
    Ok((per_record * 100.0).round() / 100.0)
}

/// Nanoseconds of CPU that a record takes: the median of some differences, of more records than are counted.
fn nanos(kernel: &Kernel) -> Result<f64> {
    let records = kernel.records * MORE_TO_TIME;
    let taken = |records: u64| {
        let began = thread_cpu();
        kernel.run(records)?;
        let taken = thread_cpu().zip(began).map(|(ended, began)| (ended - began).as_nanos() as f64);
        taken.ok_or_else(|| Error::failure("the system does not say how much of a CPU a thread has had"))
    };
    let difference = |_| Ok((taken(2 * records)? - taken(records)?) / records as f64);
    Ok(median((0..TIMES).map(difference).collect::<Result<Vec<f64>>>()?))
}

const MORE_TO_TIME: u64 = 8;
const TIMES: usize = 7;

fn measure(args: &Args) -> Result<()> {
    let is_asked_for =
        |kernel: &Kernel| args.kernels.is_empty() || args.kernels.iter().any(|name| name == kernel.name);
    let kernels: Vec<Kernel> = KERNELS.into_iter().filter(is_asked_for).collect();
    match args.records {
        Some(records) => kernels.iter().try_for_each(|kernel| kernel.run(records)),
        None if args.time => show_times(&kernels),
        None if args.bless => bless(&kernels),
        None => compare(&kernels, &Baseline::read()?, args.tolerance),
    }
}

fn show_times(kernels: &[Kernel]) -> Result<()> {
    say(&format!("{:<22} {:>10}", "kernel", "ns/record"));
    kernels.iter().try_for_each(|kernel| {
        say(&format!("{:<22} {:>10.1}", kernel.name, nanos(kernel)?));
        Ok(())
    })
}

/// Fails if a kernel takes so many percent more than it did, in the same surroundings.
fn compare(kernels: &[Kernel], baseline: &Baseline, tolerance: f64) -> Result<()> {
    let here = Surroundings::here();
    let is_comparable = baseline.surroundings == here;
    let (mut too_many, mut has_fewer) = (Vec::new(), false);
    say(&format!("{:<22} {:>20}  {:>10}", "kernel", "instructions/record", "baseline"));
    for kernel in kernels {
        let before = baseline.instructions_per_record.get(kernel.name).copied().filter(|_| is_comparable);
        let count = per_record(kernel)?;
        let verdict = Verdict::of(count, before, tolerance);
        let shown = before.map_or("-".to_string(), |before| format!("{before:.2}"));
        say(&format!("{:<22} {count:>20.2}  {shown:>10}  {verdict}", kernel.name));
        has_fewer |= matches!(verdict, Verdict::Fewer(_));
        if let (Verdict::More(percent), Some(before)) = (verdict, before) {
            too_many.push(format!("{} took {percent:.1} % more ({before:.2} -> {count:.2})", kernel.name));
        }
    }
    if !is_comparable {
        let there = &baseline.surroundings;
        say(&format!(
            "not compared: the baseline is of {there}; this is {here}; for one of here: {HOW_TO_BLESS}"
        ));
    }
    if has_fewer {
        say(&format!("fewer, and so that it stays: {HOW_TO_BLESS}"));
    }
    if too_many.is_empty() {
        return Ok(());
    }
    let too_many = too_many.join("; ");
    Err(Error::failure(format!("more instructions than {tolerance} % above the baseline: {too_many}"))
        .hint(format!("find out why; if it is worth it: {HOW_TO_BLESS}")))
}

const HOW_TO_BLESS: &str = "cargo bench -p tidegate --bench instructions -- --bless";

/// What is counted is the baseline. Kernels that were not asked for keep what they had, if it was counted in the same surroundings.
fn bless(kernels: &[Kernel]) -> Result<()> {
    let surroundings = Surroundings::here();
    let before = Baseline::read().ok().filter(|before| before.surroundings == surroundings);
    let mut all: BTreeMap<String, f64> =
        before.map(|before| before.instructions_per_record).unwrap_or_default();
    all.retain(|name, _| KERNELS.iter().any(|kernel| kernel.name == name));
    for kernel in kernels {
        let count = per_record(kernel)?;
        say(&format!("{:<22} {count:>20.2}", kernel.name));
        all.insert(kernel.name.to_string(), count);
    }
    Baseline { surroundings, instructions_per_record: all }.write()?;
    say("this is the baseline now");
    Ok(())
}

fn main() -> ExitCode {
    support::end(measure(&Args::parse()))
}
