use tidegate::prelude::*;

// In a snapshot there is one field called `sum`. It can't be both.
#[state(key = u64)]
#[derive(Default)]
struct Account {
    #[state(was = "sum")]
    balance: i64,
    sum: i64,
}

fn main() {}
