//! `#[operator]`: a stateful step, of an `impl` block or a function; or the check of a stateless function.

mod cause;
mod expand;
mod fallback;
mod handler;
mod parameter;
mod parse;
mod validate;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Generics, Ident, ItemFn, Type, Visibility};

use crate::diagnostics::Diagnostics;
use crate::krate::Krate;
use cause::{Cause, Setting};
use handler::Handler;

/// What the attribute and the item say.
pub struct Operator {
    pub krate: Krate,
    /// The item, as it is re-emitted.
    pub item: TokenStream,
    pub form: Form,
}

/// The two ways to write an operator, and the function that needs nothing from us.
pub enum Form {
    /// An `impl` block, or a function with a state.
    Stateful(Box<Stateful>),
    /// A function without state.
    Stateless(Box<ItemFn>),
    /// An `impl` block of some trait: it can't be extended by `Operator`, and is only refused.
    Foreign,
}

/// An operator with state.
pub struct Stateful {
    pub setting: Setting,
    pub target: Target,
    /// What is called: one for each cause at most, that of a record first.
    pub handlers: Vec<Handler>,
    /// What it emits, once all handlers agree.
    pub out: Option<Type>,
    /// What it emits on the side.
    pub side: Option<Type>,
}

impl Stateful {
    /// The handler of a record.
    pub fn on_event(&self) -> Option<&Handler> {
        self.handlers.iter().find(|handler| matches!(handler.cause, Cause::Event | Cause::Call))
    }

    /// The handler of something else.
    pub fn handler(&self, cause: Cause) -> Option<&Handler> {
        self.handlers.iter().find(|handler| handler.cause == cause)
    }
}

/// What `Operator` is implemented for.
pub enum Target {
    /// The type of an `impl` block; its generics are refused.
    Block { ty: Box<Type>, generics: Generics },
    /// A unit struct that stands for a function.
    Function { name: Ident, function: Ident, visibility: Visibility, docs: Vec<Attribute> },
}

/// All stages.
pub fn run(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Diagnostics::default();
    let Some(mut operator) = parse::parse(options, item.clone(), &mut errors) else {
        return quote!(#item #errors);
    };
    validate::validate(&mut operator, &mut errors);
    match errors.is_empty() {
        true => expand::expand(&operator),
        false => fallback::fallback(&operator, errors),
    }
}
