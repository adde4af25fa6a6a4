//! From tokens to an [`Operator`].

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::{FnArg, Ident, ImplItem, ImplItemFn, Item, ItemFn, ItemImpl, Path, Type};

use super::handler::{Cause, Handler, emit_of, is_context};
use super::{Form, Operator, Stateful, Target};
use crate::diagnostics::Diagnostics;
use crate::krate::Krate;
use crate::options::{self, CRATE, Known};
use crate::subject::first_tokens;
use crate::subject::unfit::spelled;
use crate::suggest::nearest;

const OPTIONS: [Known; 1] = [CRATE];

pub fn parse(options: TokenStream, item: TokenStream, errors: &mut Diagnostics) -> Option<Operator> {
    let mut krate = Krate::default();
    options::read("operator", options, &OPTIONS, errors, |_, value| {
        krate = Krate(value.call(Path::parse_mod_style)?);
        Ok(())
    });
    let form = match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Impl(block)) => parse_block(&block, errors),
        Ok(Item::Fn(function)) => parse_function(function, errors),
        _ => {
            errors.add(
                first_tokens(item),
                "`#[operator]` makes an operator of what is done with a record, and nothing is done here",
                "put it on the `impl` block that has `fn on_event(&self, ..)`, or on a function",
            );
            return None;
        }
    };
    Some(Operator { krate, item, form })
}

fn parse_block(block: &ItemImpl, errors: &mut Diagnostics) -> Form {
    if let Some((_, path, _)) = &block.trait_ {
        errors.add(
            path,
            "`#[operator]` stands on a block that implements a trait, but it reads the operator's own methods",
            format!("put it on `impl {} {{ fn on_event(&self, ..) }}`", spelled(&block.self_ty)),
        );
        return Form::Foreign;
    }
    let methods = || {
        block.items.iter().filter_map(|item| match item {
            ImplItem::Fn(method) => Some(method),
            _ => None,
        })
    };
    let method = |name: &str| methods().find(|method| method.sig.ident == name);
    let on_event = method("on_event").map(|method| Handler::parse(Cause::Event, &method.sig, errors));
    let on_timer = method("on_timer").map(|method| Handler::parse(Cause::Timer, &method.sig, errors));
    let others: Vec<&ImplItemFn> =
        methods().filter(|method| method.sig.ident != "on_event" && method.sig.ident != "on_timer").collect();
    misspelled(block, on_event.is_some(), on_timer.is_some(), &others, errors);
    Form::Stateful(Box::new(Stateful {
        target: Target::Block { ty: block.self_ty.clone(), generics: block.generics.clone() },
        on_event,
        on_timer,
        out: None,
        side: None,
    }))
}

/// A missing `on_event`, or a method whose name is nearly one of the two.
fn misspelled(
    block: &ItemImpl,
    has_event: bool,
    has_timer: bool,
    others: &[&ImplItemFn],
    errors: &mut Diagnostics,
) {
    let mut hinted = false;
    for method in others {
        let missing = [("on_event", has_event), ("on_timer", has_timer)].into_iter().filter(|(_, has)| !has);
        let written = method.sig.ident.to_string();
        if let Some(near) = nearest(&written, missing.map(|(name, _)| name)) {
            hinted |= near == "on_event";
            errors.add(
                &method.sig.ident,
                format!("the runtime would never call `{written}`: it calls `on_event` and `on_timer`"),
                format!("did you mean `{near}`?"),
            );
        }
    }
    if !has_event && !hinted {
        errors.add(
            &block.self_ty,
            format!("the operator `{}` has no `on_event`", spelled(&block.self_ty)),
            "write `fn on_event(&self, visit: Visit, session: &mut Session, out: &mut impl Emit<VisitCount>)`",
        );
    }
}

fn parse_function(function: ItemFn, errors: &mut Diagnostics) -> Form {
    if !has_state(&function) {
        return Form::Stateless(Box::new(function));
    }
    let target = Target::Function {
        name: camel_case(&function.sig.ident),
        function: function.sig.ident.clone(),
        visibility: function.vis.clone(),
        docs: function.attrs.iter().filter(|attr| attr.path().is_ident("doc")).cloned().collect(),
    };
    let handler = Handler::parse(Cause::Call, &function.sig, errors);
    Form::Stateful(Box::new(Stateful {
        target,
        on_event: Some(handler),
        on_timer: None,
        out: None,
        side: None,
    }))
}

/// Whether a function is meant to have a state: whether anything but its record is there that is neither the context nor
/// an output.
fn has_state(function: &ItemFn) -> bool {
    let types = || {
        function.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(&*typed.ty),
            FnArg::Receiver(_) => None,
        })
    };
    let of_runtime = |ty: &Type| {
        let inner = match ty {
            Type::Reference(reference) => &*reference.elem,
            other => other,
        };
        is_context(inner) || emit_of(inner).is_some()
    };
    let lent = |ty: &Type| matches!(ty, Type::Reference(reference) if reference.mutability.is_some());
    let own: Vec<&Type> = types().filter(|ty| !of_runtime(ty)).collect();
    own.len() > 1 || own.first().is_some_and(|ty| lent(ty))
}

/// `count_visits` -> `CountVisits`.
fn camel_case(function: &Ident) -> Ident {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    };
    let name: String = function.unraw().to_string().split('_').map(capital).collect();
    let name = if name.is_empty() { "Operator".to_string() } else { name };
    Ident::new(&name, function.span())
}
