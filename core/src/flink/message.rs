//! What Flink's task and the process of a subtask say to each other, over a socket.
//!
//! The task asks and the process answers: every request but [`Begin`](Request::Begin) and [`Block`](Request::Block) is
//! answered by what the subtask puts out, in order, and by [`Done`](Answer::Done) or [`Failed`](Answer::Failed) at the end. A message is
//! the length of what follows (4 bytes), what it is (1), and its body; integers are little-endian.
//!
//! | what | request         | body                                                                                |
//! |-----:|-----------------|-------------------------------------------------------------------------------------|
//! |    1 | begin           | [`Beginning`], as JSON                                                              |
//! |    2 | block of state  | key group (4), the block as [`checkpoint`](super::checkpoint) draws it              |
//! |    3 | open            |                                                                                     |
//! |    4 | records         | a frame, below                                                                      |
//! |    5 | watermark       | milliseconds (8)                                                                    |
//! |    6 | status          | 0 active, 1 idle                                                                    |
//! |    7 | flush           |                                                                                     |
//! |    8 | poll            |                                                                                     |
//! |    9 | barrier         | the checkpoint's number (8)                                                         |
//! |   10 | commit          | the checkpoint's number (8)                                                         |
//!
//! | what | answer          | body                                                                                |
//! |-----:|-----------------|-------------------------------------------------------------------------------------|
//! |   16 | records         | a frame                                                                             |
//! |   17 | watermark       | milliseconds (8)                                                                    |
//! |   18 | status          | 0 active, 1 idle                                                                    |
//! |   19 | kept            | what the subtask keeps of the checkpoint that belongs to no key, as JSON            |
//! |   20 | done            | what is next: 0 nothing, 1 a flush, 2 a timer, 3 never anything; milliseconds (8) until it |
//! |   21 | failed          | the reason                                                                          |
//! |   22 | figures         | what the subtask has counted so far ([`Figures`]), as JSON                          |
//!
//! A frame, which crosses Flink's network as it is: the subtask that it goes to (4), the edge (4), the number of records (4), and they,
//! as [`codec`](crate::exchange::codec) draws them. Flink looks at the first field and at nothing else.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use super::figures::Figures;
use super::subtask::{Next, Output};
use crate::error::{Error, Result};
use crate::exchange::codec::Payload;
use crate::key::{KeyGroup, SubtaskIndex};
use crate::outbox::EdgeIndex;
use crate::record::{SnapshotId, WatermarkStatus};
use crate::snapshot::part::Entry;
use crate::source::{SplitId, SplitPosition};
use crate::time::EventTime;

/// What a process is told first.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Beginning {
    /// The job's own command line.
    pub args: Vec<String>,
    pub fragment: usize,
    pub subtask: u32,
    pub parallelism: u32,
    /// A directory of its own.
    pub directory: std::path::PathBuf,
    /// The checkpoint that it goes on from.
    pub restored: Option<u64>,
    /// What the subtasks of the fragment kept of that checkpoint.
    #[serde(default)]
    pub kept: Vec<Vec<Entry>>,
    /// The splits that it reads, of each source.
    #[serde(default)]
    pub splits: BTreeMap<String, Vec<GivenSplit>>,
}

/// A split, and where to begin with it.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct GivenSplit {
    pub id: SplitId,
    pub from: Option<SplitPosition>,
}

/// What Flink's task asks for.
#[derive(Debug)]
pub(crate) enum Request {
    Begin(Box<Beginning>),
    Block(KeyGroup, Vec<u8>),
    Open,
    Records(EdgeIndex, Payload),
    Watermark(EventTime),
    Status(WatermarkStatus),
    Flush,
    Poll,
    Barrier(SnapshotId),
    Commit(SnapshotId),
}

/// What the process answers.
pub(crate) enum Answer<'a> {
    Output(&'a Output),
    Kept(&'a [Entry]),
    Figures(&'a Figures),
    Done(Next),
    Failed(&'a Error),
}

impl Request {
    fn read(what: u8, mut body: &[u8]) -> Option<Request> {
        let request = match what {
            1 => Request::Begin(Box::new(serde_json::from_slice(std::mem::take(&mut body)).ok()?)),
            2 => Request::Block(KeyGroup(u16::try_from(number(&mut body)?).ok()?), take_rest(&mut body)),
            3 => Request::Open,
            4 => {
                let [_to, edge, records] = [number(&mut body)?, number(&mut body)?, number(&mut body)?];
                Request::Records(EdgeIndex(edge), Payload { records, bytes: take_rest(&mut body) })
            }
            5 => Request::Watermark(EventTime::from_millis(long(&mut body)? as i64)),
            6 => {
                let (idle, rest) = body.split_first()?;
                body = rest;
                Request::Status(if *idle == 0 { WatermarkStatus::Active } else { WatermarkStatus::Idle })
            }
            7 => Request::Flush,
            8 => Request::Poll,
            9 => Request::Barrier(SnapshotId(long(&mut body)?)),
            10 => Request::Commit(SnapshotId(long(&mut body)?)),
            _ => return None,
        };
        body.is_empty().then_some(request)
    }
}

fn number(body: &mut &[u8]) -> Option<u32> {
    let (bytes, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(u32::from_le_bytes(*bytes))
}

fn long(body: &mut &[u8]) -> Option<u64> {
    let (bytes, rest) = body.split_first_chunk()?;
    *body = rest;
    Some(u64::from_le_bytes(*bytes))
}

fn take_rest(body: &mut &[u8]) -> Vec<u8> {
    std::mem::take(body).to_vec()
}

impl Answer<'_> {
    /// Adds the message behind others.
    ///
    /// # Errors
    /// If it can't be written as JSON, or is too long.
    pub fn write(&self, to: &mut Vec<u8>) -> Result<()> {
        let start = to.len();
        to.extend_from_slice(&[0; 4]);
        match self {
            Answer::Output(Output::Records { edge, to: subtask, payload }) => {
                let SubtaskIndex(subtask) = *subtask;
                to.push(16);
                for field in [subtask, edge.0, payload.records] {
                    to.extend_from_slice(&field.to_le_bytes());
                }
                to.extend_from_slice(&payload.bytes);
            }
            Answer::Output(Output::Watermark(watermark)) => {
                to.push(17);
                to.extend_from_slice(&watermark.as_millis().to_le_bytes());
            }
            Answer::Output(Output::Status(status)) => {
                to.extend_from_slice(&[18, u8::from(*status == WatermarkStatus::Idle)]);
            }
            Answer::Kept(entries) => {
                to.push(19);
                serde_json::to_writer(&mut *to, entries)?;
            }
            Answer::Figures(figures) => {
                to.push(22);
                serde_json::to_writer(&mut *to, figures)?;
            }
            Answer::Done(next) => {
                let (what, after) = match next {
                    Next::Rest => (0, None),
                    Next::Flush(after) => (1, Some(after)),
                    Next::Wake(after) => (2, Some(after)),
                    Next::Exhausted => (3, None),
                };
                to.extend_from_slice(&[20, what]);
                let millis = after.map_or(0, |after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
                to.extend_from_slice(&millis.to_le_bytes());
            }
            Answer::Failed(error) => {
                to.push(21);
                to.extend_from_slice(format!("{error:#}").as_bytes());
            }
        }
        let length = u32::try_from(to.len() - start - 4)
            .map_err(|_| Error::failure("a message to Flink has 4 GiB or more"))?;
        to[start..start + 4].copy_from_slice(&length.to_le_bytes());
        Ok(())
    }
}

/// The process's end of the socket.
pub(super) struct Wire {
    stream: UnixStream,
    blocks: bool,
    /// What has come in; the messages in front of `read` have been read.
    buffer: Vec<u8>,
    filled: usize,
    read: usize,
}

/// What there is to read.
#[derive(Debug)]
pub(super) enum Heard {
    Request(Request),
    /// Nothing yet.
    Nothing,
    /// The task is gone.
    End,
}

impl Wire {
    pub fn new(stream: UnixStream) -> Wire {
        Wire { stream, blocks: true, buffer: vec![0; 64 << 10], filled: 0, read: 0 }
    }

    /// The next request; waits for it, if it `may_wait`.
    ///
    /// # Errors
    /// If the socket fails, or what comes in is no request.
    pub fn hear(&mut self, may_wait: bool) -> Result<Heard> {
        loop {
            let there = &self.buffer[self.read..self.filled];
            if let Some((length, rest)) = there.split_first_chunk::<4>() {
                let length = u32::from_le_bytes(*length) as usize;
                if let Some((what, body)) = rest.get(..length).and_then(|message| message.split_first()) {
                    let request = Request::read(*what, body).ok_or_else(|| {
                        Error::failure(format!("Flink's task has sent a message of kind {what} that is none"))
                    })?;
                    self.read += 4 + length;
                    return Ok(Heard::Request(request));
                }
                self.make_room(4 + length);
            } else {
                self.make_room(4);
            }
            if self.blocks != may_wait {
                self.stream.set_nonblocking(!may_wait).map_err(lost)?;
                self.blocks = may_wait;
            }
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Ok(Heard::End),
                Ok(bytes) => self.filled += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Heard::Nothing),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(lost(error)),
            }
        }
    }

    /// Moves what is not read to the front, and sees to it that a message of so many bytes has room.
    fn make_room(&mut self, message: usize) {
        self.buffer.copy_within(self.read..self.filled, 0);
        self.filled -= self.read;
        self.read = 0;
        if self.buffer.len() < message {
            self.buffer.resize(message.next_power_of_two(), 0);
        }
    }

    /// Sends messages.
    ///
    /// # Errors
    /// If the socket fails.
    pub fn say(&mut self, messages: &[u8]) -> Result<()> {
        if !self.blocks {
            self.stream.set_nonblocking(false).map_err(lost)?;
            self.blocks = true;
        }
        self.stream.write_all(messages).map_err(lost)
    }
}

fn lost(error: std::io::Error) -> Error {
    Error::failure("the connection to Flink's task is lost").caused_by(error)
}
