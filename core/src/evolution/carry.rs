//! What can be carried from one schema to another by itself: pure, and precise to the field.
//!
//! Names are the identity of fields and variants; types have none, their names are for people. Carried is what loses nothing
//! and asks for no decision: a field in another place or, if the program says so, under another name; a new one that has a
//! default; a number in a type that has room for more; a value in an `Option`; a variant more; and all of that inside of
//! structs, enums and containers. A field that is gone is carried, too: without it, and never in silence. All else is refused.
//!
//! What expires is a matter of its own, see [`expiry`](super::expiry).
//!
//! Where equal values are one (the key of a map, an element of a set), what could make two values equal is refused.

use super::conversion::{Conversion, Fields, Origin, Refreshed, widens};
use super::difference::{Change, Difference, Verdict};
use super::format::RowFormat;
use super::json::to_json;
use super::shape::{Entries, Sequence, Shape};
use super::value::{Value, decode, decode_fields};
use crate::state::kinds::Now;
use crate::state::{Describe, Field, Schema, Variant};

/// Compares schemas and gathers what differs.
pub(super) struct Carrier {
    /// What to write where no rule helps.
    fix: String,
    /// When the snapshot was taken.
    pub taken_at: Now,
    pub differences: Vec<Difference>,
}

/// Where a type stands.
#[derive(Clone)]
pub(super) struct Place {
    /// What the whole is: `field`, `key`, `timer`.
    pub part: &'static str,
    /// The way to it: `open.last`; empty for the whole.
    pub path: String,
    /// The macro that the whole is marked with.
    attribute: &'static str,
    /// Whether no two values may become equal.
    pub distinct: bool,
    /// The types of the named part that it is inside of, as they are written: a container is told as a whole.
    types: Option<(String, String)>,
}

impl Place {
    /// A state, whose fields have no way before them.
    pub fn state() -> Place {
        Place { part: "field", path: String::new(), attribute: "state", distinct: false, types: None }
    }

    /// The key of a state.
    pub fn key() -> Place {
        Place { part: "key", path: "key".to_string(), attribute: "key", distinct: true, types: None }
    }

    /// What timers carry.
    pub fn timer() -> Place {
        Place { part: "timer", path: "timer".to_string(), attribute: "event", distinct: false, types: None }
    }

    /// A record in flight.
    pub fn record() -> Place {
        Place { part: "record", path: "record".to_string(), ..Place::timer() }
    }

    /// A named part of what is here.
    pub fn inside(&self, name: &str) -> Place {
        let path = if self.path.is_empty() { name.to_string() } else { format!("{}.{name}", self.path) };
        Place { part: "field", path, types: None, ..self.clone() }
    }

    fn distinct(&self) -> Place {
        Place { distinct: true, ..self.clone() }
    }

    /// `open.last: u64`
    fn with(&self, text: &str) -> String {
        // The whole key, or all that a timer carries, needs no way to it.
        if self.part == "field" { format!("{}: {text}", self.path) } else { text.to_string() }
    }

    /// The macro that the struct here is marked with: what has fields inside of a state is an event.
    fn attribute(&self) -> &'static str {
        match self.attribute {
            "state" if !self.path.is_empty() => "event",
            attribute => attribute,
        }
    }
}

/// The default of a new field of the state itself.
pub(super) type Initial<'a> = &'a dyn Fn(usize) -> Option<Value>;

impl Carrier {
    /// `fix` is what to write where nothing can be carried.
    pub fn new(fix: String, taken_at: Now) -> Carrier {
        Carrier { fix, taken_at, differences: Vec::new() }
    }

    /// Notes a change that is carried.
    pub fn carried(&mut self, change: Change, how: impl Into<String>) {
        let (same, how) = (self.differences.last_mut().filter(|last| last.change == change), how.into());
        match same.map(|last| &mut last.verdict) {
            Some(Verdict::Carried(before)) => *before = format!("{before}; {how}"),
            Some(Verdict::Migrated(_) | Verdict::Refused { .. }) => {}
            None => self.differences.push(Difference { change, verdict: Verdict::Carried(how) }),
        }
    }

    /// Refuses a change. The rest is compared all the same: every mistake is told.
    pub fn refuse(&mut self, change: Change, why: impl Into<String>, fix: Option<String>) {
        let (why, fix) = (why.into(), fix.unwrap_or_else(|| self.fix.clone()));
        self.differences.retain(|difference| difference.change != change);
        self.differences.push(Difference { change, verdict: Verdict::Refused { why, fix } });
    }

    /// The conversion from `was` to `is`; `None` if it is refused.
    pub fn carry(&mut self, place: &Place, was: &Schema, is: &Schema) -> Option<Conversion> {
        let types = place.types.clone().unwrap_or_else(|| (spelled(was, is), spelled(is, was)));
        let place = &Place { types: Some(types.clone()), ..place.clone() };
        let retyped =
            || Change::Type { part: place.part, was: place.with(&types.0), is: place.with(&types.1) };
        let conversion = match (Shape::of(was), Shape::of(is)) {
            (Shape::Scalar(a), Shape::Scalar(b)) if a == b => Conversion::Copy(was.clone()),
            (Shape::Scalar(a), Shape::Scalar(b)) if widens(a, b) => {
                self.carried(retyped(), "every number is one of the new type");
                Conversion::Widen(was.clone(), is.clone())
            }
            (Shape::Scalar(a), Shape::Scalar(b)) if widens(b, a) => {
                self.refuse(retyped(), "not every number is one of the new type", None);
                return None;
            }
            (Shape::Held(a), Shape::Held(b)) if generic(was) == generic(is) => {
                let part = self.carry(place, a, b)?;
                one(was, part, |part| Conversion::Held(Refreshed::AsItWas, part))
            }
            (Shape::Entries(Entries::Map(a_key, a)), Shape::Entries(Entries::Map(b_key, b))) => {
                let (key, value) = (self.carry(&place.distinct(), a_key, b_key), self.carry(place, a, b));
                entries(was, key?, value?)
            }
            (Shape::Entries(Entries::List(a)), Shape::Entries(Entries::List(b))) => {
                entries(was, Conversion::Copy(u64::schema()), self.carry(place, a, b)?)
            }
            (Shape::Held(_) | Shape::Entries(_), _) | (_, Shape::Held(_) | Shape::Entries(_)) => {
                self.refuse(retyped(), "it is another kind of state", None);
                return None;
            }
            (Shape::Option(a), Shape::Option(b)) if is_option(b) && !is_option(a) => {
                self.refuse(retyped(), "`None` could become `None` or `Some(None)`", None);
                return None;
            }
            (Shape::Option(a), Shape::Option(b)) => {
                let part = self.carry(place, a, b)?;
                one(was, part, Conversion::Option)
            }
            (Shape::Option(_), _) => {
                self.refuse(retyped(), "nothing says what to put where it is `None`", None);
                return None;
            }
            (_, Shape::Option(b)) => {
                let part = self.carry(place, was, b)?;
                self.carried(retyped(), "every value goes into a `Some`");
                Conversion::Some(Box::new(part))
            }
            (Shape::Sequence(Sequence::List, _), Shape::Sequence(Sequence::Set, _)) => {
                self.refuse(retyped(), "values that are equal would become one", None);
                return None;
            }
            (Shape::Sequence(_, a), Shape::Sequence(kind, b)) => {
                let place = if kind == Sequence::Set { place.distinct() } else { place.clone() };
                let part = self.carry(&place, a, b)?;
                self.same_container(was, is, retyped);
                one(was, part, Conversion::Sequence)
            }
            (Shape::Map(a_key, a), Shape::Map(b_key, b)) => {
                let (key, value) = (self.carry(&place.distinct(), a_key, b_key), self.carry(place, a, b));
                let (key, value) = (key?, value?);
                self.same_container(was, is, retyped);
                match key.is_copy() && value.is_copy() {
                    true => Conversion::Copy(was.clone()),
                    false => Conversion::Map(Box::new(key), Box::new(value)),
                }
            }
            (Shape::Tuple(a), Shape::Tuple(b)) if a.len() == b.len() => {
                let each = |(i, (a, b)): (usize, (&Schema, &Schema))| {
                    self.carry(&place.inside(&i.to_string()), a, b)
                };
                let parts: Vec<_> = a.iter().zip(b).enumerate().map(each).collect();
                let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
                match parts.iter().all(Conversion::is_copy) {
                    true => Conversion::Copy(was.clone()),
                    false => Conversion::Tuple(parts),
                }
            }
            (Shape::Array(a, n), Shape::Array(b, m)) if n == m => {
                let part = self.carry(place, a, b)?;
                one(was, part, |part| Conversion::Array(part, n))
            }
            (Shape::Struct(a), Shape::Struct(b)) => {
                let fields = self.fields(place, a, b, &|_| None)?;
                if fields.is_copy() { Conversion::Copy(was.clone()) } else { Conversion::Struct(fields) }
            }
            (Shape::Enum(a), Shape::Enum(b)) => {
                let variants = self.variants(place, a, b)?;
                let mut places = (0..).zip(&variants);
                match places.all(|(place, (new, fields))| place == *new && fields.is_copy()) {
                    true => Conversion::Copy(was.clone()),
                    false => Conversion::Enum(variants),
                }
            }
            (Shape::Opaque(a), Shape::Opaque(b)) if a == b => Conversion::Copy(was.clone()),
            (Shape::Opaque(_), _) | (_, Shape::Opaque(_)) => {
                self.refuse(retyped(), "what is opaque can't be converted", None);
                return None;
            }
            (Shape::Unknown, Shape::Unknown) if was == is => Conversion::Copy(was.clone()),
            _ => {
                self.refuse(retyped(), "it is another type", None);
                return None;
            }
        };
        Some(conversion)
    }

    /// Containers that have the same bytes go over into each other; it is said.
    fn same_container(&mut self, was: &Schema, is: &Schema, retyped: impl Fn() -> Change) {
        if generic(was) != generic(is) {
            self.carried(retyped(), "with all that is in it");
        }
    }

    /// Whether all that has to be taken apart can be: refuses a type whose bytes are not known.
    pub fn can_walk(&mut self, unknown: Option<&Schema>) -> bool {
        if let Some(unknown) = unknown {
            let change = Change::Type { part: "type", was: unknown.to_string(), is: unknown.to_string() };
            let fix = format!("have `#[event]` describe `{unknown}`, or put back what has changed");
            self.refuse(change, "its bytes are not known, so that nothing around it can change", Some(fix));
        }
        unknown.is_none()
    }

    /// How the fields of a struct or variant go over. `initial` knows the default of a new field by its place, if it is one
    /// of the state itself.
    pub fn fields(
        &mut self,
        place: &Place,
        was: &[Field],
        is: &[Field],
        initial: Initial<'_>,
    ) -> Option<Fields> {
        let text = |field: &Field| format!("{}: {}", place.inside(&field.name).path, field.schema);
        let from = matching(was, is, |field| &field.name, |field| &field.was);
        let mut origins: Vec<Option<Origin>> = Vec::with_capacity(is.len());
        for (new, from) in is.iter().zip(&from) {
            origins.push(from.and_then(|from| {
                let old = &was[from];
                if old.name != new.name {
                    let is = new.name.clone();
                    self.carried(Change::Renamed { part: "field", was: text(old), is }, "under its new name");
                }
                let conversion = self.carry(&place.inside(&new.name), &old.schema, &new.schema)?;
                Some(Origin::Field(from, self.expiring(place, old, new, conversion)))
            }));
        }
        let added: Vec<usize> = (0..is.len()).filter(|&new| from[new].is_none()).collect();
        for old in (0..was.len()).filter(|&old| !from.contains(&Some(old))) {
            self.removed_field(place, &was[old], added.iter().map(|&new| &is[new]));
        }
        for new in added {
            let default = initial(new).or_else(|| default_of(&is[new]));
            origins[new] = self.added_field(place, &is[new], default);
        }
        let kept: Vec<usize> = from.iter().copied().flatten().collect();
        let names = |places: &[usize]| {
            places.iter().map(|&old| was[old].name.as_str()).collect::<Vec<_>>().join(", ")
        };
        if !kept.is_sorted() {
            let mut sorted = kept.clone();
            sorted.sort_unstable();
            let (was, is) = (names(&sorted), names(&kept));
            self.carried(Change::Order { parts: "fields", was, is }, "in the new order");
        }
        let is = origins.into_iter().collect::<Option<Vec<_>>>()?;
        Some(Fields { was: was.iter().map(|field| field.schema.clone()).collect(), is })
    }

    fn removed_field<'a>(&mut self, place: &Place, old: &Field, mut added: impl Iterator<Item = &'a Field>) {
        let change = Change::Removed {
            part: "field",
            was: format!("{}: {}", place.inside(&old.name).path, old.schema),
        };
        if place.distinct {
            return self.refuse(change, "values that differ in nothing else would become one", None);
        }
        let renamed = added.find(|new| {
            Carrier::new(String::new(), self.taken_at).carry(place, &old.schema, &new.schema).is_some()
        });
        match renamed {
            Some(new) => self.carried(
                change,
                format!(
                    "without it; if it is \"{}\" now, mark that `#[{}(was = \"{}\")]`",
                    new.name,
                    place.attribute(),
                    old.name
                ),
            ),
            None => self.carried(change, "without it"),
        }
    }

    fn added_field(&mut self, place: &Place, new: &Field, default: Option<Value>) -> Option<Origin> {
        let change =
            Change::Added { part: "field", is: format!("{}: {}", place.inside(&new.name).path, new.schema) };
        let Some(default) = default else {
            let fix =
                format!("implement `Default` for `{0}`, or make the field an `Option<{0}>`", new.schema);
            self.refuse(change, format!("`{}` has no `Default` to begin with", new.schema), Some(fix));
            return None;
        };
        let begins = match to_json(&new.schema, &default) {
            _ if matches!(Shape::of(&new.schema), Shape::Held(_) | Shape::Entries(_)) => {
                "it begins empty".to_string()
            }
            Ok(json) => format!("it begins as {json}"),
            Err(_) => "it begins as its default".to_string(),
        };
        self.carried(change, begins);
        Some(Origin::Default(new.schema.clone(), default))
    }

    fn variants(&mut self, place: &Place, was: &[Variant], is: &[Variant]) -> Option<Vec<(u32, Fields)>> {
        let from = matching(was, is, |variant| &variant.name, |variant| &variant.was);
        let mut variants = Vec::with_capacity(was.len());
        for (old_place, old) in was.iter().enumerate() {
            let name = format!("{}: {}", place.path, old.name);
            let Some(new_place) = from.iter().position(|from| *from == Some(old_place)) else {
                let mut unmatched =
                    is.iter().zip(&from).filter(|(_, from)| from.is_none()).map(|(new, _)| new);
                let fix = match unmatched.next() {
                    Some(new) => format!(
                        "keep it, or if it is `{}` now, mark that `#[event(was = \"{}\")]`",
                        new.name, old.name
                    ),
                    None => "keep it; nobody has to make new values of it".to_string(),
                };
                self.refuse(
                    Change::Removed { part: "variant", was: name },
                    "values of it would have no place to go",
                    Some(fix),
                );
                variants.push(None);
                continue;
            };
            let new = &is[new_place];
            if old.name != new.name {
                let is = new.name.clone();
                self.carried(Change::Renamed { part: "variant", was: name, is }, "under its new name");
            }
            let fields = self.fields(&place.inside(&new.name), &old.fields, &new.fields, &|_| None);
            variants.push(fields.map(|fields| (new_place as u32, fields)));
        }
        for (new, _) in is.iter().zip(&from).filter(|(_, from)| from.is_none()) {
            self.carried(
                Change::Added { part: "variant", is: format!("{}: {}", place.path, new.name) },
                "no value of it is there yet",
            );
        }
        variants.into_iter().collect()
    }
}

/// Where each new part comes from: the old one of its name, or else of a name that it had.
pub(super) fn matching<T>(
    was: &[T],
    is: &[T],
    name: impl Fn(&T) -> &String,
    names: impl Fn(&T) -> &Vec<String>,
) -> Vec<Option<usize>> {
    let find = |wanted: &String| was.iter().position(|old| name(old) == wanted);
    let by_name: Vec<Option<usize>> = is.iter().map(|new| find(name(new))).collect();
    let mut taken = by_name.clone();
    for (place, new) in is.iter().enumerate().filter(|(place, _)| by_name[*place].is_none()) {
        taken[place] = names(new).iter().filter_map(find).find(|old| !taken.contains(&Some(*old)));
    }
    taken
}

/// The default of a field's type, if it has one and the program knows it.
fn default_of(field: &Field) -> Option<Value> {
    let bytes = (field.default?)()?;
    match field.schema {
        Schema::Opaque(_) => Some(Value::Opaque(bytes)),
        _ => whole(&field.schema, &bytes),
    }
}

/// The value that these bytes of a row are, all of them.
pub(super) fn whole(schema: &Schema, mut bytes: &[u8]) -> Option<Value> {
    decode::<RowFormat>(schema, &mut bytes).filter(|_| bytes.is_empty())
}

/// The values of a struct's fields, if the bytes are it.
pub(super) fn fields_of(fields: &[Field], mut bytes: &[u8]) -> Option<Vec<Value>> {
    let values = decode_fields::<RowFormat>(fields, &mut bytes);
    values.filter(|_| bytes.is_empty())
}

fn one(was: &Schema, part: Conversion, wrap: impl FnOnce(Box<Conversion>) -> Conversion) -> Conversion {
    if part.is_copy() { Conversion::Copy(was.clone()) } else { wrap(Box::new(part)) }
}

fn entries(was: &Schema, key: Conversion, value: Conversion) -> Conversion {
    match key.is_copy() && value.is_copy() {
        true => Conversion::Copy(was.clone()),
        false => Conversion::Entries(was.clone(), Refreshed::AsItWas, Box::new(key), Box::new(value)),
    }
}

/// The name of a container.
fn generic(schema: &Schema) -> Option<&str> {
    match schema {
        Schema::Generic(name, _) => Some(name),
        _ => None,
    }
}

fn is_option(schema: &Schema) -> bool {
    matches!(Shape::of(schema), Shape::Option(_))
}

/// The type as it is written and, where the two are written alike, its form.
fn spelled(schema: &Schema, other: &Schema) -> String {
    let text = schema.to_string();
    if text != other.to_string() {
        return text;
    }
    let form = match schema {
        Schema::Struct(..) => "a struct",
        Schema::Enum(..) => "an enum",
        Schema::Opaque(_) => "opaque",
        _ => "a type of the standard library",
    };
    format!("{text} ({form})")
}
