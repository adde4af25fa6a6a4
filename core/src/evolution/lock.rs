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

use std::fmt::Write;

use serde_json::{Value as Json, json};

use crate::snapshot::part::OperatorSchema;
use crate::state::{Field, Schema, StateSchema, Ttl, Variant};

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
        let mut writer = Writer { text: FOREWORD.to_string(), depth: 0 };
        writer.line(&format!("lock {FORMAT}"));
        writer.line(&format!("job {}", quoted(&self.job)));
        let mut operators: Vec<_> = self.operators.iter().collect();
        operators.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, schema) in operators {
            writer.text.push('\n');
            writer.operator(name, schema);
        }
        writer.text
    }

    /// Reads it back.
    ///
    /// # Errors
    /// What is wrong with it, and on which line.
    pub fn from_text(text: &str) -> Result<Lock, String> {
        let mut reader = Reader { rest: text, line: 1 };
        let lock = reader.lock();
        lock.map_err(|what| format!("line {}: {what}", reader.line))
    }
}

struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    fn line(&mut self, line: &str) {
        self.indent();
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn indent(&mut self) {
        self.text.extend(std::iter::repeat_n("    ", self.depth));
    }

    fn operator(&mut self, name: &str, schema: &OperatorSchema) {
        self.line(&format!("operator {} {{", quoted(name)));
        self.depth += 1;
        self.typed("key ", &schema.state.key, "\n");
        self.typed("timer ", &schema.timer, "\n");
        let StateSchema { name, version, fields, .. } = &schema.state;
        self.indent();
        write!(self.text, "state {} version {version} ", word(name)).expect(NEVER_FAILS);
        self.braced(fields, Writer::field);
        self.text.push('\n');
        self.depth -= 1;
        self.line("}");
    }

    fn typed(&mut self, before: &str, schema: &Schema, after: &str) {
        self.indent();
        self.text.push_str(before);
        self.schema(schema);
        self.text.push_str(after);
    }

    fn braced<T>(&mut self, parts: &[T], mut each: impl FnMut(&mut Writer, &T)) {
        self.text.push('{');
        if !parts.is_empty() {
            self.text.push('\n');
            self.depth += 1;
            parts.iter().for_each(|part| each(self, part));
            self.depth -= 1;
            self.indent();
        }
        self.text.push('}');
    }

    fn field(&mut self, field: &Field) {
        let ttl = field.ttl.map(|ttl| {
            let Ttl { lasts, time, refresh } = ttl;
            let lasts = humantime::format_duration(lasts).to_string();
            let parts = [Json::from(lasts), json!(time), json!(refresh)].map(|part| part.to_string());
            format!(" ttl({})", parts.join(", "))
        });
        let after = format!("{},\n", ttl.unwrap_or_default());
        self.typed(&format!("{}: ", word(&field.name)), &field.schema, &after);
    }

    fn variant(&mut self, variant: &Variant) {
        self.indent();
        self.text.push_str(&word(&variant.name));
        self.fields(&variant.fields);
        self.text.push_str(",\n");
    }

    /// What stands behind the name of a struct or variant.
    fn fields(&mut self, fields: &[Field]) {
        let places = fields.iter().enumerate().all(|(place, field)| field.name == place.to_string());
        match fields {
            [] => {}
            fields if places => {
                self.text.push('(');
                self.separated(fields.iter().map(|field| &field.schema));
                self.text.push(')');
            }
            fields => {
                self.text.push(' ');
                self.braced(fields, Writer::field);
            }
        }
    }

    fn separated<'a>(&mut self, schemas: impl Iterator<Item = &'a Schema>) {
        for (place, schema) in schemas.enumerate() {
            if place > 0 {
                self.text.push_str(", ");
            }
            self.schema(schema);
        }
    }

    fn schema(&mut self, schema: &Schema) {
        match schema {
            Schema::Scalar(name) if name == "()" => self.text.push_str("()"),
            Schema::Scalar(name) => self.text.push_str(&word(name)),
            Schema::Generic(name, parts) => {
                self.text.push_str(&word(name));
                self.text.push('<');
                self.separated(parts.iter());
                self.text.push('>');
            }
            Schema::Tuple(parts) => {
                self.text.push('(');
                self.separated(parts.iter());
                // As in Rust, one part in parentheses is the part.
                self.text.push_str(if parts.len() == 1 { ",)" } else { ")" });
            }
            Schema::Array(part, length) => {
                self.text.push('[');
                self.schema(part);
                write!(self.text, "; {length}]").expect(NEVER_FAILS);
            }
            Schema::Struct(name, fields) => {
                write!(self.text, "struct {}", word(name)).expect(NEVER_FAILS);
                self.fields(fields);
            }
            Schema::Enum(name, variants) => {
                write!(self.text, "enum {} ", word(name)).expect(NEVER_FAILS);
                self.braced(variants, Writer::variant);
            }
            Schema::Opaque(name) => write!(self.text, "opaque {}", quoted(name)).expect(NEVER_FAILS),
        }
    }
}

const NEVER_FAILS: &str = "writing to a string does not fail";

/// A name as it is, if it is one word that means nothing here.
fn word(name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(is_of_word);
    if plain && !["struct", "enum", "opaque"].contains(&name) { name.to_string() } else { quoted(name) }
}

fn is_of_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}

/// Takes what the writer writes from the front of a text.
struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    fn lock(&mut self) -> Result<Lock, String> {
        self.keyword("lock")?;
        let format = self.plain_word().unwrap_or_default();
        if format != FORMAT {
            return Err(format!(
                "its format has version {format:?}, and this program reads version {FORMAT}"
            ));
        }
        self.keyword("job")?;
        let mut lock = Lock { job: self.name()?, operators: Vec::new() };
        while !self.at_end() {
            let operator = self.operator()?;
            if lock.operators.iter().any(|(name, _)| *name == operator.0) {
                return Err(format!("operator {:?} is here twice", operator.0));
            }
            lock.operators.push(operator);
        }
        Ok(lock)
    }

    fn operator(&mut self) -> Result<(String, OperatorSchema), String> {
        self.keyword("operator")?;
        let operator = self.name()?;
        self.expect("{")?;
        self.keyword("key")?;
        let key = self.schema()?;
        self.keyword("timer")?;
        let timer = self.schema()?;
        self.keyword("state")?;
        let name = self.name()?;
        self.keyword("version")?;
        let version = self.number()?;
        let fields = self.list("{", "}", Reader::field)?;
        self.expect("}")?;
        Ok((operator, OperatorSchema { state: StateSchema { name, version, key, fields }, timer }))
    }

    fn field(&mut self) -> Result<Field, String> {
        let name = self.name()?;
        self.expect(":")?;
        let field = Field::new(&name, self.schema()?);
        if self.keyword("ttl").is_err() {
            return Ok(field);
        }
        let [lasts, time, refresh]: [String; 3] = self
            .list("(", ")", Reader::name)?
            .try_into()
            .map_err(|_| "a time to live has a length, a time and a refresh")?;
        let ttl = serde_json::from_value(json!({ "lasts": lasts, "time": time, "refresh": refresh }));
        Ok(field.expiring(ttl.map_err(|error| format!("this is no time to live: {error}"))?))
    }

    fn variant(&mut self) -> Result<Variant, String> {
        let name = self.name()?;
        Ok(Variant::new(&name, self.fields()?))
    }

    fn fields(&mut self) -> Result<Vec<Field>, String> {
        if self.looks_at("{") {
            return self.list("{", "}", Reader::field);
        }
        if !self.looks_at("(") {
            return Ok(Vec::new());
        }
        let parts = self.list("(", ")", Reader::schema)?;
        Ok(parts
            .into_iter()
            .enumerate()
            .map(|(place, schema)| Field::new(&place.to_string(), schema))
            .collect())
    }

    fn schema(&mut self) -> Result<Schema, String> {
        if self.looks_at("(") {
            let parts = self.list("(", ")", Reader::schema)?;
            return Ok(if parts.is_empty() {
                Schema::Scalar("()".to_string())
            } else {
                Schema::Tuple(parts)
            });
        }
        if self.take("[") {
            let part = Box::new(self.schema()?);
            self.expect(";")?;
            let length = self.number()?;
            self.expect("]")?;
            return Ok(Schema::Array(part, length));
        }
        let name = match self.plain_word() {
            Some("struct") => return Ok(Schema::Struct(self.name()?, self.fields()?)),
            Some("enum") => return Ok(Schema::Enum(self.name()?, self.list("{", "}", Reader::variant)?)),
            Some("opaque") => return Ok(Schema::Opaque(self.name()?)),
            Some(word) => word.to_string(),
            None => self.name().map_err(|_| "a type should be here")?,
        };
        match self.looks_at("<") {
            true => Ok(Schema::Generic(name, self.list("<", ">", Reader::schema)?)),
            false => Ok(Schema::Scalar(name)),
        }
    }

    /// Parts between `open` and `close`, with commas between them and, if one likes, behind the last.
    fn list<T>(
        &mut self,
        open: &str,
        close: &str,
        mut each: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        self.expect(open)?;
        let mut parts = Vec::new();
        while !self.take(close) {
            parts.push(each(self)?);
            if !self.take(",") {
                self.expect(close)?;
                break;
            }
        }
        Ok(parts)
    }

    fn name(&mut self) -> Result<String, String> {
        self.skip_space();
        if !self.rest.starts_with('"') {
            return self.plain_word().map(str::to_string).ok_or_else(|| "a name should be here".to_string());
        }
        let mut strings = serde_json::Deserializer::from_str(self.rest).into_iter::<String>();
        let name = strings.next().and_then(Result::ok).ok_or("a name is not closed by a quotation mark")?;
        self.rest = &self.rest[strings.byte_offset()..];
        Ok(name)
    }

    fn number<N: std::str::FromStr>(&mut self) -> Result<N, String> {
        self.plain_word()
            .and_then(|word| word.parse().ok())
            .ok_or_else(|| "a number should be here".to_string())
    }

    fn keyword(&mut self, keyword: &str) -> Result<(), String> {
        self.skip_space();
        let before = self.rest;
        match self.plain_word() {
            Some(word) if word == keyword => Ok(()),
            _ => {
                self.rest = before;
                Err(format!("`{keyword}` should be here"))
            }
        }
    }

    fn plain_word(&mut self) -> Option<&'a str> {
        self.skip_space();
        let end = self.rest.find(|char| !is_of_word(char)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) { Ok(()) } else { Err(format!("`{token}` should be here")) }
    }

    fn take(&mut self, token: &str) -> bool {
        let there = self.looks_at(token);
        if there {
            self.rest = &self.rest[token.len()..];
        }
        there
    }

    fn looks_at(&mut self, token: &str) -> bool {
        self.skip_space();
        self.rest.starts_with(token)
    }

    fn at_end(&mut self) -> bool {
        self.skip_space();
        self.rest.is_empty()
    }

    /// Past space, and lines that are for people.
    fn skip_space(&mut self) {
        loop {
            let text = self.rest.trim_start();
            let next = match text.starts_with('#') {
                true => text.find('\n').map_or("", |end| &text[end..]),
                false => text,
            };
            let skipped = &self.rest[..self.rest.len() - next.len()];
            self.line += skipped.bytes().filter(|byte| *byte == b'\n').count();
            let done = next.len() == text.len();
            self.rest = next;
            if done {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evolution::fixture::{Everything, Letter};
    use crate::state::{Describe, Map, Refresh, TtlTime};
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
