//! `#[job]`: the function that wires a job, made an executable.

mod expand;
mod fallback;
mod parse;
mod validate;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{ItemFn, LitStr, Type};

use crate::diagnostics::Diagnostics;
use crate::krate::Krate;

/// What the attribute and the function say.
pub struct Job {
    pub krate: Krate,
    pub function: ItemFn,
    /// The job's name, if it is not the function's.
    pub name: Option<LitStr>,
    /// The first paragraph of the function's documentation.
    pub about: String,
    /// The type of the job's own flags, if it has any.
    pub args: Option<Type>,
}

/// All stages.
pub fn run(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Diagnostics::default();
    let Some(job) = parse::parse(options, item.clone(), &mut errors) else {
        return quote!(#item #errors);
    };
    validate::validate(&job, &mut errors);
    match errors.is_empty() {
        true => expand::expand(&job),
        false => fallback::fallback(&job, &errors),
    }
}
