//! From a [`State`] to its implementations.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Type;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::{State, managed};
use crate::subject::{codec, describe};

pub fn expand(state: &State) -> TokenStream {
    let State { krate, subject, key, name } = state;
    let item = if codec::is_ours(subject) { subject.without_serde() } else { subject.item.clone() };
    let codec = codec::expand(subject, krate);
    let candidates: Vec<&Type> = managed::candidates(subject).map(|field| &field.ty).collect();
    // A state with a managed field is no record: its entries and times are not in its bytes.
    let describe = describe::expand_if(subject, krate, &candidates);
    let checks = managed::checks(subject, krate);
    let plain = managed::needs_plain(subject).then(|| quote!(use #krate::__rt::Plain as _;));
    let managed = managed::expand(subject, krate);
    let warnings = managed::warnings(subject, krate);
    let ident = subject.ident();
    let name = match name {
        Some(name) => name.value(),
        None => ident.unraw().to_string(),
    };
    let initial = quote_spanned!(ident.span()=> #krate::__rt::initial::<#ident>());
    let key_type = quote_spanned!(key.span()=> type Key = #key;);
    let fields = describe::fields(&subject.parts[0], krate);
    quote! {
        #item
        const _: () = {
            use #krate::__rt::Unchecked as _;
            #plain
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
        };
    }
}
