//! Stateful operators: on keyed streams and, without keys, on any.
//!
//! `#[operator]` derives an [`Operator`] from an `impl` block with `on_event` (and `on_timer`), or from a function. The
//! [`keyed`] stage drives it: it finds the row of each record's key, hands it over with a [`Context`], and pushes what is
//! emitted straight into the rest of the chain. A second stream can be [`broadcast`] to it. An operator whose state belongs to the
//! subtask is [`unkeyed`], a step of a chain.

pub(crate) mod broadcast;
mod context;
mod emit;
pub(crate) mod keyed;
pub mod late;
mod timers;
pub(crate) mod unkeyed;

use serde::{Deserialize, Serialize};

pub use context::Context;
pub use emit::Emit;
pub(crate) use emit::SideOutput;
pub use timers::TimerId;
pub use unkeyed::{UnkeyedContext, UnkeyedOperator, WorksOn};

use crate::state::{BroadcastState, Data, Describe, Schema, State};

/// A stateful step of a keyed stream. Implemented by `#[operator]`.
///
/// The operator itself is configuration, shared by all subtasks (`&self`); what must survive a restart is in the state.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an operator",
    label = "expected an operator",
    note = "mark the `impl` block `#[operator] impl {Self} {{ fn on_event(&self, ..) }}`",
    note = "`#[operator] fn count_visits(..)` makes an operator called `CountVisits`: name that one in the wiring",
    note = "one marked `#[operator(unkeyed)]` works on a stream that is not keyed: leave out `.key_by(..)`"
)]
pub trait Operator: Send + Sync + Sized + 'static {
    /// What it receives.
    type In: Data;
    /// What it remembers per key.
    type State: State;
    /// What it emits.
    type Out: 'static;
    /// What it emits on the side; [`Never`] if it has no side output.
    type Side: 'static;
    /// What a timer carries from when it is set to when it fires; [`Never`] if it sets none.
    type Timer: Data;
    /// What every subtask knows from the records that are broadcast to it; `()` if none are.
    type Shared: BroadcastState;
    /// What is broadcast to it; [`Never`] if nothing is.
    type Broadcast: Data;

    /// A record has arrived.
    fn on_event(
        &self,
        event: Self::In,
        state: &mut Self::State,
        shared: &Self::Shared,
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<Self::Out>,
        side: &mut impl Emit<Self::Side>,
    );

    /// A timer that this operator set is due.
    fn on_timer(
        &self,
        timer: Self::Timer,
        state: &mut Self::State,
        shared: &Self::Shared,
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<Self::Out>,
        side: &mut impl Emit<Self::Side>,
    );

    /// Event time has come so far that the row is [due](State::due).
    #[doc(hidden)]
    fn on_due(
        &self,
        state: &mut Self::State,
        shared: &Self::Shared,
        cx: &mut Context<'_, Self>,
        out: &mut impl Emit<Self::Out>,
        side: &mut impl Emit<Self::Side>,
    ) {
        let _ = (state, shared, cx, out, side);
    }

    /// A record has arrived that is broadcast: every subtask is given it once. It has no key, so no keyed state and no timers
    /// come with it. There is no order between it and the records of the keyed stream (as in Flink).
    ///
    /// Records of one sending subtask come in their order; those of several may come in another one at each subtask. The shared
    /// state must not depend on that: a snapshot keeps what one subtask knows, for all.
    fn on_broadcast(
        &self,
        record: Self::Broadcast,
        shared: &mut Self::Shared,
        cx: &UnkeyedContext,
        out: &mut impl Emit<Self::Out>,
        side: &mut impl Emit<Self::Side>,
    );
}

/// The key of an operator's state.
pub type KeyOf<O> = <<O as Operator>::State as State>::Key;

/// What can't be: the timer of an operator without timers, the side output of one without a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Never {}

impl Describe for Never {
    fn schema() -> Schema {
        Schema::Scalar("Never".to_string())
    }
}

impl Data for Never {}
