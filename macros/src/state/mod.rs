//! `#[state(key = ..)]`: what an operator remembers per key.

mod expand;
mod fallback;
pub mod keep;
mod managed;
mod parse;
mod validate;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{LitInt, LitStr, Type};

use crate::diagnostics::Diagnostics;
use crate::krate::Krate;
use crate::subject::Subject;

/// What the attribute and the item say.
pub struct State {
    pub krate: Krate,
    pub subject: Subject,
    /// The type of the key; `None` if it was not given or refused.
    pub key: Option<Type>,
    /// The state's name in snapshots, if it is not the struct's.
    pub name: Option<LitStr>,
    /// The version; 1 if it is not given.
    pub version: Option<LitInt>,
    /// The state that an older version of it is taken over from.
    pub from: Option<Type>,
}

/// All stages.
pub fn run(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Diagnostics::default();
    let Some(mut state) = parse::parse(options, item.clone(), &mut errors) else {
        return quote!(#item #errors);
    };
    validate::validate(&mut state, &mut errors);
    match errors.is_empty() {
        true => expand::expand(&state),
        false => fallback::fallback(&state, errors),
    }
}
