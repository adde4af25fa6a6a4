//! The command line of the tools, as it is written.

use std::convert::Infallible;
#[cfg(feature = "flink")]
use std::path::Path;
use std::path::PathBuf;

use crate::snapshot::RestoreTarget;

/// Look at snapshots, and make savepoints of them; no job is run
///
/// SNAP is `latest`, the number of a snapshot in --snapshot-dir, or the path of a snapshot or savepoint.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Tools {
    /// Directory or URL of the job's snapshots, which can also be given before `snapshots`
    #[arg(long, value_name = "DIR|URL", global = true)]
    pub(super) snapshot_dir: Option<PathBuf>,
    #[command(subcommand)]
    pub(super) tool: Tool,
}

fn target(text: &str) -> Result<RestoreTarget, Infallible> {
    text.parse()
}

#[derive(clap::Subcommand, Clone, Debug)]
pub(super) enum Tool {
    /// List the snapshots in --snapshot-dir, oldest first
    ///
    /// ROWS is how many rows there are, or at most if files lie over one another. OWN is what would be gained if the snapshot
    /// were removed, SHARED what other snapshots need as well. A snapshot is complete, broken, pending (being written, or left
    /// by a crash) or deleting.
    List {
        /// One JSON object per snapshot
        #[arg(long)]
        json: bool,
    },
    /// Say what is in a snapshot: schemas, files, offsets of sources, what sinks have pending
    Show {
        /// The snapshot
        #[arg(value_name = "SNAP", value_parser = target, default_value = "latest")]
        snapshot: RestoreTarget,
        /// Print the manifest
        #[arg(long)]
        json: bool,
    },
    /// Read snapshots to the last byte, and say all that is wrong
    ///
    /// Every checksum, every row by its schema, every key in its key group, every entry of a Map or List with the state that it
    /// belongs to. The exit code is 1 if anything is wrong.
    Verify {
        /// The snapshots
        #[arg(value_name = "SNAP", value_parser = target, required_unless_present = "all")]
        snapshots: Vec<RestoreTarget>,
        /// Every complete snapshot in --snapshot-dir
        #[arg(long, conflicts_with = "snapshots")]
        all: bool,
    },
    /// Print the rows of a snapshot as JSON lines
    ///
    /// One line per row: "operator", its key "group", "section" and "key", then of section
    ///   state: "value", with the fields of the state by name;
    ///   entry: "field", "at", "refreshed" and "value", of an entry of a Map or List: "at" is its key or index;
    ///   event-timer, processing-timer: "at", "number" and "value", which the timer carries.
    /// Then what belongs to no key, one line per subtask: "operator", "section" and "value", with the fields of the state; the
    /// section is "unkeyed", with the number of the "subtask", or "broadcast", for all of them.
    /// Opaque values and bytes are hexadecimal text: "0x1f8b".
    #[command(verbatim_doc_comment)]
    Dump {
        /// The snapshot
        #[arg(value_name = "SNAP", value_parser = target, default_value = "latest")]
        snapshot: RestoreTarget,
        /// Only the rows of this operator
        #[arg(long, value_name = "NAME")]
        operator: Option<String>,
        /// Only the rows of this key group
        #[arg(long, value_name = "N")]
        key_group: Option<u16>,
    },
    /// Print the rows of one key, as dump does
    Get {
        /// The key as JSON or, if it is text, just so
        #[arg(value_name = "KEY", allow_negative_numbers = true)]
        key: String,
        /// The snapshot
        #[arg(value_name = "SNAP", value_parser = target, default_value = "latest")]
        snapshot: RestoreTarget,
        /// Only the rows of this operator [default: of all whose keys are of that type]
        #[arg(long, value_name = "NAME")]
        operator: Option<String>,
    },
    /// Print the rows in which two snapshots differ, as JSON lines
    ///
    /// As dump prints them, with "change": "added", "removed" or "changed". Of what was removed or changed, "was" is the value in
    /// A, and "was_refreshed" when an entry was refreshed; "value" and "refreshed" are those in B.
    Diff {
        /// The snapshot before
        #[arg(value_name = "A", value_parser = target)]
        was: RestoreTarget,
        /// The snapshot after
        #[arg(value_name = "B", value_parser = target)]
        is: RestoreTarget,
        /// Only how many rows of every operator were added, removed and changed
        #[arg(long)]
        summary: bool,
    },
    /// Write a savepoint that has other rows, which are read as JSON lines from the standard input
    ///
    /// A line is a row as dump prints it; "group" can be left out, and "operator" if there is only one. Rows that are not named
    /// stay as they are. {"key": .., "state": null} removes a key, with its entries and timers; rows of that key that are in other lines are what
    /// it has then. An entry or a timer alone is removed by "removed": true in the place of its "value". How many entries a
    /// state has is counted anew where entries come or go. What belongs to no key can be put, and not be removed.
    Edit {
        /// The snapshot, which stays as it is
        #[arg(value_name = "SNAP", value_parser = target)]
        snapshot: RestoreTarget,
        /// Directory of the savepoint, which must be new
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
    /// Write a snapshot as a savepoint, which needs no other files, or print it
    Export {
        /// The snapshot
        #[arg(value_name = "SNAP", value_parser = target, default_value = "latest")]
        snapshot: RestoreTarget,
        /// Directory of the savepoint, which must be new
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// What is made of it
        #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
        format: ExportFormat,
        #[cfg(feature = "flink")]
        #[command(flatten)]
        flink: crate::flink::ExportFlags,
    },
}

#[cfg(feature = "flink")]
impl Tools {
    /// A snapshot that is to become a savepoint of Flink's: that takes the job itself.
    pub(crate) fn export_for_flink(
        &self,
    ) -> Option<(Option<&Path>, &RestoreTarget, &crate::flink::ExportFlags)> {
        match &self.tool {
            Tool::Export { snapshot, flink, .. } if flink.is_asked() => {
                Some((self.snapshot_dir.as_deref(), snapshot, flink))
            }
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ExportFormat {
    /// A directory to take away, and to restore from
    #[default]
    Savepoint,
    /// What dump prints
    Jsonl,
}
