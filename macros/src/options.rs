//! The options in a macro's parentheses: `name = value` or `name`, separated by commas.
//!
//! What enters is the tokens between the parentheses and a table of the known options. Unknown and repeated options are
//! reported with the table; the rest are still read, so that one slip gives one error.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Ident, Token};

use crate::diagnostics::Diagnostics;
use crate::suggest::nearest;

/// A known option: its name and how it is written in full.
pub struct Known {
    pub name: &'static str,
    pub form: &'static str,
}

impl Known {
    const fn takes_value(&self) -> bool {
        self.form.len() > self.name.len()
    }
}

/// `crate = path`, which every macro knows.
pub const CRATE: Known = Known { name: "crate", form: "crate = path::to::tidegate" };

/// Reads the options of `macro_name`; `set` is called for each with its name, at its value.
pub fn read(
    macro_name: &str,
    options: TokenStream,
    known: &[Known],
    errors: &mut Diagnostics,
    mut set: impl FnMut(&Ident, ParseStream<'_>) -> syn::Result<()>,
) {
    let mut seen: Vec<Ident> = Vec::new();
    let all = |input: ParseStream<'_>| {
        while !input.is_empty() {
            match Ident::parse_any(input) {
                Ok(name) => read_one(macro_name, name, input, known, errors, &mut seen, &mut set),
                Err(error) => {
                    let found = input.cursor().token_stream();
                    let found = found
                        .into_iter()
                        .next()
                        .map_or_else(TokenStream::new, |token| token.into_token_stream());
                    errors.add(
                        found,
                        format!("`#[{macro_name}(..)]` takes named options; {error}"),
                        format!("it knows {}", forms(known)),
                    );
                }
            }
            skip_to_comma(input);
            let _: Option<Token![,]> = input.parse()?;
        }
        Ok(())
    };
    if let Err(error) = all.parse2(options) {
        errors.push(error);
    }
}

fn read_one(
    macro_name: &str,
    name: Ident,
    input: ParseStream<'_>,
    known: &[Known],
    errors: &mut Diagnostics,
    seen: &mut Vec<Ident>,
    set: &mut impl FnMut(&Ident, ParseStream<'_>) -> syn::Result<()>,
) {
    let Some(option) = known.iter().find(|option| name == option.name) else {
        let help = match nearest(&name.to_string(), known.iter().map(|option| option.name)) {
            Some(near) => format!("did you mean `{near}`? It knows {}", forms(known)),
            None => format!("it knows {}", forms(known)),
        };
        errors.add(&name, format!("`#[{macro_name}(..)]` has no option `{name}`"), help);
        return;
    };
    if seen.contains(&name) {
        errors.add(
            &name,
            format!("the option `{name}` is given twice, and only one value can hold"),
            format!("keep one `{}`", option.form),
        );
        return;
    }
    seen.push(name.clone());
    let value = if option.takes_value() { input.parse::<Token![=]>().map(drop) } else { Ok(()) };
    let set = value.and_then(|()| set(&name, input));
    let ended = set.and_then(|()| match input.is_empty() || input.peek(Token![,]) {
        true => Ok(()),
        false => Err(input.error("expected `,`")),
    });
    if let Err(error) = ended {
        errors.add(
            &name,
            format!("the option `{name}` of `#[{macro_name}(..)]` can't be read: {error}"),
            format!("it is written `{}`", option.form),
        );
    }
}

fn forms(known: &[Known]) -> String {
    let forms: Vec<String> = known.iter().map(|option| format!("`{}`", option.form)).collect();
    forms.join(", ")
}

fn skip_to_comma(input: ParseStream<'_>) {
    while !input.is_empty() && !input.peek(Token![,]) {
        if input.parse::<proc_macro2::TokenTree>().is_err() {
            return;
        }
    }
}
