//! `event_time`: gives records their event time, and makes watermarks of it.
//!
//! After every batch the step says how far event time has come by the [`Watermarks`], per split of the source, and whether
//! its splits have fallen silent. A watermark that a record carries goes on at once, before the next record. Watermarks and
//! statuses from before it end here, but for the last watermark: it closes the stream.
//!
//! In a [batch](Mode::Batch) the last watermark is the only one, and no split waits for another.

use std::sync::Arc;

use super::{Head, LocalEdge, Signal, Step};
use crate::error::{Error, Result};
use crate::outbox::{EdgeIndex, Outbox};
use crate::record::WatermarkStatus;
use crate::source::{Hold, Observed, SplitId, SplitPosition, SplitWatermarks, WatermarkStrategy, Watermarks};
use crate::task::event_time::{EventTimeBoard, Gauge};
use crate::task::mode::Mode;
use crate::task::stage::{Stage, StageContext};
use crate::time::{Clock, EventTime};

struct AssignEventTime<T, F, S: WatermarkStrategy<T>, U, N> {
    time_of: F,
    declared: Watermarks<S>,
    watermarks: SplitWatermarks<T, S>,
    /// Whose entry it is in a snapshot.
    owner: String,
    /// What has been said to the steps behind.
    emitted: EventTime,
    status: WatermarkStatus,
    /// What they put out at watermarks in the midst of a batch.
    held: Outbox,
    /// What went wrong there. It is reported at the next signal.
    failed: Option<Error>,
    /// There from `Open` on.
    working: Option<Working>,
    uncounted: U,
    next: N,
}

/// What an open step works with.
struct Working {
    stage: String,
    mode: Mode,
    clock: Clock,
    board: Arc<EventTimeBoard>,
    gauge: Arc<Gauge>,
}

/// What becomes of records whose event time does not count.
pub trait Uncounted<T>: 'static {
    /// Takes such a record, or gives it back: then it goes on.
    fn take(&mut self, value: T, at: EventTime) -> Option<T>;

    /// Takes what is rarer than a record.
    ///
    /// # Errors
    /// As [`Step::signal`].
    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()>;

    /// What becomes of them, in words.
    const FATE: &'static str;
}

/// They go on as they are.
#[derive(Clone, Copy)]
pub struct KeepUncounted;

impl<T> Uncounted<T> for KeepUncounted {
    fn take(&mut self, value: T, _at: EventTime) -> Option<T> {
        Some(value)
    }

    fn signal(&mut self, _signal: &mut Signal<'_>, _out: &mut Outbox) -> Result<()> {
        Ok(())
    }

    const FATE: &'static str = "it goes on with that time and does not move the watermark";
}

impl<T: Send + 'static> Uncounted<T> for LocalEdge<T> {
    fn take(&mut self, value: T, at: EventTime) -> Option<T> {
        self.push(value, at);
        None
    }

    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        Step::signal(self, signal, out)
    }

    const FATE: &'static str = "it goes to the rejects";
}

/// They leave over this edge.
#[derive(Clone, Copy)]
pub struct RejectUncounted(pub(crate) EdgeIndex);

/// How the end for records with a time that does not count is made.
pub trait ForUncounted<T>: Send + Sync + 'static {
    /// That end.
    type End: Uncounted<T>;

    /// Makes it.
    fn end(&self) -> Self::End;
}

impl<T> ForUncounted<T> for KeepUncounted {
    type End = KeepUncounted;

    fn end(&self) -> KeepUncounted {
        KeepUncounted
    }
}

impl<T: Send + 'static> ForUncounted<T> for RejectUncounted {
    type End = LocalEdge<T>;

    fn end(&self) -> LocalEdge<T> {
        LocalEdge::new(self.0)
    }
}

impl<T: 'static, F, S: WatermarkStrategy<T>, U: Uncounted<T>, N: Step<T>> AssignEventTime<T, F, S, U, N> {
    fn open(&mut self, cx: &StageContext) {
        // Which times count is asked of the clock before the first record.
        self.watermarks.settle(cx.clock.monotonic(), cx.clock.now());
        let gauge = cx.event_time.join(&cx.stage, self.declared.alignment.map(|alignment| alignment.group));
        if cx.splits.iter().any(|split| matches!(split.from, SplitPosition::At(_))) {
            // It reads soon: the others wait for its first word.
            gauge.set(EventTime::MIN, WatermarkStatus::Active, EventTime::MIN);
        }
        self.working = Some(Working {
            stage: cx.stage.clone(),
            mode: cx.mode,
            clock: cx.clock.clone(),
            board: Arc::clone(&cx.event_time),
            gauge,
        });
    }

    /// Says to the steps behind how far event time has come, if that is news.
    fn say(&mut self, watermark: EventTime, status: WatermarkStatus, out: &mut Outbox) -> Result<()> {
        if watermark < EventTime::MAX && self.is_batch() {
            return Ok(());
        }
        if status == WatermarkStatus::Active {
            self.change(status, out)?;
        }
        if watermark > self.emitted {
            self.emitted = watermark;
            self.signal_all(&mut Signal::Watermark(watermark), out)?;
        }
        self.change(status, out)
    }

    fn is_batch(&self) -> bool {
        self.working.as_ref().is_some_and(|working| working.mode == Mode::Batch)
    }

    fn change(&mut self, status: WatermarkStatus, out: &mut Outbox) -> Result<()> {
        if status == self.status {
            return Ok(());
        }
        self.status = status;
        self.signal_all(&mut Signal::Status(status), out)
    }

    fn signal_all(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        self.uncounted.signal(signal, out)?;
        self.next.signal(signal, out)
    }

    /// A record has carried a watermark: it goes on before the next record.
    #[cold]
    fn say_at_once(&mut self) {
        let mut held = std::mem::take(&mut self.held);
        if let Err(error) = self.say(self.watermarks.current(), self.watermarks.status(), &mut held) {
            self.failed.get_or_insert(error);
        }
        self.held = held;
    }

    /// A batch has ended.
    fn settle(&mut self, out: &mut Outbox) -> Result<()> {
        if let Some(Working { clock, gauge, board, stage, mode }) = &self.working {
            self.watermarks.settle(clock.monotonic(), clock.now());
            let (watermark, status) = (self.watermarks.current(), self.watermarks.status());
            if self.emitted < EventTime::MAX {
                gauge.set(watermark, status, self.watermarks.pace());
            }
            if *mode == Mode::Streaming
                && let Some(hold) = self.watermarks.hold(board.greatest())
            {
                tracing::warn!("{}", hold_in_words(stage, &hold));
            }
        }
        self.say(self.watermarks.current(), self.watermarks.status(), out)
    }

    fn must_wait(&mut self, split: &SplitId) -> bool {
        let watermark = self.watermarks.ask(split);
        match (self.declared.alignment, &self.working) {
            (Some(alignment), Some(Working { board, mode: Mode::Streaming, .. })) => {
                watermark > board.pace(alignment.group) + alignment.max_drift
            }
            _ => false,
        }
    }

    #[cold]
    fn push_uncounted(&mut self, value: T, at: EventTime) {
        if let Some(Working { gauge, board, stage, .. }) = &self.working {
            gauge.add_uncounted();
            if board.is_news(&format!("uncounted in {stage}")) {
                tracing::warn!("{}", uncounted_in_words(stage, at, U::FATE));
            }
        }
        if let Some(value) = self.uncounted.take(value, at) {
            self.next.push(value, at);
        }
    }
}

/// What is said of a split that holds event time back.
fn hold_in_words(stage: &str, Hold { split, silent, watermark }: &Hold) -> String {
    let split = match split.0.as_str() {
        "" => "the input".to_string(),
        split => format!("split {split}"),
    };
    let silent = silent.as_secs();
    format!(
        "{split} of {stage:?} has been idle for {silent} s and holds event time back at {watermark}; declare an idle \
         timeout: `Watermarks::bounded(..).idle_after(..)`"
    )
}

/// What is said of a record whose event time does not count.
fn uncounted_in_words(stage: &str, at: EventTime, fate: &str) -> String {
    let what = match at {
        EventTime::MIN => "has no event time".to_string(),
        // The most common reason of all: 1.7 * 10^15 microseconds are a time of our days.
        at if at.as_millis() > 500_000_000_000_000 => {
            format!("has the event time {at}, which may be in micro- or nanoseconds")
        }
        at => format!("has the event time {at}"),
    };
    format!("a record of {stage:?} {what}: {fate}; others like it are only counted, in the summary")
}

impl<T, F, S, U, N> Step<T> for AssignEventTime<T, F, S, U, N>
where
    T: 'static,
    F: Fn(&T) -> EventTime + 'static,
    S: WatermarkStrategy<T>,
    U: Uncounted<T>,
    N: Step<T>,
{
    #[inline]
    fn push(&mut self, value: T, _at: EventTime) {
        let at = (self.time_of)(&value);
        match self.watermarks.observe(&value, at) {
            Observed::Counted => self.next.push(value, at),
            Observed::Changed => {
                self.next.push(value, at);
                self.say_at_once();
            }
            Observed::Uncounted => self.push_uncounted(value, at),
        }
    }

    fn signal(&mut self, signal: &mut Signal<'_>, out: &mut Outbox) -> Result<()> {
        if !self.held.is_empty() {
            out.append(&mut self.held);
        }
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        match signal {
            Signal::Watermark(EventTime::MAX) => {
                if let Some(Working { gauge, .. }) = &self.working {
                    gauge.end();
                }
                return self.say(EventTime::MAX, WatermarkStatus::Active, out);
            }
            Signal::Watermark(_) | Signal::Status(_) => return Ok(()),
            Signal::Ask(split, waits) => **waits |= self.must_wait(split),
            Signal::Split(split) => self.watermarks.begin(split),
            Signal::SplitEnd(split) => self.watermarks.end(split),
            Signal::Flush(_) if self.emitted < EventTime::MAX => self.settle(out)?,
            Signal::Barrier(_, snapshot) => {
                for (split, kept) in self.watermarks.entries() {
                    snapshot.put(&self.owner, &split.0, kept)?;
                }
            }
            Signal::Restore(state) => {
                for entry in state.entries(&self.owner) {
                    let kept = serde_json::from_value(entry.value.clone())?;
                    self.watermarks.restore(&SplitId(entry.item.clone()), kept);
                }
            }
            Signal::Open(cx) => self.open(cx),
            Signal::Flush(_) | Signal::Commit(_) => {}
        }
        self.signal_all(signal, out)
    }
}

/// Whose the entries of a step are in a snapshot, of a stage that has so many such steps in front of it.
pub(crate) fn owner(stage: &str, earlier: usize) -> String {
    let number = if earlier == 0 { String::new() } else { format!(" {}", earlier + 1) };
    format!("watermarks {stage}{number}")
}

/// A chain that ends, so far, in an `event_time`.
pub struct EventTimeHead<H, F, S, U> {
    head: H,
    time_of: F,
    watermarks: Watermarks<S>,
    owner: String,
    uncounted: U,
}

impl<H, F, S, U> EventTimeHead<H, F, S, U> {
    pub(crate) fn new(head: H, time_of: F, watermarks: Watermarks<S>, owner: String, uncounted: U) -> Self {
        EventTimeHead { head, time_of, watermarks, owner, uncounted }
    }
}

impl<H, F, S, U> Head for EventTimeHead<H, F, S, U>
where
    H: Head,
    F: Fn(&H::Out) -> EventTime + Clone + Send + Sync + 'static,
    S: WatermarkStrategy<H::Out>,
    U: ForUncounted<H::Out>,
{
    type Out = H::Out;

    fn build<N: Step<H::Out>>(&self, next: N) -> Box<dyn Stage> {
        self.head.build(AssignEventTime {
            time_of: self.time_of.clone(),
            declared: self.watermarks.clone(),
            watermarks: SplitWatermarks::new(self.watermarks.clone()),
            owner: self.owner.clone(),
            emitted: EventTime::MIN,
            status: WatermarkStatus::Active,
            held: Outbox::default(),
            failed: None,
            working: None,
            uncounted: self.uncounted.end(),
            next,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::secs;

    #[test]
    fn a_hold_is_said_with_what_to_declare() {
        let hold =
            |split: &str, watermark| Hold { split: SplitId(split.to_string()), silent: secs(40), watermark };
        let declare = "declare an idle timeout: `Watermarks::bounded(..).idle_after(..)`";
        assert_eq!(
            hold_in_words("orders", &hold("3", EventTime::from_millis(0))),
            format!(
                "split 3 of \"orders\" has been idle for 40 s and holds event time back at 1970-01-01T00:00:00.000Z; {declare}"
            )
        );
        let text = hold_in_words("orders/union", &hold("", EventTime::MIN));
        assert!(text.starts_with("the input of \"orders/union\" has been idle for 40 s"), "{text}");
        assert!(text.contains("back at the beginning of time;"), "{text}");
    }

    #[test]
    fn of_a_time_that_does_not_count_is_said_what_becomes_of_its_record() {
        let text = |at| {
            uncounted_in_words("orders", EventTime::from_millis(at), <KeepUncounted as Uncounted<u8>>::FATE)
        };
        let fate = "it goes on with that time and does not move the watermark; others like it are only counted, in the summary";
        assert_eq!(
            text(253_402_300_799_999),
            format!("a record of \"orders\" has the event time 9999-12-31T23:59:59.999Z: {fate}")
        );
        assert!(text(1_700_000_000_000_000).contains("may be in micro- or nanoseconds"));
        assert!(text(i64::MIN).starts_with("a record of \"orders\" has no event time: "));
    }
}
