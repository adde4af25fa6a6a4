//! Bytes a second of lines that are split and parsed: JSON, and access logs, beside a loop.
//!
//! ```text
//! cargo bench -p tidegate --bench parsing -- --megabytes 512
//! ```
//!
//! A file is written first, and is in the page cache when it is read. The job is `Lines` and `try_map`, one worker, from its start
//! to its end. The loop reads pieces of 256 KiB, finds line ends by memchr, and parses a line with the very same parser, serde_json
//! or the one of the example `web_visits`. Bare lines are neither: only the splitting.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use memchr::memchr_iter;
use support::{Pairs, Ran, Summed, heading, megabytes_of, scatter, time};
use tidegate::prelude::*;

#[path = "../../examples/web_visits/combined_log.rs"]
#[allow(dead_code)] // Its tests are run with the example.
mod combined_log;
mod support;

/// Measures sources of lines beside a loop
#[derive(Parser, Debug)]
struct Args {
    /// Size of the file
    #[arg(long, default_value_t = 256)]
    megabytes: u64,

    /// What is in the lines
    #[arg(long, value_enum, value_delimiter = ',', default_value = "bare,json,access-log")]
    formats: Vec<Format>,

    /// Pairs of runs
    #[arg(long, default_value_t = 5)]
    repetitions: usize,

    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum Format {
    /// Nobody looks
    Bare,
    Json,
    AccessLog,
}

#[event]
struct Visit {
    user: String,
    page: String,
    bytes: u64,
    at: EventTime,
}

/// A line of the file, with its end.
fn line(format: Format, number: u64) -> String {
    let chance = scatter(number);
    let (user, page, bytes) = (chance % 5_000, chance >> 20 & 0xff, chance >> 30 & 0xffff);
    let (minute, second) = (number / 60 % 60, number % 60);
    match format {
        Format::Bare | Format::Json => format!(
            "{{\"user\":\"user-{user:06}\",\"page\":\"/gates/{page}/index.html\",\"bytes\":{bytes},\"at\":{}}}\n",
            1_741_770_000_000 + number
        ),
        Format::AccessLog => format!(
            "192.0.2.{} - - [12/Mar/2025:09:{minute:02}:{second:02} +0000] \"GET /gates/{page} HTTP/1.1\" 200 {bytes} \
             \"-\" \"Mozilla/5.0 (X11; Linux x86_64) Firefox/124.0\"\n",
            user % 256
        ),
    }
}

/// What is taken of a visit, so that nobody can leave its fields unread.
fn weight(user: &str, page: &str, at: EventTime) -> u64 {
    user.len() as u64 + page.len() as u64 + at.as_millis() as u64 % 1_000
}

/// One visit of an access log: who, and when.
fn logged(text: &str) -> Option<(String, EventTime)> {
    combined_log::parse(text).ok().map(|entry| (entry.client.to_string(), entry.at))
}

fn job(format: Format, path: &Path) -> Result<Ran> {
    let sum = Summed::default();
    let options = support::on_the_heap(1)?;
    let (took, ran) = time(|| {
        support::run(&options, |job| {
            let lines = job.source("lines", Lines::open([path]));
            match format {
                Format::Bare => lines.map(|line| line.as_bytes().len() as u64).sink("sum", sum.clone()),
                Format::Json => {
                    let (visits, bad) = lines.try_map(from_json::<Visit>);
                    let weights =
                        visits.map(|visit| visit.bytes + weight(&visit.user, &visit.page, visit.at));
                    weights.sink("sum", sum.clone());
                    bad.discard();
                }
                Format::AccessLog => {
                    let parse = |line: Line| {
                        let text = line.as_str().map_err(|error| line.reject(error))?;
                        logged(text).ok_or_else(|| line.reject("no entry"))
                    };
                    let (visits, bad) = lines.try_map(parse);
                    visits.map(|(user, at)| weight(&user, "", at)).sink("sum", sum.clone());
                    bad.discard();
                }
            }
        })
    });
    ran.map(|()| (took, sum.sum()))
}

/// What is read at once.
const PIECE: usize = 256 << 10;

/// Gives each line of a file to `each`.
fn each_line(path: &Path, mut each: impl FnMut(&[u8])) -> std::io::Result<()> {
    let (mut file, mut piece, mut kept) = (File::open(path)?, vec![0; 2 * PIECE], 0);
    loop {
        let read = file.read(&mut piece[kept..kept + PIECE])?;
        if read == 0 {
            return Ok(());
        }
        let filled = &piece[..kept + read];
        let mut start = 0;
        for end in memchr_iter(b'\n', filled) {
            each(&filled[start..end]);
            start = end + 1;
        }
        let end = kept + read;
        piece.copy_within(start..end, 0);
        kept = end - start;
    }
}

fn by_hand(format: Format, path: &Path) -> Result<Ran> {
    let mut sum = 0;
    let (took, read) = time(|| match format {
        Format::Bare => each_line(path, |line| sum += line.len() as u64),
        Format::Json => each_line(path, |line| {
            if let Ok(visit) = serde_json::from_slice::<Visit>(line) {
                sum += visit.bytes + weight(&visit.user, &visit.page, visit.at);
            }
        }),
        Format::AccessLog => each_line(path, |line| {
            if let Some((user, at)) = std::str::from_utf8(line).ok().and_then(logged) {
                sum += weight(&user, "", at);
            }
        }),
    });
    read?;
    Ok((took, sum))
}

/// A file, and its length.
fn file(format: Format, megabytes: u64) -> Result<(tempfile::NamedTempFile, u64)> {
    let mut file = tempfile::NamedTempFile::new()?;
    let (mut bytes, mut number, mut block) = (0, 0, String::new());
    while bytes < megabytes * 1_000_000 {
        block.clear();
        for _ in 0..10_000 {
            block += &line(format, number);
            number += 1;
        }
        file.write_all(block.as_bytes())?;
        bytes += block.len() as u64;
    }
    Ok((file, bytes))
}

fn run(args: &Args) -> Result<()> {
    heading("lines", "MB/s");
    for &format in &args.formats {
        let (file, bytes) = file(format, args.megabytes)?;
        let path = file.path();
        by_hand(Format::Bare, path)?;
        let pairs = Pairs::run(args.repetitions, || job(format, path), || by_hand(format, path))?;
        let name = format.to_possible_value().map(|value| value.get_name().to_string());
        pairs.show(&name.unwrap_or_default(), megabytes_of(bytes));
    }
    Ok(())
}

fn main() -> ExitCode {
    support::end(run(&Args::parse()))
}
