//! From worker to worker: records go to the subtask that owns their key or, if they are broadcast, to all; watermarks and
//! barriers to all.
//!
//! On the sending side [`partition`] or [`mod@broadcast`] ends a chain and gathers records per target; the [`output_gate`] sends what the stage
//! put out. On the receiving side the [`input_gate`] reads all channels in turn, lets [`align`] hold back those that are
//! past a barrier, and has [`merge_watermarks`] say how far event time has come. A [`channel`] is bounded and never blocks:
//! a stage whose output is not sent is not driven, and as later stages are driven first, the last one can always go on.

pub(crate) mod align;
pub(crate) mod broadcast;
pub(crate) mod channel;
pub(crate) mod input_gate;
pub(crate) mod merge_watermarks;
pub(crate) mod output_gate;
pub(crate) mod partition;
