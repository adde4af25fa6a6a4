//! The path by which an expansion names the `tidegate` crate.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{Path, parse_quote};

/// `::tidegate`, unless the user's manifest calls it otherwise and the option `crate = path` says so.
#[derive(Clone)]
pub struct Krate(pub Path);

impl Default for Krate {
    fn default() -> Krate {
        Krate(parse_quote!(::tidegate))
    }
}

impl Krate {
    /// The path with another span: rustc reports what is wrong with a type at the first token of its path.
    pub fn at(&self, span: Span) -> TokenStream {
        let respan = |mut token: TokenTree| {
            token.set_span(span);
            token
        };
        self.to_token_stream().into_iter().map(respan).collect()
    }

    /// The path of serde in the text form that `#[serde(crate = "..")]` wants.
    pub fn serde(&self) -> String {
        let path = &self.0;
        let text = quote!(#path::__rt::serde).to_string();
        text.split_whitespace().collect()
    }
}

impl ToTokens for Krate {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}
