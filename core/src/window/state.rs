//! What is remembered of a key: its slices, or its windows.
//!
//! A row has one time at most in either kind of time: the earliest moment at which anything is due for any of its windows. It may
//! come too early, because a session has become longer meanwhile; it is set anew then. So neither a record that is in a known window
//! nor one that makes a session longer has to look for it. In event time the row just says when it is [due](State::due), and its
//! table comes to it; in processing time a timer waits for it.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::event;
use crate::key::Key;
use crate::operator::{Context, Operator, TimerId};
use crate::state::{Data, Describe, Field, State, StateSchema, state_of_any_key};
use crate::time::EventTime;
use crate::window::slices::Slices;
use crate::window::trigger::{Wanted, WindowTimer, WindowTimers};

/// No time at which a row is due.
const NEVER: EventTime = EventTime::MIN;
/// What is due before is due then.
const FIRST: EventTime = EventTime::from_millis(i64::MIN + 1);

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
    /// When it is due in event time; [`NEVER`] if it is not. In snapshots it stands as the timer that there was instead.
    #[serde(rename = "event_time", with = "as_timer")]
    due: EventTime,
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
            && (self.due == NEVER || self.due > at)
        {
            self.due = at.max(FIRST);
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

    /// What was due is looked at.
    pub(crate) fn woken(&mut self, wake: Wake) {
        match wake {
            Wake::EventTime => self.due = NEVER,
            Wake::ProcessingTime => self.processing_time = None,
        }
    }

    /// Nothing is due any more.
    pub(crate) fn sleep<O: Operator<Timer = Wake>>(&mut self, cx: &mut Context<'_, O>) {
        self.due = NEVER;
        if let Some(timer) = self.processing_time.take() {
            cx.cancel_timer(*timer);
        }
    }
}

/// When a row is due, as an `Option<TimerId>`.
mod as_timer {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::NEVER;
    use crate::operator::TimerId;
    use crate::time::EventTime;

    pub fn serialize<S: Serializer>(due: &EventTime, serializer: S) -> Result<S::Ok, S::Error> {
        (*due != NEVER).then(|| TimerId::in_event_time(*due)).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EventTime, D::Error> {
        Ok(Option::<TimerId>::deserialize(deserializer)?.map_or(NEVER, TimerId::due))
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
            due: NEVER,
            processing_time: None,
            key: PhantomData,
        }
    }

    #[inline]
    fn due(&self) -> Option<EventTime> {
        (self.due != NEVER).then_some(self.due)
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
