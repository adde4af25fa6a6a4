//! Records dealt to splits in turn, like cards: record `i` belongs to split `i % splits`. Pure arithmetic.
//!
//! How many splits there are is fixed by the source and independent of parallelism; it is part of a split's id, so that
//! an offset of another deal is not taken for one of this.

use super::{Offset, Split, SplitId};
use crate::error::{Error, Result};

/// What one split is dealt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    split: u64,
    splits: u64,
}

impl Share {
    /// Every split of a deal to `splits`.
    pub fn all(splits: u32) -> Vec<Split> {
        let splits = u64::from(splits);
        (0..splits).map(|split| Split { id: Share { split, splits }.id(), bytes: None }).collect()
    }

    /// The share that `id` names, in a deal to `splits`; `source` is named in the error.
    pub fn named(id: &SplitId, splits: u32, source: &str) -> Result<Share> {
        let splits = u64::from(splits);
        let number = id.0.split_once(" of ").and_then(|(split, _)| split.parse().ok());
        let share = number.map(|split| Share { split, splits });
        share.filter(|share| share.split < splits && share.id() == *id).ok_or_else(|| {
            Error::failure(format!("{source} has no split \"{}\": it is dealt to {splits}", id.0))
                .hint("a snapshot can be restored only with as many splits as it was taken with")
        })
    }

    fn id(self) -> SplitId {
        SplitId(format!("{} of {}", self.split, self.splits))
    }

    /// The number, among all records, of the share's record number `place`. Both count from 0.
    pub fn record(self, place: u64) -> u64 {
        place.saturating_mul(self.splits).saturating_add(self.split)
    }

    /// How many of `count` records are dealt to this split.
    pub fn of(self, count: u64) -> u64 {
        count / self.splits + u64::from(count % self.splits > self.split)
    }

    /// Checks that a share of `length` records is not shorter than `from`.
    pub fn check(self, from: Offset, length: u64, source: &str) -> Result<u64> {
        if from.position <= length {
            return Ok(from.position);
        }
        let (split, read) = (self.id().0, from.position);
        Err(Error::failure(format!(
            "{source} has become shorter: split \"{split}\" has {length} records, and {read} had been read"
        ))
        .hint("restore with the records as they were when the snapshot was taken"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_is_dealt_to_one_split() {
        for splits in 1..6 {
            for count in 0..20 {
                let mut dealt: Vec<u64> = Share::all(splits)
                    .iter()
                    .map(|split| Share::named(&split.id, splits, "x").unwrap())
                    .flat_map(|share| (0..share.of(count)).map(move |place| share.record(place)))
                    .collect();
                dealt.sort_unstable();
                assert!(dealt.into_iter().eq(0..count), "{count} records to {splits}");
            }
        }
    }

    #[test]
    fn a_split_of_another_deal_is_refused() {
        let refused = Share::named(&SplitId("1 of 2".to_string()), 3, "7 records in memory").unwrap_err();
        assert_eq!(refused.to_string(), "7 records in memory has no split \"1 of 2\": it is dealt to 3");
        assert!(Share::named(&SplitId("3 of 3".to_string()), 3, "x").is_err());
        assert!(Share::named(&SplitId("-".to_string()), 3, "x").is_err());
    }
}
