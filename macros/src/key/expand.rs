//! From a [`Key`] to its implementations.
//!
//! `Clone`, `PartialEq`, `Eq` and `Debug` are written out rather than derived: the derives would each fail once more for a
//! field that is no key.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::Key;
use crate::krate::Krate;
use crate::subject::{Part, Style, Subject, codec, describe};

pub fn expand(key: &Key) -> TokenStream {
    let Key { krate, subject } = key;
    let item = codec::item(subject, krate);
    let codec = codec::expand(subject, krate);
    let describe = describe::expand(subject, krate);
    let clone = (!subject.derives("Clone")).then(|| clone(subject, krate));
    let partial_eq = (!subject.derives("PartialEq")).then(|| partial_eq(subject, krate));
    let eq = (!subject.derives("Eq")).then(|| eq(subject));
    let debug = (!subject.derives("Debug")).then(|| debug(subject, krate));
    let (encode, decode) = (encode(subject, krate), decode(subject, krate));
    let checks = subject.fields().map(|field| {
        let ty = &field.ty;
        quote_spanned!(ty.span()=> #krate::__rt::part_of_key::<#ty>();)
    });
    let ident = subject.ident();
    quote! {
        #item
        const _: () = {
            use #krate::__rt::Unchecked as _;
            #codec
            #describe
            #clone
            #partial_eq
            #eq
            #debug
            impl #krate::key::Key for #ident {
                #encode
                #decode
            }
            const _: fn() = || { #(#checks)* };
        };
    }
}

fn encode(subject: &Subject, krate: &Krate) -> TokenStream {
    let arms = subject.parts.iter().enumerate().map(|(index, part)| {
        let (pattern, names) = pattern(part, "part");
        let number = index as u32;
        let variant = part.variant.as_ref().map(|_| quote!(#krate::key::Key::encode(&#number, bytes);));
        let types = part.fields.iter().map(|field| &field.ty);
        quote!(#pattern => { #variant #(#krate::__rt::Checked::<#types>::encode(#names, bytes);)* })
    });
    let unused = subject.parts.iter().all(|part| part.variant.is_none() && part.fields.is_empty());
    let bytes = if unused { quote!(_) } else { quote!(bytes) };
    quote! {
        fn encode(&self, #bytes: &mut ::std::vec::Vec<u8>) {
            match self { #(#arms)* }
        }
    }
}

fn decode(subject: &Subject, krate: &Krate) -> TokenStream {
    let read = |part: &Part| {
        let values = part.fields.iter().map(|field| {
            let (member, ty) = (&field.member, &field.ty);
            quote!(#member: #krate::__rt::Checked::<#ty>::decode(bytes)?)
        });
        let path = path(part);
        quote!(::core::option::Option::Some(#path { #(#values),* }))
    };
    let body = match subject.is_enum() {
        false => read(&subject.parts[0]),
        true => {
            let arms = subject.parts.iter().enumerate().map(|(index, part)| {
                let (number, value) = (index as u32, read(part));
                quote!(#number => #value,)
            });
            quote! {
                match <u32 as #krate::key::Key>::decode(bytes)? {
                    #(#arms)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    };
    let unused = subject.parts.iter().all(|part| part.variant.is_none() && part.fields.is_empty());
    let bytes = if unused { quote!(_) } else { quote!(bytes) };
    quote! {
        fn decode(#bytes: &mut &[u8]) -> ::core::option::Option<Self> {
            #body
        }
    }
}

fn clone(subject: &Subject, krate: &Krate) -> TokenStream {
    let ident = subject.ident();
    let arms = subject.parts.iter().map(|part| {
        let (pattern, names) = pattern(part, "part");
        let path = path(part);
        let values = part.fields.iter().zip(&names).map(|(field, name)| {
            let (member, ty) = (&field.member, &field.ty);
            quote!(#member: #krate::__rt::Checked::<#ty>::cloned(#name))
        });
        quote!(#pattern => #path { #(#values),* },)
    });
    quote! {
        #[automatically_derived]
        impl ::core::clone::Clone for #ident {
            #[inline]
            fn clone(&self) -> Self {
                match self { #(#arms)* }
            }
        }
    }
}

fn partial_eq(subject: &Subject, krate: &Krate) -> TokenStream {
    let ident = subject.ident();
    let arms = subject.parts.iter().map(|part| {
        let ((left, lefts), (right, rights)) = (pattern(part, "left"), pattern(part, "right"));
        let types = part.fields.iter().map(|field| &field.ty);
        let equal = match part.fields.is_empty() {
            true => quote!(true),
            false => quote!(#(#krate::__rt::Checked::<#types>::equal(#lefts, #rights))&&*),
        };
        quote!((#left, #right) => #equal,)
    });
    let otherwise = (subject.parts.len() > 1).then(|| quote!(_ => false,));
    quote! {
        #[automatically_derived]
        impl ::core::cmp::PartialEq for #ident {
            #[inline]
            fn eq(&self, other: &Self) -> bool {
                match (self, other) { #(#arms)* #otherwise }
            }
        }
    }
}

fn eq(subject: &Subject) -> TokenStream {
    let ident = subject.ident();
    quote!(#[automatically_derived] impl ::core::cmp::Eq for #ident {})
}

fn debug(subject: &Subject, krate: &Krate) -> TokenStream {
    let ident = subject.ident();
    let arms = subject.parts.iter().map(|part| {
        let (pattern, names) = pattern(part, "part");
        let name = part.variant.as_ref().unwrap_or(ident).unraw().to_string();
        let parts = part.fields.iter().zip(&names).map(|(field, binding)| {
            let (ty, name) = (&field.ty, &field.name);
            let value = quote!(#krate::__rt::Checked::<#ty>::debug(#binding));
            if part.style == Style::Named { quote!(.field(#name, #value)) } else { quote!(.field(#value)) }
        });
        let print = match part.style {
            Style::Named => quote!(f.debug_struct(#name)#(#parts)*.finish()),
            Style::Tuple => quote!(f.debug_tuple(#name)#(#parts)*.finish()),
            Style::Unit => quote!(f.write_str(#name)),
        };
        quote!(#pattern => #print,)
    });
    quote! {
        #[automatically_derived]
        impl ::core::fmt::Debug for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self { #(#arms)* }
            }
        }
    }
}

/// `Self` or `Self::Variant`.
fn path(part: &Part) -> TokenStream {
    let variant = part.variant.iter();
    quote!(Self #(:: #variant)*)
}

/// A pattern that binds every field of a part, and the names it binds: `part0`, `part1`, ...
fn pattern(part: &Part, prefix: &str) -> (TokenStream, Vec<Ident>) {
    let names: Vec<Ident> = (0..part.fields.len()).map(|place| format_ident!("{prefix}{place}")).collect();
    let (path, members) = (path(part), part.fields.iter().map(|field| &field.member));
    (quote!(#path { #(#members: #names),* }), names)
}
