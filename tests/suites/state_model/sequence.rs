//! Sequences of what an operator does, and of what happens to it.

use proptest::collection::vec;
use proptest::prelude::*;

use super::operator::{KEYS, OfList, OfMap, OfValue, Op, Visit};

/// What can happen to the subtasks of an operator.
#[derive(Clone, Debug)]
pub enum Happening {
    /// Records come in one batch.
    Visits(Vec<Visit>),
    /// Event time advances by so many ms.
    Watermark(u8),
    /// Processing time does.
    Processing(u8),
    Barrier,
    /// A slice is encoded. If it was the last one, the snapshot becomes complete, or fails.
    Slice {
        fails: bool,
    },
    /// One of the runs that are on their way to the store arrives there.
    Landing,
    /// All of them do.
    Landed,
    Killed {
        parallelism: u32,
    },
}

pub fn sequences(length: usize) -> impl Strategy<Value = Vec<Happening>> {
    let happening = prop_oneof![
        24 => vec(visit(true), 1..4).prop_map(Happening::Visits),
        4 => (0..40u8).prop_map(Happening::Watermark),
        4 => (0..30u8).prop_map(Happening::Processing),
        5 => Just(Happening::Barrier),
        14 => (0..6u8).prop_map(|n| Happening::Slice { fails: n == 5 }),
        3 => Just(Happening::Landing),
        1 => Just(Happening::Landed),
        3 => (1..5u32).prop_map(|parallelism| Happening::Killed { parallelism }),
    ];
    vec(happening, 1..length)
}

/// A visit of some key. Without `uptime` it does nothing whose result depends on how long the job has run.
pub fn visit(uptime: bool) -> impl Strategy<Value = Visit> + Clone {
    (0..KEYS, -30..30i64, vec(op(uptime), 0..5)).prop_map(|(key, at, ops)| Visit { key, at, ops })
}

fn op(uptime: bool) -> impl Strategy<Value = Op> + Clone {
    let map = prop_oneof![Just(OfMap::Fresh), Just(OfMap::Forever)];
    let list = prop_oneof![Just(OfList::Recent), Just(OfList::Window)];
    let value = (0..2u8).prop_map(move |n| if uptime && n == 1 { OfValue::Awake } else { OfValue::Last });
    let (key, place, n) = (0..6u8, 0..5u8, 0..90i64);
    let maps = prop_oneof![
        3 => (map.clone(), key.clone()).prop_map(|(map, key)| Op::MapGet(map, key)),
        6 => (map.clone(), key.clone(), n.clone()).prop_map(|(map, key, n)| Op::MapInsert(map, key, n)),
        3 => (map.clone(), key.clone(), n.clone()).prop_map(|(map, key, n)| Op::MapAdd(map, key, n)),
        1 => (map.clone(), key.clone(), n.clone()).prop_map(|(map, key, n)| Op::MapGetMut(map, key, n)),
        4 => (map.clone(), key.clone()).prop_map(|(map, key)| Op::MapRemove(map, key)),
        1 => (map.clone(), key.clone()).prop_map(|(map, key)| Op::MapContains(map, key)),
        2 => map.clone().prop_map(Op::MapLen),
        2 => map.clone().prop_map(Op::MapAll),
        1 => (map.clone(), n.clone()).prop_map(|(map, n)| Op::MapRetain(map, n)),
        1 => map.clone().prop_map(Op::MapClear),
        1 => (map.clone(), key.clone(), n.clone()).prop_map(|(map, key, n)| Op::MapReplace(map, key, n)),
        1 => (map.clone(), key, n.clone()).prop_map(|(map, key, n)| Op::MapTakeAndPutBack(map, key, n)),
        1 => map.prop_map(Op::MapCopy),
        1 => Just(Op::MapSwap),
    ];
    let lists = prop_oneof![
        8 => (list.clone(), n.clone()).prop_map(|(list, n)| Op::ListPush(list, n)),
        2 => list.clone().prop_map(Op::ListPopFront),
        1 => (list.clone(), place.clone()).prop_map(|(list, place)| Op::ListGet(list, place)),
        1 => (list.clone(), place.clone(), n.clone()).prop_map(|(list, place, n)| Op::ListGetMut(list, place, n)),
        1 => list.clone().prop_map(Op::ListLast),
        2 => list.clone().prop_map(Op::ListLen),
        2 => list.clone().prop_map(Op::ListAll),
        1 => (list.clone(), n.clone()).prop_map(|(list, n)| Op::ListRetain(list, n)),
        1 => list.clone().prop_map(Op::ListClear),
        1 => (list, n.clone()).prop_map(|(list, n)| Op::ListReplace(list, n)),
        1 => Just(Op::ListSwap),
    ];
    let values = prop_oneof![
        3 => value.clone().prop_map(Op::ValueGet),
        3 => (value.clone(), n.clone()).prop_map(|(value, n)| Op::ValueSet(value, n)),
        2 => (value.clone(), n.clone()).prop_map(|(value, n)| Op::ValueAdd(value, n)),
        1 => value.clone().prop_map(Op::ValueTake),
        1 => (value.clone(), n.clone()).prop_map(|(value, n)| Op::ValueReplace(value, n)),
        1 => Just(if uptime { Op::ValueSwap } else { Op::Reduced }),
        3 => n.clone().prop_map(Op::Reduce),
        2 => Just(Op::Reduced),
        1 => Just(Op::ReducedTake),
    ];
    let whole = prop_oneof![
        3 => n.clone().prop_map(Op::Count),
        2 => proptest::option::of(0..6u8).prop_map(|note| Op::Note(note.map(|n| format!("note {n}")))),
        5 => (any::<bool>(), -20..60i64, 0..12u8)
            .prop_map(|(event, after, mark)| Op::SetTimer { event, after, mark }),
        3 => place.prop_map(Op::CancelTimer),
        1 => Just(Op::Reset),
        1 => Just(Op::ClearState),
    ];
    prop_oneof![5 => maps, 4 => lists, 3 => values, 3 => whole]
}
