use tidegate::prelude::*;

#[state(key = u64)]
#[derive(Default)]
struct OldAccount {
    balance: i32,
}

#[state(key = u64, version = 2, from = OldAccount)]
#[derive(Default)]
struct Account {
    cents: i64,
}

fn main() {}
