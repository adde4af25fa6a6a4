//! How long and how much of a field is kept: the options `ttl`, `time`, `refresh`, `max` and `unbounded`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::ParseStream;
use syn::{Ident, LitInt, LitStr, Member};

use crate::diagnostics::Diagnostics;
use crate::krate::Krate;
use crate::suggest::nearest;

/// The options as they are written.
#[derive(Default)]
pub struct Keep {
    /// The option's name, for rustc's errors, and its value.
    pub ttl: Option<(Ident, LitStr)>,
    time: Option<(Ident, LitStr)>,
    refresh: Option<(Ident, LitStr)>,
    pub max: Option<(Ident, LitInt)>,
    pub unbounded: Option<Ident>,
}

/// What `time` can say, with the variant of `TtlTime`.
const TIMES: [(&str, &str); 3] = [("event", "Event"), ("processing", "Processing"), ("uptime", "Uptime")];
/// What `refresh` can say, with the variant of `Refresh`.
const REFRESHES: [(&str, &str); 2] = [("write", "Write"), ("read-and-write", "ReadAndWrite")];

impl Keep {
    /// Reads an option at its value.
    pub fn set(&mut self, option: &Ident, value: ParseStream<'_>) -> syn::Result<()> {
        match option.to_string().as_str() {
            "ttl" => self.ttl = Some((option.clone(), value.parse()?)),
            "time" => self.time = Some((option.clone(), value.parse()?)),
            "refresh" => self.refresh = Some((option.clone(), value.parse()?)),
            "max" => self.max = Some((option.clone(), value.parse()?)),
            _ => self.unbounded = Some(option.clone()),
        }
        Ok(())
    }

    /// Whether something says how the field is kept from growing for ever, or that it may.
    pub fn is_said(&self) -> bool {
        self.ttl.is_some() || self.max.is_some() || self.unbounded.is_some()
    }

    /// An option that is written.
    pub fn first(&self) -> Option<&Ident> {
        let texts = [&self.ttl, &self.time, &self.refresh].into_iter().flatten().map(|(option, _)| option);
        texts.chain(self.max.as_ref().map(|(option, _)| option)).chain(&self.unbounded).next()
    }

    /// Judges the options, those of the field `member`.
    pub fn validate(&self, member: &Member, errors: &mut Diagnostics) {
        let field = quote!(#member);
        if let Some((_, text)) = &self.ttl {
            lasting(text, errors);
        }
        choice("time", &self.time, &TIMES, errors);
        choice("refresh", &self.refresh, &REFRESHES, errors);
        for (option, says) in
            [(&self.time, "by which time a `ttl` runs"), (&self.refresh, "what keeps a value from expiring")]
        {
            if let (Some((name, _)), None) = (option, &self.ttl) {
                errors.add(
                    name,
                    format!("`{name}` says {says}, and the field `{field}` has no `ttl`"),
                    "add how long a value is kept: `ttl = \"7d\"`",
                );
            }
        }
        if let Some((_, max)) = &self.max {
            match max.base10_parse::<usize>() {
                Ok(0) => errors.add(
                    max,
                    format!("with `max = 0` the field `{field}` would keep nothing"),
                    "write how many elements it keeps, or remove the field",
                ),
                Ok(_) => {}
                Err(_) => errors.add(
                    max,
                    format!("`max = {max}` is more elements than the field `{field}` can ever have"),
                    "write how many elements it keeps: `max = 100`",
                ),
            }
        }
        if let Some(unbounded) = &self.unbounded {
            let bounds = [&self.ttl.as_ref().map(|(name, _)| name), &self.max.as_ref().map(|(name, _)| name)];
            if let Some(bound) = bounds.into_iter().flatten().next() {
                errors.add(
                    unbounded,
                    format!("the field `{field}` is said to be unbounded, and its `{bound}` bounds it"),
                    "keep one of the two",
                );
            }
        }
    }

    /// The `Ttl`, as an expression that is constant.
    pub fn ttl(&self, krate: &Krate) -> Option<TokenStream> {
        let (_, text) = self.ttl.as_ref()?;
        let millis = humantime::parse_duration(&text.value()).ok()?.as_millis() as u64;
        let time = variant(&self.time, &TIMES, "Processing");
        let refresh = variant(&self.refresh, &REFRESHES, "Write");
        Some(quote! {
            #krate::state::Ttl {
                lasts: ::core::time::Duration::from_millis(#millis),
                time: #krate::state::TtlTime::#time,
                refresh: #krate::state::Refresh::#refresh,
            }
        })
    }

    /// The `max`, as an expression that is constant.
    pub fn max(&self) -> TokenStream {
        match &self.max {
            Some((_, max)) => quote!(::core::option::Option::Some(#max)),
            None => quote!(::core::option::Option::None),
        }
    }
}

/// Judges how long values are kept.
fn lasting(text: &LitStr, errors: &mut Diagnostics) {
    const HELP: &str =
        "write a number and a unit, such as `30s`, `15min`, `12h`, `7d`, or several: `1h 30min`";
    let refused = match humantime::parse_duration(&text.value()) {
        Err(error) => format!("`{}` is no length of time: {error}", text.value()),
        Ok(lasts) if lasts < Duration::from_millis(1) => {
            format!("with a `ttl` of `{}` a value would expire as it is written", text.value())
        }
        Ok(lasts) if i64::try_from(lasts.as_millis()).is_err() => {
            format!("a `ttl` of `{}` is more milliseconds than there is time", text.value())
        }
        Ok(lasts) if !lasts.subsec_nanos().is_multiple_of(1_000_000) => {
            format!("a `ttl` of `{}` is finer than time, which is counted in milliseconds", text.value())
        }
        Ok(_) => return,
    };
    errors.add(text, refused, HELP);
}

/// Judges a choice among words.
fn choice(option: &str, written: &Option<(Ident, LitStr)>, known: &[(&str, &str)], errors: &mut Diagnostics) {
    let Some((_, text)) = written else { return };
    let words = known.iter().map(|(word, _)| *word);
    if words.clone().any(|word| word == text.value()) {
        return;
    }
    let forms: Vec<String> = words.clone().map(|word| format!("`{option} = \"{word}\"`")).collect();
    let help = match nearest(&text.value(), words) {
        Some(near) => format!("did you mean `\"{near}\"`? There is {}", forms.join(", ")),
        None => format!("there is {}", forms.join(", ")),
    };
    errors.add(text, format!("there is no `{option} = \"{}\"`", text.value()), help);
}

fn variant(written: &Option<(Ident, LitStr)>, known: &[(&str, &str)], default: &str) -> Ident {
    let chosen = written.as_ref().and_then(|(_, text)| {
        known.iter().find(|(word, _)| *word == text.value()).map(|(_, variant)| *variant)
    });
    quote::format_ident!("{}", chosen.unwrap_or(default))
}
