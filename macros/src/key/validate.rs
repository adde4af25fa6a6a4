//! Judges a [`Key`].

use quote::quote;
use syn::Data;

use super::Key;
use crate::diagnostics::{Diagnostics, taught};
use crate::subject::{codec, unfit, was};

pub fn validate(key: &mut Key, errors: &mut Diagnostics) {
    let subject = &mut key.subject;
    subject.refuse_second_macro("key", errors);
    subject.refuse_unfit("key", errors);
    was::validate(subject, errors);
    codec::validate(subject, errors);
    if subject.generics().type_params().next().is_some() || subject.generics().const_params().next().is_some()
    {
        errors.add(
            subject.generics(),
            format!(
                "the key `{}` is generic, but the bytes of a key must mean one thing in every snapshot",
                subject.ident()
            ),
            "write one struct for each type that you key by",
        );
    }
    if let Data::Enum(data) = &subject.item.data
        && data.variants.is_empty()
    {
        errors.add(subject.ident(), "an enum without variants has no values to key by", "give it a variant");
    }
    for field in subject.parts.iter_mut().flat_map(|part| &mut part.fields) {
        if field.refused.is_some() {
            continue;
        }
        let member = &field.member;
        if let Some(option) = codec::options_of(&field.serde).first() {
            field.refused = Some(taught(
                option,
                "the bytes of a key are its own, not serde's: all its fields, in order of declaration",
                "remove the option; what is not part of the key belongs into the record",
            ));
        } else {
            field.refused = unfit::in_key(&field.ty, &format!("the key's field `{}`", quote!(#member)));
        }
        if field.refused.is_some() {
            errors.poisoned();
        }
    }
}
