//! Snapshots of a state that has every kind of field, for the tests of this module.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::rows::Place;
use super::{Tools, run};
use crate::error::Result;
use crate::evolution::fixture::{Everything, Letter, everything};
use crate::evolution::row::key_group;
use crate::exchange::backlog::{Backlog, Queued};
use crate::exchange::codec::{self, CodecInput, Payload};
use crate::exchange::partition::{Borrowed, KeyAccess};
use crate::key::{Key, KeyGroup, KeyGroupRange, MaxParallelism, SubtaskIndex};
use crate::record::{Routed, SnapshotId};
use crate::snapshot::chain::Chains;
use crate::snapshot::channel_file::write_channel;
use crate::snapshot::fixture::{OwnedChange, OwnedRow, Rows, groups, manifest, write_next};
use crate::snapshot::part::{FrozenState, OperatorSchema, Section};
use crate::snapshot::{Manifest, Snapshot, SnapshotDirectory};
use crate::state::kinds::{List, Map, Refresh, Ttl, TtlTime, Value};
use crate::state::{Data, Describe, Field, StateSchema};
use crate::time::{EventTime, secs};

/// The key of the state.
pub(super) type Id = (String, u8);

/// All that an operator knows of one key.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    pub visits: u64,
    pub all: Option<Box<Everything>>,
    pub pages: BTreeMap<String, u64>,
    pub letters: BTreeMap<u64, Option<Letter>>,
    pub last: Option<(i64, String)>,
    /// Refreshed at these times; more of them are counted than there are.
    pub seen: BTreeMap<u8, i64>,
    pub gone: u64,
    pub timers: BTreeSet<(bool, i64, u64, String)>,
}

pub(super) fn schema() -> OperatorSchema {
    let ttl = Ttl { lasts: secs(60), time: TtlTime::Event, refresh: Refresh::Write };
    let fields = vec![
        Field::of::<u64>("visits"),
        Field::of::<Option<Everything>>("all"),
        Field::of::<Map<String, u64>>("pages"),
        Field::of::<Value<String>>("last"),
        Field::of::<List<Option<Letter>>>("letters"),
        Field::of::<Map<u8, ()>>("seen").expiring(ttl),
    ];
    let key = Id::schema();
    OperatorSchema {
        state: StateSchema { name: "Session".to_string(), version: 1, key, fields },
        timer: String::schema(),
    }
}

pub(super) fn bytes(key: &impl Key) -> Vec<u8> {
    let mut bytes = Vec::new();
    key.encode(&mut bytes);
    bytes
}

pub(super) fn group_of(key: &Id) -> KeyGroup {
    key_group(&schema().state, &bytes(key), MaxParallelism::DEFAULT)
}

impl Session {
    /// The rows of it, in no order.
    pub fn rows(&self, id: &Id) -> Vec<(Place, Vec<u8>)> {
        let key = bytes(id);
        let entry =
            |field: u8, subkey: Vec<u8>| (Section::Entry, [&[field][..], &key, &[0], &subkey].concat());
        let mut rows = Vec::new();
        for (page, count) in &self.pages {
            rows.push((entry(0, bytes(page)), postcard::to_stdvec(&(0i64, count)).unwrap()));
        }
        for (index, letter) in &self.letters {
            rows.push((entry(2, bytes(index)), postcard::to_stdvec(&(0i64, letter)).unwrap()));
        }
        for (seen, refreshed) in &self.seen {
            rows.push((entry(3, bytes(seen)), postcard::to_stdvec(&(refreshed, ())).unwrap()));
        }
        for (is_event, at, number, payload) in &self.timers {
            let section = if *is_event { Section::EventTimer } else { Section::ProcessingTimer };
            let place = (section, [&bytes(at)[..], &bytes(number), &key].concat());
            rows.push((place, postcard::to_stdvec(payload).unwrap()));
        }
        let first = self.letters.keys().next().copied().unwrap_or(7);
        let span = self.letters.keys().next_back().map_or(0, |last| last - first + 1);
        let has_gaps = span != self.letters.len() as u64;
        let seen = self.seen.len() as u64 + self.gone;
        let state = (
            (self.visits, &self.all, self.pages.len() as u64 * 2, &self.last),
            (first, span * 2 + u64::from(has_gaps)),
            seen * 2 + u64::from(seen > 0),
        );
        rows.push(((Section::State, key), postcard::to_stdvec(&state).unwrap()));
        rows
    }
}

/// Any number of sessions; of their entries some may have gone if `gone_max` is not 0.
pub(super) fn sessions(gone_max: u64) -> impl Strategy<Value = BTreeMap<Id, Session>> {
    let letter =
        prop_oneof![Just(None), any::<u64>().prop_map(|b| Some(Letter::B(b))), Just(Some(Letter::A))];
    let session = (
        (any::<u64>(), proptest::option::weighted(0.2, everything().prop_map(Box::new))),
        btree_map(any::<String>(), any::<u64>(), 0..4),
        btree_map(0..6u64, letter, 0..4),
        any::<Option<(i64, String)>>(),
        btree_map(any::<u8>(), 1..i64::MAX, 0..3),
        0..=gone_max,
        btree_set(any::<(bool, i64, u64, String)>(), 0..3),
    );
    let session = session.prop_map(|((visits, all), pages, letters, last, seen, gone, timers)| Session {
        visits,
        all,
        pages,
        letters,
        last,
        seen,
        gone,
        timers: timers
            .into_iter()
            .map(|timer| ((timer.0, timer.1, timer.2), timer))
            .collect::<BTreeMap<_, _>>()
            .into_values()
            .collect(),
    });
    vec((("[ab]{0,2}", any::<u8>()), session), 0..12).prop_map(|sessions| sessions.into_iter().collect())
}

/// A directory of snapshots, and what the tools say of it.
pub(super) struct Scene {
    temporary: tempfile::TempDir,
    pub directory: SnapshotDirectory,
    chains: Chains,
}

impl Scene {
    pub fn new() -> Scene {
        let temporary = tempfile::tempdir().unwrap();
        let directory = SnapshotDirectory::open(&temporary.path().join("snapshots")).unwrap();
        Scene { temporary, directory, chains: Chains::default() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.temporary.path().join(name)
    }

    /// Takes the next snapshot, to which these rows belong: of the first, they are all there are.
    pub fn snapshot(&mut self, rows: Vec<OwnedRow>) -> Snapshot {
        let mut rows = rows;
        rows.sort_by(|a, b| (a.group, a.section, &a.key).cmp(&(b.group, b.section, &b.key)));
        let complete = self.directory.list().unwrap().is_empty();
        let frozen = FrozenState {
            operator: "sessions".to_string(),
            schema: schema(),
            groups: groups(0, 127),
            complete,
            rows: Box::new(Rows(rows)),
        };
        let id = write_next(&self.directory, &mut self.chains, vec![frozen]);
        Snapshot::open(&self.directory.snapshot_path(id)).unwrap()
    }

    /// Takes a snapshot of no rows, with records in flight to a subtask of these key groups: one for each of the words.
    pub fn in_flight(&self, words: &[&str], groups: KeyGroupRange) -> SnapshotId {
        let id = self.directory.next_id();
        let pending = self.directory.begin(id).unwrap();
        let routed = words.iter().map(|word| {
            let value = word.to_string();
            Routed { hash: value.hash(), carried: (), value, at: EventTime::from_millis(3) }
        });
        let mut backlog = Backlog::new(EventTime::from_millis(1));
        let queue = &mut |payload| backlog.elements.push_back(Queued::Batch(payload));
        let word: fn(&String) -> &String = |word| word;
        encode_with(&Borrowed(word, std::marker::PhantomData), &routed.collect::<Vec<_>>(), queue);
        let input = CodecInput { operator: "sessions".to_string(), record: String::schema(), groups };
        let channel = write_channel(pending.state_path(), id, SubtaskIndex(0), input, &backlog).unwrap();
        let channels = channel.into_iter().collect();
        pending.complete(&Manifest { channels, ..manifest(id) }).unwrap();
        id
    }

    /// Takes a snapshot of two layers that has these sessions.
    pub fn of(&mut self, sessions: &BTreeMap<Id, Session>) -> Snapshot {
        let mut layers = [Vec::new(), Vec::new()];
        for (number, (id, session)) in sessions.iter().enumerate() {
            layers[number % 2].extend(owned(id, session));
        }
        let [base, delta] = layers;
        self.snapshot(base);
        self.snapshot(delta)
    }

    /// What the tools answer, given `input`.
    pub fn answers(&self, words: &[&str], input: &str) -> (String, Result<()>) {
        let mut out = Vec::new();
        let done = run(&tools(words), Some(self.directory.path()), &mut input.as_bytes(), &mut out);
        (String::from_utf8(out).unwrap(), done)
    }

    #[track_caller]
    pub fn answer(&self, words: &[&str]) -> String {
        let (out, done) = self.answers(words, "");
        done.unwrap_or_else(|error| panic!("{words:?}: {error:#}\n{out}"));
        out
    }

    #[track_caller]
    pub fn refusal(&self, words: &[&str], input: &str) -> String {
        let (_, done) = self.answers(words, input);
        format!("{:#}", done.expect_err("it is refused"))
    }

    /// Edits the latest snapshot; what is dumped then.
    #[track_caller]
    pub fn edited(&self, lines: &str, name: &str) -> String {
        let path = self.path(name);
        let (out, done) = self.answers(&["edit", "latest", "--out", text(&path)], lines);
        done.unwrap_or_else(|error| panic!("{error:#}\n{out}"));
        self.answer(&["verify", text(&path)]);
        self.answer(&["dump", text(&path)])
    }
}

/// Writes records down as the gate behind an exchange does that is keyed like this.
fn encode_with<A: KeyAccess<T>, T: Data>(
    _: &A,
    records: &[Routed<A::Carried, T>],
    each: &mut dyn FnMut(Payload),
) {
    codec::encode::<A, T>(records, each).unwrap();
}

pub(super) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn tools(words: &[&str]) -> Tools {
    use clap::{Args, FromArgMatches};
    let command = Tools::augment_args(clap::Command::new("snapshots"));
    let matches = command.try_get_matches_from([&["snapshots"], words].concat()).unwrap();
    Tools::from_arg_matches(&matches).unwrap()
}

/// The rows of a session, in its key group.
pub(super) fn owned(id: &Id, session: &Session) -> Vec<OwnedRow> {
    let group = group_of(id);
    let row = |((section, key), value)| OwnedRow { group, section, key, change: OwnedChange::Put(value) };
    session.rows(id).into_iter().map(row).collect()
}

/// `ann` has visited two pages, has three letters, and waits for a timer; `bob` has nothing but visits.
pub(super) fn ann_and_bob() -> BTreeMap<Id, Session> {
    let ann = Session {
        visits: 3,
        pages: [("/".to_string(), 2), ("/a".to_string(), 1)].into(),
        letters: [(4, Some(Letter::A)), (5, None), (6, Some(Letter::B(9)))].into(),
        last: Some((5, "/a".to_string())),
        timers: [(true, 60_000, 1, "close".to_string())].into(),
        ..Session::default()
    };
    let bob = Session { visits: 1, ..Session::default() };
    [(("ann".to_string(), 7), ann), (("bob".to_string(), 0), bob)].into()
}
