//! From tokens to an [`Operator`].

use proc_macro2::TokenStream;
use syn::ext::IdentExt;
use syn::{FnArg, Ident, ImplItem, ImplItemFn, Item, ItemFn, ItemImpl, Path, Type};

use super::cause::{Cause, Setting};
use super::handler::Handler;
use super::parameter::{emit_of, is_context};
use super::{Form, Operator, Stateful, Target};
use crate::diagnostics::Diagnostics;
use crate::krate::Krate;
use crate::options::{self, CRATE, Known};
use crate::subject::first_tokens;
use crate::subject::unfit::spelled;
use crate::suggest::nearest;

const OPTIONS: [Known; 2] = [Known { name: "unkeyed", form: "unkeyed" }, CRATE];

pub fn parse(options: TokenStream, item: TokenStream, errors: &mut Diagnostics) -> Option<Operator> {
    let (mut krate, mut setting) = (Krate::default(), Setting::Keyed);
    options::read("operator", options, &OPTIONS, errors, |name, value| {
        match name == "unkeyed" {
            true => setting = Setting::Unkeyed,
            false => krate = Krate(value.call(Path::parse_mod_style)?),
        }
        Ok(())
    });
    let form = match syn::parse2::<Item>(item.clone()) {
        Ok(Item::Impl(block)) => parse_block(setting, &block, errors),
        Ok(Item::Fn(function)) => parse_function(setting, function, errors),
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

fn parse_block(setting: Setting, block: &ItemImpl, errors: &mut Diagnostics) -> Form {
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
    let setting = match (setting, methods().any(|method| method.sig.ident == "on_broadcast")) {
        (Setting::Keyed, true) => Setting::Broadcast,
        _ => setting,
    };
    let mut handlers = Vec::new();
    for cause in setting.causes() {
        let method = methods().find(|method| method.sig.ident == cause.method());
        handlers.extend(method.map(|method| Handler::parse(setting, *cause, &method.sig, errors)));
    }
    let called =
        |method: &&ImplItemFn| setting.causes().iter().any(|cause| method.sig.ident == cause.method());
    let others: Vec<&ImplItemFn> = methods().filter(|method| !called(method)).collect();
    misspelled(setting, block, &handlers, &others, errors);
    Form::Stateful(Box::new(Stateful {
        setting,
        target: Target::Block { ty: block.self_ty.clone(), generics: block.generics.clone() },
        handlers,
        out: None,
        side: None,
    }))
}

/// A missing `on_event`, a method that is called in another setting, or one whose name is nearly that of a handler.
fn misspelled(
    setting: Setting,
    block: &ItemImpl,
    handlers: &[Handler],
    others: &[&ImplItemFn],
    errors: &mut Diagnostics,
) {
    let has = |cause: Cause| handlers.iter().any(|handler| handler.cause == cause);
    let mut hinted = false;
    for method in others {
        let written = method.sig.ident.to_string();
        if let Some(help) = called_elsewhere(setting, &written) {
            errors.add(&method.sig.ident, format!("the runtime would never call `{written}` here"), help);
            continue;
        }
        let missing = setting.causes().iter().filter(|cause| !has(**cause));
        if let Some(near) = nearest(&written, missing.map(|cause| cause.method())) {
            hinted |= near == "on_event";
            let calls: Vec<String> =
                setting.causes().iter().map(|cause| format!("`{}`", cause.method())).collect();
            let calls = match calls.split_last() {
                Some((last, calls)) => format!("{} and {last}", calls.join(", ")),
                None => String::new(),
            };
            errors.add(
                &method.sig.ident,
                format!("the runtime would never call `{written}`: it calls {calls}"),
                format!("did you mean `{near}`?"),
            );
        }
    }
    if !has(Cause::Event) && !hinted {
        errors.add(
            &block.self_ty,
            format!("the operator `{}` has no `on_event`", spelled(&block.self_ty)),
            "write `fn on_event(&self, visit: Visit, session: &mut Session, out: &mut impl Emit<VisitCount>)`",
        );
    }
}

/// What to do instead of a method that is called only in the other setting.
fn called_elsewhere(setting: Setting, method: &str) -> Option<&'static str> {
    match (setting, method) {
        (Setting::Unkeyed, "on_timer") => Some(
            "timers are kept per key: write `#[operator]`, with a state marked `#[state(key = ..)]`, and `.key_by(..)` in the wiring; what waits for event time can look at each watermark, in `on_watermark`",
        ),
        (Setting::Unkeyed, "on_broadcast") => Some(
            "a stream is broadcast to an operator behind `key_by`: write `#[operator]`, with a state marked `#[state(key = ..)]`",
        ),
        (Setting::Keyed | Setting::Broadcast, "on_watermark" | "on_end" | "on_restore") => Some(
            "what is to be done for a key at some time is done by a timer, the end being `EventTime::MAX`; `#[operator(unkeyed)]` has this handler, with a state that belongs to the subtask",
        ),
        _ => None,
    }
}

fn parse_function(setting: Setting, function: ItemFn, errors: &mut Diagnostics) -> Form {
    if setting == Setting::Keyed && !has_state(&function) {
        return Form::Stateless(Box::new(function));
    }
    let target = Target::Function {
        name: camel_case(&function.sig.ident),
        function: function.sig.ident.clone(),
        visibility: function.vis.clone(),
        docs: function.attrs.iter().filter(|attr| attr.path().is_ident("doc")).cloned().collect(),
    };
    let handler = Handler::parse(setting, Cause::Call, &function.sig, errors);
    Form::Stateful(Box::new(Stateful { setting, target, handlers: vec![handler], out: None, side: None }))
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
