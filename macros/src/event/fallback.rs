//! What stands in for a refused [`Event`].

use proc_macro2::TokenStream;
use quote::quote;

use super::Event;
use crate::diagnostics::Diagnostics;
use crate::subject::stub;

pub fn fallback(event: &Event, errors: &Diagnostics) -> TokenStream {
    let Event { krate, subject, time } = event;
    let item = stub::item(subject);
    if subject.has_second_macro() {
        return quote!(#item #errors);
    }
    let data = stub::data(subject, krate);
    let ident = subject.ident();
    let (impl_generics, ty_generics, where_clause) = subject.generics().split_for_impl();
    let time = time.as_ref().map(|_| {
        quote! {
            impl #impl_generics #krate::record::Event for #ident #ty_generics #where_clause {
                fn event_time(&self) -> #krate::time::EventTime {
                    ::core::unreachable!()
                }
            }
        }
    });
    quote! {
        #item
        #errors
        const _: () = {
            #data
            #time
        };
    }
}
