//! From tokens to a [`Key`].

use proc_macro2::TokenStream;
use syn::Path;

use super::Key;
use crate::diagnostics::Diagnostics;
use crate::krate::Krate;
use crate::options::{self, CRATE, Known};
use crate::subject::Subject;
use crate::subject::was::WAS;

const OPTIONS: [Known; 1] = [CRATE];

pub fn parse(options: TokenStream, item: TokenStream, errors: &mut Diagnostics) -> Option<Key> {
    let mut krate = Krate::default();
    options::read("key", options, &OPTIONS, errors, |_, value| {
        krate = Krate(value.call(Path::parse_mod_style)?);
        Ok(())
    });
    // A key's fields can't be opaque: a part of a key that is not itself a key would not be hashed.
    let subject = Subject::parse("key", &[WAS], item, errors)?;
    Some(Key { krate, subject })
}
