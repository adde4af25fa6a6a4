use tidegate::prelude::*;

#[event]
struct Reading<T> {
    sensor: u32,
    #[serde(flatten)]
    value: T,
}

fn main() {}
