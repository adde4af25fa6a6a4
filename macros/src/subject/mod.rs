//! The struct or enum that `#[event]`, `#[key]` or `#[state]` stands on, as a model.
//!
//! What enters is the item's tokens. What leaves is the item as it will be re-emitted (without our own helper attributes,
//! which no derive would understand) and, beside it, what the expansion needs to know of its fields. Types are kept as
//! tokens: rustc judges them, at the user's span.

pub mod codec;
pub mod describe;
pub mod stub;
pub mod unfit;
pub mod was;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Attribute, Data, DeriveInput, Fields, Generics, Ident, LitStr, Member, Meta, Path, Token, Type};

use crate::diagnostics::{Diagnostics, Poison};
use crate::options::{self, Known};
use crate::state::keep::Keep;

/// A struct or enum and what is known of it.
pub struct Subject {
    /// The item as it will be re-emitted, its derives and serde's attributes still in place.
    pub item: DeriveInput,
    /// A struct has one part, an enum one per variant.
    pub parts: Vec<Part>,
    /// What the derives that the macro can see implement.
    pub derives: Vec<Ident>,
}

/// A struct's fields, or those of one variant.
pub struct Part {
    /// The variant, if it is one.
    pub variant: Option<Ident>,
    /// The names that the variant had before.
    pub was: Vec<LitStr>,
    /// Whether the fields have names.
    pub style: Style,
    /// serde's attributes on the variant.
    pub serde: Vec<Attribute>,
    /// The fields in order of declaration.
    pub fields: Vec<Field>,
}

/// How a part's fields are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// `{ user: String }`
    Named,
    /// `(String)`
    Tuple,
    /// nothing
    Unit,
}

/// A field.
pub struct Field {
    /// Its name or place in Rust.
    pub member: Member,
    /// Its name in the schema.
    pub name: String,
    /// Where that name is written, if it is not the field's own.
    pub renamed: Option<LitStr>,
    /// The names that it had before.
    pub was: Vec<LitStr>,
    /// Its type.
    pub ty: Type,
    /// What the row on disk holds of it.
    pub on_disk: OnDisk,
    /// serde's attributes.
    pub serde: Vec<Attribute>,
    /// How long and how much of it is kept, in a state.
    pub keep: Keep,
    /// The mistake to be reported in place of its type, if it can't be carried.
    pub refused: Option<syn::Error>,
}

/// What the bytes of a value hold of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDisk {
    /// All of it, and its shape is known.
    Described,
    /// All of it, in a shape that only serde knows: `#[state(opaque)]`, or the type holds the subject itself.
    Opaque,
    /// What the functions named by serde's `with` make of it: opaque, too.
    Custom,
    /// Nothing: `#[serde(skip)]`.
    Skipped,
}

impl Subject {
    /// Reads the item; `None`, with a mistake noted, if it is neither a struct nor an enum (nor a union).
    pub fn parse(
        macro_name: &str,
        helper: &[Known],
        item: TokenStream,
        errors: &mut Diagnostics,
    ) -> Option<Subject> {
        let mut item = match syn::parse2::<DeriveInput>(item.clone()) {
            Ok(item) => item,
            Err(_) => {
                errors.add(
                    first_tokens(item),
                    format!("`#[{macro_name}]` describes data, and this is neither a struct nor an enum"),
                    format!("put `#[{macro_name}]` on the struct or enum itself"),
                );
                return None;
            }
        };
        let derives = derived(&item.attrs);
        let own = item.ident.clone();
        let mut parts = Vec::new();
        match &mut item.data {
            Data::Struct(data) => {
                let fields = parse_fields(macro_name, helper, &own, &mut data.fields, errors);
                let style = style(&data.fields);
                parts.push(Part { variant: None, was: Vec::new(), style, serde: Vec::new(), fields });
            }
            Data::Enum(data) => {
                for variant in &mut data.variants {
                    refuse_cfg(&variant.attrs, errors);
                    let was = was::of_variant(macro_name, &mut variant.attrs, errors);
                    let fields = parse_fields(macro_name, helper, &own, &mut variant.fields, errors);
                    parts.push(Part {
                        variant: Some(variant.ident.clone()),
                        was,
                        style: style(&variant.fields),
                        serde: serde_attributes(&variant.attrs),
                        fields,
                    });
                }
            }
            Data::Union(data) => errors.add(
                data.union_token,
                format!("`#[{macro_name}]` can't know which field of a union holds: its bytes would have no meaning"),
                "write an enum",
            ),
        }
        Some(Subject { item, parts, derives })
    }

    /// The type's name.
    pub fn ident(&self) -> &Ident {
        &self.item.ident
    }

    /// The type's parameters.
    pub fn generics(&self) -> &Generics {
        &self.item.generics
    }

    /// Whether it is an enum.
    pub fn is_enum(&self) -> bool {
        matches!(self.item.data, Data::Enum(_))
    }

    /// Every field, of all parts.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.parts.iter().flat_map(|part| &part.fields)
    }

    /// Whether a derive that the macro can see implements the trait `name`.
    pub fn derives(&self, name: &str) -> bool {
        self.derives.iter().any(|derived| derived == name)
    }

    /// Refuses a second macro of ours on the same item: both would implement the same traits.
    pub fn refuse_second_macro(&mut self, own: &str, errors: &mut Diagnostics) {
        let Some(place) = self.item.attrs.iter().position(|attr| macro_of(attr).is_some()) else { return };
        let other = &self.item.attrs[place];
        match macro_of(other) {
            Some(name) if name == own => {
                errors.add(
                    other,
                    format!("`#[{own}]` stands twice on `{}`", self.item.ident),
                    format!("put all options into one `#[{own}(..)]`, with commas"),
                );
                self.item.attrs.remove(place);
            }
            Some("event") => errors.add(
                other,
                format!("`#[{own}]` already does all that `#[event]` does for `{}`", self.item.ident),
                "remove `#[event]`",
            ),
            Some(name) if own == "event" => errors.add(
                other,
                format!("`#[{name}]` already does all that `#[event]` does for `{}`", self.item.ident),
                "remove `#[event]`",
            ),
            _ => errors.add(
                other,
                format!("`{}` can't be both a key and a state", self.item.ident),
                "write a struct for the key and name it in `#[state(key = ..)]` on another",
            ),
        }
    }

    /// Whether another macro of ours will implement the traits.
    pub fn has_second_macro(&self) -> bool {
        self.item.attrs.iter().any(|attr| macro_of(attr).is_some())
    }

    /// Refuses what no record, key or state may be: one that borrows, or has a field that can't lie on a disk.
    pub fn refuse_unfit(&mut self, macro_name: &str, errors: &mut Diagnostics) {
        let mut lifetimes = self.item.generics.lifetimes();
        let borrows = lifetimes.next().is_some();
        if borrows {
            errors.add(
                &self.item.generics,
                format!(
                    "`{}` borrows, but what is marked `#[{macro_name}]` travels between threads and outlives what it was read from",
                    self.item.ident
                ),
                "own the data: `String` for `&str`, `Vec<T>` for `&[T]`",
            );
        }
        for field in self.parts.iter_mut().flat_map(|part| &mut part.fields) {
            if !matches!(field.on_disk, OnDisk::Described) {
                continue;
            }
            match unfit::find(&field.ty) {
                Some(unfit::Unfit::Borrow) if borrows => {}
                Some(unfit) => {
                    field.refused = Some(unfit.error(&field.member, &field.ty));
                    errors.poisoned();
                }
                None => {}
            }
        }
    }

    /// Takes serde's attributes off the item, because its [codec](codec) carries them.
    pub fn without_serde(&self) -> DeriveInput {
        let mut item = self.item.clone();
        let strip = |attrs: &mut Vec<Attribute>| attrs.retain(|attr| !attr.path().is_ident("serde"));
        strip(&mut item.attrs);
        let strip_fields = |fields: &mut Fields| fields.iter_mut().for_each(|field| strip(&mut field.attrs));
        match &mut item.data {
            Data::Struct(data) => strip_fields(&mut data.fields),
            Data::Enum(data) => data.variants.iter_mut().for_each(|variant| {
                strip(&mut variant.attrs);
                strip_fields(&mut variant.fields);
            }),
            Data::Union(data) => data.fields.named.iter_mut().for_each(|field| strip(&mut field.attrs)),
        }
        item
    }

    /// The item with the types that were refused in the state that reports them.
    pub fn poisoned(&self) -> DeriveInput {
        let mut item = if codec::is_ours(self) { self.without_serde() } else { self.item.clone() };
        let poison = |fields: &mut Fields, part: &Part| {
            for (field, known) in fields.iter_mut().zip(&part.fields) {
                if let Some(error) = &known.refused {
                    field.ty = Type::Verbatim(Poison(error.clone()).into_token_stream());
                }
            }
        };
        match &mut item.data {
            Data::Struct(data) => poison(&mut data.fields, &self.parts[0]),
            Data::Enum(data) => {
                data.variants
                    .iter_mut()
                    .zip(&self.parts)
                    .for_each(|(variant, part)| poison(&mut variant.fields, part));
            }
            Data::Union(_) => {}
        }
        item
    }
}

impl Part {
    /// Those fields of which the bytes hold something.
    pub fn on_disk(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.on_disk != OnDisk::Skipped)
    }
}

fn macro_of(attr: &Attribute) -> Option<&'static str> {
    let last = &attr.path().segments.last()?.ident;
    ["event", "key", "state"].into_iter().find(|name| last == name)
}

fn style(fields: &Fields) -> Style {
    match fields {
        Fields::Named(_) => Style::Named,
        Fields::Unnamed(_) => Style::Tuple,
        Fields::Unit => Style::Unit,
    }
}

fn parse_fields(
    macro_name: &str,
    helper: &[Known],
    own: &Ident,
    fields: &mut Fields,
    errors: &mut Diagnostics,
) -> Vec<Field> {
    let members: Vec<Member> = fields.members().collect();
    let read = |(field, member): (&mut syn::Field, Member)| {
        refuse_cfg(&field.attrs, errors);
        let (mut opaque, mut renamed, mut was) = (false, None::<LitStr>, Vec::new());
        let mut keep = Keep::default();
        let mut seen: Option<Attribute> = None;
        for attr in field.attrs.extract_if(.., |attr| attr.path().is_ident(macro_name)) {
            if seen.is_some() {
                errors.add(
                    &attr,
                    format!("the field has two `#[{macro_name}(..)]`"),
                    "put all options into one, with commas",
                );
                continue;
            }
            let tokens = match &attr.meta {
                Meta::List(list) => list.tokens.clone(),
                _ => TokenStream::new(),
            };
            options::read(macro_name, tokens, helper, errors, |name, value| {
                match name.to_string().as_str() {
                    "opaque" => opaque = true,
                    "name" => renamed = Some(value.parse()?),
                    "was" => was = was::names(value)?,
                    _ => keep.set(name, value)?,
                }
                Ok(())
            });
            seen = Some(attr);
        }
        let name = match (&renamed, &member) {
            (Some(name), _) => name.value(),
            (None, Member::Named(name)) => syn::ext::IdentExt::unraw(name).to_string(),
            (None, Member::Unnamed(place)) => place.index.to_string(),
        };
        let serde = serde_attributes(&field.attrs);
        let on_disk = match serde_words(&serde) {
            words if words.iter().any(|word| word == "skip") => OnDisk::Skipped,
            words if words.iter().any(|word| CUSTOM.contains(&word.as_str())) => OnDisk::Custom,
            _ if opaque || unfit::holds_itself(&field.ty, own) => OnDisk::Opaque,
            _ => OnDisk::Described,
        };
        Field { member, name, renamed, was, ty: field.ty.clone(), on_disk, serde, keep, refused: None }
    };
    fields.iter_mut().zip(members).map(read).collect()
}

/// The words of `#[serde(..)]` by which a field's bytes are made elsewhere.
const CUSTOM: [&str; 3] = ["with", "serialize_with", "deserialize_with"];

fn serde_attributes(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("serde")).cloned().collect()
}

/// The names of the options in serde's attributes.
pub fn serde_words(attrs: &[Attribute]) -> Vec<String> {
    let parse = |attr: &Attribute| attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok();
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("serde"))
        .filter_map(parse)
        .flatten()
        .filter_map(|meta| meta.path().get_ident().map(Ident::to_string))
        .collect()
}

fn refuse_cfg(attrs: &[Attribute], errors: &mut Diagnostics) {
    if let Some(cfg) = attrs.iter().find(|attr| attr.path().is_ident("cfg")) {
        errors.add(
            cfg,
            "with this `#[cfg]` the bytes of a value would mean one thing to one build and another to the next",
            "put the `#[cfg]` on the whole type, or give each build its own type",
        );
    }
}

/// What the visible derives implement, by the last word of each path.
fn derived(attrs: &[Attribute]) -> Vec<Ident> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("derive"))
        .filter_map(|attr| attr.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated).ok())
        .flatten()
        .filter_map(|path| path.segments.last().map(|segment| segment.ident.clone()))
        .collect()
}

/// A few tokens at the front of an item, past its attributes: where an error about the item as a whole is shown.
pub fn first_tokens(item: TokenStream) -> TokenStream {
    let mut tokens = item.into_iter().peekable();
    while let Some(proc_macro2::TokenTree::Punct(punct)) = tokens.peek() {
        if punct.as_char() != '#' {
            break;
        }
        tokens.next();
        tokens.next();
    }
    tokens.take_while(|token| !matches!(token, proc_macro2::TokenTree::Group(_))).take(3).collect()
}
