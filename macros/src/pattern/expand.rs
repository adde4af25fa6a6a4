//! From a [`Pattern`] to its implementation.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Ident, ReturnType, Type};

use super::{Pattern, SkipKind, Step, Takes};
use crate::operator::camel_case;

pub fn expand(pattern: &Pattern) -> TokenStream {
    let Pattern { krate, function, steps, .. } = pattern;
    let declared = declare(pattern);
    let (struct_name, called) = (name(pattern), &function.sig.ident);
    let event = pattern.event().expect("a pattern without mistakes takes an event");
    let event_type = quote_spanned!(event.span()=> type Event = #event;);
    let out = out(pattern);
    let written = steps.iter().enumerate().map(|(index, step)| expand_step(pattern, index, step));
    let within = pattern.within.map(|millis| quote!(.within(::core::time::Duration::from_millis(#millis))));
    let skip = expand_skip(pattern);
    let taken = steps.iter().map(|step| {
        let text = step.name.as_ref().map(Ident::to_string).unwrap_or_default();
        match &step.takes {
            Takes::One(_) => quote!(#krate::__rt::taken_once(&mut found, #text)),
            Takes::Maybe(_) => quote!(found.take(#text).pop()),
            Takes::Several(_) => quote!(found.take(#text)),
            Takes::Exactly(..) => quote!(#krate::__rt::taken_exactly(&mut found, #text)),
            Takes::Nothing => quote!(()),
        }
    });
    quote! {
        #function
        #declared
        impl #krate::pattern::Matcher for #struct_name {
            #event_type
            type Out = #out;

            fn pattern(&self) -> #krate::pattern::Pattern<Self::Event> {
                #krate::pattern::Pattern::<#event> #(#written)* #within #skip
            }

            fn select(&self, mut found: #krate::pattern::Match<Self::Event>) -> Self::Out {
                #called(#(#taken),*)
            }
        }
    }
}

/// The calls of the builder's methods for one step.
fn expand_step(pattern: &Pattern, index: usize, step: &Step) -> TokenStream {
    let krate = &pattern.krate;
    let Some(mark) = &step.mark else { return TokenStream::new() };
    let text = match &step.name {
        Some(name) => name.to_string(),
        None => format!("{} {}", mark.kind.name(), index + 1),
    };
    let method = format_ident!("{}", mark.kind.name());
    let begun = if index == 0 { quote!(::#method(#text)) } else { quote!(.#method(#text)) };
    let filter = mark.condition.as_ref().map(|condition| condition.call(krate, pattern, "filter"));
    let times = match (&step.times, &step.takes) {
        (Some((_, times)), _) => Some(quote!(.times(#times))),
        (None, Takes::Several(_)) => Some(quote!(.one_or_more())),
        (None, Takes::Exactly(_, length @ Expr::Lit(_))) => Some(quote!(.times(#length))),
        (None, Takes::Exactly(_, length)) => Some(quote!(.times((#length) as u32))),
        _ => None,
    };
    let optional = step.is_optional().then(|| quote!(.optional()));
    let consecutive = step.consecutive.as_ref().map(|_| quote!(.consecutive()));
    let combinations = step.combinations.as_ref().map(|_| quote!(.allow_combinations()));
    let greedy = step.greedy.as_ref().map(|_| quote!(.greedy()));
    let until = step.until.as_ref().map(|(_, until)| until.call(krate, pattern, "until"));
    quote!(#begun #filter #times #optional #consecutive #combinations #greedy #until)
}

fn expand_skip(pattern: &Pattern) -> Option<TokenStream> {
    let (krate, skip) = (&pattern.krate, pattern.skip.as_ref()?);
    let step = skip.step.as_ref().map(Ident::to_string);
    let strategy = match skip.kind {
        SkipKind::None => quote!(None),
        SkipKind::ToNext => quote!(ToNext),
        SkipKind::PastLast => quote!(PastLast),
        SkipKind::ToFirst => quote!(ToFirst(#step)),
        SkipKind::ToLast => quote!(ToLast(#step)),
    };
    Some(quote!(.skip(#krate::pattern::Skip::#strategy)))
}

/// The struct that stands for the function.
pub fn declare(pattern: &Pattern) -> TokenStream {
    let function = &pattern.function;
    let (name, visibility, called) = (name(pattern), &function.vis, &function.sig.ident);
    let docs = function.attrs.iter().filter(|attr| attr.path().is_ident("doc")).collect::<Vec<_>>();
    let gap = (!docs.is_empty()).then(|| quote!(#[doc = ""]));
    let note = format!(" The pattern whose matches [`{called}`](fn@{called}) is given.");
    quote! {
        #(#docs)*
        #gap
        #[doc = #note]
        #[derive(Clone, Copy, Debug, Default)]
        #visibility struct #name;
    }
}

/// `card_theft` -> `CardTheft`
pub fn name(pattern: &Pattern) -> Ident {
    camel_case(&pattern.function.sig.ident)
}

/// What the function makes of a match.
pub fn out(pattern: &Pattern) -> Option<&Type> {
    match &pattern.function.sig.output {
        ReturnType::Type(_, ty) => Some(ty),
        ReturnType::Default => None,
    }
}
