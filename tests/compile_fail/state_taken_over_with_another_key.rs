use tidegate::prelude::*;

#[state(key = u64)]
#[derive(Default)]
struct OldAccount {
    balance: i32,
}

// The state can be converted, and nothing says what becomes of its keys.
#[state(key = String, version = 2, from = OldAccount)]
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
