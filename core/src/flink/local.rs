//! A cluster on this machine, for trying it out: a JobManager and TaskManagers, each a JVM, until Ctrl-C.
//!
//! A TaskManager that ends is started again; the number of its process is in a file beside its log, for who wants to see what
//! becomes of a job when one is killed.

use std::fs::{self, File};
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use clap::Args;

use super::package::{self, Distribution};
use super::run::Cluster;
use crate::error::{Error, Result};
use crate::job::progress::say;
use crate::job::signals::Signals;

const JOBMANAGER: &str = "jobmanager";

/// How often the cluster is looked after.
const PAUSE: Duration = Duration::from_millis(100);

/// What Flink 2 needs of a JVM from 17 on.
pub(super) const OPENED: [&str; 13] = [
    "--add-exports=java.rmi/sun.rmi.registry=ALL-UNNAMED",
    "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.net=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.lang.reflect=ALL-UNNAMED",
    "--add-opens=java.base/java.text=ALL-UNNAMED",
    "--add-opens=java.base/java.time=ALL-UNNAMED",
    "--add-opens=java.base/java.util=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent.locks=ALL-UNNAMED",
];

#[derive(Args, Debug)]
pub(crate) struct Local {
    #[command(flatten)]
    distribution: Distribution,
    /// How many TaskManagers
    #[arg(long, value_name = "N", default_value = "2")]
    taskmanagers: NonZeroU32,
    /// How many subtasks of each operator a TaskManager takes
    #[arg(long, value_name = "N", default_value = "2")]
    slots: NonZeroU32,
    /// Where the REST interface and the UI are
    #[arg(long, value_name = "PORT", default_value_t = 8081)]
    rest_port: u16,
    /// Where logs, checkpoints and working files go [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// A line of Flink's configuration; can be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

impl Local {
    /// Runs until Ctrl-C, or until the JobManager ends by itself.
    ///
    /// # Errors
    /// If it can't start.
    pub fn run(self, signals: &Signals) -> Result<()> {
        let directory = match &self.directory {
            Some(directory) => directory.clone(),
            None => std::env::temp_dir().join(format!("tidegate-flink-{}", std::process::id())),
        };
        let configuration = directory.join("conf");
        fs::create_dir_all(&configuration).map_err(|error| cannot_write(&configuration, error))?;
        fs::write(configuration.join("config.yaml"), self.configuration(&directory)?)
            .map_err(|error| cannot_write(&configuration, error))?;
        fs::write(configuration.join("log4j.properties"), LOGGING)
            .map_err(|error| cannot_write(&configuration, error))?;
        let start = |name: &str| self.start(&directory, name);
        let mut members = Members(vec![(JOBMANAGER.to_string(), start(JOBMANAGER)?)]);
        for number in 1..=self.taskmanagers.get() {
            let name = format!("taskmanager-{number}");
            let child = start(&name)?;
            members.0.push((name, child));
        }
        let address = format!("localhost:{}", self.rest_port);
        let cluster = Cluster::at(&address)?;
        let mut is_ready = false;
        while !signals.stop_requested() {
            if !is_ready && cluster.taskmanagers() == Some(u64::from(self.taskmanagers.get())) {
                is_ready = true;
                say(&format!("http://{address} is ready (logs in {}); Ctrl-C ends it", directory.display()));
            }
            for (name, member) in &mut members.0 {
                let Ok(Some(code)) = member.try_wait() else { continue };
                if name == JOBMANAGER || !is_ready {
                    let log = directory.join(format!("{name}.log"));
                    return Err(Error::failure(format!(
                        "the {name} has ended by itself ({code}), see {}",
                        log.display()
                    )));
                }
                // As Kubernetes would.
                say(&format!("the {name} has ended by itself ({code}), and is started again"));
                *member = start(name)?;
            }
            std::thread::park_timeout(PAUSE);
        }
        Ok(())
    }

    fn configuration(&self, directory: &Path) -> Result<String> {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = port.map_err(|error| Error::failure("there is no free port").caused_by(error))?.port();
        let mut lines: Vec<String> = [
            ("jobmanager.rpc.address", "localhost".to_string()),
            ("jobmanager.rpc.port", port.to_string()),
            ("jobmanager.bind-host", "localhost".to_string()),
            ("rest.address", "localhost".to_string()),
            ("rest.bind-address", "localhost".to_string()),
            ("rest.port", self.rest_port.to_string()),
            ("taskmanager.host", "localhost".to_string()),
            ("taskmanager.bind-host", "localhost".to_string()),
            ("taskmanager.numberOfTaskSlots", self.slots.to_string()),
            ("taskmanager.cpu.cores", "1".to_string()),
            ("taskmanager.memory.framework.heap.size", "128m".to_string()),
            ("taskmanager.memory.framework.off-heap.size", "128m".to_string()),
            ("taskmanager.memory.task.heap.size", "512m".to_string()),
            ("taskmanager.memory.task.off-heap.size", "512m".to_string()),
            ("taskmanager.memory.network.min", "64m".to_string()),
            ("taskmanager.memory.network.max", "64m".to_string()),
            ("taskmanager.memory.managed.size", "0".to_string()),
            ("taskmanager.memory.jvm-metaspace.size", "256m".to_string()),
            ("taskmanager.memory.jvm-overhead.min", "128m".to_string()),
            ("taskmanager.memory.jvm-overhead.max", "128m".to_string()),
            ("io.tmp.dirs", directory.join("tmp").display().to_string()),
            ("execution.checkpointing.storage", "filesystem".to_string()),
            (
                "execution.checkpointing.dir",
                format!("file://{}", absolute(directory)?.join("checkpoints").display()),
            ),
            // Until one that was killed is missed, its slots are offered.
            ("heartbeat.interval", "1000".to_string()),
            ("restart-strategy.type", "fixed-delay".to_string()),
            ("restart-strategy.fixed-delay.attempts", "3".to_string()),
            ("restart-strategy.fixed-delay.delay", "1 s".to_string()),
        ]
        .into_iter()
        .map(|(key, value)| format!("{key}: \"{value}\""))
        .collect();
        for setting in &self.settings {
            let (key, value) = package::setting(setting)?;
            lines.retain(|line| !line.starts_with(&format!("{key}:")));
            lines.push(format!("{key}: \"{value}\""));
        }
        Ok(lines.join("\n") + "\n")
    }

    /// What Flink's own scripts would give the JVM.
    fn jvm_options(&self, name: &str) -> Vec<String> {
        let member = if name == JOBMANAGER { JOBMANAGER } else { "taskmanager" };
        let keys = ["env.java.opts.all".to_string(), format!("env.java.opts.{member}")];
        let settings = self.settings.iter().filter_map(|setting| setting.split_once('='));
        let options = settings.filter(|(key, _)| keys.iter().any(|own| own == key));
        options.flat_map(|(_, options)| options.split_whitespace().map(str::to_string)).collect()
    }

    fn start(&self, directory: &Path, name: &str) -> Result<Child> {
        let (class, memory) = match name {
            JOBMANAGER => {
                ("org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint", "-Xmx512m")
            }
            _ => ("org.apache.flink.runtime.taskexecutor.TaskManagerRunner", "-Xmx768m"),
        };
        let log = directory.join(format!("{name}.log"));
        let open = || {
            File::options().create(true).append(true).open(&log).map_err(|error| cannot_write(&log, error))
        };
        let output = open()?;
        let errors = output.try_clone().map_err(|error| cannot_write(&log, error))?;
        let logging = directory.join("conf/log4j.properties");
        fs::create_dir_all(directory.join("tmp")).map_err(|error| cannot_write(directory, error))?;
        let child = Command::new("java")
            .args(OPENED)
            .arg(memory)
            .arg(format!("-Dlog4j.configurationFile={}", logging.display()))
            .arg(format!("-Djava.io.tmpdir={}", directory.join("tmp").display()))
            .args(self.jvm_options(name))
            .arg("-cp")
            .arg(self.distribution.class_path()?)
            .arg(class)
            .arg("--configDir")
            .arg(directory.join("conf"))
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|error| {
                Error::failure("can't run java").caused_by(error).hint("install Java 17 or 21")
            })?;
        let pid = directory.join(format!("{name}.pid"));
        fs::write(&pid, child.id().to_string()).map_err(|error| cannot_write(&pid, error))?;
        Ok(child)
    }
}

/// The processes, which end with it.
struct Members(Vec<(String, Child)>);

impl Drop for Members {
    fn drop(&mut self) {
        for (_, child) in &mut self.0 {
            // One that has ended already needs no end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|error| cannot_write(path, error))
}

fn cannot_write(path: &Path, error: std::io::Error) -> Error {
    Error::failure(format!("can't write {}", path.display())).caused_by(error)
}

const LOGGING: &str = "\
rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %-5p %c{1} %m%n
";
