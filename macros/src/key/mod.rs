//! `#[key]`: what a stream can be keyed by.

mod expand;
mod fallback;
mod parse;
mod validate;

use proc_macro2::TokenStream;
use quote::quote;

use crate::diagnostics::Diagnostics;
use crate::krate::Krate;
use crate::subject::Subject;

/// What the attribute and the item say.
pub struct Key {
    pub krate: Krate,
    pub subject: Subject,
}

/// All stages.
pub fn run(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Diagnostics::default();
    let Some(mut key) = parse::parse(options, item.clone(), &mut errors) else {
        return quote!(#item #errors);
    };
    validate::validate(&mut key, &mut errors);
    match errors.is_empty() {
        true => expand::expand(&key),
        false => fallback::fallback(&key, &errors),
    }
}
