//! What stands in for a refused [`Job`]: a `main`, so that rustc does not miss one,
//! and nothing else that is called so.

use proc_macro2::TokenStream;
use quote::quote;

use super::Job;
use crate::diagnostics::Diagnostics;

pub fn fallback(job: &Job, errors: &Diagnostics) -> TokenStream {
    let mut function = job.function.clone();
    if function.sig.ident == "main" {
        function.sig.ident = syn::Ident::new("__main", function.sig.ident.span());
    }
    quote! {
        #[allow(dead_code)]
        #function
        #errors
        fn main() {}
    }
}
