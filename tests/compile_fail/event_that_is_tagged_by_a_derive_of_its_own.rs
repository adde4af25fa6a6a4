use tidegate::prelude::*;

// What serde's options make of a type is for people. In rows it is its fields, which a derive of one's own does not know.
#[event]
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(tag = "kind")]
enum Alert {
    Raised { code: u32 },
    Cleared,
}

fn main() {}
