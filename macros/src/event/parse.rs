//! From tokens to an [`Event`].

use proc_macro2::TokenStream;
use syn::{Ident, Path};

use super::Event;
use crate::diagnostics::Diagnostics;
use crate::krate::Krate;
use crate::options::{self, CRATE, Known};
use crate::subject::Subject;
use crate::subject::was::WAS;

const OPTIONS: [Known; 2] = [Known { name: "time", form: "time = field" }, CRATE];
const FIELD_OPTIONS: [Known; 2] = [Known { name: "opaque", form: "opaque" }, WAS];

pub fn parse(options: TokenStream, item: TokenStream, errors: &mut Diagnostics) -> Option<Event> {
    let (mut krate, mut time) = (Krate::default(), None::<Ident>);
    options::read("event", options, &OPTIONS, errors, |name, value| {
        match name == "time" {
            true => time = Some(value.parse()?),
            false => krate = Krate(value.call(Path::parse_mod_style)?),
        }
        Ok(())
    });
    let subject = Subject::parse("event", &FIELD_OPTIONS, item, errors)?;
    Some(Event { krate, subject, time })
}
