//! Judges a [`State`].

use std::collections::BTreeSet;

use quote::ToTokens;
use syn::{Data, Fields, Member};

use super::{Keyless, State};
use crate::diagnostics::Diagnostics;
use crate::subject::{Style, codec, unfit, was};

pub fn validate(state: &mut State, errors: &mut Diagnostics) {
    common(state, errors);
    key(state, errors);
}

/// What every state must be, whatever it belongs to.
pub fn common(state: &mut State, errors: &mut Diagnostics) {
    state.subject.refuse_second_macro("state", errors);
    shape(state, errors);
    scope(state, errors);
    keyless(state, errors);
    state.subject.refuse_unfit("state", errors);
    for field in state.subject.parts.iter_mut().flat_map(|part| &mut part.fields) {
        field.keep.validate(&field.member, errors);
    }
    names(state, errors);
    was::validate(&state.subject, errors);
    row_format(state, errors);
    if errors.is_empty() {
        codec::validate(&state.subject, errors);
    }
    evolution(state, errors);
}

/// A state belongs to keys or to subtasks.
fn scope(state: &State, errors: &mut Diagnostics) {
    let (Some(_), Some((keyless, at))) = (&state.key, &state.keyless) else { return };
    let (to, help) = match keyless {
        Keyless::Unkeyed => (
            "a subtask",
            "keep `key = ..` for an operator behind `key_by`, or `unkeyed` for one on a stream without keys",
        ),
        Keyless::Broadcast => (
            "all subtasks",
            "keep `key = ..` for what is remembered per key, or `broadcast` for what `on_broadcast` tells every subtask",
        ),
    };
    let ident = state.subject.ident();
    errors.add(at, format!("the state `{ident}` is said to belong to a key and to {to}"), help);
}

/// What is remembered per key can expire and be taken over from an older version; what belongs to no key can't.
fn keyless(state: &State, errors: &mut Diagnostics) {
    if state.keyless.is_none() {
        return;
    }
    let ident = state.subject.ident();
    let version = state.version.as_ref().map(ToTokens::to_token_stream);
    if let Some(at) = version.or_else(|| state.from.as_ref().map(ToTokens::to_token_stream)) {
        errors.add(
            at,
            format!("the state `{ident}` belongs to no key, and has no versions that one could be taken over from another"),
            "remove it: fields can be added, removed, widened and, with `#[state(was = \"..\")]`, renamed without one",
        );
    }
    for field in state.subject.fields() {
        if let Some(option) = field.keep.first() {
            errors.add(
                option,
                format!("`{option}` says how long a value is kept of a key, and the state `{ident}` belongs to no key"),
                "remove it, and take out of the field what is not needed any more",
            );
        }
    }
}

/// A state is a struct with named fields: a snapshot records it field by field, by name.
fn shape(state: &mut State, errors: &mut Diagnostics) {
    let subject = &state.subject;
    let ident = subject.ident();
    match &subject.item.data {
        Data::Enum(data) => errors.add(
            data.enum_token,
            format!("the state `{ident}` is an enum, but a snapshot records a state field by field, by name"),
            "mark the enum `#[event]` and keep it in a field of a struct marked `#[state(..)]`",
        ),
        Data::Struct(_) if subject.parts[0].style != Style::Named => errors.add(
            ident,
            format!("the state `{ident}` has fields without names, but a snapshot records a state field by field, by name"),
            format!("name them: `struct {ident} {{ visits: u64 }}`"),
        ),
        _ => {}
    }
    let generics = subject.generics();
    if generics.type_params().next().is_some() || generics.const_params().next().is_some() {
        errors.add(
            generics,
            format!("the state `{ident}` is generic, but a snapshot must say what is in it by one name"),
            "write one struct for each type; common fields can go into a struct marked `#[event]`",
        );
    }
}

fn key(state: &mut State, errors: &mut Diagnostics) {
    let Some(ty) = &state.key else { return };
    let subject = format!("the key of the state `{}`", state.subject.ident());
    let refused = match unfit::find(ty) {
        Some(unfit::Unfit::Borrow) => Some(crate::diagnostics::taught(
            ty,
            format!("{subject} is a reference, and a state outlives the record that its key was read from"),
            "own the key: `String` for `&str`",
        )),
        _ => unfit::in_key(ty, &subject),
    };
    if let Some(error) = refused {
        errors.push(error);
        state.key = None;
    }
}

/// Two fields of one name: the second is taken out of the item, since rustc would report it again.
fn names(state: &mut State, errors: &mut Diagnostics) {
    let ident = state.subject.ident().clone();
    let Some(part) = state.subject.parts.first_mut().filter(|part| part.style == Style::Named) else {
        return;
    };
    let (mut seen, mut members) = (BTreeSet::new(), BTreeSet::new());
    let mut repeated = Vec::new();
    for (place, field) in part.fields.iter().enumerate() {
        let again = match &field.member {
            Member::Named(name) => !members.insert(name.to_string()),
            Member::Unnamed(_) => false,
        };
        if again {
            repeated.push(place);
        }
        let at = match &field.renamed {
            Some(name) => name.to_token_stream(),
            None => field.member.to_token_stream(),
        };
        if field.name.is_empty() {
            errors.add(
                at,
                "the name of a field can't be empty: a snapshot finds the field by it",
                "give it a name",
            );
        } else if !seen.insert(field.name.clone()) {
            errors.add(
                at,
                format!("the state `{ident}` has two fields called `{}`, and a snapshot finds a field by its name", field.name),
                "give one of them another name",
            );
        }
    }
    let Data::Struct(data) = &mut state.subject.item.data else { return };
    let Fields::Named(fields) = &mut data.fields else { return };
    for place in repeated.into_iter().rev() {
        fields.named = fields
            .named
            .pairs()
            .enumerate()
            .filter(|(i, _)| *i != place)
            .map(|(_, pair)| pair.cloned())
            .collect();
        part.fields.remove(place);
    }
    if let Some(name) = &state.name
        && name.value().is_empty()
    {
        errors.add(name, "the name of a state can't be empty: a snapshot records it", "give it a name");
    }
}

/// Versions count up from 1, and what is taken over from an older one is not the first.
fn evolution(state: &mut State, errors: &mut Diagnostics) {
    let ident = state.subject.ident();
    if let Some(version) = &state.version
        && version.base10_parse::<u32>().is_ok_and(|version| version == 0)
    {
        errors.add(
            version,
            "the version of a state counts from 1, which is that of a state that gives none",
            "begin with `version = 2` when what there is must change",
        );
    } else if let Some(from) = &state.from
        && state
            .version
            .as_ref()
            .is_none_or(|version| version.base10_parse::<u32>().is_ok_and(|version| version < 2))
    {
        errors.add(
            from,
            format!("`{ident}` is taken over from an older version, and has no number by which a snapshot could tell the two apart"),
            "give it a version above that of the older one: `version = 2`",
        );
    }
}

/// The bytes of a row do not describe themselves: what serde decides by looking at the data can't be read back.
fn row_format(state: &State, errors: &mut Diagnostics) {
    const BY_LOOKING: [&str; 5] = ["flatten", "skip_serializing_if", "untagged", "tag", "skip_serializing"];
    let fields = state.subject.fields().flat_map(|field| codec::options_of(&field.serde));
    for option in fields.chain(codec::container_options(&state.subject)) {
        let Some(word) = option.path().get_ident() else { continue };
        if BY_LOOKING.iter().any(|known| word == known) {
            errors.add(
                &option,
                format!("serde's `{word}` needs a format that describes itself, and the row of a state is compact binary: it could not be read back"),
                "keep the state plain; give the record that leaves the job the shape that its readers want",
            );
        }
    }
}
