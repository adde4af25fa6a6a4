//! The mistakes found in one use of a macro. Every stage adds to them and none stops at the first.
//!
//! A message says what was written and why it can't be, and after `help:` what to write instead. It becomes a
//! `compile_error!` in one of two places: beside the item, or *as a type* where a type could not be made out. Such a
//! [`Poison`] is known to rustc as erroneous, so that whatever is built on it gives no second error.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

/// The mistakes, in the order in which they were found.
#[derive(Default)]
pub struct Diagnostics {
    errors: Vec<syn::Error>,
    poisoned: bool,
}

impl Diagnostics {
    /// Adds a mistake at `at`: what and why, and what to do instead.
    pub fn add(&mut self, at: impl ToTokens, what: impl AsRef<str>, help: impl AsRef<str>) {
        self.push(taught(at, what, help));
    }

    /// Adds a mistake that has been put into words already.
    pub fn push(&mut self, error: syn::Error) {
        self.errors.push(error);
    }

    /// Notes a mistake that is reported where it stands, as a [`Poison`].
    pub fn poisoned(&mut self) {
        self.poisoned = true;
    }

    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.errors.is_empty() && !self.poisoned
    }

    /// Takes the first mistake out, to be reported as the type that could not be made out.
    pub fn take_poison(&mut self) -> Option<Poison> {
        (!self.errors.is_empty()).then(|| Poison(self.errors.remove(0)))
    }
}

impl ToTokens for Diagnostics {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        for error in &self.errors {
            tokens.extend(error.to_compile_error());
        }
    }
}

/// A mistake in words: what and why, and what to do instead.
pub fn taught(at: impl ToTokens, what: impl AsRef<str>, help: impl AsRef<str>) -> syn::Error {
    syn::Error::new_spanned(at, format!("{}\nhelp: {}", what.as_ref(), help.as_ref()))
}

/// A type that reports a mistake and is erroneous to rustc: an array whose length does not compile.
#[derive(Clone)]
pub struct Poison(pub syn::Error);

impl ToTokens for Poison {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let error = self.0.to_compile_error();
        tokens.extend(quote!([(); #error]));
    }
}
