//! What stands in for a refused [`Key`].

use proc_macro2::TokenStream;
use quote::quote;

use super::Key;
use crate::diagnostics::Diagnostics;
use crate::subject::stub;

pub fn fallback(key: &Key, errors: &Diagnostics) -> TokenStream {
    let Key { krate, subject } = key;
    let item = stub::item(subject);
    let ident = subject.ident();
    let (impl_generics, ty_generics, where_clause) = subject.generics().split_for_impl();
    let impl_of = |name: &str, path: TokenStream, body: TokenStream| {
        (!subject.derives(name))
            .then(|| quote!(impl #impl_generics #path for #ident #ty_generics #where_clause { #body }))
    };
    let clone = impl_of(
        "Clone",
        quote!(::core::clone::Clone),
        quote!(
            fn clone(&self) -> Self {
                ::core::unreachable!()
            }
        ),
    );
    let partial_eq = impl_of(
        "PartialEq",
        quote!(::core::cmp::PartialEq),
        quote!(
            fn eq(&self, _: &Self) -> bool {
                ::core::unreachable!()
            }
        ),
    );
    let eq = impl_of("Eq", quote!(::core::cmp::Eq), quote!());
    let debug = impl_of(
        "Debug",
        quote!(::core::fmt::Debug),
        quote!(
            fn fmt(&self, _: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::unreachable!()
            }
        ),
    );
    // Another macro of ours on the same item implements what a record needs.
    let data = (!subject.has_second_macro()).then(|| stub::data(subject, krate));
    quote! {
        #item
        #errors
        const _: () = {
            #data
            #clone
            #partial_eq
            #eq
            #debug
            impl #impl_generics #krate::key::Key for #ident #ty_generics
            where
                Self: ::core::marker::Send + 'static,
            {
                fn encode(&self, _: &mut ::std::vec::Vec<u8>) {
                    ::core::unreachable!()
                }

                fn decode(_: &mut &[u8]) -> ::core::option::Option<Self> {
                    ::core::unreachable!()
                }
            }
        };
    }
}
