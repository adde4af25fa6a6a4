//! A panic in a user's function is an error of the job, with the place where it happened; never a message of the runtime.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static CAUGHT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs `body`; if it panics, the message and the place in the source code.
///
/// What `body` worked on must not be used any more, but for reports.
pub(crate) fn catch<T>(body: impl FnOnce() -> T) -> Result<T, String> {
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
    result.map_err(|_| CAUGHT.take().unwrap_or_else(|| "a panic without a message".to_string()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_panic_becomes_its_message_and_its_place() {
        let caught = super::catch(|| panic!("boom {}", 7)).unwrap_err();
        assert!(caught.starts_with("\"boom 7\", at "), "{caught}");
        assert!(caught.contains("panic.rs:"), "{caught}");
        assert_eq!(super::catch(|| 5), Ok(5));
    }
}
