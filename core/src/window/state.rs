//! What is remembered of a key: its slices, or its windows.
//!
//! Of a key there is one timer at most for each kind of time: at the earliest moment at which anything is due for any of its
//! windows. It may come too early, because a session has become longer meanwhile; it is set anew then. So neither a record that
//! is in a known window nor one that makes a session longer has to look for timers.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::event;
use crate::key::Key;
use crate::operator::{Context, Operator, TimerId};
use crate::state::{Data, Describe, Field, State, StateSchema, state_of_any_key};
use crate::time::EventTime;
use crate::window::slices::Slices;
use crate::window::trigger::{Wanted, WindowTimer, WindowTimers};

/// What a window operator remembers of a key.
#[derive(Serialize, Deserialize)]
#[serde(bound(
    serialize = "W: Serialize, Acc: Serialize, S: Serialize",
    deserialize = "W: Deserialize<'de>, Acc: Deserialize<'de>, S: Deserialize<'de>"
))]
pub struct WindowState<K, W, Acc, S> {
    /// Of windows that are cut into slices.
    pub(crate) slices: Slices<Acc>,
    /// All others, in their order.
    pub(crate) windows: Vec<OpenWindow<W, Acc, S>>,
    /// How many records there were since the row was empty.
    pub(crate) arrivals: u64,
    event_time: Option<TimerId>,
    /// Elsewhere, for few windows need it and there may be very many rows.
    processing_time: Option<Box<TimerId>>,
    #[serde(skip)]
    key: PhantomData<fn() -> K>,
}

/// A window that is not over for good.
#[event(crate = crate)]
pub(crate) struct OpenWindow<W, Acc, S> {
    pub window: W,
    /// What is kept of its records; nothing if they were purged.
    pub contents: Option<Acc>,
    /// What its trigger remembers.
    pub trigger: S,
    /// When its trigger wants to be asked.
    pub timers: WindowTimers,
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
    /// Has the operator look at the key when the first of these times has come.
    #[inline]
    pub(crate) fn wake_by<O: Operator<Timer = Wake>>(&mut self, wanted: &Wanted, cx: &mut Context<'_, O>) {
        if let Some(at) = wanted.event_time
            && self.event_time.is_none_or(|timer| timer.due() > at)
        {
            if let Some(later) = self.event_time.take() {
                cx.cancel_timer(later);
            }
            self.event_time = Some(cx.set_new_timer(at, Wake::EventTime));
        }
        if let Some(at) = wanted.processing_time
            && self.processing_time.as_ref().is_none_or(|timer| timer.due() > at)
        {
            if let Some(later) = self.processing_time.take() {
                cx.cancel_timer(*later);
            }
            self.processing_time = Some(Box::new(cx.set_new_processing_timer(at, Wake::ProcessingTime)));
        }
    }

    /// The timer has fired.
    pub(crate) fn woken(&mut self, wake: Wake) {
        match wake {
            Wake::EventTime => self.event_time = None,
            Wake::ProcessingTime => self.processing_time = None,
        }
    }

    /// Nothing is due any more.
    pub(crate) fn sleep<O: Operator<Timer = Wake>>(&mut self, cx: &mut Context<'_, O>) {
        let processing_time = self.processing_time.take().map(|timer| *timer);
        for timer in self.event_time.take().into_iter().chain(processing_time) {
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
        WindowState {
            slices: Slices::default(),
            windows: Vec::new(),
            arrivals: 0,
            event_time: None,
            processing_time: None,
            key: PhantomData,
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
