//! The managed fields of a state: `Map`, `List`, `Value`, `Reducing`, `Aggregating`.
//!
//! Which fields are managed is decided by rustc, by their types: `InState` of the runtime does for a managed field what is
//! asked of it, and `Plain` does nothing for another. So an alias or a path of any kind will do.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Member, Type};

use crate::krate::Krate;
use crate::subject::{Field, OnDisk, Subject, codec};

/// The fields that may be managed.
pub fn candidates(subject: &Subject) -> impl Iterator<Item = &Field> {
    subject.fields().filter(|field| field.on_disk == OnDisk::Described && !is_plain(&field.ty))
}

/// Whether the type is one that everyone knows not to be managed. Nothing rests on that but the length of the expansion: rustc
/// is asked whether such a type can be carried, and no managed one can.
fn is_plain(ty: &Type) -> bool {
    const PLAIN: [&str; 27] = [
        "bool",
        "char",
        "u8",
        "u16",
        "u32",
        "u64",
        "u128",
        "usize",
        "i8",
        "i16",
        "i32",
        "i64",
        "i128",
        "isize",
        "f32",
        "f64",
        "String",
        "Option",
        "Vec",
        "VecDeque",
        "BTreeMap",
        "BTreeSet",
        "HashMap",
        "HashSet",
        "Duration",
        "EventTime",
        "TimerId",
    ];
    match ty {
        Type::Path(path) => {
            path.path.segments.last().is_none_or(|last| PLAIN.iter().any(|name| last.ident == name))
        }
        Type::Tuple(_) | Type::Array(_) => true,
        _ => false,
    }
}

/// Whether `Plain` is to be in scope.
pub fn needs_plain(subject: &Subject) -> bool {
    subject.fields().any(|field| !is_plain(&field.ty))
}

/// `State::MANAGED` and `State::managed`.
pub fn expand(subject: &Subject, krate: &Krate) -> TokenStream {
    let fields: Vec<&Field> = candidates(subject).collect();
    if fields.is_empty() {
        return TokenStream::new();
    }
    let specs = fields.iter().map(|Field { name, ty, keep, .. }| {
        let ttl = match keep.ttl(krate) {
            Some(ttl) => quote!(::core::option::Option::Some(#ttl)),
            None => quote!(::core::option::Option::None),
        };
        let max = keep.max();
        quote! {
            (
                #krate::__rt::InState::<#ty>::MANAGED,
                #krate::state::ManagedSpec { name: #name, ttl: #ttl, max: #max },
            )
        }
    });
    let visits = fields.iter().map(|Field { member, ty, .. }| {
        quote!(#krate::__rt::InState::<#ty>::visit(&mut self.#member, Self::MANAGED, next, visitor)?;)
    });
    let count = fields.len();
    quote! {
        const MANAGED: &'static [#krate::state::ManagedSpec] = {
            const FIELDS: [(bool, #krate::state::ManagedSpec); #count] = [#(#specs),*];
            &#krate::__rt::managed_specs::<{ #krate::__rt::managed_fields(&FIELDS) }>(&FIELDS)
        };

        fn managed<V: #krate::state::ManagedVisitor>(&mut self, visitor: &mut V) -> #krate::Result<()> {
            let next = &mut 0;
            #(#visits)*
            ::core::result::Result::Ok(())
        }
    }
}

/// Asks rustc, at each field, whether it can be kept, and kept as its options say.
pub fn checks(subject: &Subject, krate: &Krate) -> TokenStream {
    let carried = codec::checks_by(subject, krate, |ty| match is_plain(ty) {
        true => quote_spanned!(ty.span()=> #krate::__rt::carried::<#ty>();),
        false => {
            let krate = krate.at(ty.span());
            quote_spanned!(ty.span()=> #krate::__rt::InState::<#ty>::kept();)
        }
    });
    let options = subject.fields().flat_map(|Field { ty, on_disk, keep, .. }| {
        let ttl =
            keep.ttl.as_ref().map(|(at, _)| quote_spanned!(at.span()=> #krate::__rt::expires::<#ty>();));
        let max =
            keep.max.as_ref().map(|(at, _)| quote_spanned!(at.span()=> #krate::__rt::bounded::<#ty>();));
        let unbounded =
            keep.unbounded.as_ref().map(|at| quote_spanned!(at.span()=> #krate::__rt::grows::<#ty>();));
        let otherwise = (*on_disk != OnDisk::Described && !is_plain(ty)).then(|| {
            let krate = krate.at(ty.span());
            quote_spanned!(ty.span()=> #krate::__rt::InState::<#ty>::kept_otherwise();)
        });
        [ttl, max, unbounded, otherwise].into_iter().flatten()
    });
    let options: Vec<TokenStream> = options.collect();
    let options = (!options.is_empty()).then(|| quote!(const _: fn() = || { #(#options)* };));
    quote!(#carried #options)
}

/// A warning for every field that can only grow and does not say that it may. Stable Rust has no warnings of a macro's own, but
/// one for the use of what is deprecated: rustc finds such an item if the field is a `Map` or a `List`, and another if not.
pub fn warnings(subject: &Subject, krate: &Krate) -> TokenStream {
    let growing: Vec<(&Member, &Type)> = candidates(subject)
        .filter(|field| !field.keep.is_said())
        .map(|field| (&field.member, &field.ty))
        .collect();
    if growing.is_empty() {
        return TokenStream::new();
    }
    let ident = subject.ident();
    let (members, types): (Vec<_>, Vec<_>) = growing.into_iter().unzip();
    let notes = members.iter().map(|member| {
        format!(
            "the field `{}` of the state `{ident}` can only grow: nothing says when its entries go\n\
             help: `#[state(ttl = \"7d\")]` lets them expire; `#[state(max = 100)]` keeps the newest of a `List`; \
             if the operator removes them, write `#[state(unbounded)]`",
            member.to_token_stream()
        )
    });
    quote! {
        #[allow(dead_code)]
        struct __OnlyGrows<T>(::core::marker::PhantomData<T>);
        #[allow(dead_code)]
        impl<T: #krate::state::kinds::Grows> __OnlyGrows<T> {
            #(#[deprecated(note = #notes)] fn #members() {})*
        }
        #[allow(dead_code)]
        trait __DoesNot {
            #(fn #members() {})*
        }
        impl<T> __DoesNot for __OnlyGrows<T> {}
        const _: fn() = || { #(__OnlyGrows::<#types>::#members();)* };
    }
}
