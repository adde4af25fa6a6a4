//! What stands in for the implementations when a subject is refused: enough for every trait bound on it to hold, so that
//! its uses give no errors of their own. Nothing of this is ever run.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse_quote;

use super::{Subject, codec};
use crate::krate::Krate;

/// serde's traits, as far as the user has not derived them, `Describe` and `Data`.
pub fn data(subject: &Subject, krate: &Krate) -> TokenStream {
    let ident = subject.ident();
    let (impl_generics, ty_generics, where_clause) = subject.generics().split_for_impl();
    let mut with_de = subject.generics().clone();
    with_de.params.insert(0, parse_quote!('de));
    let (de_generics, _, _) = with_de.split_for_impl();
    let serialize = (!subject.derives("Serialize")).then(|| {
        quote! {
            impl #impl_generics #krate::__rt::serde::Serialize for #ident #ty_generics #where_clause {
                fn serialize<S: #krate::__rt::serde::Serializer>(
                    &self,
                    _: S,
                ) -> ::core::result::Result<S::Ok, S::Error> {
                    ::core::unreachable!()
                }
            }
        }
    });
    let deserialize = (!subject.derives("Deserialize")).then(|| {
        quote! {
            impl #de_generics #krate::__rt::serde::Deserialize<'de> for #ident #ty_generics #where_clause {
                fn deserialize<D: #krate::__rt::serde::Deserializer<'de>>(
                    _: D,
                ) -> ::core::result::Result<Self, D::Error> {
                    ::core::unreachable!()
                }
            }
        }
    });
    quote! {
        #serialize
        #deserialize
        impl #impl_generics #krate::state::Describe for #ident #ty_generics #where_clause {
            fn schema() -> #krate::state::Schema {
                ::core::unreachable!()
            }
        }
        impl #impl_generics #krate::state::Data for #ident #ty_generics
        where
            for<'__> Self: ::core::marker::Send + 'static,
        {
        }
    }
}

/// The item to re-emit beside stubs. The user's own derives of serde keep their attributes.
pub fn item(subject: &Subject) -> TokenStream {
    let mut item = subject.poisoned();
    if !codec::is_ours(subject) && !subject.derives("Serialize") && !subject.derives("Deserialize") {
        item = subject.without_serde();
    }
    quote!(#item)
}
