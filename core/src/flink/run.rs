//! Submitting the job over Flink's REST interface, and following it to its end.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::fragment::Fragments;
use super::guest::Wiring;
use super::package::{self, Distribution, package};
use crate::error::{Error, Result};
use crate::job::progress::say;
use crate::job::signals::Signals;
use crate::time::Clock;

/// How often the job is looked at.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(Args, Debug)]
pub(crate) struct Run {
    /// The JobManager's REST interface
    #[arg(long, value_name = "HOST:PORT")]
    jobmanager: String,
    /// How long it may not answer before the job is given up for lost
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, default_value = "1m")]
    jobmanager_timeout: Duration,
    /// How many subtasks each operator has [default: the cluster's]
    #[arg(long, value_name = "N")]
    parallelism: Option<NonZeroU32>,
    /// The savepoint or retained checkpoint that it goes on from, as the cluster calls it
    #[arg(long, value_name = "PATH")]
    from_savepoint: Option<String>,
    /// A jar of this job, made by `flink package` [default: it is made now, which takes a JDK and FLINK_HOME]
    #[arg(long, value_name = "FILE.jar")]
    jar: Option<PathBuf>,
    /// A Flink distribution, to make the jar with
    #[arg(long, env = "FLINK_HOME", value_name = "DIR")]
    flink_home: Option<PathBuf>,
    /// A line of Flink's configuration, for this job; can be given several times
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Leave when it has been submitted
    #[arg(long)]
    detach: bool,
    /// The job's own arguments
    #[arg(last = true)]
    args: Vec<String>,
}

impl Run {
    /// Submits the job, and follows it until it ends; Ctrl-C cancels it.
    ///
    /// # Errors
    /// If it can't be submitted, or fails.
    pub fn run(&self, wiring: Wiring<'_>, signals: &Signals) -> Result<()> {
        // What Flink can't run is refused here, where it can be read.
        Fragments::of(&wiring(&self.args)?.0)?;
        let (jar, is_made) = match (&self.jar, &self.flink_home) {
            (Some(jar), _) => (jar.clone(), false),
            (None, Some(flink_home)) => {
                let jar = std::env::temp_dir().join(format!("tidegate-job-{}.jar", std::process::id()));
                package(&jar, &Distribution { flink_home: flink_home.clone() })?;
                (jar, true)
            }
            (None, None) => {
                return Err(Error::usage("there is no jar of the job to submit")
                    .hint("name one by --jar, made by `flink package`, or set FLINK_HOME"));
            }
        };
        let cluster = Cluster::at(&self.jobmanager)?;
        let submitted = self.submit(&cluster, &jar);
        if is_made {
            let _ = std::fs::remove_file(&jar);
        }
        let job = submitted?;
        say(&format!("job {job} is submitted: http://{}/#/job/running/{job}", self.jobmanager));
        if self.detach { Ok(()) } else { follow(&cluster, &job, signals, self.jobmanager_timeout) }
    }

    fn submit(&self, cluster: &Cluster, jar: &Path) -> Result<String> {
        let uploaded = cluster.upload(jar)?;
        let mut request = json!({ "programArgsList": self.args });
        if let Some(parallelism) = self.parallelism {
            request["parallelism"] = json!(parallelism);
        }
        for setting in &self.settings {
            let (key, value) = package::setting(setting)?;
            request["flinkConfiguration"][key] = json!(value);
        }
        if let Some(savepoint) = &self.from_savepoint {
            request["savepointPath"] = json!(savepoint);
        }
        let started = cluster.post(&format!("/jars/{uploaded}/run"), &request);
        // The cluster has the jar where it needs it; the upload is of no use any more.
        let _ = cluster.delete(&format!("/jars/{uploaded}"));
        text(&started?, "jobid")
    }
}

/// What Flink says of a job.
#[derive(Default)]
struct Seen {
    state: String,
    /// How many checkpoints are complete, and where the last one is, if it is in files.
    complete: u64,
    last: Option<String>,
    /// How many have failed, and why the last one has.
    failed: u64,
    failed_because: String,
    /// Why the job has failed, if it ever has.
    failure: String,
}

impl Seen {
    fn of(cluster: &Cluster, job: &str) -> Result<Seen> {
        let now = cluster.get(&format!("/jobs/{job}"))?;
        let checkpoints = cluster.get(&format!("/jobs/{job}/checkpoints")).unwrap_or_default();
        let exceptions = cluster.get(&format!("/jobs/{job}/exceptions")).unwrap_or_default();
        let failure = exceptions["exceptionHistory"]["entries"][0]["stacktrace"].as_str().map(reason);
        let count = |what: &str| checkpoints["counts"][what].as_u64().unwrap_or(0);
        let latest =
            |which: &str, what: &str| checkpoints["latest"][which][what].as_str().map(str::to_string);
        Ok(Seen {
            state: text(&now, "state")?,
            complete: count("completed"),
            last: latest("completed", "external_path").filter(|path| path.contains('/')),
            failed: count("failed"),
            failed_because: latest("failed", "failure_message").unwrap_or_default(),
            failure: failure.unwrap_or_default(),
        })
    }

    /// Says what is new of it.
    fn say_after(&self, before: &Seen) {
        if self.failure != before.failure && !self.failure.is_empty() {
            say(&format!("failed: {}", self.failure));
        }
        // Of those that came too early, before all tasks ran, there is no reason; those that the job's failure took along are no news.
        if self.failed > before.failed && self.failure == before.failure && !self.failed_because.is_empty() {
            say(&format!(
                "a checkpoint has failed, the {}. of this run: {}",
                self.failed, self.failed_because
            ));
        }
        if (&self.state, self.complete) != (&before.state, before.complete) {
            say(&format!("{}, {} checkpoints are complete", self.state.to_lowercase(), self.complete));
        }
    }

    fn has_failed(&self) -> Error {
        let failed = Error::failure(format!("the job has failed: {}", self.failure));
        if self.failure.contains("checkpoint tolerable failure threshold") {
            return failed.hint(
                "the JobManager's log says what has become of the checkpoint; is there room where \
                 execution.checkpointing.dir is? With --set execution.checkpointing.tolerable-failed-checkpoints=N the job goes on meanwhile",
            );
        }
        failed
    }

    /// The JobManager has not answered for too long.
    fn is_lost(&self, error: Error) -> Error {
        let from = match &self.last {
            Some(last) => format!("go on by --from-savepoint {last}, or from a later checkpoint beside it"),
            None => "submit it again: it had no checkpoint".to_string(),
        };
        error.hint(format!(
            "a JobManager without high availability forgets its jobs when it ends; if it does not know this one any more, {from}"
        ))
    }
}

/// Follows a job to its end. A JobManager that does not answer may come back, and is waited for so long.
fn follow(cluster: &Cluster, job: &str, signals: &Signals, timeout: Duration) -> Result<()> {
    let clock = Clock::system();
    let mut seen = Seen::default();
    let (mut cancelled, mut missed_since) = (false, None);
    loop {
        match Seen::of(cluster, job) {
            Ok(now) => {
                missed_since = None;
                now.say_after(&seen);
                seen = now;
            }
            Err(error) => {
                let now = clock.monotonic();
                let since = *missed_since.get_or_insert(now);
                if now == since && !timeout.is_zero() {
                    say(&format!("{error:#}; it is asked again for {}", humantime::format_duration(timeout)));
                }
                if now - since >= timeout || signals.stop_requested() {
                    return Err(seen.is_lost(error));
                }
                std::thread::park_timeout(PAUSE);
                continue;
            }
        }
        match seen.state.as_str() {
            "FINISHED" => return Ok(()),
            "CANCELED" => return Err(Error::failure("the job was cancelled")),
            "FAILED" => return Err(seen.has_failed()),
            _ => {}
        }
        if signals.stop_requested() && !cancelled {
            cancelled = true;
            cluster.patch(&format!("/jobs/{job}?mode=cancel"))?;
        }
        std::thread::park_timeout(PAUSE);
    }
}

/// The cause of a stack trace that is of the job, or else the last one.
fn reason(trace: &str) -> String {
    let caused = |line: &str| line.strip_prefix("Caused by: ").map(str::to_string);
    let lines: Vec<&str> = trace.lines().collect();
    let own = lines.iter().position(|line| line.contains("JobFailure: "));
    if let Some(first) = own {
        let message = lines[first].split_once("JobFailure: ").map_or("", |(_, message)| message);
        let rest = lines[first + 1..].iter().take_while(|line| !line.starts_with("\tat "));
        return std::iter::once(message).chain(rest.copied()).collect::<Vec<_>>().join("\n");
    }
    lines
        .iter()
        .rev()
        .find_map(|line| caused(line))
        .unwrap_or_else(|| lines.first().copied().unwrap_or("").to_string())
}

fn text(answer: &Value, field: &str) -> Result<String> {
    answer[field].as_str().map(str::to_string).ok_or_else(|| {
        Error::failure(format!("the JobManager's answer has no {field:?}: {answer}"))
            .hint("is it Flink 2.0 to 2.3?")
    })
}

/// A JobManager's REST interface.
pub(super) struct Cluster {
    runtime: tokio::runtime::Runtime,
    client: reqwest::Client,
    address: String,
}

impl Cluster {
    /// # Errors
    /// If there can be no client on this machine.
    pub fn at(address: &str) -> Result<Cluster> {
        let cannot = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::failure("can't make an HTTP client").caused_by(error)
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| cannot(error.into()))?;
        let client = reqwest::Client::builder().no_proxy().build().map_err(|error| cannot(error.into()))?;
        Ok(Cluster { runtime, client, address: format!("http://{address}") })
    }

    /// How many TaskManagers it has, if it is there.
    pub fn taskmanagers(&self) -> Option<u64> {
        self.get("/overview").ok()?["taskmanagers"].as_u64()
    }

    fn get(&self, path: &str) -> Result<Value> {
        self.send(self.client.get(format!("{}{path}", self.address)))
    }

    fn delete(&self, path: &str) -> Result<Value> {
        self.send(self.client.delete(format!("{}{path}", self.address)))
    }

    fn patch(&self, path: &str) -> Result<Value> {
        self.send(self.client.patch(format!("{}{path}", self.address)))
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = self.client.post(format!("{}{path}", self.address));
        self.send(request.header("content-type", "application/json").body(body.to_string()))
    }

    /// Uploads a jar. Its name there.
    fn upload(&self, jar: &Path) -> Result<String> {
        let content = std::fs::read(jar)
            .map_err(|error| Error::failure(format!("can't read {}", jar.display())).caused_by(error))?;
        const BOUNDARY: &str = "tidegate-7d0e2f5c6b1a4938";
        let mut body = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"jarfile\"; filename=\"job.jar\"\r\n\
             content-type: application/x-java-archive\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(&content);
        body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
        let request = self.client.post(format!("{}/jars/upload", self.address));
        let request = request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
        let answer = self.send(request.body(body))?;
        let path = text(&answer, "filename")?;
        Ok(path.rsplit('/').next().unwrap_or_default().to_string())
    }

    fn send(&self, request: reqwest::RequestBuilder) -> Result<Value> {
        let unreachable = |error: reqwest::Error| {
            Error::failure(format!("the JobManager at {} does not answer", self.address)).caused_by(error)
        };
        let (status, body) = self.runtime.block_on(async {
            let response = request.send().await.map_err(unreachable)?;
            Ok::<_, Error>((response.status(), response.text().await.map_err(unreachable)?))
        })?;
        let answer: Value = serde_json::from_str(&body).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        let said = answer["errors"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let said = said.map(reason).filter(|reason| !reason.is_empty()).collect::<Vec<_>>().join("; ");
        Err(Error::failure(format!("the JobManager refuses ({status}): {said}")))
    }
}
