//! What stands in for a refused [`Pattern`]: what is known of its types, and the first mistake for what is not.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Type;

use super::Pattern;
use super::expand::{declare, name, out};
use crate::diagnostics::Diagnostics;

pub fn fallback(pattern: &Pattern, mut errors: Diagnostics) -> TokenStream {
    let Pattern { krate, function, .. } = pattern;
    if function.sig.receiver().is_some() {
        return quote!(#function #errors);
    }
    let (declared, name) = (declare(pattern), name(pattern));
    let unknown = errors.take_poison();
    let known = |ty: Option<&Type>| ty.map_or_else(|| quote!(__Unknown), ToTokens::to_token_stream);
    let lent = |ty: &&Type| matches!(ty, Type::Reference(_));
    let (event, out) = (known(pattern.event().filter(|ty| !lent(ty))), known(out(pattern)));
    quote! {
        #[allow(dead_code)]
        #function
        #declared
        #errors
        const _: () = {
            type __Unknown = #unknown;
            impl #krate::pattern::Matcher for #name {
                type Event = #event;
                type Out = #out;

                fn pattern(&self) -> #krate::pattern::Pattern<Self::Event> {
                    ::core::unreachable!()
                }

                fn select(&self, _: #krate::pattern::Match<Self::Event>) -> Self::Out {
                    ::core::unreachable!()
                }
            }
        };
    }
}
