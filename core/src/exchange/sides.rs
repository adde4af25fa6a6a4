//! The key of a record that comes from one of two streams, each of which has its own way to find it.

use crate::exchange::partition::KeyAccess;
use crate::key::KeyHash;
use crate::record::Either;

/// How the keys of two connected streams are found.
#[derive(Clone)]
pub struct Sides<A, B> {
    pub(crate) left: A,
    pub(crate) right: B,
}

impl<L, R, A, B> KeyAccess<Either<L, R>> for Sides<A, B>
where
    A: KeyAccess<L>,
    B: KeyAccess<R, Key = A::Key>,
{
    type Key = A::Key;
    type Carried = Either<A::Carried, B::Carried>;

    #[inline]
    fn route(&self, record: &Either<L, R>) -> (KeyHash, Self::Carried) {
        match record {
            Either::Left(record) => {
                let (hash, carried) = self.left.route(record);
                (hash, Either::Left(carried))
            }
            Either::Right(record) => {
                let (hash, carried) = self.right.route(record);
                (hash, Either::Right(carried))
            }
        }
    }

    #[inline]
    fn key<'a>(&self, record: &'a Either<L, R>, carried: &'a Self::Carried) -> &'a A::Key {
        match (record, carried) {
            (Either::Left(record), Either::Left(carried)) => self.left.key(record, carried),
            (Either::Right(record), Either::Right(carried)) => self.right.key(record, carried),
            _ => unreachable!("what is carried of a key was found on the record's own side"),
        }
    }

    fn pack(carried: &Self::Carried, bytes: &mut Vec<u8>) {
        match carried {
            Either::Left(carried) => A::pack(carried, bytes),
            Either::Right(carried) => B::pack(carried, bytes),
        }
    }

    /// The record says which side it is of.
    fn unpack(&self, record: &Either<L, R>, packed: &[u8]) -> Option<Self::Carried> {
        match record {
            Either::Left(record) => self.left.unpack(record, packed).map(Either::Left),
            Either::Right(record) => self.right.unpack(record, packed).map(Either::Right),
        }
    }
}
