//! The manifest of a snapshot: what is in it, as JSON that people can read. Pure: text in, text out.
//!
//! | member            | what                                                                                  |
//! |-------------------|---------------------------------------------------------------------------------------|
//! | `format`          | version of the format of manifest and layout, 1                                       |
//! | `job`             | name of the job that took it                                                          |
//! | `snapshot`        | its number                                                                            |
//! | `kind`            | `periodic`, or `last`: nothing of the input was left, or the job was told to stop     |
//! | `taken_at`        | wall-clock time, RFC 3339                                                             |
//! | `parallelism`     | how many subtasks there were                                                          |
//! | `max_parallelism` | how many key groups there are                                                         |
//! | `operators`       | per stateful operator: name, schema, and a list of state files                        |
//! | `channels`        | per subtask with records in flight: operator, type of the records, file; absent if none |
//! | `entries`         | small things, each with owner and item: offsets, watermarks, pending transactions     |
//! | `checksum`        | CRC-32, in hexadecimal, of every byte before it                                       |
//!
//! The checksum is always the last member, and the text after it is always the same, so that any change of any bit shows,
//! also one that would leave the JSON valid.

use serde::{Deserialize, Serialize};

use crate::key::{KeyGroupRange, MaxParallelism, Parallelism};
use crate::record::{BarrierKind, SnapshotId};
use crate::snapshot::part::{Entry, OperatorSchema};
use crate::state::Schema;
use crate::time::EventTime;

/// The version of the format that this program writes, and the only one that it reads.
pub const FORMAT: u32 = 1;

/// What is in a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format: [`FORMAT`].
    pub format: u32,
    /// The job that took it.
    pub job: String,
    /// Its number.
    pub snapshot: SnapshotId,
    /// Why it was taken.
    pub kind: SnapshotKind,
    /// When it was taken, by the wall clock.
    #[serde(with = "rfc3339")]
    pub taken_at: EventTime,
    /// How many subtasks every stage had.
    pub parallelism: Parallelism,
    /// How many key groups there are.
    pub max_parallelism: MaxParallelism,
    /// The stateful operators.
    pub operators: Vec<OperatorState>,
    /// What was in flight between subtasks: nothing, in an aligned snapshot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<ChannelState>,
    /// What is kept outside of keyed state.
    pub entries: Vec<Entry>,
}

/// Why a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SnapshotKind {
    /// The time had come.
    Periodic,
    /// The input had ended, or the job was told to stop.
    Last,
}

impl From<BarrierKind> for SnapshotKind {
    fn from(kind: BarrierKind) -> SnapshotKind {
        match kind {
            BarrierKind::Periodic => SnapshotKind::Periodic,
            BarrierKind::Last => SnapshotKind::Last,
        }
    }
}

/// The keyed state of one operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorState {
    /// The operator's name.
    pub name: String,
    /// The schema of its state and its timers.
    pub schema: OperatorSchema,
    /// Its files, in order of their key groups.
    pub files: Vec<StateFile>,
}

impl OperatorState {
    /// Gathers what the subtasks wrote, in any order, by operator.
    pub fn gather(
        parts: impl IntoIterator<Item = (String, OperatorSchema, StateFile)>,
    ) -> Vec<OperatorState> {
        let mut operators: Vec<OperatorState> = Vec::new();
        for (name, schema, file) in parts {
            match operators.iter_mut().find(|operator| operator.name == name) {
                Some(operator) => operator.files.push(file),
                None => operators.push(OperatorState { name, schema, files: vec![file] }),
            }
        }
        for operator in &mut operators {
            operator.files.sort_by_key(|file| file.groups.first);
        }
        operators.sort_by(|a, b| a.name.cmp(&b.name));
        operators
    }
}

/// A state file as the manifest records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFile {
    /// Its name in the snapshot's directory.
    pub name: String,
    /// The key groups that it covers.
    pub groups: KeyGroupRange,
    /// The number of its rows.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
    /// The CRC-32 of all of it, in hexadecimal.
    pub checksum: String,
}

/// The records that were in flight to one subtask of an operator, as the manifest records them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelState {
    /// The operator's name.
    pub operator: String,
    /// The type of the records.
    pub record: Schema,
    /// The name of the file in the snapshot's directory.
    pub name: String,
    /// The key groups that the subtask owned: those of the records.
    pub groups: KeyGroupRange,
    /// How far event time has come behind the records: the same for all subtasks of the operator.
    pub watermark: EventTime,
    /// The number of the records.
    pub records: u64,
    /// The file's length.
    pub bytes: u64,
    /// The CRC-32 of all of it, in hexadecimal.
    pub checksum: String,
}

/// A checksum as it stands in a manifest.
pub(crate) fn checksum_text(crc: u32) -> String {
    format!("{crc:08x}")
}

/// How serde_json ends a pretty object that has members.
const END_OF_OBJECT: &str = "\n}";
const BEFORE_CHECKSUM: &str = ",\n  \"checksum\": \"";
const AFTER_CHECKSUM: &str = "\"\n}\n";
const CHECKSUM_BYTES: usize = 8;

impl Manifest {
    /// The manifest as text, with its checksum.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect(
            "a manifest has no map with keys other than strings, and no part of it refuses to be written",
        );
        text.truncate(text.len() - END_OF_OBJECT.len());
        text.push_str(BEFORE_CHECKSUM);
        let checksum = checksum_text(crc32fast::hash(text.as_bytes()));
        text.push_str(&checksum);
        text.push_str(AFTER_CHECKSUM);
        text
    }

    /// Reads a manifest back.
    ///
    /// # Errors
    /// What is wrong with it: it was cut short, has been changed, or was written by a newer version of Tidegate.
    pub fn from_text(text: &[u8]) -> Result<Manifest, String> {
        let (sealed, checksum) = text
            .strip_suffix(AFTER_CHECKSUM.as_bytes())
            .and_then(|text| text.split_last_chunk::<CHECKSUM_BYTES>())
            .filter(|(sealed, _)| sealed.ends_with(BEFORE_CHECKSUM.as_bytes()))
            .ok_or("it does not end with its checksum: it was cut short or changed")?;
        if checksum_text(crc32fast::hash(sealed)).as_bytes() != checksum {
            return Err("it does not match its checksum: it was changed since it was written".to_string());
        }
        let unreadable = |error: serde_json::Error| format!("it is not what a manifest should be ({error})");
        let Version { format } = serde_json::from_slice(text).map_err(unreadable)?;
        if format != FORMAT {
            return Err(format!(
                "it has version {format} of the format, and this program reads version {FORMAT}: \
                 it was written by another version of Tidegate"
            ));
        }
        serde_json::from_slice(text).map_err(unreadable)
    }
}

/// The one member that every version of a manifest has.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

/// A point in time as RFC 3339; outside of the years that it can write, as milliseconds.
mod rfc3339 {
    use std::time::UNIX_EPOCH;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::time::EventTime;

    pub(super) fn serialize<S: Serializer>(time: &EventTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<EventTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time =
            humantime::parse_rfc3339(&text).map_err(|_| D::Error::custom(format!("{text} is no time")))?;
        let since_epoch = time.duration_since(UNIX_EPOCH).map_err(D::Error::custom)?;
        Ok(EventTime::from_millis(since_epoch.as_millis() as i64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::fixture::{self, schema};
    use crate::state::Describe;

    fn manifest() -> Manifest {
        let mut manifest = fixture::manifest(SnapshotId(41));
        let file = |name: &str, groups| StateFile {
            name: name.to_string(),
            groups,
            rows: 3,
            bytes: 77,
            checksum: checksum_text(0xab),
        };
        let (low, high) = (fixture::groups(0, 63), fixture::groups(64, 127));
        manifest.operators = OperatorState::gather([
            ("sum".to_string(), schema("Sum"), file("sum.0.state", low)),
            ("count".to_string(), schema("Count"), file("count.1.state", high)),
            ("count".to_string(), schema("Count"), file("count.0.state", low)),
        ]);
        manifest.entries.push(Entry {
            owner: "source access-log".to_string(),
            item: "a \"quoted\" path\n".to_string(),
            value: serde_json::json!({ "at": { "position": 71_201, "records": 300 } }),
        });
        manifest
    }

    #[test]
    fn a_manifest_comes_back_from_its_text() {
        let manifest = manifest();
        assert_eq!(Manifest::from_text(manifest.to_text().as_bytes()), Ok(manifest));
    }

    #[test]
    fn what_was_in_flight_is_told_and_an_aligned_snapshot_does_not_speak_of_it() {
        let mut manifest = manifest();
        assert!(!manifest.to_text().contains("channels"));
        manifest.channels.push(ChannelState {
            operator: "count".to_string(),
            record: u64::schema(),
            name: "count.0.channel".to_string(),
            groups: fixture::groups(0, 63),
            watermark: EventTime::MAX,
            records: 12,
            bytes: 345,
            checksum: checksum_text(0xab),
        });
        assert_eq!(Manifest::from_text(manifest.to_text().as_bytes()), Ok(manifest));
    }

    #[test]
    fn a_manifest_is_json_that_people_can_read() {
        let text = manifest().to_text();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["taken_at"], "2015-05-17T10:05:03.000Z");
        assert_eq!(json["kind"], "periodic");
        assert_eq!(json["operators"][0]["files"][0]["checksum"], "000000ab");
        assert!(
            text.starts_with("{\n  \"format\": 1,\n  \"job\": \"web-visits\",\n  \"snapshot\": 41,\n"),
            "{text}"
        );
    }

    #[test]
    fn what_subtasks_wrote_is_gathered_by_operator_and_ordered_by_key_group() {
        let manifest = manifest();
        let names: Vec<Vec<&str>> = manifest
            .operators
            .iter()
            .map(|operator| operator.files.iter().map(|file| file.name.as_str()).collect())
            .collect();
        assert_eq!(names, [vec!["count.0.state", "count.1.state"], vec!["sum.0.state"]]);
    }

    #[test]
    fn every_flipped_bit_and_every_truncation_is_detected() {
        let text = manifest().to_text().into_bytes();
        for bit in 0..text.len() * 8 {
            let mut flipped = text.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Manifest::from_text(&flipped).is_err(), "bit {bit}");
        }
        for length in 0..text.len() {
            assert!(Manifest::from_text(&text[..length]).is_err(), "cut to {length} bytes");
        }
    }

    #[test]
    fn bytes_behind_the_end_are_detected() {
        let text = manifest().to_text() + "\n";
        assert!(Manifest::from_text(text.as_bytes()).unwrap_err().contains("does not end with its checksum"));
    }

    #[test]
    fn an_edited_value_is_detected() {
        let text = manifest().to_text().replace("71201", "71202");
        assert!(Manifest::from_text(text.as_bytes()).unwrap_err().contains("changed since it was written"));
    }

    #[test]
    fn a_manifest_of_version_1_is_read_for_ever() {
        assert_eq!(Manifest::from_text(VERSION_1.as_bytes()), Ok(manifest()));
    }

    #[test]
    fn a_newer_format_is_refused_whatever_else_it_has() {
        let mut manifest = manifest();
        manifest.format = 2;
        let error = Manifest::from_text(manifest.to_text().as_bytes()).unwrap_err();
        assert!(error.contains("version 2") && error.contains("another version of Tidegate"), "{error}");
    }

    const VERSION_1: &str = r#"{
  "format": 1,
  "job": "web-visits",
  "snapshot": 41,
  "kind": "periodic",
  "taken_at": "2015-05-17T10:05:03.000Z",
  "parallelism": 2,
  "max_parallelism": 128,
  "operators": [
    {
      "name": "count",
      "schema": {
        "state": {
          "name": "Count",
          "key": {
            "scalar": "String"
          },
          "fields": [
            {
              "name": "flag",
              "schema": {
                "scalar": "bool"
              }
            }
          ]
        },
        "timer": {
          "scalar": "()"
        }
      },
      "files": [
        {
          "name": "count.0.state",
          "groups": {
            "first": 0,
            "last": 63
          },
          "rows": 3,
          "bytes": 77,
          "checksum": "000000ab"
        },
        {
          "name": "count.1.state",
          "groups": {
            "first": 64,
            "last": 127
          },
          "rows": 3,
          "bytes": 77,
          "checksum": "000000ab"
        }
      ]
    },
    {
      "name": "sum",
      "schema": {
        "state": {
          "name": "Sum",
          "key": {
            "scalar": "String"
          },
          "fields": [
            {
              "name": "flag",
              "schema": {
                "scalar": "bool"
              }
            }
          ]
        },
        "timer": {
          "scalar": "()"
        }
      },
      "files": [
        {
          "name": "sum.0.state",
          "groups": {
            "first": 0,
            "last": 63
          },
          "rows": 3,
          "bytes": 77,
          "checksum": "000000ab"
        }
      ]
    }
  ],
  "entries": [
    {
      "owner": "source access-log",
      "item": "a \"quoted\" path\n",
      "value": {
        "at": {
          "position": 71201,
          "records": 300
        }
      }
    }
  ],
  "checksum": "e41a84ac"
}
"#;
}
