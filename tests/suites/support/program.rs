//! An executable that is run, watched, and killed.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

/// How long a run may take at most: far more than it does on a slow machine, far less than a build server's patience.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(5);

/// An executable and its command line.
pub struct Program {
    command: Command,
    shown: String,
}

/// A program that is running. What is still running when it is dropped is killed.
pub struct Running {
    child: Child,
    shown: String,
    stdout: File,
    stderr: File,
}

/// How a program ended, and what it said.
#[derive(Debug)]
pub struct Outcome {
    shown: String,
    status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Program {
    /// The example of this name, built as this test was.
    pub fn example(name: &str) -> Program {
        Program::at(&examples().join(name))
    }

    /// The job that fails when told to.
    pub fn faulty() -> Program {
        Program::at(Path::new(env!("CARGO_BIN_EXE_faulty")))
    }

    /// The job of which there are several versions.
    pub fn evolving() -> Program {
        Program::at(Path::new(env!("CARGO_BIN_EXE_evolving")))
    }

    /// The job whose state can be proved from its results.
    pub fn ledger() -> Program {
        Program::at(Path::new(env!("CARGO_BIN_EXE_ledger")))
    }

    /// The job that asks about every record.
    pub fn asking() -> Program {
        Program::at(Path::new(env!("CARGO_BIN_EXE_asking")))
    }

    /// The job with state that belongs to no key.
    pub fn priced() -> Program {
        Program::at(Path::new(env!("CARGO_BIN_EXE_priced")))
    }

    /// The job of several sources, one of which is broadcast.
    #[cfg(feature = "flink")]
    pub fn billed() -> Program {
        Program::at(Path::new(env!("CARGO_BIN_EXE_billed")))
    }

    /// The job that looks for a pattern.
    pub fn thefts() -> Program {
        Program::at(Path::new(env!("CARGO_BIN_EXE_thefts")))
    }

    /// A program of the system.
    pub fn at(path: &Path) -> Program {
        let shown = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut command = Command::new(path);
        // A backtrace belongs to a panic, and none is wanted: it must not hide in the noise.
        command.env("RUST_BACKTRACE", "1").env_remove("TIDEGATE_CRASH_AT").stdin(Stdio::null());
        Program { command, shown }
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Program {
        self.shown = format!("{} {}", self.shown, arg.as_ref().to_string_lossy());
        self.command.arg(arg);
        self
    }

    /// What is run.
    #[cfg(feature = "flink")]
    pub fn executable(&self) -> &Path {
        Path::new(self.command.get_program())
    }

    /// Several arguments, with spaces between them.
    pub fn args(self, line: &str) -> Program {
        line.split_whitespace().fold(self, Program::arg)
    }

    /// A flag and a path.
    pub fn path(self, flag: &str, path: &Path) -> Program {
        self.arg(flag).arg(path)
    }

    pub fn env(mut self, name: &str, value: &str) -> Program {
        self.shown = format!("{name}={value} {}", self.shown);
        self.command.env(name, value);
        self
    }

    pub fn in_dir(mut self, dir: &Path) -> Program {
        self.command.current_dir(dir);
        self
    }

    pub fn stdin(mut self, file: File) -> Program {
        self.command.stdin(file);
        self
    }

    /// The same command line behind a shell script, which runs it as `"$@"`.
    pub fn within(self, script: &str) -> Program {
        let mut outer = Program::at(Path::new("sh")).arg("-c").arg(script).arg("sh");
        outer.command.arg(self.command.get_program()).args(self.command.get_args());
        outer.command.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(dir) = self.command.get_current_dir() {
            outer.command.current_dir(dir);
        }
        outer.shown = format!("sh -c '{script}' sh {}", self.shown);
        outer
    }

    pub fn spawn(mut self) -> Running {
        // Files, not pipes: nobody has to read while the program runs.
        let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        self.command.stdout(stdout.try_clone().unwrap()).stderr(stderr.try_clone().unwrap());
        let child =
            self.command.spawn().unwrap_or_else(|error| panic!("can't start {}: {error}", self.shown));
        Running { child, shown: self.shown, stdout, stderr }
    }

    pub fn run(self) -> Outcome {
        self.spawn().wait()
    }
}

impl Running {
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Outcome {
        self.watch("end", |running| !running.is_running());
        self.outcome()
    }

    /// Waits until something is the case; it must be before the program ends.
    pub fn until(&mut self, what: &str, mut is: impl FnMut() -> bool) {
        self.watch(what, |running| {
            let ended = !running.is_running();
            let there = is();
            assert!(there || !ended, "{} ended before {what}\n{}", running.shown, running.said());
            there
        });
    }

    /// Waits for its end, but not for longer than this.
    pub fn wait_at_most(&mut self, time: Duration) {
        let mut left = time;
        while self.is_running() && !left.is_zero() {
            sleep(PAUSE);
            left = left.saturating_sub(PAUSE);
        }
    }

    /// Waits until it has said something on its standard error.
    pub fn until_said(&mut self, words: &str) {
        let stderr = self.stderr.try_clone().unwrap();
        self.until(words, || text(&stderr).contains(words));
    }

    fn watch(&mut self, what: &str, mut is: impl FnMut(&mut Running) -> bool) {
        let mut left = PATIENCE;
        while !is(self) {
            if left.is_zero() {
                let said = self.said();
                self.child.kill().unwrap();
                panic!("{}: no {what} after {PATIENCE:?}\n{said}", self.shown);
            }
            sleep(PAUSE);
            left = left.saturating_sub(PAUSE);
        }
    }

    /// Kills it as a loss of power would: no handler runs.
    pub fn kill(mut self) -> Outcome {
        self.child.kill().unwrap();
        self.outcome()
    }

    /// Asks it to stop.
    pub fn terminate(self) -> Outcome {
        self.signal("TERM");
        self.wait()
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let (signal, pid) = (format!("-{name}"), self.child.id().to_string());
        assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
    }

    /// What it has said on its standard error so far.
    pub fn said(&self) -> String {
        text(&self.stderr)
    }

    fn outcome(mut self) -> Outcome {
        let status = self.child.wait().unwrap();
        let (stdout, stderr) = (text(&self.stdout), text(&self.stderr));
        Outcome { shown: std::mem::take(&mut self.shown), status, stdout, stderr }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has most often ended, and been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Outcome {
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    pub fn succeeded(&self) -> bool {
        self.status.success()
    }

    /// It ended with exit code 0.
    #[track_caller]
    pub fn success(self) -> Outcome {
        assert!(self.status.success(), "{self}");
        self
    }

    /// It ended with `code`, and said why: in words that name all of `names`, and without a panic.
    #[track_caller]
    pub fn refused(self, code: i32, names: &[&str]) -> Outcome {
        assert_eq!(self.status.code(), Some(code), "{self}");
        for name in names {
            assert!(self.stderr.contains(name), "{name:?} is not named: {self}");
        }
        for noise in ["panicked at", "backtrace", "RUST_BACKTRACE"] {
            assert!(!self.stderr.contains(noise), "{self}");
        }
        self
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}\n{}; it said:\n{}", self.shown, self.status, self.stderr)
    }
}

/// All that is in a file, whose position is that of the program that writes it and stays where it is.
fn text(file: &File) -> String {
    let mut bytes = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The directory of the examples' executables, which are built if they are not there or out of date.
fn examples() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // This test is in `<target directory>/<profile>/deps`.
        let test = std::env::current_exe().unwrap();
        let profile_dir = test.ancestors().nth(2).unwrap();
        let profile = match profile_dir.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            other => other,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // The whole workspace's: so that dependencies have the features with which its tests were built.
        let status = Command::new(cargo)
            .args(["build", "--quiet", "--workspace", "--examples", "--profile", profile])
            .args(if cfg!(feature = "flink") { &["--features", "tidegate-tests/flink"][..] } else { &[] })
            .arg("--target-dir")
            .arg(profile_dir.parent().unwrap())
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .status()
            .unwrap();
        assert!(status.success(), "the examples can't be built");
        profile_dir.join("examples")
    })
}
