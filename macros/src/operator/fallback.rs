//! What stands in for a refused [`Operator`]: what is known of its types, and the first mistake for what is not.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Type;

use super::expand::{declare, target_type};
use super::{Form, Operator, Stateful, Target};
use crate::diagnostics::Diagnostics;

pub fn fallback(operator: &Operator, mut errors: Diagnostics) -> TokenStream {
    let Operator { krate, item, form } = operator;
    let Form::Stateful(stateful) = form else { return quote!(#item #errors) };
    let Stateful { target, on_event, on_timer, out, side } = &**stateful;
    let declared = declare(target);
    let ty = target_type(target);
    let (generics, where_clause) = match target {
        Target::Block { generics, .. } if !generics.params.is_empty() => {
            (Some(generics), Some(quote!(where Self: ::core::marker::Send + ::core::marker::Sync + 'static)))
        }
        _ => (None, None),
    };
    let impl_generics = generics.map(|generics| generics.split_for_impl().0);
    let unknown = errors.take_poison();
    let known = |ty: Option<&Type>| ty.map_or_else(|| quote!(__Unknown), ToTokens::to_token_stream);
    let event = known(on_event.as_ref().and_then(|handler| handler.event.as_ref()));
    let handlers = || on_event.iter().chain(on_timer);
    let state = known(handlers().find_map(|handler| handler.state.as_ref()));
    let (out, side) = (known(out.as_ref()), known(side.as_ref()));
    let timer = known(on_timer.as_ref().and_then(|handler| handler.event.as_ref()));
    let method = |name: TokenStream, first: TokenStream| {
        quote! {
            fn #name(
                &self,
                _: #first,
                _: &mut Self::State,
                _: &mut #krate::operator::Context<'_, Self>,
                _: &mut impl #krate::operator::Emit<Self::Out>,
                _: &mut impl #krate::operator::Emit<Self::Side>,
            ) {
                ::core::unreachable!()
            }
        }
    };
    let (on_event, on_timer) =
        (method(quote!(on_event), quote!(Self::In)), method(quote!(on_timer), quote!(Self::Timer)));
    quote! {
        #item
        #declared
        #errors
        const _: () = {
            type __Unknown = #unknown;
            impl #impl_generics #krate::operator::Operator for #ty #where_clause {
                type In = #event;
                type State = #state;
                type Out = #out;
                type Side = #side;
                type Timer = #timer;
                #on_event
                #on_timer
            }
        };
    }
}
