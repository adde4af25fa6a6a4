//! The attribute macros of Tidegate. Depend on `tidegate`, which re-exports and documents them in context.
//!
//! Every macro goes through the same stages, a module each: *parse* reads options and item into a model and notes what it
//! can't read; *validate* judges the model; *expand* writes the implementation that the user could have written by hand;
//! *fallback* takes its place if there was a mistake. The user's item is always re-emitted, so that a mistake in its
//! attribute does not make the item itself unknown, and the fallback satisfies the traits, so that its uses do not fail
//! in turn: one mistake, one error.
//!
//! What tokens can tell is judged here, in words that teach ([`diagnostics`]). What only types can tell is judged by
//! rustc: the expansion puts the user's tokens, with their spans, where a trait of the core is required.
//!
//! An attribute macro sees the derives *below* it: write `#[event]` first, `#[derive(..)]` after it.

mod diagnostics;
mod event;
mod job;
mod key;
mod krate;
mod operator;
mod options;
mod pattern;
mod state;
mod subject;
mod suggest;

#[cfg(test)]
mod golden;

use proc_macro::TokenStream;

/// Makes a struct or enum a record: it can cross an exchange and rest in a snapshot.
///
/// Implements serde's `Serialize` and `Deserialize` (unless a derive below does) and `Describe`.
///
/// - `#[event(time = field)]`: the field, an `EventTime`, says when the record happened.
/// - `#[event(opaque)]` on a field: its type is of another crate, serde can carry it, its shape is not recorded.
/// - `#[event(was = "..")]`, `#[event(was = ["..", ".."])]` on a field or variant: the names that it had before, by which
///   a snapshot may know it.
/// - `#[event(crate = path)]`: what the manifest calls the `tidegate` crate, if not that.
///
/// serde's own attributes (`#[serde(rename = "..")]`, `#[serde(tag = "..")]`, ...) work as usual in formats that people read, such as
/// JSON. In state and snapshots a record is its fields, one after another; `skip` alone leaves a field out there, too, and what
/// `with` makes of a field is opaque.
#[proc_macro_attribute]
pub fn event(options: TokenStream, item: TokenStream) -> TokenStream {
    event::run(options.into(), item.into()).into()
}

/// Makes a struct or enum a key: it can be given to `key_by` and named by `#[state(key = ..)]`.
///
/// Implements `Key`, all that `#[event]` does, and `Clone`, `PartialEq`, `Eq` and `Debug` unless a derive below does.
/// Every field must be a key itself.
///
/// - `#[key(was = "..")]` on a field or variant: the names that it had before.
/// - `#[key(crate = path)]`: what the manifest calls the `tidegate` crate, if not that.
#[proc_macro_attribute]
pub fn key(options: TokenStream, item: TokenStream) -> TokenStream {
    key::run(options.into(), item.into()).into()
}

/// Makes a struct the state that an operator keeps for every key of type `key`, in every subtask, or in all subtasks alike.
///
/// Implements `State`, serde's traits and `Describe`; `#[state(unkeyed)]` implements `UnkeyedState` and serde's traits,
/// `#[state(broadcast)]` `BroadcastState` and serde's traits. The struct must implement `Default`: that is where a new key or
/// a new subtask begins.
///
/// - `#[state(key = Type)]`: the type of the key.
/// - `#[state(unkeyed)]`: the state belongs to a subtask, of an operator that is marked `#[operator(unkeyed)]`. Its fields are
///   of type `DealtList` and `UnionList`.
/// - `#[state(broadcast)]`: the state is what every subtask knows from the records that are broadcast to it: `on_broadcast`
///   changes it, `on_event` and `on_timer` read it.
/// - `#[state(key = Type, name = "..")]`: the state's name in snapshots, if not the struct's.
/// - `#[state(key = Type, version = 2, from = OldState)]`: state of an older version is taken over by `impl From<OldState>`;
///   `OldState` is the struct as it was, marked `#[state(key = .., version = 1)]`. If its keys are of another type, then these
///   by their `From`, too. Without `version` a state has version 1.
/// - `#[state(name = "..")]` on a field: the field's name in snapshots, if not its own.
/// - `#[state(was = "..")]`, `#[state(was = ["..", ".."])]` on a field: the names that it had before.
/// - `#[state(opaque)]` on a field: its type is of another crate, serde can carry it, its shape is not recorded.
/// - `#[state(ttl = "7d")]` on a `Map`, `List`, `Value`, `Reducing` or `Aggregating`: a value (of a map or a list, each entry)
///   expires when it has not been refreshed for so long. With it may stand `time = "event"`, `"processing"` (the default) or
///   `"uptime"` (processing time, while the job runs), and `refresh = "write"` (the default) or `"read-and-write"`.
/// - `#[state(max = 100)]` on a `List`: it keeps the newest 100.
/// - `#[state(unbounded)]` on a `Map` or a `List` that has neither: it may grow for ever, which otherwise earns a warning.
/// - `#[state(crate = path)]`: what the manifest calls the `tidegate` crate, if not that.
#[proc_macro_attribute]
pub fn state(options: TokenStream, item: TokenStream) -> TokenStream {
    state::run(options.into(), item.into()).into()
}

/// Makes an operator of an `impl` block or a function.
///
/// On an `impl` block with `on_event` (and `on_timer`) it implements `Operator` for the type. After `&self` a method takes
/// the record (or what the timer carries) by value and then, in any order and told apart by their types: the state
/// `&mut Session`, `&mut Context<Self>`, the output `&mut impl Emit<Out>`, and a second `&mut impl Emit<Side>` for the side
/// output. Instead of an output it may return `Option<Out>` or `Out`. The block itself is left as it is, so the methods
/// can be called by tests, with a `Vec` to emit into.
///
/// On a function with a state it makes an operator named after the function, `count_visits` becoming `CountVisits`, beside
/// the function. On a function without state it checks that the function can be wired (`.map(f)`, `.try_map(f)`,
/// `.filter(f)`, `.flat_map(f)`) and adds nothing.
///
/// With a method `on_broadcast` it listens to a second stream, which every subtask is sent: the method takes the record by
/// value and, told apart by their types, the state `&mut Rates`, marked `#[state(broadcast)]`, `&UnkeyedContext` and the
/// outputs. The other two can then take `&Rates`.
///
/// - `#[operator(unkeyed)]`: the operator works on a stream without keys, with a state marked `#[state(unkeyed)]`. It
///   implements `UnkeyedOperator`. Besides `on_event` it can have `on_watermark`, `on_end` and `on_restore`; the context is
///   `&UnkeyedContext`.
/// - `#[operator(crate = path)]`: what the manifest calls the `tidegate` crate, if not that.
#[proc_macro_attribute]
pub fn operator(options: TokenStream, item: TokenStream) -> TokenStream {
    operator::run(options.into(), item.into()).into()
}

/// Makes a pattern of a function: its parameters are the steps, and it is given every match.
///
/// `#[pattern] fn card_theft(..)` makes a pattern called `CardTheft`, beside the function: `stream.key_by(..).pattern(CardTheft)
/// .matches("thefts")` is the stream of what the function returns. A parameter's type says how many events the step takes: `Payment` one,
/// `Option<Payment>` one or none, `Vec<Payment>` one or more, `[Payment; 3]` so many. A step that takes none, because
/// it says what must not come, is `_: ()`.
///
/// Every parameter is marked with how it follows the one before, and with which events it takes: a closure, or the name of a
/// function. The closure is given the event; earlier steps are there by their names, as `&Payment`, `Option<&Payment>` or
/// `Vec<&Payment>`, and of the step itself, if it is a `Vec`, what it has taken so far.
///
/// - `#[begin(|payment| ..)]`: the first step.
/// - `#[next(..)]`: the event directly behind; `#[followed_by(..)]`: the first that fits; `#[followed_by_any(..)]`: any that fits.
/// - `#[not_next(..)]`: the event directly behind must not be so; `#[not_followed_by(..)]`: none must be so before the next step.
/// - `#[times(2..=4)]`, `#[optional]`, `#[greedy]`, `#[consecutive]`, `#[combinations]`, `#[until(|payment| ..)]`: of a `Vec`.
///
/// Of the function:
///
/// - `#[pattern(within = "10m")]`: from the first event to the last less time than this passes.
/// - `#[pattern(skip = past_last)]`: what becomes of other matches when one is found; or `none`, `to_next`, `to_first(step)`,
///   `to_last(step)`.
/// - `#[pattern(crate = path)]`: what the manifest calls the `tidegate` crate, if not that.
#[proc_macro_attribute]
pub fn pattern(options: TokenStream, item: TokenStream) -> TokenStream {
    pattern::run(options.into(), item.into()).into()
}

/// Makes an executable of the function that wires a job: adds `main`.
///
/// The function takes `&Job` and, if it has flags of its own, a struct that derives clap's `Args`; it returns `Result<()>`.
/// The first paragraph of its documentation is what `--help` says.
///
/// - `#[job(name = "..")]`: the job's name, if not the function's in kebab-case.
/// - `#[job(crate = path)]`: what the manifest calls the `tidegate` crate, if not that.
#[proc_macro_attribute]
pub fn job(options: TokenStream, item: TokenStream) -> TokenStream {
    job::run(options.into(), item.into()).into()
}
