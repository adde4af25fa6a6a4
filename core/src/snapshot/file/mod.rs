//! A state file: the keyed state of one operator in one subtask, sorted, compressed, and checksummed to the last bit.
//!
//! Rows enter in ascending order of (key group, section, key) and leave in that order, all of them or those of a range of
//! key groups. Every byte of the file is covered by a checksum, and no length is believed before its checksum has been:
//! a file that was cut short or in which a bit has flipped gives an error that says where, never rows. The bytes are drawn
//! in `format.rs`, beside their encoding and decoding.

mod format;
mod read;
mod write;

pub use read::{StateFileReader, crc_of};
pub use write::{StateFileSummary, StateFileWriter};

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::format::{FOOTER_BYTES, HEADER_BYTES, INDEX_ENTRY_BYTES};
    use super::*;
    use crate::error::{Error, Result};
    use crate::key::{KeyGroup, KeyGroupRange};
    use crate::snapshot::fixture::{OwnedRow, groups, row};
    use crate::snapshot::part::Section::{self, EventTimer, ProcessingTimer, State};

    const ALL: KeyGroupRange = KeyGroupRange { first: KeyGroup(0), last: KeyGroup(127) };

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
            let mut writer = StateFileWriter::create(&self.path, ALL).unwrap();
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

    #[test]
    fn rows_come_back_in_order() {
        let scene = Scene::new();
        let rows = vec![
            row(0, State, b"", b""),
            row(0, State, b"a", &[7; 300_000]),
            row(0, EventTimer, b"a", b"x"),
            row(127, ProcessingTimer, &[0; 200], b"y"),
        ];
        scene.write(&rows);
        assert_eq!(scene.read(ALL).unwrap(), rows);
    }

    #[test]
    fn an_empty_state_is_a_file_without_rows() {
        let scene = Scene::new();
        let summary = scene.write(&[]);
        assert_eq!((summary.rows, summary.bytes), (0, (HEADER_BYTES + FOOTER_BYTES) as u64));
        assert_eq!(scene.read(ALL).unwrap(), []);
    }

    #[test]
    fn a_summary_tells_rows_length_and_checksum() {
        let scene = Scene::new();
        let rows = many_rows();
        let summary = scene.write(&rows);
        assert_eq!(summary.rows, rows.len() as u64);
        assert_eq!(summary.bytes, scene.path.metadata().unwrap().len());
        assert_eq!(summary.crc, crc_of(&scene.path).unwrap());
        let reader = StateFileReader::open(&scene.path).unwrap();
        assert_eq!((reader.rows(), reader.bytes(), reader.groups()), (summary.rows, summary.bytes, ALL));
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
        scene.write(&[row(3, State, b"key", b"value"), row(4, EventTimer, b"key", &[0; 50])]);
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
        scene.write(&[row(3, State, b"key", b"value"), row(4, EventTimer, b"key", &[0; 50])]);
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
            damaged[footer + 24..footer + 28].copy_from_slice(&crc);
            let crc = crc32fast::hash(&damaged[footer..footer + 28]).to_le_bytes();
            damaged[footer + 28..footer + 32].copy_from_slice(&crc);
            std::fs::write(&scene.path, damaged).unwrap();
            assert!(scene.read(ALL).is_err(), "byte {byte} of the index");
        }
    }

    #[test]
    fn rows_out_of_order_or_of_foreign_key_groups_are_refused() {
        let scene = Scene::new();
        let mut writer = StateFileWriter::create(&scene.path, groups(3, 5)).unwrap();
        writer.row(row(4, EventTimer, b"b", b"").borrow()).unwrap();
        for (group, section, key) in
            [(3, EventTimer, "c"), (4, State, "c"), (4, EventTimer, "a"), (4, EventTimer, "b")]
        {
            let error = writer.row(row(group, section, key.as_bytes(), b"").borrow()).unwrap_err();
            assert!(error.to_string().contains("out of order"), "{error}");
        }
        let error = writer.row(row(6, State, b"", b"").borrow()).unwrap_err();
        assert!(error.to_string().contains("outside of the file's key groups"), "{error}");
    }

    /// Snapshots outlive the program that took them: a change of the format is a new version, and this one stays readable.
    #[test]
    fn a_file_of_version_1_is_read_for_ever() {
        let scene = Scene::new();
        let bytes: Vec<u8> = VERSION_1
            .split_whitespace()
            .flat_map(|line| {
                (0..line.len()).step_by(2).map(|i| u8::from_str_radix(&line[i..i + 2], 16).unwrap())
            })
            .collect();
        std::fs::write(&scene.path, bytes).unwrap();
        assert_eq!(
            scene.read(ALL).unwrap(),
            [row(3, State, b"key", b"value"), row(4, EventTimer, b"key", &[0; 50])]
        );
    }

    /// Header; block; index; footer.
    const VERSION_1: &str = "
        74696465737461740100007f00f20880de
        f001030000036b65790576616c75650400010d002f320001001860000000000000
        03000400020000004700000021000000462ac8fc
        320000000000000001000000000000000200000000000000333fde61c71600cf7461747365646974";

    #[test]
    fn a_file_is_never_overwritten() {
        let scene = Scene::new();
        scene.write(&[]);
        assert!(StateFileWriter::create(&scene.path, ALL).is_err());
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
        let key = (0u16..128, 0u8..3, prop::collection::vec(any::<u8>(), 0..40));
        let value = prop::collection::vec(any::<u8>(), 0..300);
        prop::collection::btree_map(key, value, 1000).prop_map(|rows| {
            let rows = rows.into_iter();
            rows.map(|((group, section, key), value)| {
                row(group, Section::from_byte(section).unwrap(), &key, &value)
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
