//! `#[event]`: a record.

mod expand;
mod fallback;
mod parse;
mod validate;

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use crate::diagnostics::Diagnostics;
use crate::krate::Krate;
use crate::subject::Subject;

/// What the attribute and the item say.
pub struct Event {
    pub krate: Krate,
    pub subject: Subject,
    /// The field that says when the record happened.
    pub time: Option<Ident>,
}

/// All stages.
pub fn run(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Diagnostics::default();
    let Some(mut event) = parse::parse(options, item.clone(), &mut errors) else {
        return quote!(#item #errors);
    };
    validate::validate(&mut event, &mut errors);
    match errors.is_empty() {
        true => expand::expand(&event),
        false => fallback::fallback(&event, &errors),
    }
}
