//! From tokens to a [`Job`].

use proc_macro2::TokenStream;
use syn::{Attribute, Expr, ExprLit, FnArg, ItemFn, Lit, LitStr, Meta, Path};

use super::Job;
use crate::diagnostics::Diagnostics;
use crate::krate::Krate;
use crate::options::{self, CRATE, Known};
use crate::subject::first_tokens;

const OPTIONS: [Known; 2] = [Known { name: "name", form: "name = \"..\"" }, CRATE];

pub fn parse(options: TokenStream, item: TokenStream, errors: &mut Diagnostics) -> Option<Job> {
    let (mut krate, mut name) = (Krate::default(), None::<LitStr>);
    options::read("job", options, &OPTIONS, errors, |option, value| {
        match option == "name" {
            true => name = Some(value.parse()?),
            false => krate = Krate(value.call(Path::parse_mod_style)?),
        }
        Ok(())
    });
    let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
        errors.add(
            first_tokens(item),
            "`#[job]` makes an executable of the function that wires the job, and this is no function",
            "put it on `fn web_visits(job: &Job) -> Result<()>`",
        );
        return None;
    };
    let about = first_paragraph(&function.attrs);
    let args = match function.sig.inputs.iter().nth(1) {
        Some(FnArg::Typed(typed)) => Some((*typed.ty).clone()),
        _ => None,
    };
    Some(Job { krate, function, name, about, args })
}

fn first_paragraph(attrs: &[Attribute]) -> String {
    let line = |attr: &Attribute| match &attr.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    };
    let text: Vec<String> = attrs.iter().filter_map(line).collect();
    let lines = text.iter().flat_map(|text| text.lines().chain(text.is_empty().then_some(""))).map(str::trim);
    lines.skip_while(|line| line.is_empty()).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
