//! `state.lock`: the schemas of a job's state as a text that people read, checked in beside the program. Pure: text in, text out.
//!
//! ```text
//! lock 1
//! job "web-visits"
//!
//! operator "count-visits" {
//!     key String
//!     timer struct Close
//!     state Session version 1 {
//!         visits: u64,
//!         open: Option<struct Visit {
//!             first: u64,
//!             at: (u8, [bool; 3]),
//!         }>,
//!         status: enum Status {
//!             Idle,
//!             Lost(u8, u8),
//!         },
//!         outcome: opaque "Result<u8, String>",
//!         pages: Map<String, u64> ttl("7days", "processing", "write"),
//!     }
//! }
//! ```
//!
//! Always: operators in order of their names, a line for every field and variant, so that the difference of two files is that
//! of two programs; and what is written is read back. A line that begins with `#` is for people.

mod read;
mod write;

use read::Reader;
use write::{Writer, quoted};

use crate::snapshot::part::OperatorSchema;

/// The version of the format that this program writes, and the only one that it reads.
const FORMAT: &str = "1";

const FOREWORD: &str = "# What this job's state looks like in its snapshots. Checked in, it shows a change of state where the program changes:
# run the job with --lock check to compare, with --lock update to write it anew.
";

/// The schemas of a job's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lock {
    /// The job's name.
    pub job: String,
    /// The stateful operators.
    pub operators: Vec<(String, OperatorSchema)>,
}

impl Lock {
    /// As text.
    pub fn to_text(&self) -> String {
        let mut writer = Writer::after(FOREWORD);
        writer.line(&format!("lock {FORMAT}"));
        writer.line(&format!("job {}", quoted(&self.job)));
        let mut operators: Vec<_> = self.operators.iter().collect();
        operators.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, schema) in operators {
            writer.line("");
            writer.operator(name, schema);
        }
        writer.text()
    }

    /// Reads it back.
    ///
    /// # Errors
    /// What is wrong with it, and on which line.
    pub fn from_text(text: &str) -> Result<Lock, String> {
        let mut reader = Reader::new(text);
        let lock = reader.lock();
        lock.map_err(|what| format!("line {}: {what}", reader.line()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evolution::fixture::{Everything, Letter};
    use crate::state::{Describe, Field, Map, Refresh, Schema, StateSchema, Ttl, TtlTime};
    use crate::time::secs;

    fn operator(key: Schema, timer: Schema, fields: Vec<Field>) -> OperatorSchema {
        OperatorSchema { state: StateSchema { name: "Session".to_string(), version: 3, key, fields }, timer }
    }

    fn lock() -> Lock {
        let ttl = Ttl { lasts: secs(90), time: TtlTime::Uptime, refresh: Refresh::ReadAndWrite };
        let fields = vec![
            Field::of::<u64>("visits"),
            Field::of::<Option<Letter>>("letter"),
            Field::of::<(u8, [(bool,); 3])>("pair"),
            Field::opaque("outcome", "Result<u8, \"x\">"),
            Field::of::<Map<String, u64>>("pages").expiring(ttl),
            Field::of::<u8>("ttl"),
            Field::of::<()>("a name"),
            Field::of::<u8>("struct"),
        ];
        let empty = Schema::Struct("Close".to_string(), vec![]);
        Lock {
            job: "web-visits".to_string(),
            operators: vec![
                ("count-visits".to_string(), operator(String::schema(), empty, fields)),
                ("a \"quoted\" one".to_string(), operator(<(u8, String)>::schema(), u8::schema(), vec![])),
            ],
        }
    }

    #[test]
    fn a_lock_file_is_read_as_rust_is() {
        let expected = r#"lock 1
job "web-visits"

operator "a \"quoted\" one" {
    key (u8, String)
    timer u8
    state Session version 3 {}
}

operator "count-visits" {
    key String
    timer struct Close
    state Session version 3 {
        visits: u64,
        letter: Option<enum Letter {
            A,
            B(u64),
            C(Option<i8>, String),
            D {
                at: EventTime,
                letters: [char; 2],
            },
        }>,
        pair: (u8, [(bool,); 3]),
        outcome: opaque "Result<u8, \"x\">",
        pages: Map<String, u64> ttl("1m 30s", "uptime", "read-and-write"),
        ttl: u8,
        "a name": (),
        "struct": u8,
    }
}
"#;
        assert_eq!(lock().to_text(), format!("{FOREWORD}{expected}"));
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut lock = lock();
        lock.operators.push(("z".to_string(), operator(u8::schema(), Everything::schema(), vec![])));
        let read = Lock::from_text(&lock.to_text()).unwrap();
        lock.operators.sort_by(|(a, _), (b, _)| a.cmp(b));
        assert_eq!(read, lock);
        assert_eq!(read.to_text(), lock.to_text());
    }

    #[test]
    fn remarks_and_other_line_breaks_change_nothing() {
        let text = lock().to_text();
        let changed =
            text.replace("    visits: u64,\n", "# how often\n visits\n:u64 ,# no remark ends here }\n\n");
        assert_ne!(changed, text);
        assert_eq!(Lock::from_text(&changed).unwrap().to_text(), text);
        assert_eq!(Lock::from_text(&text.replace('\n', "\r\n")).unwrap().to_text(), text);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let text = lock().to_text();
        for (was, is, told) in [
            ("lock 1", "lock 2", "line 3: its format has version \"2\", and this program reads version 1"),
            ("visits: u64,", "visits: ,", "line 16: a type should be here"),
            ("visits: u64,", "visits u64,", "line 16: `:` should be here"),
            ("visits: u64,", "visits: u64", "line 17: `}` should be here"),
            ("; 3]", "; three]", "line 26: a number should be here"),
            ("\"a name\"", "\"a name", "line 30: a name is not closed by a quotation mark"),
            (
                "\"uptime\"",
                "\"downtime\"",
                "line 28: this is no time to live: unknown variant `downtime`, expected one of \
                                           `event`, `processing`, `uptime`",
            ),
            ("timer u8", "time u8", "line 8: `timer` should be here"),
            ("a \\\"quoted\\\" one", "count-visits", "line 33: operator \"count-visits\" is here twice"),
        ] {
            let changed = text.replace(was, is);
            assert_ne!(changed, text, "{was}");
            assert_eq!(Lock::from_text(&changed).unwrap_err(), told);
        }
    }
}
