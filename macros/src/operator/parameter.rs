//! A parameter of a handler, told by its type alone.

use quote::ToTokens;
use syn::{GenericArgument, PathArguments, Signature, Type, TypeParamBound};

use super::cause::Cause;
use crate::diagnostics::Diagnostics;
use crate::subject::unfit::spelled;

/// A parameter as its type tells.
pub enum Parameter {
    Value(Type),
    Lent(Type),
    Shared(Type),
    Context,
    UnkeyedContext,
    Emit(Option<Type>),
}

impl Parameter {
    /// Reads a parameter's type.
    pub fn parse(cause: Cause, signature: &Signature, ty: &Type, errors: &mut Diagnostics) -> Parameter {
        generic_output(classify(cause, ty, errors), signature)
    }
}

/// An output whose type is a parameter, `out: &mut E`: that it is generic has been reported already.
fn generic_output(parameter: Parameter, signature: &Signature) -> Parameter {
    match parameter {
        Parameter::Lent(Type::Path(path))
            if signature.generics.type_params().any(|generic| path.path.is_ident(&generic.ident)) =>
        {
            Parameter::Emit(None)
        }
        other => other,
    }
}

fn classify(cause: Cause, ty: &Type, errors: &mut Diagnostics) -> Parameter {
    let Type::Reference(reference) = ty else { return classify_value(cause, ty, errors) };
    let (elem, mutable) = (&*reference.elem, reference.mutability.is_some());
    if let Some(emit) = emit_of(elem) {
        if let Type::TraitObject(_) = elem {
            errors.add(
                ty,
                "`dyn Emit` calls through a table for every record, and the rest of the chain can't be compiled into it",
                format!("write `&mut impl Emit<{}>`", emit.as_ref().map(spelled).unwrap_or_default()),
            );
        } else if !mutable {
            let written = spelled(elem);
            errors.add(
                ty,
                "emitting changes the output, so `&` is not enough",
                format!("write `&mut {written}`"),
            );
        } else if emit.is_none() && matches!(elem, Type::ImplTrait(_)) {
            errors.add(
                elem,
                "`Emit` does not say what is emitted",
                "write the type: `&mut impl Emit<VisitCount>`",
            );
        }
        return Parameter::Emit(emit);
    }
    if is_context(elem) {
        if !mutable {
            let written = spelled(elem);
            errors.add(
                ty,
                "setting a timer changes the context, so `&` is not enough",
                format!("write `&mut {written}`"),
            );
        }
        return Parameter::Context;
    }
    if is_unkeyed_context(elem) {
        if mutable {
            errors.add(ty, "nothing in the context can be changed without a key", "write `&UnkeyedContext`");
        }
        return Parameter::UnkeyedContext;
    }
    match mutable {
        true => Parameter::Lent(elem.clone()),
        false => Parameter::Shared(elem.clone()),
    }
}

fn classify_value(cause: Cause, ty: &Type, errors: &mut Diagnostics) -> Parameter {
    if let Some(emit) = emit_of(ty) {
        let written = spelled(ty);
        errors.add(
            ty,
            "the output belongs to the runtime and is only lent",
            format!("write `&mut {written}`"),
        );
        return Parameter::Emit(emit);
    }
    if is_context(ty) {
        let written = spelled(ty);
        errors.add(
            ty,
            "the context belongs to the runtime and is only lent",
            format!("write `&mut {written}`"),
        );
        return Parameter::Context;
    }
    if is_unkeyed_context(ty) {
        let written = spelled(ty);
        errors.add(ty, "the context belongs to the runtime and is only lent", format!("write `&{written}`"));
        return Parameter::UnkeyedContext;
    }
    if let Type::ImplTrait(_) = ty {
        errors.add(
            ty,
            format!("the {} of an operator is one type, which a snapshot can name", cause.noun()),
            "name the type",
        );
    }
    Parameter::Value(ty.clone())
}

/// Whether `ty` is some `Emit`; then, of what, if it says so.
pub fn emit_of(ty: &Type) -> Option<Option<Type>> {
    let of_bounds = |bounds: &syn::punctuated::Punctuated<TypeParamBound, syn::Token![+]>| {
        bounds.iter().find_map(|bound| match bound {
            TypeParamBound::Trait(bound) => {
                bound.path.segments.last().filter(|segment| segment.ident == "Emit").cloned()
            }
            _ => None,
        })
    };
    let segment = match ty {
        Type::ImplTrait(ty) => of_bounds(&ty.bounds),
        Type::TraitObject(ty) => of_bounds(&ty.bounds),
        // Without `impl` it is rustc that says what is missing.
        _ => last_segment(ty).filter(|segment| segment.ident == "Emit").cloned(),
    }?;
    Some(type_argument(&segment.arguments))
}

/// Whether `ty` is the operator's `Context`.
pub fn is_context(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == "Context")
}

/// Whether `ty` is the context where there is no key.
pub fn is_unkeyed_context(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == "UnkeyedContext")
}

pub fn last_segment(ty: &Type) -> Option<&syn::PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

pub fn type_argument(arguments: &PathArguments) -> Option<Type> {
    let PathArguments::AngleBracketed(arguments) = arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty.clone()),
        _ => None,
    })
}

/// Whether two types are written alike.
pub fn same(left: &Type, right: &Type) -> bool {
    left.to_token_stream().to_string() == right.to_token_stream().to_string()
}
