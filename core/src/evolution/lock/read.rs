//! Reading a lock file: what the writer writes, and what people make of it with line breaks and remarks.

use serde_json::json;

use super::write::is_of_word;
use super::{FORMAT, Lock};
use crate::snapshot::part::OperatorSchema;
use crate::state::{Field, Schema, StateSchema, Variant};

/// Takes what the writer writes from the front of a text.
pub(super) struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    /// At the beginning of a text.
    pub fn new(text: &'a str) -> Reader<'a> {
        Reader { rest: text, line: 1 }
    }

    /// The line at which it stands.
    pub fn line(&self) -> usize {
        self.line
    }

    /// All of the file.
    ///
    /// # Errors
    /// What is wrong where it stands.
    pub fn lock(&mut self) -> Result<Lock, String> {
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
