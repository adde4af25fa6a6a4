//! serde's derives for a subject, arranged so that a field that can't be carried gives one error and not five.
//!
//! serde's derive of a struct with an unserialisable field fails once for `Serialize` and several times for `Deserialize`,
//! and then once more wherever the struct is used. So the derive stands on a hidden mirror of the type (serde's remote
//! derive), whose functions exist only if every field can be carried; where they don't, `Unchecked` of the runtime takes
//! their place. The traits themselves are implemented unconditionally, and the one error comes from [`checks`].
//!
//! A generic type has serde's derives on itself: whether its fields can be carried is not known where it is declared. And
//! what the user has derived is left to the user.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Meta, Token};

use super::unfit::spelled;
use super::{Field, OnDisk, Part, Style, Subject, serde_words};
use crate::krate::Krate;

/// Whether the expansion writes the derives on a mirror, so that serde's attributes go there.
pub fn is_ours(subject: &Subject) -> bool {
    !subject.derives("Serialize") && !subject.derives("Deserialize") && subject.generics().params.is_empty()
}

/// The derives to be added to the item itself: for a generic type, what it has not derived.
pub fn derives_on_item(subject: &Subject, krate: &Krate) -> TokenStream {
    let missing = missing(subject);
    if subject.generics().params.is_empty() || missing.is_empty() {
        return TokenStream::new();
    }
    let serde = krate.serde();
    quote!(#[derive(#(#krate::__rt::serde::#missing),*)] #[serde(crate = #serde)])
}

/// `Serialize` and `Deserialize` for a type without parameters, as far as it has not derived them.
pub fn expand(subject: &Subject, krate: &Krate) -> TokenStream {
    let missing = missing(subject);
    if !subject.generics().params.is_empty() || missing.is_empty() {
        return TokenStream::new();
    }
    let ident = subject.ident();
    let mirror = mirror(subject, krate, &missing);
    let impls = missing.iter().map(|name| match name.to_string().as_str() {
        "Serialize" => quote! {
            impl #krate::__rt::serde::Serialize for #ident {
                #[inline]
                fn serialize<S: #krate::__rt::serde::Serializer>(
                    &self,
                    serializer: S,
                ) -> ::core::result::Result<S::Ok, S::Error> {
                    __Codec::serialize(self, serializer)
                }
            }
        },
        _ => quote! {
            impl<'de> #krate::__rt::serde::Deserialize<'de> for #ident {
                #[inline]
                fn deserialize<D: #krate::__rt::serde::Deserializer<'de>>(
                    deserializer: D,
                ) -> ::core::result::Result<Self, D::Error> {
                    __Codec::deserialize(deserializer)
                }
            }
        },
    });
    quote!(#mirror #(#impls)*)
}

/// Asks rustc, at each field's type, whether the field can be carried.
pub fn checks(subject: &Subject, krate: &Krate) -> TokenStream {
    checks_by(subject, krate, |ty| quote_spanned!(ty.span()=> #krate::__rt::carried::<#ty>();))
}

/// Asks rustc `described` of each field whose shape is known, and of an opaque one whether serde can carry it.
pub fn checks_by(
    subject: &Subject,
    krate: &Krate,
    described: impl Fn(&syn::Type) -> TokenStream,
) -> TokenStream {
    let serde_is_ours = !missing(subject).is_empty();
    let calls: Vec<TokenStream> = subject
        .fields()
        .filter_map(|field| {
            let ty = &field.ty;
            match field.on_disk {
                OnDisk::Described => Some(described(ty)),
                OnDisk::Opaque if serde_is_ours => {
                    Some(quote_spanned!(ty.span()=> #krate::__rt::opaque::<#ty>();))
                }
                _ => None,
            }
        })
        .collect();
    if calls.is_empty() || !subject.generics().params.is_empty() {
        return TokenStream::new();
    }
    quote!(const _: fn() = || { #(#calls)* };)
}

fn missing(subject: &Subject) -> Vec<syn::Ident> {
    ["Serialize", "Deserialize"]
        .into_iter()
        .filter(|name| !subject.derives(name))
        .map(|name| quote::format_ident!("{name}"))
        .collect()
}

fn mirror(subject: &Subject, krate: &Krate, missing: &[syn::Ident]) -> TokenStream {
    let (serde, name) = (krate.serde(), subject.ident().to_string());
    let own: Vec<&Attribute> =
        subject.item.attrs.iter().filter(|attr| attr.path().is_ident("serde")).collect();
    let rename = match serde_words(&subject.item.attrs).iter().any(|word| word == "rename") {
        true => TokenStream::new(),
        false => quote!(rename = #name,),
    };
    let bound = bound(subject, krate);
    let parts = subject.parts.iter().map(mirror_part);
    let body = match subject.is_enum() {
        true => quote!(enum __Codec { #(#parts),* }),
        false => quote!(struct __Codec #(#parts)*),
    };
    quote! {
        #[derive(#(#krate::__rt::serde::#missing),*)]
        #[serde(crate = #serde, remote = #name, #rename #bound)]
        #(#own)*
        #body
    }
}

/// The condition under which the mirror's functions exist. `for<'__>` keeps rustc from judging it on the spot.
fn bound(subject: &Subject, krate: &Krate) -> TokenStream {
    if serde_words(&subject.item.attrs).iter().any(|word| word == "bound") {
        return TokenStream::new();
    }
    let mut types: Vec<String> = subject
        .fields()
        .filter(|field| matches!(field.on_disk, OnDisk::Described | OnDisk::Opaque))
        .map(|field| spelled(&field.ty))
        .collect();
    types.sort();
    types.dedup();
    let serde = krate.serde();
    let all = |bound: &str| -> String {
        types.iter().map(|ty| format!("for<'__> {ty}: {serde}::{bound}")).collect::<Vec<_>>().join(", ")
    };
    let (serialize, deserialize) = (all("Serialize"), all("Deserialize<'de>"));
    quote!(bound(serialize = #serialize, deserialize = #deserialize))
}

fn mirror_part(part: &Part) -> TokenStream {
    let (attrs, variant) = (&part.serde, &part.variant);
    let fields = part.fields.iter().map(|Field { member, ty, serde, .. }| match part.style {
        Style::Named => quote!(#(#serde)* #member: #ty),
        _ => quote!(#(#serde)* #ty),
    });
    let end = variant.is_none().then(|| quote!(;));
    match part.style {
        Style::Named => quote!(#(#attrs)* #variant { #(#fields),* }),
        Style::Tuple => quote!(#(#attrs)* #variant(#(#fields),*) #end),
        Style::Unit => quote!(#(#attrs)* #variant #end),
    }
}

/// The options of serde's attributes on the type itself, with the attribute each stands in.
pub fn container_options(subject: &Subject) -> Vec<Meta> {
    options_of(&subject.item.attrs)
}

/// The options of serde's attributes in `attrs`.
pub fn options_of(attrs: &[Attribute]) -> Vec<Meta> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("serde"))
        .filter_map(|attr| attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok())
        .flatten()
        .collect()
}
