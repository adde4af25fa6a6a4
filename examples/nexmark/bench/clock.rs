//! What a run took, of time, of CPUs, of memory.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tidegate::time::Clock;

/// Reads the clocks.
#[derive(Clone, Debug)]
pub struct Stopwatch(Clock);

/// A moment, and what the process had had of all CPUs by then.
#[derive(Clone, Copy, Debug)]
pub struct Lap {
    at: Duration,
    cpu: Duration,
}

impl Stopwatch {
    pub fn start() -> Stopwatch {
        Stopwatch(Clock::system())
    }

    pub fn lap(&self) -> Lap {
        let cpu = clock_gettime(ClockId::ProcessCPUTime);
        let nanos = cpu.tv_sec as u64 * 1_000_000_000 + cpu.tv_nsec as u64;
        Lap { at: self.0.monotonic(), cpu: Duration::from_nanos(nanos) }
    }
}

impl Lap {
    /// The later of two.
    #[cfg(feature = "timely")]
    pub fn later(self, other: Lap) -> Lap {
        if other.at > self.at { other } else { self }
    }

    /// Seconds, and seconds of CPU, since an earlier one.
    pub fn since(self, earlier: Lap) -> (f64, f64) {
        let seconds = |later: Duration, earlier: Duration| later.saturating_sub(earlier).as_secs_f64();
        (seconds(self.at, earlier.at), seconds(self.cpu, earlier.cpu))
    }
}

/// The most memory that the process has had so far, in MB; none where the system does not tell.
pub fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
