//! Bytes that are appended piece by piece and do not move while more come: they lie in blocks.
//!
//! A vector that grows is copied, into memory that is new to the process, which costs more than what is written into it. Here
//! every block is as large as all before it together, up to a bound, so that little is asked for in vain. A piece lies in one
//! block. Only a block in which a piece has no room that is far larger than others grows, and is copied.

/// The least and the most that is asked for at once.
const BLOCK_BYTES_MIN: usize = 1 << 10;
const BLOCK_BYTES_MAX: usize = 256 << 10;
/// A block of which only this part is left is full.
const REST: usize = 16;

/// The bytes.
#[derive(Default)]
pub(crate) struct Blocks {
    blocks: Vec<Vec<u8>>,
    /// The one to which is appended. Those behind it are empty, and kept for their memory.
    open: usize,
}

/// Where a piece begins: ascending in the order in which pieces were appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct At {
    block: u32,
    start: u32,
}

impl Blocks {
    /// The block to which the next piece is to be appended, and where that begins. The first one has room for `expected` bytes.
    #[inline]
    pub fn open(&mut self, expected: usize) -> (At, &mut Vec<u8>) {
        let is_full = |block: &Vec<u8>| {
            block.capacity() - block.len() < block.capacity() / REST || block.len() >= BLOCK_BYTES_MAX
        };
        if self.blocks.get(self.open).is_none_or(is_full) {
            self.next(expected);
        }
        let block = &mut self.blocks[self.open];
        let at = At { block: self.open as u32, start: block.len() as u32 };
        (at, block)
    }

    #[cold]
    fn next(&mut self, expected: usize) {
        self.open = if self.blocks.is_empty() { 0 } else { self.open + 1 };
        if self.open == self.blocks.len() {
            let bytes = self.capacity().max(if self.open == 0 { expected } else { 0 });
            self.blocks.push(Vec::with_capacity(bytes.clamp(BLOCK_BYTES_MIN, BLOCK_BYTES_MAX)));
        }
    }

    /// How many bytes there are from here on: of the piece that was appended last.
    #[inline]
    pub fn len_from(&self, at: At) -> usize {
        self.blocks[at.block as usize].len() - at.start as usize
    }

    /// So many bytes of a piece, after the first `skipped`.
    #[inline]
    pub fn get(&self, at: At, skipped: u32, length: u32) -> &[u8] {
        let start = at.start as usize + skipped as usize;
        &self.blocks[at.block as usize][start..start + length as usize]
    }

    /// Where the next piece will lie.
    #[inline]
    pub fn spare(&mut self) -> &mut [std::mem::MaybeUninit<u8>] {
        self.blocks.get_mut(self.open).map_or(&mut [], Vec::spare_capacity_mut)
    }

    /// Forgets all, and keeps the memory.
    pub fn clear(&mut self) {
        self.blocks.iter_mut().for_each(Vec::clear);
        self.open = 0;
    }

    /// How many bytes of memory there are.
    pub fn capacity(&self) -> usize {
        self.blocks.iter().map(Vec::capacity).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(blocks: &mut Blocks, pieces: &[usize]) -> Vec<At> {
        let each = pieces.iter().enumerate().map(|(number, length)| {
            let (at, block) = blocks.open(0);
            block.resize(block.len() + length, number as u8);
            assert_eq!(blocks.len_from(at), *length);
            at
        });
        each.collect()
    }

    #[test]
    fn pieces_of_any_size_stay_where_they_are_in_the_order_in_which_they_came() {
        let pieces: Vec<usize> =
            (0..3000).map(|n| if n % 500 == 7 { 300_000 } else { n * 7919 % 800 }).collect();
        let mut blocks = Blocks::default();
        for _ in 0..2 {
            let places = fill(&mut blocks, &pieces);
            assert!(places.is_sorted());
            for (number, (at, length)) in places.into_iter().zip(&pieces).enumerate() {
                let piece = blocks.get(at, 0, *length as u32);
                assert!(piece.iter().all(|byte| *byte == number as u8), "piece {number}");
            }
            blocks.clear();
        }
    }

    #[test]
    fn little_is_asked_for_in_vain_and_nothing_twice() {
        let mut blocks = Blocks::default();
        fill(&mut blocks, &[100; 20_000]);
        let capacity = blocks.capacity();
        assert!((2_000_000..2_500_000).contains(&capacity), "{capacity}");
        blocks.clear();
        fill(&mut blocks, &[100; 20_000]);
        assert_eq!(blocks.capacity(), capacity);
        let mut expected = Blocks::default();
        expected.open(100_000);
        assert_eq!(expected.capacity(), 100_000);
    }
}
