//! The flags that every job's executable has, and the options they stand for.
//!
//! Enter: what the user wrote on the command line, as [`JobFlags`], each flag alone understood. Leave: [`RunOptions`], in
//! which what can't be together is not together any more. Nothing here looks at a file: that a directory is missing or a
//! snapshot is torn is found by those who open it.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;

use crate::error::{Error, Result};
use crate::job::lock::LockAction;
use crate::job::plan::PlanFormat;
use crate::job::restart::RestartStrategy;
use crate::key::{MaxParallelism, Parallelism};
use crate::snapshot::remote::url_in;
use crate::snapshot::{DEFAULT_ALIGNMENT_TIMEOUT, RestoreTarget, SnapshotMode};
use crate::state::backend::StoreKind;
use crate::task::mode::Mode;
use crate::time::{minutes, secs};

// What snapshots are like, unless told otherwise.

const SNAPSHOT_INTERVAL: Duration = secs(10);

const SNAPSHOT_MIN_PAUSE: Duration = Duration::ZERO;

const SNAPSHOT_TIMEOUT: Duration = minutes(10);

const RETAIN: usize = 3;

/// The flags as they are written. Their ids begin with `tidegate-`, so that a field of the user's may be called `plan`.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
#[command(next_help_heading = "Tidegate")]
pub struct JobFlags {
    /// Number of workers, from 1 to --max-parallelism [default: the number of CPUs]
    ///
    /// Each is a thread that runs one subtask of every stage. A snapshot can be restored at another number.
    #[arg(id = "tidegate-parallelism", long = "parallelism", value_name = "N")]
    parallelism: Option<u32>,

    /// Number of key groups, and so the most workers this job can have, from 1 to 32768 [default: 128]
    ///
    /// It is part of every snapshot: a job that is restored has the number of its snapshot if you say nothing. If you name
    /// another, state is dealt anew before the job starts.
    #[arg(id = "tidegate-max-parallelism", long = "max-parallelism", value_name = "N")]
    max_parallelism: Option<u32>,

    /// streaming works off the input as it comes; batch, all of it, and gives the results at its end
    ///
    /// A batch needs input that ends. Event time stands still until it has: no record is late. It takes no snapshots, and
    /// no result is seen before all are there; a batch that fails begins anew (docs/batch.md).
    #[arg(
        id = "tidegate-mode",
        long = "mode",
        value_name = "MODE",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    mode: Mode,

    /// Where keyed state lies: in memory alone, or in memory and what does not fit there in a fjall database
    #[arg(id = "tidegate-state", long = "state", value_name = "STORE", value_enum, default_value_t)]
    state: StoreKind,

    /// Memory for keyed state, of all operators and workers together, as in 512MiB, 4GiB
    ///
    /// With --state fjall, rows that were not used lately go to --state-dir when there are more. It is counted by estimate:
    /// see that the machine has a quarter more, and what the job takes besides.
    #[arg(
        id = "tidegate-state-memory", long = "state-memory", value_name = "SIZE",
        value_parser = size, default_value = "1GiB",
    )]
    state_memory: ByteSize,

    /// Directory of the working copy of keyed state [default: a temporary directory]
    ///
    /// For one process at a time. Use a fast local disk. It need not survive: snapshots hold what does.
    #[arg(id = "tidegate-state-dir", long = "state-dir", value_name = "DIR")]
    state_dir: Option<PathBuf>,

    /// Directory or URL of this job's snapshots; without it none are kept
    ///
    /// Use storage that survives the machine. One directory belongs to one job. A URL, as in s3://bucket/visits, takes a program
    /// that was built for it (tidegate's features object-store, s3, gcs, azure) and credentials in the environment; what is
    /// needed of it has a copy in --state-dir.
    #[arg(id = "tidegate-snapshot-dir", long = "snapshot-dir", value_name = "DIR|URL")]
    pub(crate) snapshot_dir: Option<PathBuf>,

    /// Time from the beginning of one snapshot to the beginning of the next, as in 500ms, 5m [default: 10s]
    #[arg(
        id = "tidegate-snapshot-interval", long = "snapshot-interval", value_name = "TIME",
        value_parser = humantime::parse_duration,
    )]
    snapshot_interval: Option<Duration>,

    /// What becomes of records in flight when a snapshot is taken: aligned, unaligned or auto [default: aligned]
    ///
    /// aligned works them off first, which takes long in a job under back-pressure; unaligned makes them part of the
    /// snapshot; auto begins with the one and goes over to the other after --alignment-timeout.
    #[arg(
        id = "tidegate-snapshot-mode",
        long = "snapshot-mode",
        value_name = "MODE",
        value_enum,
        hide_possible_values = true
    )]
    snapshot_mode: Option<ModeName>,

    /// How long a snapshot may wait for records in flight with --snapshot-mode auto [default: 1s]
    #[arg(
        id = "tidegate-alignment-timeout", long = "alignment-timeout", value_name = "TIME",
        value_parser = humantime::parse_duration,
    )]
    alignment_timeout: Option<Duration>,

    /// Least time from the end of one snapshot, complete or not, to the beginning of the next [default: 0s]
    ///
    /// It lets a job whose snapshots take long get on with its work (Flink's min-pause). Snapshots that are asked for, and
    /// the last one, do not wait for it.
    #[arg(
        id = "tidegate-snapshot-min-pause", long = "snapshot-min-pause", value_name = "TIME",
        value_parser = humantime::parse_duration,
    )]
    snapshot_min_pause: Option<Duration>,

    /// Time after which a snapshot that is not complete is given up, as in 30s, 10m [default: 10m]
    ///
    /// The job goes on; its results become visible with the next snapshot that is complete (Flink's timeout). The last
    /// snapshot, at the end of the input or when the job is stopped, has as long as it takes.
    #[arg(
        id = "tidegate-snapshot-timeout", long = "snapshot-timeout", value_name = "TIME",
        value_parser = humantime::parse_duration,
    )]
    snapshot_timeout: Option<Duration>,

    /// Number of snapshots in a row that may fail before the job fails, 0 for none [default: any number]
    ///
    /// A snapshot fails if it takes too long or can't be written: the disk is full, the directory is gone. A complete one
    /// begins the count anew. A job that fails does what --restart says. The last snapshot may never fail. (Flink's
    /// tolerable-failed-checkpoints, whose default is 0.)
    #[arg(
        id = "tidegate-tolerated-snapshot-failures",
        long = "tolerated-snapshot-failures",
        value_name = "N"
    )]
    tolerated_snapshot_failures: Option<u32>,

    /// Number of snapshots to keep, at least 1: when another is complete, older ones are removed [default: 3]
    #[arg(id = "tidegate-retain", long = "retain", value_name = "N")]
    retain: Option<usize>,

    /// Snapshot to go on from: the latest complete one, the one with a number, or the one at a path
    ///
    /// `latest` and a number mean snapshots in --snapshot-dir; a path can be a URL, too. If there is none yet, `latest` starts from the beginning.
    #[arg(id = "tidegate-restore", long = "restore", value_name = "latest|ID|PATH")]
    restore: Option<String>,

    /// Drop what the snapshot has of operators, sources and sinks that this program lacks
    ///
    /// Without it such a snapshot is refused, because they may only have been renamed. What is dropped is said.
    #[arg(id = "tidegate-allow-dropped-state", long = "allow-dropped-state")]
    allow_dropped_state: bool,

    /// Directory for savepoints, which SIGUSR1 asks for [default: savepoints in --snapshot-dir, if that is no URL]
    ///
    /// A savepoint is a snapshot in a directory that stands on its own, can be moved, and is never removed. The job goes
    /// on, and says where the savepoint is. Many jobs can share the directory.
    #[arg(id = "tidegate-savepoint-dir", long = "savepoint-dir", value_name = "DIR")]
    savepoint_dir: Option<PathBuf>,

    /// When the job ends, stopped by Ctrl-C or SIGTERM or at the end of its input, leave a savepoint at this path
    ///
    /// The path must not exist yet. Go on with --restore PATH, also with a changed job or on another machine.
    #[arg(id = "tidegate-stop-with-savepoint", long = "stop-with-savepoint", value_name = "PATH")]
    stop_with_savepoint: Option<PathBuf>,

    /// What to do when a task fails: none, fixed:N,DELAY or exponential:INITIAL,MAX, with times as in 500ms, 1s
    ///
    /// fixed goes back to the last snapshot, in a batch to the beginning, at most N times, each after DELAY. exponential does so without end: the delay
    /// doubles from INITIAL to MAX, and begins again with INITIAL after the job has run 1h without a failure, or as long
    /// as exponential:INITIAL,MAX,RESET says. [default: fixed:3,1s with --snapshot-dir, none without]
    #[arg(id = "tidegate-restart", long = "restart", value_name = "STRATEGY")]
    restart: Option<RestartStrategy>,

    /// Most records per second that all sources together read, at least 1
    #[arg(id = "tidegate-max-rate", long = "max-rate", value_name = "N")]
    max_rate: Option<u64>,

    /// Print the job's plan in this format [default: text] and exit; nothing is read or written
    #[arg(
        id = "tidegate-plan", long = "plan", value_name = "FORMAT", value_enum,
        num_args = 0..=1, default_missing_value = "text",
    )]
    pub(crate) plan: Option<PlanFormat>,

    /// With --plan: print what would become of this snapshot's state if the job were restored from it
    ///
    /// As text or json. The exit code is 1 if the job could not be restored. Only the snapshot's manifest is read.
    #[arg(
        id = "tidegate-against",
        long = "against",
        value_name = "latest|ID|PATH",
        requires = "tidegate-plan"
    )]
    pub(crate) against: Option<String>,

    /// Compare the job's state with the file state.lock, or write that file anew, and exit
    ///
    /// Check the file in: then a change of state shows where the program changes, and --lock check fails until it is taken
    /// in with --lock update.
    #[arg(id = "tidegate-lock", long = "lock", value_name = "ACTION", value_enum)]
    pub(crate) lock: Option<LockAction>,

    /// The file that --lock means
    #[arg(
        id = "tidegate-lock-file",
        long = "lock-file",
        value_name = "PATH",
        default_value = "state.lock",
        requires = "tidegate-lock"
    )]
    pub(crate) lock_file: PathBuf,

    /// Check that the job could run, snapshot to restore included, and exit; nothing is processed
    #[arg(id = "tidegate-check", long = "check")]
    pub(crate) check: bool,

    /// What to log on standard error: error, warn, info, debug, trace, or per module as in warn,tidegate=debug
    #[arg(id = "tidegate-log", long = "log", value_name = "FILTER", default_value = "warn")]
    pub(crate) log: String,

    /// Show no progress and no summary
    #[arg(id = "tidegate-quiet", long = "quiet")]
    quiet: bool,
}

/// What `--snapshot-mode` can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum ModeName {
    Aligned,
    Unaligned,
    Auto,
}

/// How a job is to run: validated.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Whether the input is worked off as it comes, or as one batch, which takes no snapshots.
    pub mode: Mode,
    /// The number of workers.
    pub parallelism: Parallelism,
    /// The number of key groups.
    pub max_parallelism: MaxParallelism,
    /// Whether these two are wishes, or only what a job has that says nothing: a snapshot can change the latter.
    pub asked: Asked,
    /// Where keyed state lies.
    pub store: StoreKind,
    /// How much memory keyed state may take before rows leave it; not zero.
    pub state_memory_bytes: u64,
    /// Where keyed state has its working copy; a temporary directory if nowhere.
    pub state_dir: Option<PathBuf>,
    /// Where snapshots are kept, which may be a URL; they are not, if nowhere.
    pub snapshot_dir: Option<PathBuf>,
    /// From the beginning of one snapshot to the beginning of the next; not zero.
    pub snapshot_interval: Duration,
    /// What becomes of records in flight when a snapshot is taken; without a snapshot directory they are worked off.
    pub snapshot_mode: SnapshotMode,
    /// From the end of one snapshot to the beginning of the next, at least.
    pub snapshot_min_pause: Duration,
    /// After how long a snapshot is given up; not zero.
    pub snapshot_timeout: Duration,
    /// How many snapshots in a row may fail; any number, if nothing is said.
    pub tolerated_snapshot_failures: Option<u32>,
    /// How many snapshots are kept; at least one.
    pub retain: usize,
    /// Where savepoints go; beside the snapshots if nowhere else.
    pub savepoint_dir: Option<PathBuf>,
    /// Where a savepoint is left when the job ends.
    pub stop_with_savepoint: Option<PathBuf>,
    /// What to go on from.
    pub restore: Option<RestoreTarget>,
    /// Whether a snapshot may hold what this program has no place for.
    pub allow_dropped_state: bool,
    /// What to do about a failed task.
    pub restart: RestartStrategy,
    /// The most records per second that all sources together read.
    pub max_rate: Option<NonZeroU64>,
    /// Whether nothing is said of progress.
    pub quiet: bool,
}

/// Which numbers the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The number of workers.
    pub parallelism: bool,
    /// The number of key groups.
    pub max_parallelism: bool,
}

impl Default for RunOptions {
    /// For a job that runs inside of another program: one worker, no snapshots, no restarts, and quiet.
    fn default() -> RunOptions {
        RunOptions {
            mode: Mode::Streaming,
            parallelism: Parallelism::ONE,
            max_parallelism: MaxParallelism::DEFAULT,
            asked: Asked::default(),
            store: StoreKind::default(),
            state_memory_bytes: 1 << 30,
            state_dir: None,
            snapshot_dir: None,
            snapshot_interval: SNAPSHOT_INTERVAL,
            snapshot_mode: SnapshotMode::Aligned,
            snapshot_min_pause: SNAPSHOT_MIN_PAUSE,
            snapshot_timeout: SNAPSHOT_TIMEOUT,
            tolerated_snapshot_failures: None,
            retain: RETAIN,
            savepoint_dir: None,
            stop_with_savepoint: None,
            restore: None,
            allow_dropped_state: false,
            restart: RestartStrategy::None,
            max_rate: None,
            quiet: true,
        }
    }
}

impl RunOptions {
    /// Where savepoints go; nowhere, if no snapshots are kept, or kept at a URL and nothing is said.
    pub(crate) fn savepoints_in(&self) -> Option<PathBuf> {
        let snapshots = self.snapshot_dir.as_deref()?;
        let beside = || url_in(snapshots).is_none().then(|| snapshots.join("savepoints"));
        self.savepoint_dir.clone().or_else(beside)
    }
}

impl JobFlags {
    /// What the flags stand for, together. `cpus` is the number of workers if the user names none.
    ///
    /// # Errors
    /// [`usage`](Error::usage), if a flag's value is out of range or flags contradict each other.
    pub fn options(&self, cpus: usize) -> Result<RunOptions> {
        self.has_snapshots_to_speak_of()?;
        let max_parallelism = self.max_parallelism()?;
        Ok(RunOptions {
            mode: self.mode,
            parallelism: self.parallelism(max_parallelism, cpus)?,
            max_parallelism,
            asked: Asked {
                parallelism: self.parallelism.is_some(),
                max_parallelism: self.max_parallelism.is_some(),
            },
            store: self.state,
            state_memory_bytes: self.state_memory_bytes()?,
            state_dir: self.state_dir.clone(),
            snapshot_dir: self.snapshot_dir.clone(),
            snapshot_interval: self.snapshot_interval()?,
            snapshot_mode: self.snapshot_mode()?,
            snapshot_min_pause: self.snapshot_min_pause.unwrap_or(SNAPSHOT_MIN_PAUSE),
            snapshot_timeout: self.snapshot_timeout()?,
            tolerated_snapshot_failures: self.tolerated_snapshot_failures,
            retain: self.retain()?,
            savepoint_dir: local("--savepoint-dir", &self.savepoint_dir)?,
            stop_with_savepoint: local("--stop-with-savepoint", &self.stop_with_savepoint)?,
            restore: self.restore()?,
            allow_dropped_state: self.allow_dropped_state,
            restart: self.restart()?,
            max_rate: self.max_rate()?,
            quiet: self.quiet,
        })
    }

    fn max_parallelism(&self) -> Result<MaxParallelism> {
        let Some(groups) = self.max_parallelism else { return Ok(MaxParallelism::DEFAULT) };
        MaxParallelism::new(groups).ok_or_else(|| {
            Error::usage(format!("--max-parallelism {groups} is not a number of key groups from 1 to 32768"))
                .hint("leave it out for 128, which up to 128 workers can share")
        })
    }

    fn state_memory_bytes(&self) -> Result<u64> {
        match self.state_memory.as_u64() {
            0 => Err(Error::usage("--state-memory 0 leaves no room for the state at work")
                .hint("give it at least some MiB: 64MiB, 2GiB")),
            bytes => Ok(bytes),
        }
    }

    fn parallelism(&self, max_parallelism: MaxParallelism, cpus: usize) -> Result<Parallelism> {
        let max = max_parallelism.get();
        let asked = self.parallelism.unwrap_or_else(|| u32::try_from(cpus).unwrap_or(max).clamp(1, max));
        Parallelism::new(asked, max_parallelism).ok_or_else(|| match asked {
            0 => Error::usage("--parallelism 0 leaves nobody to do the work").hint("give it 1 or more"),
            _ => Error::usage(format!("--parallelism {asked} is more than --max-parallelism {max}"))
                .hint("the key groups are dealt to the workers, and some would get none: lower the one or raise the other"),
        })
    }

    fn snapshot_interval(&self) -> Result<Duration> {
        let interval = self.snapshot_interval.unwrap_or(SNAPSHOT_INTERVAL);
        if interval.is_zero() {
            return Err(Error::usage(
                "--snapshot-interval is zero, so that there would be nothing but snapshots",
            )
            .hint("give it a time like 500ms or 10s"));
        }
        Ok(interval)
    }

    /// Refuses what is said of snapshots where none are taken, or, in a batch, gone on from.
    fn has_snapshots_to_speak_of(&self) -> Result<()> {
        let of_taking = [
            ("--snapshot-interval", self.snapshot_interval.is_some()),
            ("--snapshot-mode", self.snapshot_mode.is_some()),
            ("--alignment-timeout", self.alignment_timeout.is_some()),
            ("--snapshot-min-pause", self.snapshot_min_pause.is_some()),
            ("--snapshot-timeout", self.snapshot_timeout.is_some()),
            ("--tolerated-snapshot-failures", self.tolerated_snapshot_failures.is_some()),
            ("--retain", self.retain.is_some()),
            ("--savepoint-dir", self.savepoint_dir.is_some()),
            ("--stop-with-savepoint", self.stop_with_savepoint.is_some()),
        ];
        let of_going_on = [
            ("--snapshot-dir", self.snapshot_dir.is_some()),
            ("--restore", self.restore.is_some()),
            ("--allow-dropped-state", self.allow_dropped_state),
            ("--against", self.against.is_some()),
        ];
        let given =
            |flags: &[(&'static str, bool)]| flags.iter().find(|(_, given)| *given).map(|(flag, _)| *flag);
        let taking = given(&of_taking);
        if self.mode == Mode::Batch
            && let Some(flag) = given(&of_going_on).or(taking)
        {
            return Err(Error::usage(format!("{flag}: --mode batch takes no snapshots and goes on from none"))
                .hint("leave out the one or the other; a batch that fails begins anew, by itself with --restart fixed:3,1s"));
        }
        match taking.filter(|_| self.snapshot_dir.is_none()) {
            Some(flag) => {
                Err(Error::usage(format!("{flag} is about the snapshots of this run, and none are kept"))
                    .hint(format!("add --snapshot-dir DIR, or leave {flag} out")))
            }
            None => Ok(()),
        }
    }

    fn snapshot_mode(&self) -> Result<SnapshotMode> {
        match (self.snapshot_mode.unwrap_or(ModeName::Aligned), self.alignment_timeout) {
            (ModeName::Aligned, None) => Ok(SnapshotMode::Aligned),
            (ModeName::Unaligned, None) => Ok(SnapshotMode::Unaligned),
            (ModeName::Auto, timeout) => {
                Ok(SnapshotMode::Auto { alignment_timeout: timeout.unwrap_or(DEFAULT_ALIGNMENT_TIMEOUT) })
            }
            (ModeName::Aligned | ModeName::Unaligned, Some(_)) => {
                Err(Error::usage("--alignment-timeout says when --snapshot-mode auto stops waiting")
                    .hint("add --snapshot-mode auto, or leave it out"))
            }
        }
    }

    fn snapshot_timeout(&self) -> Result<Duration> {
        let timeout = self.snapshot_timeout.unwrap_or(SNAPSHOT_TIMEOUT);
        if timeout.is_zero() {
            return Err(Error::usage(
                "--snapshot-timeout is zero, so that no snapshot would ever be complete",
            )
            .hint("give it a time like 30s or 10m"));
        }
        Ok(timeout)
    }

    fn retain(&self) -> Result<usize> {
        match self.retain.unwrap_or(RETAIN) {
            0 => Err(Error::usage("--retain 0 would remove every snapshot as soon as it is complete")
                .hint("give it 1 or more; leave --snapshot-dir out to take no snapshots")),
            retain => Ok(retain),
        }
    }

    fn restore(&self) -> Result<Option<RestoreTarget>> {
        let Some(text) = &self.restore else { return Ok(None) };
        let target: RestoreTarget = text.parse()?;
        if self.snapshot_dir.is_none() && !matches!(target, RestoreTarget::Path(_)) {
            return Err(Error::usage(format!("--restore {text} means a snapshot in --snapshot-dir, which is not given"))
                .hint(format!(
                    "add --snapshot-dir DIR, or name the snapshot's own directory; one that is called {text} is ./{text}"
                )));
        }
        Ok(Some(target))
    }

    fn restart(&self) -> Result<RestartStrategy> {
        match (self.restart, &self.snapshot_dir) {
            // It goes back to the beginning.
            (Some(strategy), None) if self.mode == Mode::Batch => Ok(strategy),
            (Some(RestartStrategy::None), _) | (None, None) => Ok(RestartStrategy::None),
            (Some(strategy), Some(_)) => Ok(strategy),
            (None, Some(_)) => Ok(RestartStrategy::Fixed { attempts: 3, delay: secs(1) }),
            (Some(strategy), None) => Err(Error::usage(format!(
                "--restart {strategy} goes back to the last snapshot, and none are kept"
            ))
            .hint("add --snapshot-dir DIR, or leave --restart out to end at the first failure")),
        }
    }

    fn max_rate(&self) -> Result<Option<NonZeroU64>> {
        match self.max_rate.map(NonZeroU64::new) {
            Some(None) => Err(Error::usage("--max-rate 0 would read nothing, for ever")
                .hint("give it a number of records per second, or leave it out to read as fast as possible")),
            Some(rate) => Ok(rate),
            None => Ok(None),
        }
    }
}

/// The parser's own words are about numbers.
fn size(text: &str) -> Result<ByteSize, &'static str> {
    text.parse().map_err(|_| "expected a size as in 512MiB, 4GiB")
}

/// Where a savepoint is to be written.
fn local(flag: &str, path: &Option<PathBuf>) -> Result<Option<PathBuf>> {
    match path.as_deref().and_then(url_in) {
        Some(url) => Err(Error::usage(format!("{flag} {url}: a savepoint is written to a local directory"))
            .hint("name a directory, and copy the savepoint when it is there: it can be moved")),
        None => Ok(path.clone()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, CommandFactory, FromArgMatches, Parser};

    use super::*;
    use crate::error::ErrorKind;
    use crate::record::SnapshotId;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        flags: JobFlags,
    }

    fn options(line: &str) -> Result<RunOptions> {
        let words = ["job"].into_iter().chain(line.split_whitespace());
        Line::try_parse_from(words).unwrap().flags.options(6)
    }

    fn refused(line: &str) -> String {
        let error = options(line).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Usage, "{line}");
        assert!(format!("{error:#}").contains("\n  hint: "), "{line}");
        error.to_string()
    }

    #[test]
    fn without_flags_a_job_uses_every_cpu_and_keeps_nothing() {
        let options = options("").unwrap();
        assert_eq!((options.parallelism.get(), options.max_parallelism.get()), (6, 128));
        assert_eq!((options.snapshot_interval, options.retain), (secs(10), 3));
        assert_eq!((options.snapshot_min_pause, options.snapshot_timeout), (Duration::ZERO, minutes(10)));
        assert_eq!(options.tolerated_snapshot_failures, None, "a full disk is no reason to end");
        assert!(options.savepoint_dir.is_none() && options.stop_with_savepoint.is_none());
        assert_eq!(options.asked, Asked::default());
        assert_eq!(options.restart, RestartStrategy::None);
        assert!(options.state_dir.is_none() && options.snapshot_dir.is_none() && options.restore.is_none());
        assert!(options.max_rate.is_none() && !options.quiet);
    }

    #[test]
    fn every_flag_arrives_in_the_options() {
        let options = options(
            "--parallelism 3 --max-parallelism 16 --state-dir st --snapshot-dir sn --snapshot-interval 500ms \
             --retain 5 --restore 41 --max-rate 1000 --restart exponential:1s,1m,10m --quiet --plan dot --check \
             --snapshot-min-pause 1s --snapshot-timeout 2m --tolerated-snapshot-failures 0 --savepoint-dir sp \
             --stop-with-savepoint end --allow-dropped-state --snapshot-mode auto --alignment-timeout 3s",
        )
        .unwrap();
        assert_eq!((options.parallelism.get(), options.max_parallelism.get()), (3, 16));
        assert_eq!((options.state_dir, options.snapshot_dir), (Some("st".into()), Some("sn".into())));
        assert_eq!(options.asked, Asked { parallelism: true, max_parallelism: true });
        assert_eq!((options.snapshot_interval, options.retain), (Duration::from_millis(500), 5));
        assert_eq!(options.snapshot_mode, SnapshotMode::Auto { alignment_timeout: secs(3) });
        assert_eq!((options.snapshot_min_pause, options.snapshot_timeout), (secs(1), minutes(2)));
        assert_eq!(options.tolerated_snapshot_failures, Some(0));
        assert_eq!(
            (options.savepoint_dir, options.stop_with_savepoint),
            (Some("sp".into()), Some("end".into()))
        );
        assert!(options.allow_dropped_state);
        assert!(matches!(options.restore, Some(RestoreTarget::Id(SnapshotId(41)))));
        assert_eq!(options.max_rate.map(NonZeroU64::get), Some(1000));
        assert_eq!(options.restart.to_string(), "exponential:1s,1m,10m");
        assert!(options.quiet);
    }

    #[test]
    fn a_batch_keeps_nothing_and_begins_anew_if_it_is_to() {
        let batch = options("--mode batch").unwrap();
        assert_eq!((batch.mode, batch.restart), (Mode::Batch, RestartStrategy::None));
        assert_eq!(options("--mode batch --restart fixed:3,1s").unwrap().restart.to_string(), "fixed:3,1s");
        assert_eq!(options("--mode streaming --snapshot-dir d").unwrap().mode, Mode::Streaming);
    }

    #[test]
    fn savepoints_go_beside_the_snapshots_if_nothing_is_said() {
        assert_eq!(options("--snapshot-dir d").unwrap().savepoints_in(), Some("d/savepoints".into()));
        let elsewhere = options("--snapshot-dir d --savepoint-dir e").unwrap();
        assert_eq!(elsewhere.savepoints_in(), Some("e".into()));
        assert_eq!(options("").unwrap().savepoints_in(), None);
    }

    #[test]
    fn the_default_parallelism_never_exceeds_the_number_of_key_groups() {
        assert_eq!(options("--max-parallelism 4").unwrap().parallelism.get(), 4);
    }

    #[test]
    fn with_a_snapshot_dir_a_failed_job_restarts_unless_told_not_to() {
        assert_eq!(options("--snapshot-dir d").unwrap().restart.to_string(), "fixed:3,1s");
        assert_eq!(options("--snapshot-dir d --restart none").unwrap().restart, RestartStrategy::None);
        assert_eq!(options("--restart none").unwrap().restart, RestartStrategy::None);
    }

    #[test]
    fn what_can_not_be_is_refused_and_the_flag_named() {
        for (line, message) in [
            ("--parallelism 0", "--parallelism 0"),
            ("--parallelism 129", "--parallelism 129 is more than --max-parallelism 128"),
            ("--max-parallelism 0", "--max-parallelism 0"),
            ("--max-parallelism 32769", "--max-parallelism 32769"),
            ("--snapshot-dir d --snapshot-interval 0s", "--snapshot-interval is zero"),
            ("--snapshot-dir d --alignment-timeout 1s", "--alignment-timeout says"),
            ("--snapshot-dir d --alignment-timeout 1s --snapshot-mode unaligned", "--alignment-timeout says"),
            ("--snapshot-dir d --snapshot-timeout 0s", "--snapshot-timeout is zero"),
            ("--snapshot-dir d --retain 0", "--retain 0"),
            ("--max-rate 0", "--max-rate 0"),
            ("--restore latest", "--restore latest means a snapshot in --snapshot-dir"),
            ("--restore 7", "--restore 7 means a snapshot in --snapshot-dir"),
            ("--restart fixed:3,1s", "--restart fixed:3,1s goes back to the last snapshot"),
        ] {
            let refusal = refused(line);
            assert!(refusal.starts_with(message), "{line}: {refusal}");
        }
    }

    /// What a user says of snapshots shows that they are expected.
    #[test]
    fn what_is_said_of_snapshots_is_refused_where_none_are_taken() {
        for said in [
            "--snapshot-interval 10s",
            "--snapshot-mode aligned",
            "--snapshot-mode unaligned",
            "--alignment-timeout 1s",
            "--snapshot-min-pause 0s",
            "--snapshot-timeout 10m",
            "--tolerated-snapshot-failures 0",
            "--retain 3",
            "--savepoint-dir d",
            "--stop-with-savepoint d",
        ] {
            let flag = said.split(' ').next().unwrap();
            assert_eq!(
                refused(said),
                format!("{flag} is about the snapshots of this run, and none are kept")
            );
            assert_eq!(
                refused(&format!("--mode batch {said}")),
                format!("{flag}: --mode batch takes no snapshots and goes on from none")
            );
        }
        for said in
            ["--snapshot-dir d", "--restore ./old/41", "--allow-dropped-state", "--plan --against ./old/41"]
        {
            assert!(options(said).is_ok(), "{said}");
            let refusal = refused(&format!("--mode batch {said}"));
            assert!(
                refusal.ends_with(": --mode batch takes no snapshots and goes on from none"),
                "{refusal}"
            );
        }
    }

    #[test]
    fn a_size_that_is_none_is_refused_with_one_that_is() {
        let refusal = Line::try_parse_from(["job", "--state-memory", "lots"]).unwrap_err().to_string();
        assert!(refusal.contains("'--state-memory <SIZE>': expected a size as in 512MiB, 4GiB"), "{refusal}");
    }

    #[test]
    fn what_the_help_says_of_defaults_is_so() {
        let command = JobFlags::augment_args(Command::new("job"));
        let said = |id: &str| {
            let help = command
                .get_arguments()
                .find(|arg| arg.get_id() == id)
                .and_then(|arg| arg.get_help())
                .unwrap();
            help.to_string().split_once("[default: ").unwrap().1.trim_end_matches(']').to_string()
        };
        let options = options("--snapshot-dir d").unwrap();
        assert_eq!(
            humantime::parse_duration(&said("tidegate-snapshot-interval")).unwrap(),
            options.snapshot_interval
        );
        assert_eq!(
            humantime::parse_duration(&said("tidegate-snapshot-min-pause")).unwrap(),
            options.snapshot_min_pause
        );
        assert_eq!(
            humantime::parse_duration(&said("tidegate-snapshot-timeout")).unwrap(),
            options.snapshot_timeout
        );
        assert_eq!(
            humantime::parse_duration(&said("tidegate-alignment-timeout")).unwrap(),
            DEFAULT_ALIGNMENT_TIMEOUT
        );
        assert_eq!(said("tidegate-retain"), options.retain.to_string());
        assert_eq!(
            (said("tidegate-snapshot-mode").as_str(), options.snapshot_mode),
            ("aligned", SnapshotMode::Aligned)
        );
    }

    #[test]
    fn snapshots_are_aligned_unless_told_otherwise_and_automatic_ones_wait_for_a_second() {
        let mode = |line| options(line).unwrap().snapshot_mode;
        assert_eq!(mode(""), SnapshotMode::Aligned);
        assert_eq!(mode("--snapshot-dir d --snapshot-mode unaligned"), SnapshotMode::Unaligned);
        let auto = mode("--snapshot-dir d --snapshot-mode auto");
        assert_eq!(auto, SnapshotMode::Auto { alignment_timeout: secs(1) });
    }

    #[test]
    fn a_snapshot_at_a_path_needs_no_snapshot_dir() {
        let options = options("--restore ./old/41").unwrap();
        assert!(matches!(options.restore, Some(RestoreTarget::Path(path)) if path.ends_with("old/41")));
    }

    #[test]
    fn every_flag_has_a_help_text_under_our_heading_and_an_id_of_its_own() {
        Line::command().debug_assert();
        for arg in JobFlags::augment_args(Command::new("job")).get_arguments() {
            assert!(arg.get_help().is_some_and(|help| help.to_string().len() > 20), "{arg} has no help");
            assert_eq!(arg.get_help_heading(), Some("Tidegate"), "{arg}");
            assert!(arg.get_id().as_str().starts_with("tidegate-"), "{arg}");
        }
        assert!(JobFlags::augment_args(Command::new("job")).get_groups().next().is_none());
    }

    #[test]
    fn flags_can_be_read_from_matches_that_hold_others_too() {
        let command = JobFlags::augment_args(Command::new("job").arg(clap::Arg::new("plan")));
        let matches = command.try_get_matches_from(["job", "mine", "--plan", "json"]).unwrap();
        assert_eq!(JobFlags::from_arg_matches(&matches).unwrap().plan, Some(PlanFormat::Json));
    }
}
