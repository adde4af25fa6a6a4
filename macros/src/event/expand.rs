//! From an [`Event`] to its implementations.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Member;
use syn::spanned::Spanned;

use super::Event;
use crate::subject::{codec, describe};

pub fn expand(event: &Event) -> TokenStream {
    let Event { krate, subject, .. } = event;
    let item = codec::item(subject, krate);
    let derives = codec::derives_on_item(subject, krate);
    let codec = codec::expand(subject, krate);
    let describe = describe::expand(subject, krate);
    let time = time(event);
    let checks = codec::checks(subject, krate);
    quote! {
        #derives
        #item
        const _: () = {
            use #krate::__rt::Unchecked as _;
            #codec
            #describe
            #time
            #checks
        };
    }
}

/// `impl Event`: rustc checks the field's type where it is written.
fn time(event: &Event) -> Option<TokenStream> {
    let Event { krate, subject, time } = event;
    let time = time.as_ref()?;
    let field =
        subject.fields().find(|field| matches!(&field.member, Member::Named(name) if name == time))?;
    let (ident, ty) = (subject.ident(), &field.ty);
    let (impl_generics, ty_generics, where_clause) = subject.generics().split_for_impl();
    let read = quote_spanned!(ty.span()=> <#ty as #krate::__rt::TimeField>::event_time(&self.#time));
    Some(quote! {
        impl #impl_generics #krate::record::Event for #ident #ty_generics #where_clause {
            #[inline]
            fn event_time(&self) -> #krate::time::EventTime {
                #read
            }
        }
    })
}
