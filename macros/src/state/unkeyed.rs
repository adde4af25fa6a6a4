//! `#[state(unkeyed)]`: what a subtask remembers, in lists that can be dealt to other subtasks.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::{State, validate};
use crate::diagnostics::Diagnostics;
use crate::subject::unfit::spelled;
use crate::subject::{OnDisk, codec, describe, stub};

pub fn run(state: &mut State, mut errors: Diagnostics) -> TokenStream {
    validate::common(state, &mut errors);
    described(state, &mut errors);
    match errors.is_empty() {
        true => expand(state),
        false => fallback(state, &errors),
    }
}

/// What is dealt is recorded element by element, so the shape of an element is known.
fn described(state: &State, errors: &mut Diagnostics) {
    let ident = state.subject.ident();
    for field in state.subject.fields() {
        if matches!(field.on_disk, OnDisk::Described | OnDisk::Skipped) {
            continue;
        }
        errors.add(
            &field.ty,
            format!(
                "a field of `{ident}` is a list that is dealt by element, and `{}` is one whose elements only serde knows",
                spelled(&field.ty)
            ),
            "put the value of a foreign type into a struct marked `#[event]`, in a field marked `#[event(opaque)]`, and keep a list of those",
        );
    }
}

fn expand(state: &State) -> TokenStream {
    let State { krate, subject, .. } = state;
    let item = codec::item(subject, krate);
    let codec = codec::expand(subject, krate);
    let (ident, name) = (subject.ident(), state.name());
    let fields = describe::fields(&subject.parts[0], krate);
    let dealt = subject.parts[0].on_disk().map(|field| {
        let (member, ty) = (&field.member, &field.ty);
        quote!(dealt.#member = #krate::__rt::Checked::<#ty>::redeal(&mut kept, |kept| &mut kept.#member, share);)
    });
    let checks = subject.parts[0].on_disk().map(|field| {
        let ty = &field.ty;
        quote_spanned!(ty.span()=> #krate::__rt::redealt::<#ty>();)
    });
    let initial = quote_spanned!(ident.span()=> #krate::__rt::initial::<#ident>());
    quote! {
        #item
        const _: () = {
            use #krate::__rt::Unchecked as _;
            #codec
            impl #krate::state::UnkeyedState for #ident {
                const NAME: &'static str = #name;

                fn initial() -> Self {
                    #krate::__rt::Checked::<Self>::initial()
                }

                fn fields() -> ::std::vec::Vec<#krate::state::Field> {
                    #fields
                }

                #[allow(unused_mut, unused_variables)]
                fn deal(mut kept: ::std::vec::Vec<Self>, share: #krate::state::Share) -> Self {
                    let mut dealt = #krate::__rt::Checked::<Self>::initial();
                    #(#dealt)*
                    dealt
                }
            }
            const _: fn() = || { #(#checks)* };
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
            impl #impl_generics #krate::state::UnkeyedState for #ident #ty_generics
            where
                for<'__> Self: 'static,
            {
                const NAME: &'static str = "";

                fn initial() -> Self {
                    ::core::unreachable!()
                }

                fn fields() -> ::std::vec::Vec<#krate::state::Field> {
                    ::core::unreachable!()
                }

                fn deal(_: ::std::vec::Vec<Self>, _: #krate::state::Share) -> Self {
                    ::core::unreachable!()
                }
            }
        };
    }
}
