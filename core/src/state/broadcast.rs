//! Broadcast state: what every subtask of an operator knows alike, because the same records are sent to all.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::state::Field;

/// What every subtask of an operator knows from the stream that is broadcast to it. Implemented by `#[state(broadcast)]`, and
/// by `()` for an operator that nothing is broadcast to.
///
/// A snapshot keeps it once, as subtask 0 has it, and every subtask is given that at a restore.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a broadcast state",
    label = "expected a struct marked `#[state(broadcast)]`",
    note = "what `on_broadcast` changes and `on_event` reads is a struct marked `#[state(broadcast)]` that implements `Default`"
)]
pub trait BroadcastState: Serialize + DeserializeOwned + 'static {
    /// Its name in snapshots; `None` if there is nothing to keep.
    const NAME: Option<&'static str>;

    /// Where every subtask begins.
    fn initial() -> Self;

    /// The fields, as a snapshot records them.
    fn fields() -> Vec<Field>;
}

impl BroadcastState for () {
    const NAME: Option<&'static str> = None;

    fn initial() {}

    fn fields() -> Vec<Field> {
        Vec::new()
    }
}
