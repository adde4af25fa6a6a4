//! An operator that does with its state whatever the record says, and tells what it saw.

use tidegate::prelude::*;

/// Everything that an operator can keep for a key.
#[state(key = u64)]
#[derive(Default)]
pub struct Kept {
    count: i64,
    note: Option<String>,
    timers: Vec<TimerId>,
    #[state(ttl = "40ms")]
    fresh: Map<String, i64>,
    #[state(unbounded)]
    forever: Map<String, i64>,
    #[state(max = 3)]
    recent: List<i64>,
    #[state(ttl = "60ms", time = "event", refresh = "read-and-write", max = 4)]
    window: List<i64>,
    #[state(ttl = "50ms", refresh = "read-and-write")]
    last: Value<i64>,
    #[state(ttl = "30ms", time = "uptime")]
    awake: Value<i64>,
    #[state(ttl = "70ms", time = "event")]
    total: Reducing<Sum>,
}

#[event]
#[derive(Clone, Copy, Debug)]
pub struct Sum(pub i64);

impl Reduce for Sum {
    fn reduce(&mut self, other: Sum) {
        self.0 = self.0.wrapping_mul(3).wrapping_add(other.0);
    }
}

/// One of the two maps.
#[event]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfMap {
    Fresh,
    Forever,
}

/// One of the two lists.
#[event]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfList {
    Recent,
    Window,
}

/// One of the two values.
#[event]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfValue {
    Last,
    Awake,
}

/// Something that an operator can do with its state.
#[event]
#[derive(Clone, Debug)]
pub enum Op {
    Count(i64),
    Note(Option<String>),
    MapGet(OfMap, u8),
    MapInsert(OfMap, u8, i64),
    MapAdd(OfMap, u8, i64),
    MapGetMut(OfMap, u8, i64),
    MapRemove(OfMap, u8),
    MapContains(OfMap, u8),
    MapLen(OfMap),
    MapAll(OfMap),
    MapRetain(OfMap, i64),
    MapClear(OfMap),
    MapReplace(OfMap, u8, i64),
    MapTakeAndPutBack(OfMap, u8, i64),
    MapCopy(OfMap),
    MapSwap,
    ListPush(OfList, i64),
    ListPopFront(OfList),
    ListGet(OfList, u8),
    ListGetMut(OfList, u8, i64),
    ListLast(OfList),
    ListLen(OfList),
    ListAll(OfList),
    ListRetain(OfList, i64),
    ListClear(OfList),
    ListReplace(OfList, i64),
    ListSwap,
    ValueGet(OfValue),
    ValueSet(OfValue, i64),
    ValueAdd(OfValue, i64),
    ValueTake(OfValue),
    ValueReplace(OfValue, i64),
    ValueSwap,
    Reduce(i64),
    Reduced,
    ReducedTake,
    /// In event time or in processing time, so many ms from now, carrying this.
    SetTimer {
        event: bool,
        after: i64,
        mark: u8,
    },
    CancelTimer(u8),
    Reset,
    ClearState,
}

impl Op {
    /// Looks at everything.
    pub fn all() -> Vec<Op> {
        let mut ops = vec![Op::Count(0), Op::Note(None)];
        for map in [OfMap::Fresh, OfMap::Forever] {
            ops.extend([Op::MapLen(map), Op::MapAll(map)]);
        }
        for list in [OfList::Recent, OfList::Window] {
            ops.extend([Op::ListLen(list), Op::ListAll(list)]);
        }
        ops.extend([Op::ValueGet(OfValue::Last), Op::ValueGet(OfValue::Awake), Op::Reduced]);
        ops
    }
}

/// How many keys there are.
pub const KEYS: u64 = 5;

#[event]
#[derive(Clone, Debug)]
pub struct Visit {
    pub key: u64,
    /// How long after the watermark it happens, in ms; or when, in a whole job.
    pub at: i64,
    pub ops: Vec<Op>,
}

/// What a timer carries.
#[event]
pub struct Mark(pub u8);

/// What the operator saw.
#[event]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub key: u64,
    /// When a timer fired: what it was set for.
    pub due: Option<i64>,
    pub event_time: i64,
    pub watermark: i64,
    pub processing_time: i64,
    pub saw: Vec<String>,
}

/// Some keys of the maps are long: their bytes lie elsewhere.
pub fn map_key(key: u8) -> String {
    "k".repeat(usize::from(key) * 6)
}

/// A timer with such a mark sets another one.
pub fn sets_another(mark: u8) -> bool {
    mark % 4 == 3
}

pub struct Everything;

#[operator]
impl Everything {
    fn on_event(&self, visit: Visit, kept: &mut Kept, cx: &mut Context<Self>, out: &mut impl Emit<Seen>) {
        let saw = visit.ops.into_iter().map(|op| kept.act(op, cx)).collect();
        out.emit(seen(cx, None, saw));
    }

    fn on_timer(&self, mark: Mark, kept: &mut Kept, cx: &mut Context<Self>, out: &mut impl Emit<Seen>) {
        let Mark(mark) = mark;
        kept.count += 1;
        // At the end of the input, a visit can't know how far event time has come.
        if cx.watermark() < EventTime::MAX {
            kept.window.push(i64::from(mark));
            kept.total.add(Sum(i64::from(mark)));
            kept.forever.insert(map_key(mark % 6), i64::from(mark));
            if sets_another(mark) {
                cx.set_timer(cx.event_time() + millis(7), Mark(mark - 1));
            }
        }
        let saw = vec![format!("timer {mark}, count {}", kept.count)];
        out.emit(seen(cx, Some(cx.event_time()), saw));
    }
}

fn seen(cx: &Context<'_, Everything>, due: Option<EventTime>, saw: Vec<String>) -> Seen {
    Seen {
        key: *cx.key(),
        due: due.map(EventTime::as_millis),
        event_time: cx.event_time().as_millis(),
        watermark: cx.watermark().as_millis(),
        processing_time: cx.processing_time().as_millis(),
        saw,
    }
}

impl Kept {
    fn map(&mut self, map: OfMap) -> &mut Map<String, i64> {
        match map {
            OfMap::Fresh => &mut self.fresh,
            OfMap::Forever => &mut self.forever,
        }
    }

    fn list(&mut self, list: OfList) -> &mut List<i64> {
        match list {
            OfList::Recent => &mut self.recent,
            OfList::Window => &mut self.window,
        }
    }

    fn value(&mut self, value: OfValue) -> &mut Value<i64> {
        match value {
            OfValue::Last => &mut self.last,
            OfValue::Awake => &mut self.awake,
        }
    }

    /// Does it, and tells what was seen.
    fn act(&mut self, op: Op, cx: &mut Context<'_, Everything>) -> String {
        let shown = format!("{op:?}");
        let saw: String = match op {
            Op::Count(n) => {
                self.count += n;
                format!("{}", self.count)
            }
            Op::Note(note) => format!("{:?}", std::mem::replace(&mut self.note, note)),
            Op::MapGet(map, key) => format!("{:?}", self.map(map).get(map_key(key).as_str())),
            Op::MapInsert(map, key, n) => format!("{:?}", self.map(map).insert(map_key(key), n)),
            Op::MapAdd(map, key, n) => {
                let value = self.map(map).get_or_default(map_key(key));
                *value += n;
                format!("{value}")
            }
            Op::MapGetMut(map, key, n) => {
                let value = self.map(map).get_mut(map_key(key).as_str());
                format!("{:?}", value.map(|value| std::mem::replace(value, n)))
            }
            Op::MapRemove(map, key) => format!("{:?}", self.map(map).remove(map_key(key).as_str())),
            Op::MapContains(map, key) => format!("{}", self.map(map).contains_key(map_key(key).as_str())),
            Op::MapLen(map) => format!("{}", self.map(map).len()),
            Op::MapAll(map) => {
                let map = self.map(map);
                // A map has no order that means anything.
                let mut all: Vec<_> = map.iter().map(|(key, value)| (key.len(), *value)).collect();
                all.sort_unstable();
                format!("{all:?}")
            }
            Op::MapRetain(map, n) => {
                self.map(map).retain(|_, value| value % 3 != n % 3);
                String::new()
            }
            Op::MapClear(map) => {
                self.map(map).clear();
                String::new()
            }
            Op::MapReplace(map, key, n) => {
                let old = std::mem::replace(self.map(map), Map::from([(map_key(key), n)]));
                drop(old);
                String::new()
            }
            Op::MapTakeAndPutBack(map, key, n) => {
                let mut taken = std::mem::take(self.map(map));
                taken.insert(map_key(key), n);
                *self.map(map) = taken;
                String::new()
            }
            Op::MapCopy(map) => {
                let other = if map == OfMap::Fresh { OfMap::Forever } else { OfMap::Fresh };
                let copy = self.map(map).clone();
                *self.map(other) = copy;
                String::new()
            }
            Op::MapSwap => {
                std::mem::swap(&mut self.fresh, &mut self.forever);
                String::new()
            }
            Op::ListPush(list, n) => {
                self.list(list).push(n);
                String::new()
            }
            Op::ListPopFront(list) => format!("{:?}", self.list(list).pop_front()),
            Op::ListGet(list, place) => format!("{:?}", self.list(list).get(place.into())),
            Op::ListGetMut(list, place, n) => {
                let value = self.list(list).get_mut(place.into());
                format!("{:?}", value.map(|value| std::mem::replace(value, n)))
            }
            Op::ListLast(list) => format!("{:?}", self.list(list).last()),
            Op::ListLen(list) => format!("{}", self.list(list).len()),
            Op::ListAll(list) => format!("{:?}", self.list(list).iter().collect::<Vec<_>>()),
            Op::ListRetain(list, n) => {
                self.list(list).retain(|value| value % 3 != n % 3);
                String::new()
            }
            Op::ListClear(list) => {
                self.list(list).clear();
                String::new()
            }
            Op::ListReplace(list, n) => {
                *self.list(list) = List::from([n, n + 1, n + 2, n + 3, n + 4]);
                String::new()
            }
            Op::ListSwap => {
                std::mem::swap(&mut self.recent, &mut self.window);
                String::new()
            }
            Op::ValueGet(value) => format!("{:?}", self.value(value).get()),
            Op::ValueSet(value, n) => {
                self.value(value).set(n);
                String::new()
            }
            Op::ValueAdd(value, n) => {
                let value = self.value(value).get_or_default();
                *value += n;
                format!("{value}")
            }
            Op::ValueTake(value) => format!("{:?}", self.value(value).take()),
            Op::ValueReplace(value, n) => {
                *self.value(value) = Value::from(n);
                String::new()
            }
            Op::ValueSwap => {
                std::mem::swap(&mut self.last, &mut self.awake);
                String::new()
            }
            Op::Reduce(n) => {
                self.total.add(Sum(n));
                String::new()
            }
            Op::Reduced => format!("{:?}", self.total.get().map(|sum| sum.0)),
            Op::ReducedTake => format!("{:?}", self.total.take().map(|sum| sum.0)),
            Op::SetTimer { event: true, after, mark } => {
                let at = EventTime::from_millis(cx.event_time().as_millis() + after);
                self.timers.push(cx.set_timer(at, Mark(mark)));
                String::new()
            }
            Op::SetTimer { event: false, after, mark } => {
                let at = EventTime::from_millis(cx.processing_time().as_millis() + after);
                self.timers.push(cx.set_processing_timer(at, Mark(mark)));
                String::new()
            }
            Op::CancelTimer(_) if self.timers.is_empty() => "no timer".to_string(),
            Op::CancelTimer(place) => {
                let id = self.timers.remove(usize::from(place) % self.timers.len());
                format!("{} {}", id.due().as_millis(), cx.cancel_timer(id))
            }
            Op::Reset => {
                *self = Kept::default();
                String::new()
            }
            Op::ClearState => {
                cx.clear_state();
                String::new()
            }
        };
        format!("{shown}: {saw}")
    }
}
