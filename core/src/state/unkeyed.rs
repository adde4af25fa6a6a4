//! State that belongs to a subtask and not to a key: lists that are dealt anew when the job is restored.
//!
//! `#[state(unkeyed)]` implements [`UnkeyedState`] for a struct. Another parallelism has other subtasks, so every field must
//! say what becomes of it: a [`DealtList`] is split among them, of a [`UnionList`] each is given all. That is Flink's operator
//! list state with its two redistributions. Absent on purpose: a field that is one value, because 3 of them don't become 2.
//!
//! The lists are in memory, and a snapshot writes them whole into its manifest. They are for what a subtask has not yet
//! handed on or has to know by itself, some thousand elements: what there is one of per user belongs behind `key_by`.

use std::ops::{Deref, DerefMut, Range};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::state::{Data, Describe, Field, Schema};

/// The state of an operator on a stream that is not keyed. Implemented by `#[state(unkeyed)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a state that belongs to a subtask",
    label = "expected a struct marked `#[state(unkeyed)]`",
    note = "an operator marked `#[operator(unkeyed)]` remembers in a struct marked `#[state(unkeyed)]`, whose fields are of type `DealtList` and `UnionList`",
    note = "what is remembered per key needs a keyed stream: `.key_by(..)` before `.process(..)`, and `#[operator]` without `unkeyed`"
)]
pub trait UnkeyedState: Serialize + DeserializeOwned + 'static {
    /// The name of the state in snapshots.
    const NAME: &'static str;

    /// Where a subtask begins.
    fn initial() -> Self;

    /// The fields, as a snapshot records them.
    fn fields() -> Vec<Field>;

    /// The part of one subtask in what all of them kept, in their order.
    fn deal(kept: Vec<Self>, share: Share) -> Self;
}

/// One part of several that are as equal as can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Which one, from 0.
    pub index: usize,
    /// Of how many.
    pub of: usize,
}

impl Share {
    /// The places in a list of `length` elements that are the share's: those of all shares follow one another.
    pub fn range(self, length: usize) -> Range<usize> {
        let place = |share: usize| length * share / self.of.max(1);
        place(self.index)..place(self.index + 1)
    }
}

/// A field of an unkeyed state: says what becomes of it when other subtasks take over.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` can't belong to a subtask: nobody knows what becomes of it when 3 subtasks become 2",
    label = "neither a `DealtList` nor a `UnionList`",
    note = "keep a `DealtList<T>`, whose elements are split among the subtasks that there are then, or a `UnionList<T>`, of which each is given all: a counter is a list of what was counted, and its value their sum",
    note = "what need not survive a restart can be left out of snapshots: `#[serde(skip)]`"
)]
pub trait Redealt: Sized {
    /// The part of one subtask in what all of them kept, in their order.
    fn redeal(kept: Vec<Self>, share: Share) -> Self;
}

macro_rules! lists {
    ($($(#[$docs:meta])* $list:ident;)*) => {$(
        $(#[$docs])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $list<T>(Vec<T>);

        impl<T> Default for $list<T> {
            fn default() -> Self {
                $list(Vec::new())
            }
        }

        impl<T> Deref for $list<T> {
            type Target = Vec<T>;

            fn deref(&self) -> &Vec<T> {
                &self.0
            }
        }

        impl<T> DerefMut for $list<T> {
            fn deref_mut(&mut self) -> &mut Vec<T> {
                &mut self.0
            }
        }

        impl<T> From<Vec<T>> for $list<T> {
            fn from(elements: Vec<T>) -> Self {
                $list(elements)
            }
        }

        impl<T> FromIterator<T> for $list<T> {
            fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
                $list(elements.into_iter().collect())
            }
        }

        impl<'a, T> IntoIterator for &'a $list<T> {
            type Item = &'a T;
            type IntoIter = std::slice::Iter<'a, T>;

            fn into_iter(self) -> Self::IntoIter {
                self.0.iter()
            }
        }

        impl<T: Describe> Describe for $list<T> {
            fn schema() -> Schema {
                Schema::Generic(stringify!($list).to_string(), vec![T::schema()])
            }
        }
    )*};
}

lists! {
    /// A list of a subtask, used like a `Vec`, that is dealt anew at a restore: put one behind the other, the lists of all
    /// subtasks are cut into parts that differ by one element at most (Flink's even-split redistribution). With as many
    /// subtasks as before each is given its own again.
    ///
    /// Every element is in the hands of one subtask, whichever that is.
    DealtList;

    /// A list of a subtask, used like a `Vec`, of which each subtask is given all at a restore: the lists of all subtasks, one
    /// behind the other (Flink's union redistribution).
    ///
    /// Every subtask then has the elements of every other, and the next snapshot keeps them all: pick what is this subtask's
    /// in `on_restore`, or the list multiplies with every restore.
    UnionList;
}

impl<T: Data> Redealt for DealtList<T> {
    fn redeal(mut kept: Vec<Self>, share: Share) -> Self {
        if kept.len() == share.of {
            return std::mem::take(&mut kept[share.index]);
        }
        let all: Vec<T> = kept.into_iter().flat_map(|list| list.0).collect();
        let own = share.range(all.len());
        DealtList(all.into_iter().take(own.end).skip(own.start).collect())
    }
}

impl<T: Data> Redealt for UnionList<T> {
    fn redeal(kept: Vec<Self>, _share: Share) -> Self {
        kept.into_iter().flat_map(|list| list.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists of `lengths`, with the numbers from 0 on.
    fn kept<L: From<Vec<u32>>>(lengths: &[usize]) -> Vec<L> {
        let mut numbers = 0..;
        lengths.iter().map(|length| L::from(numbers.by_ref().take(*length).collect())).collect()
    }

    #[test]
    fn a_dealt_list_comes_to_as_many_subtasks_as_there_are_every_element_once_in_order_and_evenly() {
        for (lengths, of) in [(&[7, 0, 4][..], 2), (&[11], 3), (&[1, 1], 5), (&[0, 0], 3), (&[3, 3, 3, 3], 1)]
        {
            let deal = |index| DealtList::<u32>::redeal(kept(lengths), Share { index, of });
            let dealt: Vec<DealtList<u32>> = (0..of).map(deal).collect();
            let all: Vec<u32> = dealt.iter().flatten().copied().collect();
            assert_eq!(all, (0..lengths.iter().sum::<usize>() as u32).collect::<Vec<_>>());
            let lengths = || dealt.iter().map(|list| list.len());
            assert!(lengths().max().unwrap() - lengths().min().unwrap() <= 1, "{dealt:?}");
        }
    }

    #[test]
    fn as_many_subtasks_as_before_have_their_own_elements_again() {
        let second = DealtList::<u32>::redeal(kept(&[5, 1, 0]), Share { index: 1, of: 3 });
        assert_eq!(*second, [5]);
    }

    #[test]
    fn every_subtask_is_given_all_of_a_union_list_also_if_there_are_as_many_as_before() {
        for of in [1, 2, 5] {
            let all = UnionList::<u32>::redeal(kept(&[2, 1]), Share { index: of - 1, of });
            assert_eq!(*all, [0, 1, 2]);
        }
    }
}
