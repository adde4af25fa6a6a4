//! Golden expansions: `tests/golden/NAME.in.rs` as it leaves the macros is `tests/golden/NAME.out.rs`, to the letter.
//!
//! `TIDEGATE_BLESS=1 cargo test -p tidegate-macros` writes the files anew; what changed is then read in the diff.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, File, Item, Meta};

type Macro = fn(TokenStream, TokenStream) -> TokenStream;

const MACROS: [(&str, Macro); 6] = [
    ("event", crate::event::run),
    ("key", crate::key::run),
    ("state", crate::state::run),
    ("operator", crate::operator::run),
    ("pattern", crate::pattern::run),
    ("job", crate::job::run),
];

#[test]
fn every_expansion_is_the_golden_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut inputs: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".in.rs"))
        .collect();
    inputs.sort();
    assert!(inputs.len() >= 10, "the golden inputs are where they were");
    let bless = std::env::var_os("TIDEGATE_BLESS").is_some();
    let mut differing = Vec::new();
    for input in inputs {
        let golden = PathBuf::from(input.to_string_lossy().replace(".in.rs", ".out.rs"));
        let expanded = expand(&fs::read_to_string(&input).unwrap());
        if bless {
            fs::write(&golden, &expanded).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != expanded {
            eprintln!("--- {} should be\n{expanded}", golden.display());
            differing.push(golden);
        }
    }
    assert!(differing.is_empty(), "differ: {differing:?}; run with TIDEGATE_BLESS=1 and read the diff");
}

/// Expands every macro of ours in a file, formatted.
fn expand(source: &str) -> String {
    let file = syn::parse_file(source).unwrap();
    let items = file.items.into_iter().flat_map(expand_item).collect();
    prettyplease::unparse(&File { items, ..file })
}

fn expand_item(mut item: Item) -> Vec<Item> {
    let attrs: &mut Vec<Attribute> = match &mut item {
        Item::Struct(item) => &mut item.attrs,
        Item::Enum(item) => &mut item.attrs,
        Item::Fn(item) => &mut item.attrs,
        Item::Impl(item) => &mut item.attrs,
        _ => return vec![item],
    };
    let known = |attr: &Attribute| MACROS.iter().find(|(name, _)| attr.path().is_ident(name));
    let Some((place, run)) =
        attrs.iter().enumerate().find_map(|(i, attr)| known(attr).map(|(_, run)| (i, run)))
    else {
        return vec![item];
    };
    let options = match attrs.remove(place).meta {
        Meta::List(list) => list.tokens,
        _ => TokenStream::new(),
    };
    let expanded: File = syn::parse2(run(options, item.into_token_stream())).unwrap();
    expanded.items.into_iter().flat_map(expand_item).collect()
}
