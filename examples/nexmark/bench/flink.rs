//! Apache Flink beside us: a Java program of ours, which has every query that is measured.
//!
//! A JVM answers one query at one parallelism, with checkpoints or without. It is warm before it counts, and lives, idle, while
//! the others run in turn. Its heap may grow as far as `--flink-jvm` says; how much of it is used is the JVM's choice.

use std::cell::RefCell;
use std::path::Path;
use std::time::Duration;

use tidegate::prelude::*;

use super::java;
use super::jvm::{Jvm, Program};
use super::one_run::Measured;
use super::replay::Script;
use super::report::Cell;
use super::tally::Check;
use super::{System, name_of};

/// How often a JVM answers before it counts: the first answers are several times slower.
const WARM_UPS: usize = 4;

/// Flink, ready to be started.
pub struct Flink {
    program: Program,
    /// Time between two checkpoints, where there are any.
    interval: Duration,
    /// Of one query: a JVM for each parallelism, with checkpoints and without.
    running: RefCell<Vec<(Cell, Jvm)>>,
}

impl Flink {
    /// Compiles the program.
    ///
    /// # Errors
    /// If there is no Flink, or no Java.
    pub fn at(home: Option<&Path>, jvm: &str, interval: Duration) -> Result<Flink> {
        let program = Program::compile(java::MAIN, &java::SOURCES, home, jvm)?;
        Ok(Flink { program, interval, running: RefCell::default() })
    }

    /// What it is and what it runs on, by name.
    pub fn versions(&self) -> Vec<(String, String)> {
        self.program.versions()
    }

    fn start(&self, cell: &Cell, script: Script) -> Result<Jvm> {
        let mut words = vec![name_of(&cell.query)];
        let numbers =
            [u64::from(cell.parallelism), script.count, script.generator.rate, script.generator.seed];
        words.extend(numbers.map(|number| number.to_string()));
        words.push(name_of(&cell.generation));
        let has_checkpoints = cell.system == System::FlinkWithCheckpoints;
        let interval = if has_checkpoints { self.interval } else { Duration::ZERO };
        words.push(interval.as_millis().to_string());
        words.push(self.program.directory().join("checkpoints").display().to_string());
        self.program.start(words)
    }

    /// One answer of the JVM of this cell, which is started if another one runs.
    pub fn measure(&self, cell: &Cell, script: Script, check: Check) -> Result<Measured> {
        let mut running = self.running.borrow_mut();
        // Those of the query before go first: they would take the memory.
        running.retain(|(other, _)| (other.query, other.generation) == (cell.query, cell.generation));
        let place = match running.iter().position(|(other, _)| other == cell) {
            Some(place) => place,
            None => {
                running.push((*cell, self.start(cell, script)?));
                running.len() - 1
            }
        };
        running[place].1.ask(&name_of(&check)).map_err(|error| error.within(cell))
    }

    /// Has the JVM of this cell answer until it is warm.
    pub fn warm_up(&self, cell: &Cell, script: Script) -> Result<()> {
        (0..WARM_UPS).try_for_each(|_| self.measure(cell, script, Check::Count).map(drop))
    }
}
