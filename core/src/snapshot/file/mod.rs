//! A state file: one layer of an operator's keyed state, sorted, compressed, and checksummed to the last bit.
//!
//! Rows, and in a delta removals, enter in ascending order of (key group, section, key) and leave in that order, all of them
//! or those of a range of key groups; at most one block of them is in memory. Every byte of the file is covered by a checksum, and no length is believed before its checksum has been:
//! a file that was cut short or in which a bit has flipped gives an error that says where, never rows. The bytes are drawn
//! in `format.rs`, beside their encoding and decoding.

mod format;
mod read;
mod write;

pub use format::StateFileHeader;
pub use read::{StateFileCursor, StateFileReader, crc_of};
pub use write::{StateFileSummary, StateFileWriter};

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::format::{FOOTER_BYTES, HEADER_BYTES, INDEX_ENTRY_BYTES};
    use super::*;
    use crate::error::{Error, Result};
    use crate::key::{KeyGroup, KeyGroupRange};
    use crate::record::SnapshotId;
    use crate::snapshot::fixture::OwnedChange::{Put, Remove, RemovePrefix};
    use crate::snapshot::fixture::{OwnedRow, groups, removal, row};
    use crate::snapshot::part::LayerKind::{self, Base, Delta};
    use crate::snapshot::part::Section::{self, Entry, EventTimer, ProcessingTimer, State};

    const ALL: KeyGroupRange = KeyGroupRange { first: KeyGroup(0), last: KeyGroup(127) };

    fn header(layer: LayerKind, groups: KeyGroupRange) -> StateFileHeader {
        StateFileHeader { layer, groups, written_by: SnapshotId(41) }
    }

    struct Scene {
        _temporary: tempfile::TempDir,
        path: PathBuf,
    }

    impl Scene {
        fn new() -> Scene {
            let temporary = tempfile::tempdir().unwrap();
            let path = temporary.path().join("count.0.state");
            Scene { _temporary: temporary, path }
        }

        fn write(&self, rows: &[OwnedRow]) -> StateFileSummary {
            let mut writer = StateFileWriter::create(&self.path, header(Delta, ALL)).unwrap();
            for row in rows {
                writer.row(row.borrow()).unwrap();
            }
            writer.finish().unwrap()
        }

        fn read(&self, groups: KeyGroupRange) -> Result<Vec<OwnedRow>> {
            let mut rows = Vec::new();
            StateFileReader::open(&self.path)?.visit(groups, &mut |row| {
                rows.push(OwnedRow::from(row));
                Ok(())
            })?;
            Ok(rows)
        }
    }

    /// Several blocks, of which some hold several key groups and one key group has several blocks.
    fn many_rows() -> Vec<OwnedRow> {
        let mut rows = Vec::new();
        for group in 0..100u16 {
            let count = if group == 50 { 10_000 } else { 20 };
            for key in 0..count {
                let value = [group as u8; 40];
                rows.push(row(group, State, &u32::to_be_bytes(key), &value[..(key % 40) as usize]));
            }
        }
        rows
    }

    /// Every section and every change, in one block.
    fn small() -> Vec<OwnedRow> {
        vec![
            row(3, State, b"key", b"value"),
            removal(3, State, b"lost", Remove),
            row(3, Entry, b"\x00key\x00at", &[7; 3]),
            removal(4, EventTimer, b"", RemovePrefix),
            row(4, EventTimer, b"key", &[0; 50]),
            row(4, ProcessingTimer, b"key", b""),
        ]
    }

    #[test]
    fn rows_come_back_in_order() {
        let scene = Scene::new();
        let rows = vec![
            row(0, State, b"", b""),
            row(0, State, b"a", &[7; 300_000]),
            removal(0, EventTimer, b"", RemovePrefix),
            row(0, EventTimer, b"a", b"x"),
            removal(0, EventTimer, b"b", Remove),
            removal(0, Entry, b"key", RemovePrefix),
            row(0, Entry, b"key", b"of the prefix itself"),
            row(127, ProcessingTimer, &[0; 200], b"y"),
        ];
        let summary = scene.write(&rows);
        assert_eq!((summary.rows, summary.removed), (5, 3));
        assert_eq!(scene.read(ALL).unwrap(), rows);
    }

    #[test]
    fn an_empty_state_is_a_file_without_rows() {
        let scene = Scene::new();
        let summary = scene.write(&[]);
        assert_eq!(
            (summary.rows, summary.removed, summary.bytes),
            (0, 0, (HEADER_BYTES + FOOTER_BYTES) as u64)
        );
        assert_eq!(scene.read(ALL).unwrap(), []);
    }

    #[test]
    fn a_summary_tells_rows_length_and_checksum() {
        let scene = Scene::new();
        let mut rows = many_rows();
        rows.push(removal(100, State, b"gone", Remove));
        let summary = scene.write(&rows);
        assert_eq!((summary.rows, summary.removed), (rows.len() as u64 - 1, 1));
        assert_eq!(summary.bytes, scene.path.metadata().unwrap().len());
        assert_eq!(summary.crc, crc_of(&scene.path).unwrap());
        let reader = StateFileReader::open(&scene.path).unwrap();
        assert_eq!((reader.rows(), reader.removed(), reader.bytes()), (summary.rows, 1, summary.bytes));
        assert_eq!(reader.header(), header(Delta, ALL));
        assert!(summary.bytes > 3 * 65_536 / 10, "several blocks");
    }

    #[test]
    fn any_range_of_key_groups_can_be_read_alone() {
        let scene = Scene::new();
        let rows = many_rows();
        scene.write(&rows);
        for (first, last) in [(0, 0), (0, 49), (49, 51), (50, 50), (51, 127), (99, 99), (100, 127), (0, 127)]
        {
            let range = groups(first, last);
            let expected: Vec<_> = rows.iter().filter(|row| range.contains(row.group)).cloned().collect();
            assert_eq!(scene.read(range).unwrap(), expected, "{range}");
        }
    }

    #[test]
    fn every_flipped_bit_is_detected() {
        let scene = Scene::new();
        scene.write(&small());
        let whole = std::fs::read(&scene.path).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&scene.path, flipped).unwrap();
            let error = scene.read(ALL).expect_err(&format!("bit {bit}"));
            assert!(error.to_string().contains("count.0.state is broken: "), "bit {bit}: {error}");
        }
    }

    #[test]
    fn every_truncation_and_every_extension_is_detected() {
        let scene = Scene::new();
        scene.write(&small());
        let whole = std::fs::read(&scene.path).unwrap();
        for length in 0..whole.len() {
            std::fs::write(&scene.path, &whole[..length]).unwrap();
            assert!(scene.read(ALL).is_err(), "cut to {length} bytes");
        }
        std::fs::write(&scene.path, [&whole[..], b"\0"].concat()).unwrap();
        assert!(scene.read(ALL).is_err());
    }

    /// A damaged length under a checksum that fits it, as only a broken writer could make: still no panic.
    #[test]
    fn impossible_lengths_in_a_well_checksummed_index_are_refused() {
        let scene = Scene::new();
        scene.write(&[row(3, State, b"key", b"value")]);
        let whole = std::fs::read(&scene.path).unwrap();
        let footer = whole.len() - FOOTER_BYTES;
        let index = footer - INDEX_ENTRY_BYTES;
        for byte in 0..INDEX_ENTRY_BYTES {
            let mut damaged = whole.clone();
            damaged[index + byte] ^= 0xff;
            let crc = crc32fast::hash(&damaged[index..footer]).to_le_bytes();
            damaged[footer + 32..footer + 36].copy_from_slice(&crc);
            let crc = crc32fast::hash(&damaged[footer..footer + 36]).to_le_bytes();
            damaged[footer + 36..footer + 40].copy_from_slice(&crc);
            std::fs::write(&scene.path, damaged).unwrap();
            assert!(scene.read(ALL).is_err(), "byte {byte} of the index");
        }
    }

    /// The same for the header, the footer and the rows themselves: an error at worst, or rows that nobody wrote.
    #[test]
    fn no_byte_under_a_fitting_checksum_makes_a_reader_panic() {
        let scene = Scene::new();
        scene.write(&small());
        let whole = std::fs::read(&scene.path).unwrap();
        let footer = whole.len() - FOOTER_BYTES;
        for byte in (0..HEADER_BYTES - 4).chain(footer..footer + 36) {
            for flip in [1, 0x80, 0xff] {
                let mut damaged = whole.clone();
                damaged[byte] ^= flip;
                let crc = crc32fast::hash(&damaged[..HEADER_BYTES - 4]).to_le_bytes();
                damaged[HEADER_BYTES - 4..HEADER_BYTES].copy_from_slice(&crc);
                let crc = crc32fast::hash(&damaged[footer..footer + 36]).to_le_bytes();
                damaged[footer + 36..footer + 40].copy_from_slice(&crc);
                std::fs::write(&scene.path, damaged).unwrap();
                let _ = scene.read(ALL);
            }
        }
        let mut block = Vec::new();
        small().iter().for_each(|row| super::format::encode_row(&row.borrow(), &mut block));
        for byte in 0..block.len() {
            for flip in [1, 0x0f, 0x80, 0xff] {
                let mut damaged = block.clone();
                damaged[byte] ^= flip;
                let mut at = 0;
                while let Some(place) = super::format::RowPlace::decode(&damaged, &mut at) {
                    place.row(&damaged);
                }
            }
        }
    }

    #[test]
    fn rows_out_of_order_or_of_foreign_key_groups_are_refused() {
        let scene = Scene::new();
        let mut writer = StateFileWriter::create(&scene.path, header(Delta, groups(3, 5))).unwrap();
        writer.row(removal(4, EventTimer, b"b", RemovePrefix).borrow()).unwrap();
        writer.row(row(4, EventTimer, b"b", b"").borrow()).unwrap();
        for (group, section, key) in
            [(3, EventTimer, "c"), (4, State, "c"), (4, EventTimer, "a"), (4, EventTimer, "b")]
        {
            for change in [Put(vec![]), Remove, RemovePrefix] {
                let error = writer.row(removal(group, section, key.as_bytes(), change).borrow()).unwrap_err();
                assert!(error.to_string().contains("out of order"), "{error}");
            }
        }
        let error = writer.row(row(6, State, b"", b"").borrow()).unwrap_err();
        assert!(error.to_string().contains("outside of the file's key groups"), "{error}");
    }

    #[test]
    fn a_base_has_no_removals() {
        let scene = Scene::new();
        let mut writer = StateFileWriter::create(&scene.path, header(Base, ALL)).unwrap();
        for change in [Remove, RemovePrefix] {
            let error = writer.row(removal(4, State, b"b", change).borrow()).unwrap_err();
            assert!(error.to_string().contains("no meaning in a base"), "{error}");
        }
    }

    #[test]
    fn a_file_that_was_not_finished_is_not_there() {
        let scene = Scene::new();
        let mut writer = StateFileWriter::create(&scene.path, header(Base, ALL)).unwrap();
        writer.row(row(4, State, b"b", b"").borrow()).unwrap();
        assert!(scene.path.exists());
        drop(writer);
        assert!(!scene.path.exists());
    }

    /// Snapshots outlive the program that took them: a change of the format is a new version, and this one stays readable.
    #[test]
    fn a_file_of_version_2_is_read_for_ever() {
        let scene = Scene::new();
        let bytes: Vec<u8> = VERSION_2
            .split_whitespace()
            .flat_map(|line| {
                (0..line.len()).step_by(2).map(|i| u8::from_str_radix(&line[i..i + 2], 16).unwrap())
            })
            .collect();
        std::fs::write(&scene.path, bytes).unwrap();
        assert_eq!(scene.read(ALL).unwrap(), small());
        assert_eq!(StateFileReader::open(&scene.path).unwrap().header(), header(Delta, ALL));
    }

    /// Header; block; index; footer.
    const VERSION_2: &str = "
        7469646573746174020100007f002900000000000000a98e9800
        f01c030000036b65790576616c7565030010046c6f737403000307006b6579006174030707070400210004000128002f
        320001001e80040002036b657900
        03000400060000006a0000003e0000002f84bb27
        5800000000000000010000000000000004000000000000000200000000000000af63311647a2c3067461747365646974";

    #[test]
    fn a_file_is_never_overwritten() {
        let scene = Scene::new();
        scene.write(&[]);
        assert!(StateFileWriter::create(&scene.path, header(Delta, ALL)).is_err());
        assert_eq!(scene.read(ALL).unwrap(), []);
    }

    #[test]
    fn an_error_of_the_visitor_is_passed_on() {
        let scene = Scene::new();
        scene.write(&[row(3, State, b"key", b"value")]);
        let reader = StateFileReader::open(&scene.path).unwrap();
        let error = reader.visit(ALL, &mut |_| Err(Error::failure("enough"))).unwrap_err();
        assert_eq!(error.to_string(), "enough");
    }

    fn any_rows() -> impl Strategy<Value = Vec<OwnedRow>> {
        let key = (0u16..128, 0u8..4, prop::collection::vec(any::<u8>(), 0..40), any::<bool>());
        let value = prop::option::of(prop::collection::vec(any::<u8>(), 0..300));
        prop::collection::btree_map(key, value, 1000).prop_map(|rows| {
            let rows = rows.into_iter();
            rows.map(|((group, section, key, of_one_key), value)| {
                let change = match value {
                    _ if !of_one_key => RemovePrefix,
                    Some(value) => Put(value),
                    None => Remove,
                };
                removal(group, Section::from_byte(section).unwrap(), &key, change)
            })
            .collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_thousand_random_rows_come_back_whole_and_by_range(rows in any_rows(), a in 0u16..128, b in 0u16..128) {
            let scene = Scene::new();
            scene.write(&rows);
            prop_assert_eq!(&scene.read(ALL).unwrap(), &rows);
            let range = groups(a.min(b), a.max(b));
            let expected: Vec<_> = rows.into_iter().filter(|row| range.contains(row.group)).collect();
            prop_assert_eq!(scene.read(range).unwrap(), expected);
        }
    }
}
