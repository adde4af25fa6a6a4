//! Text that comes through a pipe, the standard input above all: read by a thread of its own, so that nobody waits for it.
//!
//! The thread hands chunks through a bounded channel; what is read is gone. It may still be waiting for input when the job
//! ends; it is not joined, and the end of the process ends it.

use std::io::{ErrorKind, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};

use crate::error::{Error, Result};
use crate::task::thread;

/// How much is read in one go, at most; a pipe holds 64 KiB.
const CHUNK: usize = 64 * 1024;

/// How many chunks may wait.
const CHUNKS: usize = 8;

/// A process has one standard input. Who has begun to read it holds parts of it in memory, which a second reader would miss.
static STDIN_IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The near end of a pipe.
pub(super) struct Pipe {
    chunks: Receiver<std::io::Result<Vec<u8>>>,
}

/// What has come through a pipe.
pub(super) enum Piped {
    /// Text.
    Text(Vec<u8>),
    /// Nothing yet.
    Nothing,
    /// Its end.
    End,
    /// It could not be read.
    Failed(std::io::Error),
}

impl Pipe {
    /// The standard input.
    pub fn stdin() -> Result<Pipe> {
        if STDIN_IS_TAKEN.swap(true, Ordering::Relaxed) {
            return Err(Error::failure("the standard input can't be read a second time")
                .hint("give the job files, if it is to restart by itself after a failure"));
        }
        Pipe::open("stdin", || Ok(std::io::stdin()))
    }

    /// Whatever `open` opens; that too may wait, as the opening of a named pipe does.
    pub fn open<R: Read>(
        name: &str,
        open: impl FnOnce() -> std::io::Result<R> + Send + 'static,
    ) -> Result<Pipe> {
        let (sender, chunks) = sync_channel(CHUNKS);
        let reader = move || match open() {
            Ok(input) => pump(input, &sender),
            // If nobody listens any more, nobody wants to know.
            Err(error) => drop(sender.send(Err(error))),
        };
        thread::spawn(name, reader).map_err(|error| {
            Error::failure(format!("can't start a thread to read {name}")).caused_by(error)
        })?;
        Ok(Pipe { chunks })
    }

    /// What has come since. Never waits.
    pub fn poll(&self) -> Piped {
        match self.chunks.try_recv() {
            Ok(Ok(text)) => Piped::Text(text),
            Ok(Err(error)) => Piped::Failed(error),
            Err(TryRecvError::Empty) => Piped::Nothing,
            Err(TryRecvError::Disconnected) => Piped::End,
        }
    }
}

/// Reads `input` to its end, or until nobody listens any more.
fn pump(mut input: impl Read, sender: &SyncSender<std::io::Result<Vec<u8>>>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let chunk = match input.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => Ok(buffer[..length].to_vec()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let failed = chunk.is_err();
        if sender.send(chunk).is_err() || failed {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_pipe_gives_what_has_come_and_never_waits() {
        let (far, mut near) = std::io::pipe().unwrap();
        let pipe = Pipe::open("test", || Ok(far)).unwrap();
        assert!(matches!(pipe.poll(), Piped::Nothing));
        near.write_all(b"some").unwrap();
        let text = loop {
            match pipe.poll() {
                Piped::Text(text) => break text,
                Piped::Nothing => std::thread::yield_now(),
                _ => panic!("the pipe is open"),
            }
        };
        assert_eq!(text, b"some");
        drop(near);
        while matches!(pipe.poll(), Piped::Nothing) {
            std::thread::yield_now();
        }
        assert!(matches!(pipe.poll(), Piped::End));
    }

    #[test]
    fn a_pipe_that_can_not_be_opened_says_so() {
        let pipe =
            Pipe::open("test", || Err::<std::io::Empty, _>(std::io::Error::other("no such pipe"))).unwrap();
        let failed = loop {
            match pipe.poll() {
                Piped::Nothing => std::thread::yield_now(),
                Piped::Failed(error) => break error,
                _ => panic!("there is nothing to read"),
            }
        };
        assert_eq!(failed.to_string(), "no such pipe");
    }
}
