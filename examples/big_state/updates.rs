//! Updates of many keys that each carry a value: which key comes when, the operator that counts them, and what it emits in all.

use clap::ValueEnum;
use tidegate::prelude::*;

/// How often which key comes.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distribution {
    /// All as often
    #[default]
    Uniform,
    /// The key of rank r in proportion to 1/r
    Zipf,
    /// Every hundredth key, all of them as often, and no other
    Hundredth,
}

/// Which key an update is of: a function of its number.
#[derive(Clone, Copy)]
pub struct Keys {
    pub count: u64,
    pub distribution: Distribution,
}

impl Keys {
    pub fn of_update(self, number: u64) -> u64 {
        match self.distribution {
            Distribution::Uniform => uniform(number, self.count),
            Distribution::Zipf => {
                // The logarithm of a rank that comes in proportion to 1/rank is uniform.
                let uniform = (scatter(number) >> 11) as f64 / (1u64 << 53) as f64;
                let rank = (self.count as f64).powf(uniform) as u64 - 1;
                // Ranks lie scattered among the keys, as hot keys do.
                scatter(rank) % self.count
            }
            Distribution::Hundredth => uniform(number, self.count.div_ceil(100)) * 100 % self.count,
        }
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): chance that a number decides.
#[inline]
pub fn scatter(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// One of `keys`, each as likely.
#[inline]
pub fn uniform(number: u64, keys: u64) -> u64 {
    ((u128::from(scatter(number)) * u128::from(keys)) >> 64) as u64
}

/// What is kept of a key.
#[state(key = u64)]
#[derive(Default)]
pub struct Tally {
    updates: u64,
    value: Vec<u8>,
}

/// Counts the updates of a key, changes its value with each, and emits the count.
pub struct Count {
    pub value_bytes: usize,
}

#[operator]
impl Count {
    fn on_event(&self, key: u64, tally: &mut Tally, out: &mut impl Emit<u64>) {
        if tally.value.is_empty() {
            tally.value = value(key, self.value_bytes);
        }
        tally.updates += 1;
        if let Some(byte) = tally.value.first_mut() {
            *byte = tally.updates as u8;
        }
        out.emit(tally.updates);
    }
}

/// What a key carries at first.
pub fn value(key: u64, bytes: usize) -> Vec<u8> {
    (0..bytes as u64).map(|place| scatter(key ^ place) as u8).collect()
}

/// What all updates together emit: a key that comes n times emits 1, 2, .. n.
pub fn sum_of_counts(keys: u64, updates: impl IntoIterator<Item = u64>) -> u64 {
    let mut counts = vec![0u32; keys as usize];
    updates.into_iter().for_each(|key| counts[key as usize] += 1);
    counts.into_iter().map(u64::from).map(|n| n * (n + 1) / 2).sum()
}
