//! `was = "name"`: the names that a field or variant had before, by which a snapshot may know it.

use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::punctuated::Punctuated;
use syn::{Attribute, LitStr, Meta, Token, bracketed};

use super::Subject;
use crate::diagnostics::Diagnostics;
use crate::options::{self, Known};

/// The option, as every macro knows it.
pub const WAS: Known = Known { name: "was", form: "was = \"..\"" };

/// Reads the names: one, or several in brackets.
pub fn names(value: ParseStream<'_>) -> syn::Result<Vec<LitStr>> {
    if value.peek(LitStr) {
        return Ok(vec![value.parse()?]);
    }
    let names;
    bracketed!(names in value);
    Ok(Punctuated::<LitStr, Token![,]>::parse_terminated(&names)?.into_iter().collect())
}

/// Takes the macro's own attribute off a variant and reads it.
pub fn of_variant(macro_name: &str, attrs: &mut Vec<Attribute>, errors: &mut Diagnostics) -> Vec<LitStr> {
    let mut was = Vec::new();
    for attr in attrs.extract_if(.., |attr| attr.path().is_ident(macro_name)) {
        let Meta::List(list) = attr.meta else { continue };
        options::read(macro_name, list.tokens, &[WAS], errors, |_, value| {
            was.append(&mut names(value)?);
            Ok(())
        });
    }
    was
}

/// Refuses names that two parts would lay claim to.
pub fn validate(subject: &Subject, errors: &mut Diagnostics) {
    for part in &subject.parts {
        let fields = part.fields.iter().map(|field| (field.name.clone(), &field.was[..]));
        claims("field", &fields.collect::<Vec<_>>(), errors);
    }
    let variant = |part: &'_ super::Part| part.variant.as_ref().map(|variant| variant.unraw().to_string());
    let variants = subject.parts.iter().filter_map(|part| Some((variant(part)?, &part.was[..])));
    claims("variant", &variants.collect::<Vec<_>>(), errors);
}

/// `parts` are names and what they were.
fn claims(kind: &str, parts: &[(String, &[LitStr])], errors: &mut Diagnostics) {
    for (place, (name, was)) in parts.iter().enumerate() {
        for old in *was {
            let text = old.value();
            if parts.iter().any(|(other, _)| *other == text) {
                errors.add(
                    old,
                    format!("`{name}` was `{text}`, but there is a {kind} called `{text}` now, and a snapshot's `{text}` goes to that"),
                    format!("give the new {kind} `{text}` another name, or remove the option"),
                );
            } else if parts[..place]
                .iter()
                .any(|(_, others)| others.iter().any(|other| other.value() == text))
            {
                errors.add(
                    old,
                    format!(
                        "two {kind}s were `{text}`, and a snapshot's `{text}` can go to one of them only"
                    ),
                    "keep the option where it belongs",
                );
            }
        }
    }
}
