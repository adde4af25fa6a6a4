use tidegate::prelude::*;

#[state(key = u64)]
#[derive(Default)]
struct Account {
    #[state(was = "sum")]
    balance: i64,
    #[state(was = ["total", "sum"])]
    turnover: i64,
}

fn main() {}
