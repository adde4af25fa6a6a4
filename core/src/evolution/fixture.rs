//! Types and values for the tests of this module.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;
use tidegate_macros::event;

use crate::time::EventTime;

/// A value of every type that describes itself.
#[event(crate = crate)]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Everything {
    pub unsigned: (u8, u16, u32, u64, (u128, usize)),
    pub signed: (i8, i16, i32, i64, (i128, isize)),
    pub floats: (f32, f64),
    pub plain: (bool, char, String, ()),
    pub times: (EventTime, Duration),
    pub addresses: Vec<(IpAddr, Ipv4Addr, Ipv6Addr)>,
    pub optional: Option<Option<u8>>,
    pub lists: (Vec<u8>, VecDeque<i16>, BTreeSet<String>, [u32; 3]),
    pub maps: Maps,
    pub hashed: (HashMap<u8, u8>, HashSet<u8>),
    pub letters: Vec<Letter>,
    pub boxed: Box<Newtype>,
    pub empty: Empty,
    #[event(opaque)]
    pub opaque: Vec<Result<u8, String>>,
    pub tree: Tree,
}

type Maps = (BTreeMap<u64, Option<String>>, BTreeMap<String, bool>, BTreeMap<(u8, bool), Letter>);

#[event(crate = crate)]
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Letter {
    A,
    B(u64),
    C(Option<i8>, String),
    D { at: EventTime, letters: [char; 2] },
}

#[event(crate = crate)]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Newtype(pub Option<u32>);

#[event(crate = crate)]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Empty;

/// Holds itself.
#[event(crate = crate)]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tree {
    pub leaf: u8,
    pub branches: Vec<Tree>,
}

fn letter() -> impl Strategy<Value = Letter> {
    prop_oneof![
        Just(Letter::A),
        any::<u64>().prop_map(Letter::B),
        any::<(Option<i8>, String)>().prop_map(|(a, b)| Letter::C(a, b)),
        (any::<i64>(), any::<[char; 2]>())
            .prop_map(|(at, letters)| Letter::D { at: EventTime::from_millis(at), letters }),
    ]
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = any::<u8>().prop_map(|leaf| Tree { leaf, branches: Vec::new() });
    leaf.prop_recursive(4, 16, 3, |inner| {
        (any::<u8>(), vec(inner, 0..3)).prop_map(|(leaf, branches)| Tree { leaf, branches })
    })
}

fn address() -> impl Strategy<Value = (IpAddr, Ipv4Addr, Ipv6Addr)> {
    any::<(bool, [u8; 4], [u8; 16])>().prop_map(|(is_v4, v4, v6)| {
        let (v4, v6) = (Ipv4Addr::from(v4), Ipv6Addr::from(v6));
        (if is_v4 { v4.into() } else { v6.into() }, v4, v6)
    })
}

/// Any value of every type, floats that are not numbers left out: these are not equal to themselves.
pub(crate) fn everything() -> impl Strategy<Value = Everything> {
    let numbers = (
        any::<(u8, u16, u32, u64, (u128, usize))>(),
        any::<(i8, i16, i32, i64, (i128, isize))>(),
        any::<(f32, f64)>(),
        any::<(bool, char, String, ())>(),
        any::<(i64, u64, u32)>(),
    );
    let containers = (
        vec(address(), 0..3),
        any::<Option<Option<u8>>>(),
        (
            vec(any::<u8>(), 0..20),
            vec(any::<i16>(), 0..5),
            btree_set(any::<String>(), 0..3),
            any::<[u32; 3]>(),
        ),
        (
            btree_map(any::<u64>(), any::<Option<String>>(), 0..4),
            btree_map(any::<String>(), any::<bool>(), 0..4),
            btree_map(any::<(u8, bool)>(), letter(), 0..4),
        ),
        (btree_map(any::<u8>(), any::<u8>(), 0..4), btree_set(any::<u8>(), 0..4)),
    );
    let own = (vec(letter(), 0..4), any::<Option<u32>>(), vec(any::<Result<u8, String>>(), 0..3), tree());
    (numbers, containers, own).prop_map(|(numbers, containers, own)| {
        let (unsigned, signed, floats, plain, (at, seconds, nanos)) = numbers;
        let (addresses, optional, (bytes, deque, set, array), maps, (map, hash_set)) = containers;
        let (letters, newtype, opaque, tree) = own;
        Everything {
            unsigned,
            signed,
            floats: (finite(floats.0.into()) as f32, finite(floats.1)),
            plain,
            times: (EventTime::from_millis(at), Duration::new(seconds, nanos % 1_000_000_000)),
            addresses,
            optional,
            lists: (bytes, deque.into(), set, array),
            maps,
            hashed: (map.into_iter().collect(), hash_set.into_iter().collect()),
            letters,
            boxed: Box::new(Newtype(newtype)),
            empty: Empty,
            opaque,
            tree,
        }
    })
}

fn finite(float: f64) -> f64 {
    if float.is_nan() { 0.5 } else { float }
}
