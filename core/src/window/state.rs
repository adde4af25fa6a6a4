//! What is remembered of a key: its slices, or its windows.
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
use crate::window::open::{OpenWindow, OpenWindows};
use crate::window::slices::Slices;
use crate::window::trigger::{Wanted, WindowTimer};

/// No time at which a row is due.
const NEVER: EventTime = EventTime::MIN;
/// What is due before is due then.
const FIRST: EventTime = EventTime::from_millis(i64::MIN + 1);

/// What a window operator remembers of a key. There may be very many, so what few have lies elsewhere.
#[derive(Deserialize)]
#[serde(
    from = "Stored<W, Acc, S>",
    bound(deserialize = "W: Deserialize<'de>, Acc: Deserialize<'de>, S: Deserialize<'de>")
)]
pub struct WindowState<K, W, Acc, S> {
    /// Of windows that are cut into slices.
    pub(crate) slices: Slices<Acc>,
    each: Option<Box<Each<W, Acc, S>>>,
    /// How many records there were since the row was empty.
    pub(crate) arrivals: u64,
    /// When it is due in event time; [`NEVER`] if it is not.
    due: EventTime,
    key: PhantomData<fn() -> K>,
}

/// What is remembered of windows that are kept each for itself, or are windows of the clock.
struct Each<W, Acc, S> {
    windows: OpenWindows<W, Acc, S>,
    processing_time: Option<TimerId>,
}

impl<W, Acc, S> Default for Each<W, Acc, S> {
    fn default() -> Each<W, Acc, S> {
        Each { windows: OpenWindows::None, processing_time: None }
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

impl<K, W: Serialize, Acc: Serialize, S: Serialize> Serialize for WindowState<K, W, Acc, S> {
    #[inline]
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        let stored = Stored::<W, Acc, S, _, _> {
            slices: &self.slices,
            windows: self.windows(),
            arrivals: self.arrivals,
            event_time: (self.due != NEVER).then(|| TimerId::in_event_time(self.due)),
            processing_time: self.processing_time(),
            of: PhantomData,
        };
        stored.serialize(serializer)
    }
}

impl<K, W, Acc, S> From<Stored<W, Acc, S>> for WindowState<K, W, Acc, S> {
    fn from(stored: Stored<W, Acc, S>) -> WindowState<K, W, Acc, S> {
        let Stored { slices, windows, arrivals, event_time, processing_time, .. } = stored;
        let is_needed = !windows.as_slice().is_empty() || processing_time.is_some();
        WindowState {
            slices,
            each: is_needed.then(|| Box::new(Each { windows, processing_time })),
            arrivals,
            due: event_time.map_or(NEVER, TimerId::due),
            key: PhantomData,
        }
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
    /// The windows that are kept each for itself, in their order.
    #[inline]
    pub(crate) fn windows(&self) -> &[OpenWindow<W, Acc, S>] {
        self.each.as_ref().map_or(&[], |each| each.windows.as_slice())
    }

    /// The same, to be changed.
    #[inline]
    pub(crate) fn windows_mut(&mut self) -> &mut OpenWindows<W, Acc, S> {
        &mut self.each.get_or_insert_default().windows
    }

    /// The only one of these, if there is just one.
    #[inline]
    pub(crate) fn only_window(&mut self) -> Option<&mut OpenWindow<W, Acc, S>> {
        match &mut self.each.as_mut()?.windows {
            OpenWindows::One(window) => Some(window),
            OpenWindows::None | OpenWindows::Several(_) => None,
        }
    }

    fn processing_time(&self) -> Option<TimerId> {
        self.each.as_ref().and_then(|each| each.processing_time)
    }

    /// Has the operator look at the key when the first of these times has come.
    #[inline]
    pub(crate) fn wake_by<O: Operator<Timer = Wake>>(&mut self, wanted: &Wanted, cx: &mut Context<'_, O>) {
        if let Some(at) = wanted.event_time
            && (self.due == NEVER || self.due > at)
        {
            self.due = at.max(FIRST);
        }
        if let Some(at) = wanted.processing_time
            && self.processing_time().is_none_or(|timer| timer.due() > at)
        {
            let waiting = &mut self.each.get_or_insert_default().processing_time;
            if let Some(later) = waiting.take() {
                cx.cancel_timer(later);
            }
            *waiting = Some(cx.set_new_processing_timer(at, Wake::ProcessingTime));
        }
    }

    /// What was due is looked at.
    pub(crate) fn woken(&mut self, wake: Wake) {
        match wake {
            Wake::EventTime => self.due = NEVER,
            Wake::ProcessingTime => drop(self.each.as_mut().and_then(|each| each.processing_time.take())),
        }
    }

    /// Nothing is due any more.
    pub(crate) fn sleep<O: Operator<Timer = Wake>>(&mut self, cx: &mut Context<'_, O>) {
        self.due = NEVER;
        if let Some(timer) = self.each.as_mut().and_then(|each| each.processing_time.take()) {
            cx.cancel_timer(timer);
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
impl<K: Key, W: Data, Acc: Data, S: Data> State for WindowState<K, W, Acc, S> {
    type Key = K;

    fn initial() -> Self {
        WindowState { slices: Slices::default(), each: None, arrivals: 0, due: NEVER, key: PhantomData }
    }

    #[inline]
    fn due(&self) -> Option<EventTime> {
        (self.due != NEVER).then_some(self.due)
    }

    #[inline]
    fn look(&self) -> u8 {
        self.slices.look() ^ self.each.as_ref().map_or(0, |each| touch(each.windows.as_slice()))
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
