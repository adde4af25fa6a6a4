//! What a record costs in sliding windows, by how many of them it is in: size / slide = 5, 60, 3600, beside a loop.
//!
//! ```text
//! cargo bench -p tidegate --bench sliding
//! ```
//!
//! Sums by key, one worker; ten records of each key per slide, so that there are many firings too. The first windows, which are
//! not full, are not timed. The loop keeps a map per slide and the running sum of each key: when a slide ends it is added, and
//! the one that has left the window is taken off. Both emit the same sums: those of each window and key, in all.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use hashbrown::HashMap;
use support::{Given, Marks, Pairs, Ran, Summed, heading, nanos_of, scatter, time};
use tidegate::prelude::*;

mod support;

/// Measures sliding windows beside a loop
#[derive(Parser, Debug)]
struct Args {
    /// Number of keys
    #[arg(long, default_value_t = 100)]
    keys: u64,

    /// How many slides a window has
    #[arg(long, value_delimiter = ',', default_value = "5,60,3600")]
    slides: Vec<u64>,

    /// Slides that are timed
    #[arg(long, default_value_t = 2_000)]
    timed: u64,

    /// Pairs of runs
    #[arg(long, default_value_t = 5)]
    repetitions: usize,

    /// What cargo says to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

const PER_KEY_AND_SLIDE: u64 = 10;
const SLIDE_MS: u64 = 1_000;

/// A price of a key at a time.
#[derive(Clone, Copy)]
#[event]
struct Price {
    key: u64,
    price: u64,
    at: EventTime,
}

/// Of every slide as many records, a price of some.
fn price(number: u64, keys: u64) -> Price {
    let at = number * SLIDE_MS / (keys * PER_KEY_AND_SLIDE);
    Price { key: number * 7919 % keys, price: scatter(number) >> 44, at: EventTime::from_millis(at as i64) }
}

fn job(prices: Vec<Price>, untimed: u64, slides: u64) -> Result<Ran> {
    let marks = Marks::behind(untimed);
    let given = Given::of(vec![prices], &marks);
    let sum = Summed::default();
    let windows =
        Sliding::of(Duration::from_millis(slides * SLIDE_MS)).every(Duration::from_millis(SLIDE_MS));
    support::run(&support::on_the_heap(1)?, |job| {
        job.source("prices", given)
            .event_time(|price: &Price| price.at, Watermarks::monotonous())
            .key_by(|price: &Price| price.key)
            .window(windows)
            .aggregate("sums", Sum::of(|price: &Price| price.price))
            .map(|window| window.value)
            .sink("sum", sum.clone());
    })?;
    Ok((marks.time(), sum.sum()))
}

type Sums = HashMap<u64, u64, foldhash::fast::RandomState>;

/// What a loop knows.
struct ByHand {
    slides: usize,
    /// The slides of the window that ends with the present one; the present one is the last.
    kept: VecDeque<Sums>,
    /// What is in `kept` of each key: the sum, and in how many slides the key is.
    running: HashMap<u64, (u64, u32), foldhash::fast::RandomState>,
    ends: u64,
    emitted: u64,
}

impl ByHand {
    fn new(slides: u64) -> ByHand {
        ByHand {
            slides: slides as usize,
            kept: VecDeque::from([Sums::default()]),
            running: HashMap::default(),
            ends: SLIDE_MS,
            emitted: 0,
        }
    }

    #[inline]
    fn take(&mut self, price: Price) {
        while price.at.as_millis() as u64 >= self.ends {
            self.end_slide();
        }
        if let Some(present) = self.kept.back_mut() {
            *present.entry(price.key).or_default() += price.price;
        }
    }

    fn end_slide(&mut self) {
        for (key, sum) in self.kept.back().into_iter().flatten() {
            let running = self.running.entry(*key).or_default();
            *running = (running.0 + sum, running.1 + 1);
        }
        self.emitted += self.running.values().map(|(sum, _)| sum).sum::<u64>();
        let mut free = Sums::default();
        if self.kept.len() == self.slides {
            free = self.kept.pop_front().unwrap_or_default();
            for (key, sum) in free.drain() {
                if let Some(running) = self.running.get_mut(&key) {
                    *running = (running.0 - sum, running.1 - 1);
                    if running.1 == 0 {
                        self.running.remove(&key);
                    }
                }
            }
        }
        self.kept.push_back(free);
        self.ends += SLIDE_MS;
    }
}

fn by_hand(prices: Vec<Price>, untimed: u64, slides: u64) -> Ran {
    let mut by_hand = ByHand::new(slides);
    let mut prices = prices.into_iter();
    prices.by_ref().take(untimed as usize).for_each(|price| by_hand.take(price));
    let (took, ()) = time(|| prices.for_each(|price| by_hand.take(price)));
    (0..slides).for_each(|_| by_hand.end_slide());
    (took, by_hand.emitted)
}

fn run(args: &Args) -> Result<()> {
    heading("sliding windows", "ns/record");
    for &slides in &args.slides {
        let in_slides = |slides: u64| slides * args.keys * PER_KEY_AND_SLIDE;
        let (untimed, timed) = (in_slides(slides), in_slides(args.timed));
        let prices = || (0..untimed + timed).map(|number| price(number, args.keys)).collect::<Vec<_>>();
        let pairs = Pairs::run(
            args.repetitions,
            || job(prices(), untimed, slides),
            || Ok(by_hand(prices(), untimed, slides)),
        )?;
        pairs.show(&format!("size / slide = {slides}"), nanos_of(timed));
    }
    Ok(())
}

fn main() -> ExitCode {
    support::end(run(&Args::parse()))
}
