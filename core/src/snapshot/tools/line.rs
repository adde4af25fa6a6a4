//! A row as a line of JSON.
//!
//! | member                | of which rows     | what                                                    |
//! |-----------------------|-------------------|---------------------------------------------------------|
//! | `operator`            | all               | whose it is                                             |
//! | `group`               | all               | its key group                                           |
//! | `section`             | all               | `state`, `entry`, `event-timer`, `processing-timer`     |
//! | `key`                 | all               | the key                                                 |
//! | `field`               | entries           | the `Map` or `List`                                     |
//! | `at`                  | entries, timers   | the key or index in it; when the timer is due           |
//! | `number`              | timers            | tells timers of one time apart                          |
//! | `refreshed`           | entries           | when it was, or `null` without a TTL                    |
//! | `value`               | all               | the fields of the state; the entry; what the timer carries |
//!
//! An entry is a line of its own, and not folded into the state: a line is a row, as large as a row is, and comes back as one.
//! [Rows](crate::evolution::row) and [values](crate::evolution) say how the members are written.

use std::fmt::Write;

use serde_json::Value as Json;

use crate::error::Result;
use crate::evolution::row::decode_row;
use crate::snapshot::manifest::OperatorState;
use crate::snapshot::part::StateRow;

/// The members of a row besides its operator and key group, in the order in which they are written.
const MEMBERS: [&str; 9] =
    ["section", "key", "field", "at", "number", "was_refreshed", "was", "refreshed", "value"];

/// A row that is there, as JSON.
///
/// # Errors
/// If it is not of the operator's schema.
pub(super) fn decode(operator: &OperatorState, row: StateRow<'_>) -> Result<Json> {
    decode_row(&operator.schema, row.section, row.key, row.value().unwrap_or_default()).map_err(|error| {
        error.within(format!("operator {:?}, key group {}, key {}", operator.name, row.group, hex(row.key)))
    })
}

/// The line of a row.
pub(super) fn text(operator: &OperatorState, row: StateRow<'_>, change: Option<&str>, json: &Json) -> String {
    let mut line = format!("{{\"operator\":{},\"group\":{}", Json::from(operator.name.as_str()), row.group);
    let mut member = |name: &str, value: &Json| {
        let _ = write!(line, ",\"{name}\":{value}");
    };
    if let Some(change) = change {
        member("change", &Json::from(change));
    }
    for name in MEMBERS {
        if let Some(value) = json.get(name) {
            member(name, value);
        }
    }
    line.push('}');
    line
}

/// Bytes that can't be shown as what they are.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold("0x".to_string(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
