//! `#[state(..)]`: what an operator remembers, per key, per subtask or in all subtasks alike.

mod broadcast;
mod expand;
mod fallback;
pub mod keep;
mod managed;
mod parse;
mod unkeyed;
mod validate;

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Ident, LitInt, LitStr, Type};

use crate::diagnostics::Diagnostics;
use crate::krate::Krate;
use crate::subject::Subject;

/// What the attribute and the item say.
pub struct State {
    pub krate: Krate,
    pub subject: Subject,
    /// The type of the key; `None` if it was not given or refused.
    pub key: Option<Type>,
    /// What it belongs to instead of a key, and where that is said.
    pub keyless: Option<(Keyless, Ident)>,
    /// The state's name in snapshots, if it is not the struct's.
    pub name: Option<LitStr>,
    /// The version; 1 if it is not given.
    pub version: Option<LitInt>,
    /// The state that an older version of it is taken over from.
    pub from: Option<Type>,
}

/// What a state can belong to that belongs to no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keyless {
    /// A subtask.
    Unkeyed,
    /// All subtasks alike.
    Broadcast,
}

impl State {
    /// Its name in snapshots.
    pub fn name(&self) -> String {
        match &self.name {
            Some(name) => name.value(),
            None => self.subject.ident().unraw().to_string(),
        }
    }
}

/// All stages.
pub fn run(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Diagnostics::default();
    let Some(mut state) = parse::parse(options, item.clone(), &mut errors) else {
        return quote!(#item #errors);
    };
    match state.keyless {
        Some((Keyless::Unkeyed, _)) => return unkeyed::run(&mut state, errors),
        Some((Keyless::Broadcast, _)) => return broadcast::run(&mut state, errors),
        None => {}
    }
    validate::validate(&mut state, &mut errors);
    match errors.is_empty() {
        true => expand::expand(&state),
        false => fallback::fallback(&state, errors),
    }
}
