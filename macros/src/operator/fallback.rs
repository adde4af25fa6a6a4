//! What stands in for a refused [`Operator`]: what is known of its types, and the first mistake for what is not.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{ImplGenerics, Type};

use super::cause::{Cause, Setting};
use super::expand::{declare, target_type};
use super::{Form, Operator, Stateful, Target};
use crate::diagnostics::Diagnostics;
use crate::krate::Krate;

pub fn fallback(operator: &Operator, mut errors: Diagnostics) -> TokenStream {
    let Operator { item, form, .. } = operator;
    let Form::Stateful(stateful) = form else { return quote!(#item #errors) };
    let declared = declare(&stateful.target);
    let unknown = errors.take_poison();
    let implementation = implementation(operator, stateful);
    quote! {
        #item
        #declared
        #errors
        const _: () = {
            type __Unknown = #unknown;
            #implementation
        };
    }
}

fn implementation(Operator { krate, .. }: &Operator, stateful: &Stateful) -> TokenStream {
    let Stateful { setting, target, handlers, out, side } = stateful;
    let (ty, generics) = (target_type(target), generics(target));
    let known = |ty: Option<&Type>| ty.map_or_else(|| quote!(__Unknown), ToTokens::to_token_stream);
    let event = known(stateful.on_event().and_then(|handler| handler.event.as_ref()));
    let state = known(handlers.iter().find_map(|handler| handler.state.as_ref()));
    let (out, side) = (known(out.as_ref()), known(side.as_ref()));
    let types = quote!(type In = #event; type State = #state; type Out = #out; type Side = #side;);
    let (context, unkeyed_context) =
        (quote!(&mut #krate::operator::Context<'_, Self>), quote!(&#krate::operator::UnkeyedContext));
    let own = quote!(&mut Self::State);
    let own_and_shared = quote!(&mut Self::State, _: &Self::Shared);
    let methods = [
        method(krate, "on_event", "In", &own_and_shared, &context),
        method(krate, "on_timer", "Timer", &own_and_shared, &context),
        method(krate, "on_broadcast", "Broadcast", &quote!(&mut Self::Shared), &unkeyed_context),
    ];
    let (impl_generics, where_clause) = generics;
    let keyed = |types: TokenStream| {
        quote! {
            impl #impl_generics #krate::operator::Operator for #ty #where_clause {
                #types
                #(#methods)*
            }
        }
    };
    let brought = |cause| known(stateful.handler(cause).and_then(|handler| handler.event.as_ref()));
    let timer = brought(Cause::Timer);
    match setting {
        Setting::Keyed => {
            let nothing = quote!(type Shared = (); type Broadcast = #krate::operator::Never;);
            return keyed(quote!(#types type Timer = #timer; #nothing));
        }
        Setting::Broadcast => {
            let shared = known(handlers.iter().find_map(|handler| handler.shared.as_ref()));
            let record = brought(Cause::Broadcast);
            return keyed(
                quote!(#types type Timer = #timer; type Shared = #shared; type Broadcast = #record;),
            );
        }
        Setting::Unkeyed => {}
    }
    // `Context<Self>` asks for an operator with keys.
    let with_keys = handlers.iter().any(|handler| handler.misses_key).then(|| {
        let types = ["In", "State", "Out", "Side", "Timer", "Shared", "Broadcast"];
        let types = types.map(|name| format_ident!("{name}"));
        keyed(quote!(#(type #types = __Unknown;)*))
    });
    let on_event = method(krate, "on_event", "In", &own, &unkeyed_context);
    quote! {
        #with_keys
        impl #impl_generics #krate::operator::UnkeyedOperator for #ty #where_clause {
            #types
            #on_event
        }
        impl #impl_generics #krate::operator::WorksOn<#event> for #ty #where_clause {
            type As = Self;

            fn itself(self) -> Self {
                self
            }
        }
    }
}

/// Those of the block, which are refused, and what makes them no mistake of the trait's.
fn generics(target: &Target) -> (Option<ImplGenerics<'_>>, Option<TokenStream>) {
    match target {
        Target::Block { generics, .. } if !generics.params.is_empty() => (
            Some(generics.split_for_impl().0),
            Some(quote!(where Self: ::core::marker::Send + ::core::marker::Sync + 'static)),
        ),
        _ => (None, None),
    }
}

fn method(
    krate: &Krate,
    name: &str,
    brings: &str,
    states: &TokenStream,
    context: &TokenStream,
) -> TokenStream {
    let (name, brings) = (format_ident!("{name}"), format_ident!("{brings}"));
    quote! {
        fn #name(
            &self,
            _: Self::#brings,
            _: #states,
            _: #context,
            _: &mut impl #krate::operator::Emit<Self::Out>,
            _: &mut impl #krate::operator::Emit<Self::Side>,
        ) {
            ::core::unreachable!()
        }
    }
}
