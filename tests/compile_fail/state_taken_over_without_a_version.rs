use tidegate::prelude::*;

#[state(key = u64)]
#[derive(Default)]
struct OldAccount {
    balance: i32,
}

// Both would be version 1, and a snapshot says no more than that.
#[state(key = u64, from = OldAccount)]
#[derive(Default)]
struct Account {
    cents: i64,
}

impl From<OldAccount> for Account {
    fn from(old: OldAccount) -> Account {
        Account { cents: i64::from(old.balance) * 100 }
    }
}

fn main() {}
