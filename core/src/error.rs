//! The one error type that a user meets: what happened, to which named thing, and what to do about it.

use std::fmt;

/// The result of everything in Tidegate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, with the chain of its causes and a hint of what to do.
///
/// Any `std::error::Error` turns into it by `?`, so a job function can use what libraries it likes. It is one pointer
/// wide, so that returning it costs nothing where nothing fails.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    hint: Option<String>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Whose mistake it is; decides the exit code of a job's executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The command line or the wiring asks for something that can't be, whatever the world looks like: exit code 2.
    Usage,
    /// Something that was asked for is missing, broken or did not work out: exit code 1.
    Failure,
}

impl Error {
    /// A failure: the job was asked for something possible, and it did not work out.
    pub fn failure(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Failure, message.into())
    }

    /// A mistake in a flag or in the wiring of the job.
    pub fn usage(message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Usage, message.into())
    }

    fn new(kind: ErrorKind, message: String) -> Error {
        Error(Box::new(Inner { kind, message, hint: None, cause: None }))
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds what else the reader can do, behind what has been said already.
    #[must_use]
    pub fn further_hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint = Some(match self.0.hint {
            Some(first) => format!("{first}\n  hint: {}", hint.into()),
            None => hint.into(),
        });
        self
    }

    /// Says first in what it happened; kind, hint and causes stay.
    #[must_use]
    pub fn within(mut self, what: impl fmt::Display) -> Error {
        self.0.message = format!("{what}: {}", self.0.message);
        self
    }

    /// Adds what caused it.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        self.0.cause = Some(cause.into());
        self
    }

    /// Whose mistake it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The exit code that stands for it: 2 for usage, 1 for failure.
    pub fn exit_code(&self) -> u8 {
        match self.0.kind {
            ErrorKind::Usage => 2,
            ErrorKind::Failure => 1,
        }
    }
}

impl fmt::Display for Error {
    /// The message and, after colons, its causes. With `{:#}` the hint follows on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.0.message.clone();
        f.write_str(&with_causes(message, self.0.cause.as_deref().map(|cause| cause as _)))?;
        match &self.0.hint {
            Some(hint) if f.alternate() => write!(f, "\n  hint: {hint}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

/// Like `anyhow`'s: this is why [`Error`] does not itself implement `std::error::Error`.
impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Error {
        Error::failure(with_causes(error.to_string(), error.source()))
    }
}

/// The message and, after colons, its causes. What an error says of its own cause is not said again.
fn with_causes(mut message: String, mut cause: Option<&(dyn std::error::Error + 'static)>) -> String {
    while let Some(error) = cause {
        let said = error.to_string();
        if !message.ends_with(&said) {
            message.push_str(": ");
            message.push_str(&said);
        }
        cause = error.source();
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_prints_its_causes_and_only_in_full_its_hint() {
        let io = std::io::Error::other("disk on fire");
        let error = Error::failure("can't write snapshot 7").caused_by(io).hint("buy a new disk");
        assert_eq!(error.to_string(), "can't write snapshot 7: disk on fire");
        assert_eq!(format!("{error:#}"), "can't write snapshot 7: disk on fire\n  hint: buy a new disk");
        let error = error.further_hint("call the fire brigade");
        assert!(format!("{error:#}").ends_with("\n  hint: buy a new disk\n  hint: call the fire brigade"));
        let twice = std::io::Error::other("no bytes: disk on fire");
        let error = Error::failure("can't write snapshot 7: no bytes: disk on fire").caused_by(twice);
        assert_eq!(error.to_string(), "can't write snapshot 7: no bytes: disk on fire");
        let error = Error::failure("x").further_hint("y");
        assert_eq!(format!("{error:#}"), "x\n  hint: y");
    }

    #[test]
    fn the_exit_code_tells_usage_from_failure() {
        assert_eq!(Error::usage("no such flag").exit_code(), 2);
        assert_eq!(Error::from(std::io::Error::other("x")).exit_code(), 1);
        assert_eq!(std::mem::size_of::<Result<()>>(), std::mem::size_of::<usize>());
    }
}
