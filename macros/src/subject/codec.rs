//! serde's derives for a subject, arranged so that a field that can't be carried gives one error and not five.
//!
//! serde's derive of a struct with an unserialisable field fails once for `Serialize` and several times for `Deserialize`,
//! and then once more wherever the struct is used. So the derive stands on a hidden mirror of the type (serde's remote
//! derive), whose functions exist only if every field can be carried; where they don't, `Unchecked` of the runtime takes
//! their place. The traits themselves are implemented unconditionally, and the one error comes from [`checks`].
//!
//! A generic type has serde's derives on itself: whether its fields can be carried is not known where it is declared. And
//! what the user has derived is left to the user.
//!
//! A row is walked by its schema, so that a type's bytes must be what its schema says: its fields, one after another. What
//! serde's options make of a type is for formats that people read; where there are such options, the type has a second mirror
//! without them, for rows. An opaque field says in a row how many bytes it has; serde knows that by a function of the runtime.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Fields, Meta, Token, parse_quote};

use super::unfit::{mentions, spelled};
use super::{Field, OnDisk, Part, Style, Subject, serde_words};
use crate::diagnostics::Diagnostics;
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
    let codec = mirror(subject, krate, &missing, Mirror::Codec);
    let has_row = shaping(subject).is_some();
    let row = has_row.then(|| mirror(subject, krate, &missing, Mirror::Row));
    let customs = has_row.then(|| customs(subject, krate));
    let impls = missing.iter().map(|name| match name.to_string().as_str() {
        "Serialize" => {
            let row = has_row.then(|| {
                quote! {
                    if !#krate::__rt::serde::Serializer::is_human_readable(&serializer) {
                        return __Row::serialize(self, serializer);
                    }
                }
            });
            quote! {
                impl #krate::__rt::serde::Serialize for #ident {
                    #[inline]
                    fn serialize<S: #krate::__rt::serde::Serializer>(
                        &self,
                        serializer: S,
                    ) -> ::core::result::Result<S::Ok, S::Error> {
                        #row
                        __Codec::serialize(self, serializer)
                    }
                }
            }
        }
        _ => {
            let row = has_row.then(|| {
                quote! {
                    if !#krate::__rt::serde::Deserializer::is_human_readable(&deserializer) {
                        return __Row::deserialize(deserializer);
                    }
                }
            });
            quote! {
                impl<'de> #krate::__rt::serde::Deserialize<'de> for #ident {
                    #[inline]
                    fn deserialize<D: #krate::__rt::serde::Deserializer<'de>>(
                        deserializer: D,
                    ) -> ::core::result::Result<Self, D::Error> {
                        #row
                        __Codec::deserialize(deserializer)
                    }
                }
            }
        }
    });
    quote!(#codec #row #customs #(#impls)*)
}

/// The item to re-emit. serde's attributes go with serde's derives; where these stand on the item, its opaque fields say so.
pub fn item(subject: &Subject, krate: &Krate) -> DeriveInput {
    if is_ours(subject) {
        return subject.without_serde();
    }
    let mut item = subject.item.clone();
    let mark = |fields: &mut Fields, part: &Part| {
        for (field, known) in fields.iter_mut().zip(&part.fields) {
            if known.on_disk == OnDisk::Opaque {
                field.attrs.push(opaque(known, subject, krate));
            }
        }
    };
    match &mut item.data {
        Data::Struct(data) => mark(&mut data.fields, &subject.parts[0]),
        Data::Enum(data) => {
            let variants = data.variants.iter_mut().zip(&subject.parts);
            variants.for_each(|(variant, part)| mark(&mut variant.fields, part));
        }
        Data::Union(_) => {}
    }
    item
}

/// `#[serde(with = "..")]` of an opaque field.
fn opaque(field: &Field, subject: &Subject, krate: &Krate) -> Attribute {
    let functions = path_text(&quote!(#krate::__rt::opaque_bytes));
    let mentioned: Vec<_> =
        subject.generics().type_params().filter(|parameter| mentions(&field.ty, &parameter.ident)).collect();
    if mentioned.is_empty() {
        return parse_quote!(#[serde(with = #functions)]);
    }
    // Without these, serde's derive knows nothing of parameters that occur in such a field.
    let serde = krate.serde();
    let all = |bound: &str| {
        let bounds = mentioned.iter().map(|parameter| format!("{}: {serde}::{bound}", parameter.ident));
        bounds.collect::<Vec<_>>().join(", ")
    };
    let (serialize, deserialize) = (all("Serialize"), all("Deserialize<'de>"));
    parse_quote!(#[serde(with = #functions, bound(serialize = #serialize, deserialize = #deserialize))])
}

/// The first option of serde by which a value's bytes would not be its fields.
fn shaping(subject: &Subject) -> Option<Meta> {
    const OF_TYPE: [&str; 8] =
        ["tag", "content", "untagged", "from", "try_from", "into", "field_identifier", "variant_identifier"];
    const OF_VARIANT: [&str; 7] = [
        "untagged",
        "with",
        "serialize_with",
        "deserialize_with",
        "skip",
        "skip_serializing",
        "skip_deserializing",
    ];
    const OF_FIELD: [&str; 7] = [
        "flatten",
        "with",
        "serialize_with",
        "deserialize_with",
        "skip_serializing",
        "skip_deserializing",
        "skip_serializing_if",
    ];
    let is_one = |option: &Meta, known: &[&str]| known.iter().any(|known| option.path().is_ident(known));
    let of_type = container_options(subject).into_iter().filter(|option| is_one(option, &OF_TYPE));
    let of_parts = subject.parts.iter().flat_map(|part| {
        let of_fields = part.fields.iter().flat_map(|field| options_of(&field.serde));
        let of_variant = options_of(&part.serde).into_iter().filter(|option| is_one(option, &OF_VARIANT));
        of_variant.chain(of_fields.filter(|option| is_one(option, &OF_FIELD)))
    });
    of_type.chain(of_parts).next()
}

/// Refuses options of serde by which a value's bytes would not be its fields, where there can be no mirror without them.
pub fn validate(subject: &Subject, errors: &mut Diagnostics) {
    if is_ours(subject) {
        return;
    }
    let Some(option) = shaping(subject) else { return };
    let (ident, word) = (subject.ident(), option.path().to_token_stream());
    let (why, help) = match subject.generics().params.is_empty() {
        true => (
            "what is derived here",
            "remove `Serialize` and `Deserialize` from the derives: they are implemented anyway, with the option where people read, without it in rows",
        ),
        false => ("what is derived for a generic type", "write a type of its own for each use"),
    };
    errors.add(
        &option,
        format!("serde's `{word}` makes something else of `{ident}` than its fields, and {why} is what is kept in state: it could not be read back field by field"),
        help,
    );
}

/// For each field that serde's `with` carries, a type that has its functions.
fn customs(subject: &Subject, krate: &Krate) -> TokenStream {
    let fields = subject.fields().enumerate().filter(|(_, field)| field.on_disk == OnDisk::Custom);
    let each = fields.map(|(number, field)| {
        let (name, ty) = (custom(number), &field.ty);
        let function = |own: &str, trait_name: &str| {
            let find = |wanted: &str| {
                options_of(&field.serde).into_iter().find_map(|option| path_of(&option, wanted))
            };
            let own_name = quote::format_ident!("{own}");
            let of_serde = quote::format_ident!("{trait_name}");
            find(&format!("{own}_with"))
                .map(|path| quote!(#path))
                .or_else(|| find("with").map(|path| quote!(#path::#own_name)))
                .unwrap_or_else(|| quote!(#krate::__rt::serde::#of_serde::#own_name))
        };
        let (serialize, deserialize) =
            (function("serialize", "Serialize"), function("deserialize", "Deserialize"));
        quote! {
            struct #name;
            impl #krate::__rt::Custom for #name {
                type Value = #ty;

                fn serialize<S: #krate::__rt::serde::Serializer>(
                    value: &#ty,
                    serializer: S,
                ) -> ::core::result::Result<S::Ok, S::Error> {
                    #serialize(value, serializer)
                }

                fn deserialize<'de, D: #krate::__rt::serde::Deserializer<'de>>(
                    deserializer: D,
                ) -> ::core::result::Result<#ty, D::Error> {
                    #deserialize(deserializer)
                }
            }
        }
    });
    each.collect()
}

fn custom(number: usize) -> syn::Ident {
    quote::format_ident!("__Custom{number}")
}

/// The path that `option` gives, if it is called `name`.
fn path_of(option: &Meta, name: &str) -> Option<syn::ExprPath> {
    let Meta::NameValue(option) = option else { return None };
    let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(path), .. }) = &option.value else { return None };
    path.parse().ok().filter(|_| option.path.is_ident(name))
}

/// A path in the text form that serde's options want.
fn path_text(path: &TokenStream) -> String {
    path.to_string().split_whitespace().collect()
}

/// Which of a type's mirrors.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mirror {
    /// With serde's options: the only one, or the one for people.
    Codec,
    /// Without those that shape it: for rows.
    Row,
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

fn mirror(subject: &Subject, krate: &Krate, missing: &[syn::Ident], which: Mirror) -> TokenStream {
    let (serde, name) = (krate.serde(), subject.ident().to_string());
    let own: Vec<&Attribute> = match which {
        Mirror::Codec => subject.item.attrs.iter().filter(|attr| attr.path().is_ident("serde")).collect(),
        Mirror::Row => Vec::new(),
    };
    let rename = match which == Mirror::Codec
        && serde_words(&subject.item.attrs).iter().any(|word| word == "rename")
    {
        true => TokenStream::new(),
        false => quote!(rename = #name,),
    };
    let bound = bound(subject, krate);
    let numbers = subject.parts.iter().scan(0, |next, part| {
        let first = *next;
        *next += part.fields.len();
        Some(first)
    });
    let parts = subject
        .parts
        .iter()
        .zip(numbers)
        .map(|(part, first)| mirror_part(part, first, subject, krate, which));
    let ident = quote::format_ident!("{}", if which == Mirror::Codec { "__Codec" } else { "__Row" });
    let body = match subject.is_enum() {
        true => quote!(enum #ident { #(#parts),* }),
        false => quote!(struct #ident #(#parts)*),
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
    let serde = krate.serde();
    let carried = |field: &&Field| matches!(field.on_disk, OnDisk::Described | OnDisk::Opaque);
    let mut types: Vec<String> = subject.fields().filter(carried).map(|field| spelled(&field.ty)).collect();
    types.sort();
    types.dedup();
    let all = |bound: &str| -> String {
        types.iter().map(|ty| format!("for<'__> {ty}: {serde}::{bound}")).collect::<Vec<_>>().join(", ")
    };
    let (serialize, deserialize) = (all("Serialize"), all("Deserialize<'de>"));
    quote!(bound(serialize = #serialize, deserialize = #deserialize))
}

fn mirror_part(part: &Part, first: usize, subject: &Subject, krate: &Krate, which: Mirror) -> TokenStream {
    let (variant, attrs) = (&part.variant, if which == Mirror::Codec { &part.serde[..] } else { &[] });
    let fields = part.fields.iter().zip(first..).map(|(field, number)| {
        let Field { member, ty, .. } = field;
        let serde = match (which, field.on_disk) {
            (Mirror::Codec, OnDisk::Opaque) => {
                let mut serde = field.serde.clone();
                serde.push(opaque(field, subject, krate));
                serde
            }
            (Mirror::Codec, _) | (Mirror::Row, OnDisk::Skipped) => field.serde.clone(),
            (Mirror::Row, OnDisk::Described) => Vec::new(),
            (Mirror::Row, OnDisk::Opaque) => vec![opaque(field, subject, krate)],
            (Mirror::Row, OnDisk::Custom) => {
                let custom = custom(number);
                let functions = path_text(&quote!(#krate::__rt::CustomBytes::<#custom>));
                vec![parse_quote!(#[serde(with = #functions)])]
            }
        };
        match part.style {
            Style::Named => quote!(#(#serde)* #member: #ty),
            _ => quote!(#(#serde)* #ty),
        }
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
