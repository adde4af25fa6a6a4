//! A panic in a user's function is an error of the job, with the place where it happened; never a message of the runtime.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::error::Error;

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// What a function ended with instead of its result.
pub(crate) enum Caught {
    /// It panicked: the message, and the place in the source code.
    Panic(String),
    /// An error was thrown through it, by what it called and had nowhere to return an error to.
    Error(Error),
}

impl Caught {
    /// The error of the job; a panic is said to be that of `place`.
    pub fn into_error(self, place: impl fmt::Display) -> Error {
        match self {
            Caught::Panic(panic) => Error::failure(format!("{place} panicked: {panic}")),
            Caught::Error(error) => error.within(place),
        }
    }
}

/// Runs `body`, and catches what ends it.
///
/// What `body` worked on must not be used any more, but for reports.
pub(crate) fn catch<T>(body: impl FnOnce() -> T) -> Result<T, Caught> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !CATCHING.get() {
                return others(panic);
            }
            let message = panic.payload_as_str().unwrap_or("a panic without a message");
            let place = panic.location().map(|place| format!("{}:{}", place.file(), place.line()));
            let caught = format!("{message:?}, at {}", place.as_deref().unwrap_or("an unknown place"));
            CAUGHT.with_borrow_mut(|slot| *slot = Some(caught));
        }));
    });
    let outer = CATCHING.replace(true);
    let result = catch_unwind(AssertUnwindSafe(body));
    CATCHING.set(outer);
    result.map_err(|payload| match payload.downcast() {
        Ok(error) => Caught::Error(*error),
        Err(_) => Caught::Panic(CAUGHT.take().unwrap_or_else(|| "a panic without a message".to_string())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(body: impl FnOnce()) -> String {
        catch(body).map_err(|caught| caught.into_error("the operator")).unwrap_err().to_string()
    }

    #[test]
    fn a_panic_becomes_its_message_and_its_place() {
        let error = error_of(|| panic!("boom {}", 7));
        assert!(error.starts_with("the operator panicked: \"boom 7\", at "), "{error}");
        assert!(error.contains("panic.rs:"), "{error}");
        assert!(matches!(catch(|| 5), Ok(5)));
    }

    #[test]
    fn an_error_that_is_thrown_stays_what_it_is() {
        let error = error_of(|| std::panic::resume_unwind(Box::new(Error::failure("the disk is gone"))));
        assert_eq!(error, "the operator: the disk is gone");
        let panic = error_of(|| std::panic::resume_unwind(Box::new(5)));
        assert_eq!(panic, "the operator panicked: a panic without a message");
    }
}
