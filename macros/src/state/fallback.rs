//! What stands in for a refused [`State`].

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use super::State;
use crate::diagnostics::Diagnostics;
use crate::subject::stub;

pub fn fallback(state: &State, mut errors: Diagnostics) -> TokenStream {
    let State { krate, subject, key, .. } = state;
    let item = stub::item(subject);
    let ident = subject.ident();
    let (impl_generics, ty_generics, _) = subject.generics().split_for_impl();
    // With the key unknown, no stream has the wrong one.
    let through = quote!(
        type Through<H> = H;
        fn through<H>(head: H) -> H {
            head
        }
    );
    let keyed_by = match key {
        Some(key) => {
            quote!(impl #impl_generics #krate::state::KeyedBy<#key> for #ident #ty_generics { #through })
        }
        None => {
            let mut any = subject.generics().clone();
            any.params.push(syn::parse_quote!(__Key));
            let (impl_generics, _, _) = any.split_for_impl();
            quote!(impl #impl_generics #krate::state::KeyedBy<__Key> for #ident #ty_generics { #through })
        }
    };
    let key = match key {
        Some(key) => key.to_token_stream(),
        None => errors.take_poison().map_or_else(|| quote!(u64), ToTokens::into_token_stream),
    };
    // Another macro of ours on the same item implements what a record needs.
    let data = (!subject.has_second_macro()).then(|| stub::data(subject, krate));
    quote! {
        #item
        #errors
        const _: () = {
            #data
            #keyed_by
            impl #impl_generics #krate::state::State for #ident #ty_generics
            where
                for<'__> Self: ::core::marker::Send + 'static,
            {
                type Key = #key;

                fn initial() -> Self {
                    ::core::unreachable!()
                }

                fn schema() -> #krate::state::StateSchema {
                    ::core::unreachable!()
                }
            }
        };
    }
}
