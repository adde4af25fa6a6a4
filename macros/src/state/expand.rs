//! From a [`State`] to its implementations.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::State;
use crate::subject::{codec, describe};

pub fn expand(state: &State) -> TokenStream {
    let State { krate, subject, key, .. } = state;
    let item = if codec::is_ours(subject) { subject.without_serde() } else { subject.item.clone() };
    let codec = codec::expand(subject, krate);
    let describe = describe::expand(subject, krate);
    let checks = codec::checks(subject, krate);
    let ident = subject.ident();
    let name = state.name();
    let initial = quote_spanned!(ident.span()=> #krate::__rt::initial::<#ident>());
    let key_type = quote_spanned!(key.span()=> type Key = #key;);
    let fields = describe::fields(&subject.parts[0], krate);
    quote! {
        #item
        const _: () = {
            use #krate::__rt::Unchecked as _;
            #codec
            #describe
            impl #krate::state::State for #ident {
                #key_type

                fn initial() -> Self {
                    #krate::__rt::Checked::<Self>::initial()
                }

                fn schema() -> #krate::state::StateSchema {
                    #krate::state::StateSchema {
                        name: ::std::string::String::from(#name),
                        key: #krate::__rt::Checked::<#key>::schema(),
                        fields: #fields,
                    }
                }
            }
            impl #krate::state::KeyedBy<#key> for #ident {
                type Through<H> = H;

                fn through<H>(head: H) -> H {
                    head
                }
            }
            #checks
            const _: fn() = || #initial;
        };
    }
}
