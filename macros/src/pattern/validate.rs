//! Judges a [`Pattern`].

use syn::{ReturnType, Type};

use super::condition::Condition;
use super::{Kind, Pattern, Step, Takes};
use crate::diagnostics::Diagnostics;
use crate::operator::same;
use crate::subject::unfit::spelled;

pub fn validate(pattern: &Pattern, errors: &mut Diagnostics) {
    signature(pattern, errors);
    let mut named = pattern.steps.iter().filter_map(|step| Some((step, step.takes.event()?)));
    let first = named.next().map(|(_, event)| event);
    for (step, event) in named {
        let borrowed = matches!(event, Type::Reference(_));
        if let Some(first) = first.filter(|first| !borrowed && !same(first, event)) {
            errors.add(
                &step.ty,
                format!(
                    "one step takes `{}`, another `{}`, but a stream has events of one type",
                    spelled(first),
                    spelled(event)
                ),
                "take that type in every step, and tell its events apart by conditions; of an enum, `|event| matches!(event, Event::Paid { .. })`",
            );
        }
    }
    for (index, step) in pattern.steps.iter().enumerate() {
        follows(index, step, errors);
        if step.is_negative() {
            negative(index, step, pattern, errors);
        } else {
            quantified(step, errors);
        }
        let conditions = step.mark.iter().filter_map(|mark| mark.condition.as_ref());
        for condition in conditions.chain(step.until.iter().map(|(_, until)| until)) {
            captures(index, condition, pattern, errors);
        }
    }
    if let Some(skip) = &pattern.skip
        && let Some(step) = &skip.step
        && !pattern.steps.iter().any(|known| known.name.as_ref() == Some(step) && !known.is_negative())
    {
        errors.add(step, format!("no step `{step}` takes anything to skip to"), "name one of the parameters");
    }
}

fn signature(pattern: &Pattern, errors: &mut Diagnostics) {
    let signature = &pattern.function.sig;
    let name = &signature.ident;
    if signature.inputs.is_empty() {
        errors.add(
            name,
            format!("`{name}` has no parameters, but they are the steps of the pattern"),
            "write one for each: `#[begin(|payment| payment.amount < 10)] small: Payment`",
        );
    }
    if let Some(token) = signature.asyncness {
        errors.add(
            token,
            format!("`{name}` is async, but the next event of the key waits for it"),
            "remove `async`; look things up behind the pattern",
        );
    }
    if let Some(token) = &signature.unsafety {
        errors.add(
            token,
            format!("`{name}` is unsafe, but the runtime that calls it makes no promises"),
            "remove `unsafe`",
        );
    }
    if !signature.generics.params.is_empty() {
        errors.add(
            &signature.generics,
            format!("`{name}` is generic, but its events are of a type that a snapshot can name"),
            "name the types",
        );
    }
    let nothing = match &signature.output {
        ReturnType::Default => true,
        ReturnType::Type(_, ty) => matches!(&**ty, Type::Tuple(tuple) if tuple.elems.is_empty()),
    };
    if nothing {
        errors.add(
            name,
            format!("`{name}` returns nothing, so nothing would be known of a match"),
            "return what is to flow on: `-> Theft`",
        );
    }
}

/// How a step follows the one before.
fn follows(index: usize, step: &Step, errors: &mut Diagnostics) {
    let kinds = "`#[next(..)]`, `#[followed_by(..)]` or `#[followed_by_any(..)]`";
    match &step.mark {
        None if index == 0 => errors.add(
            &step.ty,
            "nothing says which events the first step takes",
            "mark it: `#[begin(|payment| payment.amount < 10)]`, or `#[begin]` for any event",
        ),
        None => errors.add(
            &step.ty,
            "nothing says how the step follows the one before",
            format!("mark it {kinds}"),
        ),
        Some(mark) if index == 0 && mark.kind != Kind::Begin => errors.add(
            &mark.ident,
            format!("the first step is marked `{}`, but there is nothing before it", mark.ident),
            "write `begin`",
        ),
        Some(mark) if index > 0 && mark.kind == Kind::Begin => errors.add(
            &mark.ident,
            "the pattern begins twice",
            format!("say how the step follows the one before: {kinds}"),
        ),
        _ => {}
    }
}

/// A step that says what must not come.
fn negative(index: usize, step: &Step, pattern: &Pattern, errors: &mut Diagnostics) {
    let Some(mark) = &step.mark else { return };
    if !matches!(step.takes, Takes::Nothing) {
        errors.add(
            &step.ty,
            format!("a step marked `{}` says what must not come, so there is nothing to take", mark.ident),
            "write `_: ()`",
        );
    }
    let how_often =
        [&step.optional, &step.greedy, &step.consecutive, &step.combinations].into_iter().flatten();
    let times = step.times.iter().map(|(ident, _)| ident).chain(step.until.iter().map(|(ident, _)| ident));
    for ident in how_often.chain(times) {
        errors.add(ident, format!("what must not come can't be `{ident}`"), "remove it");
    }
    let Some(before) = index.checked_sub(1).map(|before| &pattern.steps[before]) else { return };
    if before.is_optional() {
        errors.add(
            &mark.ident,
            "what must not come stands behind a step that may be left out, so it is not known from when on it must not",
            "write two patterns, with the optional step and without it",
        );
    }
    if mark.kind == Kind::NotNext && before.mark.as_ref().is_some_and(|mark| mark.kind == Kind::NotFollowedBy)
    {
        errors.add(
            &mark.ident,
            "`not_next` stands behind `not_followed_by`, but it is about the event directly behind the step before",
            "write `not_next` first",
        );
    }
    if mark.kind == Kind::NotFollowedBy && index + 1 == pattern.steps.len() && pattern.within.is_none() {
        errors.add(
            &mark.ident,
            "the pattern ends with what must never come, and so never ends",
            "say how long to wait for it: `#[pattern(within = \"10m\")]`",
        );
    }
}

/// A step that takes events: how many, and which.
fn quantified(step: &Step, errors: &mut Diagnostics) {
    let written = spelled(&step.ty);
    match &step.takes {
        Takes::Nothing => errors.add(
            &step.ty,
            "the step takes an event, and its type has no place for it",
            "name the type of the events; what must not come is marked `#[not_followed_by(..)]`",
        ),
        Takes::One(Type::Reference(reference)) => errors.add(
            &step.ty,
            format!("the step borrows its event, `{written}`, but a match is given away"),
            match &*reference.elem {
                Type::Slice(slice) => format!("take them by value: `Vec<{}>`", spelled(&slice.elem)),
                event => format!("take it by value: `{}`", spelled(event)),
            },
        ),
        _ => {}
    }
    let list = |event: &Type| format!("write `Vec<{}>`", spelled(event));
    let single = match &step.takes {
        Takes::One(event) | Takes::Maybe(event) => Some(event),
        _ => None,
    };
    if let Some(event) = single {
        let times = step.times.as_ref().map(|(ident, _)| ident);
        let until = step.until.as_ref().map(|(ident, _)| ident);
        for ident in
            [times, until, step.greedy.as_ref(), step.consecutive.as_ref(), step.combinations.as_ref()]
                .into_iter()
                .flatten()
        {
            errors.add(
                ident,
                format!("the step is marked `{ident}`, but `{written}` is one event"),
                list(event),
            );
        }
    }
    if let (Some(ident), Takes::One(event)) = (&step.optional, &step.takes) {
        errors.add(
            ident,
            format!("the step may be left out, but `{written}` is always there"),
            format!("write `Option<{}>`, without `#[optional]`", spelled(event)),
        );
    }
    if let (Some(ident), Takes::Maybe(_)) = (&step.optional, &step.takes) {
        errors.add(ident, format!("`{written}` says that the step may be left out"), "remove `#[optional]`");
    }
    if let Takes::Exactly(event, length) = &step.takes {
        let length = spelled(length);
        if let Some((ident, _)) = &step.times {
            errors.add(ident, format!("`{written}` says how often the step is taken"), list(event));
        }
        if let Some((ident, _)) = &step.until {
            errors.add(ident, format!("the step ends after {length} events, and is no loop"), list(event));
        }
        if let Some(ident) = &step.optional {
            errors.add(
                ident,
                format!("the step may be left out, but `{written}` has always {length} events"),
                format!("{}, marked `#[times({length})] #[optional]`", list(event)),
            );
        }
    }
    if let (Some(greedy), Some(_)) = (&step.greedy, &step.combinations) {
        errors.add(
            greedy,
            "the step takes as many events as it can, and may leave out any of them",
            "keep one of `greedy` and `combinations`",
        );
    }
    if let (Some(consecutive), Some(_)) = (&step.consecutive, &step.combinations) {
        errors.add(
            consecutive,
            "nothing comes between the events of the step, and anything may",
            "keep one of `consecutive` and `combinations`",
        );
    }
}

/// A condition speaks of steps that come before it.
fn captures(index: usize, condition: &Condition, pattern: &Pattern, errors: &mut Diagnostics) {
    for (named, name) in condition.names(&pattern.steps) {
        let place = pattern.steps.iter().position(|step| std::ptr::eq(step, named)).unwrap_or(index);
        if place > index {
            errors.add(
                &name,
                format!("the condition speaks of `{name}`, which is taken later"),
                format!("let the condition of `{name}` speak of this step"),
            );
        } else if place == index && !named.takes.several() {
            errors.add(
                &name,
                format!("the condition speaks of `{name}`, but it decides what that is"),
                format!("speak of its parameter, the event: `|{name}| ..`"),
            );
        } else if named.is_negative() {
            errors.add(
                &name,
                format!("the condition speaks of `{name}`, which never comes"),
                "speak of a step that takes events",
            );
        }
    }
}
