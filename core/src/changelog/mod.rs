//! Updating results: a stream of [`Change`]s to a table, for questions whose answer changes as records come.
//!
//! What enters: rows that are put into a table and taken out again. What leaves, where the changes are [folded](Latest): the
//! table as it is in the end; the sink [`Table`](crate::sink::Table) keeps it in a file while the job runs. Semantics: Flink's changelog streams and `RowKind`.

mod latest;

use serde::{Deserialize, Serialize};

pub use latest::Latest;

use crate::state::{Data, Describe, Field, Schema, Variant};

/// A change of a table: Flink's `RowKind`, with the row. As JSON it is `{"+I": row}`, with Flink's short names.
///
/// A row that changes is two changes: what it was, and what it is. Who knows the rows by a key can do without the first.
///
/// ```
/// use tidegate::changelog::Change;
/// let change = Change::Insert(("tide", 1)).map(|(word, count)| (word.len(), count));
/// assert_eq!(change, Change::Insert((4, 1)));
/// assert!(change.adds());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Change<T> {
    /// A new row.
    #[serde(rename = "+I")]
    Insert(T),
    /// The row as it was, of one that changes.
    #[serde(rename = "-U")]
    UpdateBefore(T),
    /// The row as it is now, of one that has changed.
    #[serde(rename = "+U")]
    UpdateAfter(T),
    /// A row that is gone.
    #[serde(rename = "-D")]
    Delete(T),
}

impl<T> Change<T> {
    /// Whether the row is in the table behind the change.
    pub fn adds(&self) -> bool {
        matches!(self, Change::Insert(_) | Change::UpdateAfter(_))
    }

    /// The row.
    pub fn row(&self) -> &T {
        match self {
            Change::Insert(row)
            | Change::UpdateBefore(row)
            | Change::UpdateAfter(row)
            | Change::Delete(row) => row,
        }
    }

    /// The row itself.
    pub fn into_row(self) -> T {
        match self {
            Change::Insert(row)
            | Change::UpdateBefore(row)
            | Change::UpdateAfter(row)
            | Change::Delete(row) => row,
        }
    }

    /// The same change of another row.
    pub fn map<U>(self, apply: impl FnOnce(T) -> U) -> Change<U> {
        match self {
            Change::Insert(row) => Change::Insert(apply(row)),
            Change::UpdateBefore(row) => Change::UpdateBefore(apply(row)),
            Change::UpdateAfter(row) => Change::UpdateAfter(apply(row)),
            Change::Delete(row) => Change::Delete(apply(row)),
        }
    }
}

impl<T: Data> Describe for Change<T> {
    fn schema() -> Schema {
        let kinds = ["Insert", "UpdateBefore", "UpdateAfter", "Delete"];
        let variant = |kind: &str| Variant::new(kind, vec![Field::of::<T>("0")]);
        Schema::Enum("Change".to_string(), kinds.map(variant).into())
    }
}

impl<T: Data> Data for Change<T> {}
