//! Vectors of batches that have been worked off, kept to be filled again.
//!
//! A stage that has worked off a batch gives its vector to the worker's spares; a stage that begins to gather takes one.
//! Without them every batch is an allocation in one thread and a release in another, which costs page faults in both. The
//! spares of a worker balance by themselves where records go both ways; where they do not, they are bounded.

use std::any::{Any, TypeId};

use crate::record::batch_size;

/// How many vectors of one type are kept.
const KEPT_MAX: usize = 16;
/// A vector that grew beyond so many batches, by one record that became very many, is not kept.
const BATCHES_MAX: usize = 4;

/// Empty vectors, by the type of their records.
#[derive(Default)]
pub(crate) struct Spares {
    kept: Vec<(TypeId, Vec<Box<dyn Any + Send>>)>,
}

impl Spares {
    /// An empty vector for a batch of `R`.
    pub fn take<R: Send + 'static>(&mut self) -> Vec<R> {
        let kept = self.kept.iter_mut().find(|(of, _)| *of == TypeId::of::<R>());
        let spare = kept.and_then(|(_, vectors)| vectors.pop()?.downcast::<Vec<R>>().ok());
        spare.map_or_else(|| Vec::with_capacity(batch_size::<R>()), |vector| *vector)
    }

    /// Keeps the vector of a batch that has been worked off.
    pub fn put<R: Send + 'static>(&mut self, mut vector: Vec<R>) {
        vector.clear();
        if vector.capacity() == 0 || vector.capacity() > BATCHES_MAX * batch_size::<R>() {
            return;
        }
        let of = TypeId::of::<R>();
        let place = self.kept.iter().position(|(kept, _)| *kept == of).unwrap_or_else(|| {
            self.kept.push((of, Vec::new()));
            self.kept.len() - 1
        });
        let (_, vectors) = &mut self.kept[place];
        if vectors.len() < KEPT_MAX {
            vectors.push(Box::new(vector));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vector_comes_back_empty_and_only_for_its_own_type() {
        let mut spares = Spares::default();
        let mut vector = Vec::with_capacity(batch_size::<u64>() + 7);
        vector.push(5u64);
        spares.put(vector);
        assert_eq!(spares.take::<u32>().capacity(), batch_size::<u32>());
        let again = spares.take::<u64>();
        assert_eq!((again.len(), again.capacity()), (0, batch_size::<u64>() + 7));
        assert_eq!(spares.take::<u64>().capacity(), batch_size::<u64>());
    }

    #[test]
    fn neither_very_many_nor_very_large_vectors_are_kept() {
        let mut spares = Spares::default();
        spares.put(Vec::<u8>::with_capacity(BATCHES_MAX * batch_size::<u8>() + 1));
        for _ in 0..2 * KEPT_MAX {
            spares.put(Vec::<u8>::with_capacity(3));
        }
        assert_eq!(spares.kept[0].1.len(), KEPT_MAX);
    }
}
