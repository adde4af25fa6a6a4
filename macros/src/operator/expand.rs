//! From an [`Operator`] to its implementation.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::cause::{Cause, Setting};
use super::handler::{Handler, Returns, Role};
use super::{Form, Operator, Stateful, Target};
use crate::krate::Krate;

pub fn expand(operator: &Operator) -> TokenStream {
    let Operator { krate, item, form } = operator;
    let Form::Stateful(stateful) = form else { return item.clone() };
    let Some(on_event) = stateful.on_event() else { return item.clone() };
    let declared = declare(&stateful.target);
    let implementation = match stateful.setting {
        Setting::Keyed | Setting::Broadcast => keyed(krate, stateful, on_event),
        Setting::Unkeyed => unkeyed(krate, stateful, on_event),
    };
    quote! {
        #item
        #declared
        #implementation
    }
}

fn keyed(krate: &Krate, stateful: &Stateful, on_event: &Handler) -> TokenStream {
    let Stateful { target, out, side, .. } = stateful;
    let ty = target_type(target);
    let (on_timer, on_broadcast) = (stateful.handler(Cause::Timer), stateful.handler(Cause::Broadcast));
    let shared = match on_broadcast.and_then(|handler| handler.shared.as_ref()) {
        Some(ty) => quote_spanned!(ty.span()=> type Shared = #ty;),
        None => quote!(
            type Shared = ();
        ),
    };
    let types = [
        associated(krate, "In", on_event.event.as_ref()),
        associated(krate, "State", on_event.state.as_ref()),
        associated(krate, "Out", out.as_ref()),
        associated(krate, "Side", side.as_ref()),
        associated(krate, "Timer", on_timer.and_then(|handler| handler.event.as_ref())),
        shared,
        associated(krate, "Broadcast", on_broadcast.and_then(|handler| handler.event.as_ref())),
    ];
    let method = |cause, handler| method(krate, stateful, on_event, cause, handler);
    let methods = [
        method(Cause::Event, Some(on_event)),
        method(Cause::Timer, on_timer),
        method(Cause::Broadcast, on_broadcast),
    ];
    quote! {
        impl #krate::operator::Operator for #ty {
            #(#types)*

            #(#methods)*
        }
    }
}

fn unkeyed(krate: &Krate, stateful: &Stateful, on_event: &Handler) -> TokenStream {
    let Stateful { target, out, side, handlers, .. } = stateful;
    let ty = target_type(target);
    let types = [
        associated(krate, "In", on_event.event.as_ref()),
        associated(krate, "State", on_event.state.as_ref()),
        associated(krate, "Out", out.as_ref()),
        associated(krate, "Side", side.as_ref()),
    ];
    let event = &on_event.event;
    let methods =
        handlers.iter().map(|handler| method(krate, stateful, on_event, handler.cause, Some(handler)));
    quote! {
        impl #krate::operator::UnkeyedOperator for #ty {
            #(#types)*

            #(#methods)*
        }
        impl #krate::operator::WorksOn<#event> for #ty {
            type As = Self;

            fn itself(self) -> Self {
                self
            }
        }
    }
}

/// `type Name = ..;`, all of it with the span of the user's type: that is where rustc reports what is wrong with it.
fn associated(krate: &Krate, name: &str, ty: Option<&Type>) -> TokenStream {
    let name = format_ident!("{name}");
    match ty {
        Some(ty) => quote_spanned!(ty.span()=> type #name = #ty;),
        None => quote!(type #name = #krate::operator::Never;),
    }
}

/// The struct that stands for a function.
pub fn declare(target: &Target) -> Option<TokenStream> {
    let Target::Function { name, function, visibility, docs } = target else { return None };
    let note = format!(" The operator that calls [`{function}`](fn@{function}).");
    let gap = (!docs.is_empty()).then(|| quote!(#[doc = ""]));
    Some(quote! {
        #(#docs)*
        #gap
        #[doc = #note]
        #[derive(Clone, Copy, Debug, Default)]
        #visibility struct #name;
    })
}

/// The type that implements `Operator`.
pub fn target_type(target: &Target) -> TokenStream {
    match target {
        Target::Block { ty, .. } => ty.to_token_stream(),
        Target::Function { name, .. } => name.to_token_stream(),
    }
}

/// One method of the trait, which calls the handler with its arguments in the user's order.
fn method(
    krate: &Krate,
    stateful: &Stateful,
    on_event: &Handler,
    cause: Cause,
    handler: Option<&Handler>,
) -> TokenStream {
    // rustc checks the state once more in each signature: reported at the same token, it is the same error.
    let at = on_event.state.as_ref().map_or_else(Span::call_site, Spanned::span);
    let has = |role: Role| handler.is_some_and(|handler| handler.roles.contains(&role));
    let returns = handler.map_or(Returns::Nothing, |handler| handler.returns);
    let named = |used: bool, name: TokenStream| if used { name } else { quote!(_) };
    let state = named(has(Role::State), quote!(state));
    let shared = named(has(Role::Shared), quote!(shared));
    let cx = named(has(Role::Context), quote!(cx));
    let out = named(has(Role::Out) || returns != Returns::Nothing, quote!(out));
    let side = named(has(Role::Side), quote!(side));
    let (first, first_ty) = match cause {
        Cause::Timer => (quote!(timer), Some(quote!(Self::Timer))),
        Cause::Broadcast => (quote!(record), Some(quote!(Self::Broadcast))),
        Cause::Event | Cause::Call => (quote!(event), Some(quote!(Self::In))),
        Cause::Watermark | Cause::End | Cause::Restore => (TokenStream::new(), None),
    };
    let body = match handler {
        None => quote!(match #first {}),
        Some(handler) => call(krate, &stateful.target, handler, &first),
    };
    // Its own token, so that it is the same `self` in the signature and in the body whatever the span.
    let this = quote!(self);
    let name = format_ident!("{}", cause.method());
    let krate = krate.at(at);
    let first = first_ty.map(|ty| quote_spanned!(at=> #first: #ty,));
    let (keyed_context, unkeyed_context) = (
        quote_spanned!(at=> &mut #krate::operator::Context<'_, Self>),
        quote_spanned!(at=> &#krate::operator::UnkeyedContext),
    );
    let (states, context) = match (stateful.setting, cause) {
        (Setting::Unkeyed, _) => (quote_spanned!(at=> #state: &mut Self::State,), unkeyed_context),
        (_, Cause::Broadcast) => (quote_spanned!(at=> #shared: &mut Self::Shared,), unkeyed_context),
        _ => (quote_spanned!(at=> #state: &mut Self::State, #shared: &Self::Shared,), keyed_context),
    };
    let outputs = (cause != Cause::Restore).then(|| {
        quote_spanned! {at=>
            #out: &mut impl #krate::operator::Emit<Self::Out>,
            #side: &mut impl #krate::operator::Emit<Self::Side>,
        }
    });
    quote_spanned! {at=>
        #[inline]
        fn #name(
            &#this,
            #first
            #states
            #cx: #context,
            #outputs
        ) {
            #body
        }
    }
}

fn call(krate: &Krate, target: &Target, handler: &Handler, first: &TokenStream) -> TokenStream {
    let arguments = handler.roles.iter().map(|role| match role {
        Role::Event => first.clone(),
        Role::State => quote!(state),
        Role::Shared => quote!(shared),
        Role::Context => quote!(cx),
        Role::Out => quote!(out),
        Role::Side => quote!(side),
    });
    let name = &handler.name;
    // An inherent method comes before the trait's method of the same name.
    let call = match target {
        Target::Block { .. } => quote!(Self::#name(self, #(#arguments),*)),
        Target::Function { .. } => quote!(#name(#(#arguments),*)),
    };
    match handler.returns {
        Returns::Nothing => quote!(#call;),
        Returns::One => quote!(#krate::operator::Emit::emit(out, #call);),
        Returns::Maybe => quote! {
            if let ::core::option::Option::Some(value) = #call {
                #krate::operator::Emit::emit(out, value);
            }
        },
    }
}
