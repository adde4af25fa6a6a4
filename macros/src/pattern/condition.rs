//! A condition of a step: a closure or the name of a function, and the earlier steps that a closure speaks of.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote};
use syn::visit_mut::VisitMut;
use syn::{Expr, ExprClosure, ExprPath, Ident, Macro, PatIdent};

use super::{Pattern, Step, Takes};
use crate::diagnostics::Diagnostics;
use crate::krate::Krate;

/// What is said of an event.
pub enum Condition {
    /// `|payment| payment.amount < 10`
    Closure(Box<ExprClosure>),
    /// `is_small`
    Function(ExprPath),
}

impl Condition {
    /// Reads the condition of the attribute `mark`.
    pub fn parse(mark: &Ident, expr: Expr, errors: &mut Diagnostics) -> Option<Condition> {
        match expr {
            Expr::Closure(closure) if closure.inputs.len() == 1 => {
                Some(Condition::Closure(Box::new(closure)))
            }
            Expr::Closure(closure) => {
                errors.add(
                    closure.or1_token,
                    format!(
                        "the condition of `{mark}` takes {} parameters, but it is given the event",
                        closure.inputs.len()
                    ),
                    "write `|payment| payment.amount > small.amount`: earlier steps are there by their names",
                );
                None
            }
            Expr::Path(path) => Some(Condition::Function(path)),
            other => {
                errors.add(
                    other,
                    format!("the condition of `{mark}` does not say what the event is called"),
                    "write a closure, `|payment| payment.amount < 10`, or the name of a function, `is_small`",
                );
                None
            }
        }
    }

    /// The names of steps that it speaks of.
    pub fn names<'a>(&self, steps: &'a [Step]) -> Vec<(&'a Step, Ident)> {
        let Condition::Closure(closure) = self else { return Vec::new() };
        let mut own = Bound(Vec::new());
        closure.inputs.iter().cloned().for_each(|mut input| own.visit_pat_mut(&mut input));
        let mut spoken = Spoken(Vec::new());
        spoken.visit_expr_mut(&mut closure.body.clone());
        let named = |step: &&Step| step.name.as_ref().filter(|name| !own.0.contains(name)).is_some();
        let spoken_of = |step: &'a Step| {
            let name = step.name.as_ref()?;
            spoken.0.iter().find(|spoken| *spoken == name).map(|spoken| (step, spoken.clone()))
        };
        steps.iter().filter(named).filter_map(spoken_of).collect()
    }

    /// The call of a builder's method that is given the condition.
    pub fn call(&self, krate: &Krate, pattern: &Pattern, method: &str) -> TokenStream {
        let names = self.names(&pattern.steps);
        let condition = match self {
            Condition::Closure(closure) => closure.to_token_stream(),
            Condition::Function(path) => path.to_token_stream(),
        };
        if names.is_empty() {
            let method = format_ident!("{method}");
            return quote!(.#method(#condition));
        }
        let event = pattern.event();
        let captures = names.into_iter().map(|(step, name)| {
            let text = name.to_string();
            match step.takes {
                Takes::One(_) | Takes::Nothing => quote! {
                    let ::core::option::Option::Some(#name) = so_far.first(#text) else { return false };
                },
                Takes::Maybe(_) => quote!(let #name: ::core::option::Option<&#event> = so_far.first(#text);),
                Takes::Several(_) | Takes::Exactly(..) => {
                    quote!(let #name: ::std::vec::Vec<&#event> = so_far.all(#text);)
                }
            }
        });
        let method = format_ident!("{method}_with");
        quote! {
            .#method(|event, so_far| {
                #(#[allow(unused_variables)] #captures)*
                #krate::__rt::holds(event, #condition)
            })
        }
    }
}

/// The names that a closure's parameter binds: they are its own.
struct Bound(Vec<Ident>);

impl VisitMut for Bound {
    fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
        self.0.push(pat.ident.clone());
    }
}

/// The names in a body that stand alone, as variables do.
struct Spoken(Vec<Ident>);

impl VisitMut for Spoken {
    fn visit_expr_path_mut(&mut self, path: &mut ExprPath) {
        self.0.extend(path.path.get_ident().cloned());
    }

    fn visit_macro_mut(&mut self, invoked: &mut Macro) {
        self.tokens(invoked.tokens.clone());
    }
}

impl Spoken {
    /// What a macro makes of its tokens is not known: every name counts that is not a field's or a method's.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut of_another = false;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if !of_another => self.0.push(ident),
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Punct(punct) => {
                    of_another = punct.as_char() == '.';
                    continue;
                }
                _ => {}
            }
            of_another = false;
        }
    }
}
