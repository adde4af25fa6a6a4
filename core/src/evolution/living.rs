//! Which rows of a snapshot are still worth keeping when its files are merged: entries that have expired are not.
//!
//! Enters what a manifest says: the times to live of every state, and what time it was for every operator. By each of its
//! clocks time goes on in a job that is restored, so what had expired then will have expired whenever the merged files are
//! read. A row of state that is not an entry stays, whatever in it has expired: it goes when it is loaded.

use std::collections::BTreeMap;

use super::report::taken_at;
use super::shape::managed;
use crate::snapshot::Manifest;
use crate::snapshot::part::{OperatorSchema, Section, StateRow};
use crate::state::kinds::Now;
use crate::state::{Ttl, TtlTime};
use crate::time::EventTime;

/// What has not expired in a snapshot. The default keeps everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Living {
    operators: BTreeMap<String, Vec<Option<Life>>>,
}

/// How long the entries of a field live, and what time it is for them.
#[derive(Clone, Copy, Debug)]
struct Life {
    ttl: Ttl,
    now: EventTime,
}

impl Living {
    /// As it was when the snapshot was taken.
    pub fn at(manifest: &Manifest) -> Living {
        let lives = |operator: &str, schema: &OperatorSchema| -> Vec<Option<Life>> {
            let now = taken_at(manifest, operator);
            let life = |ttl: Ttl| Life { ttl, now: time(ttl.time, &now) };
            managed(&schema.state.fields).map(|(_, field)| field.ttl.map(life)).collect()
        };
        let of = |(name, schema): (&String, &OperatorSchema)| (name.clone(), lives(name, schema));
        let operators = manifest.operators.iter().map(|operator| (&operator.name, &operator.schema));
        Living { operators: operators.map(of).collect() }
    }

    /// Whether a row of this operator is to be kept.
    pub fn has(&self, operator: &str, row: &StateRow<'_>) -> bool {
        let (Section::Entry, Some(value)) = (row.section, row.value()) else { return true };
        let life = || {
            let field = usize::from(*row.key.first()?);
            (*self.operators.get(operator)?.get(field)?)
                .zip(postcard::take_from_bytes::<EventTime>(value).ok().map(|(refreshed, _)| refreshed))
        };
        life().is_none_or(|(Life { ttl, now }, refreshed)| !ttl.is_over(refreshed, now))
    }
}

fn time(domain: TtlTime, now: &Now) -> EventTime {
    match domain {
        TtlTime::Event => now.event,
        TtlTime::Processing => now.processing,
        TtlTime::Uptime => now.uptime,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::SnapshotId;
    use crate::snapshot::fixture;
    use crate::snapshot::manifest::OperatorState;
    use crate::snapshot::part::{Entry, RowChange};
    use crate::state::{Describe, Field, Map, Refresh};
    use crate::time::millis;

    /// Of an operator whose fields live for 100 ms by the watermark, the wall, the time that it ran, and for ever.
    fn manifest() -> Manifest {
        let mut manifest = fixture::manifest(SnapshotId(1));
        manifest.taken_at = EventTime::from_millis(5000);
        let map = |name: &str, time: Option<TtlTime>| {
            let field = Field::new(name, <Map<String, u8>>::schema());
            time.map_or(field.clone(), |time| {
                field.expiring(Ttl { lasts: millis(100), time, refresh: Refresh::Write })
            })
        };
        let mut schema = fixture::schema("Account");
        schema.state.fields = vec![
            map("event", Some(TtlTime::Event)),
            Field::of::<u64>("plain"),
            map("wall", Some(TtlTime::Processing)),
            map("ran", Some(TtlTime::Uptime)),
            map("ever", None),
        ];
        manifest.operators = vec![OperatorState { name: "count".to_string(), schema, files: Vec::new() }];
        let owner = crate::operator::keyed::owner("count");
        // Of two subtasks: the earlier one counts.
        manifest.entries = [("watermark", 1000), ("watermark", 1200), ("uptime", 300), ("uptime", 300)]
            .map(|(item, at)| Entry { owner: owner.clone(), item: item.to_string(), value: at.into() })
            .into();
        manifest
    }

    fn has(section: Section, field: u8, refreshed: i64) -> bool {
        let value = postcard::to_stdvec(&(EventTime::from_millis(refreshed), 7u8)).unwrap();
        let key = [field, b'k', 0, 0, b's'];
        let change = RowChange::Put(&value);
        let row = StateRow { group: crate::key::KeyGroup(1), section, key: &key, change };
        Living::at(&manifest()).has("count", &row)
    }

    #[test]
    fn an_entry_is_kept_until_its_time_is_over_by_its_own_clock() {
        for (field, now) in [(0, 1000), (1, 5000), (2, 300)] {
            assert!(!has(Section::Entry, field, now - 100), "field {field}");
            assert!(has(Section::Entry, field, now - 99), "field {field}");
        }
        assert!(has(Section::Entry, 3, 0), "it lives for ever");
    }

    #[test]
    fn what_is_no_entry_or_of_no_known_field_is_kept() {
        assert!(has(Section::State, 0, 0));
        assert!(has(Section::EventTimer, 0, 0));
        assert!(has(Section::Entry, 9, 0));
        let key = [0, b'k', 0, 0, b's'];
        let put = |value| StateRow::put(crate::key::KeyGroup(1), Section::Entry, &key, value);
        assert!(Living::at(&manifest()).has("count", &put(&[])));
        assert!(Living::at(&manifest()).has("other", &put(&[0, 7])));
        assert!(!Living::at(&manifest()).has("count", &put(&[0, 7])));
        assert!(Living::default().has("count", &put(&[0, 7])));
    }
}
