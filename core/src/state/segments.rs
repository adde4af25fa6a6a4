//! Rows found by their hash, in hash tables of bounded size: extendible hashing (Fagin, Nievergelt, Pippenger and Strong 1979).
//!
//! One hash table for all rows would, when it grows, move all of them at once: a stall of seconds for ten million. Here a
//! directory leads to segments of some thousand rows; one that is overfull is split in two, and no other row moves. Which
//! rows there are is the table's matter; this file knows only their hashes.

use hashbrown::HashTable;

/// How many rows a segment has when it is split: somewhat fewer than its table takes, so that those that come until then do not have
/// it doubled first.
const SEGMENT_ROWS_MAX: usize = 7_000;
/// How many rows the table of a segment takes: it has 8,192 places.
const TABLE_ROWS: usize = 7_168;
/// More bits of the hash are not left: the lower half finds a place in a segment, the top seven bits tell its rows apart.
const DEPTH_MAX: u32 = 24;
/// A row is put into one of so many places, nearly always.
const NEAR: usize = 16;
/// The bits of a hash that lead through the directory begin here.
const DIRECTORY_SHIFT: u32 = 32;

/// Whatever can be found by a hash.
pub(crate) trait Hashed {
    /// The hash, of which all bits are good.
    fn hash(&self) -> u64;
}

/// All rows.
pub(crate) struct Segments<R> {
    /// For the directory's bits of a hash, the segment. As long as the largest depth of a segment says.
    directory: Vec<u32>,
    segments: Vec<Segment<R>>,
    /// Segments that have become too large since the last [`Segments::split_overfull`].
    overfull: Vec<u32>,
    /// What the last segment that was split has left.
    spare: Option<HashTable<R>>,
}

/// A segment, and who must be told when a row is inserted into it.
pub(crate) struct Found<'a, R> {
    pub rows: &'a mut HashTable<R>,
    pub growth: Growth<'a>,
}

/// Notes insertions into a segment.
pub(crate) struct Growth<'a> {
    number: u32,
    rows: usize,
    overfull: &'a mut Vec<u32>,
}

impl Growth<'_> {
    /// A row is inserted.
    #[inline]
    pub fn insert(self) {
        if self.rows == SEGMENT_ROWS_MAX {
            self.overfull.push(self.number);
        }
    }
}

/// Rows whose hashes have the same `depth` lowest bits of the directory's.
struct Segment<R> {
    rows: HashTable<R>,
    depth: u32,
}

impl<R: Hashed> Segments<R> {
    pub fn new() -> Segments<R> {
        let segment = Segment { rows: HashTable::new(), depth: 0 };
        Segments { directory: vec![0], segments: vec![segment], overfull: Vec::new(), spare: None }
    }

    /// The segment of a hash, to look into or to insert a row.
    #[inline]
    pub fn of(&mut self, hash: u64) -> Found<'_, R> {
        let place = (hash >> DIRECTORY_SHIFT) as usize & (self.directory.len() - 1);
        let number = self.directory[place];
        let rows = &mut self.segments[number as usize].rows;
        let growth = Growth { number, rows: rows.len(), overfull: &mut self.overfull };
        Found { rows, growth }
    }

    /// Where the row of this hash is, or perhaps another. It has not been looked at.
    #[inline]
    pub fn candidate(&self, hash: u64) -> Option<&R> {
        self.rows_of(hash).iter_hash(hash).next()
    }

    #[inline]
    fn rows_of(&self, hash: u64) -> &HashTable<R> {
        let place = (hash >> DIRECTORY_SHIFT) as usize & (self.directory.len() - 1);
        &self.segments[self.directory[place] as usize].rows
    }

    /// About where a row of this hash would be put if there is none: a place that nobody may read, to be asked for ahead. Unknown
    /// if there is no row near it.
    #[inline]
    pub fn vacancy(&self, hash: u64) -> Option<*const R> {
        let rows = self.rows_of(hash);
        let last = rows.num_buckets().checked_sub(1)?;
        let place = |steps: usize| (hash as usize).wrapping_add(steps) & last;
        let free = (0..NEAR).find(|steps| rows.get_bucket(place(*steps)).is_none())?;
        let (row, steps) = (0..NEAR).find_map(|steps| Some((rows.get_bucket(place(steps))?, steps)))?;
        // Rows lie one after the other, the last place first.
        Some(std::ptr::from_ref(row).wrapping_offset(place(steps) as isize - place(free) as isize))
    }

    /// How many segments there are.
    pub fn count(&self) -> usize {
        self.segments.len()
    }

    /// A segment by its number. Splitting gives new numbers to rows that leave one.
    pub fn segment(&mut self, number: usize) -> &mut HashTable<R> {
        &mut self.segments[number].rows
    }

    /// How many rows there are; counted.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.segments.iter().map(|segment| segment.rows.len()).sum()
    }

    /// Every row, in no order.
    #[cfg(test)]
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.segments.iter().flat_map(|segment| &segment.rows)
    }

    /// Splits the segments that have become too large. To be called now and then: until then a segment just grows.
    #[inline]
    pub fn split_overfull(&mut self) {
        while let Some(segment) = self.overfull.pop() {
            self.split(segment);
        }
    }

    #[cold]
    fn split(&mut self, number: u32) {
        let Segment { rows, depth } = &mut self.segments[number as usize];
        if rows.len() <= SEGMENT_ROWS_MAX || *depth >= DEPTH_MAX {
            return;
        }
        let bit = 1usize << *depth;
        *depth += 1;
        let depth = *depth;
        let moves = |row: &R| (row.hash() >> DIRECTORY_SHIFT) as usize & bit != 0;
        // Both halves are made anew, with places for all that will come: a table from which rows were taken keeps their places
        // marked, and would soon be made anew or doubled; so would one with places for half.
        let half = rows.len() / 2;
        let empty = || HashTable::with_capacity(half.max(TABLE_ROWS));
        let mut split = HashTable::new();
        if rows.iter().any(moves) {
            split = empty();
            let spare = self.spare.take().filter(|spare| spare.capacity() >= half);
            let mut all = std::mem::replace(rows, spare.unwrap_or_else(empty));
            for row in all.drain() {
                let half = if moves(&row) { &mut split } else { &mut *rows };
                half.insert_unique(row.hash(), row, R::hash);
            }
            // The next one needs as many places, and memory that is new to a process costs more than what is written into it.
            self.spare = (all.capacity() <= 2 * TABLE_ROWS).then_some(all);
        }
        if self.directory.len() < 1 << depth {
            self.directory.extend_from_within(..);
        }
        let new = self.segments.len() as u32;
        for (place, segment) in self.directory.iter_mut().enumerate() {
            if *segment == number && place & bit != 0 {
                *segment = new;
            }
        }
        self.overfull.extend((split.len() > SEGMENT_ROWS_MAX).then_some(new));
        self.overfull
            .extend((self.segments[number as usize].rows.len() > SEGMENT_ROWS_MAX).then_some(number));
        self.segments.push(Segment { rows: split, depth });
    }
}

#[cfg(test)]
mod tests {
    use xxhash_rust::xxh3::xxh3_64;

    use super::*;

    struct Number(u64, u64);

    impl Number {
        fn of(number: u64) -> Number {
            Number(xxh3_64(&number.to_be_bytes()), number)
        }
    }

    impl Hashed for Number {
        fn hash(&self) -> u64 {
            self.0
        }
    }

    fn insert(segments: &mut Segments<Number>, number: Number) {
        let hash = number.hash();
        let segment = segments.of(hash);
        segment.growth.insert();
        segment.rows.insert_unique(hash, number, Number::hash);
    }

    fn has(segments: &mut Segments<Number>, number: u64) -> bool {
        let Number(hash, _) = Number::of(number);
        segments.of(hash).rows.find(hash, |found| found.1 == number).is_some()
    }

    #[test]
    fn every_row_is_found_again_however_often_segments_are_split() {
        let mut segments = Segments::new();
        for number in 0..200_000 {
            insert(&mut segments, Number::of(number));
            if number % 100 == 0 {
                segments.split_overfull();
            }
        }
        segments.split_overfull();
        assert_eq!((segments.len(), segments.iter().count()), (200_000, 200_000));
        assert!((0..200_000).all(|number| has(&mut segments, number)));
        assert!(!has(&mut segments, 200_000));
        let largest = (0..segments.count()).map(|number| segments.segment(number).len()).max();
        assert!(largest <= Some(SEGMENT_ROWS_MAX), "{largest:?}");
    }

    #[test]
    fn a_row_is_mostly_put_where_it_was_said_that_it_would_be() {
        let mut segments = Segments::new();
        let (mut said, mut right) = (0, 0);
        for number in 0..50_000 {
            let row = Number::of(number);
            let hash = row.hash();
            let vacancy = segments.vacancy(hash);
            insert(&mut segments, row);
            let place = segments.candidate(hash).map(std::ptr::from_ref);
            if number > 1_000 {
                said += u32::from(vacancy.is_some());
                right += u32::from(vacancy == place);
            }
            segments.split_overfull();
        }
        assert!(said > 44_000 && right * 100 > said * 95, "said {said} times, {right} times rightly");
    }

    #[test]
    fn a_segment_is_split_before_its_table_is_doubled() {
        let mut segments = Segments::new();
        for number in 0..100_000 {
            insert(&mut segments, Number::of(number));
            if number % 100 == 0 {
                segments.split_overfull();
            }
        }
        assert!(segments.count() > 8);
        assert!((0..segments.count()).all(|number| segments.segment(number).capacity() == TABLE_ROWS));
    }

    #[test]
    fn a_segment_that_grew_far_too_large_is_split_as_often_as_it_takes() {
        let mut segments = Segments::new();
        (0..100_000).for_each(|number| insert(&mut segments, Number::of(number)));
        assert_eq!(segments.count(), 1);
        segments.split_overfull();
        assert!(segments.count() >= 100_000 / SEGMENT_ROWS_MAX);
        assert!((0..segments.count()).all(|number| segments.segment(number).len() <= SEGMENT_ROWS_MAX));
        assert!((0..100_000).all(|number| has(&mut segments, number)));
    }

    #[test]
    fn rows_that_no_bit_tells_apart_stay_in_one_segment() {
        let mut segments = Segments::new();
        (0..20_000).for_each(|number| insert(&mut segments, Number(0, number)));
        segments.split_overfull();
        assert_eq!(segments.len(), 20_000);
        assert!(segments.count() <= DEPTH_MAX as usize + 1);
    }
}
