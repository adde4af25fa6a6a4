//! From a [`State`] to its implementations.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned;

use super::{State, managed};
use crate::subject::unfit::spelled;
use crate::subject::{codec, describe};

pub fn expand(state: &State) -> TokenStream {
    let State { krate, subject, key, .. } = state;
    let item = codec::item(subject, krate);
    let codec = codec::expand(subject, krate);
    let candidates: Vec<&Type> = managed::candidates(subject).map(|field| &field.ty).collect();
    // A state with a managed field is no record: its entries and times are not in its bytes.
    let describe = describe::expand_if(subject, krate, &candidates);
    let checks = managed::checks(subject, krate);
    let plain = managed::needs_plain(subject).then(|| quote!(use #krate::__rt::Plain as _;));
    let managed = managed::expand(subject, krate);
    let warnings = managed::warnings(subject, krate);
    let ident = subject.ident();
    let name = state.name();
    let initial = quote_spanned!(ident.span()=> #krate::__rt::initial::<#ident>());
    let key_type = quote_spanned!(key.span()=> type Key = #key;);
    let fields = describe::fields(&subject.parts[0], krate);
    let version = state.version.as_ref().map(|version| quote!(const VERSION: u32 = #version;));
    let migration = migration(state);
    let older = older(state);
    quote! {
        #item
        const _: () = {
            use #krate::__rt::Unchecked as _;
            #plain
            #codec
            #describe
            impl #krate::state::State for #ident {
                #key_type
                #version

                fn initial() -> Self {
                    #krate::__rt::Checked::<Self>::initial()
                }

                fn schema() -> #krate::state::StateSchema {
                    #krate::state::StateSchema {
                        name: ::std::string::String::from(#name),
                        version: <Self as #krate::state::State>::VERSION,
                        key: #krate::__rt::Checked::<#key>::schema(),
                        fields: #fields,
                    }
                }

                #migration
                #managed
            }
            impl #krate::state::KeyedBy<#key> for #ident {
                type Through<H> = H;

                fn through<H>(head: H) -> H {
                    head
                }
            }
            #checks
            #warnings
            const _: fn() = || #initial;
            #older
        };
    }
}

/// `fn migration()`, if the state is taken over from another.
fn migration(state: &State) -> Option<TokenStream> {
    let State { krate, from, .. } = state;
    let from = from.as_ref()?;
    Some(quote! {
        fn migration() -> ::core::option::Option<#krate::state::Migration> {
            #krate::__rt::Checked::<(#from, Self)>::migration()
        }
    })
}

/// Asks rustc whether the state and its key can be taken over, and whether what they come from is older.
fn older(state: &State) -> Option<TokenStream> {
    let State { krate, from, key, .. } = state;
    let (ident, from) = (state.subject.ident(), from.as_ref()?);
    let taken_over = quote_spanned!(from.span()=> #krate::__rt::taken_over::<#from, #ident, #key>());
    let message = format!(
        "a state counts its versions up, and `{}` is not older than `{ident}`, which is taken over from it: raise the \
         version of `{ident}`",
        spelled(from)
    );
    let is_older = quote_spanned!(from.span()=>
        ::core::assert!(#krate::__rt::Checked::<#from>::VERSION < <#ident as #krate::state::State>::VERSION, #message)
    );
    Some(quote! {
        const _: fn() = || #taken_over;
        const _: () = #is_older;
    })
}
