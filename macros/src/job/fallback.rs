//! What stands in for a refused [`Job`]: a `main`, so that rustc does not miss one.

use proc_macro2::TokenStream;
use quote::quote;

use super::Job;
use crate::diagnostics::Diagnostics;

pub fn fallback(job: &Job, errors: &Diagnostics) -> TokenStream {
    let function = &job.function;
    let main = (function.sig.ident != "main").then(|| quote!(fn main() {}));
    quote! {
        #[allow(dead_code)]
        #function
        #errors
        #main
    }
}
