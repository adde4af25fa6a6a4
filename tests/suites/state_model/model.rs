//! What an operator must see, from the definitions alone: plain collections, each value with the time of its last refresh.
//!
//! - A value has expired when the time of its last refresh plus the TTL has been reached. It is never seen again.
//! - It is refreshed when it is written; with `read-and-write` when it is read, too. A refresh never makes it older.
//! - By event time, now is the watermark, and what is written is refreshed at the record's event time, if that is later.
//! - What the operator has put into a field in place of another is, until the operator returns, what it was before: it
//!   expires as its own field does, and not at all if it is new. Then it is written anew, as this field's.
//! - A list with a `max` keeps the newest.

use std::collections::BTreeMap;

use super::operator::{OfList, OfMap, OfValue, Op, Seen, Visit, map_key, sets_another};

const BEGINNING: i64 = i64::MIN;
const END: i64 = i64::MAX;

/// What time it is.
#[derive(Clone, Debug)]
pub struct Times {
    pub watermark: i64,
    pub processing: i64,
    /// For how long the job has run.
    uptime: i64,
    /// The event time of the record or timer.
    record: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Time {
    Event,
    Processing,
    Uptime,
}

/// A field whose values expire, or are rows of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Fresh,
    Forever,
    Recent,
    Window,
    Last,
    Awake,
    Total,
}

impl Field {
    const ALL: [Field; 7] =
        [Field::Fresh, Field::Forever, Field::Recent, Field::Window, Field::Last, Field::Awake, Field::Total];

    /// The TTL in ms, and by which time.
    fn ttl(self) -> Option<(i64, Time)> {
        match self {
            Field::Fresh => Some((40, Time::Processing)),
            Field::Window => Some((60, Time::Event)),
            Field::Last => Some((50, Time::Processing)),
            Field::Awake => Some((30, Time::Uptime)),
            Field::Total => Some((70, Time::Event)),
            Field::Forever | Field::Recent => None,
        }
    }

    fn is_refreshed_by_reading(self) -> bool {
        matches!(self, Field::Window | Field::Last)
    }

    fn max(self) -> Option<usize> {
        match self {
            Field::Recent => Some(3),
            Field::Window => Some(4),
            _ => None,
        }
    }
}

impl Times {
    fn now(&self, time: Time) -> i64 {
        match time {
            Time::Event => self.watermark,
            Time::Processing => self.processing,
            Time::Uptime => self.uptime,
        }
    }

    /// When what is written now is refreshed.
    fn write(&self, time: Time) -> i64 {
        match time {
            Time::Event => self.watermark.max(self.record),
            _ => self.now(time),
        }
    }
}

/// What is in a field: a map's entries in the order of their keys, a list's elements, the one value or none.
#[derive(Clone, Debug)]
struct Container {
    /// The field that it is in since the operator has returned from some visit; none if it is new.
    field: Option<Field>,
    items: Vec<Item>,
}

#[derive(Clone, Debug)]
struct Item {
    key: String,
    value: i64,
    refreshed: i64,
}

impl Container {
    fn new(values: impl IntoIterator<Item = (String, i64)>) -> Container {
        let item = |(key, value)| Item { key, value, refreshed: BEGINNING };
        Container { field: None, items: values.into_iter().map(item).collect() }
    }

    fn write_time(&self, times: &Times) -> i64 {
        self.field.and_then(Field::ttl).map_or(BEGINNING, |(_, time)| times.write(time))
    }

    /// What has expired is gone.
    fn expire(&mut self, times: &Times) {
        if let Some((lasts, time)) = self.field.and_then(Field::ttl) {
            self.items.retain(|item| item.refreshed.saturating_add(lasts) > times.now(time));
        }
    }

    fn keep_newest(&mut self) {
        let max = self.field.and_then(Field::max).unwrap_or(usize::MAX);
        self.items.drain(..self.items.len().saturating_sub(max));
    }

    /// The operator has returned, and has left it in `field`.
    fn settle(&mut self, field: Field, times: &Times) {
        if self.field != Some(field) {
            self.expire(times);
            self.field = Some(field);
            let write = self.write_time(times);
            self.items.iter_mut().for_each(|item| item.refreshed = write);
            self.keep_newest();
        }
    }

    fn place(&self, key: &str) -> Option<usize> {
        self.items.iter().position(|item| item.key == key)
    }

    fn read(&mut self, place: usize, times: &Times) -> Option<i64> {
        let write = self.write_time(times);
        let refreshes = self.field.is_some_and(Field::is_refreshed_by_reading);
        let item = self.items.get_mut(place)?;
        if refreshes {
            item.refreshed = item.refreshed.max(write);
        }
        Some(item.value)
    }

    fn read_all(&mut self, times: &Times) -> Vec<(usize, i64)> {
        let all = 0..self.items.len();
        all.filter_map(|place| Some((self.items[place].key.len(), self.read(place, times)?))).collect()
    }

    /// Writes the value at `place`; the one it had.
    fn write(&mut self, place: usize, value: impl FnOnce(i64) -> i64, times: &Times) -> Option<i64> {
        let write = self.write_time(times);
        let item = self.items.get_mut(place)?;
        item.refreshed = item.refreshed.max(write);
        let old = item.value;
        item.value = value(old);
        Some(old)
    }

    fn insert(&mut self, key: String, value: i64, times: &Times) -> Option<i64> {
        if let Some(place) = self.place(&key) {
            return self.write(place, |_| value, times);
        }
        let place = self.items.iter().take_while(|item| item.key.len() < key.len()).count();
        self.items.insert(place, Item { key, value, refreshed: self.write_time(times) });
        None
    }

    fn push(&mut self, value: i64, times: &Times) {
        self.items.push(Item { key: String::new(), value, refreshed: self.write_time(times) });
        self.keep_newest();
    }

    fn retain(&mut self, n: i64, times: &Times) {
        self.read_all(times);
        self.items.retain(|item| item.value % 3 != n % 3);
    }

    fn remove(&mut self, place: Option<usize>) -> Option<i64> {
        let place = place.filter(|place| *place < self.items.len())?;
        Some(self.items.remove(place).value)
    }
}

/// What is kept for a key.
#[derive(Clone, Debug)]
struct Kept {
    count: i64,
    note: Option<String>,
    timers: Vec<TimerName>,
    fields: [Container; 7],
}

/// When a timer is due, and which one it was in the order of setting. It is in event time if `event`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TimerName {
    event: bool,
    at: i64,
    number: u64,
}

impl Default for Kept {
    fn default() -> Kept {
        let fields = Field::ALL.map(|_| Container::new([]));
        Kept { count: 0, note: None, timers: Vec::new(), fields }
    }
}

impl Kept {
    /// A key that has no state yet.
    fn initial() -> Kept {
        let mut kept = Kept::default();
        kept.fields.iter_mut().zip(Field::ALL).for_each(|(container, field)| container.field = Some(field));
        kept
    }

    fn of(&mut self, field: Field, times: &Times) -> &mut Container {
        let container = &mut self.fields[field as usize];
        container.expire(times);
        container
    }
}

impl From<OfMap> for Field {
    fn from(map: OfMap) -> Field {
        if map == OfMap::Fresh { Field::Fresh } else { Field::Forever }
    }
}

impl From<OfList> for Field {
    fn from(list: OfList) -> Field {
        if list == OfList::Recent { Field::Recent } else { Field::Window }
    }
}

impl From<OfValue> for Field {
    fn from(value: OfValue) -> Field {
        if value == OfValue::Last { Field::Last } else { Field::Awake }
    }
}

/// All that an operator keeps.
#[derive(Clone, Debug)]
pub struct Model {
    pub times: Times,
    keys: BTreeMap<u64, Kept>,
    /// The timers that wait: their keys and marks.
    timers: BTreeMap<u64, BTreeMap<TimerName, u8>>,
    numbers: u64,
}

impl Default for Model {
    fn default() -> Model {
        let times = Times { watermark: BEGINNING, processing: 0, uptime: 0, record: BEGINNING };
        Model { times, keys: BTreeMap::new(), timers: BTreeMap::new(), numbers: 0 }
    }
}

impl Model {
    /// What a snapshot had when this was the model, in a process that starts at `processing`.
    pub fn restored_at(mut self, processing: i64) -> Model {
        self.times.processing = processing;
        self
    }

    /// The visit with its event time, which it has after or before the watermark.
    pub fn timed(&self, visit: &Visit) -> (Visit, i64) {
        (visit.clone(), self.times.watermark.max(0) + visit.at)
    }

    pub fn watermark_after(&self, by: u8) -> i64 {
        self.times.watermark.max(0) + i64::from(by)
    }

    /// A visit at event time `at`: what the operator must see.
    pub fn visit(&mut self, visit: &Visit, at: i64) -> Seen {
        self.times.record = at;
        let mut kept = self.keys.remove(&visit.key).unwrap_or_else(Kept::initial);
        let mut cleared = false;
        let saw = visit.ops.iter().map(|op| self.act(&mut kept, op, visit.key, &mut cleared)).collect();
        self.put_back(visit.key, kept, cleared);
        self.seen(visit.key, None, saw)
    }

    fn put_back(&mut self, key: u64, mut kept: Kept, cleared: bool) {
        if !cleared {
            for (container, field) in kept.fields.iter_mut().zip(Field::ALL) {
                container.settle(field, &self.times);
            }
            self.keys.insert(key, kept);
        }
    }

    fn seen(&self, key: u64, due: Option<i64>, saw: Vec<String>) -> Seen {
        Seen {
            key,
            due,
            event_time: self.times.record,
            watermark: self.times.watermark,
            processing_time: self.times.processing,
            saw,
        }
    }

    pub fn advance_watermark(&mut self, to: i64, expected: &mut Vec<Seen>) {
        if to > self.times.watermark {
            self.times.watermark = to;
            self.fire(true, to, expected);
        }
    }

    pub fn advance_processing_time(&mut self, to: i64, expected: &mut Vec<Seen>) {
        self.times.uptime += to - self.times.processing;
        self.times.processing = to;
        self.fire(false, to, expected);
    }

    fn fire(&mut self, event: bool, now: i64, expected: &mut Vec<Seen>) {
        let keys: Vec<u64> = self.timers.keys().copied().collect();
        for key in keys {
            while let Some(at) = self.next_due(key, event, now) {
                expected.push(self.fire_next(key, event, at).expect("it is due"));
            }
        }
    }

    /// When the next timer of a key is due that is due now.
    fn next_due(&self, key: u64, event: bool, now: i64) -> Option<i64> {
        let mut timers = self.timers.get(&key)?.keys();
        timers.find(|timer| timer.event == event && timer.at <= now).map(|timer| timer.at)
    }

    /// The next timer of a key fires, if it was set for `at`: what the operator must see.
    pub fn fire_next(&mut self, key: u64, event: bool, at: i64) -> Option<Seen> {
        let timers = self.timers.get_mut(&key)?;
        let name = *timers.keys().find(|timer| timer.event == event)?;
        let mark = timers.remove(&name).filter(|_| name.at == at)?;
        let mut kept = self.keys.remove(&key).unwrap_or_else(Kept::initial);
        kept.count += 1;
        if self.times.watermark < END {
            self.times.record = if event { at } else { BEGINNING };
            let (times, n) = (self.times.clone(), i64::from(mark));
            kept.of(Field::Window, &times).push(n, &times);
            reduce(kept.of(Field::Total, &times), n, &times);
            kept.of(Field::Forever, &times).insert(map_key(mark % 6), n, &times);
            if sets_another(mark) {
                self.set_timer(key, true, at + 7, mark - 1);
            }
        }
        let saw = vec![format!("timer {mark}, count {}", kept.count)];
        self.put_back(key, kept, false);
        let mut seen = self.seen(key, Some(at), saw);
        seen.event_time = at;
        Some(seen)
    }

    /// A timer of a key fires that was set for `at`, the first one in its time; in which time is not known.
    pub fn fire_any(&mut self, key: u64, at: i64, saw: &[String]) -> Option<Seen> {
        [true, false].into_iter().find_map(|event| {
            let before = self.clone();
            let seen = self.fire_next(key, event, at);
            match seen {
                Some(seen) if seen.saw == saw => Some(seen),
                _ => {
                    *self = before;
                    None
                }
            }
        })
    }

    /// A timer that waits already is not set a second time.
    fn set_timer(&mut self, key: u64, event: bool, at: i64, mark: u8) -> TimerName {
        let mut timers = self.timers.entry(key).or_default().iter();
        let same = |(name, set): &(&TimerName, &u8)| name.event == event && name.at == at && **set == mark;
        if let Some((same, _)) = timers.find(same) {
            return *same;
        }
        self.numbers += 1;
        let name = TimerName { event, at, number: self.numbers };
        self.timers.entry(key).or_default().insert(name, mark);
        name
    }

    /// Whether a timer waits in event time.
    pub fn awaits_event_time(&self) -> bool {
        self.timers.values().any(|timers| timers.keys().any(|timer| timer.event))
    }

    /// Does it, and tells what must be seen.
    fn act(&mut self, kept: &mut Kept, op: &Op, key: u64, cleared: &mut bool) -> String {
        let times = self.times.clone();
        let times = &times;
        let nothing = String::new;
        let saw = match op {
            Op::Count(n) => {
                kept.count += n;
                format!("{}", kept.count)
            }
            Op::Note(note) => format!("{:?}", std::mem::replace(&mut kept.note, note.clone())),
            Op::MapGet(map, at) => {
                let map = kept.of((*map).into(), times);
                format!("{:?}", map.place(&map_key(*at)).and_then(|place| map.read(place, times)))
            }
            Op::MapInsert(map, at, n) => {
                format!("{:?}", kept.of((*map).into(), times).insert(map_key(*at), *n, times))
            }
            Op::MapAdd(map, at, n) => {
                let map = kept.of((*map).into(), times);
                let old = map.place(&map_key(*at)).map_or(0, |place| map.items[place].value);
                map.insert(map_key(*at), old + n, times);
                format!("{}", old + n)
            }
            Op::MapGetMut(map, at, n) => {
                let map = kept.of((*map).into(), times);
                format!("{:?}", map.place(&map_key(*at)).and_then(|place| map.write(place, |_| *n, times)))
            }
            Op::MapRemove(map, at) => {
                let map = kept.of((*map).into(), times);
                format!("{:?}", map.remove(map.place(&map_key(*at))))
            }
            Op::MapContains(map, at) => {
                format!("{}", kept.of((*map).into(), times).place(&map_key(*at)).is_some())
            }
            Op::MapLen(map) => format!("{}", kept.of((*map).into(), times).items.len()),
            Op::MapAll(map) => format!("{:?}", kept.of((*map).into(), times).read_all(times)),
            Op::MapRetain(map, n) => {
                kept.of((*map).into(), times).retain(*n, times);
                nothing()
            }
            Op::MapClear(map) => {
                kept.of((*map).into(), times).items.clear();
                nothing()
            }
            Op::MapReplace(map, at, n) => {
                *kept.of((*map).into(), times) = Container::new([(map_key(*at), *n)]);
                nothing()
            }
            Op::MapTakeAndPutBack(map, at, n) => {
                kept.of((*map).into(), times).insert(map_key(*at), *n, times);
                nothing()
            }
            Op::MapCopy(map) => {
                let other = if *map == OfMap::Fresh { Field::Forever } else { Field::Fresh };
                let items = kept.of((*map).into(), times).items.clone();
                *kept.of(other, times) = Container::new(items.into_iter().map(|item| (item.key, item.value)));
                nothing()
            }
            Op::MapSwap => {
                kept.fields.swap(Field::Fresh as usize, Field::Forever as usize);
                nothing()
            }
            Op::ListPush(list, n) => {
                kept.of((*list).into(), times).push(*n, times);
                nothing()
            }
            Op::ListPopFront(list) => format!("{:?}", kept.of((*list).into(), times).remove(Some(0))),
            Op::ListGet(list, place) => {
                format!("{:?}", kept.of((*list).into(), times).read(usize::from(*place), times))
            }
            Op::ListGetMut(list, place, n) => {
                let list = kept.of((*list).into(), times);
                format!("{:?}", list.write(usize::from(*place), |_| *n, times))
            }
            Op::ListLast(list) => {
                let list = kept.of((*list).into(), times);
                let last = list.items.len().checked_sub(1);
                format!("{:?}", last.and_then(|last| list.read(last, times)))
            }
            Op::ListLen(list) => format!("{}", kept.of((*list).into(), times).items.len()),
            Op::ListAll(list) => {
                let all = kept.of((*list).into(), times).read_all(times);
                format!("{:?}", all.into_iter().map(|(_, value)| value).collect::<Vec<_>>())
            }
            Op::ListRetain(list, n) => {
                kept.of((*list).into(), times).retain(*n, times);
                nothing()
            }
            Op::ListClear(list) => {
                kept.of((*list).into(), times).items.clear();
                nothing()
            }
            Op::ListReplace(list, n) => {
                let values = (*n..n + 5).map(|n| (String::new(), n));
                *kept.of((*list).into(), times) = Container::new(values);
                nothing()
            }
            Op::ListSwap => {
                kept.fields.swap(Field::Recent as usize, Field::Window as usize);
                nothing()
            }
            Op::ValueGet(value) => format!("{:?}", kept.of((*value).into(), times).read(0, times)),
            Op::ValueSet(value, n) => {
                kept.of((*value).into(), times).insert(String::new(), *n, times);
                nothing()
            }
            Op::ValueAdd(value, n) => {
                let value = kept.of((*value).into(), times);
                let old = value.items.first().map_or(0, |item| item.value);
                value.insert(String::new(), old + n, times);
                format!("{}", old + n)
            }
            Op::ValueTake(value) => format!("{:?}", kept.of((*value).into(), times).remove(Some(0))),
            Op::ValueReplace(value, n) => {
                *kept.of((*value).into(), times) = Container::new([(String::new(), *n)]);
                nothing()
            }
            Op::ValueSwap => {
                kept.fields.swap(Field::Last as usize, Field::Awake as usize);
                nothing()
            }
            Op::Reduce(n) => {
                reduce(kept.of(Field::Total, times), *n, times);
                nothing()
            }
            Op::Reduced => format!("{:?}", kept.of(Field::Total, times).read(0, times)),
            Op::ReducedTake => format!("{:?}", kept.of(Field::Total, times).remove(Some(0))),
            Op::SetTimer { event, after, mark } => {
                let now = if *event { times.record } else { times.processing };
                let name = self.set_timer(key, *event, now + after, *mark);
                kept.timers.push(name);
                nothing()
            }
            Op::CancelTimer(_) if kept.timers.is_empty() => "no timer".to_string(),
            Op::CancelTimer(place) => {
                let name = kept.timers.remove(usize::from(*place) % kept.timers.len());
                let was_waiting =
                    self.timers.get_mut(&key).is_some_and(|timers| timers.remove(&name).is_some());
                format!("{} {was_waiting}", name.at)
            }
            Op::Reset => {
                *kept = Kept::default();
                nothing()
            }
            Op::ClearState => {
                *cleared = true;
                nothing()
            }
        };
        format!("{op:?}: {saw}")
    }
}

fn reduce(total: &mut Container, n: i64, times: &Times) {
    let old = total.items.first().map(|item| item.value);
    total.insert(String::new(), old.map_or(n, |old| old.wrapping_mul(3).wrapping_add(n)), times);
}
