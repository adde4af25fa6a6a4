use tidegate::prelude::*;

#[state(key = u64, version = 0)]
#[derive(Default)]
struct Account {
    balance: i64,
}

fn main() {}
