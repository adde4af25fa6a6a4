//! What is remembered of a key: its slices, its only window, or its windows.
//!
//! A row has one time at most in either kind of time: the earliest moment at which anything is due for any of its windows. It may
//! come too early, because a session has become longer meanwhile; it is set anew then. So neither a record that is in a known window
//! nor one that makes a session longer has to look for it. In event time the row just says when it is [due](State::due), and its
//! table comes to it; in processing time a timer waits for it.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize, Serializer};

use crate::event;
use crate::key::Key;
use crate::operator::{Context, Operator, TimerId};
use crate::state::touch::touch;
use crate::state::{Data, Describe, Field, State, StateSchema, state_of_any_key};
use crate::time::EventTime;
use crate::window::Window;
use crate::window::lone::{LoneWindow, Told};
use crate::window::open::{OpenWindow, OpenWindows};
use crate::window::slices::Slices;
use crate::window::trigger::{Wanted, WindowTimer};

/// No time at which a row is due.
const NEVER: EventTime = EventTime::MIN;
/// What is due before is due then.
const FIRST: EventTime = EventTime::from_millis(i64::MIN + 1);

/// What a window operator remembers of a key. There may be very many, so what few have lies elsewhere.
///
/// In this order: what every record needs lies in front of the accumulators, however large those are.
#[repr(C)]
#[derive(Deserialize)]
#[serde(
    from = "Stored<W, Acc, S>",
    bound(deserialize = "W: Deserialize<'de>, Acc: Deserialize<'de>, S: Deserialize<'de>")
)]
pub struct WindowState<K, W, Acc, S> {
    /// When it is due in event time; [`NEVER`] if it is not.
    due: EventTime,
    /// How many records there were since the row was empty.
    pub(crate) arrivals: u64,
    kept: Kept<W, Acc, S>,
    key: PhantomData<fn() -> K>,
}

/// What is kept of records.
enum Kept<W, Acc, S> {
    /// Of windows that are cut into slices.
    Slices(Slices<Acc>),
    Lone(LoneWindow<W, Acc>),
    /// Anything else, or several of these.
    Each(Box<Each<W, Acc, S>>),
}

struct Each<W, Acc, S> {
    slices: Slices<Acc>,
    windows: OpenWindows<W, Acc, S>,
    processing_time: Option<TimerId>,
}

impl<W, Acc, S> Default for Each<W, Acc, S> {
    fn default() -> Each<W, Acc, S> {
        Each { slices: Slices::default(), windows: OpenWindows::None, processing_time: None }
    }
}

impl<W, Acc, S> Default for Kept<W, Acc, S> {
    fn default() -> Kept<W, Acc, S> {
        Kept::Slices(Slices::default())
    }
}

/// A row in snapshots and in the store.
#[derive(Serialize, Deserialize)]
struct Stored<W, Acc, S, Sliced = Slices<Acc>, Open = OpenWindows<W, Acc, S>> {
    slices: Sliced,
    windows: Open,
    arrivals: u64,
    /// When it is due. There was a timer instead, once.
    event_time: Option<TimerId>,
    processing_time: Option<TimerId>,
    #[serde(skip)]
    of: PhantomData<(W, Acc, S)>,
}

impl<K, W: Window, Acc: Serialize, S: Serialize + Default> Serialize for WindowState<K, W, Acc, S> {
    #[inline]
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        match &self.kept {
            Kept::Slices(slices) => {
                self.stored(slices, &OpenWindows::<W, Acc, S>::None).serialize(serializer)
            }
            Kept::Lone(lone) => {
                self.stored(&Slices::<Acc>::default(), Told(lone, PhantomData::<S>)).serialize(serializer)
            }
            Kept::Each(each) => self.stored(&each.slices, &each.windows).serialize(serializer),
        }
    }
}

impl<K, W, Acc, S> From<Stored<W, Acc, S>> for WindowState<K, W, Acc, S> {
    fn from(stored: Stored<W, Acc, S>) -> WindowState<K, W, Acc, S> {
        let Stored { slices, windows, arrivals, event_time, processing_time, .. } = stored;
        let kept = match windows.as_slice().is_empty() && processing_time.is_none() {
            true => Kept::Slices(slices),
            false => Kept::Each(Box::new(Each { slices, windows, processing_time })),
        };
        WindowState { kept, arrivals, due: event_time.map_or(NEVER, TimerId::due), key: PhantomData }
    }
}

/// A key is to be looked at, for something is due.
#[event(crate = crate)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// In event time.
    EventTime,
    /// In processing time.
    ProcessingTime,
}

impl<K, W, Acc, S> WindowState<K, W, Acc, S> {
    fn stored<Sliced, Open>(&self, slices: Sliced, windows: Open) -> Stored<W, Acc, S, Sliced, Open> {
        Stored {
            slices,
            windows,
            arrivals: self.arrivals,
            event_time: (self.due != NEVER).then(|| TimerId::in_event_time(self.due)),
            processing_time: self.processing_time(),
            of: PhantomData,
        }
    }

    /// Whether there is neither a slice nor a window.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        match &self.kept {
            Kept::Slices(slices) => slices.is_empty(),
            Kept::Lone(_) => false,
            Kept::Each(each) => each.slices.is_empty() && each.windows.as_slice().is_empty(),
        }
    }

    /// Whether there are slices.
    #[inline]
    pub(crate) fn has_slices(&self) -> bool {
        match &self.kept {
            Kept::Slices(slices) => !slices.is_empty(),
            Kept::Lone(_) => false,
            Kept::Each(each) => !each.slices.is_empty(),
        }
    }

    /// One more record, of the newest slice, if that begins at `start`: what is kept of it, and how many came before.
    #[inline]
    pub(crate) fn one_more_from(&mut self, start: i64) -> Option<(&mut Acc, u64)> {
        let slices = match &mut self.kept {
            Kept::Slices(slices) => slices,
            Kept::Lone(_) => return None,
            Kept::Each(each) => &mut each.slices,
        };
        let acc = slices.newest_from(start)?;
        self.arrivals += 1;
        Some((acc, self.arrivals - 1))
    }

    /// The only window, if it is a [`LoneWindow`].
    #[inline]
    pub(crate) fn lone(&self) -> Option<&LoneWindow<W, Acc>> {
        if let Kept::Lone(lone) = &self.kept { Some(lone) } else { None }
    }

    /// Takes it.
    #[inline]
    pub(crate) fn take_lone(&mut self) -> Option<LoneWindow<W, Acc>> {
        match std::mem::take(&mut self.kept) {
            Kept::Lone(lone) => Some(lone),
            others => {
                self.kept = others;
                None
            }
        }
    }

    /// The windows that are kept each for itself, in their order. A lone one is not among them.
    #[inline]
    pub(crate) fn windows(&self) -> &[OpenWindow<W, Acc, S>] {
        if let Kept::Each(each) = &self.kept { each.windows.as_slice() } else { &[] }
    }

    fn processing_time(&self) -> Option<TimerId> {
        if let Kept::Each(each) = &self.kept { each.processing_time } else { None }
    }

    fn take_processing_time(&mut self) -> Option<TimerId> {
        if let Kept::Each(each) = &mut self.kept { each.processing_time.take() } else { None }
    }

    /// Has the operator look at the key when this time of event time has come, or before.
    #[inline]
    fn wake_at(&mut self, at: EventTime) {
        if self.due == NEVER || self.due > at {
            self.due = at.max(FIRST);
        }
    }

    /// What was due is looked at.
    #[inline]
    pub(crate) fn woken(&mut self, wake: Wake) {
        match wake {
            Wake::EventTime => self.due = NEVER,
            Wake::ProcessingTime => drop(self.take_processing_time()),
        }
    }

    /// Nothing is due any more.
    #[inline]
    pub(crate) fn sleep<O: Operator<Timer = Wake>>(&mut self, cx: &mut Context<'_, O>) {
        self.due = NEVER;
        if let Some(timer) = self.take_processing_time() {
            cx.cancel_timer(timer);
        }
    }
}

impl<K, W: Window, Acc, S: Default + PartialEq> WindowState<K, W, Acc, S> {
    /// What lies elsewhere, where everything has a place.
    fn each_mut(&mut self) -> &mut Each<W, Acc, S> {
        let each = match std::mem::take(&mut self.kept) {
            Kept::Slices(slices) => Box::new(Each { slices, ..Each::default() }),
            Kept::Lone(lone) => Box::new(Each { windows: OpenWindows::One(lone.open()), ..Each::default() }),
            Kept::Each(each) => each,
        };
        self.kept = Kept::Each(each);
        let Kept::Each(each) = &mut self.kept else { unreachable!("it has just been put there") };
        each
    }

    /// The slices, to add to them.
    #[inline]
    pub(crate) fn slices_mut(&mut self) -> &mut Slices<Acc> {
        match self.kept {
            Kept::Slices(ref mut slices) => slices,
            _ => &mut self.each_mut().slices,
        }
    }

    /// The windows, to be changed. A lone one is among them from here on.
    #[inline]
    pub(crate) fn windows_mut(&mut self) -> &mut OpenWindows<W, Acc, S> {
        &mut self.each_mut().windows
    }

    /// What is kept of the records of a lone window, when a record comes that is in this one: if there is none, it is the first; if
    /// there is one, it [goes on](LoneWindow::go_on).
    #[inline]
    pub(crate) fn lone_with(
        &mut self,
        window: &W,
        watermark: EventTime,
        create: impl FnOnce() -> Acc,
    ) -> Option<&mut Acc> {
        let last = window.max_timestamp();
        if last > watermark && self.is_empty() && self.processing_time().is_none() {
            self.kept = Kept::Lone(LoneWindow { window: window.clone(), contents: create() });
            self.wake_at(last);
            return if let Kept::Lone(lone) = &mut self.kept { Some(&mut lone.contents) } else { None };
        }
        if let Kept::Lone(lone) = &mut self.kept { lone.go_on(window, watermark) } else { None }
    }

    /// A window that is alone again lies in the row again.
    #[inline]
    pub(crate) fn settle(&mut self) {
        if let Kept::Each(each) = &mut self.kept
            && each.slices.is_empty()
            && each.processing_time.is_none()
            && let Some(lone) = LoneWindow::of(&mut each.windows)
        {
            self.kept = Kept::Lone(lone);
        }
    }

    /// Has the operator look at the key when the first of these times has come.
    #[inline]
    pub(crate) fn wake_by<O: Operator<Timer = Wake>>(&mut self, wanted: &Wanted, cx: &mut Context<'_, O>) {
        if let Some(at) = wanted.event_time {
            self.wake_at(at);
        }
        if let Some(at) = wanted.processing_time
            && self.processing_time().is_none_or(|timer| timer.due() > at)
        {
            if let Some(later) = self.take_processing_time() {
                cx.cancel_timer(later);
            }
            self.each_mut().processing_time = Some(cx.set_new_processing_timer(at, Wake::ProcessingTime));
        }
    }
}

impl Wake {
    /// The time of a timer that is of this kind.
    pub(crate) fn time_of(self, timer: WindowTimer) -> Option<EventTime> {
        match (self, timer) {
            (Wake::EventTime, WindowTimer::EventTime(at)) => Some(at),
            (Wake::ProcessingTime, WindowTimer::ProcessingTime(at)) => Some(at),
            _ => None,
        }
    }
}

#[diagnostic::do_not_recommend]
impl<K: Key, W: Window, Acc: Data, S: Data + Default> State for WindowState<K, W, Acc, S> {
    type Key = K;

    fn initial() -> Self {
        WindowState { kept: Kept::default(), arrivals: 0, due: NEVER, key: PhantomData }
    }

    #[inline]
    fn due(&self) -> Option<EventTime> {
        (self.due != NEVER).then_some(self.due)
    }

    #[inline]
    fn look(&self) -> u8 {
        match &self.kept {
            Kept::Slices(slices) => slices.look(),
            Kept::Lone(lone) if std::mem::needs_drop::<Acc>() => touch(&lone.contents),
            Kept::Lone(_) => 0,
            Kept::Each(each) => each.slices.look() ^ touch(each.windows.as_slice()),
        }
    }

    #[inline]
    fn look_whole(&self) -> u8 {
        match &self.kept {
            Kept::Slices(slices) => slices.look() ^ slices.look_at_older(),
            _ => self.look(),
        }
    }

    fn schema() -> StateSchema {
        StateSchema {
            name: "WindowState".to_string(),
            version: 1,
            key: K::schema(),
            fields: vec![
                Field::new("slices", <Slices<Acc>>::schema()),
                Field::of::<Vec<OpenWindow<W, Acc, S>>>("windows"),
                Field::of::<u64>("arrivals"),
                Field::of::<Option<TimerId>>("event_time"),
                Field::of::<Option<TimerId>>("processing_time"),
            ],
        }
    }
}

state_of_any_key!(WindowState<K, W, Acc, S>);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::TimeWindow;

    #[test]
    fn the_row_of_a_count_is_one_cache_line() {
        assert_eq!(size_of::<WindowState<u64, TimeWindow, u64, ()>>(), 64);
    }
}
