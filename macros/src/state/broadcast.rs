//! `#[state(broadcast)]`: what every subtask knows alike from the records that are broadcast to it.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};

use super::{State, validate};
use crate::diagnostics::Diagnostics;
use crate::subject::{codec, describe, stub};

pub fn run(state: &mut State, mut errors: Diagnostics) -> TokenStream {
    validate::common(state, &mut errors);
    match errors.is_empty() {
        true => expand(state),
        false => fallback(state, &errors),
    }
}

fn expand(state: &State) -> TokenStream {
    let State { krate, subject, .. } = state;
    let item = codec::item(subject, krate);
    let (codec, checks) = (codec::expand(subject, krate), codec::checks(subject, krate));
    let (ident, name) = (subject.ident(), state.name());
    let fields = describe::fields(&subject.parts[0], krate);
    let initial = quote_spanned!(ident.span()=> #krate::__rt::initial::<#ident>());
    quote! {
        #item
        const _: () = {
            use #krate::__rt::Unchecked as _;
            #codec
            impl #krate::state::BroadcastState for #ident {
                const NAME: ::core::option::Option<&'static str> = ::core::option::Option::Some(#name);

                fn initial() -> Self {
                    #krate::__rt::Checked::<Self>::initial()
                }

                fn fields() -> ::std::vec::Vec<#krate::state::Field> {
                    #fields
                }
            }
            #checks
            const _: fn() = || #initial;
        };
    }
}

/// What stands in for a refused one.
fn fallback(state: &State, errors: &Diagnostics) -> TokenStream {
    let State { krate, subject, .. } = state;
    let item = stub::item(subject);
    let ident = subject.ident();
    let (impl_generics, ty_generics, _) = subject.generics().split_for_impl();
    let data = (!subject.has_second_macro()).then(|| stub::data(subject, krate));
    quote! {
        #item
        #errors
        const _: () = {
            #data
            impl #impl_generics #krate::state::BroadcastState for #ident #ty_generics
            where
                for<'__> Self: 'static,
            {
                const NAME: ::core::option::Option<&'static str> = ::core::option::Option::None;

                fn initial() -> Self {
                    ::core::unreachable!()
                }

                fn fields() -> ::std::vec::Vec<#krate::state::Field> {
                    ::core::unreachable!()
                }
            }
        };
    }
}
