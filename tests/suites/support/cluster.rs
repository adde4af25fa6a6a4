//! A Flink cluster on this machine: a JobManager and two TaskManagers, which end with it.
//!
//! `FLINK_HOME` names the distribution; without it there is none.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Program, Running, skip};

/// A cluster on this machine, which ends with it.
pub struct Cluster {
    /// Three JVMs are enough for a machine.
    _turn: MutexGuard<'static, ()>,
    /// There until it is told to end.
    running: Option<Running>,
    address: String,
    dir: tempfile::TempDir,
}

impl Cluster {
    /// Two TaskManagers with two slots each, a checkpoint a second, and so many restarts; `None` without a Flink to start.
    pub fn start(restarts: u32) -> Option<Cluster> {
        let attempts = format!("--set restart-strategy.fixed-delay.attempts={restarts}");
        Cluster::start_within("exec \"$@\"", &attempts)
    }

    /// The same without restarts, started by a shell script as `"$@"`, with more flags of `flink local`.
    pub fn start_within(script: &str, flags: &str) -> Option<Cluster> {
        if std::env::var_os("FLINK_HOME").is_none() {
            skip("FLINK_HOME names no Flink distribution");
            return None;
        }
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut running = Program::example("web_visits")
            .args("flink local --rest-port")
            .arg(port.to_string())
            .path("--directory", dir.path())
            .args("--set execution.checkpointing.interval=1s --set restart-strategy.fixed-delay.attempts=0")
            // What is shown is of just now, and who follows a job need not wait.
            .args("--set metrics.fetcher.update-interval=500 --set web.refresh-interval=100")
            .args(flags)
            .within(script)
            .spawn();
        running.until_said("is ready");
        Some(Cluster { _turn: turn, running: Some(running), address: format!("localhost:{port}"), dir })
    }

    /// `program`, to be run on it: what is added to it is the job's own.
    pub fn submits(&self, program: Program, parallelism: u32) -> Program {
        self.submits_with("", program, parallelism)
    }

    /// The same with flags of `flink run`.
    pub fn submits_with(&self, flags: &str, program: Program, parallelism: u32) -> Program {
        let jar = self.jar(&program);
        self.submits_jar(&jar, program, parallelism, flags)
    }

    /// The same of a jar that is there.
    pub fn submits_jar(&self, jar: &Path, program: Program, parallelism: u32, flags: &str) -> Program {
        let program = program.args("flink run --jobmanager").arg(&self.address).path("--jar", jar);
        program.arg("--parallelism").arg(parallelism.to_string()).args(flags).arg("--")
    }

    /// The jar of an executable, which is made once.
    pub fn jar(&self, program: &Program) -> PathBuf {
        let jobs = self.dir.path().join("jobs");
        let executable = jobs.join(program.executable().file_name().unwrap());
        let jar = executable.with_extension("jar");
        if !jar.exists() {
            fs::create_dir_all(&jobs).unwrap();
            // What a debugger would want to know is most of it.
            let strip = std::process::Command::new("strip")
                .arg("-o")
                .arg(&executable)
                .arg(program.executable())
                .status();
            if !strip.is_ok_and(|status| status.success()) {
                fs::copy(program.executable(), &executable).unwrap();
            }
            Program::at(&executable).args("flink package").path("--out", &jar).run().success();
        }
        jar
    }

    /// What Flink's exception view says of the job that was submitted last.
    pub fn exceptions(&self) -> String {
        let jobs = self.ask("GET /jobs/overview", "");
        let jobs = jobs["jobs"].as_array().unwrap_or_else(|| panic!("{jobs}"));
        let last = jobs.iter().max_by_key(|job| job["start-time"].as_i64()).expect("a job was submitted");
        let exceptions = self.ask(&format!("GET /jobs/{}/exceptions", last["jid"].as_str().unwrap()), "");
        let entries =
            exceptions["exceptionHistory"]["entries"].as_array().unwrap_or_else(|| panic!("{exceptions}"));
        entries.iter().map(|entry| entry["stacktrace"].as_str().unwrap()).collect::<Vec<_>>().join("\n")
    }

    /// `program`, to go on from a savepoint on it.
    pub fn resumes(&self, program: Program, parallelism: u32, savepoint: &Path) -> Program {
        self.submits_with(&format!("--from-savepoint {}", savepoint.display()), program, parallelism)
    }

    /// Stops the job that `running` follows, with a savepoint in `dir`. Where that is.
    pub fn stop_with_savepoint(&self, running: &Running, dir: &Path) -> PathBuf {
        let job = job_of(running);
        let stop = json!({ "targetDirectory": dir, "drain": false });
        let asked = self.ask(&format!("POST /jobs/{job}/stop"), &stop.to_string());
        let request = asked["request-id"].as_str().unwrap_or_else(|| panic!("{asked}")).to_string();
        loop {
            let is = self.ask(&format!("GET /jobs/{job}/savepoints/{request}"), "");
            if is["status"]["id"] == "COMPLETED" {
                let location = is["operation"]["location"].as_str().unwrap_or_else(|| panic!("{is}"));
                return PathBuf::from(location.strip_prefix("file:").unwrap());
            }
            assert_eq!(is["status"]["id"], "IN_PROGRESS", "{is}");
            sleep(Duration::from_millis(50));
        }
    }

    /// The operators of a job, each with what was chained to it, as Flink shows them.
    pub fn vertices(&self, job: &str) -> Vec<Value> {
        let shown = self.ask(&format!("GET /jobs/{job}"), "");
        shown["vertices"].as_array().unwrap_or_else(|| panic!("{shown}")).clone()
    }

    /// What Flink shows of our metrics, and of its own count of records, of an operator: each as the sum over its subtasks.
    pub fn metrics(&self, job: &str, vertex: &Value) -> BTreeMap<String, i64> {
        let path = format!("/jobs/{job}/vertices/{}/subtasks/metrics", vertex["id"].as_str().unwrap());
        let names = self.ask(&format!("GET {path}"), "");
        let names: Vec<&str> =
            names.as_array().unwrap().iter().map(|name| name["id"].as_str().unwrap()).collect();
        let escape = |byte: u8| match byte {
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        };
        let ours = names.iter().filter(|name| name.contains(".tidegate.") || name.contains(".numRecords"));
        let get: Vec<String> = ours.map(|name| name.bytes().map(escape).collect()).collect();
        let shown = self.ask(&format!("GET {path}?agg=sum&get={}", get.join(",")), "");
        let sum = |metric: &Value| {
            (metric["id"].as_str().unwrap().to_string(), metric["sum"].as_f64().unwrap_or(f64::NAN) as i64)
        };
        shown.as_array().unwrap_or_else(|| panic!("{shown}")).iter().map(sum).collect()
    }

    /// What its JobManager answers.
    pub fn ask(&self, request: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!("{request} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        let type_and_length =
            format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all((head + &type_and_length + body).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, json) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(json).unwrap_or_else(|_| panic!("{answer}"))
    }

    /// Kills it as a loss of power would: no handler runs.
    pub fn kill_taskmanager(&self, number: u64) {
        self.kill(&format!("taskmanager-{number}"));
    }

    /// The same of the JobManager, which is the end of all. What is left of it lies in a directory.
    pub fn kill_jobmanager(mut self) -> tempfile::TempDir {
        self.kill("jobmanager");
        let ended = self.running.take().unwrap().wait();
        ended.refused(1, &["the jobmanager has ended by itself", "jobmanager.log"]);
        std::mem::replace(&mut self.dir, tempfile::tempdir().unwrap())
    }

    fn kill(&self, member: &str) {
        let pid = fs::read_to_string(self.dir.path().join(format!("{member}.pid"))).unwrap();
        let killed = std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap();
        assert!(killed.success());
    }

    /// A file or a directory of it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The numbers of their processes.
    pub fn taskmanagers(&self) -> BTreeSet<String> {
        let pid =
            |number| fs::read_to_string(self.dir.path().join(format!("taskmanager-{number}.pid"))).unwrap();
        (1..=2).map(pid).collect()
    }

    /// What subtasks have left behind.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.dir.path().join("tmp")).unwrap().map(|entry| entry.unwrap().path());
        let is_ours = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("tidegate-");
        entries.filter(is_ours).collect()
    }

    /// Has all of it end.
    pub fn end(mut self) {
        self.running.take().unwrap().terminate().success();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Of a test that has failed. Killed, it would leave its JVMs behind.
        if let Some(mut running) = self.running.take() {
            running.signal("TERM");
            running.wait_at_most(Duration::from_secs(20));
        }
    }
}

/// The job that `flink run` says it has submitted.
pub fn job_of(running: &Running) -> String {
    let said = running.said();
    let (_, job) = said.split_once("job ").expect("it says which job it has submitted");
    job.split(' ').next().unwrap().to_string()
}
