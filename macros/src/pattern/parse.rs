//! From tokens to a [`Pattern`].

use proc_macro2::TokenStream;
use syn::parse::ParseStream;
use syn::{
    Attribute, Expr, FnArg, GenericArgument, Ident, ItemFn, LitStr, Meta, Pat, PatType, Path, PathArguments,
    Type,
};

use super::condition::Condition;
use super::{Kind, Mark, Pattern, Skip, SkipKind, Step, Takes};
use crate::diagnostics::{Diagnostics, taught};
use crate::krate::Krate;
use crate::options::{self, CRATE, Known};
use crate::subject::first_tokens;
use crate::subject::unfit::spelled;
use crate::suggest::nearest;

const OPTIONS: [Known; 3] = [
    Known { name: "within", form: "within = \"10m\"" },
    Known { name: "skip", form: "skip = past_last" },
    CRATE,
];

/// What a parameter can be marked with, beside how it follows the one before.
const MARKS: [&str; 6] = ["times", "optional", "greedy", "consecutive", "combinations", "until"];

pub fn parse(options: TokenStream, item: TokenStream, errors: &mut Diagnostics) -> Option<Pattern> {
    let (mut krate, mut within, mut skip) = (Krate::default(), None, None);
    let mut mistaken = Vec::new();
    options::read("pattern", options, &OPTIONS, errors, |option, value| {
        match option.to_string().as_str() {
            "within" => match parse_within(&value.parse()?) {
                Ok(millis) => within = Some(millis),
                Err(mistake) => mistaken.push(mistake),
            },
            "skip" => match parse_skip(value)? {
                Ok(strategy) => skip = Some(strategy),
                Err(mistake) => mistaken.push(mistake),
            },
            _ => krate = Krate(value.call(Path::parse_mod_style)?),
        }
        Ok(())
    });
    mistaken.into_iter().for_each(|mistake| errors.push(mistake));
    let Ok(mut function) = syn::parse2::<ItemFn>(item.clone()) else {
        errors.add(
            first_tokens(item),
            "`#[pattern]` makes a pattern of a function whose parameters are its steps, and this is no function",
            "put it on `fn card_theft(#[begin(|payment| ..)] small: Payment, #[followed_by(|payment| ..)] large: Vec<Payment>) -> Theft`",
        );
        return None;
    };
    let mut steps = Vec::new();
    for input in &mut function.sig.inputs {
        match input {
            FnArg::Typed(parameter) => steps.push(parse_step(parameter, errors)),
            FnArg::Receiver(receiver) => errors.add(
                receiver,
                "a pattern has no `self`: every parameter is one of its steps",
                "write a free function",
            ),
        }
    }
    Some(Pattern { krate, function, steps, within, skip })
}

fn parse_within(written: &LitStr) -> syn::Result<u64> {
    let millis = humantime::parse_duration(&written.value()).map(|within| within.as_millis() as u64);
    match millis {
        Ok(millis) if millis > 0 => Ok(millis),
        _ => Err(taught(
            written,
            format!("`within` is no time: {:?}", written.value()),
            "write a number and its unit: `within = \"10m\"`, `\"30s\"`, `\"250ms\"`, `\"1h 30m\"`",
        )),
    }
}

/// A strategy; or what is wrong with it, when it could be read.
fn parse_skip(value: ParseStream<'_>) -> syn::Result<syn::Result<Skip>> {
    const STRATEGIES: [(&str, SkipKind); 5] = [
        ("none", SkipKind::None),
        ("to_next", SkipKind::ToNext),
        ("past_last", SkipKind::PastLast),
        ("to_first", SkipKind::ToFirst),
        ("to_last", SkipKind::ToLast),
    ];
    let written: Ident = value.parse()?;
    let step = match value.peek(syn::token::Paren) {
        true => {
            let inside;
            syn::parenthesized!(inside in value);
            Some(inside.parse::<Ident>()?)
        }
        false => None,
    };
    let named = STRATEGIES.iter().find(|(name, _)| written == name);
    let Some((_, kind)) = named else {
        let near = nearest(&written.to_string(), STRATEGIES.map(|(name, _)| name));
        let near = near.map(|near| format!("did you mean `{near}`? ")).unwrap_or_default();
        return Ok(Err(taught(
            &written,
            format!("there is no strategy `{written}`"),
            format!("{near}There are `none`, `to_next`, `past_last`, `to_first(step)` and `to_last(step)`"),
        )));
    };
    let of_step = matches!(kind, SkipKind::ToFirst | SkipKind::ToLast);
    match (of_step, &step) {
        (true, None) => Ok(Err(taught(
            &written,
            format!("`{written}` does not say of which step"),
            format!("name one: `skip = {written}(large)`"),
        ))),
        (false, Some(step)) => Ok(Err(taught(
            step,
            format!("`{written}` is of the whole match, and of no step"),
            format!("write `skip = {written}`"),
        ))),
        _ => Ok(Ok(Skip { kind: *kind, step })),
    }
}

fn parse_step(parameter: &mut PatType, errors: &mut Diagnostics) -> Step {
    let name = match &*parameter.pat {
        Pat::Ident(pat) => Some(pat.ident.clone()),
        Pat::Wild(_) => None,
        other => {
            errors.add(
                other,
                "a step has a name, by which conditions and the match know it",
                format!("write `small: {}`, and take it apart in the function", spelled(&parameter.ty)),
            );
            None
        }
    };
    let mut step = Step {
        name,
        mark: None,
        takes: takes(&parameter.ty),
        ty: (*parameter.ty).clone(),
        times: None,
        optional: None,
        greedy: None,
        consecutive: None,
        combinations: None,
        until: None,
    };
    for attribute in std::mem::take(&mut parameter.attrs) {
        if !parse_mark(&attribute, &mut step, errors) {
            parameter.attrs.push(attribute);
        }
    }
    step
}

/// Reads an attribute of a parameter, if it is one of ours.
fn parse_mark(attribute: &Attribute, step: &mut Step, errors: &mut Diagnostics) -> bool {
    let Some(ident) = attribute.path().get_ident() else { return false };
    let written = ident.to_string();
    if let Some(kind) = Kind::ALL.into_iter().find(|kind| written == kind.name()) {
        if let Some(first) = &step.mark {
            errors.add(
                ident,
                format!("the step is `{}` and `{ident}`, but it follows the one before in one way", first.ident),
                "keep one; what must not come in between is a step of its own, `#[not_followed_by(..)] _: ()`",
            );
            return true;
        }
        let condition = condition(ident, attribute, errors);
        step.mark = Some(Mark { kind, ident: ident.clone(), condition });
        return true;
    }
    match written.as_str() {
        "until" => match condition(ident, attribute, errors) {
            Some(until) => step.until = Some((ident.clone(), until)),
            None if matches!(attribute.meta, Meta::List(_)) => {}
            None => {
                errors.add(ident, "`until` does not say what ends the loop", "write `#[until(|payment| ..)]`")
            }
        },
        "times" => match attribute.parse_args::<Expr>() {
            Ok(times) => step.times = Some((ident.clone(), times)),
            Err(_) => errors.add(
                ident,
                "`times` does not say how often",
                "write `#[times(3)]`, `#[times(2..=4)]`, `#[times(2..5)]` or `#[times(2..)]`",
            ),
        },
        "optional" | "greedy" | "consecutive" | "combinations" => {
            if !matches!(attribute.meta, Meta::Path(_)) {
                errors.add(attribute, format!("`{ident}` is given nothing"), format!("write `#[{ident}]`"));
            }
            let mark = Some(ident.clone());
            match written.as_str() {
                "optional" => step.optional = mark,
                "greedy" => step.greedy = mark,
                "consecutive" => step.consecutive = mark,
                _ => step.combinations = mark,
            }
        }
        _ => {
            let known = Kind::ALL.map(Kind::name).into_iter().chain(MARKS);
            let Some(near) = nearest(&written, known) else { return false };
            errors.add(ident, format!("a step can't be marked `{ident}`"), format!("did you mean `{near}`?"));
            if let Some(kind) = Kind::ALL.into_iter().find(|kind| near == kind.name()) {
                step.mark = Some(Mark { kind, ident: ident.clone(), condition: None });
            }
        }
    }
    true
}

fn condition(ident: &Ident, attribute: &Attribute, errors: &mut Diagnostics) -> Option<Condition> {
    if let Meta::Path(_) = attribute.meta {
        return None;
    }
    match attribute.parse_args::<Expr>() {
        Ok(expr) => Condition::parse(ident, expr, errors),
        Err(error) => {
            errors.add(
                ident,
                format!("the condition of `{ident}` can't be read: {error}"),
                format!(
                    "write a closure, `#[{ident}(|payment| payment.amount < 10)]`, or the name of a function"
                ),
            );
            None
        }
    }
}

/// How many events a step takes, as its type says.
fn takes(ty: &Type) -> Takes {
    match ty {
        Type::Tuple(tuple) if tuple.elems.is_empty() => Takes::Nothing,
        Type::Array(array) => Takes::Exactly((*array.elem).clone(), array.len.clone()),
        Type::Path(path) => {
            let of = |name: &str| {
                let last = path.path.segments.last().filter(|segment| segment.ident == name)?;
                let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
                arguments.args.iter().find_map(|argument| match argument {
                    GenericArgument::Type(ty) => Some(ty.clone()),
                    _ => None,
                })
            };
            match (of("Vec"), of("Option")) {
                (Some(event), _) => Takes::Several(event),
                (None, Some(event)) => Takes::Maybe(event),
                (None, None) => Takes::One(ty.clone()),
            }
        }
        _ => Takes::One(ty.clone()),
    }
}
