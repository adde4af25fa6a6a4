//! What an attempt reads: the splits of all sources, with the positions that the snapshot has of them, dealt to subtasks.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::error::Result;
use crate::job::attempt::Setting;
use crate::job::graph::{Graph, StageRole};
use crate::source::stage::deal_splits;
use crate::source::{AssignedSplit, SplitId};
use crate::task::stage::Whereabouts;
use crate::task::worker::PlaceInWords;

/// The splits of all sources, dealt to the subtasks.
pub(crate) struct Input {
    pub dealt: BTreeMap<usize, Vec<Vec<AssignedSplit>>>,
    /// The source and the id of every split, by its number.
    pub names: Vec<(String, SplitId)>,
    /// The bytes of all splits, if all are known.
    pub bytes: Option<u64>,
}

impl Input {
    /// Looks what splits there are, and deals them.
    ///
    /// # Errors
    /// If a source is gone, or does not have what the snapshot says it has.
    pub fn deal(setting: &Setting<'_>) -> Result<Input> {
        let subtasks = setting.options.parallelism.get() as usize;
        let mut input = Input { dealt: BTreeMap::new(), names: Vec::new(), bytes: Some(0) };
        for (stage, name, source) in setting.graph.sources() {
            let splits = source.splits()?;
            let mut positions = BTreeMap::new();
            if let Some(restored) = &setting.restored {
                for entry in restored.state.entries(&crate::source::stage::owner(name)) {
                    positions
                        .insert(SplitId(entry.item.clone()), serde_json::from_value(entry.value.clone())?);
                }
            }
            let dealt = deal_splits(name, splits, positions, input.names.len() as u32, subtasks)?;
            let mut splits: Vec<&AssignedSplit> = dealt.iter().flatten().collect();
            splits.sort_by_key(|split| split.number.0);
            for split in splits {
                input.names.push((name.to_string(), split.split.id.clone()));
                input.bytes = input.bytes.zip(split.split.bytes).map(|(sum, bytes)| sum + bytes);
            }
            input.dealt.insert(stage, dealt);
        }
        input.bytes = input.bytes.filter(|bytes| *bytes > 0);
        Ok(input)
    }
}

/// Says in words where in the job something happened.
pub(crate) fn describe(graph: Arc<Graph>, splits: Vec<(String, SplitId)>) -> PlaceInWords {
    Arc::new(move |stage, whereabouts: Whereabouts| {
        let stage = &graph.stages[stage];
        let mut place = match stage.role {
            StageRole::Source(_) => format!("a step behind source {:?}", stage.name),
            StageRole::Keyed(_) => format!("operator {:?}", stage.name),
            StageRole::Local => format!("a step of {:?}", stage.name),
        };
        let mut at = Vec::new();
        if let Some(group) = whereabouts.group {
            at.push(format!("key group {group}"));
        }
        let origin = whereabouts.origin;
        if let Some((source, split)) = origin.split.and_then(|split| splits.get(split.0 as usize)) {
            let records = if matches!(stage.role, StageRole::Source(_)) || origin.first >= origin.last {
                format!("record {}", origin.last)
            } else {
                format!("records {} to {}", origin.first, origin.last)
            };
            at.push(format!("source {source:?}, {}, {records}", split.0));
        }
        if !at.is_empty() {
            place.push_str(&format!(" ({})", at.join("; ")));
        }
        place
    })
}
