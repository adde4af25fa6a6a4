//! What a job's file imports: `use tidegate::prelude::*;`.

pub use clap;

pub use crate::aggregate::{Aggregate, Reduce};
pub use crate::error::{Error, Result};
pub use crate::job::{Job, KeyedStream, Stream};
pub use crate::key::Key;
pub use crate::operator::{Context, Emit, Never, Operator, TimerId, UnkeyedContext, UnkeyedOperator};
pub use crate::sink::{Collect, JsonLines, Stderr, Stdout};
pub use crate::source::{BadLine, Generate, Line, Lines, Memory, Watermarks, from_json};
pub use crate::state::{Aggregating, Data, DealtList, List, Map, Reducing, State, UnionList, Value};
pub use crate::time::{EventTime, millis, minutes, secs};
pub use crate::{event, job, key, operator, state};
