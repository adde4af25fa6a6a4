//! A loop: some of what is made of a keyed stream is fed back into it.
//!
//! What enters: a keyed stream, and the body, which says what is made of it. The stage that the body's first operator is becomes
//! the *head* of the loop. What the body feeds back goes over a local edge into a stage of its own, the *tail*, which is behind
//! all others of the body, and from there by key to the head: the only edge of a graph that leads to an earlier stage.
//!
//! **It can't deadlock**: the tail can always be driven, because what it can't send waits there, however much it is; without
//! the edge back the graph has no loops. The price is that nothing bounds what goes round but the body. A bound could only stop
//! the head, whose input is what makes room; and to move what is over it to a disk would only hide a loop that never ends.
//! Instead the head reads what comes back before what is new, and the log says when there is much.

use std::cell::RefCell;
use std::rc::Rc;

use crate::chain::{Head, LocalEdge, UntimedHead};
use crate::error::Error;
use crate::exchange::partition::KeyAccess;
use crate::job::builder::{LocalStream, Stream};
use crate::job::keyed_stream::{Inputs, KeyedStream};
use crate::state::Data;

impl<'j, K: 'j, T: Data, A: KeyAccess<T, Key = K>, I: Inputs<T>> KeyedStream<'j, K, T, A, I> {
    /// Feeds some of what is made of this stream back into it. The body is given the stream with everything that is fed back,
    /// and returns what is to be fed back, and what goes on: one stream, or several.
    ///
    /// The first operator of the body is told of both alike. What is fed back finds its subtask by the key of this stream.
    /// Records go round until the body feeds nothing back any more: whatever bounds that (a value that only falls, a number of
    /// rounds in the record) is the body's own. On bounded input the job ends when nothing goes round any more.
    ///
    /// **Event time** does not go round: a record that is fed back carries its own, and event time at the operator comes from
    /// the stream alone; so it may be late. The end of time, which fires every timer that is left and closes every window, comes
    /// when nothing goes round any more.
    ///
    /// **Snapshots** have what goes round at the barrier, as records in flight; it is taken back at a restore, at another
    /// parallelism, too. So have savepoints, and the last snapshot of a job that is stopped.
    ///
    /// What goes round waits in memory, if the operators of the loop do not keep up, and nothing but the body bounds it. The log
    /// has a warning when it is a million records in one subtask.
    ///
    /// Flink's `DataStream.iterate()` and `closeWith`, which 2.0 no longer has. It lost what was in flight at a failure, and ended
    /// after a time without records.
    ///
    /// ```
    /// use tidegate::prelude::*;
    /// use tidegate::testing::TestJob;
    ///
    /// #[event]
    /// #[derive(Clone)]
    /// struct Number { start: u64, now: u64, steps: u32 }
    ///
    /// #[state(key = u64)]
    /// #[derive(Default)]
    /// struct Nothing {}
    ///
    /// /// The Collatz sequence: how many steps are there to 1?
    /// struct Step;
    ///
    /// #[operator]
    /// impl Step {
    ///     fn on_event(
    ///         &self,
    ///         number: Number,
    ///         _nothing: &mut Nothing,
    ///         out: &mut impl Emit<Number>,
    ///         side: &mut impl Emit<String>,
    ///     ) {
    ///         let Number { start, now, steps } = number;
    ///         match now {
    ///             1 => side.emit(format!("{start}: {steps} steps")),
    ///             _ if now % 2 == 0 => out.emit(Number { start, now: now / 2, steps: steps + 1 }),
    ///             _ => out.emit(Number { start, now: 3 * now + 1, steps: steps + 1 }),
    ///         }
    ///     }
    /// }
    ///
    /// # fn main() -> Result<()> {
    /// let steps = Collect::new();
    /// TestJob::new("collatz", |job| {
    ///     let numbers = vec![6, 7, 1].into_iter().map(|start| Number { start, now: start, steps: 0 });
    ///     job.source("numbers", Memory::of(numbers.collect()))
    ///         .key_by(|number| number.start)
    ///         .iterate(|numbers| numbers.process_with_side("step", Step))
    ///         .sink("steps", steps.clone());
    ///     Ok(())
    /// })?
    /// .run()?;
    /// let mut steps = steps.take();
    /// steps.sort();
    /// assert_eq!(steps, ["1: 0 steps", "6: 8 steps", "7: 16 steps"]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn iterate<R, G: Head<Out = T>>(
        self,
        body: impl FnOnce(Looped<'j, K, T, A, I>) -> (Stream<'j, T, G>, R),
    ) -> R {
        let KeyedStream { job, access, inputs, key } = self;
        let way_back = Rc::new(RefCell::new(None));
        let inputs = WithFeedback { inputs, way_back: Rc::clone(&way_back) };
        let (feedback, results) = body(KeyedStream { job, access, inputs, key });
        job.step(feedback.stage, "feedback", "");
        let (edge, tail) = job.local_stage(feedback.stage, "feedback");
        feedback.end(move || LocalEdge::new(edge));
        match way_back.take() {
            Some(close) => close(tail),
            None => {
                tail.discard();
                job.mistake(
                    Error::usage("the body of an iteration does not work on the stream that it is given")
                        .hint("begin it with an operator: `.iterate(|records| records.process_with_side(\"name\", operator))`"),
                );
            }
        }
        results
    }
}

/// What the body of an [iteration](KeyedStream::iterate) is given.
pub type Looped<'j, K, T, A, I> = KeyedStream<'j, K, T, A, WithFeedback<'j, T, I>>;

/// Streams that end in front of an exchange, and one that is made of theirs.
pub struct WithFeedback<'j, T, I> {
    inputs: I,
    /// Known as soon as the streams have a stage to lead to.
    way_back: Rc<RefCell<Option<WayBack<'j, T>>>>,
}

/// Ends the stream that is fed back in an edge to the head.
type WayBack<'j, T> = Box<dyn FnOnce(LocalStream<'j, T>) + 'j>;

impl<'j, T: Data, I: Inputs<T>> Inputs<T> for WithFeedback<'j, T, I> {
    fn wire<U, A, F>(self, to: usize, label: &str, access: A, wrap: F)
    where
        U: Data,
        A: KeyAccess<U>,
        F: Fn(T) -> U + Clone + Send + Sync + 'static,
    {
        self.inputs.wire(to, label, access.clone(), wrap.clone());
        let close = move |tail: LocalStream<'j, T>| {
            tail.then(UntimedHead::new).wire(to, "feedback", access, wrap);
        };
        self.way_back.replace(Some(Box::new(close)));
    }
}
