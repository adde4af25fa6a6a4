//! What is in a Flink savepoint, read and written without a cluster.
//!
//! A process of Java's (`java/Savepoint.java`) does it with Flink's own classes, so that the format is always that of the
//! distribution that it runs with. The two exchange messages, over the process's standard output when it reads and over its standard input when it
//! writes; what they mean to a job is said by [`import`](super::import) and [`export`](super::export). A message is what it is
//! (1 byte), the length of its body (4), and that; integers are big-endian, as Java writes them.
//!
//! | what | message   | body                                                                                             |
//! |-----:|-----------|--------------------------------------------------------------------------------------------------|
//! |    1 | savepoint | `{"checkpoint": 41}`; first                                                                      |
//! |    2 | operator  | [`Operator`], as JSON; the messages behind it are of this operator                               |
//! |    3 | item      | of a source: a split, as `FragmentSource.java` keeps it; else: what one subtask has kept, as JSON |
//! |    4 | dealt     | `{"splits": [..]}`, of a source: the splits that have been dealt to subtasks                     |
//! |    5 | block     | key group (4), a block of rows as [`checkpoint`](super::checkpoint) draws it; key groups ascend  |
//! |    6 | stranger  | an operator that has state, and was not asked for: what is known of its name                     |
//! |    7 | end       |                                                                                                  |

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::fragment::{Fragment, FragmentKind};
use super::local::OPENED;
use super::package::{Distribution, compile};
use crate::error::{Error, Result};
use crate::key::KeyGroup;
use crate::record::SnapshotId;
use crate::snapshot::part::Entry;

/// One thing that is in a savepoint.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Message {
    Savepoint(SnapshotId),
    Operator(Operator),
    Item(Vec<u8>),
    Dealt(Vec<String>),
    Block(KeyGroup, Vec<u8>),
    Stranger(String),
    End,
}

/// An operator of Flink's: a fragment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Operator {
    /// What Flink knows it by.
    pub uid: String,
    pub parallelism: u32,
    pub max_parallelism: u32,
    /// All of its subtasks had come to the end of their input: it has no state.
    pub finished: bool,
}

/// A split of a source, as `FragmentSource.java` keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeptSplit {
    pub id: String,
    /// None, if it is what a subtask keeps that is of no split.
    pub source: Option<String>,
    /// The split and where to begin with it, as JSON.
    pub given: Option<String>,
    /// What is kept with it: [`Entry`]s, as JSON.
    pub kept: Option<String>,
    /// The checkpoint that it is of; negative if it has not been read.
    pub checkpoint: i64,
}

impl KeptSplit {
    /// What is kept with it.
    ///
    /// # Errors
    /// If it is not what was written.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        Ok(self.kept.as_deref().map(serde_json::from_str).transpose()?.unwrap_or_default())
    }
}

/// What Flink knows a fragment by: the same as in `Main.java`.
pub(super) fn uid(fragment: &Fragment) -> String {
    match fragment.kind {
        FragmentKind::Source => format!("source {}", fragment.name),
        FragmentKind::Keyed => format!("operator {}", fragment.name),
    }
}

/// How a source knows its splits in a savepoint: the same as in `Main.java`.
pub(super) fn split_id(source: &str, split: &str) -> String {
    format!("{source}/{split}")
}

impl Message {
    fn read(from: &mut impl Read) -> Result<Message> {
        let mut head = [0; 5];
        from.read_exact(&mut head).map_err(cut_short)?;
        let [what, length @ ..] = head;
        let mut body = vec![0; u32::from_be_bytes(length) as usize];
        from.read_exact(&mut body).map_err(cut_short)?;
        #[derive(Deserialize)]
        struct Checkpoint {
            checkpoint: u64,
        }
        #[derive(Deserialize)]
        struct Splits {
            splits: Vec<String>,
        }
        Ok(match what {
            1 => Message::Savepoint(SnapshotId(serde_json::from_slice::<Checkpoint>(&body)?.checkpoint)),
            2 => Message::Operator(serde_json::from_slice(&body)?),
            3 => Message::Item(body),
            4 => Message::Dealt(serde_json::from_slice::<Splits>(&body)?.splits),
            5 => {
                let group = body.first_chunk().map(|bytes| u32::from_be_bytes(*bytes));
                let group = group.and_then(|group| u16::try_from(group).ok()).map(KeyGroup);
                let group = group.ok_or_else(|| Error::failure("a block of state is of no key group"))?;
                Message::Block(group, body.split_off(4))
            }
            6 => Message::Stranger(String::from_utf8_lossy(&body).into_owned()),
            7 => Message::End,
            other => return Err(Error::failure(format!("a message of kind {other} that is none"))),
        })
    }

    fn write(&self, to: &mut impl Write) -> Result<()> {
        let (what, body) = match self {
            Message::Savepoint(id) => (1, json!({ "checkpoint": id.0 }).to_string().into_bytes()),
            Message::Operator(operator) => (2, serde_json::to_vec(operator)?),
            Message::Item(item) => (3, item.clone()),
            Message::Dealt(splits) => (4, json!({ "splits": splits }).to_string().into_bytes()),
            Message::Block(group, block) => (5, [&u32::from(group.0).to_be_bytes()[..], block].concat()),
            Message::Stranger(name) => (6, name.clone().into_bytes()),
            Message::End => (7, Vec::new()),
        };
        let length = u32::try_from(body.len()).ok().filter(|length| *length <= i32::MAX as u32);
        let length = length.ok_or_else(|| Error::failure("a message to Java has 2 GiB or more"))?;
        to.write_all(&[what]).map_err(nobody_listens)?;
        to.write_all(&length.to_be_bytes()).map_err(nobody_listens)?;
        to.write_all(&body).map_err(nobody_listens)
    }
}

fn cut_short(error: std::io::Error) -> Error {
    Error::failure("what Java has told is cut short").caused_by(error)
}

fn nobody_listens(error: std::io::Error) -> Error {
    Error::failure("Java does not listen any more").caused_by(error)
}

/// Flink's classes, and ours beside them.
pub(super) struct Java {
    class_path: std::ffi::OsString,
    scratch: PathBuf,
}

impl Java {
    /// Compiles our classes into `scratch`.
    ///
    /// # Errors
    /// If there is no JDK or no Flink.
    pub fn prepare(distribution: &Distribution, scratch: &Path) -> Result<Java> {
        let flink = distribution.class_path()?;
        let classes = scratch.join("classes");
        compile(distribution, &scratch.join("java"), &classes)?;
        let paths = std::iter::once(classes).chain(std::env::split_paths(&flink));
        let class_path = std::env::join_paths(paths)
            .map_err(|error| Error::failure("can't name the classes to Java").caused_by(error))?;
        Ok(Java { class_path, scratch: scratch.to_path_buf() })
    }

    /// Gives what is in the savepoint at `path`, of the operators with these uids, to `each`: all but the end, which has been
    /// seen when this returns.
    ///
    /// # Errors
    /// If it can't be read, or `each` fails.
    pub fn read(
        &self,
        path: &str,
        uids: &[String],
        each: &mut dyn FnMut(Message) -> Result<()>,
    ) -> Result<()> {
        let words = [OsStr::new("read"), OsStr::new(path)].into_iter().chain(uids.iter().map(OsStr::new));
        let mut process = self.start(words, Stdio::null(), Stdio::piped())?;
        let mut from = BufReader::with_capacity(256 << 10, process.stdout.take().expect("it was piped"));
        let told = loop {
            match Message::read(&mut from) {
                Ok(Message::End) => break Ok(()),
                Ok(message) => {
                    if let Err(error) = each(message) {
                        break Err((error, true));
                    }
                }
                Err(error) => break Err((error, false)),
            }
        };
        // So that it does not wait for somebody who reads.
        drop(from);
        self.end(process, told)
    }

    /// Makes a savepoint of what `tell` tells, in `directory`, which is there and empty.
    ///
    /// # Errors
    /// If it can't be written, or `tell` fails.
    pub fn write(
        &self,
        directory: &Path,
        tell: impl FnOnce(&mut dyn FnMut(Message) -> Result<()>) -> Result<()>,
    ) -> Result<()> {
        let words = [OsStr::new("write"), directory.as_os_str()];
        let mut process = self.start(words, Stdio::piped(), Stdio::null())?;
        let mut to = BufWriter::with_capacity(256 << 10, process.stdin.take().expect("it was piped"));
        let mut lost = false;
        let told = tell(&mut |message| {
            let written = message.write(&mut to);
            lost |= written.is_err();
            written
        });
        let told = told.map_err(|error| (error, !lost)).and_then(|()| {
            Message::End
                .write(&mut to)
                .and_then(|()| to.flush().map_err(nobody_listens))
                .map_err(|error| (error, false))
        });
        // What is still buffered must not be written when all is lost.
        drop(to.into_parts().0);
        self.end(process, told)
    }

    fn start<'a>(
        &self,
        words: impl IntoIterator<Item = &'a OsStr>,
        input: Stdio,
        output: Stdio,
    ) -> Result<Child> {
        let errors = self.errors();
        let errors = File::create(&errors)
            .map_err(|error| Error::failure(format!("can't write {}", errors.display())).caused_by(error))?;
        Command::new("java")
            .args(OPENED)
            // Nobody configures a log here; what goes wrong is told in our words.
            .args(["-Dlog4j2.StatusLogger.level=OFF", "-Dorg.apache.logging.log4j.level=OFF"])
            .arg("-cp")
            .arg(&self.class_path)
            .arg("io.tidegate.flink.Savepoint")
            .args(words)
            .stdin(input)
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|error| Error::failure("can't run java").caused_by(error).hint("install Java 17 or 21"))
    }

    fn errors(&self) -> PathBuf {
        self.scratch.join("java.errors")
    }

    /// What came of it: an error of ours counts (`true`) unless it only says that the process is gone.
    fn end(&self, mut process: Child, told: Result<(), (Error, bool)>) -> Result<()> {
        let told = match told {
            Err((error, true)) => {
                // It is not needed any more; one that has ended already needs no end.
                let _ = process.kill();
                let _ = process.wait();
                return Err(error);
            }
            other => other.map_err(|(error, _)| error),
        };
        let ended = process.wait().map_err(|error| Error::failure("can't wait for java").caused_by(error))?;
        if ended.success() {
            return told;
        }
        let said = fs::read_to_string(self.errors()).unwrap_or_default();
        let said = said.rsplit_once(SAYS).map_or(said.as_str(), |(_, said)| said).trim();
        Err(Error::failure(if said.is_empty() { format!("java failed ({ended})") } else { said.to_string() }))
    }
}

/// What stands in front of the reason that `Savepoint.java` gives.
const SAYS: &str = "tidegate: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_as_they_were_told() {
        let operator =
            Operator { uid: "operator count".into(), parallelism: 2, max_parallelism: 128, finished: false };
        let messages = [
            Message::Savepoint(SnapshotId(41)),
            Message::Operator(operator),
            Message::Item(b"[]".to_vec()),
            Message::Dealt(vec!["words/a".into(), "words/b".into()]),
            Message::Block(KeyGroup(300), b"rows".to_vec()),
            Message::Stranger("sum".into()),
            Message::End,
        ];
        let mut bytes = Vec::new();
        messages.iter().for_each(|message| message.write(&mut bytes).unwrap());
        let mut from = &bytes[..];
        for message in &messages {
            assert_eq!(Message::read(&mut from).unwrap(), *message);
        }
        assert!(Message::read(&mut from).unwrap_err().to_string().contains("cut short"));
        assert!(Message::read(&mut &bytes[..9]).is_err(), "in the middle of a message");
    }

    #[test]
    fn a_message_of_no_kind_and_a_block_of_no_key_group_are_refused() {
        assert!(Message::read(&mut &[9, 0, 0, 0, 0][..]).unwrap_err().to_string().contains("kind 9"));
        assert!(Message::read(&mut &[5, 0, 0, 0, 2, 0, 0][..]).is_err());
        assert!(Message::read(&mut &[5, 0, 0, 0, 4, 0, 1, 0, 0][..]).is_err(), "there are 65,536 at most");
    }
}
