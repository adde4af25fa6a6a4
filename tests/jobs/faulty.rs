//! A job that fails when told to: it counts words, and panics at one of them, always or once, or ends its process at one.
//!
//! With `--narrower-state` it declares the same state with another field type, as a later version of it should not; with
//! `--operator` it calls its operator otherwise.

use std::fs::File;
use std::path::PathBuf;

use tidegate::prelude::*;

/// Counts words, and fails when told to
#[job]
fn faulty(job: &Job, args: Args) -> Result<()> {
    let words = job.source("words", Lines::open(args.input)).map(|line| line.text_lossy().into_owned());
    let keyed =
        words.event_time(|_| EventTime::MIN, Watermarks::monotonous()).key_by_ref(|word: &String| word);
    if args.narrower_state {
        keyed.process(&args.operator, CountNarrowly).sink("counts", JsonLines::write(args.output));
    } else {
        let operator = Count { panic_at: args.panic_at, panicked: args.panicked, abort_at: args.abort_at };
        keyed.process(&args.operator, operator).sink("counts", JsonLines::write(args.output));
    }
    Ok(())
}

#[derive(clap::Args)]
struct Args {
    /// Files with a word a line
    #[arg(long, num_args = 1.., required = true)]
    input: Vec<PathBuf>,
    /// Directory for the counts
    #[arg(long)]
    output: PathBuf,
    /// The word to panic at
    #[arg(long)]
    panic_at: Option<String>,
    /// File that is left by the first panic, and keeps the job from panicking again
    #[arg(long)]
    panicked: Option<PathBuf>,
    /// The word to end the process at, without a word
    #[arg(long)]
    abort_at: Option<String>,
    /// Declare the state as a later version should not
    #[arg(long)]
    narrower_state: bool,
    /// Call the operator as a later version might
    #[arg(long, default_value = "count")]
    operator: String,
}

#[state(key = String)]
#[derive(Default)]
struct Seen {
    times: u32,
}

#[state(key = String, name = "Seen")]
#[derive(Default)]
struct SeenNarrowly {
    times: u16,
}

struct Count {
    panic_at: Option<String>,
    panicked: Option<PathBuf>,
    abort_at: Option<String>,
}

#[operator]
impl Count {
    fn on_event(&self, word: String, seen: &mut Seen) -> (String, u32) {
        seen.times += 1;
        if self.panic_at.as_ref() == Some(&word) {
            self.panic(&word);
        }
        if self.abort_at.as_ref() == Some(&word) {
            std::process::abort();
        }
        (word, seen.times)
    }
}

impl Count {
    fn panic(&self, word: &str) {
        if self.panicked.as_ref().is_some_and(|file| File::create_new(file).is_err()) {
            return;
        }
        panic!("can't stand {word}");
    }
}

#[operator]
fn count_narrowly(word: String, seen: &mut SeenNarrowly) -> (String, u16) {
    seen.times += 1;
    (word, seen.times)
}
