//! `#[pattern]`: a function whose parameters are the steps of a pattern, and which is given every match.

mod condition;
mod expand;
mod fallback;
mod parse;
mod validate;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Expr, Ident, ItemFn, Type};

use crate::diagnostics::Diagnostics;
use crate::krate::Krate;
use condition::Condition;

/// What the attribute and the function say.
pub struct Pattern {
    pub krate: Krate,
    /// The function, without what the macro reads.
    pub function: ItemFn,
    pub steps: Vec<Step>,
    /// In milliseconds.
    pub within: Option<u64>,
    pub skip: Option<Skip>,
}

/// A parameter.
pub struct Step {
    /// Its name; one that takes nothing may have none.
    pub name: Option<Ident>,
    /// How it follows what comes before, if that is said.
    pub mark: Option<Mark>,
    pub takes: Takes,
    /// Its type, as it is written.
    pub ty: Type,
    pub times: Option<(Ident, Expr)>,
    pub optional: Option<Ident>,
    pub greedy: Option<Ident>,
    pub consecutive: Option<Ident>,
    pub combinations: Option<Ident>,
    pub until: Option<(Ident, Condition)>,
}

/// `#[followed_by(|payment| ..)]`
pub struct Mark {
    pub kind: Kind,
    /// The attribute's name, where it is written.
    pub ident: Ident,
    pub condition: Option<Condition>,
}

/// How a step follows what comes before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Begin,
    Next,
    FollowedBy,
    FollowedByAny,
    NotNext,
    NotFollowedBy,
}

/// How many events a step takes, as its type says.
pub enum Takes {
    /// `Payment`
    One(Type),
    /// `Option<Payment>`
    Maybe(Type),
    /// `Vec<Payment>`
    Several(Type),
    /// `[Payment; 3]`
    Exactly(Type, Expr),
    /// `()`
    Nothing,
}

/// `skip = to_first(large)`
pub struct Skip {
    pub kind: SkipKind,
    pub step: Option<Ident>,
}

/// What becomes of other matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipKind {
    None,
    ToNext,
    PastLast,
    ToFirst,
    ToLast,
}

impl Kind {
    const ALL: [Kind; 6] =
        [Kind::Begin, Kind::Next, Kind::FollowedBy, Kind::FollowedByAny, Kind::NotNext, Kind::NotFollowedBy];

    /// Its attribute, and its method of the builder.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Begin => "begin",
            Kind::Next => "next",
            Kind::FollowedBy => "followed_by",
            Kind::FollowedByAny => "followed_by_any",
            Kind::NotNext => "not_next",
            Kind::NotFollowedBy => "not_followed_by",
        }
    }

    /// Whether it says what must not come.
    pub fn is_negative(self) -> bool {
        matches!(self, Kind::NotNext | Kind::NotFollowedBy)
    }
}

impl Takes {
    /// The type of the events.
    pub fn event(&self) -> Option<&Type> {
        match self {
            Takes::One(ty) | Takes::Maybe(ty) | Takes::Several(ty) | Takes::Exactly(ty, _) => Some(ty),
            Takes::Nothing => None,
        }
    }

    /// Whether it can be more than one.
    pub fn several(&self) -> bool {
        matches!(self, Takes::Several(_) | Takes::Exactly(..))
    }
}

impl Step {
    /// Whether it says what must not come.
    pub fn is_negative(&self) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.kind.is_negative())
    }

    /// Whether a match may be without it.
    pub fn is_optional(&self) -> bool {
        matches!(self.takes, Takes::Maybe(_)) || self.optional.is_some()
    }
}

impl Pattern {
    /// The type of the events, if it is known.
    pub fn event(&self) -> Option<&Type> {
        self.steps.iter().find_map(|step| step.takes.event())
    }
}

/// All stages.
pub fn run(options: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Diagnostics::default();
    let Some(pattern) = parse::parse(options, item.clone(), &mut errors) else {
        return quote!(#item #errors);
    };
    validate::validate(&pattern, &mut errors);
    match errors.is_empty() {
        true => expand::expand(&pattern),
        false => fallback::fallback(&pattern, errors),
    }
}
