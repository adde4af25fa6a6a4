//! From a [`Job`] to its `main`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::ext::IdentExt;

use super::Job;

pub fn expand(job: &Job) -> TokenStream {
    let Job { krate, function, about, args, .. } = job;
    let ident = &function.sig.ident;
    let name = match &job.name {
        Some(name) => name.value(),
        None => ident.unraw().to_string().trim_matches('_').replace('_', "-"),
    };
    let (args, wire) = match args {
        Some(args) => (args.to_token_stream(), ident.to_token_stream()),
        None => (quote!(#krate::job::NoArgs), quote!(|job, _| #ident(job))),
    };
    quote! {
        #function

        #[allow(dead_code)]
        fn main() -> ::std::process::ExitCode {
            #krate::job::main::<#args>(
                #krate::job::Program {
                    name: #name,
                    version: ::core::env!("CARGO_PKG_VERSION"),
                    about: #about,
                },
                #wire,
            )
        }
    }
}
