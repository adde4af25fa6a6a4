//! Counts by price rank, as q15, q16 and q17 have them: rank 1 is below 10,000, rank 2 below 1,000,000, rank 3 the rest.

use tidegate::prelude::*;

/// How many there are, in all and of each rank.
#[event]
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranked {
    pub total: u64,
    pub rank1: u64,
    pub rank2: u64,
    pub rank3: u64,
}

/// In which of the four counts something is: a bit for each.
#[event]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ranks(u8);

impl Ranks {
    /// Those of a price: all, and its own.
    pub fn of(price: u64) -> Ranks {
        Ranks(match price {
            ..10_000 => 0b0011,
            10_000..1_000_000 => 0b0101,
            1_000_000.. => 0b1001,
        })
    }

    /// Adds `ranks`, and returns those that are new.
    pub fn insert(&mut self, ranks: Ranks) -> Ranks {
        let new = Ranks(ranks.0 & !self.0);
        self.0 |= ranks.0;
        new
    }
}

impl Ranked {
    /// Counts one in each of these.
    pub fn add(&mut self, ranks: Ranks) {
        let counts = [&mut self.total, &mut self.rank1, &mut self.rank2, &mut self.rank3];
        for (place, count) in counts.into_iter().enumerate() {
            *count += u64::from(ranks.0 >> place & 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_distinct_is_counted_once_in_all_and_once_in_every_rank() {
        let (mut seen, mut counts) = (Ranks::default(), Ranked::default());
        for price in [0, 9_999, 10_000, 999_999, 1_000_000, 5, u64::MAX] {
            counts.add(seen.insert(Ranks::of(price)));
        }
        assert_eq!(counts, Ranked { total: 1, rank1: 1, rank2: 1, rank3: 1 });
        counts.add(Ranks::of(10_000));
        assert_eq!(counts, Ranked { total: 2, rank1: 1, rank2: 2, rank3: 1 });
    }
}
