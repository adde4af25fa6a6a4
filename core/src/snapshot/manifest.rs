//! The manifest of a snapshot: what is in it, as JSON that people can read. Pure: text in, text out.
//!
//! | member            | what                                                                                  |
//! |-------------------|---------------------------------------------------------------------------------------|
//! | `format`          | version of the format of manifest and layout, 3                                       |
//! | `job`             | name of the job that took it                                                          |
//! | `snapshot`        | its number                                                                            |
//! | `kind`            | `periodic`; `last`: nothing of the input was left, or the job was told to stop; `savepoint`: the user asked for it |
//! | `taken_at`        | wall-clock time, RFC 3339                                                             |
//! | `parallelism`     | how many subtasks there were                                                          |
//! | `max_parallelism` | how many key groups there are                                                         |
//! | `files`           | where the files lie: `shared`, in the pool `../state/`; `own`, beside the manifest    |
//! | `operators`       | per stateful operator: name, schema, and a list of state files, oldest layer first    |
//! | `channels`        | per subtask with records in flight: operator, type of the records, file; absent if none |
//! | `entries`         | small things, each with owner and item: offsets, watermarks, pending transactions     |
//! | `checksum`        | CRC-32, in hexadecimal, of every byte before it                                       |
//!
//! Of a state file:
//!
//! | member       | what                                                                                       |
//! |--------------|--------------------------------------------------------------------------------------------|
//! | `name`       | its name                                                                                   |
//! | `layer`      | `base`: all rows of its key groups, older files do not count there; `delta`: what changed  |
//! | `groups`     | first and last key group that it covers                                                    |
//! | `written_by` | the snapshot that it belongs to: the order of layers                                       |
//! | `rows`       | how many rows have a value                                                                 |
//! | `removed`    | how many rows say that something is gone                                                   |
//! | `bytes`      | its length                                                                                 |
//! | `checksum`   | CRC-32, in hexadecimal, of all of it                                                       |
//!
//! Of a channel file, which holds records in flight: `operator`, `record` (their type), `name`, `groups`, `watermark` (how far
//! event time has come behind them), `records`, `bytes`, `checksum`.
//!
//! Files of one operator may overlap in key groups. Together, as [stacks](super::stack), they are all of its state.
//!
//! The checksum is always the last member, and the text after it is always the same, so that any change of any bit shows,
//! also one that would leave the JSON valid.

use std::ops::RangeInclusive;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::key::{KeyGroupRange, MaxParallelism, Parallelism};
use crate::record::{BarrierKind, SnapshotId};
use crate::snapshot::file::{StateFileHeader, StateFileSummary};
use crate::snapshot::part::{Entry, LayerKind, OperatorSchema};
use crate::state::Schema;
use crate::time::EventTime;

/// The version of the format that this program writes. Its manifests read as those of version 2 do, which had a timer for every
/// window of event time: a program that waits for timers must not take rows that say themselves when they are due.
pub const FORMAT: u32 = 3;

/// The versions of the format that this program reads.
const READ: RangeInclusive<u32> = 2..=FORMAT;

/// What is in a snapshot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The version of the format: [`FORMAT`], or that of the program that wrote it.
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
    /// Where the state files lie.
    pub files: StateFiles,
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
    /// The user asked for it, and owns it.
    Savepoint,
}

/// Where the state files of a snapshot lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StateFiles {
    /// In the pool beside the snapshot's directory, which other snapshots share.
    Shared,
    /// In the snapshot's directory: it can be taken anywhere.
    Own,
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
    /// Its files, oldest layer first.
    pub files: Vec<StateFile>,
}

/// A state file as the manifest records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateFile {
    /// Its name where the snapshot's files lie.
    pub name: String,
    /// Whether it has all rows of its key groups, or what changed.
    pub layer: LayerKind,
    /// The key groups that it covers.
    pub groups: KeyGroupRange,
    /// The snapshot that it belongs to: the order of layers.
    pub written_by: SnapshotId,
    /// The number of rows that have a value.
    pub rows: u64,
    /// The number of rows that say that something is gone.
    pub removed: u64,
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
    /// The name of the file where the snapshot's files lie.
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

impl StateFile {
    /// A file that has been written.
    pub fn new(name: String, header: StateFileHeader, summary: StateFileSummary) -> StateFile {
        let StateFileHeader { layer, groups, written_by } = header;
        let StateFileSummary { rows, removed, bytes, crc } = summary;
        StateFile { name, layer, groups, written_by, rows, removed, bytes, checksum: checksum_text(crc) }
    }

    /// What the file itself says first.
    pub fn header(&self) -> StateFileHeader {
        StateFileHeader { layer: self.layer, groups: self.groups, written_by: self.written_by }
    }
}

impl OperatorState {
    /// What the order of layers and the safety of other files rest on: plain names, each once, and ages that go up.
    fn check(&self) -> Result<(), String> {
        for (place, file) in self.files.iter().enumerate() {
            check_name(&file.name)?;
            if self.files[..place].iter().any(|older| older.name == file.name) {
                return Err(format!("operator \"{}\" has the file {} twice", self.name, file.name));
            }
        }
        match self.files.windows(2).find(|pair| pair[0].written_by > pair[1].written_by) {
            Some(pair) => {
                Err(format!("{} is newer than {}, but comes before it", pair[0].name, pair[1].name))
            }
            None => Ok(()),
        }
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let plain = Path::new(name).file_name().is_some_and(|plain| plain == name);
    if plain { Ok(()) } else { Err(format!("\"{name}\" is not the name of a file")) }
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
        if !READ.contains(&format) {
            let (oldest, newest) = (READ.start(), READ.end());
            return Err(format!(
                "it has version {format} of the format, and this program reads versions {oldest} to {newest}: \
                 it was written by another version of Tidegate"
            ));
        }
        let manifest: Manifest = serde_json::from_slice(text).map_err(unreadable)?;
        for (place, operator) in manifest.operators.iter().enumerate() {
            operator.check()?;
            if manifest.operators[..place].iter().any(|other| other.name == operator.name) {
                return Err(format!("it has operator \"{}\" twice", operator.name));
            }
        }
        for (place, channel) in manifest.channels.iter().enumerate() {
            check_name(&channel.name)?;
            if manifest.channels[..place].iter().any(|other| other.name == channel.name) {
                return Err(format!("it has the file {} twice", channel.name));
            }
        }
        Ok(manifest)
    }

    /// The names of all files: of state, and of records in flight.
    pub fn file_names(&self) -> impl Iterator<Item = &str> {
        let state = self.operators.iter().flat_map(|operator| &operator.files).map(|file| file.name.as_str());
        state.chain(self.channels.iter().map(|channel| channel.name.as_str()))
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
    use crate::snapshot::part::LayerKind::{Base, Delta};
    use crate::state::Describe;

    fn manifest() -> Manifest {
        let mut manifest = fixture::manifest(SnapshotId(41));
        let (low, high) = (fixture::groups(0, 63), fixture::groups(64, 127));
        let delta = StateFile { removed: 2, ..fixture::file(41, Delta, low) };
        let files = vec![fixture::file(7, Base, low), fixture::file(7, Base, high), delta];
        let count = OperatorState { name: "count".to_string(), schema: schema("Count"), files };
        let sum = OperatorState { name: "sum".to_string(), schema: schema("Sum"), files: Vec::new() };
        manifest.operators = vec![count, sum];
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
            name: "count.0.41.channel".to_string(),
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
            text.starts_with("{\n  \"format\": 3,\n  \"job\": \"web-visits\",\n  \"snapshot\": 41,\n"),
            "{text}"
        );
    }

    #[test]
    fn layers_out_of_order_and_names_that_lead_elsewhere_are_refused() {
        let refused = |change: fn(&mut Manifest), what: &str| {
            let mut manifest = manifest();
            change(&mut manifest);
            let error = Manifest::from_text(manifest.to_text().as_bytes()).unwrap_err();
            assert!(error.contains(what), "{error}");
        };
        refused(|manifest| manifest.operators[0].files.swap(1, 2), "is newer than");
        refused(
            |manifest| manifest.operators[0].files[1].name = "../mine".to_string(),
            "\"../mine\" is not the name of a file",
        );
        refused(
            |manifest| {
                let name = manifest.operators[0].files[0].name.clone();
                manifest.operators[0].files[1].name = name;
            },
            "twice",
        );
        refused(|manifest| manifest.operators[1].name = "count".to_string(), "operator \"count\" twice");
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
    fn a_manifest_of_version_2_is_read_for_ever() {
        assert_eq!(Manifest::from_text(VERSION_2.as_bytes()), Ok(Manifest { format: 2, ..manifest() }));
    }

    #[test]
    fn a_newer_format_is_refused_whatever_else_it_has() {
        let newer = Manifest { format: FORMAT + 1, ..manifest() };
        let error = Manifest::from_text(newer.to_text().as_bytes()).unwrap_err();
        assert!(error.contains("version 4") && error.contains("another version of Tidegate"), "{error}");
    }

    const VERSION_2: &str = r#"{
  "format": 2,
  "job": "web-visits",
  "snapshot": 41,
  "kind": "periodic",
  "taken_at": "2015-05-17T10:05:03.000Z",
  "parallelism": 2,
  "max_parallelism": 128,
  "files": "shared",
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
          "name": "count.0.7.state",
          "layer": "base",
          "groups": {
            "first": 0,
            "last": 63
          },
          "written_by": 7,
          "rows": 3,
          "removed": 0,
          "bytes": 77,
          "checksum": "000000ab"
        },
        {
          "name": "count.64.7.state",
          "layer": "base",
          "groups": {
            "first": 64,
            "last": 127
          },
          "written_by": 7,
          "rows": 3,
          "removed": 0,
          "bytes": 77,
          "checksum": "000000ab"
        },
        {
          "name": "count.0.41.state",
          "layer": "delta",
          "groups": {
            "first": 0,
            "last": 63
          },
          "written_by": 41,
          "rows": 3,
          "removed": 2,
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
      "files": []
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
  "checksum": "692bdf76"
}
"#;
}
