//! From tokens to a [`State`].

use proc_macro2::TokenStream;
use syn::parse::ParseStream;
use syn::{LitInt, LitStr, Path, Type};

use super::{Keyless, State};
use crate::diagnostics::{Diagnostics, taught};
use crate::krate::Krate;
use crate::options::{self, CRATE, Known};
use crate::subject::Subject;
use crate::subject::was::WAS;

const OPTIONS: [Known; 7] = [
    Known { name: "key", form: "key = Type" },
    Known { name: "unkeyed", form: "unkeyed" },
    Known { name: "broadcast", form: "broadcast" },
    Known { name: "name", form: "name = \"..\"" },
    Known { name: "version", form: "version = 2" },
    Known { name: "from", form: "from = OldState" },
    CRATE,
];
const FIELD_OPTIONS: [Known; 8] = [
    Known { name: "opaque", form: "opaque" },
    Known { name: "name", form: "name = \"..\"" },
    WAS,
    Known { name: "ttl", form: "ttl = \"7d\"" },
    Known { name: "time", form: "time = \"event\"" },
    Known { name: "refresh", form: "refresh = \"read-and-write\"" },
    Known { name: "max", form: "max = 100" },
    Known { name: "unbounded", form: "unbounded" },
];

pub fn parse(options: TokenStream, item: TokenStream, errors: &mut Diagnostics) -> Option<State> {
    let (mut krate, mut key, mut name) = (Krate::default(), None::<Type>, None::<LitStr>);
    let (mut version, mut from) = (None::<LitInt>, None::<Type>);
    let mut keyless = Vec::new();
    options::read("state", options, &OPTIONS, errors, |option, value| {
        match option.to_string().as_str() {
            "key" => key = Some(value.parse()?),
            "unkeyed" => keyless.push((Keyless::Unkeyed, option.clone())),
            "broadcast" => keyless.push((Keyless::Broadcast, option.clone())),
            "name" => name = Some(value.parse()?),
            "version" => version = Some(number(value)?),
            "from" => from = Some(value.parse()?),
            _ => krate = Krate(value.call(Path::parse_mod_style)?),
        }
        Ok(())
    });
    // A slip in an option has been reported; it is most likely the key's.
    let missing = key.is_none() && keyless.is_empty() && errors.is_empty();
    let subject = Subject::parse("state", &FIELD_OPTIONS, item, errors)?;
    if missing {
        errors.push(taught(
            subject.ident(),
            format!("the state `{}` does not say which keys it belongs to", subject.ident()),
            "give the type that the stream is keyed by: `#[state(key = String)]`; one of an operator on a stream without keys is `#[state(unkeyed)]`",
        ));
    }
    if let [_, (_, second)] = &keyless[..] {
        errors.add(
            second,
            format!("the state `{}` is said to belong to a subtask and to all subtasks", subject.ident()),
            "keep `unkeyed` for an operator on a stream without keys, or `broadcast` for what `on_broadcast` tells every subtask",
        );
    }
    let keyless = keyless.into_iter().next();
    Some(State { krate, subject, key, keyless, name, version, from })
}

/// A `u32`.
fn number(value: ParseStream<'_>) -> syn::Result<LitInt> {
    let number: LitInt = value.parse()?;
    number.base10_parse::<u32>()?;
    Ok(number)
}
