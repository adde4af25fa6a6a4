//! Where log lines go: to standard error, beside the progress display, filtered by `--log`.
//!
//! The environment has no say in what is logged: two runs with the same command line log the same. It has in the colours,
//! by `NO_COLOR`; there are none if standard error is not a terminal.

use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::error::{Error, Result};
use crate::job::progress::beside;

/// Logs from now on what `filter` lets through. If the process logs already, it goes on as it does.
///
/// # Errors
/// [`usage`](Error::usage), if `filter` is not a list of levels and of levels of modules.
pub fn init(filter: &str) -> Result<()> {
    let filter = parse(filter)?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| BesideProgress)
        .with_ansi(coloured());
    // It fails only if there is a subscriber: the job is part of a program that logs in its own way.
    let _ = subscriber.try_init();
    Ok(())
}

fn parse(filter: &str) -> Result<EnvFilter> {
    let refused = || {
        Error::usage(format!("--log {filter} is not a filter"))
            .hint("write off, error, warn, info, debug or trace, or per module as in warn,tidegate=debug")
    };
    // A word that is no level would pass as the name of a module, and a misspelt level would silence everything.
    let named = |part: &str| part.contains(['=', '[']) || part.parse::<LevelFilter>().is_ok();
    let parts: Vec<_> = filter.split(',').map(str::trim).collect();
    if !parts.iter().all(|part| !part.is_empty() && named(part)) {
        return Err(refused());
    }
    EnvFilter::builder().parse(parts.join(",")).map_err(|error| refused().caused_by(error))
}

fn coloured() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Standard error, with the progress display out of the way of each write.
struct BesideProgress;

impl Write for BesideProgress {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        beside(|| io::stderr().write(bytes))
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        beside(|| io::stderr().write_all(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_or_levels_of_modules() {
        for filter in ["warn", "off", "INFO", "warn,tidegate=debug", "warn, tidegate::snapshot=trace"] {
            assert!(parse(filter).is_ok(), "{filter}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused_with_the_words_that_are() {
        for filter in ["", "inof", "warn,tidegate", "tidegate=loud"] {
            let error = parse(filter).expect_err(filter);
            assert_eq!(error.exit_code(), 2);
            let said = format!("{error:#}");
            assert!(said.contains("warn,tidegate=debug"), "{filter}: {said}");
            assert!(said.matches("expected one of").count() <= 1, "{said}");
        }
    }
}
