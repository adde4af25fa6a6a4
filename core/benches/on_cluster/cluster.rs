//! A Flink cluster, and jars that run on it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tidegate::prelude::*;

use super::support;

/// What a run took.
#[derive(Clone, Copy)]
pub struct Taken {
    pub seconds: f64,
    pub cpu_seconds: f64,
}

/// A JobManager and two TaskManagers.
pub struct Cluster {
    process: Child,
    address: String,
    directory: tempfile::TempDir,
    home: PathBuf,
}

impl Cluster {
    pub fn start(home: &Path) -> Result<Cluster> {
        let directory = support::scratch("on-cluster", None)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
        let mut local = Command::new(std::env::current_exe()?);
        local.args(["flink", "local", "--rest-port", &port, "--slots", "2", "--directory"]);
        local.arg(directory.path()).arg("--flink-home").arg(home);
        // What RocksDB has its cache and its write buffers in.
        local.args(["--set", "taskmanager.memory.managed.size=512m"]);
        local.args(["--set", "execution.checkpointing.interval=1s"]);
        let mut process = local.stderr(Stdio::piped()).spawn()?;
        let said = process.stderr.take().map(|said| BufReader::new(said).lines());
        let mut said = said.ok_or_else(|| Error::failure("the cluster has no voice"))?;
        let address = format!("localhost:{port}");
        let cluster = Cluster { process, address, directory, home: home.to_path_buf() };
        match said.find(|line| line.as_ref().map_or(true, |line| line.contains("is ready"))) {
            Some(Ok(_)) => {}
            _ => return Err(Error::failure("the cluster has not started")),
        }
        // It must be able to speak on.
        std::thread::Builder::new().spawn(move || said.for_each(drop))?;
        Ok(cluster)
    }

    /// Runs a jar to its end: how long it ran, by Flink, and the CPU time that it took.
    pub fn run(&self, jar: &Path, parallelism: u32, words: &[String]) -> Result<Taken> {
        let before = self.cpu()?;
        let seconds = self.submit(jar, parallelism, words)?.as_secs_f64();
        Ok(Taken { seconds, cpu_seconds: self.cpu()? - before })
    }

    fn submit(&self, jar: &Path, parallelism: u32, words: &[String]) -> Result<Duration> {
        let mut client = Command::new("java");
        client.env("FLINK_CONF_DIR", self.directory.path().join("conf"));
        client.args([
            "--add-opens=java.base/java.util=ALL-UNNAMED",
            "--add-opens=java.base/java.lang=ALL-UNNAMED",
        ]);
        client.arg("-cp").arg(format!("{}/lib/*", self.home.display()));
        client.args(["org.apache.flink.client.cli.CliFrontend", "run", "-m", &self.address]);
        client.args(["-p", &parallelism.to_string()]).arg(jar).args(words);
        let output = client.stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let millis = said.lines().find_map(|line| line.strip_prefix("Job Runtime: ")?.strip_suffix(" ms"));
        let millis = millis.and_then(|millis| millis.parse().ok()).ok_or_else(|| {
            let complained = String::from_utf8_lossy(&output.stderr);
            Error::failure(format!("Flink's client has ended without a result:\n{said}{complained}"))
        })?;
        Ok(Duration::from_millis(millis))
    }

    /// What the JobManager and the TaskManagers have had of the CPUs, and the processes that they started and that have ended.
    fn cpu(&self) -> Result<f64> {
        let mut ticks = 0;
        for name in ["jobmanager", "taskmanager-1", "taskmanager-2"] {
            let pid = fs::read_to_string(self.directory.path().join(format!("{name}.pid")))?;
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()))?;
            let figures = stat.rsplit(") ").next().unwrap_or_default().split(' ');
            ticks += figures.skip(11).take(4).filter_map(|figure| figure.parse::<u64>().ok()).sum::<u64>();
        }
        /// Of the kernel's clock, as every Linux has it for its readers.
        const TICKS_A_SECOND: f64 = 100.0;
        Ok(ticks as f64 / TICKS_A_SECOND)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let terminated = Command::new("kill").arg(self.process.id().to_string()).status();
        if terminated.is_err() {
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}
