//! What a job's file imports: `use tidegate::prelude::*;`.

pub use clap;

pub use crate::aggregate::{
    Aggregate, Avg, Count, CountDistinct, First, Last, Max, Min, Percentiles, Reduce, Sum, TopN,
};
pub use crate::changelog::Change;
pub use crate::error::{Error, Result};
pub use crate::job::{Job, KeyedStream, Stream};
pub use crate::key::Key;
pub use crate::operator::{Context, Emit, Never, Operator, TimerId, UnkeyedContext, UnkeyedOperator};
pub use crate::pattern::{Match, Pattern, Skip};
pub use crate::record::Either;
pub use crate::sink::{Collect, Csv, JsonLines, Stderr, Stdout, Table};
pub use crate::source::{BadLine, Generate, Line, Lines, Memory, Watermarks, from_json};
pub use crate::state::{Aggregating, Data, DealtList, List, Map, Reducing, State, UnionList, Value};
pub use crate::time::{EventTime, TimeOffset, millis, minutes, secs};
pub use crate::window::{Cumulating, Global, Session, Sliding, TimeWindow, Tumbling, Windowed};
pub use crate::{event, job, key, operator, pattern, state};
