//! Joins: operators on two [connected](crate::job::KeyedStream::connect) streams of one key.
//!
//! What enters: the records of both sides, each as an [`Either`](crate::record::Either). What leaves: what a function makes of
//! those that belong together. What belongs together is a matter of time: an [`interval`] around each record, or the version of the other side that was valid
//! when it happened, in a [`temporal`] join; or of none: all that there ever was, in an [`updating`] join. Records of the same [`window`] belong together, too.

pub mod interval;
pub mod temporal;
pub mod updating;
pub mod window;

use std::marker::PhantomData;

pub use interval::IntervalJoin;
pub use temporal::TemporalJoin;
pub use updating::UpdatingJoin;

/// The types that something is for: it has no value of them.
type For<T> = PhantomData<fn() -> T>;

/// What a join hands to its function: two records that belong together, or one to which none belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined<'a, L, R> {
    /// Two that belong together.
    Both(&'a L, &'a R),
    /// One of the left side, and none of the right. Only of a left or full outer join.
    Left(&'a L),
    /// One of the right side, and none of the left. Only of a right or full outer join.
    Right(&'a R),
}

/// Which records a join hands on to which none of the other side belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JoinKind {
    /// None.
    #[default]
    Inner,
    /// Those of the left side.
    LeftOuter,
    /// Those of the right side.
    RightOuter,
    /// All.
    FullOuter,
}

impl JoinKind {
    /// Whether those of the left side.
    pub fn keeps_left(self) -> bool {
        matches!(self, JoinKind::LeftOuter | JoinKind::FullOuter)
    }

    /// Whether those of the right side.
    pub fn keeps_right(self) -> bool {
        matches!(self, JoinKind::RightOuter | JoinKind::FullOuter)
    }
}
