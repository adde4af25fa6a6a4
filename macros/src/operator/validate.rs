//! Judges an [`Operator`] as a whole: what its handlers must agree on.

use quote::ToTokens;
use syn::{FnArg, Generics, ItemFn, ReturnType, Type};

use super::cause::Cause;
use super::handler::{Handler, refuse_qualifiers};
use super::parameter::{emit_of, is_context, same};
use super::{Form, Operator, Stateful, Target};
use crate::diagnostics::Diagnostics;
use crate::subject::unfit::spelled;

pub fn validate(operator: &mut Operator, errors: &mut Diagnostics) {
    match &mut operator.form {
        Form::Stateful(stateful) => {
            if let Target::Block { generics, ty } = &stateful.target {
                refuse_generics(generics, ty, errors);
            }
            agree(stateful, errors);
            sides(stateful, errors);
        }
        Form::Stateless(function) => stateless(function, errors),
        Form::Foreign => {}
    }
}

fn refuse_generics(generics: &Generics, ty: &Type, errors: &mut Diagnostics) {
    let ty = spelled(ty);
    if !generics.params.is_empty() {
        errors.add(
            generics,
            format!("the operator `{ty}` is generic, but its record, state and output are types that a snapshot can name"),
            "write the operator for the types that it is used with",
        );
    } else if let Some(clause) = &generics.where_clause {
        errors.add(
            clause,
            format!("the operator `{ty}` has a `where` clause, but there is nothing left to choose"),
            "remove it",
        );
    }
}

/// The handlers of an operator have the same state and the same outputs.
fn agree(stateful: &mut Stateful, errors: &mut Diagnostics) {
    let handlers = &stateful.handlers;
    let mut all = |what: &str, of: fn(&Handler) -> &Option<Type>| -> Option<Type> {
        let mut having = handlers.iter().filter_map(|handler| Some((handler, of(handler).as_ref()?)));
        let (first, here) = having.next()?;
        for (other, there) in having.filter(|(_, there)| !same(here, there)) {
            errors.add(
                there,
                format!(
                    "`{}` has the {what} `{}`, but `{}` has `{}`: an operator has one",
                    other.name,
                    spelled(there),
                    first.name,
                    spelled(here)
                ),
                match what {
                    "state" | "broadcast state" => {
                        "use the same state in both: it is all they know of what was before".to_string()
                    }
                    _ => format!(
                        "write `{}` in both; for two kinds of output use an enum, or the side output",
                        spelled(here)
                    ),
                },
            );
        }
        Some(here.clone())
    };
    let out = all("output", |handler| &handler.out);
    let side = all("side output", |handler| &handler.side);
    all("state", |handler| &handler.state);
    all("broadcast state", |handler| &handler.shared);
    (stateful.out, stateful.side) = (out, side);
}

/// Of two connected streams both are handled, and one at least remembers something.
fn sides(stateful: &Stateful, errors: &mut Diagnostics) {
    let handler = |cause| stateful.handler(cause);
    match (handler(Cause::Event), handler(Cause::Left), handler(Cause::Right)) {
        (Some(_), Some(side), _) | (Some(_), _, Some(side)) => errors.add(
            &side.name,
            format!("the operator has `on_event` and `{}`, but it works on one stream or on two", side.name),
            "for one stream write `on_event`; for two, `left.connect(right)`, write `on_left` and `on_right`",
        ),
        // It may be there under a name that was found to be misspelled.
        (None, Some(side), None) | (None, None, Some(side)) if errors.is_empty() => {
            let other = if side.cause == Cause::Left { Cause::Right } else { Cause::Left }.method();
            errors.add(
                &side.name,
                format!("the operator has `{}` and no `{other}`: the records of the other stream would be lost", side.name),
                format!("write `fn {other}(&self, ..)`; an operator of one stream has `on_event`"),
            );
        }
        (None, Some(left), Some(right)) if left.state.is_none() && right.state.is_none() => errors.add(
            &left.name,
            "neither `on_left` nor `on_right` has a state, but what an operator does per key is to remember",
            "take it as `account: &mut Account`, a struct marked `#[state(key = ..)]`; streams that only become one are a `union`",
        ),
        _ => {}
    }
}

/// A function without state is wired as it is; what could not be wired is told here rather than there.
fn stateless(function: &ItemFn, errors: &mut Diagnostics) {
    let (name, signature) = (&function.sig.ident, &function.sig);
    refuse_qualifiers(Cause::Call, signature, errors);
    let mut records = Vec::new();
    for input in &signature.inputs {
        let FnArg::Typed(typed) = input else { continue };
        let inner = match &*typed.ty {
            Type::Reference(reference) => &*reference.elem,
            other => other,
        };
        if emit_of(inner).is_some() {
            errors.add(
                typed,
                format!("`{name}` has an output but no state: a step without state gives its results back"),
                "return an iterator (a `Vec`, an `Option`, `impl Iterator<Item = T>`) and wire it by `.flat_map`; or take a state, `session: &mut Session`",
            );
            return;
        }
        if is_context(inner) {
            errors.add(
                typed,
                format!("`{name}` has a context but no state: timers and the current key exist only behind `key_by`"),
                "take the state of the key as well, `session: &mut Session`; or drop the context",
            );
            return;
        }
        if let Type::ImplTrait(_) = inner {
            errors.add(
                &typed.ty,
                format!("`{name}` takes any type, but a stream has one"),
                "name the type of the record",
            );
        }
        records.push(typed);
    }
    if records.is_empty() {
        errors.add(
            name,
            format!("`{name}` takes nothing, but an operator is called with a record"),
            format!("take it by value, `fn {name}(line: Line)`, or in a filter by reference, `fn {name}(line: &Line)`"),
        );
    }
    let nothing = match &signature.output {
        ReturnType::Default => true,
        ReturnType::Type(_, ty) => ty.to_token_stream().to_string() == "()",
    };
    if nothing && !records.is_empty() {
        errors.add(
            name,
            format!("`{name}` returns nothing, so nothing would flow on"),
            "return what flows on: a record for `.map`, a `Result` for `.try_map`, a `bool` for `.filter`, an iterator for `.flat_map`",
        );
    }
}
