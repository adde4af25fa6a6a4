//! Nexmark: queries over the events of an auction house.
//!
//! The benchmark of Tucker, Tufte, Papadimos and Maier (2008), with the queries of the Nexmark suite that Flink's community
//! keeps. Reads events as JSON lines, or makes them up; answers one query. `docs/nexmark.md` says what each one asks.
//!
//! ```text
//! cargo run --release --example nexmark -- q5 --input events.jsonl.zst --output hot-items --format csv
//! cargo run --release --example nexmark -- q4 --events 1000000
//! cargo run --release --example nexmark -- events --events 1000000 --seed 7 --output made-up
//! cargo run --release --example nexmark -- bench --queries q0,q5 --against loop
//! ```

mod bench;
mod calendar;
mod decimal;
mod event;
mod generator;
mod job;
mod output;
mod queries;
mod reader;

use std::process::ExitCode;

/// Events are freed by another thread than that which made them, and in their order. What glibc does to merge what is free
/// took most of the time of a loop over them, and told nothing of the loop.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match std::env::args_os().nth(1) {
        Some(word) if word == "bench" => bench::run(),
        _ => job::run(),
    }
}
