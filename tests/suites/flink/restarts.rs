//! What a restart leaves in a TaskManager: nothing.

use std::fs;
use std::path::{Path, PathBuf};

use crate::faults::Scene;
use crate::support::Program;
use crate::support::cluster::Cluster;

/// What a TaskManager holds while no job runs.
#[derive(Debug)]
struct Held {
    files_and_sockets: usize,
    mappings: usize,
    threads: usize,
    children: usize,
    /// Of the heap, what is still reachable.
    live_bytes: u64,
    /// Classes out of jars of which there are objects, once for each time that they were loaded.
    of_jobs: usize,
}

impl Held {
    fn by(pid: &str) -> Held {
        let proc = Path::new("/proc").join(pid);
        let histogram = Program::at(Path::new("jcmd")).arg(pid).arg("GC.class_histogram").run().success();
        let total = histogram.stdout.lines().rfind(|line| line.starts_with("Total")).unwrap();
        let tasks: Vec<PathBuf> = entries(&proc.join("task"));
        // A thread may have ended meanwhile.
        let children = |task: &PathBuf| fs::read_to_string(task.join("children")).unwrap_or_default();
        Held {
            files_and_sockets: entries(&proc.join("fd")).len(),
            mappings: fs::read_to_string(proc.join("maps")).unwrap().lines().count(),
            threads: tasks.len(),
            children: tasks.iter().map(|task| children(task).split_whitespace().count()).sum(),
            live_bytes: total.split_whitespace().nth(2).unwrap().parse().unwrap(),
            of_jobs: histogram.stdout.matches(" io.tidegate.").count(),
        }
    }
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Each restart starts two processes beside each TaskManager: what one of them left there would be there a hundred times.
#[test]
fn fifty_restarts_leave_no_process_socket_file_mapping_or_memory_in_a_taskmanager() {
    let Some(cluster) = Cluster::start(0) else { return };
    let taskmanagers = cluster.taskmanagers();
    let scene = Scene::new();
    let restart = |times: u32| {
        let flags = format!(
            "--set restart-strategy.fixed-delay.attempts={times} --set restart-strategy.fixed-delay.delay=10ms"
        );
        let job = cluster
            .submits_with(&flags, Program::faulty(), 4)
            .path("--input", &scene.path("words.txt"))
            .path("--output", &scene.path("out"));
        job.args("--panic-at ebb").run().refused(1, &["can't stand ebb"]);
        let shown = cluster.exceptions();
        assert!(shown.contains(&format!("maxNumberRestartAttempts={times}")), "{shown}");
    };
    // What the JVM loads, compiles and opens at the first failures stays, and is its own.
    restart(10);
    let before: Vec<Held> = taskmanagers.iter().map(|pid| Held::by(pid)).collect();
    restart(50);
    assert_eq!(cluster.taskmanagers(), taskmanagers);
    for (before, after) in before.iter().zip(taskmanagers.iter().map(|pid| Held::by(pid))) {
        eprintln!("before {before:?}\nafter  {after:?}");
        assert_eq!(after.children, 0, "{after:?}");
        assert!(after.files_and_sockets <= before.files_and_sockets + 20, "{before:?} {after:?}");
        assert!(after.mappings <= before.mappings + 40, "{before:?} {after:?}");
        assert!(after.threads <= before.threads + 20, "{before:?} {after:?}");
        // Flink keeps the classes of the job that it had last.
        assert!(after.of_jobs <= before.of_jobs + 20, "{before:?} {after:?}");
        assert!(after.live_bytes <= before.live_bytes + (4 << 20), "{before:?} {after:?}");
    }
    assert_eq!(cluster.leftovers(), Vec::<PathBuf>::new());
    cluster.end();
}
