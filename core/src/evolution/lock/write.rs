//! Writing a lock file.

use std::fmt::Write;

use serde_json::{Value as Json, json};

use crate::snapshot::part::OperatorSchema;
use crate::state::{Field, Schema, StateSchema, Ttl, Variant};

/// Puts a lock file together, line by line.
pub(super) struct Writer {
    text: String,
    depth: usize,
}

impl Writer {
    /// After this text.
    pub fn after(text: &str) -> Writer {
        Writer { text: text.to_string(), depth: 0 }
    }

    /// All that was written.
    pub fn text(self) -> String {
        self.text
    }

    /// A line of its own.
    pub fn line(&mut self, line: &str) {
        self.indent();
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn indent(&mut self) {
        self.text.extend(std::iter::repeat_n("    ", self.depth));
    }

    /// An operator, with all that its state is.
    pub fn operator(&mut self, name: &str, schema: &OperatorSchema) {
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

/// Whether the char can be part of a name without quotation marks.
pub(super) fn is_of_word(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// In quotation marks.
pub(super) fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}
