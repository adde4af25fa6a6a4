//! Figures of several columns, as tables or as lines of JSON.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use serde_json::json;
use tidegate::state::backend::StoreKind;

use super::{median, say};

/// What was measured of a store.
pub struct Figure {
    pub what: &'static str,
    pub store: StoreKind,
    pub columns: Vec<(&'static str, serde_json::Value)>,
}

/// Three places behind the point at most.
pub fn round(figure: f64) -> f64 {
    if figure >= 100.0 { figure.round() } else { (figure * 1000.0).round() / 1000.0 }
}

/// The median, rounded; nothing if there is none.
pub fn rounded(figures: impl IntoIterator<Item = f64>) -> serde_json::Value {
    json!(round(median(figures)))
}

/// Milliseconds.
pub fn millis_of(duration: Duration) -> f64 {
    round(duration.as_secs_f64() * 1e3)
}

impl Figure {
    /// A line of JSON.
    pub fn json(&self) -> serde_json::Value {
        let mut line = json!({"what": self.what, "store": format!("{:?}", self.store).to_lowercase()});
        for (name, value) in &self.columns {
            line[*name] = value.clone();
        }
        line
    }
}

/// Figures of one kind, one below the other.
fn table(figures: &[&Figure]) -> String {
    let Some(first) = figures.first() else { return String::new() };
    let heads = ["store"].into_iter().chain(first.columns.iter().map(|(name, _)| *name));
    let mut rows: Vec<Vec<String>> = vec![heads.map(str::to_string).collect()];
    for figure in figures {
        let text =
            |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
        let store = format!("{:?}", figure.store).to_lowercase();
        rows.push([store].into_iter().chain(figure.columns.iter().map(|(_, value)| text(value))).collect());
    }
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let mut table = format!("{}\n", first.what);
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(table, "  {cell:>0$}", width(column));
        }
        table.push('\n');
    }
    table
}

/// Says what was measured: a table for each kind, or lines of JSON.
pub fn show(figures: &[Figure], json: bool) {
    if json {
        figures.iter().for_each(|figure| say(&figure.json().to_string()));
        return;
    }
    let mut kinds: Vec<&str> = Vec::new();
    for figure in figures {
        if !kinds.contains(&figure.what) {
            kinds.push(figure.what);
        }
    }
    for kind in kinds {
        say(&table(&figures.iter().filter(|figure| figure.what == kind).collect::<Vec<_>>()));
    }
}

/// Progress, and figures while others are still to come.
pub fn tell(progress: &str) {
    let _ = writeln!(std::io::stderr(), "{progress}");
}
