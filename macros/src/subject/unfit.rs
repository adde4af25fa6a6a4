//! Types that can be seen, from their tokens alone, not to fit: they get a better message than a missing trait gives.
//!
//! Only what can't be anything else is judged here. A name such as `Sender` may well be the user's own record.

use quote::{ToTokens, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{Ident, Member, Path, Type};

use crate::diagnostics::taught;

/// Why a field's type can't be carried in a stream or kept in state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// `&T`
    Borrow,
    /// `*const T`, `*mut T`
    Pointer,
    /// `fn(..)`
    Function,
    /// `dyn Trait`
    Dyn,
    /// `impl Trait`
    Impl,
    /// `Rc`
    Shared,
    /// `RefCell`, `Mutex`, ...
    Cell,
    /// `Instant`, `SystemTime`
    Clock,
}

impl Unfit {
    fn of(ty: &Type) -> Option<Unfit> {
        match ty {
            Type::Reference(_) => Some(Unfit::Borrow),
            Type::Ptr(_) => Some(Unfit::Pointer),
            Type::BareFn(_) => Some(Unfit::Function),
            Type::TraitObject(_) => Some(Unfit::Dyn),
            Type::ImplTrait(_) => Some(Unfit::Impl),
            Type::Path(path) => match path.path.segments.last()?.ident.to_string().as_str() {
                "Rc" => Some(Unfit::Shared),
                "RefCell" | "Mutex" | "RwLock" | "OnceCell" | "OnceLock" | "LazyLock" => Some(Unfit::Cell),
                "Instant" | "SystemTime" => Some(Unfit::Clock),
                _ => None,
            },
            _ => None,
        }
    }

    /// The mistake in words, at the field's type.
    pub fn error(self, member: &Member, ty: &Type) -> syn::Error {
        let (field, written) = (quote!(#member), spelled(ty));
        let (why, help) = match self {
            Unfit::Borrow => (
                "what it refers to is gone when it is read back",
                "own the data: `String`, `Vec<T>`, `Box<T>`",
            ),
            Unfit::Pointer => ("an address means nothing after a restart", "keep the value itself"),
            Unfit::Function => (
                "code can't be written to a snapshot",
                "keep an enum that says what to do, and `match` on it",
            ),
            Unfit::Dyn => (
                "nothing says which type to read back",
                "write an enum of the types that there are, marked `#[event]`",
            ),
            Unfit::Impl => ("a field has one type, which must be named", "name the type"),
            Unfit::Shared => {
                ("sharing ends at a snapshot, and it can't go to another thread", "keep the value itself")
            }
            Unfit::Cell => (
                "one subtask owns a value at a time, so there is nothing to lock",
                "keep the value itself: a state comes as `&mut`",
            ),
            Unfit::Clock => (
                "the machine's clock means nothing in a replay",
                "use `EventTime`, the milliseconds since the epoch",
            ),
        };
        taught(ty, format!("the field `{field}` is of type `{written}`, which can't be carried: {why}"), help)
    }
}

/// The first part of `ty` that can't be carried.
pub fn find(ty: &Type) -> Option<Unfit> {
    let mut found = None;
    each_type(ty, &mut |part| found = found.or_else(|| Unfit::of(part)));
    found
}

/// A float in `ty`, which no key can have.
pub fn float(ty: &Type) -> Option<Ident> {
    last_word(ty, &["f32", "f64"])
}

/// A hash container in `ty`, which no key can be.
pub fn hashed(ty: &Type) -> Option<Ident> {
    last_word(ty, &["HashMap", "HashSet"])
}

/// Why `ty` can't be (part of) a key, if its tokens tell.
pub fn in_key(ty: &Type, subject: &str) -> Option<syn::Error> {
    if let Some(float) = float(ty) {
        return Some(taught(
            ty,
            format!(
                "{subject} holds an `{float}`, and floats have no stable equality: NaN is not itself, 0.0 is -0.0"
            ),
            "key by what you would group by: a rounded integer (cents, not euros), or the float's `to_bits()`",
        ));
    }
    hashed(ty).map(|hashed| {
        taught(
            ty,
            format!("{subject} holds a `{hashed}`, whose order differs from run to run, so that equal keys would have different bytes"),
            "key by an integer, a `String` or a tuple of those; keep the map in the state",
        )
    })
}

/// Whether `ty` names `own`, the type that it is a field of, with parameters or without.
pub fn holds_itself(ty: &Type, own: &Ident) -> bool {
    mentions(ty, own) || mentions(ty, &Ident::new("Self", own.span()))
}

/// Whether `ty` names the type or type parameter `name`.
pub fn mentions(ty: &Type, name: &Ident) -> bool {
    let mut found = false;
    each_type(ty, &mut |part| {
        if let Type::Path(path) = part
            && let Some(first) = path.path.segments.first()
        {
            found |= path.path.segments.len() == 1 && first.ident == *name;
        }
    });
    found
}

/// A type as it is written, for messages and for the names of opaque types: `Vec<(u64, String)>`.
pub fn spelled(tokens: impl ToTokens) -> String {
    let text = tokens.into_token_stream().to_string();
    let mut spelled = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        let tight_before = |c: char| "<>,();:]".contains(c);
        let tight_after = |c: char| "<(&:[*".contains(c);
        let dropped = c == ' '
            && (next.is_some_and(tight_before) || spelled.ends_with(tight_after))
            && !(spelled.ends_with('>') && next == Some('('));
        if !dropped {
            spelled.push(c);
        }
    }
    spelled
}

fn last_word(ty: &Type, words: &[&str]) -> Option<Ident> {
    let mut found = None;
    each_type(ty, &mut |part| {
        let last = |path: &Path| path.segments.last().map(|segment| segment.ident.clone());
        if let (None, Type::Path(path)) = (&found, part) {
            found = last(&path.path).filter(|word| words.iter().any(|known| word == known));
        }
    });
    found
}

/// Calls `each` for `ty` and every type in it, outer ones first.
fn each_type(ty: &Type, each: &mut dyn FnMut(&Type)) {
    struct Walk<'a>(&'a mut dyn FnMut(&Type));
    impl VisitMut for Walk<'_> {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            (self.0)(ty);
            visit_mut::visit_type_mut(self, ty);
        }
    }
    Walk(each).visit_type_mut(&mut ty.clone());
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;
    use syn::parse_quote;

    use super::*;

    #[test]
    fn what_can_not_be_carried_is_found_at_any_depth() {
        assert_eq!(find(&parse_quote!(Vec<(u64, Option<std::rc::Rc<str>>)>)), Some(Unfit::Shared));
        assert_eq!(find(&parse_quote!(BTreeMap<String, Sender>)), None);
        assert!(float(&parse_quote!((u64, [f32; 2]))).is_some());
        assert!(holds_itself(&parse_quote!(Vec<Box<Tree>>), &parse_quote!(Tree)));
        assert!(holds_itself(&parse_quote!(Vec<Tree<T>>), &parse_quote!(Tree)));
        assert!(holds_itself(&parse_quote!(Vec<Self>), &parse_quote!(Tree)));
        assert!(!holds_itself(&parse_quote!(Vec<other::Tree>), &parse_quote!(Tree)));
    }

    #[test]
    fn a_type_is_spelled_the_way_people_write_it() {
        let ty: TokenStream = quote!(BTreeMap<String, Vec<(u64, &'static [u8])>>);
        assert_eq!(spelled(ty), "BTreeMap<String, Vec<(u64, &'static [u8])>>");
        assert_eq!(spelled(quote!(std::rc::Rc<str>)), "std::rc::Rc<str>");
    }
}
