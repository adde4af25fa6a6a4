//! What makes watermarks of the records of one split: the generators that there are, and the trait for those of your own.
//!
//! Enter: records with their event times, and a call every now and then. Leave, by [`WatermarkOutput`]: a watermark, that the
//! split is idle, that it is active again. Pure: a generator that needs a clock brings its own.

use std::marker::PhantomData;
use std::time::Duration;

use crate::record::WatermarkStatus;
use crate::time::{EventTime, millis};

/// How a watermark follows from the records of a stream: makes a [`WatermarkGenerator`] for every split. What
/// [`Watermarks`](super::Watermarks) offers implements it.
pub trait WatermarkStrategy<T>: Clone + Send + Sync + 'static {
    /// What watches one split.
    type Generator: WatermarkGenerator<T>;

    /// Begins to watch a split.
    fn generator(&self) -> Self::Generator;

    /// What it is, for plans: `out of order by up to 1m`.
    fn describe(&self) -> String;
}

/// Makes watermarks of the records of one split: Flink's `WatermarkGenerator`.
///
/// ```
/// use tidegate::prelude::*;
/// use tidegate::source::{WatermarkGenerator, WatermarkOutput};
///
/// /// The watermark follows the records by a tenth of the time that they have spanned so far.
/// #[derive(Default)]
/// struct Proportional { first: Option<EventTime>, last: EventTime }
///
/// impl<T> WatermarkGenerator<T> for Proportional {
///     fn on_event(&mut self, _event: &T, at: EventTime, _out: &mut WatermarkOutput) {
///         self.last = self.last.max(at);
///         self.first.get_or_insert(at);
///     }
///
///     fn on_periodic(&mut self, out: &mut WatermarkOutput) {
///         if let Some(first) = self.first {
///             out.emit(self.last - self.last.since(first) / 10 - millis(1));
///         }
///     }
/// }
///
/// let watermarks = Watermarks::custom(Proportional::default);
/// # fn used(job: &Job, watermarks: impl tidegate::source::WatermarkStrategy<u64>) {}
/// ```
pub trait WatermarkGenerator<T>: 'static {
    /// A record has come, which happened at `at`. A watermark that is given here goes on behind this record and before the
    /// next one.
    fn on_event(&mut self, event: &T, at: EventTime, out: &mut WatermarkOutput);

    /// Called after every batch of records, and again and again while none comes; not while the split is idle by
    /// [`idle_after`](super::Watermarks::idle_after).
    fn on_periodic(&mut self, out: &mut WatermarkOutput) {
        let _ = out;
    }

    /// What a snapshot is to keep of the generator, if anything. Of one that has nothing to keep the split's watermark is
    /// kept, and the split goes on from there. (Flink keeps neither.)
    fn keep(&self) -> Option<EventTime> {
        None
    }

    /// Takes back what [`keep`](WatermarkGenerator::keep) gave, before the first record.
    fn resume(&mut self, kept: EventTime) {
        let _ = kept;
    }
}

/// Takes what a generator says of its split.
#[derive(Debug, Default)]
pub struct WatermarkOutput {
    pub(super) watermark: Option<EventTime>,
    pub(super) status: Option<WatermarkStatus>,
}

impl WatermarkOutput {
    /// No record at or before `watermark` follows in this split, late ones excepted. It makes the split active. One that is
    /// not greater than the last changes nothing else.
    #[inline]
    pub fn emit(&mut self, watermark: EventTime) {
        self.watermark = self.watermark.max(Some(watermark));
        self.status = Some(WatermarkStatus::Active);
    }

    /// The split is idle until it gives a watermark or is marked active: event time does not wait for it.
    pub fn mark_idle(&mut self) {
        self.status = Some(WatermarkStatus::Idle);
    }

    /// The split is active, whether it has a new watermark or not.
    pub fn mark_active(&mut self) {
        self.status = Some(WatermarkStatus::Active);
    }

    /// Whether anything was said.
    #[inline]
    pub(super) fn has_spoken(&self) -> bool {
        self.status.is_some()
    }
}

/// [`Watermarks::bounded`](super::Watermarks::bounded) and [`monotonous`](super::Watermarks::monotonous).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoundedOutOfOrderness {
    pub(super) bound: Duration,
}

impl<T> WatermarkStrategy<T> for BoundedOutOfOrderness {
    type Generator = Greatest;

    fn generator(&self) -> Greatest {
        Greatest { behind: self.bound.saturating_add(millis(1)), greatest: EventTime::MIN }
    }

    fn describe(&self) -> String {
        match self.bound {
            Duration::ZERO => "monotonous".to_string(),
            bound => format!("out of order by up to {}", humantime::format_duration(bound)),
        }
    }
}

/// Follows the greatest event time at a distance.
#[derive(Debug)]
pub struct Greatest {
    /// The bound and 1 ms.
    behind: Duration,
    /// [`EventTime::MIN`] before the first record.
    greatest: EventTime,
}

impl<T> WatermarkGenerator<T> for Greatest {
    #[inline]
    fn on_event(&mut self, _event: &T, at: EventTime, _out: &mut WatermarkOutput) {
        self.greatest = self.greatest.max(at);
    }

    fn on_periodic(&mut self, out: &mut WatermarkOutput) {
        out.emit(self.greatest - self.behind);
    }

    fn keep(&self) -> Option<EventTime> {
        (self.greatest > EventTime::MIN).then_some(self.greatest)
    }

    fn resume(&mut self, kept: EventTime) {
        self.greatest = self.greatest.max(kept);
    }
}

/// [`Watermarks::punctuated`](super::Watermarks::punctuated).
#[derive(Clone, Copy, Debug)]
pub struct Punctuated<F> {
    pub(super) watermark_of: F,
}

impl<T, F> WatermarkStrategy<T> for Punctuated<F>
where
    F: Fn(&T) -> Option<EventTime> + Clone + Send + Sync + 'static,
{
    type Generator = Punctuated<F>;

    fn generator(&self) -> Punctuated<F> {
        self.clone()
    }

    fn describe(&self) -> String {
        "punctuated".to_string()
    }
}

impl<T, F: Fn(&T) -> Option<EventTime> + 'static> WatermarkGenerator<T> for Punctuated<F> {
    #[inline]
    fn on_event(&mut self, event: &T, _at: EventTime, out: &mut WatermarkOutput) {
        if let Some(watermark) = (self.watermark_of)(event) {
            out.emit(watermark);
        }
    }
}

/// [`Watermarks::custom`](super::Watermarks::custom).
pub struct Custom<F, G> {
    pub(super) make: F,
    pub(super) makes: PhantomData<fn() -> G>,
}

impl<F: Clone, G> Clone for Custom<F, G> {
    fn clone(&self) -> Custom<F, G> {
        Custom { make: self.make.clone(), makes: PhantomData }
    }
}

impl<T, F, G> WatermarkStrategy<T> for Custom<F, G>
where
    F: Fn() -> G + Clone + Send + Sync + 'static,
    G: WatermarkGenerator<T>,
{
    type Generator = G;

    fn generator(&self) -> G {
        (self.make)()
    }

    fn describe(&self) -> String {
        let name = std::any::type_name::<G>();
        let path = name.split_once('<').map_or(name, |(path, _)| path);
        format!("by {}", path.rsplit("::").next().unwrap_or(path))
    }
}

/// [`Watermarks::none`](super::Watermarks::none).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoWatermarks;

impl<T> WatermarkStrategy<T> for NoWatermarks {
    type Generator = NoWatermarks;

    fn generator(&self) -> NoWatermarks {
        NoWatermarks
    }

    fn describe(&self) -> String {
        "no watermark before the end".to_string()
    }
}

impl<T> WatermarkGenerator<T> for NoWatermarks {
    fn on_event(&mut self, _event: &T, _at: EventTime, _out: &mut WatermarkOutput) {}
}
